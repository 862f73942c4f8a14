// SPDX-License-Identifier: BSD-2-Clause
// Command sockets over loopback: framing, cookies, order, and clients that misbehave.
//
// Everything happens in one thread, and commands are run by a stand-in (listener_fixture.h).
#include <poll.h>

#include "listener_fixture.h"
#include "stdio_bridge.h"

// ---- datagrams
// -----------------------------------------------------------------------------------

TEST_F(Listener, DatagramIsCookieAndCommand) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));

	client->say("ck V\n");
	EXPECT_EQ(hear_datagram(*client), "ck [ V\n]\n");
	client->say("  ck2\tVF 1");
	EXPECT_EQ(hear_datagram(*client), "ck2 [\tVF 1]\n");
}

struct OddDatagram {
	std::string datagram;
	std::string reply;
};

TEST_F(Listener, OddDatagrams) {
	const OddDatagram odd[] = {
		{"", "[]\n"},
		{" \r\n", "[]\n"},
		{"abc", "abc []\n"},
		{"abd\n", "abd [\n]\n"},
		{std::string("a\0b V", 5), "[]\n"},
		{std::string("abe V\0", 6), std::string("abe [ V\0]\n", 10)},
		{"abf V\nabg V\n", "abf [ V\nabg V\n]\n"},
	};
	auto client = connect_to(serve("udp:127.0.0.1:1"));

	for (const auto &row : odd) {
		client->say(row.datagram);
		EXPECT_EQ(hear_datagram(*client), row.reply) << row.datagram;
	}
}

TEST_F(Listener, LongDatagramIsCut) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));
	std::string text = "ck " + std::string(20000, 'x');

	client->say(text);
	hear_datagram(*client);
	ASSERT_EQ(executed.size(), 1u);
	EXPECT_EQ(executed[0].size(), (size_t)RTPP_MAX_COMMAND - 2);
}

TEST_F(Listener, CookieOverTheLimitIsRefused) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));

	for (size_t n : {899u, 900u, 901u, 1018u, 1019u, 8000u}) {
		executed.clear();
		client->say(std::string(n, 'c') + " V");
		std::string reply = hear_datagram(*client);
		EXPECT_LE(reply.size(), (size_t)RTPP_MAX_REPLY);
		ASSERT_EQ(executed.size(), 1u);
		EXPECT_EQ(executed[0], n <= LISTENER_MAX_COOKIE ? " V" : "") << n;
	}
}

TEST_F(Listener, DuplicateIsAnsweredAndNotRun) {
	struct command_socket *s = serve("udp:127.0.0.1:1");
	auto client = connect_to(s);
	auto other = connect_to(s);

	client->say("ck V");
	std::string reply = hear_datagram(*client);
	client->say("ck something else");
	EXPECT_EQ(hear_datagram(*client), reply);
	other->say("ck V");
	EXPECT_EQ(hear_datagram(*other), reply);
	EXPECT_EQ(executed.size(), 1u);
}

TEST_F(Listener, ReplyGoesToWhoeverAskedLast) {
	struct command_socket *s = serve("udp:127.0.0.1:1");
	auto client = connect_to(s);
	auto other = connect_to(serve("udp6:::1:1"));

	client->say("ck w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	other->say("ck w");
	ASSERT_TRUE(turn_until([&] {
		struct retrans_stats st;
		retrans_get_stats(retrans, &st);
		return st.n_duplicates == 1;
	}));
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear_datagram(*other), "ck [ w]\n");
	EXPECT_EQ(client->take(), "");
	EXPECT_EQ(executed.size(), 1u);
}

TEST_F(Listener, EveryDatagramOfABurstIsAnswered) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));
	std::vector<std::string> replies;

	for (int i = 0; i < 200; i++)
		client->say("ck" + std::to_string(i) + " V");
	EXPECT_TRUE(turn_until([&] {
		std::string reply = client->take();
		if (!reply.empty())
			replies.push_back(reply);
		return replies.size() == 200;
	}));
	for (int i = 0; i < 200; i++)
		EXPECT_EQ(replies[(size_t)i], "ck" + std::to_string(i) + " [ V]\n");
}

