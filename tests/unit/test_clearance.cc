// SPDX-License-Identifier: BSD-2-Clause
// Very many sessions that end at once, by `X` or by expiry, or whose region is left: a slice a
// turn, and nobody notices.
//
//	commands --> control <--> fake dataplane      2,000 calls and more, one turn at a time
//
// What a turn may do is counted, never timed.
#include "control_fixture.h"

using namespace ctltest;

class ClearanceTest : public ControlTest {
      protected:
	enum { N_CALLS = 1000 };

	ClearanceTest() {
		settings.realms = "main lab1";
		settings.media = "port_min = 20000; port_max = 29999; learning = \"compat\";";
		settings.control += " media_ttl_s = 20; max_sessions = 1000;";
	}
	void SetUp() override {
		ControlTest::SetUp();
		for (unsigned int i = 0; i < N_CALLS; i++)
			execute("Ul{lab1} c" + std::to_string(i) + " 198.18.0.50 4000 ft " +
				notice);
		settle();
		ASSERT_EQ(G("nsess_created nsess_destroyed"), std::to_string(N_CALLS) + " 0");
	}
	std::string notice;

	uint64_t n_ended() {
		return ctl.stats.counter[STATS_nsess_destroyed];
	}
	// Turns until control waits for nothing; returns the most sessions that one of them ended.
	uint64_t most_of_a_turn() {
		uint64_t most = 0;

		for (int i = 0; i < 1000 && (i < 2 || control_waiting(&ctl)); i++) {
			uint64_t before = n_ended();

			turn();
			most = std::max(most, n_ended() - before);
		}
		return most;
	}
	uint32_t n_taken() {
		struct port_alloc_stats st;
		uint32_t n = 0;

		for (uint32_t i = 0; port_alloc_get_stats(ctl.ports, i, &st) == 0; i++)
			n += st.n_taken;
		return n;
	}
};

TEST_F(ClearanceTest, EndsASliceATurnAndAnswersWhenAllAreGone) {
	struct job *job = execute("X");

	EXPECT_LE(n_ended(), (uint64_t)CLEARANCE_SLICE);
	turn();
	EXPECT_FALSE(replied(job));
	EXPECT_LE(most_of_a_turn(), (uint64_t)CLEARANCE_SLICE);
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "0");
	EXPECT_EQ(n_ended(), (uint64_t)N_CALLS);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(n_taken(), 0U);
}

TEST_F(ClearanceTest, NobodyMeetsASessionOfBefore) {
	std::string last = "c" + std::to_string(N_CALLS - 1);
	struct job *jobs[] = {execute("X"), execute("Q " + last + " ft"),
		execute("D " + last + " ft"), execute("Ll{lab1} c900 198.18.0.60 5000 ft tt"),
		execute("Ul{lab1} c901 198.18.0.50 4000 ft"),
		execute("G nsess_created nsess_destroyed"), execute("I")};

	settle();
	for (struct job *job : jobs)
		ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(jobs[1]), "E50");
	EXPECT_EQ(reply_of(jobs[2]), "E50");
	EXPECT_EQ(reply_of(jobs[3]), "0");
	EXPECT_GT(port_of(reply_of(jobs[4])), 0);
	EXPECT_EQ(reply_of(jobs[5]), "1000 1000"); // the new one is not acknowledged yet
	EXPECT_NE(reply_of(jobs[6]).find("active sessions: 0"), std::string::npos);
	ASSERT_NE(session("c901"), nullptr);
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
	EXPECT_EQ(n_taken(), 1U);
	EXPECT_EQ(dp.n_installed(), 2U);
	EXPECT_EQ(G("nsess_created nsess_destroyed"), "1001 1000");
}

TEST_F(ClearanceTest, WhatIsOverLeavesRoomForAnotherAtOnce) {
	EXPECT_EQ(command("Ul{lab1} c 198.18.0.50 4000 ft"), "E72");
	EXPECT_EQ(command("D c0 ft"), "0");
	EXPECT_NE(command("Ul{lab1} c 198.18.0.50 4000 ft"), "E72");
	EXPECT_EQ(command("Ul{lab1} d 198.18.0.50 4000 ft"), "E72");
}

TEST_F(ClearanceTest, ASecondOneEndsWhatCameBetween) {
	struct job *first = execute("X");

	execute("Ul{lab1} c 198.18.0.50 4000 ft");
	turn();
	EXPECT_EQ(control_n_live(&ctl), 1U);
	struct job *second = execute("X");

	EXPECT_EQ(control_n_live(&ctl), 0U);
	settle();
	ASSERT_TRUE(replied(first) && replied(second));
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(G("nsess_created nsess_destroyed"), "1001 1001");
}

// What a turn committed is all that the next control knows.
TEST_F(ClearanceTest, ARestartInTheMiddleBringsNothingBack) {
	execute("X");
	execute("Ul{lab1} new 198.18.0.50 4000 ft");
	turn();
	ASSERT_GT(session_index_count(&ctl.index), 1U);
	crash();
	open();
	settle();
	EXPECT_EQ(command("Q c900 ft"), "E50");
	EXPECT_EQ(command("Q new ft").substr(0, 3), "20 ");
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
	EXPECT_EQ(n_taken(), 1U);
	EXPECT_EQ(dp.n_installed(), 2U);
	EXPECT_EQ(G("nsess_created nsess_destroyed"), "1001 1000");
}

