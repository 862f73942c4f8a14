// SPDX-License-Identifier: BSD-2-Clause
// The way of one packet behind the parser: what the short way takes, it does as the stages do, and
// what it does not take, it has not touched. Random packets of five calls over all pairs of
// families go through the stages alone in one world and through both ways in another.
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "dp_fixture.h"
#include "fake_neighbour.h"

extern "C" {
#include "command.h"
#include "forward.h"
#include "parse.h"
#include "steady.h"
}

using namespace dp;

namespace {

const uint64_t MS = 1000000;

// One leg: the address and port that its party sends to, and from where.
struct Leg {
	uint32_t addr;
	uint16_t media;
	const char *host;
	uint16_t port;
};

struct Call {
	Leg leg[2];
};

const Call calls[] = {
	{{{EXT4, 20002, "198.18.5.5", 4000}, {INT4, 20050, "10.1.0.9", 6000}}},
	{{{EXT6, 20004, "2001:db8:1::55", 4002}, {INT6, 20052, "2001:db8:2::9", 6002}}},
	{{{EXT4, 20006, "198.18.5.6", 4004}, {INT6, 20054, "2001:db8:2::a", 6004}}},
	{{{EXT6, 20008, "2001:db8:1::56", 4006}, {INT4, 20056, "10.1.0.10", 6006}}},
	{{{EXT4, 20010, "198.18.5.7", 4008}, {EXT4B, 20058, "198.18.5.8", 6008}}},
};
const uint32_t n_legs = 2 * RR_ARRAY_LEN(calls);

const Leg &leg_of(uint32_t i) {
	return calls[i / 2].leg[i % 2];
}

const char *const local[] = {
	"198.18.0.1", "198.18.0.2", "2001:db8:1::1", "10.1.0.1", "2001:db8:2::1"};

// Everything that a worker has behind its parser, over a world of its own.
struct Side {
	explicit Side(uint32_t mode) {
		world.fill_ports(RR_CHECKSUM_INCREMENTAL);
		world.ring(&events, sizeof(struct rr_event));
		hops_view = hops.view();
		relay.table = rewrite.table = &world.table;
		relay.events = &events;
		relay.safe_learn_ns = 3000 * MS;
		relay.safe_silence_ns = 500 * MS;
		relay.safe_learn_packets = 50;
		rewrite.neighbours = &hops_view;
		rewrite.turned_flag = UINT64_C(1) << 40;
		forward.table = &world.table;
		forward.relay = &relay;
		forward.rewrite = &rewrite;
		memset(&command, 0, sizeof(command));
		command.table = &world.table;
		command.counters = world.counters[0];
		memset(&parse, 0, sizeof(parse));
		parse.addrs = world.addrs.get();
		parse.flows = world.flows.get();
		parse.media_port_min = PORT_MIN;
		parse.n_media_ports = N_PORTS;
		memcpy(&parse.mac[EXT_PORT], ext_mac, 6);
		memcpy(&parse.mac[INT_PORT], int_mac, 6);
		for (const Call &call : calls)
			for (uint16_t rtcp = 0; rtcp < 2; rtcp++)
				for (uint32_t i = 0; i < 2; i++)
					set(call, i, rtcp, mode);
	}

	void set(const Call &call, uint32_t i, uint16_t rtcp, uint32_t mode) {
		const Leg &self = call.leg[i], &other = call.leg[1 - i];
		struct rr_request q;
		struct rr_reply reply;

		memset(&q, 0, sizeof(q));
		q.op = RR_REQUEST_FLOW_SET;
		q.uid = self.media;
		q.slot = world.slot(self.addr, self.media + rtcp);
		q.peer = world.slot(other.addr, other.media + rtcp);
		q.version = 1;
		q.flags = (uint16_t)(mode | RR_SET_SIGNALLED);
		q.signalled = endpoint(self.host, (uint16_t)(self.port + rtcp));
		command_apply(&command, &q, MS, &reply);
		ASSERT_EQ(RR_REPLY_OK, reply.status);
	}