TEST_F(Listener, ReplyLeavesFromTheAddressThatWasAsked) {
	auto v4 = connect_to(serve("udp:0.0.0.0:1"), "127.0.0.2");
	auto v6 = connect_to(serve("udp6::::1"), "::1");

	// A connected socket hears nobody else.
	v4->say("ck4 V");
	EXPECT_EQ(hear_datagram(*v4), "ck4 [ V]\n");
	v6->say("ck6 V");
	EXPECT_EQ(hear_datagram(*v6), "ck6 [ V]\n");
}

TEST_F(Listener, AnswerOfAnEarlierProcessWaitsForTheDataplane) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));
	const char *reply = "ck 20618\n";

	is_settled = false;
	ASSERT_EQ(restore({reply, strlen(reply)}), 0);
	client->say("ck U");
	client->say("ck2 V");
	EXPECT_EQ(hear_datagram(*client), "ck2 [ V]\n");
	EXPECT_EQ(client->take(), "");
	is_settled = true;
	EXPECT_EQ(hear_datagram(*client), reply);
	EXPECT_EQ(executed.size(), 1u);
}

TEST_F(Listener, AnswerOfAnEarlierProcessWaitsForTheDataplaneOnlySoLong) {
	impatient();
	auto client = connect_to(serve("udp:127.0.0.1:1"));
	const char *reply = "ck 20618\n";

	is_settled = false;
	ASSERT_EQ(restore({reply, strlen(reply)}), 0);
	for (int i = 0; i < 2; i++) {
		client->say("ck U");
		EXPECT_EQ(hear_datagram(*client), reply);
	}
	EXPECT_TRUE(executed.empty());
}

TEST_F(Listener, HeldAnswersAreBoundedAndLeaveInTheirOrder) {
	struct command_socket *s = serve("udp:127.0.0.1:1");
	auto first = connect_to(s);
	auto client = connect_to(s);
	const char *reply = "ck 20618\n";

	is_settled = false;
	ASSERT_EQ(restore({reply, strlen(reply)}), 0);
	first->say("ck U");
	turn_a_few_times();
	for (int i = 0; i < 1030; i++) {
		client->say("ck U");
		if (i % 16 == 0)
			turn_a_few_times();
	}
	ASSERT_TRUE(turn_until([&] { return stats().n_dropped_held == 7; }));
	is_settled = true;
	listener_flush(set);
	EXPECT_EQ(first->take(), reply);
}

TEST_F(Listener, HeldAnswersAreFreedAtTheEnd) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));

	is_settled = false;
	ASSERT_EQ(restore({"x", 1}), 0);
	client->say("ck U");
	client->say("ck2 V");
	hear_datagram(*client);
}

TEST_F(Listener, ManyCommandsUnderWayWaitInTheKernel) {
	struct command_socket *s = serve("udp:127.0.0.1:1");
	auto client = connect_to(s);
	unsigned int sent = 0;

	while (waiting.size() <= 4096) {
		client->say("ck" + std::to_string(sent++) + " w");
		if (sent % 16 == 0)
			event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
	size_t held = waiting.size();
	client->say("last V");
	turn_a_few_times();
	EXPECT_EQ(executed.size(), held);
	for (struct job *job : waiting)
		finish(job);
	waiting.clear();
	EXPECT_TRUE(turn_until([&] { return !executed.empty() && executed.back() == " V"; }));
}

TEST_F(Listener, SocketWhoseCommandsWereAskedForElsewhereIsReadAgain) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));
	auto other = connect_to(serve("udp6:::1:1"));

	for (unsigned int sent = 0; waiting.size() <= 4096; sent++) {
		client->say("ck" + std::to_string(sent) + " w");
		if (sent % 16 == 0)
			event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
	client->say("last V");
	turn_a_few_times();
	ASSERT_NE(executed.back(), " V");
	for (unsigned int i = 0; i < 2100; i++) {
		other->say("ck" + std::to_string(i) + " w");
		if (i % 16 == 0)
			event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
	EXPECT_TRUE(turn_until([&] { return executed.back() == " V"; }));
}

TEST_F(Listener, JobsMayComeBackAfterTheEnd) {
	auto udp = connect_to(serve("udp:127.0.0.1:1"));
	auto line = connect_to(serve("cunix:" + dir + "/c"));

	udp->say("ck w");
	line->say("w\nw\n");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 3; }));
	listener_set_stop(set);
	EXPECT_EQ(hear_to_the_end(*line), "");
	// TearDown finishes the jobs; the address sanitizer watches.
}

