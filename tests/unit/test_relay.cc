// SPDX-License-Identifier: BSD-2-Clause
// The relay stage on flows in memory: what a datagram is allowed, what it teaches, what is counted,
// and what the other flows of the call and control get to know.
//
// One call: leg A at EXT4 20002 (RTCP 20003) with party 198.18.5.5, leg B at INT4 20050 with party
// 10.1.0.9. The tables of the learning machine have a test of their own, test_learn.cc; here every
// state is reached by datagrams and requests, and the effect of its cells is looked at.
#include <gtest/gtest.h>

#include "dp_fixture.h"
#include "fake_neighbour.h"

extern "C" {
#include "command.h"
#include "latch.h"
#include "relay.h"
}

using namespace dp;

namespace {

const uint64_t S = 1000000000, MS = 1000000;

// A datagram: from where, with which content. Tests change what matters to them.
struct Packet {
	std::string host = "198.18.5.5";
	uint16_t port = 4000;
	Bytes payload = rtp(100);
};

class Relay : public testing::Test {
      protected:
	Relay() {
		fake::neighbours() = {};
		world.ring(&events, sizeof(struct rr_event));
		rr_ring_attach_consumer(
			&reader, events.shared, events.slots, events.n_slots, events.slot_size);
		relay.table = &world.table;
		relay.events = &events;
		relay.safe_learn_ns = 3 * S;
		relay.safe_silence_ns = 500 * MS;
		relay.safe_learn_packets = 50;
		memset(&command, 0, sizeof(command));
		command.table = &world.table;
		command.counters = world.counters[0];
	}

	struct rr_request request(uint32_t addr, uint16_t port, uint32_t peer_addr, uint16_t peer) {
		struct rr_request q;

		memset(&q, 0, sizeof(q));
		q.op = RR_REQUEST_FLOW_SET;
		q.uid = port;
		q.slot = world.slot(addr, port);
		q.peer = world.slot(peer_addr, peer);
		q.version = 1;
		q.flags = mode;
		return q;
	}

	void set(const struct rr_request &q) {
		struct rr_reply reply;

		command_apply(&command, &q, now, &reply);
		ASSERT_EQ(RR_REPLY_OK, reply.status);
	}

	// Both legs, RTP and RTCP. `a` and `b` are the signalled addresses of RTP, "" for none.
	void call(const std::string &a, const std::string &b = "10.1.0.9", uint32_t flags_a = 0) {
		for (uint16_t rtcp = 0; rtcp < 2; rtcp++) {
			struct rr_request q = request(
				EXT4, (uint16_t)(20002 + rtcp), INT4, (uint16_t)(20050 + rtcp));
			struct rr_request p = request(
				INT4, (uint16_t)(20050 + rtcp), EXT4, (uint16_t)(20002 + rtcp));

			q.flags |= (uint16_t)flags_a;
			signal_to(q, a, (uint16_t)(4000 + rtcp));
			signal_to(p, b, (uint16_t)(6000 + rtcp));
			set(q);
			set(p);
		}
	}

	static void signal_to(struct rr_request &q, const std::string &host, uint16_t port) {
		if (host.empty())
			return;
		q.flags |= RR_SET_SIGNALLED;
		q.signalled = endpoint(host, port);
	}

	// Control signals another (or the same) address for leg A.
	void signal_again(const std::string &host, uint16_t port, uint16_t media = 20002) {
		struct rr_request q = request(EXT4, media, INT4, (uint16_t)(media - 20002 + 20050));

		q.version = ++version;
		q.flags |= RR_SET_SIGNALLED;
		q.signalled = endpoint(host, port);
		set(q);
	}

	// Send one datagram to leg A. True when it goes on to the next stage.
	bool send(const Packet &packet, uint16_t media = 20002, uint32_t addr = EXT4) {
		Mbuf mbuf(Bytes(42, 0) + packet.payload);
		struct rr_endpoint from = endpoint(packet.host, packet.port);
		struct burst *b = world.burst.get();
		struct pkt *p;

		world.begin(now);
		pkt_add(b, &mbuf.m, EXT_PORT);
		p = b->live[0];
		p->slot = world.slot(addr, media);
		p->flow = &world.flows[p->slot];
		p->family = from.family;
		memcpy(p->src, from.addr, 16);
		p->src_port_be = from.port_be;
		p->udp = rte_pktmbuf_mtod_offset(&mbuf.m, uint8_t *, 34);
		p->payload_len = (uint16_t)packet.payload.size();
		p->n_contiguous = p->payload_len;
		return relay_take(&relay, b, p);
	}

	bool from(const std::string &host, uint16_t port, const Bytes &payload = rtp(100),
		uint16_t media = 20002) {
		return send(Packet{host, port, payload}, media);
	}

	struct rr_flow &a(uint16_t media = 20002) {
		return world.flow(EXT4, media);
	}

	struct rr_flow &b(uint16_t media = 20050) {
		return world.flow(INT4, media);
	}

	struct rr_flow_cold &cold(uint16_t media = 20002) {
		return world.cold[world.slot(EXT4, media)];
	}

