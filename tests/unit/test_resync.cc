// SPDX-License-Identifier: BSD-2-Clause
// Restarts of either side: every call is there again, none is left over, no command runs twice, no
// counter goes back.
#include "control_fixture.h"

using namespace ctltest;

namespace {

class ResyncTest : public ControlTest {
      protected:
	std::string new_call(const std::string &id = "c") {
		std::string reply = command("U " + id + " 198.18.0.50 4000 ft");

		return reply + " | " + command("L " + id + " 198.18.0.60 5000 ft tt");
	}
	void kill_dataplane(bool region_too) {
		dp.stop();
		if (!region_too)
			return;
		char path[RR_PATH_LEN + 64];

		rr_region_path(&cfg, path, sizeof(path));
		ASSERT_EQ(unlink(path), 0);
	}
	void start_dataplane() {
		dp.seen.clear();
		dp.start(&cfg, now);
		now += SECOND;
		settle();
	}
	// What a duplicate would be answered with after a restart of control.
	std::string restored(const std::string &cookie) {
		struct job *job = job_new();
		struct job *pending = nullptr;
		struct slice reply = {};
		enum retrans_verdict verdict;

		job->received_ns = now;
		memcpy(job->bytes, cookie.data(), cookie.size());
		job->cookie = {job->bytes, cookie.size()};
		verdict = retrans_begin(retrans, job, &pending, &reply);
		job_free(job);
		return verdict == RETRANS_RESTORED ? text_of(reply) : "";
	}
	void restart_control() {
		crash();
		dp.seen.clear();
		open();
	}
};

// ---- the dataplane dies
// --------------------------------------------------------------------------

TEST_F(ResyncTest, FreshRegionGetsEveryCall) {
	std::string a = new_call("a");
	std::string b = new_call("b");

	command("U half 198.18.0.50 4000 ft");
	kill_dataplane(true);
	start_dataplane();
	EXPECT_FALSE(dp.adopted);
	EXPECT_EQ(dp.n_installed(), 10U);
	EXPECT_EQ(new_call("a"), a);
	EXPECT_EQ(new_call("b"), b);
	for (unsigned int leg = 0; leg < 2; leg++)
		for (unsigned int flow = 0; flow < 2; flow++)
			EXPECT_EQ(dp.flow(slot(session("a"), leg, flow))->peer,
				slot(session("a"), !leg, flow));
}

TEST_F(ResyncTest, AdoptedRegionIsToldAgainAndKeepsItsFlows) {
	new_call();
	uint64_t uid = session("c")->leg[0].pair.uid;

	receive(session("c"), SESSION_CALLER, SESSION_RTP, 4);
	kill_dataplane(false);
	start_dataplane();
	EXPECT_TRUE(dp.adopted);
	EXPECT_EQ(dp.seen.size(), 4U);
	EXPECT_EQ(session("c")->leg[0].pair.uid, uid);
	EXPECT_EQ(command("Q c ft"), "59 4 0 4 0");
}

TEST_F(ResyncTest, CountersDoNotGoBackWithAFreshRegion) {
	new_call();
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 4);
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 6);
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 10;
	EXPECT_EQ(command("Q c ft"), "60 4 6 10 0");
	EXPECT_EQ(G("npkts_relayed"), "10");
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 12; // nobody asked since
	kill_dataplane(true);
	start_dataplane();
	EXPECT_EQ(command("Q c ft"), "59 4 6 10 0");
	EXPECT_EQ(G("npkts_relayed"), "12");
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 1);
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 1;
	EXPECT_EQ(command("Q c ft"), "60 5 6 11 0");
	EXPECT_EQ(G("npkts_relayed"), "13");
}

TEST_F(ResyncTest, MediaSeenByTheOldRegionStillRefreshes) {
	new_call();
	advance(30);
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 1);
	kill_dataplane(true);
	start_dataplane(); // a second later
	EXPECT_EQ(command("Q c ft ft ttl"), "59");
}

