// SPDX-License-Identifier: BSD-2-Clause
// The rewrite stage against frames that scapy built (make_vectors.py): every pair of families, with
// and without VLAN, every way to get a UDP checksum; and each reason to drop.
#include <errno.h>

#include <gtest/gtest.h>

#include "dp_fixture.h"
#include "fake_neighbour.h"

extern "C" {
#include "checksum.h"
#include "headers.h"
#include "rewrite.h"
}

using namespace dp;

namespace {

enum { IN_MEDIA = 20002, OUT_MEDIA = 20050, NEXT_HOP = 7 };

struct Vector {
	const char *name;
	enum rr_checksum_mode mode;
	uint32_t came, goes;
	uint8_t l2_len;
	uint16_t l3_len;
	const char *src;
	uint16_t src_port;
	const char *dst;
	uint16_t dst_port;
	uint8_t tos;
	const char *in, *out;
};

#define VECTOR(...) {__VA_ARGS__},
const Vector vectors[] = {
#include "rewrite_vectors.inc"
};

Bytes unhex(const std::string &hex) {
	Bytes b;

	for (size_t i = 0; i < hex.size(); i += 2)
		b.push_back((uint8_t)std::stoul(hex.substr(i, 2), nullptr, 16));
	return b;
}

std::string hex(const Bytes &b) {
	std::string s;
	char digits[3];

	for (uint8_t c : b) {
		snprintf(digits, sizeof(digits), "%02x", c);
		s += digits;
	}
	return s;
}

class Rewrite : public testing::Test {
      protected:
	Rewrite() {
		fake::neighbours() = {};
		view = hops.view();
		rewrite.table = &world.table;
		rewrite.neighbours = &view;
	}

	// The flow that `v` came for, with the way out that `v` left by.
	struct rr_flow &flow_of(const Vector &v) {
		struct rr_flow &f = world.flow(v.came, IN_MEDIA);
		struct rr_endpoint to = endpoint(v.dst, v.dst_port);

		f.flags = RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_HAS_OUT;
		memcpy(f.out, to.addr, 16);
		f.out_port_be = to.port_be;
		f.out_family = to.family;
		f.out_addr = (uint16_t)v.goes;
		f.out_src_port_be = htons(OUT_MEDIA);
		f.tos = v.tos;
		f.nexthop = NEXT_HOP;
		return f;
	}

	struct pkt *add(const Vector &v, struct rte_mbuf *m) {
		struct burst *b = world.burst.get();
		struct rr_endpoint from = endpoint(v.src, v.src_port);
		struct pkt *p;

		pkt_add(b, m, EXT_PORT);
		p = b->live[b->n - 1];
		p->flow = &flow_of(v);
		p->slot = world.slot(v.came, IN_MEDIA);
		p->addr = (uint16_t)v.came;
		p->l2_len = v.l2_len;
		p->l3_len = v.l3_len;
		p->family = from.family;
		memcpy(p->src, from.addr, 16);
		p->src_port_be = from.port_be;
		p->udp = rte_pktmbuf_mtod_offset(m, uint8_t *, v.l2_len + v.l3_len);
		p->payload_len = (uint16_t)(m->pkt_len - v.l2_len - v.l3_len - 8);
		return p;
	}

	uint32_t run() {
		return world.each([this](struct burst *b, struct pkt *p) {
			return rewrite_take(&rewrite, b, p);
		});
	}

	// Rewrite the first vector of that mode alone; gives what became of it.
	uint32_t run_one(Mbuf &mbuf, const Vector &v) {
		world.fill_ports(v.mode);
		world.begin(1);
		add(v, &mbuf.m);
		return run();
	}

	World world;
	fake::Table hops;
	struct neighbour_view view;
	struct rewrite rewrite;
};

class RewriteVector : public Rewrite, public testing::WithParamInterface<Vector> {};

TEST_P(RewriteVector, Frame) {
	const Vector &v = GetParam();
	Mbuf mbuf(unhex(v.in));

	ASSERT_EQ(1u, run_one(mbuf, v));
	EXPECT_EQ(v.out, hex(mbuf.bytes()));
	EXPECT_EQ(mbuf.m.data_len, mbuf.m.pkt_len);
	EXPECT_EQ(world.addrs->local[v.goes].port, world.burst->live[0]->out_port);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_relayed_packets]);
	EXPECT_EQ(mbuf.m.pkt_len - headers_len(&world.addrs->local[v.goes]) - 8,
		world.counters[EXT_PORT][RR_C_relayed_bytes]);
	EXPECT_EQ(v.mode == RR_CHECKSUM_OFFLOAD,
		(mbuf.m.ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM);
}

