// SPDX-License-Identifier: BSD-2-Clause
// Commands through shared memory, from clients that write into their rings as they like.
//
// Not covered: the library that well-behaved clients use (test_rtpp_shm.cc).
#include <cstring>
#include <set>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "command_shm.h"
#include "listener_fixture.h"

// Who a client is, where it is not who runs the test.
static uid_t user = (uid_t)-1;

extern "C" {
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
	int rc = __real_getsockopt(fd, level, name, value, len);

	if (name == SO_PEERCRED && user != (uid_t)-1)
		((struct ucred *)value)->uid = user;
	return rc;
}

// A client with nothing in its way.
struct RawClient {
	int fd = -1;
	int memory = -1;
	int bell = -1;
	struct rr_command_shm_hello hello = {};
	struct rr_command_shm *shm = nullptr;
	struct rr_msg_ring commands, replies;

	RawClient() = default;
	RawClient(const RawClient &) = delete;
	~RawClient() {
		hang_up();
		if (shm)
			munmap(shm, sizeof(*shm));
	}
	void hang_up() {
		for (int *descriptor : {&fd, &memory, &bell}) {
			if (*descriptor >= 0)
				close(*descriptor);
			*descriptor = -1;
		}
	}
	// What the server says first; false while it has said nothing.
	bool greeted() {
		int fds[RR_COMMAND_SHM_FDS];
		char space[CMSG_SPACE(sizeof(fds))] = {};
		struct iovec iov = {&hello, sizeof(hello)};
		struct msghdr msg = {};

		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		if (recvmsg(fd, &msg, MSG_DONTWAIT) != (ssize_t)sizeof(hello))
			return false;
		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
		memory = fds[RR_COMMAND_SHM_MEMORY];
		bell = fds[RR_COMMAND_SHM_BELL];
		shm = (struct rr_command_shm *)mmap(
			nullptr, hello.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
		rr_msg_ring_producer(
			&commands, &shm->command, shm->command_bytes, sizeof(shm->command_bytes));
		rr_msg_ring_consumer(
			&replies, &shm->reply, shm->reply_bytes, sizeof(shm->reply_bytes));
		return true;
	}
	void ring() {
		ASSERT_EQ(eventfd_write(bell, 1), 0);
	}
	int put(const std::string &text) {
		return rr_msg_ring_put(&commands, text.data(), (uint32_t)text.size());
	}
	void say(const std::string &text) {
		ASSERT_EQ(put(text), 0);
		if (rr_msg_ring_must_wake(&commands))
			ring();
	}
	std::string take() {
		char text[RR_COMMAND_SHM_REPLY];
		int n = rr_msg_ring_take(&replies, text, sizeof(text));

		if (n >= 0 && rr_msg_ring_must_wake(&replies))
			ring();
		return n >= 0 ? std::string(text, (size_t)n) : "";
	}
	bool is_closed() {
		char byte;
		ssize_t n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK);

		return n == 0 || (n < 0 && errno == ECONNRESET);
	}
};

class ShmConn : public Listener {
      protected:
	struct command_socket *socket_ = nullptr;

	void SetUp() override {
		Listener::SetUp();
		user = (uid_t)-1;
		socket_ = serve("shm:" + dir + "/shm");
	}
	// A fresh set, which serves the same socket.
	void impatient_shm() {
		impatient();
		ASSERT_EQ(listener_add(set, socket_), 0);
	}
	std::unique_ptr<RawClient> dial() {
		auto client = std::make_unique<RawClient>();

		client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		EXPECT_EQ(
			::connect(client->fd, (struct sockaddr *)&socket_->addr, socket_->addr_len),
			0);
		return client;
	}
	std::unique_ptr<RawClient> join() {
		auto client = dial();

		EXPECT_TRUE(turn_until([&] { return client->greeted(); }));
		return client;
	}
	std::string hear(RawClient &client) {
		std::string text;

		EXPECT_TRUE(turn_until([&] { return !(text = client.take()).empty(); }));
		return text;
	}
	bool closed(RawClient &client) {
		return turn_until([&] { return client.is_closed(); });
	}
	bool asleep() {
		return turn_until([&] { return !listener_awake(set); });
	}
	// Nobody else is disturbed.
	void still_serves() {
		auto other = join();

		other->say("other V");
		EXPECT_EQ(hear(*other), "other [ V]\n");
	}
};

