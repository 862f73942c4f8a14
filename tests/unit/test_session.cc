// SPDX-License-Identifier: BSD-2-Clause
// Which session and leg a command means, and how sessions end: protocol reference 7.
//
// Whole commands go in and replies come out; what they did is also looked up in the session and in
// the requests that reached the dataplane.
#include "control_fixture.h"

using namespace ctltest;

namespace {

class SessionTest : public ControlTest {
      protected:
	std::string U(const std::string &rest, const std::string &id = "c") {
		return command("U " + id + " 198.18.0.50 4000 " + rest);
	}
	std::string L(const std::string &rest, const std::string &id = "c") {
		return command("L " + id + " 198.18.0.60 5000 " + rest);
	}
	bool exists(const std::string &tag, const std::string &id = "c") {
		return command("Q " + id + " " + tag) != "E50";
	}
};

// ---- ports of a pool

class PoolTest : public SessionTest {
      protected:
	uint32_t first = 0; // of the two addresses of lab1

	void drain_pool() {
		uint16_t port;

		first = cfg.realm[1].ipv4.first_addr;
		for (uint32_t addr = first; addr < first + 2; addr++) {
			while (port_alloc_has_free(ctl.ports, addr, now))
				ASSERT_EQ(port_alloc_take(ctl.ports, addr, 0, now, &port), 0);
		}
	}
	void release(uint32_t i, uint16_t port) {
		ASSERT_EQ(port_alloc_release(ctl.ports, first + i, port, now), 0);
	}
	std::string new_call(const std::string &id) {
		return command("Ul{lab1} " + id + " 198.18.1.50 4000 ft");
	}
	uint64_t n_early(uint32_t i) {
		struct port_alloc_stats st = {};

		EXPECT_EQ(port_alloc_get_stats(ctl.ports, first + i, &st), 0);
		return st.n_taken_early;
	}
};

TEST_F(PoolTest, FreePairOfAnyAddressGoesBeforeARestingOne) {
	drain_pool();
	release(0, 20000);
	for (uint16_t port : {20010, 20020, 20030, 20040, 20050})
		release(1, port);
	now += cfg.port_rest_ms * UINT64_C(1000000);
	for (uint16_t port : {20002, 20012, 20022})
		release(0, port);
	// Six pairs have rested; three of the first address have just begun to.
	for (const char *id : {"a", "b", "c", "d", "e", "f"})
		EXPECT_NE(new_call(id)[0], 'E');
	EXPECT_EQ(n_early(0) + n_early(1), 0U);
	EXPECT_EQ(new_call("g"), "20002 198.18.1.1");
	EXPECT_EQ(n_early(0), 1U);
}

// Ports that were used before control was started anew.
class RestartTest : public SessionTest {
      protected:
	struct session_pair pair[SESSION_N_LEGS] = {};

	void make_call() {
		U("ft");
		L("ft tt");
		for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
			pair[i] = session("c")->leg[i].pair;
	}
	void restart() {
		crash();
		open();
		settle();
	}
	uint32_t n_resting() {
		struct port_alloc_stats st = {};

		EXPECT_EQ(port_alloc_get_stats(ctl.ports, pair[0].addr, &st), 0);
		return st.n_resting;
	}
	void end_call() {
		command("D c ft");
		settle(); // until its row is gone
	}
};

TEST_F(RestartTest, PortsOfACallThatJustEndedRest) {
	make_call();
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 1);
	receive(session("c"), SESSION_CALLER, SESSION_RTCP, 1);
	end_call();
	restart();
	EXPECT_EQ(n_resting(), 2U);
	for (int i = 0; i < 48; i++) { // as many as are free
		int port = port_of(command("U n" + std::to_string(i) + " 198.18.0.50 4000 ft"));

		EXPECT_NE(port, pair[SESSION_CALLEE].port);
		EXPECT_NE(port, pair[SESSION_CALLER].port);
	}
}

TEST_F(RestartTest, PortsThatNobodySendsToAreFree) {
	make_call();
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 1);
	end_call();
	now += cfg.port_rest_ms * UINT64_C(1000000);
	restart();
	EXPECT_EQ(n_resting(), 0U);
}

