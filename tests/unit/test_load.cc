// SPDX-License-Identifier: BSD-2-Clause
// How busy rtprelay is: which thread counts, what the mean remembers, and what overload refuses.
// Readings come from the test, one a second. Left out: a load that is real (tests/smoke/overload).
#include "control_fixture.h"

extern "C" {
#include "atomic.h"
#include "load.h"
}

namespace {

using namespace ctltest;

class LoadTest : public ::testing::Test {
      protected:
	struct load load = {};
	struct load_reading reading = {};
	uint32_t low = 30, high = 50;

	void SetUp() override {
		reading.now_ns = 100 * SECOND;
		reading.region_id = 1;
		reading.n_workers = 2;
		add();
	}

	void add() {
		load_add(&load, &reading, low, high);
	}

	// A second in which threads worked so many percent of it.
	void second(unsigned int control, unsigned int worker0 = 0, unsigned int worker1 = 0) {
		reading.now_ns += SECOND;
		reading.control_ns += control * SECOND / 100;
		reading.worker_ns[0] += worker0 * SECOND / 100;
		reading.worker_ns[1] += worker1 * SECOND / 100;
		add();
	}

	void seconds(
		int n, unsigned int control, unsigned int worker0 = 0, unsigned int worker1 = 0) {
		for (int i = 0; i < n; i++)
			second(control, worker0, worker1);
	}
};

TEST_F(LoadTest, BusiestThreadCounts) {
	seconds(LOAD_WINDOW_S, 10, 20, 15);
	EXPECT_DOUBLE_EQ(load.mean, 0.2);
	seconds(LOAD_WINDOW_S, 10, 20, 25);
	EXPECT_DOUBLE_EQ(load.mean, 0.25);
	seconds(LOAD_WINDOW_S, 40, 20, 25);
	EXPECT_DOUBLE_EQ(load.mean, 0.4);
}

TEST_F(LoadTest, MeanOfTheLastSeconds) {
	second(100);
	EXPECT_DOUBLE_EQ(load.mean, 1.0 / LOAD_WINDOW_S);
	seconds(LOAD_WINDOW_S - 1, 0);
	EXPECT_DOUBLE_EQ(load.mean, 1.0 / LOAD_WINDOW_S);
	second(0);
	EXPECT_DOUBLE_EQ(load.mean, 0);
}

// A turn may come late; what it covers counts as one second of the window.
TEST_F(LoadTest, ShareIsOfTheTimeThatPassed) {
	reading.now_ns += 4 * SECOND;
	reading.control_ns += 2 * SECOND;
	add();
	EXPECT_DOUBLE_EQ(load.mean, 0.5 / LOAD_WINDOW_S);
	reading.control_ns += SECOND;
	add(); // no time passed
	EXPECT_DOUBLE_EQ(load.mean, 0.5 / LOAD_WINDOW_S);
	reading.now_ns += SECOND;
	reading.control_ns += 3 * SECOND;
	add(); // more than there was
	EXPECT_DOUBLE_EQ(load.mean, 1.5 / LOAD_WINDOW_S);
}

TEST_F(LoadTest, CountersOfAnotherRegionAreNotCompared) {
	seconds(1, 1, 50);
	reading.region_id = 2;
	reading.worker_ns[0] += 100 * SECOND;
	second(1);
	EXPECT_DOUBLE_EQ(load.mean, (0.5 + 0.01) / LOAD_WINDOW_S);
	reading.worker_ns[0] = 0; // smaller than before
	second(1);
	EXPECT_DOUBLE_EQ(load.mean, (0.5 + 0.02) / LOAD_WINDOW_S);
	reading.region_id = 0;
	second(1, 90);
	EXPECT_DOUBLE_EQ(load.mean, (0.5 + 0.03) / LOAD_WINDOW_S);
}

TEST_F(LoadTest, OverloadBeginsAtOneThresholdAndEndsBelowTheOther) {
	seconds(LOAD_WINDOW_S, 49);
	EXPECT_FALSE(load.overloaded);
	seconds(LOAD_WINDOW_S, 50);
	EXPECT_TRUE(load.overloaded);
	seconds(LOAD_WINDOW_S, 30);
	EXPECT_TRUE(load.overloaded);
	seconds(LOAD_WINDOW_S, 29);
	EXPECT_FALSE(load.overloaded);
	seconds(LOAD_WINDOW_S, 49);
	EXPECT_FALSE(load.overloaded);
	seconds(LOAD_WINDOW_S, 51);
	EXPECT_TRUE(load.overloaded);
	EXPECT_EQ(load.n_overloads, 2U);
}

TEST_F(LoadTest, NeverOverloadedUnlessAsked) {
	low = high = 0;
	seconds(2 * LOAD_WINDOW_S, 100, 100, 100);
	EXPECT_DOUBLE_EQ(load.mean, 1);
	EXPECT_FALSE(load.overloaded);
}

class OverloadTest : public ControlTest {
      protected:
	void SetUp() override {
		settings.control += "overload_high_pct = 60; overload_low_pct = 40;";
		ControlTest::SetUp();
	}

	uint64_t stat(enum stats_counter which) {
		return ctl.stats.counter[which];
	}

	// Seconds in which worker 0 of the dataplane says that it worked so much.
	void busy(uint64_t seconds, uint64_t share_pct) {
		for (uint64_t i = 0; i < seconds; i++) {
			rr_add_relaxed(&dp.region.workers[0].counters[0][RR_C_busy_ns],
				share_pct * SECOND / 100);
			pass(1);
		}
	}
};

TEST_F(OverloadTest, NewSessionsAreRefusedAndNothingElse) {
	command("U c1 198.18.0.50 4000 ft");
	busy(LOAD_WINDOW_S + 1, 59);
	EXPECT_GT(port_of(command("U c2 198.18.0.50 4000 ft")), 0);
	busy(LOAD_WINDOW_S, 90);
	ASSERT_TRUE(ctl.load.overloaded);
	EXPECT_EQ(command("U c3 198.18.0.50 4000 ft"), "E98");
	EXPECT_EQ(command("U c1 198.18.0.50 4000 other"), "E98"); // no session of these tags
	EXPECT_GT(port_of(command("U c1 198.18.0.50 4002 ft")), 0);
	EXPECT_GT(port_of(command("L c1 198.18.0.60 4000 ft tt")), 0);
	EXPECT_EQ(command("L c3 198.18.0.60 4000 ft tt"), "0");
	EXPECT_NE(command("Q c1 ft tt"), "E98");
	EXPECT_EQ(command("D c2 ft"), "0");
	EXPECT_EQ(stat(STATS_overload_refused), 2U);
	busy(LOAD_WINDOW_S, 41);
	EXPECT_EQ(command("U c3 198.18.0.50 4000 ft"), "E98");
	busy(LOAD_WINDOW_S, 39);
	EXPECT_GT(port_of(command("U c3 198.18.0.50 4000 ft")), 0);
}

TEST_F(OverloadTest, LoadIsShown) {
	busy(LOAD_WINDOW_S + 1, 75);
	std::string info = command("Il");

	EXPECT_EQ(info.substr(info.find("average")), "average load: 0.750000");
	EXPECT_EQ(stat(STATS_load_pct), 75U);
	EXPECT_EQ(stat(STATS_overloaded), 1U);
	EXPECT_EQ(stat(STATS_overloads), 1U);
	crash();
	open();
	settle();
	EXPECT_EQ(stat(STATS_overloaded), 0U);
	EXPECT_EQ(stat(STATS_overloads), 1U);
}

} // namespace