	std::string remote(uint16_t media = 20002) {
		struct rr_endpoint ep;
		char text[INET6_ADDRSTRLEN];

		if (!(a(media).flags & RR_FLOW_HAS_REMOTE))
			return "-";
		flow_get_remote(&a(media), &ep);
		inet_ntop(ep.family == RR_FAMILY_IPV4 ? AF_INET : AF_INET6, ep.addr, text,
			sizeof(text));
		return std::string(text) + ":" + std::to_string(ntohs(ep.port_be));
	}

	// Where leg B's media goes: the address that leg A's flow learned.
	std::string out(uint16_t media = 20050) {
		char text[INET6_ADDRSTRLEN];

		if (!(b(media).flags & RR_FLOW_HAS_OUT))
			return "-";
		inet_ntop(AF_INET, b(media).out, text, sizeof(text));
		return std::string(text) + ":" + std::to_string(ntohs(b(media).out_port_be));
	}

	bool latched(uint16_t media = 20002) {
		return a(media).flags & RR_FLOW_LATCHED;
	}

	std::vector<struct rr_event> take_events() {
		std::vector<struct rr_event> all;
		struct rr_event e;

		while (rr_ring_pop(&reader, &e) == 1)
			all.push_back(e);
		return all;
	}

	World world;
	struct rr_ring events, reader;
	struct relay relay;
	struct command command;
	uint64_t now = 1000 * S;
	uint32_t version = 1;
	uint16_t mode = 0; // RR_SET_SAFE or none
};

class Safe : public Relay {
      protected:
	Safe() {
		mode = RR_SET_SAFE;
	}
};

// Here: what is counted.

TEST_F(Relay, AcceptedDatagramIsCounted) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.5.5", 4000));
	now += 20 * MS;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(101)));
	now += 45 * MS;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(102)));
	EXPECT_EQ(3u, a().n_packets);
	EXPECT_EQ(3u * 172, a().n_bytes);
	EXPECT_EQ(now, a().last_seen_ns);
	EXPECT_EQ(1000 * S, cold().first_seen_ns);
	EXPECT_EQ(45000u, a().max_gap_us);
	EXPECT_EQ(0u, cold().n_dropped);
	EXPECT_EQ(0u, a().seq % 2);
	EXPECT_EQ(0u, world.burst->n_dropped);
}

TEST_F(Relay, RejectedDatagramLeavesOnlyCounters) {
	call("198.18.5.5");
	from("198.18.5.5", 4000);
	struct rr_flow before = a();
	now += S;
	EXPECT_FALSE(from("198.18.6.6", 4000, rtp(101, 9)));
	EXPECT_EQ(1u, cold().n_rejected);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_source_rejected]);
	EXPECT_EQ(1u, world.burst->n_dropped);
	before.seq = a().seq;
	EXPECT_EQ(0, memcmp(&before, &a(), sizeof(before))) << "no refresh, nothing learned";
}

TEST_F(Relay, NobodyToSendTo) {
	call("198.18.5.5", "");
	EXPECT_FALSE(from("198.18.5.5", 4000));
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_flow_no_remote]);
	EXPECT_EQ(1u, cold().n_dropped);
	EXPECT_EQ(1u, a().n_packets);
	EXPECT_EQ(now, a().last_seen_ns) << "keeps the call alive all the same";
}

TEST_F(Relay, PacketCountGoesBeyond32Bits) {
	call("198.18.5.5");
	a().n_packets = UINT32_MAX;
	from("198.18.5.5", 4000);
	EXPECT_EQ(0u, a().n_packets);
	EXPECT_EQ(1u, cold().n_packets_high);
	from("198.18.5.5", 4000);
	EXPECT_EQ(1u, a().n_packets);
	EXPECT_EQ(0u, cold().first_seen_ns) << "not a first datagram";
}

TEST_F(Relay, NonRtpIsRelayedAndCounted) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.5.5", 4000, {'h', 'e', 'l', 'l', 'o'}));
	EXPECT_TRUE(from("198.18.5.5", 4000, {}));
	EXPECT_TRUE(from("198.18.5.5", 4000, Bytes{0x80, 200} + Bytes(26, 0)));
	EXPECT_EQ(3u, cold().n_parse_errors);
	EXPECT_EQ(RR_PAYLOAD_TYPE_NONE, a().payload_type);
}

TEST_F(Relay, RtcpPortHasNoRtpFigures) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.5.5", 4001, rtp(5), 20003));
	EXPECT_TRUE(from("198.18.5.5", 4001, Bytes{0x80, 200} + Bytes(26, 0), 20003));
	EXPECT_EQ(0u, cold(20003).n_parse_errors);
	EXPECT_EQ(RR_PAYLOAD_TYPE_NONE, a(20003).payload_type);
	EXPECT_EQ(2u, a(20003).n_packets);
}