INSTANTIATE_TEST_SUITE_P(Scapy, RewriteVector, testing::ValuesIn(vectors),
	[](const testing::TestParamInfo<Vector> &info) { return std::string(info.param.name); });

const Vector &vector_named(const std::string &name) {
	for (const Vector &v : vectors)
		if (name == v.name)
			return v;
	ADD_FAILURE() << "no vector " << name;
	return vectors[0];
}

TEST_F(Rewrite, OffloadTellsTheDevice) {
	for (const char *name : {"EXT6_to_INT4_OFFLOAD_172", "EXT4_to_INT6_OFFLOAD_172"}) {
		const Vector &v = vector_named(name);
		bool v6 = world.addrs->local[v.goes].family == RR_FAMILY_IPV6;
		Mbuf mbuf(unhex(v.in));

		mbuf.m.ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		ASSERT_EQ(1u, run_one(mbuf, v));
		EXPECT_EQ(RTE_MBUF_F_TX_UDP_CKSUM | (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4),
			mbuf.m.ol_flags);
		EXPECT_EQ(18, mbuf.m.l2_len);
		EXPECT_EQ(v6 ? 40 : 20, mbuf.m.l3_len);
	}
}

// Local kernel senders leave a checksum for their device to finish. Whether that can be is a matter
// of where the packet came from, not of where it goes.
TEST_F(Rewrite, PartialChecksumIsFinishedWhateverItLeavesBy) {
	for (const char *name : {"EXT4_to_INT4_partial", "EXT6_to_INT4_partial"}) {
		Vector v = vector_named(name);
		Mbuf by_driver(unhex(v.in)), by_flag(unhex(v.in)), believed(unhex(v.in));

		v.mode = RR_CHECKSUM_INCREMENTAL;
		world.ports->port[EXT_PORT].partial_checksums = true;
		ASSERT_EQ(1u, run_one(by_driver, v));
		EXPECT_EQ(v.out, hex(by_driver.bytes()));
		world.ports->port[EXT_PORT].partial_checksums = false;
		by_flag.m.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
		ASSERT_EQ(1u, run_one(by_flag, v));
		EXPECT_EQ(v.out, hex(by_flag.bytes()));
		// Only the port of arrival counts.
		world.ports->port[INT_PORT].partial_checksums = true;
		believed.m.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		ASSERT_EQ(1u, run_one(believed, v));
		EXPECT_NE(v.out, hex(believed.bytes()));
		world.ports->port[INT_PORT].partial_checksums = false;
	}
}

TEST_F(Rewrite, NoHeadroomForALargerHeader) {
	const Vector &v = vector_named("EXT4_to_INT6_FULL_172");

	Mbuf tight(unhex(v.in), 23);
	EXPECT_EQ(0u, run_one(tight, v));
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_headroom]);
	EXPECT_EQ(&tight.m, world.burst->dropped[0]);
	Mbuf enough(unhex(v.in), 24);
	EXPECT_EQ(1u, run_one(enough, v));
	EXPECT_EQ(v.out, hex(enough.bytes()));
}

TEST_F(Rewrite, LargerThanTheOutgoingMtu) {
	const Vector &v = vector_named("EXT4_to_INT6_FULL_172");
	Mbuf mbuf(unhex(v.in));

	world.fill_ports(v.mode);
	world.addrs->local[v.goes].mtu = 40 + 8 + 172 - 1;
	world.begin(1);
	add(v, &mbuf.m);
	EXPECT_EQ(1u, run());
	ASSERT_EQ(1u, world.burst->n_large);
	EXPECT_EQ(world.burst->live[0], world.burst->large[0]);
	EXPECT_EQ(v.goes, world.burst->large[0]->out_addr);
	EXPECT_EQ(v.out, hex(mbuf.bytes())) << "whole";
	Mbuf fits(unhex(v.in));
	world.addrs->local[v.goes].mtu++;
	world.begin(1);
	add(v, &fits.m);
	EXPECT_EQ(1u, run());
	EXPECT_EQ(0u, world.burst->n_large);
}

