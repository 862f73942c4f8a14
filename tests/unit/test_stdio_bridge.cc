// SPDX-License-Identifier: BSD-2-Clause
// Standard input and output over several workers: order, bounds, and who misbehaves at either end.
//
// The test is everybody else: it writes to the input, reads the output, and plays the workers.
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "rtpp_cmd.h"
#include "stdio_bridge.h"

class StdioBridge : public ::testing::Test {
      protected:
	int in = -1, out = -1; // our ends
	int theirs[2] = {-1, -1};
	struct stdio_bridge *bridge = nullptr;

	void SetUp() override {
		int input[2], output[2];

		ASSERT_EQ(pipe(input), 0);
		ASSERT_EQ(pipe(output), 0);
		theirs[0] = input[0];
		in = input[1];
		out = output[0];
		theirs[1] = output[1];
		fcntl(out, F_SETFL, O_NONBLOCK);
		signal(SIGPIPE, SIG_IGN);
		ASSERT_EQ(stdio_bridge_new(&bridge, theirs[0], theirs[1]), 0);
	}
	void TearDown() override {
		stdio_bridge_free(bridge);
		for (int fd : {in, out, theirs[0], theirs[1]})
			close(fd);
	}
	void say(const std::string &text) {
		ASSERT_EQ(write(in, text.data(), text.size()), (ssize_t)text.size());
	}
	void end_input() {
		close(in);
		in = -1;
	}
	void run(int n = 20) {
		while (n-- > 0)
			stdio_bridge_run(bridge);
	}
	std::string written() {
		char buf[70000];
		ssize_t n = read(out, buf, sizeof(buf));

		return n > 0 ? std::string(buf, (size_t)n) : "";
	}

	struct Message {
		struct stdio_line_name name = {};
		std::string text;
		bool there = false;
	};
	// As a worker: the next line.
	Message next() {
		char buf[10000];
		Message m;
		ssize_t n = recv(stdio_bridge_worker_fd(bridge), buf, sizeof(buf), MSG_DONTWAIT);

		if (n < (ssize_t)sizeof(m.name))
			return m;
		memcpy(&m.name, buf, sizeof(m.name));
		m.text = std::string(buf + sizeof(m.name), (size_t)n - sizeof(m.name));
		m.there = true;
		return m;
	}
	void answer(const Message &m, const std::string &text) {
		std::string all = std::string((const char *)&m.name, sizeof(m.name)) + text;

		ASSERT_EQ(
			send(stdio_bridge_worker_fd(bridge), all.data(), all.size(), MSG_DONTWAIT),
			(ssize_t)all.size());
	}
	// Answer every line with itself in brackets.
	int serve() {
		int n = 0;

		for (Message m = next(); m.there; m = next(), n++)
			answer(m, "[" + m.text.substr(0, 1000) + "]\n");
		return n;
	}
	// Is `fd` waited for?
	bool waits_for(unsigned int which) {
		struct pollfd fds[STDIO_BRIDGE_FDS];

		stdio_bridge_wait(bridge, fds);
		return fds[which].fd >= 0;
	}
};

TEST_F(StdioBridge, RepliesLeaveInTheOrderOfTheirLines) {
	say("a\nb\n\nc");
	run();
	Message a = next(), b = next(), empty = next();

	EXPECT_EQ(a.text, "a");
	EXPECT_EQ(b.text, "b");
	EXPECT_TRUE(empty.there);
	EXPECT_EQ(empty.text, "");
	EXPECT_FALSE(next().there);
	answer(b, "B\n");
	answer(empty, "E5\n");
	run();
	EXPECT_EQ(written(), "");
	answer(a, "A\n");
	run();
	EXPECT_EQ(written(), "A\nB\nE5\n");
	say("d\n");
	run();
	EXPECT_EQ(next().text, "cd");
}

TEST_F(StdioBridge, NamesBeginWithZeroAndAreUsedOnce) {
	say("a\nb\n");
	run();
	Message a = next(), b = next();

	EXPECT_EQ(a.name.zero, 0u);
	EXPECT_EQ(a.name.stream, b.name.stream);
	EXPECT_EQ(b.name.number, a.name.number + 1);
}

TEST_F(StdioBridge, NewWorkerIsToldWhatTheOldOneDidNotAnswer) {
	say("a\nb\nc\nd\nhalf");
	run();
	Message a = next(), b = next(), c = next();

	answer(a, "A\n");
	answer(c, "C\n"); // sent by the old one, seen only after its death
	stdio_bridge_restart(bridge);
	run();
	EXPECT_EQ(written(), "A\n");
	Message again = next();
	EXPECT_EQ(again.text, "b");
	EXPECT_EQ(memcmp(&again.name, &b.name, sizeof(b.name)), 0);
	EXPECT_EQ(next().text, "d");
	EXPECT_FALSE(next().there);
	answer(again, "B\n");
	say(" a line\n");
	run();
	EXPECT_EQ(written(), "B\nC\n");
	EXPECT_EQ(next().text, "half a line");
}