TEST_F(Relay, PaddingByteOfAChain) {
	Bytes padded = rtp(100);
	struct burst *burst = world.burst.get();

	call("198.18.5.5");
	padded[0] |= 0x20;
	padded.back() = 0; // padding of no bytes: no RTP
	padded[99] = 1; // which would be fine where the first buffer ends
	Mbuf head(Bytes(42, 0) + Bytes(padded.begin(), padded.begin() + 100));
	Mbuf tail(Bytes(padded.begin() + 100, padded.end()));
	head.m.next = &tail.m;
	head.m.nb_segs = 2;
	head.m.pkt_len = 42 + 172;
	world.begin(now);
	pkt_add(burst, &head.m, EXT_PORT);
	struct pkt *p = burst->live[0];
	struct rr_endpoint source = endpoint("198.18.5.5", 4000);
	p->slot = world.slot(EXT4, 20002);
	p->flow = &a();
	p->family = RR_FAMILY_IPV4;
	memcpy(p->src, source.addr, 16);
	p->src_port_be = source.port_be;
	p->udp = rte_pktmbuf_mtod_offset(&head.m, uint8_t *, 34);
	p->payload_len = 172;
	p->n_contiguous = 100;
	EXPECT_TRUE(relay_take(&relay, burst, p));
	EXPECT_EQ(1u, cold().n_parse_errors);
}

// Here: compat.

TEST_F(Relay, CompatUnknownTakesTheFirstDatagram) {
	call("");
	EXPECT_EQ("-", remote());
	EXPECT_TRUE(from("198.18.6.6", 5000, {1}));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_TRUE(latched());
	EXPECT_EQ(0, cold().latch_flags);
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_FALSE(from("198.18.7.7", 5000));
}

TEST_F(Relay, CompatSignalledSourceLatches) {
	call("198.18.5.5");
	EXPECT_EQ("198.18.5.5:4000", out());
	EXPECT_TRUE(from("198.18.5.5", 4000));
	EXPECT_TRUE(latched());
	EXPECT_EQ(0x11223344u, cold().latch_ssrc);
	EXPECT_EQ(100, cold().latch_seq);
	EXPECT_FALSE(a().flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_latched]);
}

TEST_F(Relay, CompatStrangerMovesTheOpenFlow) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_TRUE(a().flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_EQ(RR_NEXTHOP_NONE, b().nexthop);
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(100, 9)));
}

TEST_F(Relay, CompatOverrideBySequence) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(100 + 537)));
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(99)));
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(101, 7)));
	EXPECT_FALSE(from("198.18.6.6", 5000, {1, 2, 3}));
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(100 + 536)));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_EQ(636, cold().latch_seq);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_relatched]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_latched]);
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(636))) << "0 ahead is enough";
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(635)));
}

TEST_F(Relay, CompatOverrideAcrossTheWrap) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(65500));
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(500)));
}

TEST_F(Relay, CompatRecordIsRefreshedOnceASecond) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	now += 999 * MS;
	from("198.18.5.5", 4000, rtp(150));
	EXPECT_EQ(100, cold().latch_seq);
	now += MS;
	from("198.18.5.5", 4000, rtp(151));
	EXPECT_EQ(151, cold().latch_seq);
	now += 500 * MS;
	from("198.18.5.5", 4000, rtp(200));
	EXPECT_EQ(151, cold().latch_seq);
}

// Within 10 s of an update another SSRC of the settled source is relayed, and leaves no record.
TEST_F(Relay, CompatRecordKeepsToItsSsrc) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	signal_again("198.18.5.5", 4000);
	now += 2 * S;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(900, 77)));
	EXPECT_EQ(100, cold().latch_seq);
	now += 9 * S;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(901, 77)));
	EXPECT_EQ(100, cold().latch_seq);
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(902)));
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(101)));
}

TEST_F(Relay, CompatNewSsrcLatchesAgain) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	from("198.18.5.5", 4000, rtp(9000, 77));
	EXPECT_EQ(77u, cold().latch_ssrc);
	EXPECT_EQ(9000, cold().latch_seq);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_latched]) << "it was settled already";
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(9001, 77)));
}

TEST_F(Relay, CompatBlindLatchHasNoOverrideBeforeAnSsrcChange) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, {1});
	EXPECT_TRUE(latched());
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(100)));
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(101)));
	now += 2 * S;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(102)));
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(103)));
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(100, 77)));
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(101, 77)));
}

TEST_F(Relay, CompatSsrcZeroDoesNotLatch) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(100, 0)));
	EXPECT_FALSE(latched());
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(1, 0))) << "the next source wins again";
	EXPECT_EQ("198.18.7.7:5000", remote());
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(2, 5)));
	EXPECT_TRUE(latched());
}

TEST_F(Relay, CompatTenSecondsAfterAnUpdate) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	signal_again("198.18.8.8", 4400);
	EXPECT_EQ("198.18.8.8:4400", remote());
	EXPECT_EQ("198.18.8.8:4400", out());
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.6.6", 5000, {1}));
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(5000, 99))) << "any SSRC, any number";
	EXPECT_EQ(5000, cold().latch_seq);
	EXPECT_EQ(0x11223344u, cold().latch_ssrc);
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(1, 98))) << "back and forth";
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(2, 97)));
	EXPECT_EQ(0x11223344u, cold().latch_ssrc) << "no re-latch inside";
	now += 10 * S - 1;
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(1, 0)));
	now += 1;
	EXPECT_FALSE(from("198.18.7.7", 5000, rtp(3, 97)));
}