TEST_F(Listener, JobsMayBeFreedAfterTheEnd) {
	auto udp = connect_to(serve("udp:127.0.0.1:1"));
	auto line = connect_to(serve("cunix:" + dir + "/c"));

	udp->say("ck w");
	line->say("w\nw\nw\n");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 4; }));
	listener_set_stop(set);
	// The connection waits for three; one comes back and the others never do.
	for (struct job *job : waiting) {
		if (job == waiting[1])
			finish(job);
		else
			job_free(job);
	}
	waiting.clear();
	// TearDown frees the set; the address sanitizer watches.
}

// ---- one command a connection
// --------------------------------------------------------------------

TEST_F(Listener, OneReadIsOneCommand) {
	struct command_socket *s = serve("unix:" + dir + "/u");

	for (const char *text : {"V", "V\n", "V\nV\n", "123 V", "\n"}) {
		auto client = connect_to(s);
		client->say(text);
		EXPECT_EQ(hear_to_the_end(*client), "[" + std::string(text) + "]\n");
		EXPECT_TRUE(client->closed);
	}
}

TEST_F(Listener, LongestCommandOfAConnection) {
	auto client = connect_to(serve("unix:" + dir + "/u"));

	client->say(std::string(9000, 'x'));
	hear_to_the_end(*client);
	ASSERT_EQ(executed.size(), 1u);
	EXPECT_EQ(executed[0].size(), (size_t)RTPP_MAX_COMMAND);
}

TEST_F(Listener, HalfClosedClientIsAnswered) {
	auto client = connect_to(serve("unix:" + dir + "/u"));

	client->say("w");
	shutdown(client->fd, SHUT_WR);
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear_to_the_end(*client), "[w]\n");
}

TEST_F(Listener, ClientThatSaysNothingIsClosed) {
	impatient();
	struct command_socket *s = serve("unix:" + dir + "/u");
	auto silent = connect_to(s);
	auto leaving = connect_to(s);

	leaving->hang_up();
	EXPECT_EQ(hear_to_the_end(*silent), "");
	EXPECT_TRUE(silent->closed);
	EXPECT_TRUE(executed.empty());
}

TEST_F(Listener, ClientThatIsGoneHarmsNobody) {
	struct command_socket *s = serve("unix:" + dir + "/u");
	auto gone = connect_to(s);

	gone->say("w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	gone->hang_up();
	finish(waiting[0]);
	waiting.clear();
	auto next = connect_to(s);
	next->say("V");
	EXPECT_EQ(hear_to_the_end(*next), "[V]\n");
}

TEST_F(Listener, ConnectionsAreBounded) {
	struct command_socket *s = serve("cunix:" + dir + "/c");
	std::vector<std::unique_ptr<Client>> clients;

	for (unsigned int i = 0; i < LISTENER_MAX_CONNECTIONS; i++)
		clients.push_back(connect_to(s));
	ASSERT_TRUE(turn_until([&] { return stats().n_connections == LISTENER_MAX_CONNECTIONS; }));
	auto refused = connect_to(s);
	EXPECT_EQ(hear_to_the_end(*refused), "");
	EXPECT_EQ(stats().n_refused, 1u);
	clients[0]->hang_up();
	clients[1]->say("V\n");
	EXPECT_EQ(hear(*clients[1], 4), "[V]\n");
	// The place of the one that left is free again.
	ASSERT_TRUE(turn_until([&] {
		auto late = connect_to(s);
		late->say("V\n");
		return !hear(*late, 4).empty();
	}));
}

// ---- one command a line
// --------------------------------------------------------------------------

TEST_F(Listener, LinesAreAnsweredInTheirOrder) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));

	client->say("w1\nV\nw2\n\nV\r\nunfinished");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 5; }));
	finish(waiting[1]);
	for (int i = 0; i < 3; i++)
		listener_flush(set);
	EXPECT_EQ(client->take(), "");
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear(*client, 22), "[w1]\n[V]\n[w2]\n[]\n[V\r]\n");
	client->say(" line\n");
	EXPECT_EQ(hear(*client, 18), "[unfinished line]\n");
	EXPECT_FALSE(client->closed);
}