TEST_F(ResyncTest, LearnedSourcesAreReplayed) {
	struct rr_flow *f;

	new_call();
	f = dp.flow(slot(session("c"), SESSION_CALLER, SESSION_RTP));
	f->flags |= RR_FLOW_HAS_REMOTE | RR_FLOW_UNTRUSTED_SDP | RR_FLOW_LATCHED;
	f->remote_family = RR_FAMILY_IPV4;
	f->remote[0] = 10;
	f->remote_port_be = htons(1234);
	dp.region.cold[slot(session("c"), SESSION_CALLER, SESSION_RTP)].latch_flags = RR_LATCH_SSRC;
	dp.region.cold[slot(session("c"), SESSION_CALLER, SESSION_RTP)].latch_ssrc = 4711;
	// No event told control of it; it is read from the region that is left behind.
	kill_dataplane(true);
	start_dataplane();
	int n = 0;

	for (const struct rr_request &q : dp.seen) {
		if (q.slot != slot(session("c"), SESSION_CALLER, SESSION_RTP))
			continue;
		n++;
		EXPECT_EQ(q.flags & (RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC),
			RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC);
		EXPECT_EQ(q.learned.addr[0], 10);
		EXPECT_EQ(ntohs(q.learned.port_be), 1234);
		EXPECT_EQ(q.latch_ssrc, 4711U);
	}
	EXPECT_EQ(n, 1);
}

TEST_F(ResyncTest, SourcesLearnedWhileControlWasDownAreTakenOver) {
	struct rr_flow *f;

	new_call();
	f = dp.flow(slot(session("c"), SESSION_CALLEE, SESSION_RTCP));
	crash();
	f->flags |= RR_FLOW_HAS_REMOTE | RR_FLOW_GUESSED;
	f->remote_family = RR_FAMILY_IPV4;
	f->remote[0] = 9;
	f->remote_port_be = htons(77);
	open();
	settle();
	const struct session_learned &learned =
		session("c")->leg[SESSION_CALLEE].learned[SESSION_RTCP];

	EXPECT_EQ(learned.flags, RR_SET_LEARNED | RR_SET_GUESSED);
	EXPECT_EQ(ntohs(learned.remote.port_be), 77);
}

TEST_F(ResyncTest, CursorStepsOffASessionThatIsFreed) {
	new_call("a");
	new_call("b");
	pass(1);
	resync_start(&ctl);
	ASSERT_EQ(ctl.resync.cursor, session("a"));
	for (const struct session_leg &leg : session("a")->leg)
		session_index_set_pair(&ctl.index, leg.pair.addr, leg.pair.port, nullptr);
	session_free(&ctl, session("a"));
	EXPECT_EQ(ctl.resync.cursor, session("b"));
	settle();
	EXPECT_EQ(dp.n_installed(), 4U); // those of a are strays
}

TEST_F(ResyncTest, ExpiryDoesNotKeepAResyncFromBeingDone) {
	new_call("a");
	new_call("b");
	settle();
	resync_start(&ctl);
	for (int i = 0; i < 3; i++)
		control_poll(&ctl, now);
	ASSERT_EQ(ctl.resync.phase, RESYNC_LAST_ACKS);
	EXPECT_EQ(control_poll(&ctl, now), 0U); // nothing is answered yet
	EXPECT_TRUE(resync_running(&ctl.resync));
	dp_client_push(ctl.dp);
	session_end(&ctl, session("a"), nullptr);
	dp.serve(now);
	EXPECT_GE(control_poll(&ctl, now), 8U); // two calls of four flows
	EXPECT_GT(dp_client_n_background(ctl.dp), 0U);
	EXPECT_FALSE(resync_running(&ctl.resync));
}

TEST_F(ResyncTest, DeleteThatTheWrongWorkerRefusedIsSentToTheOwner) {
	new_call();
	settle();
	dp.status = RR_REPLY_BAD_WORKER;
	struct job *job = execute("D c ft");

	turn();
	dp.status = RR_REPLY_OK;
	EXPECT_TRUE(replied(job));
	EXPECT_EQ(dp.n_installed(), 4U);
	settle();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_FALSE(resync_running(&ctl.resync));
}

TEST_F(ResyncTest, CommandThatWaitedIsAnsweredByTheNextDataplane) {
	kill_dataplane(false);
	struct job *job = execute("U c 198.18.0.50 4000 ft");

	turn();
	EXPECT_FALSE(replied(job));
	dp.start(&cfg, now);
	now += 200 * UINT64_C(1000000); // still within the deadline
	settle();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job).substr(0, 1), "2");
	EXPECT_EQ(dp.n_installed(), 2U);
}