	// Take the frame in and parse it. NULL when the parser kept it.
	struct pkt *take_in(struct rte_mbuf *m, uint8_t port, uint64_t now_ns) {
		world.begin(now_ns);
		pkt_add(world.burst.get(), m, port);
		return parse_burst(&parse, world.burst.get()) == 1 ? world.burst->live[0] : nullptr;
	}

	bool stages(struct pkt *p) {
		struct burst *b = world.burst.get();

		return flow_table_take(&world.table, b, p) && relay_take(&relay, b, p) &&
		       rewrite_take(&rewrite, b, p);
	}

	World world;
	struct rr_ring events;
	fake::Table hops;
	struct neighbour_view hops_view;
	struct relay relay;
	struct rewrite rewrite;
	struct forward forward;
	struct command command;
	struct parse parse;
};

// A frame as the party of a leg sends it, and by which port it comes in.
struct Sent {
	Bytes frame;
	uint8_t port;
	uint16_t headroom = Mbuf::HEADROOM;
	uint64_t offload = 0;
};

class Forward : public testing::TestWithParam<uint32_t> {
      protected:
	Forward() : stages(GetParam()), both(GetParam()) {
		fake::neighbours() = {};
		for (uint32_t i = 0; i < n_legs; i++)
			fake::neighbours().handles[fake::key(leg_of(i).host)] = 10 + i;
	}

	uint32_t below(uint32_t n) {
		return (uint32_t)(random() % n);
	}

	bool rarely(uint32_t n = 60) {
		return below(n) == 0;
	}

	struct Stream {
		uint16_t seq = 65500;
		uint32_t timestamp = 4000000000;
		uint32_t ssrc = 0x11223344;
		uint8_t type = 0;
	} stream[n_legs];

	// What comes next in a stream, seldom something else.
	Bytes next_payload(uint32_t i) {
		Stream &s = stream[i];
		Bytes payload;

		s.seq++;
		s.timestamp += 160;
		if (rarely())
			s.seq = (uint16_t)(s.seq + (int)below(2000) - 1000);
		if (rarely())
			s.seq = (uint16_t)(s.seq - 1);
		if (rarely())
			s.timestamp += below(2) ? 100000 : (uint32_t)-100000;
		if (rarely())
			s.timestamp -= 160;
		if (rarely(200))
			s.ssrc++;
		if (rarely(100))
			s.type = (uint8_t)(below(2) ? 96 : below(20));
		payload = rtp(s.seq, s.ssrc, s.timestamp, s.type, rarely(20));
		if (rarely())
			payload.resize(below(20));
		if (rarely())
			payload.resize(1480 + below(3));
		if (rarely() && !payload.empty())
			payload[0] = (uint8_t)below(256);
		if (rarely() && payload.size() > 1)
			payload[1] = (uint8_t)below(256);
		return payload;
	}

	Sent next_frame(uint32_t i) {
		const Leg &leg = leg_of(i);
		Sent sent;
		std::string host = leg.host;
		uint16_t from = leg.port, to = leg.media;
		Bytes datagram, packet;

		if (rarely())
			from = (uint16_t)(from + 1 + below(2));
		if (rarely())
			host = leg_of(below(n_legs)).host;
		if (rarely())
			from++, to++;
		if (rarely(300))
			to = (uint16_t)(20000 + below(120));
		datagram = udp(from, to, next_payload(i), rarely() ? 0 : below(65536));
		sent.port = leg.addr == INT4 || leg.addr == INT6 ? INT_PORT : EXT_PORT;
		if (leg.addr == EXT6 || leg.addr == INT6) {
			if (host.find(':') == std::string::npos)
				host = leg.host;
			packet = ip6(host, local[leg.addr], datagram);
		} else {
			if (host.find(':') != std::string::npos)
				host = leg.host;
			packet = ip4(host, local[leg.addr], datagram);
		}
		frame_it(sent, leg.addr == EXT6 || leg.addr == INT6 ? 0x86dd : 0x0800, packet);
		return sent;
	}

