// SPDX-License-Identifier: BSD-2-Clause
// A command that ends in an error leaves the call as it was: ports, addresses, flags, texts, TTL.
//
// The call is made, the dataplane falls silent (or refuses), a change is tried, its deadline
// passes. Then the session and what a new dataplane is told must be those of before, but for
// the version of a signalled address, which grows.
#include "control_fixture.h"

using namespace ctltest;

namespace {

class SessionChangeTest : public ControlTest {
      protected:
	std::string callee_port, caller_port;

	void new_call() {
		callee_port = command("Uc0,8 c 198.18.0.50 4000 ft tcp:127.0.0.1:9 tag");
		caller_port = command("L c 198.18.0.60 5000 ft tt");
	}
	void time_out() {
		now += cfg.ack_timeout_ms * UINT64_C(1000000) + 1;
		turn();
		turn();
	}
	// All but versions and times, which grow.
	std::string state() {
		const struct session *s = session("c");
		std::string text = s->strong ? "strong" : "not strong";
		char buf[RR_ENDPOINT_STRLEN];

		for (const struct session_leg &leg : s->leg) {
			for (uint64_t n : {leg.pair.uid, (uint64_t)leg.pair.addr,
				     (uint64_t)leg.pair.port, (uint64_t)leg.local.realm,
				     (uint64_t)leg.ttl_s, (uint64_t)leg.resize_ms,
				     (uint64_t)leg.n_holds, (uint64_t)leg.tos,
				     (uint64_t)leg.asymmetric, (uint64_t)leg.weak,
				     (uint64_t)leg.on_hold, (uint64_t)leg.ttl_told})
				text += " " + std::to_string(n);
			text += std::string(" ") +
				rr_endpoint_format(&leg.signalled, buf, sizeof(buf)) + ";";
		}
		for (unsigned int i = 0; i < SESSION_N_TEXTS; i++)
			text += " '" + text_of(session_text(s, (enum session_text)i)) + "'";
		return text;
	}
	// What the flows are, by slot: uid, peer, signalled address, flags, TOS.
	std::map<uint32_t, std::string> flows;
	void look_at_flows() {
		for (const struct rr_request &q : take_seen()) {
			char buf[RR_ENDPOINT_STRLEN];

			if (q.op == RR_REQUEST_FLOW_DEL) {
				flows.erase(q.slot);
				continue;
			}
			flows[q.slot] = std::to_string(q.uid) + " " + std::to_string(q.peer) + " " +
					rr_endpoint_format(&q.signalled, buf, sizeof(buf)) + " " +
					std::to_string(q.flags) + " " + std::to_string(q.tos);
		}
	}
	void fail(const std::string &text, const std::string &error) {
		new_call();
		settle();
		look_at_flows();
		std::string before = state();
		std::map<uint32_t, std::string> flows_before = flows;

		dp.stop();
		struct job *job = execute(text);

		turn();
		EXPECT_FALSE(replied(job)) << text;
		time_out();
		ASSERT_TRUE(replied(job)) << text;
		EXPECT_EQ(reply_of(job), error) << text;
		EXPECT_EQ(state(), before) << text;
		dp.start(&cfg, now);
		now += SECOND;
		settle();
		look_at_flows();
		EXPECT_EQ(flows, flows_before) << text;
		EXPECT_EQ(dp.n_installed(), 4U) << text;
		EXPECT_EQ(session("c")->retired, nullptr) << text;
		EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 48U) << text;
		EXPECT_EQ(command("L c 198.18.0.60 5000 ft tt"), caller_port) << text;
		EXPECT_EQ(command("U c 198.18.0.50 4000 ft"), callee_port) << text;
		command("D c ft");
		settle();
		take_seen();
		flows.clear();
	}
};

TEST_F(SessionChangeTest, FailedUpdatesLeaveTheCallAsItWas) {
	fail("U c 198.18.0.51 4100 ft", "E71");
	fail("Uac18z40 c 198.18.0.51 4100 ft", "E71");
	fail("U c 0.0.0.0 4100 ft tcp:127.0.0.1:9 other", "E71");
	fail("L c 198.18.0.61 5100 ft tt", "E71");
	fail("Lw c 198.18.0.61 5100 ft tt", "E71");
	fail("U c 198.18.0.61 5100 tt ft", "E71");
	fail("U c 198.18.0.51 4100 ft && S ttl=5 && S tos=8 && Sr tos=16", "E71");
	fail("Q c ft && S tos=8", "E71");
}