TEST_F(Relay, CompatUpdateOfAnOpenFlowKeepsItOpen) {
	call("198.18.5.5");
	signal_again("198.18.5.5", 4000);
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(1)));
	EXPECT_FALSE(latched());
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(2)));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_FALSE(latched());
	now += 10 * S;
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(3)));
	EXPECT_TRUE(latched());
}

TEST_F(Relay, CompatFirstSignalledAddressOpensNoWindow) {
	call("");
	signal_again("198.18.5.5", 4000);
	EXPECT_EQ(0u, cold().sdp_update_ns);
	from("198.18.5.5", 4000);
	EXPECT_TRUE(latched());
}

TEST_F(Relay, CompatUntrustedSdpIsIgnoredAfterwards) {
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	signal_again("198.18.8.8", 4400);
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_NE(0u, cold().sdp_update_ns) << "but the ten seconds begin";
}

TEST_F(Relay, CompatAsymmetric) {
	call("198.18.5.5", "10.1.0.9", RR_SET_ASYMMETRIC);
	EXPECT_TRUE(from("198.18.5.5", 1234));
	EXPECT_EQ("198.18.5.5:4000", remote());
	EXPECT_EQ("198.18.5.5:4000", out());
	EXPECT_FALSE(from("198.18.6.6", 4000, rtp(101)));
	signal_again("198.18.6.6", 4400);
	EXPECT_FALSE(a().flags & RR_FLOW_ASYMMETRIC) << "each request says it anew";
}

TEST_F(Relay, CompatAsymmetricWithoutAddressLearnsOnce) {
	call("", "10.1.0.9", RR_SET_ASYMMETRIC);
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_TRUE(from("198.18.6.6", 5002));
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_FALSE(from("198.18.7.7", 5000));
	EXPECT_EQ("198.18.6.6:5001", remote(20003)) << "the guess";
	EXPECT_TRUE(latched(20003)) << "settles an asymmetric leg";
}

TEST_F(Relay, CompatRtcpLearnsOnceThenLocks) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5555, {1}, 20003));
	EXPECT_EQ("198.18.6.6:5555", remote(20003));
	EXPECT_FALSE(from("198.18.7.7", 5555, rtp(1), 20003));
	EXPECT_FALSE(from("198.18.6.6", 5557, rtp(1), 20003));
	EXPECT_EQ("198.18.5.5:4000", remote()) << "RTP is not moved by RTCP";
}

TEST_F(Relay, CompatRtcpGuess) {
	call("198.18.5.5");
	EXPECT_EQ("198.18.5.5:4001", remote(20003));
	from("198.18.6.6", 5000);
	EXPECT_EQ("198.18.6.6:5001", remote(20003));
	EXPECT_EQ("198.18.6.6:5001", out(20051));
	EXPECT_FALSE(latched(20003));
	EXPECT_TRUE(a(20003).flags & RR_FLOW_GUESSED);
	EXPECT_FALSE(a(20003).flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_TRUE(from("198.18.6.6", 5999, {1}, 20003)) << "the first real one corrects it";
	EXPECT_EQ("198.18.6.6:5999", remote(20003));
	EXPECT_FALSE(a(20003).flags & RR_FLOW_GUESSED);
	EXPECT_TRUE(latched(20003));
}

TEST_F(Relay, CompatRtcpAtTheSameHostStays) {
	call("198.18.5.5");
	from("198.18.5.5", 5000);
	EXPECT_EQ("198.18.5.5:5000", remote());
	EXPECT_EQ("198.18.5.5:4001", remote(20003));
	EXPECT_EQ(1u, take_events().size()) << "nothing to tell of RTCP";
}

TEST_F(Relay, CompatGuessUnlatchesRtcpElsewhere) {
	call("198.18.5.5");
	from("198.18.7.7", 5555, {1}, 20003);
	EXPECT_TRUE(latched(20003));
	take_events();
	from("198.18.6.6", 5000);
	EXPECT_EQ("198.18.6.6:5001", remote(20003));
	EXPECT_FALSE(latched(20003));
	auto all = take_events();
	ASSERT_EQ(2u, all.size());
	EXPECT_EQ(RR_SET_LEARNED, all[0].flags) << "a packet has spoken: signalled ones stay out";
	for (const struct rr_event &e : all)
		EXPECT_EQ(world.cold[e.slot].version, e.version);
	EXPECT_NE(0u, all[0].version);
}

TEST_F(Relay, RtcpTeachesNobodyElse) {
	struct rr_request q = request(EXT4, 20004, INT4, 20052);

	call("198.18.5.5");
	signal_to(q, "198.18.5.5", 4004);
	set(q);
	from("198.18.6.6", 5555, {1}, 20003);
	EXPECT_EQ("198.18.5.5:4004", remote(20004)) << "the next call's RTP";
}

TEST_F(Relay, GuessLeavesForeignRtcpAlone) {
	call("198.18.5.5");
	a(20003).owner = 1;
	struct rr_flow before = a(20003);
	from("198.18.6.6", 5000);
	EXPECT_EQ(0, memcmp(&before, &a(20003), sizeof(before)));
}

// Which port is RTCP follows from the slot, whatever the region says: the slot behind an RTCP port
// is another call's, or none at all.
TEST_F(Relay, RtcpIsTheOddPortWhateverItsFlag) {
	call("198.18.5.5");
	for (uint16_t media : {20002, 20004}) {
		struct rr_request q = request(EXT4, media, INT4, (uint16_t)(media + 48));

		signal_to(q, "198.18.5.5", 4000);
		set(q);
	}
	a(20003).flags &= (uint16_t)~RR_FLOW_RTCP;
	struct rr_flow before = a(20004);
	EXPECT_TRUE(from("198.18.6.6", 5001, rtp(1), 20003));
	EXPECT_EQ(0, memcmp(&before, &a(20004), sizeof(before)));
	EXPECT_EQ(RR_PAYLOAD_TYPE_NONE, a(20003).payload_type);
	EXPECT_EQ(0u, cold(20003).n_parse_errors);
}

TEST_F(Relay, GuessAboveTheLastPort) {
	call("198.18.5.5");
	from("198.18.6.6", 65535);
	EXPECT_EQ("198.18.6.6:0", remote(20003));
	EXPECT_EQ("-", out(20051)) << "nothing is sent to port 0";
}

// Here: safe.

TEST_F(Safe, SignalledSourceLocksAtOnce) {
	call("198.18.5.5");
	EXPECT_EQ(SAFE_SIGNALLED, a().learn);
	EXPECT_TRUE(from("198.18.5.5", 4000));
	EXPECT_EQ(SAFE_LOCKED, a().learn);
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(101)));
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_latched]);
}