TEST_F(ResyncTest, DeleteThatWaitedIsDoneByTheNextDataplane) {
	new_call();
	kill_dataplane(false);
	execute("D c ft");
	turn();
	now += SECOND;
	turn();
	start_dataplane();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(ResyncTest, ManySessionsGoStepByStep) {
	settings.media = "port_min = 20000; port_max = 40000; learning = \"compat\";";
	close();
	dp.stop();
	load_config(&cfg, settings, folder.path);
	dp.start(&cfg, now);
	open();
	settle();
	for (int i = 0; i < 2000; i++)
		command("U c" + std::to_string(i) + " 198.18.0.50 4000 ft");
	kill_dataplane(true);
	dp.start(&cfg, now);
	now += SECOND;
	for (int i = 0; i < 10 && !resync_running(&ctl.resync); i++)
		turn(); // the old region is left in slices
	EXPECT_TRUE(resync_running(&ctl.resync));
	EXPECT_LE(dp_client_n_background(ctl.dp), (uint32_t)DP_BACKGROUND_WINDOW);
	EXPECT_NE(command("U more 198.18.0.50 4000 ft").substr(0, 1), "E");
	settle();
	EXPECT_FALSE(resync_running(&ctl.resync));
	EXPECT_EQ(dp.n_installed(), 2U * 2001);
}

TEST_F(ResyncTest, SessionsThatEndMeanwhileDoNotConfuseTheResync) {
	for (int i = 0; i < 20; i++)
		command("U c" + std::to_string(i) + " 198.18.0.50 4000 ft");
	resync_start(&ctl);
	struct session *cursor = ctl.resync.cursor;

	session_end(&ctl, cursor, nullptr);
	session_touch(&ctl, cursor);
	command("X");
	settle();
	EXPECT_FALSE(resync_running(&ctl.resync));
	EXPECT_EQ(dp.n_installed(), 0U);
}

// ---- control dies
// --------------------------------------------------------------------------------

TEST_F(ResyncTest, EveryCallAndPortIsThereAgain) {
	std::string a = new_call("a");
	uint32_t available;

	command("U half 198.18.0.50 4000 ft");
	available = port_alloc_n_available(ctl.ports, 0);
	receive(session("a"), SESSION_CALLER, SESSION_RTP, 4);
	uint32_t epoch = store_meta(ctl.store)->epoch;

	restart_control();
	EXPECT_EQ(store_meta(ctl.store)->epoch, epoch + 1);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), available);
	EXPECT_FALSE(control_settled(&ctl));
	settle();
	EXPECT_TRUE(control_settled(&ctl));
	EXPECT_EQ(new_call("a"), a);
	EXPECT_EQ(dp.n_installed(), 6U);
	EXPECT_EQ(command("Q a ft"), "60 4 0 4 0");
	EXPECT_EQ(G("nsess_created nsess_complete"), "2 1");
}

TEST_F(ResyncTest, UidsAreNeverUsedAgain) {
	uint64_t uid;

	new_call();
	command("D c ft");
	settle();
	uid = ctl.next_uid;
	restart_control();
	settle();
	EXPECT_GE(ctl.next_uid, uid);
	new_call();
	EXPECT_GE(session("c")->leg[0].pair.uid, uid);
}

TEST_F(ResyncTest, CommandWhoseEffectWasCommittedIsAnsweredFromTheStore) {
	struct job *job = execute("U c 198.18.0.50 4000 ft", "cookie1");
	std::string reply(job->reply, job->reply_len);

	EXPECT_EQ(reply.substr(0, 9), "cookie1 2");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl); // committed and sent, never acknowledged or answered
	crash();
	open();
	EXPECT_EQ(restored("cookie1"), reply);
	settle();
	EXPECT_EQ(dp.n_installed(), 2U);
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
}

TEST_F(ResyncTest, UndoneCommandIsAnsweredWithItsError) {
	kill_dataplane(false);
	struct job *job = execute("U c 198.18.0.50 4000 ft", "cookie1");

	turn();
	now += SECOND;
	turn();
	turn();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "cookie1 E72");
	crash();
	open();
	EXPECT_EQ(restored("cookie1"), "cookie1 E72\n");
	start_dataplane();
	EXPECT_EQ(dp.n_installed(), 0U);
}

TEST_F(ResyncTest, CommandsWithoutEffectAreRunAgain) {
	command("V", "cookie1");
	command("Q nosuch ft", "cookie2");
	command("L nosuch 198.18.0.60 5000 ft tt", "cookie3");
	restart_control();
	EXPECT_EQ(restored("cookie1") + restored("cookie2") + restored("cookie3"), "");
}

TEST_F(ResyncTest, OldRepliesAreForgotten) {
	command("U c 198.18.0.50 4000 ft", "cookie1");
	advance(36);
	restart_control();
	EXPECT_EQ(restored("cookie1"), "");
}

TEST_F(ResyncTest, CommandThatWasNotCommittedLeavesNothing) {
	execute("U c 198.18.0.50 4000 ft", "cookie1");
	crash();
	open();
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 50U);
}

