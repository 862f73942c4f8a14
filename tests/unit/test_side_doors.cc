// SPDX-License-Identifier: BSD-2-Clause
// Packets that leave a worker's line by a ring, to another worker or to the slow path: what of them
// and of their accounts arrives on the other side. The drivers at hand cannot bring these packets
// about, so mbufs are made up here. What happens on a wire is in tests/packets.
#include <gtest/gtest.h>

#include "dp_fixture.h"

extern "C" {
#include <rte_eal.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "handoff.h"
#include "punt.h"
}

using namespace dp;

namespace {

struct rte_mempool *pool;

class Eal : public testing::Environment {
	void SetUp() override {
		const char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "-m", "64",
			"--log-level=error", "--no-telemetry", "--lcores=0"};

		ASSERT_LE(0, rte_eal_init(RR_ARRAY_LEN(args), const_cast<char **>(args)));
		pool = rte_pktmbuf_pool_create("test", 255, 0, 0, 128 + 700, 0);
		ASSERT_NE(nullptr, pool);
	}

	void TearDown() override {
		EXPECT_EQ(255u, rte_mempool_avail_count(pool));
		rte_mempool_free(pool);
		rte_eal_cleanup();
	}
};

const auto *eal RR_UNUSED = testing::AddGlobalTestEnvironment(new Eal);

class SideDoors : public testing::Test {
      protected:
	// The one packet of a fresh burst, as a driver that sets no port gives it.
	struct pkt *packet(uint8_t port, const Bytes &frame = Bytes(60)) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		memcpy(rte_pktmbuf_append(m, (uint16_t)frame.size()), frame.data(), frame.size());
		EXPECT_EQ(UINT16_MAX, m->port);
		w.begin(1000);
		pkt_add(w.burst.get(), m, port);
		w.burst->n = 0;
		return &w.burst->view[0];
	}

	World w;
};

class Handoff : public SideDoors {
      protected:
	void SetUp() override {
		ASSERT_EQ(0, handoff_mesh_create(&mesh, 2));
		for (uint32_t i = 0; i < 2; i++) {
			worker[i].mesh = &mesh;
			worker[i].counters = w.counters;
			worker[i].self = i;
		}
	}

	void TearDown() override {
		handoff_mesh_free(&mesh);
	}

	struct handoff_mesh mesh;
	struct handoff worker[2];
};

TEST_F(Handoff, PortOfArrivalGoesWithThePacket) {
	struct pkt *p = packet(INT_PORT);

	pkt_hand(w.burst.get(), p, 1);
	handoff_send(&worker[0], w.burst.get());
	EXPECT_EQ(1u, w.counters[INT_PORT][RR_C_held]);
	w.begin(2000, true);
	ASSERT_EQ(1u, handoff_receive(&worker[1], 0, w.burst.get()));
	EXPECT_EQ(INT_PORT, w.burst->live[0]->port);
	EXPECT_EQ(1u, w.counters[INT_PORT][RR_C_handoff_in]);
	EXPECT_EQ(0u, w.counters[INT_PORT][RR_C_held]);
	rte_pktmbuf_free(w.burst->live[0]->m);
}

TEST_F(Handoff, TurnedPacketArrivesWhereItWasToLeave) {
	struct pkt *p = packet(INT_PORT);

	p->owner = 1;
	p->out_port = EXT_PORT;
	pkt_turn(w.burst.get(), p);
	handoff_turn(&worker[0], w.burst.get());
	EXPECT_EQ(1u, w.counters[EXT_PORT][RR_C_held]);
	w.begin(2000, true);
	ASSERT_EQ(1u, handoff_receive(&worker[1], 0, w.burst.get()));
	EXPECT_EQ(EXT_PORT, w.burst->live[0]->port);
	EXPECT_EQ(0u, w.counters[EXT_PORT][RR_C_held]);
	EXPECT_EQ(0u, w.counters[INT_PORT][RR_C_held]);
	rte_pktmbuf_free(w.burst->live[0]->m);
}

TEST_F(Handoff, OwnerThatIsNoWorker) {
	pkt_hand(w.burst.get(), packet(EXT_PORT), 2);
	handoff_send(&worker[0], w.burst.get());
	EXPECT_EQ(1u, w.counter(RR_C_drop_handoff_stale));
	EXPECT_EQ(0u, w.counter(RR_C_held));
	ASSERT_EQ(1u, w.burst->n_dropped);
	rte_pktmbuf_free(w.burst->dropped[0]);
}

TEST_F(Handoff, WhatIsStillInARingIsFreedWithIt) {
	pkt_hand(w.burst.get(), packet(EXT_PORT), 1);
	handoff_send(&worker[0], w.burst.get());
}

class Punt : public SideDoors {
      protected:
	void SetUp() override {
		punt = {};
		punt.cfg = w.cfg.get();
		punt.addrs = w.addrs.get();
		punt.ports = w.ports.get();
		punt.counters = w.counters;
		punt.n_workers = 1;
		ASSERT_EQ(0, punt_open(&punt, 0));
	}

	void TearDown() override {
		punt_close(&punt);
	}

	struct punt punt;
};

Bytes echo_request() {
	Bytes icmp = Bytes{8, 0, 0, 0} + be16(7) + be16(1) + Bytes(56);
	uint32_t checksum = ~ones_sum(icmp) & 0xffff;

	icmp[2] = (uint8_t)(checksum >> 8);
	icmp[3] = (uint8_t)checksum;
	return ip4("10.1.0.77", "10.1.0.1", icmp, 1);
}

// Some drivers give out parts of a buffer of their own: the answer that is made of such a packet
// must still be freed as what it is.
TEST_F(Punt, AnswerKeepsTheKindOfItsBuffer) {
	struct pkt *p =
		packet(INT_PORT, vlan(mac_bytes(int_mac), INT_VLAN, 0x0800, echo_request()));
	struct rte_mbuf *m = p->m;
	void *out;

	m->l2_len = 18;
	m->ol_flags = RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_RX_RSS_HASH;
	pkt_punt(w.burst.get(), p);
	punt_send(punt.in[0], w.burst.get());
	ASSERT_EQ(1u, punt_poll(&punt, 1000));
	ASSERT_EQ(0, rte_ring_sc_dequeue(punt.inject, &out));
	EXPECT_EQ(m, out);
	EXPECT_EQ(RTE_MBUF_F_EXTERNAL, m->ol_flags);
	EXPECT_EQ(INT_PORT, m->port);
	EXPECT_EQ(1u, w.counters[INT_PORT][RR_C_delivered]);
	EXPECT_EQ(1u, w.counters[INT_PORT][RR_C_generated]);
	EXPECT_EQ(1u, w.counters[INT_PORT][RR_C_held]);
	m->ol_flags = 0;
	rte_pktmbuf_free(m);
}

} // namespace
