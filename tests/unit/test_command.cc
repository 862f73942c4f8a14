// SPDX-License-Identifier: BSD-2-Clause
// Requests from control: every field out of range is refused and changes nothing; what is applied
// is absolute and may be applied again.
#include <atomic>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "dp_fixture.h"
#include "fake_neighbour.h"

extern "C" {
#include "command.h"
#include "flow_totals.h"
#include "learn.h"
}

using namespace dp;

namespace {

class Command : public testing::Test {
      protected:
	Command() {
		fake::neighbours() = {};
		memset(&command, 0, sizeof(command));
		command.table = &world.table;
		command.counters = world.counters[0];
		command.dp_generation = 77;
	}

	struct rr_request set_request(uint32_t slot, uint32_t peer = RR_SLOT_NONE) {
		struct rr_request q;

		memset(&q, 0, sizeof(q));
		q.id = 0x500000001;
		q.op = RR_REQUEST_FLOW_SET;
		q.uid = 1000 + slot;
		q.slot = slot;
		q.peer = peer;
		q.version = 1;
		q.flags = RR_SET_SIGNALLED;
		q.signalled = endpoint(slot == b ? "10.1.0.9" : "198.18.5.5", 4000);
		q.tos = 0xb8;
		q.dp_generation = 77;
		return q;
	}

	struct rr_request del_request(uint32_t slot) {
		struct rr_request q = set_request(slot);

		q.op = RR_REQUEST_FLOW_DEL;
		return q;
	}

	enum rr_reply_status apply(const struct rr_request &q) {
		memset(&reply, 0xff, sizeof(reply));
		command_apply(&command, &q, now, &reply);
		EXPECT_EQ(q.id, reply.id);
		EXPECT_EQ(q.uid, reply.uid);
		EXPECT_EQ(q.slot, reply.slot);
		EXPECT_EQ(q.op, reply.op);
		EXPECT_EQ(77u, reply.dp_generation);
		return (enum rr_reply_status)reply.status;
	}

	void pair() {
		ASSERT_EQ(RR_REPLY_OK, apply(set_request(a, b)));
		ASSERT_EQ(RR_REPLY_OK, apply(set_request(b, a)));
	}

	Bytes snapshot() const {
		const uint8_t *f = (const uint8_t *)world.flows.get();
		const uint8_t *c = (const uint8_t *)world.cold.get();
		size_t n = N_ADDRS * N_PORTS;

		return Bytes(f, f + n * sizeof(struct rr_flow)) +
		       Bytes(c, c + n * sizeof(struct rr_flow_cold));
	}

	struct rr_flow &flow(uint32_t slot) {
		return world.flows[slot];
	}

