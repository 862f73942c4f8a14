// SPDX-License-Identifier: BSD-2-Clause
// Sessions end when nothing refreshed them: protocol reference 9.5, and the grace after outages.
//
// Time moves second by second as the daemon sees it. A session refreshed in second r with TTL t is
// alive in second r + t, where Q shows 0, and gone at r + t + 1.
#include "control_fixture.h"

using namespace ctltest;

namespace {

class ExpiryTest : public ControlTest {
      protected:
	ExpiryTest() {
		settings.control += " media_ttl_s = 20; setup_ttl_s = 10;";
	}
	void new_call(const std::string &id = "c") {
		command("U " + id + " 198.18.0.50 4000 ft");
		command("L " + id + " 198.18.0.60 5000 ft tt");
	}
	std::string ttl(const std::string &id = "c", const std::string &tag = "ft") {
		return command("Q " + id + " " + tag + " " + tag + " ttl");
	}
	uint64_t n_timeouts() {
		return ctl.stats.counter[STATS_nsess_timeout];
	}
};

TEST_F(ExpiryTest, CountsDownAndEndsOneTickAfterZero) {
	command("U c 198.18.0.50 4000 ft");
	EXPECT_EQ(ttl(), "10");
	pass(4);
	EXPECT_EQ(ttl(), "6");
	pass(6);
	EXPECT_EQ(ttl(), "0");
	EXPECT_EQ(n_timeouts(), 0U);
	pass(1);
	EXPECT_EQ(ttl(), "E50");
	EXPECT_EQ(n_timeouts(), 1U);
	EXPECT_EQ(G("nsess_destroyed nsess_timeout"), "1 1");
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(ExpiryTest, AnswerSwitchesToTheMediaTtl) {
	command("U c 198.18.0.50 4000 ft");
	pass(3);
	command("L c 198.18.0.60 5000 ft tt");
	EXPECT_EQ(ttl(), "20");
	pass(20);
	EXPECT_EQ(ttl(), "0");
	pass(1);
	EXPECT_EQ(ttl(), "E50");
}

TEST_F(ExpiryTest, CommandsRefreshQueriesDoNot) {
	new_call();
	pass(8);
	EXPECT_EQ(ttl(), "12");
	command("U c 198.18.0.50 4000 ft");
	EXPECT_EQ(ttl(), "20");
	pass(8);
	command("L c 198.18.0.60 5000 ft tt");
	EXPECT_EQ(ttl(), "20");
	pass(21);
	EXPECT_EQ(ttl(), "E50");
}

TEST_F(ExpiryTest, MediaOnAnySocketRefreshes) {
	for (unsigned int leg = 0; leg < 2; leg++) {
		for (unsigned int flow = 0; flow < 2; flow++) {
			new_call();
			pass(15);
			receive(session("c"), leg, flow, 1);
			EXPECT_EQ(ttl(), "20");
			pass(15);
			EXPECT_EQ(ttl(), "5");
			pass(6);
			EXPECT_EQ(ttl(), "E50");
		}
	}
}

TEST_F(ExpiryTest, ManyRefreshesCostOneLookEach) {
	new_call();
	for (int i = 0; i < 100; i++) {
		pass(1);
		receive(session("c"), SESSION_CALLER, SESSION_RTP, 1);
	}
	EXPECT_EQ(ttl(), "20");
}

TEST_F(ExpiryTest, LongTtlOutlivesTheWheel) {
	command("U c 198.18.0.50 4000 ft && S ttl=1300");
	pass(1299);
	EXPECT_EQ(ttl(), "1");
	pass(2);
	EXPECT_EQ(ttl(), "E50");
}

TEST_F(ExpiryTest, ShorterTtlCountsAtOnce) {
	new_call();
	command("U c 198.18.0.50 4000 ft && S ttl=2");
	pass(2);
	EXPECT_EQ(ttl(), "0");
	pass(1);
	EXPECT_EQ(ttl(), "E50");
}

TEST_F(ExpiryTest, TimeThatJumpsExpiresAllThatIsDue) {
	for (int i = 0; i < 20; i++)
		command("U c" + std::to_string(i) +
			" 198.18.0.50 4000 ft && S ttl=" + std::to_string(i + 1));
	now += 700 * SECOND;
	dp.serve(now);
	settle();
	EXPECT_EQ(n_timeouts(), 20U);
}

class IndependentTtlTest : public ExpiryTest {
      protected:
	IndependentTtlTest() {
		settings.control += " independent_ttl = true;";
	}
};

TEST_F(IndependentTtlTest, OneSilentLegEndsTheSession) {
	new_call();
	for (int i = 0; i < 20; i++) {
		pass(1);
		receive(session("c"), SESSION_CALLER, SESSION_RTP, 1);
	}
	EXPECT_EQ(ttl(), "0");
	pass(1);
	EXPECT_EQ(ttl(), "E50");
}

TEST_F(IndependentTtlTest, TtlSubcommandIsOfOneLeg) {
	new_call();
	command("Q c ft && S ttl=5"); // the caller's
	EXPECT_EQ(session("c")->leg[SESSION_CALLER].ttl_s, 5U);
	EXPECT_EQ(session("c")->leg[SESSION_CALLEE].ttl_s, 20U);
	EXPECT_EQ(ttl(), "5");
	command("Q c ft && Sr ttl=3");
	EXPECT_EQ(ttl(), "3");
}

// ---- outages
// -------------------------------------------------------------------------------------

TEST_F(ExpiryTest, NobodyExpiresWhileTheDataplaneIsDown) {
	new_call();
	dp.stop();
	pass(60);
	EXPECT_EQ(n_timeouts(), 0U);
	dp.start(&cfg, now);
	pass(9);
	EXPECT_EQ(n_timeouts(), 0U);
	EXPECT_GE(ctl.stats.counter[STATS_graced], 1U);
	pass(3);
	EXPECT_EQ(n_timeouts(), 1U);
}

TEST_F(ExpiryTest, MediaInTheGraceKeepsTheCall) {
	new_call();
	dp.stop();
	pass(60);
	dp.start(&cfg, now);
	pass(5);
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 1);
	pass(15);
	EXPECT_EQ(ttl(), "5");
}

TEST_F(ExpiryTest, RestartOfControlGivesGraceToWhatFellDueMeanwhile) {
	new_call("due");
	advance(15);
	new_call("later");
	crash();
	now += 10 * SECOND; // "due" fell due 4 s ago, "later" has 10 left
	dp.serve(now);
	open();
	settle();
	EXPECT_EQ(ttl("due"), "0");
	EXPECT_EQ(ttl("later"), "10");
	pass(9);
	EXPECT_EQ(n_timeouts(), 0U);
	pass(1);
	EXPECT_EQ(n_timeouts(), 0U);
	pass(1);
	EXPECT_EQ(ttl("due"), "E50");
}

// ---- notices
// -------------------------------------------------------------------------------------

struct Notices {
	std::vector<std::string> lines;
};

int collect(void *arg, uint64_t id, const struct rr_store_notice *notice, size_t size) {
	const char *text = (const char *)(notice + 1);

	EXPECT_EQ(size, sizeof(*notice) + notice->socket_len + notice->tag_len);
	(void)id;
	((Notices *)arg)
		->lines.push_back(std::string(text, notice->socket_len) + "|" +
				  std::string(text + notice->socket_len, notice->tag_len));
	return 0;
}

TEST_F(ExpiryTest, NoticeOfATimeoutGoesIntoTheOutbox) {
	Notices notices;

	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:9 hello%20wor+ld");
	command("U b 198.18.0.50 4000 ft"); // wants none
	command("U d 198.18.0.50 4000 ft tcp:127.0.0.1:9 gone");
	command("U d 198.18.0.50 4000 ft"); // takes its target away
	command("U e 198.18.0.50 4000 ft tcp:127.0.0.1:9 deleted");
	command("D e ft");
	pass(12);
	EXPECT_EQ(n_timeouts(), 3U);
	ASSERT_EQ(store_each_notice(ctl.store, collect, &notices), 0);
	ASSERT_EQ(notices.lines.size(), 1U);
	EXPECT_EQ(notices.lines[0], "tcp:127.0.0.1:9|hello wor ld");
}

} // namespace