TEST_F(Rewrite, NextHopNotResolved) {
	const Vector &v = vector_named("EXT4_to_INT4_FULL_172");
	Mbuf mbuf(unhex(v.in));

	hops.forget_mac(NEXT_HOP);
	EXPECT_EQ(0u, run_one(mbuf, v));
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_neighbour]);
	EXPECT_EQ(v.in, hex(mbuf.bytes())) << "left as it came";
	EXPECT_EQ((uint32_t)NEXT_HOP, world.flow(v.came, IN_MEDIA).nexthop);
}

TEST_F(Rewrite, NextHopIsFoundByTheFirstPacket) {
	const Vector &v = vector_named("EXT4_to_INT4_FULL_172");
	Mbuf mbuf(unhex(v.in));
	struct rr_flow &f = world.flow(v.came, IN_MEDIA);

	world.begin(1);
	add(v, &mbuf.m);
	f.nexthop = RR_NEXTHOP_NONE;
	EXPECT_EQ(0u, run());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_neighbour]);
	EXPECT_EQ(0u, f.seq) << "nothing to write";
	fake::neighbours().handles[fake::key(v.dst)] = NEXT_HOP;
	world.begin(1);
	add(v, &mbuf.m);
	f.nexthop = RR_NEXTHOP_NONE;
	EXPECT_EQ(1u, run());
	EXPECT_EQ(v.out, hex(mbuf.bytes()));
	EXPECT_EQ((uint32_t)NEXT_HOP, f.nexthop);
	EXPECT_EQ(2u, f.seq);
	EXPECT_EQ(1u, fake::neighbours().realms.back()) << "asked in the realm it leaves by";
}

TEST_F(Rewrite, StaleNextHopIsFoundAgain) {
	const Vector &v = vector_named("EXT4_to_INT4_FULL_172");
	Mbuf mbuf(unhex(v.in));
	struct rr_flow &f = world.flow(v.came, IN_MEDIA);

	hops.make_stale(99);
	fake::neighbours().handles[fake::key(v.dst)] = NEXT_HOP;
	world.begin(1);
	add(v, &mbuf.m);
	f.nexthop = 99;
	EXPECT_EQ(1u, run());
	EXPECT_EQ((uint32_t)NEXT_HOP, f.nexthop);
}

// Towards an address of ours on the same link: whole as from the wire, for the owner of its flow.
TEST_F(Rewrite, OwnAddressTurns) {
	for (const char *name : {"EXT4_to_EXT4_FULL_172", "EXT4_to_EXT4_OFFLOAD_172"}) {
		const Vector &v = vector_named(name);
		Mbuf mbuf(unhex(v.in));
		struct rr_flow &f = world.flow(v.came, IN_MEDIA);
		struct burst *b = world.burst.get();

		rewrite.turned_flag = UINT64_C(1) << 40;
		mbuf.m.hash.usr = 99; // whatever the device left there
		world.fill_ports(v.mode);
		world.begin(1);
		add(v, &mbuf.m);
		memcpy(f.out, world.addrs->local[EXT4B].addr, 16);
		f.out_port_be = htons(OUT_MEDIA + 2);
		f.nexthop = RR_NEXTHOP_NONE;
		world.flow(EXT4B, OUT_MEDIA + 2).owner = 3;
		EXPECT_EQ(0u, run());
		ASSERT_EQ(1u, b->n_turned);
		EXPECT_EQ(3, b->turned[0]->owner);
		EXPECT_EQ(EXT_PORT, b->turned[0]->out_port);
		EXPECT_EQ(rewrite.turned_flag, mbuf.m.ol_flags) << "no device finishes it";
		EXPECT_EQ(1u, mbuf.m.hash.usr);
		Bytes got = mbuf.bytes();
		EXPECT_EQ(mac_bytes(ext_mac) + mac_bytes(ext_mac),
			Bytes(got.begin(), got.begin() + 12));
		EXPECT_EQ(addr_bytes("198.18.0.2"), Bytes(got.begin() + 30, got.begin() + 34));
		Bytes pseudo = Bytes(got.begin() + 26, got.begin() + 34) + be16(17) +
			       Bytes(got.begin() + 38, got.begin() + 40);
		EXPECT_EQ(0xffffu, ones_sum(pseudo + Bytes(got.begin() + 34, got.end())));
		EXPECT_TRUE(fake::neighbours().realms.empty()) << "nobody was asked";
	}
}

