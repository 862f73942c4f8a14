// SPDX-License-Identifier: BSD-2-Clause
// The flow table stage: which packet goes on, which is handed over, which is dropped and why; and
// the owner's writes that keep two legs in step.
#include <gtest/gtest.h>

#include "dp_fixture.h"
#include "fake_neighbour.h"

extern "C" {
#include "flow_table.h"
}

using namespace dp;

namespace {

class FlowTable : public testing::Test {
      protected:
	FlowTable() : mbuf(Bytes(60, 0)) {
		world.begin(1);
	}

	struct rr_flow &install(uint32_t addr, uint32_t port, uint32_t flags, uint8_t owner = 0) {
		struct rr_flow &f = world.flow(addr, port);

		f.uid = 1;
		f.flags = (uint16_t)(RR_FLOW_INSTALLED | flags);
		f.owner = owner;
		return f;
	}

	struct pkt *add(uint32_t addr, uint32_t port) {
		struct burst *b = world.burst.get();

		pkt_add(b, &mbuf.m, EXT_PORT);
		b->live[b->n - 1]->slot = world.slot(addr, port);
		return b->live[b->n - 1];
	}

	uint32_t run() {
		return world.each([this](struct burst *b, struct pkt *p) {
			return flow_table_take(&world.table, b, p);
		});
	}

	void pair(uint32_t a, uint32_t b) {
		world.flows[a].peer = b;
		world.flows[b].peer = a;
	}

	World world;
	Mbuf mbuf;
};

TEST_F(FlowTable, EmptyBurst) {
	EXPECT_EQ(0u, run());
}

TEST_F(FlowTable, CompleteFlowGoesOn) {
	struct rr_flow &f = install(EXT4, 20002, RR_FLOW_COMPLETE);
	struct pkt *p = add(EXT4, 20002);

	EXPECT_EQ(1u, run());
	EXPECT_EQ(p, world.burst->live[0]);
	EXPECT_EQ(&f, p->flow);
}

TEST_F(FlowTable, NoCall) {
	add(EXT4, 20002);
	EXPECT_EQ(0u, run());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_flow_none]);
	EXPECT_EQ(1u, world.burst->n_dropped);
}

TEST_F(FlowTable, OnlyOneLeg) {
	install(EXT4, 20002, 0);
	add(EXT4, 20002);
	EXPECT_EQ(0u, run());
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_flow_incomplete]);
}

TEST_F(FlowTable, TornFlow) {
	install(EXT4, 20002, RR_FLOW_COMPLETE | RR_FLOW_TORN);
	install(EXT4, 20004, RR_FLOW_TORN);
	add(EXT4, 20002);
	add(EXT4, 20004);
	EXPECT_EQ(0u, run());
	EXPECT_EQ(2u, world.counters[EXT_PORT][RR_C_drop_flow_torn]);
}

TEST_F(FlowTable, AnotherWorkersFlowIsHandedOver) {
	install(EXT4, 20002, RR_FLOW_COMPLETE, 3);
	struct pkt *p = add(EXT4, 20002);

	EXPECT_EQ(0u, run());
	ASSERT_EQ(1u, world.burst->n_handed);
	EXPECT_EQ(p, world.burst->handed[0]);
	EXPECT_EQ(3, p->owner);
	EXPECT_EQ(0u, world.burst->n_dropped);
}

TEST_F(FlowTable, HandedOverOnce) {
	install(EXT4, 20002, RR_FLOW_COMPLETE, 3);
	world.begin(1, true);
	add(EXT4, 20002);
	EXPECT_EQ(0u, run());
	EXPECT_EQ(0u, world.burst->n_handed);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_handoff_stale]);
}

TEST_F(FlowTable, NoCallIsNeverHandedOver) {
	world.flow(EXT4, 20002).owner = 3;
	add(EXT4, 20002);
	EXPECT_EQ(0u, run());
	EXPECT_EQ(0u, world.burst->n_handed);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_flow_none]);
}