// What comes after it would be taken for the answer to another command.
TEST_F(Listener, ReplyWithoutMemoryEndsTheConnection) {
	auto no_memory = [](size_t) -> void * { return nullptr; };
	auto client = connect_to(serve("cunix:" + dir + "/c"));

	client->say("w\n");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 1; }));
	event_set_mem_functions(no_memory, realloc, free);
	finish(waiting[0]);
	event_set_mem_functions(nullptr, nullptr, nullptr);
	waiting.clear();
	client->say("V\n");
	EXPECT_EQ(hear_to_the_end(*client), "");
	EXPECT_TRUE(client->closed);
}

TEST_F(Listener, LineMayComeInPieces) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));
	std::string line = "piece by piece\n";

	for (char c : line) {
		client->say(std::string(1, c));
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
	EXPECT_EQ(hear(*client, 17), "[piece by piece]\n");
	EXPECT_EQ(executed.size(), 1u);
}

TEST_F(Listener, LongestLine) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));
	std::string line(8191, 'x');

	client->say(line + "\nV\n");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 2; }));
	EXPECT_EQ(executed[0], line);
	EXPECT_EQ(executed[1], "V");
}

TEST_F(Listener, EndlessLineEndsTheConnection) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));

	client->say(std::string(8193, 'x'));
	EXPECT_EQ(hear_to_the_end(*client), "");
	EXPECT_TRUE(client->closed);
	EXPECT_TRUE(executed.empty());
}

TEST_F(Listener, EndOfTheStreamDiscardsAnUnfinishedLine) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));

	client->say("w1\nV\nunfinished");
	shutdown(client->fd, SHUT_WR);
	ASSERT_TRUE(turn_until([&] { return executed.size() == 2; }));
	turn_a_few_times();
	EXPECT_EQ(client->take(), "");
	EXPECT_FALSE(client->closed);
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear_to_the_end(*client), "[w1]\n[V]\n");
	EXPECT_TRUE(client->closed);
	EXPECT_EQ(executed.size(), 2u);
}

TEST_F(Listener, CommandsUnderWayAreBounded) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));
	std::string lines;

	for (int i = 0; i < 1000; i++)
		lines += "w\n";
	client->say(lines);
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 64; }));
	turn_a_few_times();
	EXPECT_EQ(waiting.size(), 64u);
	std::string all;
	EXPECT_TRUE(turn_until([&] {
		std::vector<struct job *> jobs;
		jobs.swap(waiting);
		for (struct job *job : jobs)
			finish(job);
		all += client->take();
		return all.size() == 4000;
	}));
	EXPECT_EQ(executed.size(), 1000u);
}

// Nobody would commit or answer it.
TEST_F(Listener, RepliesThatWaitForAnEarlierOneAreBounded) {
	auto client = connect_to(serve("cunix:" + dir + "/s"));
	std::string text = "w\n";

	for (int i = 0; i < 1000; i++)
		text += "V\n";
	client->say(text);
	ASSERT_TRUE(turn_until([&] { return executed.size() >= 64; }));
	turn_a_few_times();
	EXPECT_EQ(executed.size(), 64u);
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear(*client, 1001 * 4).size(), 1001 * 4u);
}

TEST_F(Listener, ClientLeavesWhileRepliesWaitForAnEarlierOne) {
	auto client = connect_to(serve("cunix:" + dir + "/s"));

	client->say("w\nw\nV\nV\n");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 4; }));
	finish(waiting[1]);
	client->hang_up();
	turn_a_few_times();
	finish(waiting[0]);
	waiting.clear();
}

TEST_F(Listener, NoCommandIsTakenAtTheEnd) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));
	std::string lines;

	for (int i = 0; i < 100; i++)
		lines += "w\n";
	client->say(lines);
	ASSERT_TRUE(turn_until([&] { return executed.size() == 64; }));
	for (struct job *job : waiting)
		finish(job);
	waiting.clear();
	listener_set_stop(set);
	EXPECT_EQ(executed.size(), 64u);
	std::string heard;
	while (!client->closed)
		heard += client->take();
	EXPECT_EQ(heard.size(), 64 * strlen("[w]\n"));
}