TEST_F(StdioBridge, RepliesThatNobodyWaitsForAreIgnored) {
	say("a\nb\n");
	run();
	Message a = next(), b = next(), stranger = a, later = b;

	answer(a, "A\n");
	answer(a, "again\n");
	stranger.name.stream++;
	answer(stranger, "of another stream\n");
	later.name.number += 1;
	answer(later, "of no line yet\n");
	later.name.number += UINT64_MAX - 5;
	answer(later, "of no line at all\n");
	ASSERT_EQ(send(stdio_bridge_worker_fd(bridge), "x", 1, MSG_DONTWAIT), 1);
	ASSERT_EQ(send(stdio_bridge_worker_fd(bridge), &b.name, sizeof(b.name), MSG_DONTWAIT),
		(ssize_t)sizeof(b.name));
	answer(b, "B\n");
	run();
	EXPECT_EQ(written(), "A\nB\n");
	answer(b, "late\n");
	run();
	EXPECT_EQ(written(), "");
}

TEST_F(StdioBridge, LongestLineAndLongestReply) {
	std::string line(8192, 'x'), reply(RTPP_MAX_REPLY - 1, 'y');

	say(line + "\n");
	run();
	Message m = next();
	EXPECT_EQ(m.text, line);
	answer(m, reply + "\n");
	run();
	EXPECT_EQ(written(), reply + "\n");
}

TEST_F(StdioBridge, EndlessLineIsTheEndOfInput) {
	say("a\n" + std::string(8193, 'x'));
	run();
	EXPECT_FALSE(waits_for(0));
	EXPECT_FALSE(stdio_bridge_over(bridge));
	EXPECT_EQ(serve(), 1);
	run();
	EXPECT_EQ(written(), "[a]\n");
	EXPECT_TRUE(stdio_bridge_over(bridge));
}

TEST_F(StdioBridge, InputIsNotReadWhileTooManyLinesAreUnderWay) {
	std::string lines, replies;

	for (int i = 0; i < 1000; i++) {
		lines += std::to_string(i) + "\n";
		replies += "[" + std::to_string(i) + "]\n";
	}
	say(lines);
	end_input();
	run();
	EXPECT_FALSE(waits_for(0));
	std::string all;
	for (int i = 0; i < 1000 && !stdio_bridge_over(bridge); i++) {
		EXPECT_LE(serve(), STDIO_BRIDGE_LINES);
		run(1);
		all += written();
	}
	EXPECT_EQ(all, replies);
	EXPECT_TRUE(stdio_bridge_over(bridge));
}

TEST_F(StdioBridge, InputIsOverOnceEveryReplyIsWritten) {
	say("a\nhalf");
	run();
	EXPECT_TRUE(waits_for(0));
	end_input();
	run();
	EXPECT_FALSE(waits_for(0));
	EXPECT_FALSE(stdio_bridge_over(bridge));
	EXPECT_EQ(serve(), 1);
	run();
	EXPECT_TRUE(stdio_bridge_over(bridge));
	EXPECT_EQ(written(), "[a]\n");
}

TEST_F(StdioBridge, OutputThatIsNotReadIsWaitedFor) {
	const std::string reply(1000, 'y');
	size_t n_said = 0, n_read = 0;

	for (int i = 0; i < 200; i++) {
		say("a\n");
		n_said++;
		run(2);
		for (Message m = next(); m.there; m = next())
			answer(m, reply + "\n");
		run(2);
	}
	EXPECT_TRUE(waits_for(2));
	EXPECT_FALSE(waits_for(0));
	for (int i = 0; i < 1000 && n_read < n_said * (reply.size() + 1); i++) {
		n_read += written().size();
		run(1);
		for (Message m = next(); m.there; m = next())
			answer(m, reply + "\n");
	}
	EXPECT_EQ(n_read, n_said * (reply.size() + 1));
	EXPECT_FALSE(waits_for(2));
}

TEST_F(StdioBridge, NobodyReadingOutputIsTheEnd) {
	say("a\nb\n");
	run();
	close(out);
	close(theirs[1]);
	out = theirs[1] = -1;
	EXPECT_EQ(serve(), 2);
	run();
	EXPECT_TRUE(stdio_bridge_over(bridge));
	EXPECT_FALSE(waits_for(0));
	EXPECT_FALSE(waits_for(2));
}

TEST_F(StdioBridge, DescriptorsOfOthersStayBlocking) {
	for (int fd : theirs)
		EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

TEST(StdioBridgeOpen, FileIsReadFromWhereItStands) {
	char name[] = "/tmp/rtprelay-stdio-XXXXXX";
	int fd = mkstemp(name);
	int nothing = open("/dev/null", O_WRONLY);
	struct stdio_bridge *bridge;
	char buf[100];

	unlink(name);
	ASSERT_EQ(write(fd, "skip\nread\n", 10), 10);
	lseek(fd, 5, SEEK_SET);
	ASSERT_EQ(stdio_bridge_new(&bridge, fd, nothing), 0);
	stdio_bridge_run(bridge);
	ssize_t n = recv(stdio_bridge_worker_fd(bridge), buf, sizeof(buf), MSG_DONTWAIT);
	EXPECT_EQ(n, (ssize_t)sizeof(struct stdio_line_name) + 4);
	EXPECT_EQ(recv(stdio_bridge_worker_fd(bridge), buf, sizeof(buf), MSG_DONTWAIT), -1);
	stdio_bridge_free(bridge);
	close(fd);
	close(nothing);
}

TEST(StdioBridgeOpen, ClosedDescriptorIsRefused) {
	struct stdio_bridge *bridge;
	int nothing = open("/dev/null", O_RDWR);

	EXPECT_EQ(stdio_bridge_new(&bridge, 999, nothing), -EBADF);
	EXPECT_EQ(stdio_bridge_new(&bridge, nothing, 999), -EBADF);
	close(nothing);
}