TEST_F(ShmConn, MessageIsCookieAndCommand) {
	auto client = join();

	EXPECT_EQ(client->hello.magic, RR_COMMAND_SHM_MAGIC);
	EXPECT_EQ(client->hello.version, (uint32_t)RR_COMMAND_SHM_VERSION);
	EXPECT_EQ(client->hello.size, sizeof(struct rr_command_shm));
	client->say("ck V\n");
	EXPECT_EQ(hear(*client), "ck [ V\n]\n");
	client->say("  ck2\tVF 1");
	EXPECT_EQ(hear(*client), "ck2 [\tVF 1]\n");
	EXPECT_EQ(controller.family, RR_FAMILY_NONE);
	EXPECT_EQ(stats().n_shm_clients, 1u);
}

TEST_F(ShmConn, OddMessagesAreAnsweredAsDatagramsAre) {
	const struct {
		std::string message;
		std::string reply;
	} odd[] = {
		{"", "[]\n"},
		{" \r\n", "[]\n"},
		{"abc", "abc []\n"},
		{std::string("a\0b V", 5), "[]\n"},
		{std::string("abe V\0", 6), std::string("abe [ V\0]\n", 10)},
		{std::string(LISTENER_MAX_COOKIE + 1, 'c') + " V",
			std::string(LISTENER_MAX_COOKIE + 1, 'c') + " []\n"},
	};
	auto client = join();

	for (const auto &row : odd) {
		client->say(row.message);
		EXPECT_EQ(hear(*client), row.reply) << row.message;
	}
}

TEST_F(ShmConn, LongestCommandArrivesWhole) {
	auto client = join();

	client->say("ck " + std::string(RTPP_MAX_COMMAND - 3, 'x'));
	hear(*client);
	ASSERT_EQ(executed.size(), 1u);
	EXPECT_EQ(executed[0].size(), (size_t)RTPP_MAX_COMMAND - 2);
}

TEST_F(ShmConn, DuplicateIsAnsweredAndNotRun) {
	auto client = join();

	client->say("ck V");
	std::string reply = hear(*client);
	client->say("ck something else");
	EXPECT_EQ(hear(*client), reply);
	client->hang_up();
	auto again = join();
	again->say("ck V");
	EXPECT_EQ(hear(*again), reply);
	EXPECT_EQ(executed.size(), 1u);
}