	World world;
	struct command command;
	struct rr_reply reply;
	uint64_t now = 1000000000000;
	const uint32_t a = 2; // EXT4 20002
	const uint32_t b = INT4 * N_PORTS + 50;
};

TEST_F(Command, SetInstalls) {
	EXPECT_EQ(RR_REPLY_OK, apply(set_request(a)));
	EXPECT_EQ(1000u + a, flow(a).uid);
	EXPECT_EQ(RR_FLOW_INSTALLED | RR_FLOW_HAS_REMOTE, flow(a).flags);
	EXPECT_EQ(RR_SLOT_NONE, flow(a).peer);
	EXPECT_EQ(RR_PAYLOAD_TYPE_NONE, flow(a).payload_type);
	EXPECT_EQ(0u, flow(a).seq % 2);
	EXPECT_EQ(1u, world.counters[0][RR_C_requests]);
	EXPECT_EQ(0u, world.counters[0][RR_C_requests_refused]);
}

TEST_F(Command, SetFlags) {
	struct rr_request q = set_request(a + 1, b + 1);

	q.flags |= RR_SET_ASYMMETRIC | RR_SET_SAFE;
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(RR_FLOW_INSTALLED | RR_FLOW_HAS_REMOTE | RR_FLOW_RTCP | RR_FLOW_ASYMMETRIC |
			  RR_FLOW_SAFE | RR_FLOW_COMPLETE,
		flow(a + 1).flags);
}

TEST_F(Command, BothLegsFindEachOther) {
	pair();
	EXPECT_TRUE(flow(a).flags & RR_FLOW_HAS_OUT);
	EXPECT_TRUE(flow(b).flags & RR_FLOW_HAS_OUT);
	EXPECT_EQ(0, memcmp(flow(a).out, flow(b).remote, 16));
	EXPECT_EQ(0, memcmp(flow(b).out, flow(a).remote, 16));
	EXPECT_EQ(INT4, flow(a).out_addr);
	EXPECT_EQ(htons(20050), flow(a).out_src_port_be);
	EXPECT_EQ(0xb8, flow(a).tos);
}

TEST_F(Command, TosIsThatOfTheRemoteOfThePeer) {
	struct rr_request q = set_request(a, b);

	pair();
	q.tos = 0x20;
	apply(q);
	EXPECT_EQ(0xb8, flow(a).tos);
	EXPECT_EQ(0x20, flow(b).tos);
}

TEST_F(Command, OneSidedPeerSendsNothing) {
	apply(set_request(b));
	apply(set_request(a, b));
	EXPECT_TRUE(flow(a).flags & RR_FLOW_COMPLETE);
	EXPECT_FALSE(flow(a).flags & RR_FLOW_HAS_OUT) << "the other leg does not name this one";
}

TEST_F(Command, NewPeerLeavesTheOldOneWithoutWayOut) {
	uint32_t c = INT4 * N_PORTS + 60;

	pair();
	EXPECT_EQ(RR_REPLY_OK, apply(set_request(c, a)));
	EXPECT_EQ(RR_REPLY_OK, apply(set_request(a, c)));
	EXPECT_FALSE(flow(b).flags & RR_FLOW_HAS_OUT);
	EXPECT_TRUE(flow(a).flags & RR_FLOW_HAS_OUT);
	EXPECT_TRUE(flow(c).flags & RR_FLOW_HAS_OUT);
}

// Each row breaks one field of a good request. Nothing may change but the counters.
struct Refusal {
	const char *what;
	std::function<void(struct rr_request &)> breaks;
	enum rr_reply_status want;
};

const Refusal set_refusals[] = {
	{"op 0", [](struct rr_request &q) { q.op = 0; }, RR_REPLY_BAD_OP},
	{"op past the last", [](struct rr_request &q) { q.op = RR_REQUEST_OPS; }, RR_REPLY_BAD_OP},
	{"op 65535", [](struct rr_request &q) { q.op = 65535; }, RR_REPLY_BAD_OP},
	{"slot past the last", [](struct rr_request &q) { q.slot = N_ADDRS * N_PORTS; },
		RR_REPLY_BAD_SLOT},
	{"slot none", [](struct rr_request &q) { q.slot = RR_SLOT_NONE; }, RR_REPLY_BAD_SLOT},
	{"another worker", [](struct rr_request &q) { q.worker = 1; }, RR_REPLY_BAD_WORKER},
	{"no uid", [](struct rr_request &q) { q.uid = 0; }, RR_REPLY_BAD_UID},
	{"unknown flag", [](struct rr_request &q) { q.flags |= RR_SET_FLAGS + 1; },
		RR_REPLY_BAD_FLAGS},
	{"reserved words", [](struct rr_request &q) { q.reserved[3] = 1; }, RR_REPLY_BAD_FLAGS},
	{"guess without address", [](struct rr_request &q) { q.flags |= RR_SET_GUESSED; },
		RR_REPLY_BAD_FLAGS},
	{"guess for RTP",
		[](struct rr_request &q) {
			q.flags |= RR_SET_GUESSED | RR_SET_LEARNED;
			q.learned = q.signalled;
		},
		RR_REPLY_BAD_FLAGS},
	{"peer past the last", [](struct rr_request &q) { q.peer = N_ADDRS * N_PORTS; },
		RR_REPLY_BAD_PEER},
	{"peer itself", [](struct rr_request &q) { q.peer = q.slot; }, RR_REPLY_BAD_PEER},
	{"RTCP as peer of RTP", [](struct rr_request &q) { q.peer ^= 1; }, RR_REPLY_BAD_PEER},
	{"no family", [](struct rr_request &q) { q.signalled.family = 0; }, RR_REPLY_BAD_ENDPOINT},
	{"family 5", [](struct rr_request &q) { q.signalled.family = 5; }, RR_REPLY_BAD_ENDPOINT},
	{"reserved byte", [](struct rr_request &q) { q.signalled.reserved[4] = 1; },
		RR_REPLY_BAD_ENDPOINT},
	{"bytes behind IPv4", [](struct rr_request &q) { q.signalled.addr[15] = 1; },
		RR_REPLY_BAD_ENDPOINT},
	{"address 0.0.0.0", [](struct rr_request &q) { memset(q.signalled.addr, 0, 16); },
		RR_REPLY_BAD_ENDPOINT},
	{"learned without family", [](struct rr_request &q) { q.flags |= RR_SET_LEARNED; },
		RR_REPLY_BAD_ENDPOINT},
};

TEST_F(Command, RefusedFieldByField) {
	pair();
	for (const Refusal &r : set_refusals) {
		struct rr_request q = set_request(a, b);
		Bytes before = snapshot();
		uint64_t n_refused = world.counters[0][RR_C_requests_refused];

		q.version = 9;
		q.signalled = endpoint("198.18.9.9", 9);
		r.breaks(q);
		EXPECT_EQ(r.want, apply(q)) << r.what;
		EXPECT_TRUE(before == snapshot()) << r.what;
		EXPECT_EQ(n_refused + 1, world.counters[0][RR_C_requests_refused]) << r.what;
	}
}

TEST_F(Command, AnotherWorkersFlows) {
	pair();
	flow(a).owner = 1;
	Bytes before = snapshot();
	EXPECT_EQ(RR_REPLY_BAD_WORKER, apply(set_request(a, b)));
	EXPECT_EQ(RR_REPLY_BAD_WORKER, apply(del_request(a)));
	EXPECT_EQ(RR_REPLY_BAD_PEER, apply(set_request(b, a)));
	EXPECT_TRUE(before == snapshot());
	flow(a).flags &= (uint16_t)~RR_FLOW_INSTALLED; // given up there: free for us
	EXPECT_EQ(RR_REPLY_OK, apply(set_request(a, b)));
	EXPECT_EQ(0, flow(a).owner);
}

// Worker 0 installs and frees a slot that was worker 1's before. Whatever moment worker 1 looks at
// it, the flow is never its own.
TEST_F(Command, PreviousOwnerNeverTakesAFlowThatIsBeingInstalled) {
	struct flow_table previous = world.table;
	std::atomic<int> ready{0}, done{0};
	uint64_t n_taken = 0;

	previous.self = 1;
	std::thread worker1([&] {
		for (int i = 1; i <= 20000; i++) {
			rr_store_relaxed(&flow(a).owner, (uint8_t)1);
			ready = i;
			while (done != i)
				n_taken += flow_is_mine(&previous, a);
		}
	});
	for (int i = 1; i <= 20000; i++) {
		while (ready != i)
			std::this_thread::yield();
		apply(set_request(a));
		apply(del_request(a));
		flow(a).uid = 0;
		done = i;
	}
	worker1.join();
	EXPECT_EQ(0u, n_taken);
}

TEST_F(Command, DelRefused) {
	struct rr_request q = del_request(a);

	pair();
	Bytes before = snapshot();
	q.slot = N_ADDRS * N_PORTS;
	EXPECT_EQ(RR_REPLY_BAD_SLOT, apply(q));
	q = del_request(a);
	q.worker = 2;
	EXPECT_EQ(RR_REPLY_BAD_WORKER, apply(q));
	q = del_request(a);
	q.uid = 0;
	EXPECT_EQ(RR_REPLY_BAD_UID, apply(q));
	EXPECT_TRUE(before == snapshot());
}

TEST_F(Command, DelLeavesUidAndCounters) {
	pair();
	flow(a).n_packets = 5;
	world.cold[a].n_rejected = 3;
	EXPECT_EQ(RR_REPLY_OK, apply(del_request(a)));
	EXPECT_FALSE(flow(a).flags & (RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_HAS_OUT));
	EXPECT_EQ(1000u + a, flow(a).uid);
	EXPECT_EQ(5u, flow(a).n_packets);
	EXPECT_EQ(3u, world.cold[a].n_rejected);
	EXPECT_FALSE(flow(b).flags & RR_FLOW_HAS_OUT) << "nothing goes out of a freed port";
	EXPECT_EQ(RR_REPLY_OK, apply(del_request(a))) << "again";
	EXPECT_EQ(5u, flow(a).n_packets);
}

TEST_F(Command, DelOfAnotherUidDoesNothing) {
	struct rr_request q = del_request(a);

	pair();
	Bytes before = snapshot();
	q.uid = 4711;
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_TRUE(before == snapshot());
}

TEST_F(Command, SetAgainKeepsEverything) {
	pair();
	flow(a).n_packets = 5;
	Bytes before = snapshot();
	apply(set_request(a, b));
	apply(set_request(b, a));
	for (uint32_t slot : {a, b})
		flow(slot).seq = 0;
	Bytes after = snapshot();
	for (uint32_t slot : {a, b})
		memset(before.data() + slot * sizeof(struct rr_flow) +
				offsetof(struct rr_flow, seq),
			0, 4);
	EXPECT_TRUE(before == after);
}

TEST_F(Command, OlderVersionIsNoNews) {
	struct rr_request q = set_request(a);

	q.version = 5;
	apply(q);
	q.version = 4;
	q.signalled = endpoint("198.18.9.9", 9);
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(htons(4000), flow(a).remote_port_be);
	EXPECT_EQ(5u, world.cold[a].version);
	q.version = 6;
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(htons(9), flow(a).remote_port_be);
}

TEST_F(Command, VersionsWrap) {
	struct rr_request q = set_request(a);

	q.version = UINT32_MAX;
	apply(q);
	q.version = 0;
	q.signalled.port_be = htons(9);
	apply(q);
	EXPECT_EQ(htons(9), flow(a).remote_port_be);
}

TEST_F(Command, NewerVersionWithoutAddressIsHold) {
	struct rr_request q = set_request(a);

	apply(q);
	q.version = 2;
	q.flags = 0;
	q.signalled = endpoint("198.18.9.9", 9); // not looked at
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(htons(4000), flow(a).remote_port_be);
	EXPECT_EQ(2u, world.cold[a].version);
}

TEST_F(Command, AnotherUidInstallsAfresh) {
	struct rr_request q = set_request(a);

	pair();
	flow(a).n_packets = 5;
	flow(a).max_gap_us = 5;
	world.cold[a].n_duplicates = 6;
	world.cold[a].sdp_update_ns = 7;
	flow(a).flags |= RR_FLOW_LATCHED | RR_FLOW_UNTRUSTED_SDP;
	q.uid = 4711;
	EXPECT_EQ(RR_REPLY_OK, apply(q))
		<< "also while the old one is installed: control is the truth";
	EXPECT_EQ(4711u, flow(a).uid);
	EXPECT_EQ(0u, flow(a).n_packets);
	EXPECT_EQ(0u, flow(a).max_gap_us);
	EXPECT_EQ(0u, world.cold[a].n_duplicates);
	EXPECT_EQ(0u, world.cold[a].sdp_update_ns);
	EXPECT_EQ(RR_FLOW_INSTALLED | RR_FLOW_HAS_REMOTE, flow(a).flags);
	EXPECT_FALSE(flow(b).flags & RR_FLOW_HAS_OUT);
}

TEST_F(Command, SameUidAfterDelIsBack) {
	pair();
	flow(a).n_packets = 5;
	apply(del_request(a));
	EXPECT_EQ(RR_REPLY_OK, apply(set_request(a, b)));
	EXPECT_TRUE(flow(a).flags & RR_FLOW_INSTALLED);
	EXPECT_EQ(5u, flow(a).n_packets);
}

TEST_F(Command, TornFlowIsPutTogetherAgain) {
	struct rr_request q = set_request(a, b);
	struct rr_flow_totals totals;

	pair();
	flow(a).n_packets = 5;
	flow(a).payload_type = 0;
	flow(a).ext_seq_max = 70000;
	flow(a).contig_lo = 70001; // caught between two stores
	world.cold[a].run_min = 69990;
	memset(flow(a).remote, 0xee, 16);
	flow(a).flags |= RR_FLOW_TORN;
	q.flags |= RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC;
	q.learned = endpoint("198.18.6.6", 5000);
	q.latch_ssrc = 11;
	q.latch_seq = 12;
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_FALSE(flow(a).flags & RR_FLOW_TORN);
	EXPECT_TRUE(flow(a).flags & RR_FLOW_LATCHED);
	EXPECT_EQ(5u, flow(a).n_packets);
	EXPECT_EQ(0, memcmp(flow(a).remote, q.learned.addr, 16));
	EXPECT_EQ(0, memcmp(flow(b).out, q.learned.addr, 16));
	EXPECT_EQ(11u, world.cold[a].latch_ssrc);
	EXPECT_EQ(12, world.cold[a].latch_seq);
	rr_flow_totals(&totals, &flow(a), &world.cold[a]);
	EXPECT_LE(totals.n_received, totals.n_sent);
}

TEST_F(Command, LatchedWithoutAnyAddressIsNotLatched) {
	struct rr_request q = set_request(a);

	q.flags = RR_SET_LATCHED;
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(RR_FLOW_INSTALLED, flow(a).flags);
}

TEST_F(Command, RemoteOfTheOtherFamilyIsKeptAndNotUsed) {
	struct rr_request q = set_request(b, a);

	apply(set_request(a, b));
	q.signalled = endpoint("2001:db8::1", 4000);
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_EQ(RR_FAMILY_IPV6, flow(b).remote_family);
	EXPECT_FALSE(flow(a).flags & RR_FLOW_HAS_OUT);
}

TEST_F(Command, Barrier) {
	struct rr_request q;

	memset(&q, 0, sizeof(q));
	q.op = RR_REQUEST_BARRIER;
	q.id = UINT64_C(9) << 32;
	Bytes before = snapshot();
	EXPECT_EQ(RR_REPLY_OK, apply(q));
	EXPECT_TRUE(before == snapshot());
}

// Random bytes as requests: whatever they are, no flow but the named one and its peers is written,
// and each is answered. With a sanitizer this also shows that nothing is written out of bounds.
TEST_F(Command, RandomRequests) {
	uint32_t random = 99;
	auto next = [&]() { return (uint8_t)((random = random * 1664525 + 1013904223) >> 24); };

	for (int i = 0; i < 50000; i++) {
		struct rr_request q = set_request(next() * 2U, next() * 2U);
		uint8_t *bytes = (uint8_t *)&q;

		for (int n = next() % 4; n > 0; n--)
			bytes[(next() << 8 | next()) % sizeof(q)] = next();
		command_apply(&command, &q, now, &reply);
		ASSERT_EQ(q.id, reply.id);
	}
	for (uint32_t slot = 0; slot < N_ADDRS * N_PORTS; slot++) {
		EXPECT_EQ(0u, flow(slot).seq % 2);
		if (flow(slot).flags & RR_FLOW_HAS_OUT) {
			EXPECT_NE(RR_SLOT_NONE, flow_peer(&world.table, slot));
		}
	}
	EXPECT_EQ(50000u, world.counters[0][RR_C_requests]);
	EXPECT_LT(0u, world.counters[0][RR_C_requests_refused]);
	EXPECT_GT(50000u, world.counters[0][RR_C_requests_refused]);
}

// The rings: control's ends are played by the test.
class CommandRings : public Command {
      protected:
	CommandRings() : replies_memory(sizeof(struct rr_ring_shared) + 64 * 128) {
		auto *shared = (struct rr_ring_shared *)replies_memory.get();

		world.ring(&control_requests, sizeof(struct rr_request));
		rr_ring_attach_consumer(&requests, control_requests.shared, control_requests.slots,
			64, sizeof(struct rr_request));
		rr_ring_attach_producer(&replies, shared, shared + 1, 4, sizeof(struct rr_reply));
		rr_ring_attach_consumer(
			&control_replies, shared, shared + 1, 4, sizeof(struct rr_reply));
		command.requests = &requests;
		command.replies = &replies;
	}

