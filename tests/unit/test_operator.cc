// SPDX-License-Identifier: BSD-2-Clause
// What an operator asks of control: a request is read, run in a turn, and answered when what it
// changed is in the store and the dataplane acknowledged it. The store can be made to refuse a
// commit. Left out: the socket (test_operator_socket), and processes (tests/golden/operator).
#include "control_fixture.h"

extern "C" {
#include "admission.h"
#include "operator.h"
}

static int commit_error;

extern "C" int __real_store_commit(struct store *st, uint64_t now_ns);
extern "C" int __wrap_store_commit(struct store *st, uint64_t now_ns) {
	if (commit_error == 0)
		return __real_store_commit(st, now_ns);
	store_abort(st);
	return commit_error;
}

namespace {

using namespace ctltest;

class OperatorTest : public AskTest {
      protected:
	void TearDown() override {
		commit_error = 0;
		ControlTest::TearDown();
	}

	uint64_t stat(enum stats_counter which) {
		return ctl.stats.counter[which];
	}
};

TEST_F(OperatorTest, RequestsThatCannotBeRunAreRefused) {
	EXPECT_EQ(ask("bogus"), "error control does not know it, is it older than rrctl?");
	EXPECT_EQ(ask("session-clear now"), "error expected the arguments \"\"");
	EXPECT_EQ(outcome(ask_bytes(job_new(), "")), "error the request cannot be read");
	EXPECT_EQ(outcome(ask_bytes(job_new(), "drain")), "error the request cannot be read");
	EXPECT_EQ(ask(std::string(31, ' ')), "error the request cannot be read");
	EXPECT_EQ(ask(std::string(15, ' ')),
		"error control does not know it, is it older than rrctl?");
}

TEST_F(OperatorTest, RequestsAreNotCommands) {
	uint64_t before[] = {stat(STATS_ncmds_rcvd), stat(STATS_ncmds_succd),
		stat(STATS_ncmds_errs), stat(STATS_ncmds_repld)};

	ask("session-clear");
	ask("bogus");
	uint64_t after[] = {stat(STATS_ncmds_rcvd), stat(STATS_ncmds_succd), stat(STATS_ncmds_errs),
		stat(STATS_ncmds_repld)};

	EXPECT_EQ(memcmp(before, after, sizeof(before)), 0);
}

TEST_F(OperatorTest, ClearIsAnsweredOnceTheDataplaneAcknowledged) {
	command("U c1 198.18.0.50 4000 ft");
	command("U c2 198.18.0.50 4000 ft");
	ASSERT_EQ(dp.n_installed(), 4U);
	struct job *job = ask_only("session-clear");

	control_turn_commit(&ctl);
	control_poll(&ctl, now);
	EXPECT_FALSE(replied(job));
	EXPECT_EQ(session("c1"), nullptr);
	EXPECT_EQ(outcome(job), "{\"sessions\": 2}");
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(ask("session-clear"), "{\"sessions\": 0}");
}

TEST_F(OperatorTest, ClearSaysWhenTheDataplaneIsSilent) {
	command("U c1 198.18.0.50 4000 ft");
	dp.stop();
	struct job *job = ask_only("session-clear");

	turn();
	EXPECT_FALSE(replied(job));
	now += 2 * SECOND;
	EXPECT_EQ(outcome(job), "error it is done, but the dataplane has not acknowledged all "
				"of it yet; what is missing is told again");
	EXPECT_EQ(session("c1"), nullptr);
}

TEST_F(OperatorTest, AnswerWaitsForACommit) {
	command("U c1 198.18.0.50 4000 ft");
	commit_error = -EIO;
	struct job *job = ask_only("session-clear");

	settle();
	EXPECT_FALSE(replied(job));
	commit_error = 0;
	EXPECT_EQ(outcome(job), "{\"sessions\": 1}");
	EXPECT_EQ(dp.n_installed(), 0U);
}

TEST_F(OperatorTest, AnswerSaysWhenNothingIsCommitted) {
	command("U c1 198.18.0.50 4000 ft");
	commit_error = -EIO;
	struct job *job = ask_only("session-clear");

	settle();
	now += 2 * SECOND;
	EXPECT_EQ(outcome(job), "error it is done, but not saved: the store does not take it, see "
				"the log of rtprelayd");
}

// ---- whether new sessions are taken
// ------------------------------------------------------------------------------------------

TEST_F(OperatorTest, PauseRefusesNewSessionsUntilResume) {
	command("U c1 198.18.0.50 4000 ft");
	EXPECT_EQ(ask("pause"), "{\"admission\": \"paused\", \"sessions\": 1}");
	EXPECT_EQ(command("U c2 198.18.0.50 4000 ft"), "E99");
	EXPECT_GT(port_of(command("U c1 198.18.0.50 4000 ft")), 0);
	EXPECT_GT(port_of(command("L c1 198.18.0.60 4000 ft tt")), 0);
	EXPECT_EQ(stat(STATS_closed_refused), 1U);
	EXPECT_EQ(ask("resume"), "{\"admission\": \"open\", \"sessions\": 1}");
	EXPECT_GT(port_of(command("U c2 198.18.0.50 4000 ft")), 0);
	EXPECT_EQ(stat(STATS_closed_refused), 1U);
}

TEST_F(OperatorTest, EachOfDrainPauseAndResumeReplacesTheOthers) {
	EXPECT_EQ(ask("drain"), "{\"admission\": \"draining\", \"sessions\": 0}");
	EXPECT_EQ(admission_of(&ctl), RR_ADMISSION_DRAINING);
	EXPECT_EQ(command("U c2 198.18.0.50 4000 ft"), "E99");
	ask("pause");
	EXPECT_EQ(admission_of(&ctl), RR_ADMISSION_PAUSED);
	ask("drain");
	ask("resume");
	EXPECT_EQ(admission_of(&ctl), RR_ADMISSION_OPEN);
}

// A worker is replaced; then the whole program is started again.
TEST_F(OperatorTest, WhatARestartKeeps) {
	for (const char *verb : {"drain", "pause"}) {
		bool is_pause = strcmp(verb, "pause") == 0;

		admission_begin(&ctl, 7);
		ask(verb);
		enum rr_admission asked = admission_of(&ctl);

		crash();
		open();
		admission_begin(&ctl, 7);
		EXPECT_EQ(admission_of(&ctl), asked) << verb;
		settle();
		crash();
		open();
		admission_begin(&ctl, 8);
		EXPECT_EQ(admission_of(&ctl), is_pause ? asked : RR_ADMISSION_OPEN) << verb;
		settle();
	}
}

// What is under way at the end is dropped, and nothing of it leaks.
TEST_F(OperatorTest, EndWhileARequestIsUnderWay) {
	command("U c1 198.18.0.50 4000 ft");
	struct job *job = ask_only("session-clear");

	control_turn_commit(&ctl);
	close();
	EXPECT_FALSE(replied(job));
}

} // namespace
