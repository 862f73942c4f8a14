// SPDX-License-Identifier: BSD-2-Clause
// The operator's socket: requests in, answers out, and clients that are silent, rude or too many.
//
//	client sockets --> operator_socket --> a function of the test that answers or waits
//
// Left out: what verbs do (test_operator).
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <gtest/gtest.h>

#include "control_fixture.h"

extern "C" {
#include "command_socket.h"
#include "operator.h"
#include "operator_channel.h"
#include "operator_socket.h"
}

namespace {

using namespace ctltest;

class OperatorSocketTest : public ::testing::Test {
      protected:
	Folder folder;
	struct command_socket bound = {};
	struct event_base *base = nullptr;
	struct operator_socket *os = nullptr;
	std::vector<struct job *> jobs; // executed, not answered
	std::vector<int> clients;

	void SetUp() override {
		base = event_base_new();
		ASSERT_EQ(command_socket_operator(&bound, folder.path.c_str()), 0);
		ASSERT_EQ(command_socket_bind(&bound, 0660, (gid_t)-1), 0);
		start(60000);
	}

	void TearDown() override {
		operator_socket_free(os);
		for (struct job *job : jobs)
			job_free(job);
		for (int fd : clients)
			close(fd);
		command_socket_close(&bound);
		event_base_free(base);
		job_drain_free_list();
	}

	void start(uint32_t patience_ms) {
		struct operator_socket_params params = {};

		params.base = base;
		params.fd = bound.fd;
		params.execute = [](void *arg, struct job *job) {
			static_cast<OperatorSocketTest *>(arg)->jobs.push_back(job);
		};
		params.arg = this;
		params.patience_ms = patience_ms;
		operator_socket_free(os);
		os = nullptr;
		ASSERT_EQ(operator_socket_new(&os, &params), 0);
	}

	void run() {
		for (int i = 0; i < 50; i++)
			event_base_loop(base, EVLOOP_NONBLOCK);
	}

	int connect_one() {
		int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		EXPECT_EQ(::connect(fd, (const struct sockaddr *)&bound.addr, bound.addr_len), 0);
		clients.push_back(fd);
		return fd;
	}

	int ask(const std::string &request) {
		int fd = connect_one();

		EXPECT_EQ(::send(fd, request.data(), request.size(), 0), (ssize_t)request.size());
		run();
		return fd;
	}

	static void send_with(int fd, const std::vector<int> &passed) {
		std::vector<char> control(CMSG_SPACE(passed.size() * sizeof(int)));
		char text[] = "a";
		struct iovec part = {text, sizeof(text)};
		struct msghdr msg = {};

		msg.msg_iov = &part;
		msg.msg_iovlen = 1;
		msg.msg_control = control.data();
		msg.msg_controllen = control.size();
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(passed.size() * sizeof(int));
		memcpy(CMSG_DATA(c), passed.data(), passed.size() * sizeof(int));
		EXPECT_EQ(sendmsg(fd, &msg, 0), (ssize_t)sizeof(text));
	}

	void answer(struct job *job, const std::string &text) {
		job->answer = strdup(text.c_str());
		job_reply(job);
	}