TEST_F(Safe, SignalledSourceWinsOverAStranger) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_FALSE(latched());
	EXPECT_TRUE(from("198.18.5.5", 4000));
	EXPECT_EQ("198.18.5.5:4000", out());
	EXPECT_TRUE(latched());
	EXPECT_FALSE(a().flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_FALSE(from("198.18.6.6", 5000));
}

TEST_F(Safe, OpaqueFromTheSignalledAddressLocksNothing) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.5.5", 4000, {1}));
	EXPECT_FALSE(latched());
	EXPECT_TRUE(from("198.18.6.6", 5000)) << "a party behind NAT is still heard";
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_TRUE(from("198.18.5.5", 4000, {1}));
	EXPECT_EQ("198.18.5.5:4000", out()) << "newest wins";
	EXPECT_FALSE(a().flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_FALSE(latched());
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(1)));
	EXPECT_TRUE(latched()) << "RTP settles it at once";
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(101)));
}

// Fax over UDPTL is no RTP at all: its party settles as any other source does.
TEST_F(Safe, OpaqueStreamLocksByItsNumber) {
	relay.safe_learn_packets = 3;
	call("198.18.5.5");
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(latched());
		EXPECT_TRUE(from("198.18.5.5", 4000, {1}));
	}
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.6.6", 5000));
}

TEST_F(Safe, NewestStrangerWinsWhileLearning) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_TRUE(from("198.18.7.7", 5000));
	EXPECT_EQ("198.18.7.7:5000", remote());
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_EQ("198.18.6.6:5000", remote());
}

TEST_F(Safe, SignalledHostOutranksStrangers) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_TRUE(from("198.18.5.5", 9999));
	EXPECT_EQ(SAFE_HOST, a().learn);
	EXPECT_FALSE(from("198.18.6.6", 5000));
	EXPECT_TRUE(from("198.18.5.5", 9998)) << "newer port of the same host";
	EXPECT_EQ("198.18.5.5:9998", remote());
}

TEST_F(Safe, LearningIsBoundedInTime) {
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	now += 3 * S - 1;
	EXPECT_TRUE(from("198.18.7.7", 5000));
	now += 1;
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(1, 5))) << "the window is over";
	EXPECT_TRUE(latched());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_latched]);
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(1, 5))) << "even the signalled one is late now";
	EXPECT_TRUE(from("198.18.7.7", 5000));
}

TEST_F(Safe, LearningIsBoundedInPackets) {
	relay.safe_learn_packets = 3;
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	from("198.18.6.6", 5000);
	from("198.18.7.7", 5000); // begins to count anew
	from("198.18.7.7", 5000);
	EXPECT_FALSE(latched());
	from("198.18.7.7", 5000);
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(1, 5)));
}

TEST_F(Safe, OnePacketMayBeEnough) {
	relay.safe_learn_packets = 1;
	call("198.18.5.5");
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_TRUE(latched());
}

TEST_F(Safe, NoAddressAtAll) {
	call("");
	EXPECT_EQ(SAFE_UNKNOWN, a().learn);
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_EQ(SAFE_STRANGER, a().learn);
	signal_again("198.18.5.5", 4000);
	EXPECT_EQ("198.18.5.5:4000", remote()) << "signalled late, still before a stranger";
	EXPECT_TRUE(from("198.18.5.5", 4000));
	EXPECT_TRUE(latched());
}

