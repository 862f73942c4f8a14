// SPDX-License-Identifier: BSD-2-Clause
// The library that controllers use over shared memory, against the real server side in the same
// process; what waits for the server does so in a thread of its own.
#include <cstring>
#include <future>

#include "command_shm.h"
#include "listener_fixture.h"
#include "rtpp_shm.h"

static const int TIMEOUT_MS = 20000;

// Happens just before the next time that somebody says that he is about to sleep.
static std::function<void()> before_sleep;

extern "C" {
void __real_rr_msg_ring_wait(struct rr_msg_ring *r);
void __wrap_rr_msg_ring_wait(struct rr_msg_ring *r);
}

void __wrap_rr_msg_ring_wait(struct rr_msg_ring *r) {
	std::function<void()> happens;

	std::swap(happens, before_sleep);
	if (happens)
		happens();
	__real_rr_msg_ring_wait(r);
}

class RtppShm : public Listener {
      protected:
	struct command_socket *socket_ = nullptr;
	struct rtpp_shm *client = nullptr;
	struct rtpp_shm_reply reply = {};

	void SetUp() override {
		Listener::SetUp();
		socket_ = serve("shm:" + dir + "/shm");
	}
	void TearDown() override {
		rtpp_shm_disconnect(client);
		Listener::TearDown();
	}
	// Call it while the server turns.
	int served(const std::function<int()> &call) {
		auto result = std::async(std::launch::async, call);

		EXPECT_TRUE(turn_until([&] {
			return result.wait_for(std::chrono::seconds(0)) ==
			       std::future_status::ready;
		}));
		return result.get();
	}
	void join() {
		ASSERT_EQ(served([&] {
			return rtpp_shm_connect(&client, (dir + "/shm").c_str(), TIMEOUT_MS);
		}),
			0);
	}
	int say(uint64_t tag, const std::string &command) {
		return rtpp_shm_send(client, tag, command.data(), command.size());
	}
	// The reply's tag and text.
	std::string hear() {
		int rc = served([&] { return rtpp_shm_receive(client, &reply, TIMEOUT_MS); });

		return rc == 1 ? std::to_string(reply.tag) + ": " + reply.text : std::to_string(rc);
	}
	// The worker dies, and a new one comes that knows what the old one answered.
	void restart() {
		struct listener_hooks hooks = {
			base, retrans, execute, settled, this, LISTENER_PATIENCE_MS, UINT32_MAX};

		start(hooks);
		ASSERT_EQ(listener_add(set, socket_), 0);
	}
};

TEST_F(RtppShm, RepliesComeWithTheTagOfTheirCommand) {
	join();
	EXPECT_EQ(say(7, "V"), 0);
	EXPECT_EQ(say(UINT64_MAX, "VF 1"), 0);
	EXPECT_EQ(rtpp_shm_unanswered(client), 2u);
	EXPECT_EQ(hear(), "7: [ V]");
	EXPECT_EQ(hear(), "18446744073709551615: [ VF 1]");
	EXPECT_EQ(reply.len, strlen(reply.text));
	EXPECT_EQ(rtpp_shm_unanswered(client), 0u);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, 0), 0);
}

TEST_F(RtppShm, RepliesMayComeInAnotherOrder) {
	join();
	say(1, "w");
	say(2, "V");
	EXPECT_EQ(hear(), "2: [ V]");
	finish(waiting[0]);
	waiting.clear();
	EXPECT_EQ(hear(), "1: [ w]");
}

TEST_F(RtppShm, SlotsAreUsedAgain) {
	join();
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(say((uint64_t)i, "V " + std::to_string(i)), 0);
		ASSERT_EQ(hear(), std::to_string(i) + ": [ V " + std::to_string(i) + "]");
	}
}

TEST_F(RtppShm, CommandsAreBounded) {
	join();
	EXPECT_EQ(say(0, std::string(RTPP_SHM_COMMAND + 1, 'x')), -EMSGSIZE);
	for (uint64_t i = 0; i < RTPP_SHM_UNANSWERED; i++)
		EXPECT_EQ(say(i, "w"), 0);
	EXPECT_EQ(say(99, "V"), -EAGAIN);
	ASSERT_TRUE(turn_until([&] { return waiting.size() == RTPP_SHM_UNANSWERED; }));
	finish(waiting[0]);
	waiting.erase(waiting.begin());
	EXPECT_EQ(hear(), "0: [ w]");
	EXPECT_EQ(say(99, "V"), 0);
	EXPECT_EQ(hear(), "99: [ V]");
}

