// SPDX-License-Identifier: BSD-2-Clause
// Notices over real sockets: listeners that are there, late, slow, gone half-way, or never.
//
// The outbox has no store here: what is added is queued at once. Everything happens in one thread;
// a test turns the loop until what it waits for is there.
#include <arpa/inet.h>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <event2/event.h>
#include <gtest/gtest.h>

#include "clock.h"
#include "config.h"
#include "notifier.h"
#include "outbox.h"

namespace {

// Who is told: a listening socket and the connections that it took.
class Target {
      public:
	std::string text;
	std::vector<int> taken;

	// `kind` unix or tcp.
	Target(const std::string &kind, const std::string &dir, int backlog = 16) {
		fd_ = socket(kind == "unix" ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
		if (kind == "unix")
			bind_path(dir + "/t" + std::to_string(n_targets_++));
		else
			bind_tcp(0);
		listen(backlog);
	}
	Target(const Target &) = delete;
	~Target() {
		hang_up();
		close_listener();
		if (!path_.empty())
			unlink(path_.c_str());
	}
	void close_listener() {
		if (fd_ >= 0)
			close(fd_);
		fd_ = -1;
	}
	// The same address again, after close_listener.
	void come_back() {
		fd_ = socket(path_.empty() ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
		if (path_.empty())
			bind_tcp(port_);
		else
			bind_path(path_);
		listen(16);
	}
	void hang_up() {
		for (int fd : taken)
			close(fd);
		taken.clear();
	}
	bool accept_one() {
		struct pollfd p = {fd_, POLLIN, 0};

		if (fd_ < 0 || poll(&p, 1, 0) != 1)
			return false;
		taken.push_back(accept(fd_, nullptr, nullptr));
		fcntl(taken.back(), F_SETFL, O_NONBLOCK);
		return true;
	}
	// What the last connection has to read.
	std::string take() {
		char buf[65536];
		ssize_t n = taken.empty() ? -1 : recv(taken.back(), buf, sizeof(buf), 0);

		return n > 0 ? std::string(buf, (size_t)n) : "";
	}
	struct slice slice() const {
		return {text.data(), text.size()};
	}

      private:
	static int n_targets_;
	int fd_ = -1;
	uint16_t port_ = 0;
	std::string path_;

	void bind_path(const std::string &path) {
		struct sockaddr_un sun = {};

		path_ = path;
		unlink(path.c_str());
		sun.sun_family = AF_UNIX;
		memcpy(sun.sun_path, path.c_str(), path.size());
		EXPECT_EQ(bind(fd_, (struct sockaddr *)&sun, sizeof(sun)), 0);
		text = "unix:" + path;
	}
	void bind_tcp(uint16_t port) {
		struct sockaddr_in sin = {};
		socklen_t len = sizeof(sin);
		int on = 1;

		sin.sin_family = AF_INET;
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		sin.sin_port = htons(port);
		setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		EXPECT_EQ(bind(fd_, (struct sockaddr *)&sin, sizeof(sin)), 0);
		getsockname(fd_, (struct sockaddr *)&sin, &len);
		port_ = ntohs(sin.sin_port);
		text = "tcp:127.0.0.1:" + std::to_string(port_);
	}
	void listen(int backlog) {
		EXPECT_EQ(::listen(fd_, backlog), 0);
	}
};
int Target::n_targets_;

class Notifier : public ::testing::TestWithParam<const char *> {
      protected:
	struct event_base *base = event_base_new();
	struct rr_config cfg = {};
	struct outbox ob = {};
	struct notifier *notifier = nullptr;
	std::string dir;

	void SetUp() override {
		char name[] = "/tmp/rtprelay-notifier-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
		cfg.store_mb = 1024;
		outbox_init(&ob, &cfg);
		start(NOTIFIER_PATIENCE_MS);
	}
	void start(uint32_t patience_ms) {
		struct notifier_params params = {base, &ob, patience_ms};

		notifier_free(notifier);
		ASSERT_EQ(notifier_new(&notifier, &params), 0);
	}
	void TearDown() override {
		notifier_free(notifier);
		outbox_fini(&ob);
		event_base_free(base);
		EXPECT_EQ(rmdir(dir.c_str()), 0);
	}
	void tell(const Target &target, const std::string &tag, uint32_t local_be = 0) {
		struct outbox_time time = {rr_now_ns(), 0};

		outbox_add(&ob, target.slice(), local_be, {tag.data(), tag.size()}, &time);
		outbox_written(&ob);
	}
	// Turn the loop until the condition holds.
	void until(const std::function<bool()> &condition, const char *what) {
		uint64_t end_ns = rr_now_ns() + 20 * RR_NS_PER_S;

		while (!condition()) {
			ASSERT_LT(rr_now_ns(), end_ns) << "waited in vain for " << what;
			event_base_loop(base, EVLOOP_NONBLOCK);
			outbox_written(&ob);
			usleep_ms(1);
		}
	}
	static void usleep_ms(long ms) {
		struct timespec ts = {0, ms * 1000000};

		nanosleep(&ts, nullptr);
	}
	void accepted(Target &target) {
		until([&] { return target.accept_one(); }, "a connection");
	}
	void heard(Target &target, const std::string &lines) {
		std::string got;

		until([&] { return (got += target.take()).size() >= lines.size(); }, "lines");
		EXPECT_EQ(got, lines);
	}
	struct outbox_target *target_of(const Target &target) {
		for (struct outbox_target *t = ob.targets; t; t = t->next)
			if (std::string(t->text, t->text_len) == target.text)
				return t;
		return nullptr;
	}
};

TEST_P(Notifier, OneConnectionServesAllSessionsInOrder) {
	Target target(GetParam(), dir);
	std::string lines;

	tell(target, "hello wor ld%");
	accepted(target);
	heard(target, "hello wor ld%\n");
	for (int i = 0; i < 1000; i++) {
		tell(target, "tag " + std::to_string(i));
		lines += "tag " + std::to_string(i) + "\n";
	}
	heard(target, lines);
	tell(target, "two\nlines");
	tell(target, "");
	heard(target, "two\nlines\n\n");
	EXPECT_FALSE(target.accept_one()) << "one connection a target";
	EXPECT_EQ(ob.stats.n_sent, 1003U);
	EXPECT_EQ(ob.stats.n_waiting, 0U);
}

TEST_P(Notifier, TargetsAreServedSideBySide) {
	Target one(GetParam(), dir), two(GetParam(), dir);

	tell(one, "1");
	tell(two, "2");
	accepted(two);
	heard(two, "2\n");
	accepted(one);
	heard(one, "1\n");
}

TEST_P(Notifier, NoticeIsLostWhenNobodyListensAndTheNextIsTriedAnew) {
	Target target(GetParam(), dir);

	target.close_listener();
	tell(target, "lost");
	until([&] { return ob.stats.n_unreachable == 1; }, "the loss");
	target.come_back();
	tell(target, "found");
	accepted(target);
	heard(target, "found\n");
	EXPECT_EQ(ob.stats.n_sent, 1U);
}

TEST_P(Notifier, WithPatienceAListenerMayComeLater) {
	Target target(GetParam(), dir);

	cfg.notify_retry_s = 3600;
	target.close_listener();
	tell(target, "1");
	until([&] { return target_of(target)->n_unreachable == 1; }, "the first attempt");
	tell(target, "2");
	target.come_back();
	accepted(target);
	heard(target, "1\n2\n");
	EXPECT_EQ(ob.stats.n_unreachable, 0U);
}

TEST_P(Notifier, ListenerThatWentAwayIsFoundAgain) {
	Target target(GetParam(), dir);

	for (int i = 0; i < 3; i++) {
		tell(target, "tag");
		accepted(target);
		heard(target, "tag\n");
		target.hang_up();
	}
	EXPECT_EQ(ob.stats.n_sent, 3U);
}

TEST_P(Notifier, ListenerThatGoesAwayInTheMiddleIsToldWholeLinesAgain) {
	Target target(GetParam(), dir);
	const std::string big(100000, 'x');
	std::string got;

	// More than the kernel takes, so that a line is cut.
	for (int i = 0; i < 100; i++)
		tell(target, std::to_string(i) + big);
	accepted(target);
	until([&] { return target_of(target)->n_sent_bytes > 0; }, "half a line");
	uint64_t n_sent = ob.stats.n_sent;
	EXPECT_LT(n_sent, 100U);
	target.hang_up();
	accepted(target);
	until(
		[&] {
			got += target.take();
			return ob.stats.n_waiting == 0 && got.substr(got.size() - 1) == "\n" &&
			       got.size() >= (100 - n_sent) * big.size();
		},
		"the rest");
	EXPECT_EQ(got.substr(0, got.find('x')), std::to_string(n_sent));
	EXPECT_EQ(std::count(got.begin(), got.end(), '\n'), (long)(100 - n_sent));
	EXPECT_EQ(ob.stats.n_broken, 0U);
}

TEST_P(Notifier, ListenerThatAlwaysHangsUpCostsOneNoticeAfterTheOther) {
	Target target(GetParam(), dir);
	const std::string big(8000000, 'x'); // never taken whole

	tell(target, "a" + big);
	tell(target, "b");
	for (int i = 0; i <= OUTBOX_RESENDS; i++) {
		accepted(target);
		until([&] { return target_of(target)->n_sent_bytes > 0; }, "half a line");
		target.hang_up();
		until(
			[&] {
				return ob.stats.n_broken == 1 ||
				       target_of(target)->n_broken == (unsigned int)i + 1;
			},
			"the end");
	}
	EXPECT_EQ(ob.stats.n_broken, 1U);
	accepted(target);
	heard(target, "b\n");
}

TEST_P(Notifier, ListenerThatNeverReadsHoldsNobodyUp) {
	Target deaf(GetParam(), dir), good(GetParam(), dir);
	const std::string big(1000000, 'x');

	for (int i = 0; i < 20; i++)
		tell(deaf, big);
	until([&] { return target_of(deaf)->n_sent_bytes > 0; }, "a full connection");
	for (int i = 0; i < 100; i++) {
		tell(good, "tag");
		if (i == 0)
			accepted(good);
		heard(good, "tag\n");
	}
	EXPECT_GT(target_of(deaf)->n_queued, 10U);
	// It is not given up: once it reads, everything arrives.
	accepted(deaf);
	size_t n = 0;
	until([&] { return (n += deaf.take().size()) == 20 * (big.size() + 1); }, "the rest");
	EXPECT_EQ(ob.stats.n_broken, 0U);
}

TEST_P(Notifier, WhatAListenerSaysIsThrownAway) {
	Target target(GetParam(), dir);
	const std::string noise(1000, 'n');

	tell(target, "1");
	accepted(target);
	heard(target, "1\n");
	for (int i = 0; i < 1000; i++) {
		EXPECT_EQ(send(target.taken.back(), noise.data(), noise.size(), 0),
			(ssize_t)noise.size());
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	tell(target, "2");
	heard(target, "2\n");
}

TEST_P(Notifier, IdleConnectionIsClosedWhenItsTargetIsForgotten) {
	Target target(GetParam(), dir);
	char byte;

	tell(target, "1");
	accepted(target);
	heard(target, "1\n");
	for (int i = 0; i < OUTBOX_MAX_TARGETS; i++) {
		Target other("unix", dir);

		tell(other, "1");
		until([&] { return ob.stats.n_waiting == 0; }, "it to be told");
	}
	EXPECT_EQ(target_of(target), nullptr);
	EXPECT_EQ(recv(target.taken.back(), &byte, 1, 0), 0);
}

TEST_P(Notifier, WhatWaitsIsTakenOverWithTheOutbox) {
	Target target(GetParam(), dir);

	notifier_free(notifier);
	notifier = nullptr;
	tell(target, "early");
	start(NOTIFIER_PATIENCE_MS);
	accepted(target);
	heard(target, "early\n");
}

INSTANTIATE_TEST_SUITE_P(Kind, Notifier, ::testing::Values("unix", "tcp"),
	[](const ::testing::TestParamInfo<const char *> &i) { return std::string(i.param); });

// ---- one kind only

class NotifierTcp : public Notifier {};
class NotifierUnix : public Notifier {};

static std::string peer_of(int fd) {
	struct sockaddr_in sin = {};
	socklen_t len = sizeof(sin);
	char text[INET_ADDRSTRLEN];

	getpeername(fd, (struct sockaddr *)&sin, &len);
	return inet_ntop(AF_INET, &sin.sin_addr, text, sizeof(text));
}

TEST_F(NotifierTcp, LeavesFromTheAddressAskedFor) {
	Target target("tcp", dir);

	tell(target, "1", inet_addr("127.0.0.9"));
	accepted(target);
	heard(target, "1\n");
	EXPECT_EQ(peer_of(target.taken.back()), "127.0.0.9");
}

TEST_F(NotifierTcp, LeavesFromAnotherWhenThatAddressIsGone) {
	Target target("tcp", dir);

	tell(target, "1", inet_addr("192.0.2.1"));
	accepted(target);
	heard(target, "1\n");
	EXPECT_EQ(peer_of(target.taken.back()), "127.0.0.1");
}

// A backlog of one, and nobody accepts: some connect, the others are neither taken nor refused.
TEST_F(NotifierTcp, ListenerThatNeverAnswersIsUnreachableAfterAWhile) {
	Target full("tcp", dir, 0);
	std::vector<std::unique_ptr<int, void (*)(int *)>> crowd;

	start(50);
	for (int i = 0; i < 5; i++) {
		struct sockaddr_in sin = {};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		sin.sin_family = AF_INET;
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		sin.sin_port = htons((uint16_t)std::stoi(full.text.substr(14)));
		(void)!connect(fd, (struct sockaddr *)&sin, sizeof(sin));
		crowd.emplace_back(new int(fd), [](int *p) {
			close(*p);
			delete p;
		});
	}
	tell(full, "1");
	until([&] { return ob.stats.n_unreachable == 1; }, "the end of patience");
}

TEST_F(NotifierUnix, FullBacklogIsWaitedForButNotForEver) {
	Target full("unix", dir, 0);
	Target good("unix", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un sun = {};

	start(300);
	sun.sun_family = AF_UNIX;
	memcpy(sun.sun_path, full.text.data() + 5, full.text.size() - 5);
	ASSERT_EQ(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	tell(full, "lost");
	tell(good, "1");
	accepted(good);
	heard(good, "1\n");
	EXPECT_EQ(ob.stats.n_unreachable, 0U);
	until([&] { return ob.stats.n_unreachable == 1; }, "the end of patience");
	// With room again it is as any other.
	start(NOTIFIER_PATIENCE_MS);
	tell(full, "found");
	until([&] { return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 1; },
		"a wait for room");
	accepted(full);
	accepted(full);
	heard(full, "found\n");
	close(fd);
}

TEST_F(NotifierUnix, PathThatIsNoSocketIsUnreachable) {
	Target target("unix", dir);

	target.close_listener();
	unlink(target.text.c_str() + 5);
	tell(target, "1");
	until([&] { return ob.stats.n_unreachable == 1; }, "the loss");
}

} // namespace