TEST_F(RestartTest, PortsOfALiveCallDoNotRest) {
	make_call();
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 1);
	restart();
	EXPECT_EQ(n_resting(), 0U);
	EXPECT_EQ(session("c")->leg[SESSION_CALLEE].pair.port, pair[SESSION_CALLEE].port);
	EXPECT_EQ(port_alloc_release(ctl.ports, pair[0].addr, pair[0].port, now), 0);
}

TEST_F(PoolTest, WithoutAFreePairTheOneThatRestedLongestGoes) {
	drain_pool();
	release(1, 20040);
	now += 1000000;
	release(1, 20050);
	now += 1000000;
	release(0, 20000);
	now += 1000000;
	release(0, 20010);
	EXPECT_EQ(new_call("a"), "20040 198.18.1.2");
	EXPECT_EQ(new_call("b"), "20050 198.18.1.2");
	EXPECT_EQ(new_call("c"), "20000 198.18.1.1");
	EXPECT_EQ(new_call("d"), "20010 198.18.1.1");
	EXPECT_EQ(new_call("e")[0], 'E');
}

// ---- 7.1: tags of U, L, Q
// ------------------------------------------------------------------------

TEST_F(SessionTest, OwnerMatchIsByteForByte) {
	std::string first = U("ft");

	EXPECT_EQ(U("ft"), first);
	EXPECT_NE(U("FT"), first);
	EXPECT_EQ(L("f"), "0");
}

TEST_F(SessionTest, ToTagNeedNotBeKnown) {
	std::string first = U("ft");

	EXPECT_EQ(U("ft anything"), first);
	EXPECT_NE(L("ft whatever"), "0");
}

TEST_F(SessionTest, PeerMatchWhenTheToTagIsTheStoredOne) {
	std::string callee_port = U("ft");

	EXPECT_EQ(L("tt ft"), callee_port);
	EXPECT_EQ(L("tt"), "0");
}

TEST_F(SessionTest, MediaNumberIsReadFromTheFromTag) {
	U("ft;1");
	std::string second = U("ft;2");

	EXPECT_EQ(L("tt;2 ft"), second);
	EXPECT_EQ(L("tt;2 ft;2"), second);
	EXPECT_EQ(L("tt ft"), "0");
	EXPECT_EQ(L("tt;3 ft"), "0");
	EXPECT_EQ(L("ft tt"), "0");
	EXPECT_EQ(L("ft tt;1"), "0");
	EXPECT_EQ(L("ft;3 tt;3"), "0");
}

TEST_F(SessionTest, MediaNumberIsTheTextAfterTheLastSemicolon) {
	std::string port = U("ft;x;7");

	EXPECT_EQ(L("tt;7 ft"), port);
	EXPECT_EQ(L("tt;y;7 ft"), port);
	EXPECT_EQ(L("tt;x;8 ft"), "0");
}

TEST_F(SessionTest, FirstOfSeveralInCreationOrderWins) {
	std::string a = U("a");
	std::string b = U("b");

	// As peer of the first session, although the second has this very tag.
	EXPECT_EQ(L("b a"), a);
	EXPECT_EQ(L("x b"), b);
}

TEST_F(SessionTest, UnmatchedUpdateMakesAnotherSession) {
	std::string first = U("ft");

	EXPECT_NE(U("tt xx"), first);
	EXPECT_EQ(call("c")->n_sessions, 2U);
}

// ---- 7.2: legs
// -----------------------------------------------------------------------------------

TEST_F(SessionTest, UpdateAndLookupSelectOppositeLegs) {
	std::string callee_port = U("ft");
	std::string caller_port = L("ft tt");

	EXPECT_NE(port_of(callee_port), port_of(caller_port));
	EXPECT_EQ(U("ft tt"), callee_port);
	EXPECT_EQ(U("tt ft"), caller_port);
	EXPECT_EQ(L("tt ft"), callee_port);
	EXPECT_EQ(L("ft tt"), caller_port);
}

TEST_F(SessionTest, CalleeUpdateBeforeAnswerAllocatesTheCallersLeg) {
	std::string callee_port = U("ft");
	std::string caller_port = U("tt ft");

	EXPECT_NE(port_of(callee_port), port_of(caller_port));
	EXPECT_TRUE(session_complete(session("c")));
}