TEST_F(ResyncTest, FlowsThatNobodyKnowsAreDeleted) {
	struct rr_flow *f = dp.flow(307); // of lab2, where no call is

	f->uid = 123456;
	f->flags = RR_FLOW_INSTALLED;
	new_call();
	restart_control();
	settle();
	EXPECT_FALSE(f->flags & RR_FLOW_INSTALLED);
	EXPECT_EQ(dp.n_installed(), 4U);
	EXPECT_EQ(ctl.resync.n_strays, 1U);
}

TEST_F(ResyncTest, FlowOfAnEarlierUserOfThePortIsAStray) {
	new_call();
	uint32_t at = slot(session("c"), SESSION_CALLEE, SESSION_RTP);

	resync_start(&ctl);
	settle();
	EXPECT_EQ(ctl.resync.n_strays, 0U);
	dp.flow(at)->uid = 999; // told otherwise by the SET that comes first
	restart_control();
	settle();
	EXPECT_EQ(dp.flow(at)->uid, session("c")->leg[SESSION_CALLEE].pair.uid);
}

// Found without a resync of the calls, as after a refused delete: only the flow's uid tells.
TEST_F(ResyncTest, FlowOfAnotherUidOnAPortInUseIsAStray) {
	new_call();
	uint32_t at = slot(session("c"), SESSION_CALLEE, SESSION_RTP);

	dp.flow(at)->uid = 999;
	resync_find_strays(&ctl);
	settle();
	EXPECT_EQ(ctl.resync.n_strays, 1U);
	EXPECT_FALSE(dp.flow(at)->flags & RR_FLOW_INSTALLED);
}

TEST_F(ResyncTest, DeleteThatWasCommittedIsFinishedAndCountedOnce) {
	new_call();
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 4);
	execute("D c ft");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl);
	crash(); // before any acknowledgement
	open();
	EXPECT_EQ(session("c"), nullptr);
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(G("nsess_destroyed nsess_owrtp"), "1 1");
	restart_control();
	settle();
	EXPECT_EQ(G("nsess_destroyed nsess_owrtp"), "1 1");
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 50U);
}

TEST_F(ResyncTest, AcknowledgedButNotCommittedDeleteIsCountedOnce) {
	new_call();
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 4);
	execute("D c ft");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl);
	dp.serve(now);
	control_poll(&ctl, now); // counted in memory
	EXPECT_EQ(ctl.stats.counter[STATS_nsess_owrtp], 1U);
	crash();
	open();
	EXPECT_EQ(ctl.stats.counter[STATS_nsess_owrtp], 0U);
	settle();
	EXPECT_EQ(G("nsess_destroyed nsess_owrtp"), "1 1"); // read again from the frozen flow
}

TEST_F(ResyncTest, MovedPortsAreFinishedAfterARestart) {
	new_call();
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 5);
	execute("Un c 198.18.0.50 4000 ft tt");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl);
	uint16_t port = session("c")->leg[SESSION_CALLEE].pair.port;

	crash();
	open();
	EXPECT_EQ(command("Q c tt ft"), "60 5 0 5 0");
	settle();
	EXPECT_EQ(session("c")->leg[SESSION_CALLEE].pair.port, port);
	EXPECT_EQ(session("c")->retired, nullptr);
	EXPECT_EQ(dp.n_installed(), 4U);
	EXPECT_EQ(command("Q c tt ft"), "60 5 0 5 0");
}

TEST_F(ResyncTest, EveryMovedLegKeepsItsCounters) {
	new_call();
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 7);
	execute("Ln c 198.18.0.60 5000 ft tt");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl);
	crash();
	open();
	settle();
	EXPECT_EQ(command("Q c ft"), "60 7 0 7 0");
}

TEST_F(ResyncTest, BothDieAtOnce) {
	std::string a = new_call("a");

	kill_dataplane(true);
	crash();
	now += 3 * SECOND;
	open(); // before there is a region
	EXPECT_EQ(command("Q a ft"), "57 0 0 0 0");
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(dp.n_installed(), 4U);
	EXPECT_EQ(new_call("a"), a);
}

TEST_F(ResyncTest, RepliesMeantForTheLastControlAreNotTaken) {
	execute("U c 198.18.0.50 4000 ft");
	control_turn_begin(&ctl, now);
	control_turn_commit(&ctl);
	dp.serve(now); // the answers wait in the ring
	crash();
	open();
	settle();
	EXPECT_EQ(dp_client_counter(ctl.dp, DP_C_replies_stale), 2U);
	EXPECT_EQ(dp.n_installed(), 2U);
}

} // namespace