TEST_F(ShmConn, ReplyGoesToWhoeverAskedLast) {
	auto client = join();
	auto datagrams = connect_to(serve("udp:127.0.0.1:1"));

	client->say("ck w");
	datagrams->say("ck2 w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 2; }));
	client->hang_up();
	auto again = join();
	again->say("ck w");
	again->say("ck2 w");
	ASSERT_TRUE(turn_until([&] {
		struct retrans_stats st;
		retrans_get_stats(retrans, &st);
		return st.n_duplicates == 2;
	}));
	for (struct job *job : waiting)
		finish(job);
	waiting.clear();
	EXPECT_EQ(std::set<std::string>({hear(*again), hear(*again)}),
		std::set<std::string>({"ck [ w]\n", "ck2 [ w]\n"}));
	EXPECT_EQ(datagrams->take(), "");
	EXPECT_EQ(executed.size(), 2u);
}

TEST_F(ShmConn, AnswerOfAnEarlierProcessWaitsForTheDataplane) {
	auto client = join();

	is_settled = false;
	ASSERT_EQ(restore({"ck 7\n", 5}), 0);
	client->say("ck U");
	client->say("ck2 V");
	EXPECT_EQ(hear(*client), "ck2 [ V]\n");
	is_settled = true;
	EXPECT_EQ(hear(*client), "ck 7\n");
	EXPECT_EQ(executed.size(), 1u);
}

// Who lost its memory asks once; a datagram comes again.
TEST_F(ShmConn, AnswerOfAnEarlierProcessIsHeldWhenTooManyAre) {
	auto datagrams = connect_to(serve("udp:127.0.0.1:1"));
	auto client = join();
	uint64_t now_ns = rr_now_ns();
	int n = 0;

	is_settled = false;
	ASSERT_EQ(restore({"ck 7\n", 5}), 0);
	ASSERT_TRUE(turn_until([&] {
		for (int end = n + 50; n < end; n++) {
			std::string cookie = "old" + std::to_string(n);

			EXPECT_EQ(retrans_put(retrans, {cookie.data(), cookie.size()}, {"0\n", 2},
					  now_ns, now_ns),
				0);
			datagrams->say(cookie + " U");
		}
		return stats().n_dropped_held > 0;
	}));
	client->say("ck U");
	turn_a_few_times();
	EXPECT_EQ(client->take(), "");
	is_settled = true;
	EXPECT_EQ(hear(*client), "ck 7\n");
}

TEST_F(ShmConn, HeldAnswersAreFreedAtTheEnd) {
	auto client = join();

	is_settled = false;
	ASSERT_EQ(restore({"ck 7\n", 5}), 0);
	client->say("ck U");
	turn_a_few_times();
}

TEST_F(ShmConn, SleepsUntilTheBell) {
	auto client = join();

	ASSERT_TRUE(asleep());
	ASSERT_EQ(client->put("ck V"), 0);
	turn_a_few_times();
	EXPECT_TRUE(executed.empty());
	EXPECT_TRUE(rr_msg_ring_must_wake(&client->commands));
	client->ring();
	EXPECT_EQ(hear(*client), "ck [ V]\n");
	ASSERT_EQ(client->put("ck2 V"), 0);
	EXPECT_FALSE(rr_msg_ring_must_wake(&client->commands)) << "it has not looked yet";
	EXPECT_EQ(hear(*client), "ck2 [ V]\n");
}

TEST_F(ShmConn, ClientThatSleepsIsWokenOnce) {
	auto client = join();
	char bytes[8];

	client->say("ck V");
	hear(*client);
	EXPECT_LT(recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT), 0);
	rr_msg_ring_wait(&client->replies);
	client->say("ck2 V");
	client->say("ck3 V");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 3; }));
	turn_a_few_times();
	EXPECT_EQ(recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT), 1);
	EXPECT_LT(recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT), 0);
}

TEST_F(ShmConn, ClientThatWaitsForRoomIsWoken) {
	auto client = join();
	char bytes[8];

	for (int i = 0; client->put("ck" + std::to_string(i) + " V " + std::string(900, 'x')) == 0;)
		i++;
	rr_msg_ring_wait(&client->commands);
	client->ring();
	EXPECT_TRUE(turn_until(
		[&] { return recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 1; }));
}