TEST_F(SessionTest, SdpGoesToTheLegOfItsParty) {
	command("U c 198.18.0.50 4000 ft");
	command("L c 198.18.0.60 5000 ft tt");
	const struct session *s = session("c");

	EXPECT_EQ(ntohs(s->leg[SESSION_CALLER].signalled.port_be), 4000);
	EXPECT_EQ(ntohs(s->leg[SESSION_CALLEE].signalled.port_be), 5000);
	command("U c 198.18.0.60 5002 tt ft");
	EXPECT_EQ(ntohs(s->leg[SESSION_CALLEE].signalled.port_be), 5002);
	command("L c 198.18.0.50 4002 tt ft");
	EXPECT_EQ(ntohs(s->leg[SESSION_CALLER].signalled.port_be), 4002);
}

TEST_F(SessionTest, EverySdpRaisesTheVersionHoldAndNonsenseDoNot) {
	U("ft");
	const struct session_leg *caller = &session("c")->leg[SESSION_CALLER];
	uint32_t version = caller->version;

	U("ft");
	EXPECT_EQ(caller->version, version + 1);
	command("U c 0.0.0.0 4000 ft");
	EXPECT_EQ(caller->version, version + 1);
	EXPECT_TRUE(caller->on_hold);
	EXPECT_EQ(ntohs(caller->signalled.port_be), 4000);
	command("U c short 4000 ft");
	EXPECT_EQ(caller->version, version + 1);
	U("ft");
	EXPECT_FALSE(caller->on_hold);
}

// ---- 7.3: prefix matching of D
// -------------------------------------------------------------------

TEST_F(SessionTest, DeleteByPrefixTakesEveryNumber) {
	U("ft;1");
	U("ft;2");
	EXPECT_EQ(command("D c ft"), "0");
	EXPECT_EQ(command("D c ft"), "E50");
}

TEST_F(SessionTest, DeleteNamedNumberTakesThatOne) {
	U("ft;1");
	U("ft;2");
	EXPECT_EQ(command("D c ft;1"), "0");
	EXPECT_FALSE(exists("ft;1"));
	EXPECT_TRUE(exists("ft;2"));
}

TEST_F(SessionTest, PrefixEndsAtTheSemicolon) {
	U("abcd");
	EXPECT_EQ(command("D c abc"), "E50");
	EXPECT_EQ(command("D c abcde"), "E50");
}

TEST_F(SessionTest, DeleteStopsAfterAnExactMatch) {
	U("abc");
	U("abcd");
	U("abc;1");
	EXPECT_EQ(command("D c abc"), "0");
	EXPECT_FALSE(exists("abc"));
	EXPECT_TRUE(exists("abc;1"));
	EXPECT_EQ(command("D c abc"), "0");
	EXPECT_FALSE(exists("abc;1"));
	EXPECT_TRUE(exists("abcd"));
}

TEST_F(SessionTest, DeleteTakesLongerTagsUpToTheExactOne) {
	U("abc;1");
	U("abc");
	U("abc;2");
	EXPECT_EQ(command("D c abc"), "0");
	EXPECT_FALSE(exists("abc;1"));
	EXPECT_FALSE(exists("abc"));
	EXPECT_TRUE(exists("abc;2"));
}

TEST_F(SessionTest, DeleteTriesTheToTagSecond) {
	U("ft");
	EXPECT_EQ(command("D c zz"), "E50");
	EXPECT_EQ(command("D c zz ft"), "0");
	EXPECT_EQ(command("D c zz ft"), "E50");
}

// ---- 7.4: weak sessions
// --------------------------------------------------------------------------

TEST_F(SessionTest, WeakSessionSurvivesDeletesOfTheOtherFlags) {
	command("Uw c 198.18.0.50 4000 ft");
	EXPECT_EQ(command("D c ft"), "0"); // strong was never set
	EXPECT_TRUE(exists("ft"));
	EXPECT_EQ(command("Dw c ft"), "0"); // clears leg 1's flag, which was never set
	EXPECT_TRUE(exists("ft"));
	EXPECT_EQ(command("Dw c anything ft"), "0"); // leg 0's
	EXPECT_FALSE(exists("ft"));
}

