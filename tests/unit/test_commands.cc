// SPDX-License-Identifier: BSD-2-Clause
// Whole commands: replies, errors, sub-commands, counters, and what happens when the dataplane
// does not go along.
//
// Not here: parsing errors (test_rtpp_parse.cc), tags and legs (test_session.cc), addresses
// (test_realm_select.cc).
#include <regex.h>

#include "control_fixture.h"
#include "admission.h"
#include "listener.h"

using namespace ctltest;

namespace {

class CommandTest : public ControlTest {
      protected:
	std::string new_call(const std::string &id = "c") {
		std::string reply = command("U " + id + " 198.18.0.50 4000 ft");

		command("L " + id + " 198.18.0.60 5000 ft tt");
		return reply;
	}
	static bool matches(const std::string &text, const std::string &pattern) {
		regex_t re;
		int ret = regcomp(&re, ("^(" + pattern + ")$").c_str(), REG_EXTENDED | REG_NOSUB);

		EXPECT_EQ(ret, 0) << pattern;
		ret = regexec(&re, text.c_str(), 0, nullptr, 0);
		regfree(&re);
		return ret == 0;
	}
	void expect(const std::string &text, const std::string &pattern) {
		std::string reply = command(text);

		EXPECT_TRUE(matches(reply, pattern)) << text << " -> " << reply;
	}
	// Past the deadline of what is outstanding.
	void time_out() {
		turn();
		now += cfg.ack_timeout_ms * UINT64_C(1000000) + 1;
		turn();
		turn();
	}
	uint64_t stat(enum stats_counter which) {
		return ctl.stats.counter[which];
	}
};

const char port_main[] = "20[0-9][0-9][02468] 198\\.18\\.0\\.1";

// ---- counters
// ------------------------------------------------------------------------------------

TEST_F(CommandTest, WhatThePartsCountIsStoredAndGoesOn) {
	struct listener_stats listeners = {};
	const uint64_t *stored = store_meta(ctl.store)->counters;
	struct job *duplicate = job_new();
	struct job *first;
	struct slice text;

	listeners.n_connections = 4;
	listeners.n_refused = 3;
	listeners.n_displaced = 5;
	listeners.n_dropped_replies = 2;
	listeners.n_dropped_held = 1;
	ctl.listener_stats = &listeners;
	ASSERT_EQ(retrans_put(retrans, {"x", 1}, {"x 0\n", 4}, now, now), 0);
	duplicate->cookie = {"x", 1};
	duplicate->received_ns = now;
	ASSERT_EQ(retrans_begin(retrans, duplicate, &first, &text), RETRANS_RESTORED);
	job_free(duplicate);
	expect("U a 198.18.0.50 4000 ft", port_main);
	// A second on, the turn after that commits.
	now += UINT64_C(1000000000);
	turn();
	turn();
	EXPECT_EQ(stored[STATS_ncmds_rcvd_ndups], 1U);
	EXPECT_EQ(stored[STATS_cookies], 1U);
	EXPECT_EQ(stored[STATS_connections], 4U);
	EXPECT_EQ(stored[STATS_connections_refused], 3U);
	EXPECT_EQ(stored[STATS_connections_displaced], 5U);
	EXPECT_EQ(stored[STATS_replies_dropped], 2U);
	EXPECT_EQ(stored[STATS_held_dropped], 1U);
	EXPECT_EQ(stored[STATS_ports_taken], 1U);
	EXPECT_GT(stored[STATS_ports_free], 0U);
	uint64_t sent = dp_client_counter(ctl.dp, DP_C_requests_sent);
	EXPECT_GE(sent, 2U);
	EXPECT_EQ(stored[STATS_dp_requests_sent], sent);
	EXPECT_EQ(stored[STATS_dp_regions], 1U);

	close();
	open();
	stored = store_meta(ctl.store)->counters;
	EXPECT_EQ(stored[STATS_ncmds_rcvd_ndups], 1U);
	EXPECT_GE(stored[STATS_dp_requests_sent], sent);
	EXPECT_EQ(stored[STATS_held_dropped], 1U);
	EXPECT_EQ(stored[STATS_ports_taken], 1U);
}

// ---- replies
// -------------------------------------------------------------------------------------

TEST_F(CommandTest, PortTupleShowsTheAddressAsItsRealmSays) {
	expect("U a 198.18.0.50 4000 ft", port_main);
	expect("Ul{lab2} b 198.18.0.50 4000 ft", "20[0-9]{3} 203\\.0\\.113\\.7");
	expect("U6l{lab6} d 2001:db8::5 4000 ft", "20[0-9]{3} 2001:db8:6::1 6");
	expect("Ul{hidden} e 198.18.0.50 4000 ft", "20[0-9]{3}");
	expect("L6l{lab6} a 2001:db8::5 4000 ft tt", "20[0-9]{3} 2001:db8:6::1 6");
}

TEST_F(CommandTest, HiddenAddressIsShownToWhoAskedForIt) {
	expect("Ul{hidden} a 198.18.0.50 4000 ft", "20[0-9]{3}");
	expect("Ul198.18.4.1 b 198.18.0.50 4000 ft", "20[0-9]{3} 198[.]18[.]4[.]1");
	expect("Ur198.18.4.77 d 198.18.0.50 4000 ft", "20[0-9]{3} 198[.]18[.]4[.]1");
	settle();
	crash();
	open();
	expect("U d 198.18.0.50 4000 ft", "20[0-9]{3} 198[.]18[.]4[.]1");
}

TEST_F(CommandTest, PoolAddressesAreUsedInTurn) {
	std::map<std::string, int> n;

	for (int i = 0; i < 10; i++) {
		std::string reply =
			command("Ul{lab1} c" + std::to_string(i) + " 198.18.0.50 4000 ft");

		n[reply.substr(reply.find(' '))]++;
	}
	EXPECT_EQ(n.size(), 2U);
	EXPECT_EQ(n[" 198.18.1.1"], 5);
}

TEST_F(CommandTest, VersionAndCapabilities) {
	EXPECT_EQ(command("V"), "20040107");
	EXPECT_EQ(command("VF 20040107"), "1");
	EXPECT_EQ(command("VF 20081224"), "1"); // a target is configured
	EXPECT_EQ(command("VF 20170313"), "0");
}

TEST_F(CommandTest, UnknownAndMalformedCommandsChangeNothing) {
	EXPECT_EQ(command("Z"), "E0");
	EXPECT_EQ(command(""), "E5");
	EXPECT_EQ(command("U c 198.18.0.50"), "E1");
	EXPECT_EQ(command("U c 198.18.0.500 4000 ft"), "E37");
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_TRUE(take_seen().empty());
}

TEST_F(CommandTest, LookupOfAnUnknownSessionIsZeroAndAnError) {
	uint64_t errors = stat(STATS_ncmds_errs);

	EXPECT_EQ(command("L nosuch 198.18.0.60 5000 ft tt"), "0");
	EXPECT_EQ(stat(STATS_ncmds_errs), errors + 1);
	EXPECT_EQ(command("L nosuch 198.18.0.60 5000 ft tt && D"), "0");
}

TEST_F(CommandTest, UnbindableAddress) {
	EXPECT_EQ(command("Ul198.51.100.77 c 198.18.0.50 4000 ft"), "E72");
	new_call();
	std::string known = command("U c 198.18.0.50 4000 ft");

	EXPECT_EQ(command("Ul198.51.100.77 c 198.18.0.50 4000 ft"), known); // has its ports
	EXPECT_EQ(command("Unl198.51.100.77 c 198.18.0.50 4000 ft"), "E71");
	EXPECT_EQ(command("U c 198.18.0.50 4000 ft"), known);
}

TEST_F(CommandTest, SlowShutdownRefusesNewSessionsOnly) {
	new_call();
	admission_set(&ctl, RR_ADMISSION_DRAINING);
	EXPECT_EQ(command("U other 198.18.0.50 4000 ft"), "E99");
	EXPECT_NE(command("U c 198.18.0.50 4000 ft"), "E99");
	EXPECT_FALSE(control_empty(&ctl));
	EXPECT_EQ(command("D c ft"), "0");
	settle();
	EXPECT_TRUE(control_empty(&ctl));
}

// The dataplane's share of an end is done when it is back; the answer to the controller is not
// lost.
TEST_F(CommandTest, SlowShutdownDoesNotWaitForADeadDataplane) {
	new_call();
	admission_set(&ctl, RR_ADMISSION_DRAINING);
	struct job *job = execute("D c ft");

	dp.stop();
	turn();
	EXPECT_FALSE(control_empty(&ctl)); // it may be alive, and an answer is due
	advance(1);
	advance(10);
	EXPECT_TRUE(replied(job));
	struct job *again = execute("X");
	EXPECT_FALSE(control_empty(&ctl)); // not even turned to the store
	turn();
	advance(10);
	EXPECT_TRUE(replied(again));
	EXPECT_TRUE(control_empty(&ctl));
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
	crash();
	open();
	EXPECT_TRUE(control_empty(&ctl)); // also as it was stored
	EXPECT_EQ(session_index_count(&ctl.index), 1U);
	dp.start(&cfg, now);
	settle();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(CommandTest, SlowShutdownWaitsForSessionsWhateverTheDataplaneDoes) {
	new_call();
	dp.stop();
	advance(10);
	EXPECT_FALSE(control_empty(&ctl));
}

TEST_F(CommandTest, MediaCommandsAnswerAsWithoutPromptOrFolder) {
	EXPECT_EQ(command("P c p 0 ft"), "E50");
	EXPECT_EQ(command("S c ft"), "E50");
	EXPECT_EQ(command("R c ft"), "E50");
	EXPECT_EQ(command("C c f ft"), "E50");
	EXPECT_EQ(command("N c ft"), "E50");
	command("Uc0,8 c 198.18.0.50 4000 ft");
	EXPECT_EQ(command("P c p 0 ft"), "E60");
	EXPECT_EQ(command("P0 c p 0 ft"), "0");
	EXPECT_EQ(command("P c p session ft"), "E60");
	command("U c 198.18.0.50 4000 ft"); // takes the list away
	EXPECT_EQ(command("P c p session ft"), "E35");
	EXPECT_EQ(command("S c ft"), "0");
	EXPECT_EQ(command("R c ft"), "E50");
	EXPECT_EQ(command("C c f ft"), "E65");
	EXPECT_EQ(command("N c ft"), "E50");
}

// ---- Q
// -------------------------------------------------------------------------------------------

TEST_F(CommandTest, QueryCountsBothDirections) {
	new_call();
	struct session *s = session("c");

	receive(s, SESSION_CALLER, SESSION_RTP, 3);
	receive(s, SESSION_CALLEE, SESSION_RTP, 2);
	receive(s, SESSION_CALLEE, SESSION_RTCP, 7);
	dp.region.cold[slot(s, SESSION_CALLEE, SESSION_RTP)].n_dropped = 1;
	EXPECT_EQ(command("Q c ft"), "60 3 2 4 1");
	EXPECT_EQ(command("Q c tt ft"), "60 2 3 4 1");
	EXPECT_EQ(command("Qv c ft tt"), "ttl=60 npkts_ina=3 npkts_ino=2 nrelayed=4 ndropped=1");
	EXPECT_EQ(command("Q c ft tt npkts_ino ttl longest_ipi"), "2 60 0.000000");
	EXPECT_EQ(command("Qv c ft tt rtpa_jmax"), "rtpa_jmax=0.000000");
}

TEST_F(CommandTest, QueryErrors) {
	EXPECT_EQ(command("Q c ft"), "E50");
	EXPECT_EQ(command("Qx c ft"), "E50");
	new_call();
	EXPECT_EQ(command("Qx c ft"), "E19");
	EXPECT_EQ(command("Q c ft tt ttl nsess_created"), "E62");
}

// ---- I and G
// -------------------------------------------------------------------------------------

TEST_F(CommandTest, Info) {
	new_call();
	new_call("d");
	command("D d ft");
	EXPECT_EQ(command("I"), "sessions created: 2\nactive sessions: 1\nactive streams: 2\n"
				"packets received: 0\npackets transmitted: 0");
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 5;
	dp.region.workers[0].counters[0][RR_C_drop_source_rejected] = 2;
	ctl.load.mean = 0.25;
	EXPECT_EQ(command("Il"),
		"sessions created: 2\nactive sessions: 1\nactive streams: 2\n"
		"packets received: 7\npackets transmitted: 5\naverage load: 0.250000");
}

TEST_F(CommandTest, GlobalCounters) {
	EXPECT_EQ(G(""), "");
	EXPECT_EQ(G("bogus"), "E68");
	EXPECT_EQ(G("nsess_created bogus"), "E68");
	EXPECT_EQ(G("duration_ns"), "E68"); // control's own
	new_call();
	EXPECT_EQ(G("nsess_created nsess_complete nsess_destroyed"), "1 1 0");
	EXPECT_EQ(command("Gv nsess_created pps_in"), "nsess_created=1 pps_in=0.000000");
	now += 2 * SECOND;
	command("D c ft");
	settle();
	EXPECT_EQ(G("nsess_destroyed nsess_nortp nsess_nortcp total_duration"), "1 1 1 2.000000");
	uint64_t rcvd = stat(STATS_ncmds_rcvd);

	EXPECT_EQ(G("ncmds_rcvd"), std::to_string(rcvd + 1));
}

TEST_F(CommandTest, CommandOutcomesAreCounted) {
	command("V");
	std::string before = G("ncmds_succd ncmds_errs ncmds_repld");
	uint64_t succeeded, failed, replied_to;

	ASSERT_EQ(sscanf(before.c_str(), "%lu %lu %lu", &succeeded, &failed, &replied_to), 3);
	command("Z");
	EXPECT_EQ(G("ncmds_succd ncmds_errs ncmds_repld"),
		std::to_string(succeeded + 1) + " " + std::to_string(failed + 1) + " " +
			std::to_string(replied_to + 2));
}

TEST_F(CommandTest, EndOfASessionCountsItsMedia) {
	new_call("none");
	new_call("one");
	new_call("both");
	command("U incomplete 198.18.0.50 4000 ft");
	receive(session("one"), SESSION_CALLER, SESSION_RTP, 1);
	receive(session("both"), SESSION_CALLER, SESSION_RTP, 1);
	receive(session("both"), SESSION_CALLEE, SESSION_RTP, 1);
	receive(session("both"), SESSION_CALLEE, SESSION_RTCP, 1);
	command("X");
	settle();
	EXPECT_EQ(G("nsess_nortp nsess_owrtp nsess_nortcp nsess_owrtcp"), "1 1 2 1");
	EXPECT_EQ(G("nsess_destroyed nsess_timeout"), "4 0");
}

TEST_F(CommandTest, PacketTotalsNeverGoBack) {
	uint64_t *relayed = &dp.region.workers[0].counters[0][RR_C_relayed_packets];

	*relayed = 100;
	EXPECT_EQ(G("npkts_relayed"), "100");
	*relayed = 40; // nobody should, but the region is another's
	EXPECT_EQ(G("npkts_relayed"), "100");
	*relayed = 50;
	EXPECT_EQ(G("npkts_relayed"), "110");
}

TEST_F(CommandTest, RateOfReceivedPackets) {
	pass(1);
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 500;
	pass(2);
	EXPECT_EQ(G("npkts_rcvd pps_in"), "500 0.000000");
	dp.region.workers[0].counters[0][RR_C_relayed_packets] = 600;
	pass(1);
	EXPECT_EQ(G("pps_in"), "100.000000");
}

// ---- sub-commands
// --------------------------------------------------------------------------------

TEST_F(CommandTest, SilentSuccessesShowOnlyBeforeSomethingThatTalks) {
	expect("U c 198.18.0.50 4000 ft && S ttl=5", port_main);
	expect("U d 198.18.0.50 4000 ft tt && L 198.18.0.60 5000",
		std::string(port_main) + " && " + port_main);
	expect("U e 198.18.0.50 4000 ft tt && S ttl=4 && L 198.18.0.60 5000",
		std::string(port_main) + " && 0 && " + port_main);
	expect("U f 198.18.0.50 4000 ft tt && S ttl=4 && C no f t && S ttl=5",
		std::string(port_main) + " && 0 && -1");
}

TEST_F(CommandTest, LookupSubcommandIsALookup) {
	std::string reply = command("U c 198.18.0.50 4000 ft tt && L 198.18.0.60 5000");
	std::string caller_port = command("L c 198.18.0.60 5000 ft tt");

	EXPECT_EQ(port_of(reply, 1), port_of(caller_port));
	EXPECT_EQ(ntohs(session("c")->leg[SESSION_CALLEE].signalled.port_be), 5000);
}

TEST_F(CommandTest, TtlSubcommandHoldsForTheWholeSession) {
	command("U c 198.18.0.50 4000 ft && S ttl=7");
	EXPECT_EQ(command("Q c ft ft ttl"), "7");
	command("L c 198.18.0.60 5000 ft tt"); // completing leaves it alone
	EXPECT_EQ(command("Q c ft ft ttl"), "7");
	EXPECT_EQ(command("Q c ft && Sr ttl=33"), "7 0 0 0 0");
	EXPECT_EQ(command("Q c ft ft ttl"), "33");
}

TEST_F(CommandTest, TosGoesToThePartyOfTheDirection) {
	new_call();
	take_seen();
	command("U c 198.18.0.50 4000 ft && S tos=96 && Sr tos=32");
	const struct session *s = session("c");

	EXPECT_EQ(s->leg[SESSION_CALLER].tos, 96);
	EXPECT_EQ(s->leg[SESSION_CALLEE].tos, 32);
	std::map<uint32_t, uint8_t> tos;

	for (const struct rr_request &q : take_seen())
		tos[q.slot] = q.tos;
	EXPECT_EQ(tos[slot(s, SESSION_CALLER, 0)], 96);
	EXPECT_EQ(tos[slot(s, SESSION_CALLEE, 1)], 32);
}

TEST_F(CommandTest, TosIsRememberedAndRefusedOnIpv6) {
	command("U c 198.18.0.50 4000 ft && S tos=96"); // the caller's leg has no ports yet
	take_seen();
	command("L c 198.18.0.60 5000 ft tt");
	bool seen = false;

	for (const struct rr_request &q : take_seen())
		seen = seen || (q.slot == slot(session("c"), SESSION_CALLER, 0) && q.tos == 96);
	EXPECT_TRUE(seen);
	expect("U6l{lab6} d 2001:db8::5 4000 ft && S tos=96", "[0-9]+ 2001:db8:6::1 6 && -1");
}

TEST_F(CommandTest, DirectionTurnsAfterALookup) {
	command("U c 198.18.0.50 4000 ft tt && S tos=8 && L 198.18.0.60 5000 && S tos=16");
	EXPECT_EQ(session("c")->leg[SESSION_CALLER].tos, 8);
	EXPECT_EQ(session("c")->leg[SESSION_CALLEE].tos, 16);
}

TEST_F(CommandTest, DeleteSubcommand) {
	expect("U c 198.18.0.50 4000 ft && D", port_main);
	EXPECT_EQ(command("Q c ft"), "E50");
	new_call();
	EXPECT_EQ(command("Q c ft && D && S ttl=5"), "60 0 0 0 0");
	EXPECT_EQ(command("Q c ft"), "E50");
	command("Uw d 198.18.0.50 4000 ft");
	command("Q d ft && Dw"); // leg 1's flag: not the one that is set
	EXPECT_NE(command("Q d ft"), "E50");
	expect("U e 198.18.0.50 4000 ft tt && D && L 198.18.0.60 5000",
		std::string(port_main) + " && 0 && -1");
}

// ---- ports
// ---------------------------------------------------------------------------------------

TEST_F(CommandTest, ExhaustedPortsAreErrorsAndComeBack) {
	std::string first = command("U c0 198.18.0.50 4000 ft");
	int n = 1;

	while (port_alloc_n_available(ctl.ports, 0) > 0)
		command("U c" + std::to_string(n++) + " 198.18.0.50 4000 ft");
	EXPECT_EQ(command("U over 198.18.0.50 4000 ft"), "E72");
	EXPECT_EQ(command("L c0 198.18.0.60 5000 ft tt"), "E71");
	EXPECT_EQ(command("Un c0 198.18.0.50 4000 ft"), "E71");
	expect("U c0 198.18.0.50 4000 ft tt && L 198.18.0.60 5000",
		std::string(port_main) + " && -1");
	EXPECT_EQ(command("U c0 198.18.0.50 4000 ft"), first);
	EXPECT_EQ(stat(STATS_no_ports), 4U);
	EXPECT_EQ(command("D c1 ft"), "0");
	settle();
	expect("L c0 198.18.0.60 5000 ft tt", port_main);
}

TEST_F(CommandTest, FailedMoveLeavesTheRealmAlone) {
	int n = 0;

	command("U c 198.18.0.50 4000 ft");
	while (port_alloc_n_available(ctl.ports, cfg.realm[2].ipv4.first_addr) > 0)
		command("Ul{lab2} d" + std::to_string(n++) + " 198.18.0.50 4000 ft");
	EXPECT_EQ(command("Ll{lab2} c 198.18.0.60 5000 ft tt"), "E71");
	expect("L c 198.18.0.60 5000 ft tt", port_main);
}

TEST_F(CommandTest, MoreThanTheConfiguredSessionsAreRefused) {
	ctl.live.max_sessions = 1;
	command("U c 198.18.0.50 4000 ft");
	EXPECT_EQ(command("U d 198.18.0.50 4000 ft"), "E72");
}

// ---- the dataplane does not go along
// -------------------------------------------------------------

TEST_F(CommandTest, ReplyWaitsForTheAcknowledgement) {
	struct job *job = execute("U c 198.18.0.50 4000 ft");

	control_turn_commit(&ctl);
	control_poll(&ctl, now);
	EXPECT_FALSE(replied(job));
	EXPECT_TRUE(control_waiting(&ctl));
	dp.serve(now);
	control_poll(&ctl, now);
	EXPECT_TRUE(replied(job));
}

TEST_F(CommandTest, SilenceOnANewSessionEndsIt) {
	uint32_t available = port_alloc_n_available(ctl.ports, 0);

	dp.stop();
	struct job *job = execute("U c 198.18.0.50 4000 ft");

	time_out();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "E72");
	EXPECT_EQ(command("Q c ft"), "E50");
	EXPECT_EQ(stat(STATS_dp_silent), 1U);
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), available);
}