TEST_F(Listener, ClientThatDoesNotReadIsClosed) {
	impatient();
	auto deaf = connect_to(serve("cunix:" + dir + "/c"));
	std::string line(900, 'x');
	bool gone = false;

	line += "\n";
	ASSERT_TRUE(turn_until([&] {
		if (send(deaf->fd, line.data(), line.size(), MSG_NOSIGNAL) < 0 && errno == EPIPE)
			gone = true;
		return gone;
	}));
	// Far less was run than a client could send in that time.
	EXPECT_LT(executed.size(), 2000u);
}

// ---- TCP
// ------------------------------------------------------------------------------------------

TEST_F(Listener, TcpIsACommandALine) {
	for (const char *text : {"tcp:127.0.0.1:1", "tcp6:::1:1"}) {
		auto client = connect_to(serve(text));

		client->say("w1\nV\n\nV\r\nunfin");
		ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
		ASSERT_TRUE(turn_until([&] { return executed.size() % 5 == 4; }));
		EXPECT_EQ(client->take(), "");
		finish(waiting[0]);
		waiting.clear();
		EXPECT_EQ(hear(*client, 17), "[w1]\n[V]\n[]\n[V\r]\n");
		client->say("ished\n");
		EXPECT_EQ(hear(*client, 13), "[unfinished]\n");
		client->say("V\nunfinished");
		shutdown(client->fd, SHUT_WR);
		EXPECT_EQ(hear_to_the_end(*client), "[V]\n");
		EXPECT_TRUE(client->closed);
		executed.clear();
	}
}

TEST_F(Listener, ControllerIsKnownOverTcp) {
	auto v4 = connect_to(serve("tcp:0.0.0.0:1"), "127.0.0.1", "127.0.0.3");
	auto local = connect_to(serve("cunix:" + dir + "/c"));
	char text[RR_ENDPOINT_STRLEN];

	v4->say("V\n");
	EXPECT_EQ(hear(*v4, 4), "[V]\n");
	EXPECT_STREQ(rr_endpoint_format_addr(&controller, text, sizeof(text)), "127.0.0.3");
	EXPECT_STREQ(rr_endpoint_format_addr(&this->local, text, sizeof(text)), "127.0.0.1");
	auto v6 = connect_to(serve("tcp6::::1"), "::1");
	v6->say("V\n");
	EXPECT_EQ(hear(*v6, 4), "[V]\n");
	EXPECT_STREQ(rr_endpoint_format_addr(&controller, text, sizeof(text)), "::1");
	local->say("V\n");
	EXPECT_EQ(hear(*local, 4), "[V]\n");
	EXPECT_EQ(controller.family, RR_FAMILY_NONE);
}

TEST_F(Listener, AddressThatADatagramWasSentToIsKnown) {
	for (const char *bound : {"udp:127.0.0.2:1", "udp:0.0.0.0:1"}) {
		auto client = connect_to(serve(bound), "127.0.0.2");
		char text[RR_ENDPOINT_STRLEN];

		client->say(std::string(bound) + " V\n");
		EXPECT_NE(hear_datagram(*client), "");
		rr_endpoint_format_addr(&local, text, sizeof(text));
		EXPECT_STREQ(text, "127.0.0.2") << bound;
	}
}

TEST_F(Listener, EndlessLineOverTcpEndsTheConnection) {
	auto client = connect_to(serve("tcp:127.0.0.1:1"));

	client->say(std::string(8193, 'x'));
	EXPECT_EQ(hear_to_the_end(*client), "");
	EXPECT_TRUE(client->closed);
	EXPECT_TRUE(executed.empty());
}