TEST_F(FlowTable, SurvivorsKeepTheirOrder) {
	struct pkt *kept[2];

	install(EXT4, 20002, RR_FLOW_COMPLETE);
	add(EXT4, 20090);
	kept[0] = add(EXT4, 20002);
	add(EXT4, 20092);
	kept[1] = add(EXT4, 20002);
	EXPECT_EQ(2u, run());
	EXPECT_EQ(kept[0], world.burst->live[0]);
	EXPECT_EQ(kept[1], world.burst->live[1]);
	EXPECT_EQ(2u, world.burst->n_dropped);
}

TEST_F(FlowTable, PairedMeansBothSaySo) {
	uint32_t a = world.slot(EXT4, 20002), b = world.slot(INT6, 20050);

	install(EXT4, 20002, 0);
	install(INT6, 20050, 0);
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a));
	world.flows[a].peer = b;
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a));
	world.flows[b].peer = a;
	EXPECT_EQ(b, flow_peer(&world.table, a));
	world.flows[b].owner = 1;
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a));
	world.flows[b].owner = 0;
	world.flows[b].flags |= RR_FLOW_TORN;
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a)) << "nothing in it is to be believed";
	world.flows[b].flags = 0;
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a));
	world.flows[a].peer = 1u << 30;
	EXPECT_EQ(RR_SLOT_NONE, flow_peer(&world.table, a));
}

TEST_F(FlowTable, OutFollowsThePeersRemote) {
	uint32_t a = world.slot(EXT4, 20002), b = world.slot(INT6, 20050);
	struct rr_flow &f = install(EXT4, 20002, 0);
	struct rr_flow &peer = install(INT6, 20050, 0);
	struct rr_endpoint remote = endpoint("2001:db8:2::77", 6000);

	pair(a, b);
	flow_set_remote(&peer, &remote);
	peer.remote_tos = 0xb8;
	f.nexthop = 5;
	flow_refresh_out(&world.table, a);
	EXPECT_TRUE(f.flags & RR_FLOW_HAS_OUT);
	EXPECT_EQ(0, memcmp(f.out, remote.addr, 16));
	EXPECT_EQ(remote.port_be, f.out_port_be);
	EXPECT_EQ(RR_FAMILY_IPV6, f.out_family);
	EXPECT_EQ(htons(20050), f.out_src_port_be);
	EXPECT_EQ(INT6, f.out_addr);
	EXPECT_EQ(0xb8, f.tos);
	EXPECT_EQ(RR_NEXTHOP_NONE, f.nexthop);
	EXPECT_EQ(2u, f.seq);
	world.flows[b].peer = RR_SLOT_NONE;
	flow_refresh_out(&world.table, a);
	EXPECT_FALSE(f.flags & RR_FLOW_HAS_OUT);
	EXPECT_EQ(0, f.out_port_be);
}

// A dataplane may die between a flow's own write and its peer's.
TEST_F(FlowTable, AdoptionBringsPeersInLine) {
	uint32_t a = world.slot(EXT4, 20002), b = world.slot(INT6, 20050);
	struct rr_flow &f = install(EXT4, 20002, RR_FLOW_HAS_OUT, 3);
	struct rr_flow &peer = install(INT6, 20050, 0, 3);
	struct rr_endpoint remote = endpoint("2001:db8:2::77", 6000);

	pair(a, b);
	flow_set_remote(&peer, &remote);
	flow_table_adopt(&world.table);
	EXPECT_EQ(0, memcmp(f.out, remote.addr, 16));
	EXPECT_EQ(INT6, f.out_addr);
	EXPECT_EQ(3, f.owner);

	// What goes to a torn peer stays as it was: control sets that one again, and then both.
	remote = endpoint("2001:db8:2::88", 6000);
	flow_set_remote(&peer, &remote);
	peer.flags |= RR_FLOW_TORN;
	struct rr_flow before = f;
	flow_table_adopt(&world.table);
	EXPECT_EQ(0, memcmp(&before, &f, sizeof(f)));

	peer.flags = 0; // freed
	flow_table_adopt(&world.table);
	EXPECT_FALSE(f.flags & RR_FLOW_HAS_OUT);
	before = f;
	f.flags = before.flags = 0;
	flow_table_adopt(&world.table);
	EXPECT_EQ(0, memcmp(&before, &f, sizeof(f))) << "what carries no call is not written";
}

