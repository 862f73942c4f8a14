// SPDX-License-Identifier: BSD-2-Clause
// The counter table is complete, and the accounting equation adds up what it says.
#include <cstring>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "counters.h"

TEST(Counters, EveryRowHasNameUnitAndHelp) {
	std::set<std::string> names;

	for (const auto &info : rr_counter_info) {
		EXPECT_NE(std::strlen(info.name), 0u);
		EXPECT_NE(std::strlen(info.unit), 0u) << info.name;
		EXPECT_NE(std::strlen(info.help), 0u) << info.name;
		EXPECT_TRUE(names.insert(info.name).second) << info.name << " stands twice";
	}
}

TEST(Counters, DropsAreNamedAsDrops) {
	for (const auto &info : rr_counter_info)
		EXPECT_EQ(
			info.kind == RR_COUNTER_DROP, std::string(info.name).rfind("drop_", 0) == 0)
			<< info.name;
}

TEST(Counters, BalanceHoldsWhenEveryPacketIsAccountedFor) {
	uint64_t c[RR_N_COUNTERS] = {};

	c[RR_C_rx_packets] = 100;
	c[RR_C_generated] = 5;
	c[RR_C_tx_packets] = 60;
	c[RR_C_delivered] = 10;
	c[RR_C_held] = 3;
	c[RR_C_drop_flow_none] = 30;
	c[RR_C_drop_rx_short] = 2;
	c[RR_C_handoff_out] = 1000; // not part of the equation
	c[RR_C_rx_packets] += 6; // fragments of one datagram,
	c[RR_C_fragments_joined] = 5;
	c[RR_C_tx_packets] += 4; // which leaves in four
	c[RR_C_fragments_made] = 3;
	EXPECT_EQ(rr_counters_imbalance(c), 0);
}

TEST(Counters, ImbalanceTellsWhatIsMissing) {
	uint64_t c[RR_N_COUNTERS] = {};

	c[RR_C_rx_packets] = 10;
	c[RR_C_tx_packets] = 7;
	EXPECT_EQ(rr_counters_imbalance(c), 3);
	c[RR_C_drop_tx_full] = 4;
	EXPECT_EQ(rr_counters_imbalance(c), -1);
}