// The dataplane did not die, it was slow: what it does late is undone behind that.
TEST_F(SessionChangeTest, LateDataplaneEndsUpWithTheOldState) {
	for (const char *text : {"U c 198.18.0.51 4100 ft", "Un c 198.18.0.51 4100 ft tt",
		     "Ln c 198.18.0.61 5100 ft tt"}) {
		new_call();
		settle();
		look_at_flows();
		std::map<uint32_t, std::string> flows_before = flows;
		struct job *job = execute(text);

		control_turn_commit(&ctl);
		control_poll(&ctl, now += cfg.ack_timeout_ms * UINT64_C(1000000) + 1);
		control_turn_commit(&ctl);
		ASSERT_TRUE(replied(job)) << text;
		EXPECT_EQ(reply_of(job), "E71") << text;
		settle();
		look_at_flows();
		EXPECT_EQ(flows, flows_before) << text;
		EXPECT_EQ(dp.n_installed(), 4U) << text;
		EXPECT_EQ(dp_client_counter(ctl.dp, DP_C_generations), 1U);
		command("D c ft");
		settle();
		take_seen();
		flows.clear();
	}
}

TEST_F(SessionChangeTest, FailedMovesBringTheOldPortsBack) {
	fail("Un c 198.18.0.50 4000 ft tt", "E71");
	fail("Ln c 198.18.0.60 5000 ft tt", "E71");
	fail("Unl{lab1} c 198.18.0.51 4100 ft tt && L 198.18.0.61 5100", "E71");
}

TEST_F(SessionChangeTest, OldPortsAreHeldUntilTheNewOnesAreAcknowledged) {
	new_call();
	struct job *job = execute("Un c 198.18.0.50 4000 ft tt");

	control_turn_commit(&ctl);
	dp.seen.clear();
	dp.serve(now);
	for (const struct rr_request &q : dp.seen)
		EXPECT_EQ(q.op, RR_REQUEST_FLOW_SET);
	EXPECT_EQ(dp.n_installed(), 6U);
	control_poll(&ctl, now);
	EXPECT_TRUE(replied(job));
	settle();
	EXPECT_EQ(dp.n_installed(), 4U);
}

TEST_F(SessionChangeTest, FailedUpdateMakesNoWeakSessionStrong) {
	command("Uw c 198.18.0.50 4000 ft");
	command("L c 198.18.0.60 5000 ft tt");
	dp.stop();
	execute("U c 198.18.0.50 4000 ft");
	turn();
	EXPECT_TRUE(session("c")->strong);
	time_out();
	EXPECT_FALSE(session("c")->strong);
	EXPECT_TRUE(session("c")->leg[SESSION_CALLEE].weak);
}

TEST_F(SessionChangeTest, RestoredAddressIsNewsToTheDataplane) {
	new_call();
	uint32_t version = session("c")->leg[SESSION_CALLER].version;

	dp.stop();
	execute("U c 198.18.0.51 4100 ft");
	turn();
	time_out();
	EXPECT_GT(session("c")->leg[SESSION_CALLER].version, version + 1);
}

TEST_F(SessionChangeTest, ChangesBuiltOnAFailedOneFailWithIt) {
	new_call();
	std::string before = state();

	dp.stop();
	struct job *first = execute("U c 198.18.0.51 4100 ft");

	turn();
	now += cfg.ack_timeout_ms * UINT64_C(600000); // more than half of the deadline
	struct job *second = execute("L c 198.18.0.61 5100 ft tt");

	turn();
	now += cfg.ack_timeout_ms * UINT64_C(600000);
	turn();
	turn();
	ASSERT_TRUE(replied(first));
	EXPECT_EQ(reply_of(first), "E71");
	EXPECT_FALSE(replied(second));
	EXPECT_EQ(state(), before);
	dp.start(&cfg, now); // in time for the second
	dp_client_watch(ctl.dp, now += 100 * UINT64_C(1000000));
	settle();
	ASSERT_TRUE(replied(second));
	EXPECT_EQ(reply_of(second), "E71");
	EXPECT_EQ(state(), before);
}