TEST_F(FlowTable, NextHopIsAskedForAtOnce) {
	uint32_t a = world.slot(EXT4, 20002), b = world.slot(INT6, 20050);
	struct rr_flow &f = install(EXT4, 20002, 0);
	struct rr_endpoint remote = endpoint("2001:db8:2::77", 6000);
	struct neighbour_view view;

	memset(&view, 0, sizeof(view));
	install(INT6, 20050, 0);
	pair(a, b);
	flow_set_remote(&world.flows[b], &remote);
	world.table.neighbours = &view;
	fake::neighbours() = {};
	flow_refresh_out(&world.table, a);
	EXPECT_EQ(std::vector<uint32_t>{1}, fake::neighbours().realms);
	EXPECT_EQ(RR_NEXTHOP_NONE, f.nexthop);
	fake::neighbours().handles[fake::key("2001:db8:2::77")] = 42;
	flow_refresh_out(&world.table, a);
	EXPECT_EQ(42u, f.nexthop);
	flow_refresh_out(&world.table, b);
	EXPECT_EQ(2u, fake::neighbours().realms.size()) << "nobody to send to";
}

TEST_F(FlowTable, NoWayOut) {
	uint32_t a = world.slot(EXT4, 20002), b = world.slot(INT4, 20050);
	struct rr_flow &f = install(EXT4, 20002, 0);
	struct rr_flow &peer = install(INT4, 20050, 0);

	pair(a, b);
	flow_refresh_out(&world.table, a);
	EXPECT_FALSE(f.flags & RR_FLOW_HAS_OUT) << "no remote";
	for (const char *addr : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1",
		     "::", "ff02::1", "2001:db8::1"}) {
		struct rr_endpoint remote = endpoint(addr, 6000);

		flow_set_remote(&peer, &remote);
		flow_refresh_out(&world.table, a);
		EXPECT_FALSE(f.flags & RR_FLOW_HAS_OUT) << addr;
	}
	struct rr_endpoint remote = endpoint("10.1.0.9", 0);
	flow_set_remote(&peer, &remote);
	flow_refresh_out(&world.table, a);
	EXPECT_FALSE(f.flags & RR_FLOW_HAS_OUT) << "port 0";
	remote.port_be = htons(1);
	flow_set_remote(&peer, &remote);
	flow_refresh_out(&world.table, a);
	EXPECT_TRUE(f.flags & RR_FLOW_HAS_OUT);
}

TEST_F(FlowTable, CanSend) {
	for (const char *addr : {"1.2.3.4", "223.255.255.255", "::2", "fe80::1", "2001:db8::1"}) {
		struct rr_endpoint ep = endpoint(addr, 1);

		EXPECT_TRUE(flow_can_send(&ep)) << addr;
	}
	for (const char *addr :
		{"0.1.2.3", "127.1.1.1", "224.0.0.1", "240.0.0.1", "::", "::1", "ff02::1"}) {
		struct rr_endpoint ep = endpoint(addr, 1);

		EXPECT_FALSE(flow_can_send(&ep)) << addr;
	}
	struct rr_endpoint none = endpoint("", 1);
	EXPECT_FALSE(flow_can_send(&none));
}

TEST_F(FlowTable, LocalAddressAndPortOfASlot) {
	EXPECT_EQ(&world.addrs->local[INT4], flow_local(&world.table, world.slot(INT4, 20099)));
	EXPECT_EQ(20099, flow_local_port(&world.table, world.slot(INT4, 20099)));
}

TEST_F(FlowTable, ViewOfARegion) {
	struct rr_region region;
	struct flow_table t;

	memset(&region, 0, sizeof(region));
	region.flows = world.flows.get();
	region.cold = world.cold.get();
	region.n_flows = N_ADDRS * N_PORTS;
	region.n_media_ports = N_PORTS;
	region.media_port_min = PORT_MIN;
	flow_table_init(&t, &region, world.addrs.get(), 0);
	EXPECT_EQ(0, memcmp(&t, &world.table, offsetof(struct flow_table, self) + 1));
}

} // namespace