TEST_F(CommandTest, SilenceOnAnAnswerTakesTheLegBack) {
	std::string callee_port = command("U c 198.18.0.50 4000 ft");

	dp.stop();
	struct job *job = execute("L c 198.18.0.60 5000 ft tt");

	time_out();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "E71");
	EXPECT_FALSE(session_complete(session("c")));
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(dp.n_installed(), 2U);
	EXPECT_EQ(command("L c 198.18.0.60 5000 tt ft"), callee_port);
	command("D c ft");
	settle();
	EXPECT_EQ(G("nsess_nortp"), "0"); // it never was complete
}

TEST_F(CommandTest, SilenceOnADeleteIsSuccess) {
	new_call();
	dp.stop();
	struct job *job = execute("D c ft");

	time_out();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "0");
	EXPECT_EQ(session_index_count(&ctl.index), 1U); // its ports may still be in use
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(CommandTest, RefusalIsLikeSilence) {
	dp.status = RR_REPLY_BAD_ENDPOINT;
	EXPECT_EQ(command("U c 198.18.0.50 4000 ft"), "E72");
	dp.status = RR_REPLY_OK;
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(dp.n_installed(), 0U);
}

TEST_F(CommandTest, NewSessionWithAnswerIsUndoneAsAWhole) {
	dp.stop();
	struct job *job = execute("U c 198.18.0.50 4000 ft tt && L 198.18.0.60 5000");

	time_out();
	EXPECT_EQ(reply_of(job), "E72");
	EXPECT_EQ(command("Q c ft"), "E50");
}

class NoRegionTest : public CommandTest {
      protected:
	void SetUp() override {
		now = rr_now_ns();
		load_config(&cfg, settings, folder.path);
		open();
	}
};

TEST_F(NoRegionTest, RefusedSessionsLeaveNothingBehind) {
	EXPECT_EQ(command("U c 198.18.0.50 4000 ft"), "E72");
	settle();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), 50U);
	crash();
	open();
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

TEST_F(NoRegionTest, CommandsFailAtOnceUntilThereIsARegion) {
	EXPECT_EQ(command("U c 198.18.0.50 4000 ft"), "E72");
	EXPECT_EQ(command("V"), "20040107");
	EXPECT_EQ(G("npkts_rcvd"), "0");
	EXPECT_FALSE(control_settled(&ctl));
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_TRUE(control_settled(&ctl));
	expect("U c 198.18.0.50 4000 ft", port_main);
	EXPECT_EQ(dp.n_installed(), 2U);
}

} // namespace