TEST_F(Safe, ContinuityNeedsSilenceAndTheNextNumbers) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	now += 499 * MS;
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(120))) << "not silent long enough";
	now += MS;
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(100))) << "0 ahead";
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(637))) << "537 ahead";
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(120, 5))) << "another SSRC";
	EXPECT_FALSE(from("198.18.6.6", 5000, {1})) << "no RTP";
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(636)));
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_relatched]);
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(637)));
}

TEST_F(Safe, ContinuityOnlyOfRtp) {
	const struct latch_limits limits = {3 * S, 500 * MS, 50};
	struct datagram d;

	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	memset(&d, 0, sizeof(d));
	d.source = endpoint("198.18.6.6", 5000);
	d.rtp.ssrc = 0x11223344;
	d.rtp.seq = 101;
	EXPECT_EQ(0u, latch_datagram(&limits, &a(), &cold(), &d, now + S));
	d.is_rtp = true;
	EXPECT_TRUE(latch_datagram(&limits, &a(), &cold(), &d, now + S) & LEARN_MOVE);
}

TEST_F(Safe, ContinuityNeverWithSsrcZero) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100, 0));
	now += S;
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(101, 0)));
}

TEST_F(Safe, RtcpHasNoContinuity) {
	call("198.18.5.5");
	from("198.18.5.5", 4001, rtp(100), 20003);
	now += 10 * S;
	EXPECT_FALSE(from("198.18.5.5", 4003, rtp(101), 20003));
}

TEST_F(Safe, SignalledChangeBeginsOneRound) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	signal_again("198.18.8.8", 4400);
	EXPECT_EQ("198.18.8.8:4400", out());
	EXPECT_FALSE(latched());
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(101))) << "late packet of the old path";
	EXPECT_EQ(SAFE_PREVIOUS, a().learn);
	EXPECT_TRUE(from("198.18.6.6", 5000, rtp(1, 5))) << "anybody is better";
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(102)));
	EXPECT_TRUE(from("198.18.8.8", 4400, rtp(2, 5)));
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.6.6", 5000, rtp(1, 6)));
}

TEST_F(Safe, OldPortOfTheSignalledHostIsStillTheOldPath) {
	call("198.18.5.5");
	from("198.18.5.5", 4000, rtp(100));
	signal_again("198.18.5.5", 4400);
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(101)));
	EXPECT_EQ(SAFE_PREVIOUS, a().learn);
	EXPECT_TRUE(from("198.18.5.5", 4402, rtp(102)));
	EXPECT_EQ(SAFE_HOST, a().learn);
}

TEST_F(Safe, AddressThatNeverSpokeIsNoOldPath) {
	call("198.18.5.5");
	signal_again("198.18.8.8", 4400);
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(101)));
	EXPECT_EQ(SAFE_STRANGER, a().learn);
}

TEST_F(Safe, RepeatedAddressChangesNothing) {
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	now += 3 * S;
	from("198.18.6.6", 5000);
	EXPECT_TRUE(latched());
	signal_again("198.18.5.5", 4000);
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.7.7", 5000, rtp(1, 5)));
}

TEST_F(Safe, SignallingWhereMediaComesFromLocks) {
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	EXPECT_FALSE(latched());
	signal_again("198.18.6.6", 5000);
	EXPECT_TRUE(latched());
	EXPECT_FALSE(a().flags & RR_FLOW_UNTRUSTED_SDP);
	EXPECT_EQ("198.18.6.6:5000", out());
}

TEST_F(Safe, Asymmetric) {
	call("198.18.5.5", "10.1.0.9", RR_SET_ASYMMETRIC);
	EXPECT_TRUE(from("198.18.5.5", 1234));
	EXPECT_EQ("198.18.5.5:4000", remote());
	EXPECT_FALSE(from("198.18.6.6", 4000));
	now += 10 * S;
	EXPECT_FALSE(from("198.18.6.6", 4000, rtp(101)));
}

TEST_F(Safe, SymmetricAgainLearnsAgain) {
	struct rr_request q = request(EXT4, 20002, INT4, 20050);

	call("198.18.5.5", "10.1.0.9", RR_SET_ASYMMETRIC);
	EXPECT_TRUE(from("198.18.5.5", 4999));
	EXPECT_FALSE(from("198.18.6.6", 4000));
	signal_to(q, "198.18.5.5", 4000);
	set(q);
	EXPECT_EQ(SAFE_SIGNALLED, a().learn);
	EXPECT_TRUE(from("198.18.5.5", 4999, rtp(101)));
	EXPECT_EQ("198.18.5.5:4999", out());
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(102)));
	EXPECT_TRUE(latched());
	q.flags |= RR_SET_ASYMMETRIC;
	set(q);
	EXPECT_TRUE(from("198.18.5.5", 4999, rtp(103)));
	q.flags &= (uint16_t)~RR_SET_ASYMMETRIC;
	set(q);
	EXPECT_EQ(SAFE_LOCKED, a().learn) << "what was settled before stays settled";
}

