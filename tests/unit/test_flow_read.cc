// SPDX-License-Identifier: BSD-2-Clause
// The consistent read of a flow, step by step: what the owner's half of the sequence count makes of
// it. The same under load is in tests/stress/stress_flow.c.
#include <gtest/gtest.h>

#include "dp_fixture.h"

extern "C" {
#include "flow_totals.h"
#include "shm_region.h"
}

using namespace dp;

namespace {

class FlowRead : public testing::Test {
      protected:
	FlowRead() {
		memset(&region, 0, sizeof(region));
		region.flows = world.flows.get();
		region.cold = world.cold.get();
		region.n_flows = N_ADDRS * N_PORTS;
		region.n_media_ports = N_PORTS;
		region.n_addrs = N_ADDRS;
		region.addrs = addrs;
		for (struct rr_shm_addr &addr : addrs)
			addr.family = RR_FAMILY_IPV4;
	}

	int read(uint32_t slot = 7) {
		return rr_flow_read(&region, slot, &flow, &cold);
	}

	World world;
	struct rr_shm_addr addrs[N_ADDRS] = {};
	struct rr_region region;
	struct rr_flow flow;
	struct rr_flow_cold cold;
};

TEST_F(FlowRead, CopiesBothParts) {
	for (size_t i = 0; i < sizeof(struct rr_flow); i++)
		((uint8_t *)&world.flows[7])[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(struct rr_flow_cold); i++)
		((uint8_t *)&world.cold[7])[i] = (uint8_t)(i + 3);
	world.flows[7].seq = 4;
	EXPECT_EQ(0, read());
	EXPECT_EQ(0, memcmp(&flow, &world.flows[7], sizeof(flow)));
	EXPECT_EQ(0, memcmp(&cold, &world.cold[7], sizeof(cold)));
}

TEST_F(FlowRead, InsideAWrite) {
	rr_flow_write_begin(&world.flows[7]);
	EXPECT_EQ(-EAGAIN, read());
	EXPECT_EQ(0, read(6));
	rr_flow_write_end(&world.flows[7]);
	EXPECT_EQ(0, read());
	EXPECT_EQ(2u, flow.seq);
}

// Whatever else wrote the count: a write leaves it even, so that the flow can be read again.
TEST_F(FlowRead, OddCountIsEvenAfterAWrite) {
	world.flows[7].seq = 5;
	rr_flow_write_begin(&world.flows[7]);
	EXPECT_EQ(-EAGAIN, read());
	rr_flow_write_end(&world.flows[7]);
	EXPECT_EQ(0, read());
	EXPECT_EQ(6u, flow.seq);
}

TEST_F(FlowRead, SequenceCountWraps) {
	world.flows[7].seq = UINT32_MAX - 1;
	rr_flow_write_begin(&world.flows[7]);
	EXPECT_EQ(-EAGAIN, read());
	rr_flow_write_end(&world.flows[7]);
	EXPECT_EQ(0, read());
	EXPECT_EQ(0u, flow.seq);
}

TEST_F(FlowRead, OutOfRange) {
	EXPECT_EQ(0, read(region.n_flows - 1));
	EXPECT_EQ(-EINVAL, read(region.n_flows));
	EXPECT_EQ(-EINVAL, read(UINT32_MAX));
}

TEST_F(FlowRead, ColdPartIsOptional) {
	EXPECT_EQ(0, rr_flow_read(&region, 7, &flow, nullptr));
}

TEST_F(FlowRead, TotalsOfACopy) {
	struct rr_flow_totals t;

	world.flows[7].n_packets = 5;
	world.flows[7].n_bytes = 860;
	world.flows[7].max_gap_us = 1500000;
	world.flows[7].ext_seq_max = 65546;
	world.flows[7].contig_lo = 65545;
	world.flows[7].jitter_q4 = 24;
	world.flows[7].jitter_part_q4 = 64;
	world.flows[7].jitter_part_steps = 0x80 | 2;
	world.cold[7].n_packets_high = 1;
	world.cold[7].run_min = 65540;
	world.cold[7].n_received = 3;
	world.cold[7].n_sent_closed = 10;
	world.cold[7].n_dropped = 1;
	world.cold[7].n_rejected = 2;
	world.cold[7].jitter_sum_q4 = 96;
	world.cold[7].jitter_steps = 3;
	world.cold[7].jitter_max_q4 = 40;
	ASSERT_EQ(0, read());
	rr_flow_totals(&t, &flow, &cold);
	EXPECT_EQ((UINT64_C(1) << 32) + 5, t.n_packets);
	EXPECT_EQ(860u, t.n_bytes);
	EXPECT_EQ(1u, t.n_dropped);
	EXPECT_EQ(2u, t.n_rejected);
	EXPECT_EQ(17u, t.n_sent);
	EXPECT_EQ(5u, t.n_received);
	EXPECT_EQ(12u, t.n_lost);
	EXPECT_EQ(1.5, t.jitter_last);
	EXPECT_EQ(2.5, t.jitter_max);
	EXPECT_EQ(2.0, t.jitter_mean);
	EXPECT_EQ(1.5, t.longest_gap_s);
}

} // namespace