TEST_F(Listener, WhoTookEveryPlaceGivesOneToANewcomer) {
	struct command_socket *s = serve("tcp:127.0.0.1:1");
	std::vector<std::unique_ptr<Client>> greedy;

	for (unsigned int i = 0; i < LISTENER_MAX_CONNECTIONS; i++) {
		greedy.push_back(connect_to(s, nullptr, "127.0.0.9"));
		ASSERT_TRUE(turn_until([&] { return stats().n_connections == i + 1; }));
	}
	// The first one speaks, so that the second has been silent the longest.
	greedy[0]->say("V\n");
	EXPECT_EQ(hear(*greedy[0], 4), "[V]\n");
	auto modest = connect_to(s, nullptr, "127.0.0.8");
	modest->say("V\n");
	EXPECT_EQ(hear(*modest, 4), "[V]\n");
	EXPECT_EQ(stats().n_displaced, 1u);
	EXPECT_EQ(stats().n_refused, 0u);
	EXPECT_EQ(hear_to_the_end(*greedy[1]), "");
	for (unsigned int i : {0u, 2u, LISTENER_MAX_CONNECTIONS - 1u}) {
		greedy[i]->take();
		EXPECT_FALSE(greedy[i]->closed) << i;
	}
	// The greedy one itself is refused, as ever.
	auto more = connect_to(s, nullptr, "127.0.0.9");
	EXPECT_EQ(hear_to_the_end(*more), "");
	EXPECT_EQ(stats().n_refused, 1u);
	EXPECT_EQ(stats().n_displaced, 1u);
}

TEST_F(Listener, PlacesAreSharedEvenlyInTheEnd) {
	struct command_socket *s = serve("tcp:127.0.0.1:1");
	std::vector<std::unique_ptr<Client>> a, b;

	for (unsigned int i = 0; i < LISTENER_MAX_CONNECTIONS; i++)
		a.push_back(connect_to(s, nullptr, "127.0.0.9"));
	ASSERT_TRUE(turn_until([&] { return stats().n_connections == LISTENER_MAX_CONNECTIONS; }));
	for (unsigned int i = 0; i < LISTENER_MAX_CONNECTIONS; i++)
		b.push_back(connect_to(s, nullptr, "127.0.0.8"));
	ASSERT_TRUE(turn_until([&] {
		return stats().n_connections + stats().n_refused == 2 * LISTENER_MAX_CONNECTIONS;
	}));
	EXPECT_EQ(stats().n_displaced, (uint64_t)LISTENER_MAX_CONNECTIONS / 2);
}

TEST_F(Listener, SocketsShareThePlacesBeforeClientsDo) {
	struct command_socket *tcp = serve("tcp:0.0.0.0:1");
	struct command_socket *local = serve("unix:" + dir + "/u");
	std::vector<std::unique_ptr<Client>> crowd;

	// Each from an address of its own, so that none of them has more than one.
	for (unsigned int i = 0; i < LISTENER_MAX_CONNECTIONS; i++)
		crowd.push_back(
			connect_to(tcp, "127.0.0.1", ("127.0.1." + std::to_string(i + 1)).c_str()));
	ASSERT_TRUE(turn_until([&] { return stats().n_connections == LISTENER_MAX_CONNECTIONS; }));
	auto stranger = connect_to(tcp, "127.0.0.1", "127.0.2.1");
	EXPECT_EQ(hear_to_the_end(*stranger), "");
	EXPECT_EQ(stats().n_refused, 1u);
	auto client = connect_to(local);
	client->say("V");
	EXPECT_EQ(hear_to_the_end(*client), "[V]\n");
	EXPECT_EQ(stats().n_displaced, 1u);
}

// ---- lines of standard input
// ------------------------------------------------------------------------

class StdioLines : public Listener {
      protected:
	int supervisor = -1;
	struct command_socket worker_end = {};

	void SetUp() override {
		Listener::SetUp();
		int pair[2];

		ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
		supervisor = pair[0];
		ASSERT_EQ(command_socket_parse(&worker_end, "stdio:"), 0);
		EXPECT_TRUE(command_socket_matches(&worker_end, pair[1]));
		worker_end.fd = pair[1];
		ASSERT_EQ(listener_add(set, &worker_end), 0);
	}
	void TearDown() override {
		Listener::TearDown();
		close(supervisor);
		close(worker_end.fd);
	}
	static std::string message(uint64_t number, const std::string &text) {
		struct stdio_line_name name = {0, 7, number};

		return std::string((char *)&name, sizeof(name)) + text;
	}
	void say(uint64_t number, const std::string &line) {
		std::string m = message(number, line);

		ASSERT_EQ(send(supervisor, m.data(), m.size(), 0), (ssize_t)m.size());
	}
	std::string heard() {
		char buf[2000];
		ssize_t n = -1;

		EXPECT_TRUE(turn_until([&] {
			n = recv(supervisor, buf, sizeof(buf), 0);
			return n >= 0;
		}));
		return n > 0 ? std::string(buf, (size_t)n) : "";
	}
};