TEST_F(RtppShm, RingThatIsFullHasRoomAgain) {
	std::string longest(RTPP_SHM_COMMAND, 'x');
	int n = 0;

	join();
	while (say((uint64_t)n, longest) == 0)
		n++;
	EXPECT_GE(n, 7);
	EXPECT_LT(n, RTPP_SHM_UNANSWERED);
	for (int i = 0; i < n; i++)
		EXPECT_EQ(hear().substr(0, 5), std::to_string(i) + ": [ ");
	EXPECT_EQ(say(99, longest), 0);
	EXPECT_EQ(hear().substr(0, 6), "99: [ ");
}

TEST_F(RtppShm, SleepingServerIsWoken) {
	join();
	for (uint64_t i = 0; i < 3; i++) {
		ASSERT_TRUE(turn_until([&] { return !listener_awake(set); }));
		EXPECT_EQ(say(i, "V"), 0);
		EXPECT_EQ(hear(), std::to_string(i) + ": [ V]");
	}
}

TEST_F(RtppShm, ServerThatHasNoRoomForRepliesIsWoken) {
	join();
	for (uint64_t i = 0; i < RTPP_SHM_UNANSWERED; i++) {
		ASSERT_EQ(say(i, std::string(1000, 'x')), 0);
		turn();
	}
	ASSERT_TRUE(turn_until([&] { return executed.size() == RTPP_SHM_UNANSWERED; }));
	turn_a_few_times();
	EXPECT_FALSE(listener_awake(set));
	for (uint64_t i = 0; i < RTPP_SHM_UNANSWERED; i++)
		EXPECT_EQ(hear().rfind(std::to_string(i) + ": [", 0), 0u) << i;
}

TEST_F(RtppShm, ReconnectSendsWhatIsUnansweredAgainAndNothingRunsTwice) {
	join();
	say(1, "V");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 1; }));
	EXPECT_EQ(hear(), "1: [ V]");
	say(2, "V two");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 2; }));
	listener_set_stop(set); // with the reply perhaps in the ring, which goes with it
	say(3, "V three"); // which nobody reads
	restart();
	EXPECT_EQ(served([&] { return rtpp_shm_reconnect(client, TIMEOUT_MS); }), 0);
	EXPECT_EQ(rtpp_shm_unanswered(client), 2u);
	EXPECT_EQ(hear(), "2: [ V two]");
	EXPECT_EQ(hear(), "3: [ V three]");
	EXPECT_EQ(executed, (std::vector<std::string>{" V", " V two", " V three"}));
}

TEST_F(RtppShm, ReconnectSendsMoreThanTheRingHoldsAgain) {
	std::string longest(RTPP_SHM_COMMAND, 'x');
	uint64_t n = 0;

	join();
	while (n < 20) { // commands that are taken, and answered by nobody
		if (say(n, "w" + longest.substr(1)) == 0)
			n++;
		turn();
	}
	listener_set_stop(set);
	for (struct job *job : waiting)
		job_free(job);
	waiting.clear();
	executed.clear();
	retrans_free(retrans);
	retrans = retrans_new(nullptr, nullptr);
	restart();
	EXPECT_EQ(served([&] { return rtpp_shm_reconnect(client, TIMEOUT_MS); }), 0);
	EXPECT_TRUE(turn_until([&] {
		rtpp_shm_receive(client, &reply, 0);
		return executed.size() == 20;
	}));
}

TEST_F(RtppShm, EndOfTheServerIsHeard) {
	join();
	EXPECT_GE(rtpp_shm_fd(client), 0);
	listener_set_stop(set);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, TIMEOUT_MS), -EPIPE);
	command_socket_close(socket_);
	EXPECT_EQ(rtpp_shm_reconnect(client, TIMEOUT_MS), -ENOENT);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, TIMEOUT_MS), -EPIPE);
	EXPECT_EQ(say(1, "V"), -EPIPE);
}

TEST_F(RtppShm, RepliesBeforeTheEndAreTaken) {
	join();
	say(1, "V");
	ASSERT_TRUE(turn_until([&] { return executed.size() == 1; }));
	turn();
	listener_set_stop(set);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, TIMEOUT_MS), 1);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, TIMEOUT_MS), -EPIPE);
}