TEST_F(Rewrite, TurnsHaveAnEnd) {
	const Vector &v = vector_named("EXT4_to_EXT4_FULL_172");
	Mbuf mbuf(unhex(v.in));
	struct rr_flow &f = world.flow(v.came, IN_MEDIA);

	rewrite.turned_flag = UINT64_C(1) << 40;
	for (uint32_t turn = 0; turn <= REWRITE_TURNS_MAX; turn++) {
		world.begin(1);
		add(v, &mbuf.m);
		memcpy(f.out, world.addrs->local[EXT4B].addr, 16);
		f.out_port_be = htons(9); // outside the media range: ours to drop
		f.nexthop = RR_NEXTHOP_NONE;
		EXPECT_EQ(0u, run());
		EXPECT_EQ(turn < REWRITE_TURNS_MAX, world.burst->n_turned == 1) << turn;
	}
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_loop]);
	// One that leaves takes nothing along.
	fake::neighbours().handles[fake::key(v.dst)] = NEXT_HOP;
	world.begin(1);
	add(v, &mbuf.m);
	EXPECT_EQ(1u, run());
	EXPECT_EQ(0u, mbuf.m.ol_flags);
}

TEST_F(Rewrite, AddressIndexOutOfRange) {
	const Vector &v = vector_named("EXT4_to_INT4_FULL_172");
	Mbuf mbuf(unhex(v.in));

	world.begin(1);
	add(v, &mbuf.m);
	world.flow(v.came, IN_MEDIA).out_addr = N_ADDRS;
	EXPECT_EQ(0u, run());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_flow_no_remote]);
}

TEST_F(Rewrite, ChainedPayload) {
	const Vector &v = vector_named("EXT4_to_INT6_FULL_1400");
	Bytes frame = unhex(v.in);
	Mbuf head(Bytes(frame.begin(), frame.begin() + 301)); // odd: sums must swap
	Mbuf tail(Bytes(frame.begin() + 301, frame.end()));

	head.m.next = &tail.m;
	head.m.nb_segs = 2;
	head.m.pkt_len = (uint32_t)frame.size();
	ASSERT_EQ(1u, run_one(head, v));
	EXPECT_EQ(v.out, hex(head.bytes() + tail.bytes()));
	EXPECT_EQ(head.m.pkt_len, (uint32_t)(head.m.data_len + tail.m.data_len));
}

TEST_F(Rewrite, SurvivorsKeepTheirOrder) {
	const Vector &v = vector_named("EXT4_to_INT4_FULL_12");
	const Vector &other = vector_named("EXT6_to_INT6_FULL_1400");
	Mbuf a(unhex(v.in)), b(unhex(other.in)), c(unhex(v.in));

	world.begin(1);
	add(v, &a.m);
	add(other, &b.m);
	world.flow(other.came, IN_MEDIA).out_addr = N_ADDRS;
	add(v, &c.m);
	EXPECT_EQ(2u, run());
	EXPECT_EQ(&a.m, world.burst->live[0]->m);
	EXPECT_EQ(&c.m, world.burst->live[1]->m);
	EXPECT_EQ(&b.m, world.burst->dropped[0]);
}

// Random words: an updated checksum is the one that a full computation gives.
TEST(Checksum, UpdateEqualsComputation) {
	uint32_t random = 1;

	for (int round = 0; round < 20000; round++) {
		uint8_t a[16], b[16], c[16], d[16];
		uint16_t ports[4], rest;
		auto next = [&]() {
			return (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
		};
		auto sum = [&](const uint8_t *x, const uint8_t *y, uint16_t p, uint16_t q) {
			Bytes all = Bytes(x, x + 16) + Bytes(y, y + 16);

			return ones_sum(all + be16(ntohs(p)) + be16(ntohs(q)) + be16(rest));
		};
		auto local = [](const uint8_t *x) { return checksum_fold(checksum_addr(x)); };
		auto wire = [](uint32_t s) {
			return htons((uint16_t)(~s & 0xffff ? ~s & 0xffff : 0xffff));
		};

		for (int i = 0; i < 16; i++) {
			a[i] = next();
			b[i] = next();
			c[i] = round % 3 ? next() : 0;
			d[i] = round % 5 ? next() : 0xff;
		}
		for (uint16_t &p : ports)
			p = (uint16_t)(next() << 8 | next());
		rest = (uint16_t)(next() << 8 | next());
		ASSERT_EQ(wire(sum(c, d, ports[2], ports[3])),
			checksum_replace(wire(sum(a, b, ports[0], ports[1])),
				local(b) + checksum_addr(a) + ports[0] + ports[1],
				local(c) + checksum_addr(d) + ports[2] + ports[3]));
	}
}

} // namespace