TEST_F(Safe, RtcpFollowsRtp) {
	call("198.18.5.5");
	from("198.18.5.5", 4001, {1}, 20003);
	EXPECT_TRUE(latched(20003));
	from("198.18.6.6", 5000);
	EXPECT_EQ("198.18.6.6:5001", remote(20003));
	EXPECT_EQ(SAFE_SIGNALLED, a(20003).learn);
	EXPECT_FALSE(latched(20003));
	EXPECT_TRUE(a(20003).flags & RR_FLOW_GUESSED);
	EXPECT_TRUE(from("198.18.7.7", 1, {1}, 20003)) << "a stranger, for now";
	EXPECT_TRUE(from("198.18.6.6", 5077, {1}, 20003)) << "the guessed host is better";
	EXPECT_FALSE(from("198.18.7.7", 1, {1}, 20003));
	EXPECT_TRUE(from("198.18.6.6", 5001, {1}, 20003)) << "and the guess is best";
	EXPECT_TRUE(latched(20003));
}

TEST_F(Safe, WhatCompatSettledStaysSettled) {
	struct rr_request q = request(EXT4, 20002, INT4, 20050);

	call("198.18.5.5");
	q.flags = 0;
	set(q);
	EXPECT_TRUE(from("198.18.6.6", 5000));
	EXPECT_TRUE(latched());
	q.flags = RR_SET_SAFE;
	set(q);
	EXPECT_EQ(SAFE_LOCKED, a().learn);
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(1, 5)));
}

TEST_F(Safe, ModeMayChange) {
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	mode = 0;
	signal_again("198.18.6.6", 5000);
	EXPECT_FALSE(a().flags & RR_FLOW_SAFE);
	mode = RR_SET_SAFE;
	signal_again("198.18.6.6", 5000);
	EXPECT_EQ(latched() ? SAFE_LOCKED : SAFE_SIGNALLED, a().learn);
	a().learn = SAFE_STRANGER + 20 * SAFE_STATES; // not ours: taken as locked
	a().flags &= (uint16_t)~RR_FLOW_LATCHED;
	EXPECT_FALSE(from("198.18.7.7", 5000, rtp(1, 5)));
}

// Here: what control hears.

TEST_F(Relay, LatchIsTold) {
	call("198.18.5.5");
	from("198.18.5.5", 4000);
	auto all = take_events();
	ASSERT_EQ(1u, all.size());
	EXPECT_EQ(20002u, all[0].uid);
	EXPECT_EQ(world.slot(EXT4, 20002), all[0].slot);
	EXPECT_EQ(RR_EVENT_LEARNED, all[0].type);
	EXPECT_EQ(RR_SET_LATCHED | RR_SET_LATCH_SSRC, all[0].flags);
	EXPECT_EQ(0x11223344u, all[0].latch_ssrc);
	EXPECT_EQ(100, all[0].latch_seq);
	from("198.18.5.5", 4000, rtp(101));
	EXPECT_TRUE(take_events().empty()) << "nothing new";
}

TEST_F(Relay, MoveAndGuessAreTold) {
	struct rr_endpoint learned = endpoint("198.18.6.6", 5000);
	struct rr_endpoint guess = endpoint("198.18.6.6", 5001);

	call("198.18.5.5");
	from("198.18.6.6", 5000);
	auto all = take_events();
	ASSERT_EQ(2u, all.size());
	EXPECT_EQ(20003u, all[0].uid);
	EXPECT_EQ(RR_SET_LEARNED | RR_SET_GUESSED, all[0].flags);
	EXPECT_EQ(0, memcmp(&guess, &all[0].learned, sizeof(guess)));
	EXPECT_EQ(20002u, all[1].uid);
	EXPECT_EQ(RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC, all[1].flags);
	EXPECT_EQ(0, memcmp(&learned, &all[1].learned, sizeof(learned)));
}

TEST_F(Relay, FullEventRingIsCounted) {
	world.ring(&events, sizeof(struct rr_event), 1);
	call("198.18.5.5");
	from("198.18.6.6", 5000);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_events_lost]);
	EXPECT_EQ(0u, world.counters[EXT_PORT][RR_C_ring_broken]);
}

TEST_F(Relay, BrokenEventRingIsCounted) {
	call("198.18.5.5");
	events.shared->head = 1000;
	events.peer = events.own - events.n_slots; // looks full: the head is read again
	from("198.18.5.5", 4000);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_ring_broken]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_events_lost]);
}

// What was told is enough to go on in another region: same decisions, same way out.
void replay(std::vector<struct rr_event> all, struct rr_request &q) {
	for (const struct rr_event &e : all) {
		if (e.slot != q.slot)
			continue;
		q.flags = (uint16_t)((q.flags & ~(RR_SET_LEARNED | RR_SET_LATCHED |
							RR_SET_LATCH_SSRC | RR_SET_GUESSED)) |
				     e.flags);
		q.learned = e.learned;
		q.latch_ssrc = e.latch_ssrc;
		q.latch_seq = e.latch_seq;
	}
}