TEST_F(SessionChangeTest, LaterChangeFailsAlone) {
	new_call();
	dp.stop();
	struct job *first = execute("U c 198.18.0.51 4100 ft");

	turn();
	// The dataplane answers the first and falls silent.
	dp.start(&cfg, now);
	dp_client_watch(ctl.dp, now += 100 * UINT64_C(1000000));
	settle();
	ASSERT_TRUE(replied(first));
	EXPECT_EQ(reply_of(first), callee_port);
	std::string between = state();

	dp.stop();
	struct job *second = execute("L c 198.18.0.61 5100 ft tt");

	turn();
	time_out();
	EXPECT_EQ(reply_of(second), "E71");
	EXPECT_EQ(state(), between);
}

TEST_F(SessionChangeTest, ManyOpenChangesCloseInOrder) {
	std::vector<struct job *> jobs;

	new_call();
	for (int i = 0; i < 5; i++)
		jobs.push_back(execute("Un c 198.18.0.50 " + std::to_string(4100 + i) + " ft tt"));
	settle();
	for (struct job *job : jobs)
		EXPECT_TRUE(replied(job) && reply_of(job)[0] == '2');
	EXPECT_EQ(dp.n_installed(), 4U);
	EXPECT_EQ(port_of(reply_of(jobs[4])), session("c")->leg[SESSION_CALLEE].pair.port);
	EXPECT_EQ(session("c")->changes, nullptr);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 48U);
}

TEST_F(SessionChangeTest, AnswerToASessionThatIsUndoneFails) {
	dp.stop();
	struct job *update = execute("U c 198.18.0.50 4000 ft");
	struct job *lookup = execute("L c 198.18.0.60 5000 ft tt");

	turn();
	time_out();
	EXPECT_EQ(reply_of(update), "E72");
	EXPECT_EQ(reply_of(lookup), "E71");
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
}

// What may yet be taken back is not shown, so that no counter ever goes back.
TEST_F(SessionChangeTest, CommandsUnderWayAreNotShownAsCalls) {
	command("U c 198.18.0.50 4000 ft");
	settle();
	dp.stop();
	struct job *answer = execute("L c 198.18.0.60 5000 ft tt");
	struct job *update = execute("U d 198.18.0.50 4000 ft");
	struct job *lookup = execute("L d 198.18.0.60 5000 ft tt");

	turn();
	EXPECT_EQ(command("G nsess_created nsess_complete"), "1 0");
	EXPECT_EQ(command("I").find("sessions created: 1\nactive sessions: 1\nactive streams: 2\n"),
		0U);
	time_out();
	EXPECT_EQ(reply_of(answer), "E71");
	EXPECT_EQ(reply_of(update), "E72");
	EXPECT_EQ(reply_of(lookup), "E71");
	EXPECT_EQ(command("G nsess_created nsess_complete"), "1 0");
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	command("L c 198.18.0.60 5000 ft tt");
	settle();
	EXPECT_EQ(command("G nsess_created nsess_complete"), "1 1");
}

TEST_F(SessionChangeTest, RefusedCommandsAreNotCountedAsCalls) {
	const uint64_t *n = ctl.stats.counter;

	command("U c 198.18.0.50 4000 ft");
	settle();
	dp.stop();
	struct job *answer = execute("L c 198.18.0.60 5000 ft tt");
	struct job *update = execute("U d 198.18.0.50 4000 ft");
	struct job *lookup = execute("L d 198.18.0.60 5000 ft tt");

	turn();
	time_out();
	EXPECT_EQ(reply_of(answer), "E71");
	EXPECT_EQ(reply_of(update), "E72");
	EXPECT_EQ(reply_of(lookup), "E71");
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(n[STATS_nsess_created], 1U);
	EXPECT_EQ(n[STATS_nsess_complete], 0U);
	EXPECT_EQ(n[STATS_nsess_destroyed], 0U);
	EXPECT_EQ(n[STATS_duration_ns], 0U);
	command("L c 198.18.0.60 5000 ft tt");
	command("L c 198.18.0.60 5000 ft tt");
	EXPECT_EQ(n[STATS_nsess_complete], 1U);
	receive(session("c"), 0, 0, 1);
	command("D c ft");
	settle();
	EXPECT_EQ(n[STATS_nsess_destroyed], 1U);
	EXPECT_EQ(n[STATS_nsess_owrtp], 1U);
	EXPECT_EQ(n[STATS_nsess_nortp], 0U);
}