	void push(uint32_t slot) {
		struct rr_request q = set_request(slot);

		ASSERT_EQ(0, rr_ring_push(&control_requests, &q));
	}

	Zeroed<uint8_t> replies_memory;
	struct rr_ring control_requests, requests, replies, control_replies;
};

TEST_F(CommandRings, BatchIsBounded) {
	for (uint32_t slot = 0; slot < 6; slot++)
		push(slot);
	EXPECT_EQ(2u, command_burst(&command, now, 2));
	EXPECT_TRUE(flow(1).flags & RR_FLOW_INSTALLED);
	EXPECT_FALSE(flow(2).flags & RR_FLOW_INSTALLED);
	EXPECT_EQ(0u, command_burst(&command, now, 0));
}

TEST_F(CommandRings, NothingIsTakenThatCannotBeAnswered) {
	struct rr_reply r;

	for (uint32_t slot = 0; slot < 6; slot++)
		push(slot);
	EXPECT_EQ(4u, command_burst(&command, now, 64));
	EXPECT_FALSE(flow(4).flags & RR_FLOW_INSTALLED);
	for (uint32_t slot = 0; slot < 4; slot++) {
		ASSERT_EQ(1, rr_ring_pop(&control_replies, &r));
		EXPECT_EQ(slot, r.slot);
	}
	EXPECT_EQ(2u, command_burst(&command, now, 64));
	EXPECT_EQ(0u, command_burst(&command, now, 64));
	EXPECT_EQ(0u, world.counters[0][RR_C_ring_broken]);
}

TEST_F(CommandRings, WhatWasMeantForAnEarlierDataplaneIsDropped) {
	struct rr_request stale = set_request(2);
	struct rr_reply r;

	for (uint64_t generation : {UINT64_C(76), UINT64_C(78), UINT64_C(0)}) {
		stale.dp_generation = generation;
		ASSERT_EQ(0, rr_ring_push(&control_requests, &stale));
	}
	push(4);
	EXPECT_EQ(4u, command_burst(&command, now, 64));
	EXPECT_FALSE(flow(2).flags & RR_FLOW_INSTALLED);
	EXPECT_TRUE(flow(4).flags & RR_FLOW_INSTALLED);
	ASSERT_EQ(1, rr_ring_pop(&control_replies, &r));
	EXPECT_EQ(4u, r.slot);
	EXPECT_EQ(0, rr_ring_pop(&control_replies, &r));
	EXPECT_EQ(3u, world.counters[0][RR_C_requests_stale]);
	EXPECT_EQ(1u, world.counters[0][RR_C_requests]);
}

TEST_F(CommandRings, BrokenIndexesAreCounted) {
	push(0);
	control_requests.shared->tail = 1u << 30;
	EXPECT_EQ(0u, command_burst(&command, now, 64));
	EXPECT_EQ(1u, world.counters[0][RR_C_ring_broken]);
	replies.shared->head = 1u << 30;
	EXPECT_EQ(0u, command_burst(&command, now, 64));
	EXPECT_EQ(2u, world.counters[0][RR_C_ring_broken]);
	EXPECT_EQ(0u, world.counters[0][RR_C_requests]);
}

} // namespace