TEST_F(StdioLines, ReplyBearsTheNameOfItsLineAndDoesNotSayIt) {
	say(3, "V\r");
	EXPECT_EQ(heard(), message(3, "[V\r]\n"));
	say(4, "");
	EXPECT_EQ(heard(), message(4, "[]\n"));
	EXPECT_EQ(controller.family, RR_FAMILY_NONE);
}

TEST_F(StdioLines, LongestLineArrivesWhole) {
	say(1, std::string(8192, 'x'));
	heard();
	ASSERT_EQ(executed.size(), 1u);
	EXPECT_EQ(executed[0], std::string(8192, 'x'));
}

TEST_F(StdioLines, LineThatIsSentAgainIsAnsweredAndNotRun) {
	say(1, "V");
	EXPECT_EQ(heard(), message(1, "[V]\n"));
	say(1, "V");
	EXPECT_EQ(heard(), message(1, "[V]\n"));
	say(2, "w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	say(2, "w");
	turn_a_few_times();
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(heard(), message(2, "[w]\n"));
	EXPECT_EQ(executed.size(), 2u);
}

TEST_F(StdioLines, AnswerOfAnEarlierWorkerWaitsForTheDataplane) {
	struct stdio_line_name name = {0, 7, 9};
	uint64_t now_ns = rr_now_ns();
	char byte;

	is_settled = false;
	ASSERT_EQ(retrans_put(
			  retrans, {(const char *)&name, sizeof(name)}, {"0\n", 2}, now_ns, now_ns),
		0);
	say(9, "D a b");
	turn_a_few_times();
	EXPECT_LT(recv(supervisor, &byte, 1, 0), 0);
	is_settled = true;
	EXPECT_EQ(heard(), message(9, "0\n"));
	EXPECT_TRUE(executed.empty());
}

TEST_F(StdioLines, NoDatagramCanNameALine) {
	auto client = connect_to(serve("udp:127.0.0.1:1"));

	say(5, "V");
	EXPECT_EQ(heard(), message(5, "[V]\n"));
	client->say(message(5, " V"));
	EXPECT_EQ(hear_datagram(*client), "[]\n");
}

TEST_F(StdioLines, SupervisorThatIsGoneIsNotReadFor) {
	close(supervisor);
	supervisor = -1;
	turn_a_few_times();
	EXPECT_TRUE(executed.empty());
	EXPECT_EQ(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 1) << "still watched";
}

// ---- ends
// -----------------------------------------------------------------------------------------

TEST_F(Listener, GoneClientLeavesAZombieUntilItsJobsAreBack) {
	auto client = connect_to(serve("cunix:" + dir + "/c"));

	client->say("w1\nw2\n");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 2; }));
	finish(waiting[1]); // finished before its turn, never sent
	waiting.pop_back();
	client->hang_up();
	turn_a_few_times();
	finish(waiting[0]);
	waiting.clear();
	listener_flush(set);
}

TEST_F(Listener, ControllerOfASocketOfBothFamiliesIsKnownByItsIpv4Address) {
	for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
		int fd = socket(AF_INET6, type, 0);
		int off = 0;
		struct sockaddr_in6 any = {};
		char text[RR_ENDPOINT_STRLEN];

		any.sin6_family = AF_INET6;
		ASSERT_EQ(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
		ASSERT_EQ(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
		ASSERT_TRUE(type == SOCK_DGRAM || listen(fd, 5) == 0);
		sockets.push_back(std::make_unique<struct command_socket>());
		struct command_socket *s = sockets.back().get();
		ASSERT_EQ(command_socket_adopt(s, fd), 0);
		ASSERT_EQ(listener_add(set, s), 0);
		// A reply leaves from the address that was asked, or a connected socket hears none.
		auto client = connect_to(s, "::ffff:127.0.0.2");
		client->say("ck V\n");
		EXPECT_NE(hear_datagram(*client), "");
		EXPECT_EQ(controller.family, RR_FAMILY_IPV4);
		rr_endpoint_format_addr(&controller, text, sizeof(text));
		EXPECT_STREQ(text, "127.0.0.1");
	}
}