// Commands that were answered in between stand.
TEST_F(SessionChangeTest, UndoLeavesWhatOthersSetMeanwhile) {
	command("Uw c 198.18.0.50 4000 ft");
	command("L c 198.18.0.60 5000 ft tt");
	command("U c 198.18.0.50 4000 ft"); // strong, too
	settle();
	dp.stop();
	struct job *job = execute("U c 198.18.0.51 4100 ft tcp:127.0.0.1:9 tag && S tos=8");
	struct job *remove = execute("D c ft");
	struct job *query = execute("Q c ft && S ttl=7");

	turn();
	EXPECT_EQ(reply_of(remove), "0"); // weak keeps the call
	EXPECT_TRUE(replied(query));
	time_out();
	EXPECT_EQ(reply_of(job), "E71");
	struct session *s = session("c");

	EXPECT_FALSE(s->strong);
	EXPECT_TRUE(s->leg[SESSION_CALLEE].weak);
	EXPECT_EQ(s->leg[0].ttl_s, 7U);
	EXPECT_TRUE(s->leg[0].ttl_told);
	EXPECT_EQ(session_text(s, SESSION_NOTIFY_SOCKET).len, 0U);
	EXPECT_EQ(s->leg[SESSION_CALLER].tos, cfg.tos);
	EXPECT_EQ(s->leg[SESSION_CALLEE].tos, cfg.tos);
	EXPECT_EQ(s->leg[SESSION_CALLER].signalled.addr[3], 50);
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(command("Dw c anything ft"), "0");
	EXPECT_EQ(session("c"), nullptr);
}

TEST_F(SessionChangeTest, UndoLeavesSourcesLearnedMeanwhile) {
	new_call();
	struct session *s = session("c");
	struct session_learned *learned = &s->leg[SESSION_CALLEE].learned[SESSION_RTP];

	settle();
	dp.stop();
	execute("U c 198.18.0.51 4100 ft"); // of the other leg
	turn();
	learned->remote.port_be = 77;
	learned->flags = RR_SET_LEARNED;
	time_out();
	EXPECT_EQ(learned->remote.port_be, 77);
	EXPECT_EQ(learned->flags, RR_SET_LEARNED);
}

TEST_F(SessionChangeTest, SessionThatEndedMeanwhileStaysEnded) {
	new_call();
	struct job *update = execute("Un c 198.18.0.50 4000 ft");
	struct job *remove = execute("D c ft");

	settle();
	EXPECT_EQ(reply_of(update).substr(0, 1), "2");
	EXPECT_EQ(reply_of(remove), "0");
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
}

TEST_F(SessionChangeTest, SessionThatEndedMeanwhileIsNotBroughtBackByFailure) {
	new_call();
	dp.stop();
	struct job *update = execute("Un c 198.18.0.50 4000 ft");
	struct job *remove = execute("D c ft");

	turn();
	time_out();
	EXPECT_EQ(reply_of(update), "E71");
	EXPECT_EQ(reply_of(remove), "0");
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 50U);
}

TEST_F(SessionChangeTest, RefusalRestoresToo) {
	new_call();
	std::string before = state();

	dp.status = RR_REPLY_BAD_ENDPOINT;
	EXPECT_EQ(command("Un c 198.18.0.51 4100 ft"), "E71");
	dp.status = RR_REPLY_OK;
	settle();
	EXPECT_EQ(state(), before);
	EXPECT_EQ(dp.n_installed(), 4U);
}

TEST_F(SessionChangeTest, ResyncInTheMiddleKeepsTheOldPorts) {
	new_call();
	std::string before = state();

	dp.stop();
	struct job *job = execute("Un c 198.18.0.50 4000 ft tt");

	turn();
	dp.start(&cfg, now);
	dp.status = RR_REPLY_BAD_ENDPOINT; // it comes back, and refuses
	dp_client_watch(ctl.dp, now += 100 * UINT64_C(1000000));
	for (int i = 0; i < 5; i++)
		turn();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "E71");
	dp.status = RR_REPLY_OK;
	settle();
	EXPECT_EQ(state(), before);
	resync_start(&ctl);
	settle();
	EXPECT_EQ(dp.n_installed(), 4U);
}

} // namespace