TEST_F(SessionTest, WeakLookupKeepsAStrongSession) {
	U("ft");
	command("Lw c 198.18.0.60 5000 ft tt"); // weak on leg 1
	EXPECT_EQ(command("D c ft"), "0");
	EXPECT_TRUE(exists("ft"));
	EXPECT_EQ(command("Dw c ft"), "0");
	EXPECT_FALSE(exists("ft"));
}

TEST_F(SessionTest, LaterUpdatesAddReasonsToLive) {
	command("Uw c 198.18.0.50 4000 ft");
	U("ft"); // strong now
	EXPECT_EQ(command("Dw c anything ft"), "0");
	EXPECT_TRUE(exists("ft"));
	EXPECT_EQ(command("D c ft"), "0");
	EXPECT_FALSE(exists("ft"));
}

TEST_F(SessionTest, DeletePassesWeakSessionsAndGoesOn) {
	command("Uw c 198.18.0.50 4000 ft;1");
	U("ft;2");
	EXPECT_EQ(command("D c ft"), "0");
	EXPECT_TRUE(exists("ft;1"));
	EXPECT_FALSE(exists("ft;2"));
}

// ---- what the dataplane is told
// ------------------------------------------------------------------

TEST_F(SessionTest, NewSessionInstallsTheCalleesLegWithoutPeer) {
	U("ft");
	std::vector<struct rr_request> seen = take_seen();

	ASSERT_EQ(seen.size(), 2U);
	for (unsigned int flow = 0; flow < 2; flow++) {
		EXPECT_EQ(seen[flow].op, RR_REQUEST_FLOW_SET);
		EXPECT_EQ(seen[flow].slot, slot(session("c"), SESSION_CALLEE, flow));
		EXPECT_EQ(seen[flow].peer, RR_SLOT_NONE);
		EXPECT_EQ(seen[flow].flags & RR_SET_SIGNALLED, 0);
		EXPECT_EQ(seen[flow].tos, 184);
	}
}

TEST_F(SessionTest, AnswerInstallsBothLegsAsPeers) {
	U("ft");
	take_seen();
	L("ft tt");
	std::vector<struct rr_request> seen = take_seen();
	const struct session *s = session("c");
	std::map<uint32_t, struct rr_request> by_slot;

	for (const struct rr_request &q : seen)
		by_slot[q.slot] = q;
	ASSERT_EQ(by_slot.size(), 4U);
	for (unsigned int leg = 0; leg < 2; leg++) {
		for (unsigned int flow = 0; flow < 2; flow++) {
			const struct rr_request &q = by_slot.at(slot(s, leg, flow));

			EXPECT_EQ(q.uid, s->leg[leg].pair.uid);
			EXPECT_EQ(q.peer, slot(s, !leg, flow));
			EXPECT_TRUE(q.flags & RR_SET_SIGNALLED);
			EXPECT_EQ(ntohs(q.signalled.port_be),
				(leg == SESSION_CALLER ? 4000 : 5000) + (int)flow);
		}
	}
}

TEST_F(SessionTest, DeleteFreesFlowsAndPorts) {
	U("ft");
	L("ft tt");
	EXPECT_EQ(dp.n_installed(), 4U);
	uint32_t available = port_alloc_n_available(ctl.ports, 0);

	EXPECT_EQ(command("D c ft"), "0");
	settle();
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(port_alloc_n_available(ctl.ports, 0), available + 2);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(call("c"), nullptr);
}

TEST_F(SessionTest, NewPortMovesTheSelectedLegAndFreesTheOldOne) {
	std::string old_port = U("ft");
	std::string caller_port = L("ft tt");
	uint64_t old_uid = session("c")->leg[SESSION_CALLEE].pair.uid;
	uint32_t old_slot = slot(session("c"), SESSION_CALLEE, 0);

	take_seen();
	std::string moved = command("Un c 198.18.0.50 4000 ft tt");

	settle();
	EXPECT_NE(moved, old_port);
	EXPECT_EQ(U("ft tt"), moved);
	EXPECT_EQ(L("ft tt"), caller_port);
	EXPECT_NE(session("c")->leg[SESSION_CALLEE].pair.uid, old_uid);
	EXPECT_FALSE(dp.flow(old_slot)->flags & RR_FLOW_INSTALLED);
	EXPECT_EQ(dp.n_installed(), 4U);
}