	void frame_it(Sent &sent, uint32_t type, const Bytes &packet) {
		Bytes to = mac_bytes(sent.port == INT_PORT ? int_mac : ext_mac);

		sent.frame = sent.port == INT_PORT ? vlan(to, INT_VLAN, type, packet)
						   : ether(to, type, packet);
		if (rarely())
			sent.headroom = (uint16_t)below(30);
		if (rarely())
			sent.offload = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		if (rarely())
			sent.offload = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
	}

	// What control, neighbours and time do meanwhile, in both worlds alike; after a while it is
	// as it was before.
	void disturb() {
		if (rarely(20))
			now_ns += below(2000) * MS;
		if (!rarely(10))
			return;
		if (!troubled) {
			leg = below(n_legs);
			trouble = below(N_TROUBLES);
		}
		troubled = !troubled;
		for (Side *side : {&stages, &both})
			disturb(*side);
	}

	void disturb(Side &side) {
		const Leg &l = leg_of(leg);
		struct rr_flow &f = side.world.flow(l.addr, l.media);

		switch (trouble) {
		case OWNER:
			f.owner ^= 1;
			break;
		case PACKETS_WRAP:
			f.n_packets = UINT32_MAX - 1;
			break;
		case NEXT_HOP_UNKNOWN:
			f.nexthop = RR_NEXTHOP_NONE;
			break;
		case MAC_UNKNOWN:
			troubled ? side.hops.forget_mac(10 + leg) : side.hops.know_mac(10 + leg);
			break;
		case MAC_STALE:
			troubled ? side.hops.make_stale(10 + leg) : side.hops.know_mac(10 + leg);
			break;
		case ADDRESS_IMPOSSIBLE:
			f.out_addr ^= 0x8000;
			break;
		default:
			f.flags ^= flags[trouble];
		}
	}

	static constexpr uint16_t flags[] = {RR_FLOW_INSTALLED, RR_FLOW_COMPLETE, RR_FLOW_HAS_OUT,
		RR_FLOW_HAS_REMOTE, RR_FLOW_LATCHED, RR_FLOW_TORN, RR_FLOW_ASYMMETRIC};
	enum {
		OWNER = RR_ARRAY_LEN(flags),
		PACKETS_WRAP,
		NEXT_HOP_UNKNOWN,
		MAC_UNKNOWN,
		MAC_STALE,
		ADDRESS_IMPOSSIBLE,
		N_TROUBLES
	};

	void expect_same_worlds() {
		const World &s = stages.world, &b = both.world;

		ASSERT_EQ(0, memcmp(s.flows.get(), b.flows.get(),
				     N_ADDRS * N_PORTS * sizeof(struct rr_flow)));
		ASSERT_EQ(0, memcmp(s.cold.get(), b.cold.get(),
				     N_ADDRS * N_PORTS * sizeof(struct rr_flow_cold)));
	}