TEST_F(Relay, CompatReplay) {
	call("198.18.5.5");
	from("198.18.6.6", 5000, rtp(100));
	auto all = take_events();
	for (uint16_t media : {20002, 20003}) {
		struct rr_request q = request(EXT4, media, INT4, (uint16_t)(media + 48));

		signal_to(q, "198.18.5.5", (uint16_t)(media - 20002 + 4000));
		replay(all, q);
		a(media).uid = 0; // as in a new region
		set(q);
	}
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_EQ("198.18.6.6:5000", out());
	EXPECT_EQ("198.18.6.6:5001", remote(20003));
	EXPECT_TRUE(a(20003).flags & RR_FLOW_GUESSED);
	EXPECT_FALSE(latched(20003));
	EXPECT_TRUE(latched());
	EXPECT_FALSE(from("198.18.7.7", 5000, rtp(99)));
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(101)));
	signal_again("198.18.9.9", 4400);
	EXPECT_EQ("198.18.7.7:5000", remote()) << "still untrusted";
	signal_again("198.18.9.9", 4401, 20003);
	EXPECT_NE("198.18.6.6:5001", remote(20003)) << "a guess gives way";
}

// Milliseconds in 32 bits are compared with a sign: 30 days after the boot, 0 lies ahead.
TEST_F(Relay, CompatReplayIsRefreshedAtAnyUptime) {
	struct rr_request q = request(EXT4, 20002, INT4, 20050);

	now = 30 * 86400 * S;
	call("198.18.5.5");
	a().uid = 0; // as in a new region
	signal_to(q, "198.18.5.5", 4000);
	q.flags |= RR_SET_LATCHED | RR_SET_LATCH_SSRC;
	q.latch_ssrc = 0x11223344;
	q.latch_seq = 100;
	set(q);
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(900)));
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(901)));
	EXPECT_EQ(900, cold().latch_seq);
	now += S;
	EXPECT_TRUE(from("198.18.5.5", 4000, rtp(950)));
	EXPECT_EQ(950, cold().latch_seq);
}

TEST_F(Safe, Replay) {
	call("198.18.5.5");
	from("198.18.6.6", 5000, rtp(100));
	auto learning = take_events();
	now += 3 * S;
	from("198.18.6.6", 5000, rtp(101));
	auto locked = take_events();
	struct rr_request q = request(EXT4, 20002, INT4, 20050);

	signal_to(q, "198.18.5.5", 4000);
	struct rr_request unfinished = q;
	replay(locked, q);
	a().uid = 0;
	set(q);
	EXPECT_EQ("198.18.6.6:5000", remote());
	EXPECT_EQ(SAFE_LOCKED, a().learn);
	EXPECT_FALSE(from("198.18.5.5", 4000, rtp(101)));
	EXPECT_TRUE(from("198.18.7.7", 5000, rtp(102))) << "continues what was recorded";
	replay(learning, unfinished);
	a().uid = 0;
	set(unfinished);
	EXPECT_EQ("198.18.5.5:4000", remote()) << "learned again from the next packet";
	EXPECT_EQ(SAFE_SIGNALLED, a().learn);
}

TEST_F(Safe, ReplayOfAGuess) {
	struct rr_request q = request(EXT4, 20003, INT4, 20051);

	call("198.18.5.5");
	from("198.18.6.6", 5000);
	signal_to(q, "198.18.5.5", 4001);
	replay(take_events(), q);
	a(20003).uid = 0;
	set(q);
	EXPECT_EQ("198.18.6.6:5001", remote(20003));
	EXPECT_TRUE(from("198.18.6.6", 5077, {1}, 20003));
	EXPECT_EQ(SAFE_HOST, a(20003).learn) << "ranked by the guess";
}

// Ten thousand random datagrams and requests: the sequence count stays even, what goes out is what
// the other leg learned, and accounting holds.
TEST_F(Relay, RandomStory) {
	uint32_t random = 7, n_sent = 0, n_passed = 0;
	auto next = [&](uint32_t n) {
		return (random = random * 1664525 + 1013904223) / 65536 % n;
	};

	call("198.18.5.5");
	for (int i = 0; i < 10000; i++) {
		std::string host = "198.18.5." + std::to_string(5 + next(3));

		now += next(200) * MS;
		if (next(100) == 0)
			mode ^= RR_SET_SAFE;
		if (next(50) == 0) {
			signal_again(host, (uint16_t)(4000 + next(3)));
		} else {
			n_passed += from(host, (uint16_t)(4000 + next(3)),
				next(5) ? rtp((uint16_t)(i + next(100)), next(3)) : Bytes{1},
				(uint16_t)(20002 + next(2)));
			n_sent++;
		}
		ASSERT_EQ(0u, a().seq % 2);
		ASSERT_EQ(remote(), out());
		ASSERT_EQ(remote(20003), out(20051));
	}
	EXPECT_EQ(n_sent, n_passed + world.counter(RR_C_drop_source_rejected));
	EXPECT_EQ(world.counter(RR_C_drop_source_rejected),
		cold().n_rejected + cold(20003).n_rejected);
	EXPECT_EQ(n_passed, a().n_packets + a(20003).n_packets);
}

} // namespace