TEST_F(ShmConn, CommandsUnderWayAreBounded) {
	auto client = join();

	for (int i = 0; i < 100; i++)
		client->say("ck" + std::to_string(i) + " w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == RR_COMMAND_SHM_UNDER_WAY; }));
	turn_a_few_times();
	EXPECT_EQ(waiting.size(), (size_t)RR_COMMAND_SHM_UNDER_WAY);
	EXPECT_FALSE(listener_awake(set));
	finish(waiting[0]);
	waiting.erase(waiting.begin());
	EXPECT_EQ(hear(*client), "ck0 [ w]\n");
	EXPECT_TRUE(turn_until([&] { return executed.size() == RR_COMMAND_SHM_UNDER_WAY + 1; }));
}

TEST_F(ShmConn, CommandsThatAnotherTookOverMakeRoom) {
	auto client = join();
	auto other = join();

	for (int i = 0; i <= RR_COMMAND_SHM_UNDER_WAY; i++)
		client->say("ck" + std::to_string(i) + " w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == RR_COMMAND_SHM_UNDER_WAY; }));
	ASSERT_TRUE(asleep());
	for (int i = 0; i < RR_COMMAND_SHM_UNDER_WAY; i++)
		other->say("ck" + std::to_string(i) + " w");
	EXPECT_TRUE(turn_until([&] { return executed.size() == RR_COMMAND_SHM_UNDER_WAY + 1; }));
}

TEST_F(ShmConn, FloodLeavesTheOthersTheirTurn) {
	auto flood = join();
	auto client = join();
	int n = 0;

	while (flood->put("flood" + std::to_string(n) + " V") == 0)
		n++;
	flood->ring();
	client->say("ck V");
	turn();
	EXPECT_EQ(client->take(), "ck [ V]\n");
	EXPECT_LE(executed.size(), 33u);
	EXPECT_TRUE(turn_until([&] {
		flood->take();
		return executed.size() == (size_t)n + 1;
	}));
}

// Clients that send all they may take turns, so that nothing else waits for all of them.
TEST_F(ShmConn, TurnIsBounded) {
	const size_t n_clients = 20, n_each = 32;
	std::vector<std::unique_ptr<RawClient>> clients;
	size_t before = 0;

	for (size_t i = 0; i < n_clients; i++)
		clients.push_back(join());
	for (auto &client : clients) {
		for (size_t i = 0; i < n_each; i++)
			ASSERT_EQ(client->put("ck" + std::to_string(executed.size() + i) + "_" +
					      std::to_string(client->fd) + " V"),
				0);
		client->ring();
	}
	for (unsigned int i = 0; i < 5; i++) {
		turn();
		EXPECT_LE(executed.size() - before, 160u);
		before = executed.size();
	}
	EXPECT_EQ(executed.size(), n_clients * n_each);
}

// Each reply fills a line of the ring of replies: some 63 have room.
static std::string long_command(int number) {
	return "ck" + std::to_string(number) + " V " + std::string(2000, 'x');
}

TEST_F(ShmConn, RepliesThatHaveNoRoomFollow) {
	auto client = join();
	int n_put = 0;

	ASSERT_TRUE(turn_until([&] {
		n_put += client->put(long_command(n_put)) == 0;
		client->ring();
		return executed.size() > 63;
	}));
	turn_a_few_times();
	size_t n_executed = executed.size();
	EXPECT_LE(n_executed, 63u + RR_COMMAND_SHM_UNDER_WAY);
	ASSERT_EQ(client->put("last V"), 0);
	client->ring();
	turn_a_few_times();
	EXPECT_EQ(executed.size(), n_executed) << "a command is taken whose reply has no room";
	for (int i = 0; i < n_put; i++)
		EXPECT_EQ(hear(*client).rfind("ck" + std::to_string(i) + " ", 0), 0u) << i;
	EXPECT_EQ(hear(*client), "last [ V]\n");
	EXPECT_FALSE(client->is_closed());
}

TEST_F(ShmConn, ClientThatDoesNotReadIsClosed) {
	impatient_shm();
	auto client = join();
	int n_put = 0;

	EXPECT_TRUE(turn_until([&] {
		n_put += client->put(long_command(n_put)) == 0;
		if (client->bell >= 0)
			client->ring();
		return client->is_closed();
	}));
	EXPECT_EQ(stats().n_shm_unread, 1u);
	still_serves();
}

TEST_F(ShmConn, IndexThatCannotBeEndsTheConnection) {
	for (uint32_t index : {4u, RR_COMMAND_SHM_RING + 8u, UINT32_MAX - 7}) {
		auto client = join();

		rr_store_release(&client->shm->command.producer.index, index);
		client->ring();
		EXPECT_TRUE(closed(*client)) << index;
	}
	auto client = join();
	int n_put = 0;
	rr_store_release(&client->shm->reply.consumer.index, 4);
	EXPECT_TRUE(turn_until([&] { // it is looked at once there is no room
		n_put += client->put(long_command(n_put)) == 0;
		client->ring();
		return client->is_closed();
	}));
	EXPECT_EQ(stats().n_shm_broken, 4u);
	still_serves();
}

TEST_F(ShmConn, LengthThatCannotBeEndsTheConnection) {
	for (uint32_t len : {RTPP_MAX_COMMAND + 1u, UINT32_MAX}) {
		auto client = join();

		memcpy(client->shm->command_bytes, &len, sizeof(len));
		rr_store_release(&client->shm->command.producer.index, RR_COMMAND_SHM_RING);
		client->ring();
		EXPECT_TRUE(closed(*client)) << len;
	}
	EXPECT_EQ(stats().n_shm_broken, 2u);
	still_serves();
}

TEST_F(ShmConn, WordsOnTheSocketEndTheConnection) {
	auto client = join();

	ASSERT_EQ(send(client->fd, "V", 1, 0), 1);
	EXPECT_TRUE(closed(*client));
	EXPECT_EQ(stats().n_shm_broken, 1u);
	still_serves();
}

TEST_F(ShmConn, MemoryKeepsItsSize) {
	auto client = join();

	EXPECT_LT(ftruncate(client->memory, 0), 0);
	EXPECT_LT(ftruncate(client->memory, 1 << 24), 0);
	EXPECT_LT(fcntl(client->memory, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

// It can neither make the server wait for it nor keep it awake.
TEST_F(ShmConn, BellThatIsAbusedHarmsNobody) {
	auto client = join();
	uint64_t n;

	ASSERT_EQ(fcntl(client->bell, F_SETFL, 0), 0);
	client->ring();
	turn();
	ASSERT_EQ(read(client->bell, &n, sizeof(n)), (ssize_t)sizeof(n));
	turn_a_few_times();
	ASSERT_EQ(eventfd_write(client->bell, UINT64_MAX - 1), 0);
	turn_a_few_times();
	EXPECT_TRUE(asleep());
	still_serves();
}

TEST_F(ShmConn, SocketThatIsNotReadHarmsNobody) {
	auto client = join();

	for (int i = 0; i < 2000; i++) {
		rr_msg_ring_wait(&client->replies);
		client->say("ck" + std::to_string(i) + " V");
		ASSERT_EQ(hear(*client), "ck" + std::to_string(i) + " [ V]\n");
	}
	still_serves();
}

TEST_F(ShmConn, CommandsOfAClientThatIsGoneAreRun) {
	auto client = join();

	ASSERT_TRUE(asleep());
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(client->put("ck" + std::to_string(i) + " V"), 0);
	client->hang_up();
	EXPECT_TRUE(turn_until([&] { return executed.size() == 100; }));
	EXPECT_TRUE(asleep());
}

TEST_F(ShmConn, GoneClientLeavesAZombieUntilItsJobsAreBack) {
	auto client = join();

	client->say("ck w");
	client->say("ck2 w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 2; }));
	client->hang_up();
	ASSERT_TRUE(asleep());
	for (struct job *job : waiting)
		finish(job);
	waiting.clear();
	still_serves();
}

TEST_F(ShmConn, JobsMayComeBackAfterTheEnd) {
	auto client = join();

	client->say("ck w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	listener_set_stop(set);
	EXPECT_TRUE(client->is_closed());
}

TEST_F(ShmConn, ClientsAreBounded) {
	std::vector<std::unique_ptr<RawClient>> clients;

	for (int i = 0; i < LISTENER_MAX_CONNECTIONS; i++) {
		user = 1000 + (uid_t)i % 2;
		clients.push_back(join());
	}
	auto refused = dial();
	EXPECT_TRUE(closed(*refused));
	EXPECT_EQ(stats().n_shm_refused, 1u);
	EXPECT_EQ(stats().n_shm_over_share, 0u);
	clients.back()->say("ck V");
	EXPECT_EQ(hear(*clients.back()), "ck [ V]\n");
	clients.pop_back();
	ASSERT_TRUE(asleep());
	still_serves();
}

TEST_F(ShmConn, UserHasAShareAndOthersTheRest) {
	std::vector<std::unique_ptr<RawClient>> clients;

	for (int i = 0; i < LISTENER_MAX_OF_USER; i++)
		clients.push_back(join());
	auto refused = dial();
	EXPECT_TRUE(closed(*refused));
	EXPECT_EQ(stats().n_shm_over_share, 1u);
	EXPECT_EQ(stats().n_shm_refused, 0u);
	user = getuid() + 1;
	still_serves();
	user = getuid();
	clients.pop_back();
	ASSERT_TRUE(asleep());
	still_serves();
}

TEST_F(ShmConn, PathThatIsServedIsNotTakenOver) {
	struct command_socket again;
	struct command_socket stream;

	ASSERT_EQ(command_socket_parse(&again, ("shm:" + dir + "/shm").c_str()), 0);
	ASSERT_EQ(command_socket_parse(&stream, ("unix:" + dir + "/shm").c_str()), 0);
	EXPECT_EQ(command_socket_bind(&again, 0600, (gid_t)-1), -EADDRINUSE);
	EXPECT_EQ(command_socket_bind(&stream, 0600, (gid_t)-1), -EADDRINUSE);
	EXPECT_TRUE(command_socket_matches(&again, socket_->fd));
	EXPECT_FALSE(command_socket_matches(&stream, socket_->fd));
	still_serves();
}