TEST_F(ClearanceTest, ASilentDataplaneDelaysTheAnswerAndNoMore) {
	dp.stop();
	struct job *job = execute("X");

	for (int i = 0; i < 20; i++)
		turn();
	EXPECT_FALSE(replied(job));
	EXPECT_LE(dp_client_n_background(ctl.dp), (uint32_t)DP_BACKGROUND_WINDOW);
	now += cfg.ack_timeout_ms * RR_NS_PER_MS + 1;
	turn();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "0");
	EXPECT_EQ(command("Q c999 ft"), "E50");
	dp.start(&cfg, now);
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
}

// The command that made it fails afterwards: neither is it there, nor was it ever counted.
TEST_F(ClearanceTest, ASessionThatNeverWasIsNotCounted) {
	dp.stop();
	struct job *job = execute("Ul{lab1} c 198.18.0.50 4000 ft");

	execute("X");
	turn();
	now += cfg.ack_timeout_ms * RR_NS_PER_MS + 1;
	turn();
	turn();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "E72");
	EXPECT_EQ(G("nsess_created nsess_destroyed"), "1000 1000");
	dp.start(&cfg, now);
	settle();
	EXPECT_EQ(G("nsess_created nsess_destroyed"), "1000 1000");
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(ClearanceTest, NoTimeoutIsToldOfWhatIsOver) {
	dp.stop();
	execute("X");
	for (int i = 0; i < 5; i++)
		turn();
	dp.start(&cfg, now);
	now += 1000 * SECOND;
	settle();
	now += 1000 * SECOND;
	settle();
	EXPECT_EQ(G("nsess_timeout nsess_destroyed"), "0 1000");
}

class MassExpiryTest : public ClearanceTest {
      protected:
	MassExpiryTest() {
		notice = "tcp:127.0.0.1:9 tag";
	}
};

TEST_F(MassExpiryTest, AllOfOneSecondEndInSlicesAndCommandsGoOn) {
	uint64_t before = n_ended();

	now += 60 * SECOND;
	turn();
	EXPECT_LE(n_ended() - before, (uint64_t)EXPIRY_SLICE);
	ASSERT_TRUE(control_waiting(&ctl));
	struct job *job = execute("V");

	control_turn_commit(&ctl);
	EXPECT_TRUE(replied(job));
	// One that is due and not yet looked at ends as any other.
	EXPECT_EQ(command("D c0 ft"), "0");
	EXPECT_LE(most_of_a_turn(), (uint64_t)EXPIRY_SLICE);
	EXPECT_EQ(G("nsess_destroyed nsess_timeout"), "1000 999");
	EXPECT_EQ(ctl.outbox.stats.n_waiting, (uint64_t)N_CALLS - 1);
	EXPECT_EQ(n_taken(), 0U);
}

class LeavingTest : public ClearanceTest {
      protected:
	void replace_region() {
		char path[RR_PATH_LEN + 64];

		for (struct session *s = session_index_first(&ctl.index); s;
			s = session_index_next(s))
			receive(s, SESSION_CALLEE, SESSION_RTP, 1);
		dp.stop();
		rr_region_path(&cfg, path, sizeof(path));
		ASSERT_EQ(unlink(path), 0);
		dp.start(&cfg, now);
		now += SECOND;
	}
	unsigned int n_captured() {
		unsigned int n = 0;

		for (struct session *s = session_index_first(&ctl.index); s;
			s = session_index_next(s))
			n += s->captured != 0;
		return n;
	}
	// npkts_ina and npkts_ino, of whose legs one has a packet.
	uint64_t n_packets(const std::string &callid) {
		struct rr_flow_totals t;

		session_flow_totals(&ctl, session(callid), SESSION_CALLEE, SESSION_RTP, &t);
		return t.n_packets;
	}
};

TEST_F(LeavingTest, ReadsTheOldRegionInSlices) {
	replace_region();
	turn();
	EXPECT_EQ(n_captured(), (unsigned int)CONTROL_CAPTURE_SLICE);
	ASSERT_TRUE(control_waiting(&ctl));
	// Whether it was read already or not, nothing is counted twice.
	EXPECT_EQ(n_packets("c0"), 1U);
	EXPECT_EQ(n_packets("c999"), 1U);
	struct job *version = execute("V");
	struct job *gone = execute("D c0 ft");
	session_free(&ctl, session("c" + std::to_string(CONTROL_CAPTURE_SLICE))); // the cursor's

	turn();
	EXPECT_TRUE(replied(version));
	settle();
	ASSERT_TRUE(replied(gone));
	EXPECT_EQ(reply_of(gone), "0");
	EXPECT_EQ(n_packets("c1"), 1U);
	EXPECT_EQ(n_packets("c999"), 1U);
	EXPECT_EQ(dp_client_region_number(ctl.dp), 2U);
	receive(session("c999"), SESSION_CALLEE, SESSION_RTP, 2);
	EXPECT_EQ(n_packets("c999"), 3U);
}