TEST_F(SessionTest, OldPortsGoOnlyAfterTheNewOnesAreThere) {
	U("ft");
	L("ft tt");
	take_seen();
	command("Un c 198.18.0.50 4000 ft tt");
	settle();
	bool deleting = false;

	for (const struct rr_request &q : take_seen()) {
		EXPECT_FALSE(deleting && q.op == RR_REQUEST_FLOW_SET);
		deleting = deleting || q.op == RR_REQUEST_FLOW_DEL;
	}
	EXPECT_TRUE(deleting);
}

TEST_F(SessionTest, CountersOutliveTheirPorts) {
	U("ft");
	L("ft tt");
	receive(session("c"), SESSION_CALLER, SESSION_RTP, 3);
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 5);
	EXPECT_EQ(command("Q c ft"), "60 3 5 8 0");
	command("Un c 198.18.0.50 4000 ft tt");
	EXPECT_EQ(command("Q c ft"), "60 3 5 8 0");
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 2);
	EXPECT_EQ(command("Q c tt ft"), "60 7 3 10 0");
}

TEST_F(SessionTest, NewPortsKnowWhatTheOldOnesLearned) {
	struct rr_flow *f;

	U("ft");
	L("ft tt");
	f = dp.flow(slot(session("c"), SESSION_CALLEE, SESSION_RTCP));
	f->flags |= RR_FLOW_HAS_REMOTE | RR_FLOW_UNTRUSTED_SDP;
	f->remote_family = RR_FAMILY_IPV4;
	f->remote[0] = 9;
	f->remote_port_be = htons(4711);
	take_seen();
	command("Un c 198.18.0.50 4000 ft tt");
	int n = 0;

	for (const struct rr_request &q : take_seen()) {
		if (q.op == RR_REQUEST_FLOW_DEL ||
			q.slot != slot(session("c"), SESSION_CALLEE, SESSION_RTCP))
			continue;
		n++;
		EXPECT_TRUE(q.flags & RR_SET_LEARNED);
		EXPECT_EQ(ntohs(q.learned.port_be), 4711);
	}
	EXPECT_EQ(n, 1);
}

TEST_F(SessionTest, RemoteOfAnotherFamilyIsNotTold) {
	command("U6l{main} c 2001:db8::5 4000 ft");
	L("ft tt");
	for (const struct rr_request &q : take_seen()) {
		if (q.slot == slot(session("c"), SESSION_CALLER, 0)) {
			EXPECT_FALSE(q.flags & RR_SET_SIGNALLED);
		}
	}
}

TEST_F(SessionTest, AsymmetryIsOfThePartyAndOfTheLastCommand) {
	command("Ua c 198.18.0.50 4000 ft");
	EXPECT_TRUE(session("c")->leg[SESSION_CALLER].asymmetric);
	EXPECT_FALSE(session("c")->leg[SESSION_CALLEE].asymmetric);
	U("ft");
	EXPECT_FALSE(session("c")->leg[SESSION_CALLER].asymmetric);
	command("La c 198.18.0.60 5000 ft tt");
	EXPECT_TRUE(session("c")->leg[SESSION_CALLEE].asymmetric);
}

// What was said under the address of before must not survive a new one.
TEST_F(SessionTest, SourceOfAnEarlierAddressIsNotTaken) {
	U("ft");
	L("ft tt");
	settle();
	struct session *s = session("c");
	const struct session_learned &learned = s->leg[SESSION_CALLER].learned[SESSION_RTP];
	struct rr_flow *f = dp.flow(slot(s, SESSION_CALLER, SESSION_RTP));
	struct rr_event event = {};

	event.uid = s->leg[SESSION_CALLER].pair.uid;
	event.slot = slot(s, SESSION_CALLER, SESSION_RTP);
	event.type = RR_EVENT_LEARNED;
	event.flags = RR_SET_LEARNED;
	event.learned.family = RR_FAMILY_IPV4;
	event.learned.addr[0] = 9;
	event.version = s->leg[SESSION_CALLER].version;
	f->remote[0] = 9;
	f->flags |= RR_FLOW_HAS_REMOTE | RR_FLOW_UNTRUSTED_SDP;
	f->remote_family = RR_FAMILY_IPV4;
	execute("U c 198.18.0.51 4100 ft");
	dp.say_event(0, event);
	control_poll(&ctl, now);
	EXPECT_EQ(learned.flags, 0);
	session_capture(&ctl, s, false);
	EXPECT_EQ(learned.flags, 0);
	settle();
	session_capture(&ctl, s, false); // the new address is known there now
	dp.flow(event.slot)->flags |= RR_FLOW_HAS_REMOTE | RR_FLOW_UNTRUSTED_SDP;
	session_capture(&ctl, s, false);
	EXPECT_EQ(learned.flags, RR_SET_LEARNED);
}