	std::mt19937 random{20260315};
	uint64_t now_ns = 1000 * MS;
	bool troubled = false;
	uint32_t leg, trouble;
	Side stages, both;
};

constexpr uint16_t Forward::flags[];

void expect_same_frames(const Mbuf &want, const Mbuf &got) {
	ASSERT_EQ(want.bytes(), got.bytes());
	ASSERT_EQ(want.m.data_off, got.m.data_off);
	ASSERT_EQ(want.m.pkt_len, got.m.pkt_len);
	ASSERT_EQ(want.m.ol_flags, got.m.ol_flags);
	ASSERT_EQ(want.m.nb_segs, got.m.nb_segs);
}

// Packet by packet, with a look at the short way itself.
TEST_P(Forward, ShortWayDoesWhatTheStagesDo) {
	uint32_t n_steady = 0, n_other = 0;

	for (uint32_t round = 0; round < 60000; round++) {
		uint32_t i = below(n_legs);
		Sent sent = next_frame(i);
		Mbuf ours(sent.frame, sent.headroom), theirs(sent.frame, sent.headroom);

		now_ns += below(1000000);
		disturb();
		ours.m.ol_flags = theirs.m.ol_flags = sent.offload;
		struct pkt *q = stages.take_in(&theirs.m, sent.port, now_ns);
		struct pkt *p = both.take_in(&ours.m, sent.port, now_ns);
		ASSERT_EQ(q == nullptr, p == nullptr);
		if (!p)
			continue;
		struct steady s =
			steady_begin(&both.world.table, &both.hops_view, both.world.burst->now_ns);
		bool is_steady = steady_take(&s, p);
		if (!is_steady) {
			expect_same_worlds();
			expect_same_frames(theirs, ours);
			n_other++;
		}
		bool goes_on = stages.stages(q);
		ASSERT_EQ(goes_on, is_steady || both.stages(p)) << round;
		ASSERT_EQ(stages.world.burst->n_dropped, both.world.burst->n_dropped);
		ASSERT_EQ(stages.world.burst->n_handed, both.world.burst->n_handed);
		ASSERT_EQ(stages.world.burst->n_turned, both.world.burst->n_turned);
		ASSERT_EQ(stages.world.burst->n_large, both.world.burst->n_large);
		ASSERT_TRUE(!goes_on || q->out_port == p->out_port);
		expect_same_frames(theirs, ours);
		if (HasFatalFailure())
			FAIL() << "round " << round << " leg " << i;
		n_steady += is_steady;
		if (round % 64 == 0)
			expect_same_worlds();
		stages.world.ring(&stages.events, sizeof(struct rr_event));
		both.world.ring(&both.events, sizeof(struct rr_event));
	}
	expect_same_worlds();
	EXPECT_GT(n_steady, n_other / 4);
}

// Burst by burst: the order of what goes on, and all counters.
TEST_P(Forward, BurstLeavesAsItWouldByTheStages) {
	for (uint32_t round = 0; round < 1500; round++) {
		uint32_t n = 1 + below(BURST_MAX);
		std::vector<std::unique_ptr<Mbuf>> ours, theirs;
		std::vector<uint8_t> port;

		disturb();
		now_ns += below(20) * MS;
		both.world.begin(now_ns);
		stages.world.begin(now_ns);
		for (uint32_t k = 0; k < n; k++) {
			Sent sent = next_frame(below(n_legs));

			ours.emplace_back(new Mbuf(sent.frame, sent.headroom));
			theirs.emplace_back(new Mbuf(sent.frame, sent.headroom));
			ours[k]->m.ol_flags = theirs[k]->m.ol_flags = sent.offload;
			pkt_add(both.world.burst.get(), &ours[k]->m, sent.port);
			pkt_add(stages.world.burst.get(), &theirs[k]->m, sent.port);
		}
		parse_burst(&both.parse, both.world.burst.get());
		parse_burst(&stages.parse, stages.world.burst.get());
		forward_burst(&both.forward, both.world.burst.get());
		stages.world.each(
			[this](struct burst *, struct pkt *p) { return stages.stages(p); });
		ASSERT_EQ(stages.world.burst->n, both.world.burst->n);
		for (uint32_t k = 0; k < both.world.burst->n; k++) {
			ASSERT_EQ(stages.world.burst->live[k] - stages.world.burst->view,
				both.world.burst->live[k] - both.world.burst->view);
			ASSERT_EQ(stages.world.burst->live[k]->out_port,
				both.world.burst->live[k]->out_port);
		}
		for (uint32_t k = 0; k < n; k++)
			expect_same_frames(*theirs[k], *ours[k]);
		ASSERT_EQ(0, memcmp(stages.world.counters, both.world.counters,
				     sizeof(both.world.counters)));
		expect_same_worlds();
		stages.world.ring(&stages.events, sizeof(struct rr_event));
		both.world.ring(&both.events, sizeof(struct rr_event));
	}
}

INSTANTIATE_TEST_SUITE_P(Modes, Forward, testing::Values(0U, (uint32_t)RR_SET_SAFE));

} // namespace