TEST_F(RtppShm, DescriptorIsReadableWhenThereIsAReply) {
	struct rtpp_shm_reply none;
	char byte;

	join();
	say(1, "w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	EXPECT_EQ(rtpp_shm_receive(client, &none, 0), 0);
	EXPECT_LT(recv(rtpp_shm_fd(client), &byte, 1, MSG_DONTWAIT | MSG_PEEK), 0);
	finish(waiting[0]);
	waiting.clear();
	turn();
	EXPECT_EQ(recv(rtpp_shm_fd(client), &byte, 1, MSG_DONTWAIT | MSG_PEEK), 1);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, 0), 1);
	EXPECT_EQ(rtpp_shm_receive(client, &none, 0), 0);
	EXPECT_LT(recv(rtpp_shm_fd(client), &byte, 1, MSG_DONTWAIT | MSG_PEEK), 0);
}

// Taking it ends the wait that was said; who sleeps then must say it again.
TEST_F(RtppShm, LateReplyLeavesTheClientToBeWoken) {
	char byte;

	join();
	say(1, "w late");
	say(2, "w");
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 2; }));
	before_sleep = [&] {
		memset(waiting[0]->bytes, 'x', 8); // a cookie that nobody waits for
		finish(waiting[0]);
		listener_flush(set);
	};
	EXPECT_EQ(rtpp_shm_receive(client, &reply, 0), 0);
	EXPECT_FALSE(before_sleep);
	finish(waiting[1]);
	waiting.clear();
	turn();
	EXPECT_EQ(recv(rtpp_shm_fd(client), &byte, 1, MSG_DONTWAIT | MSG_PEEK), 1);
	EXPECT_EQ(rtpp_shm_receive(client, &reply, 0), 1);
}

TEST_F(RtppShm, WaitsOnlySoLong) {
	join();
	EXPECT_EQ(rtpp_shm_receive(client, &reply, 1), 0);
	struct rtpp_shm *other = nullptr; // whom nobody serves
	EXPECT_EQ(rtpp_shm_connect(&other, (dir + "/shm").c_str(), 1), -ETIMEDOUT);
	EXPECT_EQ(other, nullptr);
}

TEST_F(RtppShm, WaitsOnlySoLongWhereNoConnectionIsTaken) {
	struct sockaddr_un addr = {};
	int server = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int first = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct rtpp_shm *other = nullptr;

	addr.sun_family = AF_UNIX;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/full", dir.c_str());
	ASSERT_EQ(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ASSERT_EQ(listen(server, 0), 0);
	ASSERT_EQ(connect(first, (struct sockaddr *)&addr, sizeof(addr)), 0);
	EXPECT_EQ(rtpp_shm_connect(&other, addr.sun_path, 1), -ETIMEDOUT);
	close(first);
	close(server);
	unlink(addr.sun_path);
}

TEST_F(RtppShm, ConnectionThatCannotBeIsAnError) {
	EXPECT_EQ(rtpp_shm_connect(&client, (dir + "/none").c_str(), TIMEOUT_MS), -ENOENT);
	EXPECT_EQ(rtpp_shm_connect(&client, std::string(200, 'x').c_str(), TIMEOUT_MS),
		-ENAMETOOLONG);
	EXPECT_EQ(client, nullptr);
}

// A server that says something else first.
class RtppShmStranger : public RtppShm, public ::testing::WithParamInterface<std::string> {};

TEST_P(RtppShmStranger, IsNotSpokenTo) {
	int fd;
	auto result = std::async(std::launch::async,
		[&] { return rtpp_shm_connect(&client, (dir + "/shm").c_str(), TIMEOUT_MS); });

	listener_set_stop(set);
	ASSERT_TRUE(turn_until([&] { return (fd = accept(socket_->fd, nullptr, nullptr)) >= 0; }));
	ASSERT_EQ(send(fd, GetParam().data(), GetParam().size(), 0), (ssize_t)GetParam().size());
	EXPECT_EQ(result.get(), -EPROTONOSUPPORT);
	close(fd);
}

static std::string hello(uint32_t magic, uint32_t version, uint32_t size) {
	struct rr_command_shm_hello h = {magic, version, size, 0};

	return std::string((const char *)&h, sizeof(h));
}

INSTANTIATE_TEST_SUITE_P(Hellos, RtppShmStranger,
	::testing::Values("V\n", hello(1, RR_COMMAND_SHM_VERSION, sizeof(struct rr_command_shm)),
		hello(RR_COMMAND_SHM_MAGIC, RR_COMMAND_SHM_VERSION + 1,
			sizeof(struct rr_command_shm)),
		hello(RR_COMMAND_SHM_MAGIC, RR_COMMAND_SHM_VERSION, 4096),
		hello(RR_COMMAND_SHM_MAGIC, RR_COMMAND_SHM_VERSION,
			sizeof(struct rr_command_shm))));