	// "" = closed; "(nothing)" = still waiting.
	static std::string heard(int fd) {
		std::string text(RR_OPERATOR_MAX_ANSWER, '\0');
		ssize_t n = recv(fd, text.data(), text.size(), MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN ? "(nothing)" : "";
		text.resize((size_t)n);
		return text;
	}
};

TEST_F(OperatorSocketTest, OneRequestOneAnswer) {
	int fd = ask(std::string("a\0bc\0", 5));

	ASSERT_EQ(jobs.size(), 1U);
	EXPECT_EQ(text_of(jobs[0]->command), std::string("a\0bc\0", 5));
	EXPECT_EQ(heard(fd), "(nothing)");
	answer(jobs[0], "{\"done\": true}");
	jobs.clear();
	EXPECT_EQ(heard(fd), "{\"done\": true}");
	EXPECT_EQ(heard(fd), "");
}

TEST_F(OperatorSocketTest, LogSaysWhoAsksInOneLineWhateverTheVerbIs) {
	testing::internal::CaptureStderr();
	ask(std::string("a uid=7\nrtprelay b\0", 19));
	std::string line = testing::internal::GetCapturedStderr();
	std::string want = "operator: asked uid=" + std::to_string(getuid()) +
			   " pid=" + std::to_string(getpid()) + " verb=a uid=7?rtprelay b\n";

	ASSERT_EQ(jobs.size(), 1U);
	EXPECT_NE(line.find(want), std::string::npos) << line;
	EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
}

// The write end of a pipe goes along: whoever reads the other sees when nobody has it any more.
TEST_F(OperatorSocketTest, OneDescriptorMayComeWithARequest) {
	for (size_t n = 1; n <= 2; n++) {
		int ends[2];
		char byte;

		ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
		send_with(connect_one(), std::vector<int>(n, ends[1]));
		close(ends[1]);
		run();
		ASSERT_EQ(jobs.size(), 1U);
		EXPECT_TRUE(jobs[0]->has_fd) << "a second one is closed by the kernel";
		EXPECT_EQ(write(jobs[0]->fd, "x", 1), 1);
		EXPECT_EQ(read(ends[0], &byte, 1), 1);
		answer(jobs[0], "{}");
		jobs.clear();
		EXPECT_EQ(read(ends[0], &byte, 1), 0) << "still open somewhere";
		close(ends[0]);
	}
	ask(std::string("a", 2));
	EXPECT_FALSE(jobs.at(0)->has_fd);
}

TEST_F(OperatorSocketTest, SecondRequestOfAConnectionIsNotRead) {
	int fd = ask(std::string("a", 2));

	ASSERT_EQ(send(fd, "b", 2, 0), 2);
	run();
	EXPECT_EQ(jobs.size(), 1U);
}

TEST_F(OperatorSocketTest, LongestRequestAndOneByteMore) {
	int fd = ask(std::string(RR_OPERATOR_MAX_REQUEST, 'x'));

	EXPECT_EQ(jobs.size(), 1U);
	EXPECT_EQ(heard(fd), "(nothing)");
	fd = ask(std::string(RR_OPERATOR_MAX_REQUEST + 1, 'x'));
	EXPECT_EQ(jobs.size(), 1U);
	EXPECT_EQ(heard(fd), "error the request is too long");
}

TEST_F(OperatorSocketTest, LongestAnswerFits) {
	std::string longest(RR_OPERATOR_MAX_ANSWER - 1, 'y');
	int fd = ask(std::string("a", 2));

	answer(jobs.at(0), longest);
	jobs.clear();
	EXPECT_EQ(heard(fd), longest);
}

TEST_F(OperatorSocketTest, OneThatIsGoneIsNotMissed) {
	int fd = ask(std::string("a", 2));

	close(fd);
	clients.clear();
	run();
	answer(jobs.at(0), "{}");
	jobs.clear();
	connect_one();
	close(clients.back());
	clients.clear();
	run();
	EXPECT_EQ(jobs.size(), 0U);
}

TEST_F(OperatorSocketTest, ThoseThatAreTooManyWait) {
	std::vector<int> fds;

	for (int i = 0; i < OPERATOR_MAX_CLIENTS + 3; i++)
		fds.push_back(ask(std::string("a", 2)));
	ASSERT_EQ(jobs.size(), (size_t)OPERATOR_MAX_CLIENTS);
	for (size_t i = 0; i < jobs.size(); i++) { // grows
		answer(jobs[i], std::to_string(i));
		run();
	}
	EXPECT_EQ(jobs.size(), fds.size());
	for (size_t i = 0; i < fds.size(); i++)
		EXPECT_EQ(heard(fds[i]), std::to_string(i));
	jobs.clear();
}

TEST_F(OperatorSocketTest, SilentClientsGiveTheirPlaces) {
	start(1);
	for (int i = 0; i < OPERATOR_MAX_CLIENTS; i++)
		connect_one();
	int fd = connect_one();

	ASSERT_EQ(send(fd, "a", 2, 0), 2);
	while (jobs.empty())
		event_base_loop(base, EVLOOP_ONCE);
	EXPECT_EQ(heard(clients[0]), "");
}

// Jobs come back after the channel was stopped, or never.
TEST_F(OperatorSocketTest, StopWhileARequestIsUnderWay) {
	int fd = ask(std::string("a", 2));

	ask(std::string("b", 2));
	operator_socket_stop(os);
	answer(jobs.at(0), "{}");
	jobs.erase(jobs.begin());
	EXPECT_EQ(heard(fd), "");
	ask(std::string("c", 2));
	EXPECT_EQ(jobs.size(), 1U);
}

TEST_F(OperatorSocketTest, PathOfALiveServerIsNotTaken) {
	struct command_socket other;

	ASSERT_EQ(command_socket_operator(&other, folder.path.c_str()), 0);
	EXPECT_EQ(command_socket_bind(&other, 0660, (gid_t)-1), -EADDRINUSE);
	EXPECT_EQ(command_socket_operator(&other, std::string(94, 'x').c_str()), -EINVAL);
	EXPECT_EQ(command_socket_operator(&other, std::string(93, 'x').c_str()), 0);
}

} // namespace