TEST_F(SessionTest, LearnedSourceIsKeptForAFreshRegion) {
	U("ft");
	L("ft tt");
	struct session *s = session("c");
	struct rr_event event = {};

	event.uid = s->leg[SESSION_CALLER].pair.uid;
	event.slot = slot(s, SESSION_CALLER, SESSION_RTP);
	event.type = RR_EVENT_LEARNED;
	event.flags = RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC;
	event.learned.family = RR_FAMILY_IPV4;
	event.learned.addr[0] = 9;
	event.learned.port_be = htons(9999);
	event.latch_ssrc = 77;
	event.latch_seq = 8;
	event.version = s->leg[SESSION_CALLER].version;
	dp.say_event(0, event);
	settle();
	const struct session_learned &learned = s->leg[SESSION_CALLER].learned[SESSION_RTP];
	EXPECT_EQ(learned.flags, event.flags);
	EXPECT_EQ(learned.latch_ssrc, 77U);
	EXPECT_EQ(s->leg[SESSION_CALLER].learned[SESSION_RTCP].flags, 0);
	EXPECT_EQ(s->leg[SESSION_CALLEE].learned[SESSION_RTP].flags, 0);

	event.uid = 999999; // of no session
	event.latch_ssrc = 78;
	dp.say_event(0, event);
	settle();
	EXPECT_EQ(learned.latch_ssrc, 77U);
}

class BridgeTest : public SessionTest {
      protected:
	BridgeTest() {
		settings.realms = "main lab1";
		settings.bridge = "bridge = { internal = \"main\"; external = \"lab1\"; };";
		settings.media += " port_rest_ms = 0;";
	}
	std::string realm_of(const std::string &reply) {
		return reply.find("198.18.0.") != std::string::npos ? "i" : "e";
	}
};

// 7.5: the first letter is the caller's side (leg 1), the second the callee's (leg 0).
TEST_F(BridgeTest, LettersChooseTheInterface) {
	static const struct {
		const char *letters, *update, *lookup;
	} rows[] = {{"", "i", "i"}, {"i", "i", "i"}, {"ii", "i", "i"}, {"ie", "e", "i"},
		{"ei", "i", "e"}, {"ee", "e", "e"}, {"e", "i", "e"}};

	for (const auto &row : rows) {
		EXPECT_EQ(realm_of(command(
				  std::string("U") + row.letters + " c 198.18.0.50 4000 ft")),
			row.update)
			<< row.letters;
		EXPECT_EQ(realm_of(L("ft tt")), row.lookup) << row.letters;
		command("D c ft");
	}
}

TEST_F(BridgeTest, LettersMatterLaterOnlyWithNewPort) {
	command("Uii c 198.18.0.50 4000 ft");
	L("ft tt");
	EXPECT_EQ(realm_of(command("Uie c 198.18.0.50 4000 ft tt")), "i");
	EXPECT_EQ(realm_of(command("Une c 198.18.0.50 4000 ft tt")), "i");
	EXPECT_EQ(realm_of(command("Unie c 198.18.0.50 4000 ft tt")), "e");
}

TEST_F(BridgeTest, LegsAreAsymmetricUnlessToldOtherwise) {
	U("ft");
	EXPECT_TRUE(session("c")->leg[SESSION_CALLER].asymmetric);
	command("Us c 198.18.0.50 4000 ft");
	EXPECT_FALSE(session("c")->leg[SESSION_CALLER].asymmetric);
}

} // namespace
