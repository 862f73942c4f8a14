// SPDX-License-Identifier: BSD-2-Clause
// Command sockets by themselves: their texts, binding them, and passing them on to a child.
#include <arpa/inet.h>
#include <fcntl.h>
#include <functional>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "command_socket.h"
#include "config.h"
#include "passed_sockets.h"

class CommandSocket : public ::testing::Test {
      protected:
	std::string dir;
	struct command_socket a = {}, b = {};

	void SetUp() override {
		char name[] = "/tmp/rtprelay-socket-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
		a.fd = b.fd = -1;
	}
	void TearDown() override {
		command_socket_close(&a);
		command_socket_close(&b);
		EXPECT_EQ(rmdir(dir.c_str()), 0);
	}
	int open(struct command_socket *s, const std::string &text, mode_t mode = 0600) {
		EXPECT_EQ(command_socket_parse(s, text.c_str()), 0) << text;
		return command_socket_bind(s, mode, (gid_t)-1);
	}
	std::string in_use(const struct command_socket *s, const std::string &kind) {
		struct sockaddr_in sin;
		socklen_t len = sizeof(sin);

		getsockname(s->fd, (struct sockaddr *)&sin, &len);
		return kind + ":127.0.0.1:" + std::to_string(ntohs(sin.sin_port));
	}
	std::string udp_in_use(const struct command_socket *s) {
		return in_use(s, "udp");
	}
	int open_any_port(struct command_socket *s, const std::string &kind) {
		EXPECT_EQ(command_socket_parse(s, (kind + ":127.0.0.1:1").c_str()), 0);
		((struct sockaddr_in *)&s->addr)->sin_port = 0;
		return command_socket_bind(s, 0, (gid_t)-1);
	}
};

TEST_F(CommandSocket, RefusesWhatItCanNotRead) {
	for (const char *text : {"", "unix:", "cunix:", "sctp:1.2.3.4:5", "udp:", "udp:1.2.3.4",
		     "udp:1.2.3.4:", "udp:1.2.3.4:0", "udp:1.2.3.4:65536", "udp:1.2.3.4:5x",
		     "udp:example:5", "udp:::1:5", "udp6:1.2.3.4:5", "udp6:::1",
		     "tcp:", "tcp:1.2.3.4", "tcp:::1:5", "tcp6:1.2.3.4:5", "tcp6:::1"})
		EXPECT_EQ(command_socket_parse(&a, text), -EINVAL) << text;
	std::string long_path = "unix:/" + std::string(120, 'x');
	EXPECT_EQ(command_socket_parse(&a, long_path.c_str()), -EINVAL);
}

TEST_F(CommandSocket, PathHasItsPermissionsAndGoesWithTheSocket) {
	struct stat st;

	ASSERT_EQ(open(&a, "unix:" + dir + "/s", 0620), 0);
	ASSERT_EQ(stat((dir + "/s").c_str(), &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0620u);
	command_socket_close(&a);
	EXPECT_NE(stat((dir + "/s").c_str(), &st), 0);
}

TEST_F(CommandSocket, PathOfALiveServerIsRefused) {
	ASSERT_EQ(open(&a, "unix:" + dir + "/s"), 0);
	EXPECT_EQ(open(&b, "cunix:" + dir + "/s"), -EADDRINUSE);
	EXPECT_EQ(access((dir + "/s").c_str(), F_OK), 0);
}

TEST_F(CommandSocket, PathOfADeadServerIsTakenOver) {
	ASSERT_EQ(open(&a, "unix:" + dir + "/s"), 0);
	close(a.fd);
	a.fd = -1;
	EXPECT_EQ(open(&b, "unix:" + dir + "/s"), 0);
	a.made_path = false;
}

TEST_F(CommandSocket, FileThatIsNoSocketStays) {
	std::string path = dir + "/file";
	int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);

	close(fd);
	EXPECT_EQ(open(&a, "unix:" + path), -EEXIST);
	EXPECT_EQ(unlink(path.c_str()), 0);
	EXPECT_EQ(open(&a, "unix:" + dir + "/no/such/folder"), -ENOENT);
}

TEST_F(CommandSocket, PortInUseIsRefused) {
	for (const char *kind : {"udp", "tcp"}) {
		ASSERT_EQ(open_any_port(&a, kind), 0);
		EXPECT_EQ(open(&b, in_use(&a, kind)), -EADDRINUSE) << kind;
		command_socket_close(&a);
	}
}

TEST_F(CommandSocket, TcpPortOfAnEarlierServerIsTakenAgain) {
	ASSERT_EQ(open_any_port(&a, "tcp"), 0);
	std::string text = in_use(&a, "tcp");
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	getsockname(a.fd, (struct sockaddr *)&sin, &len);
	ASSERT_EQ(connect(client, (struct sockaddr *)&sin, len), 0);
	int served = accept(a.fd, nullptr, nullptr);
	// Closed by the server first, a connection lingers.
	close(served);
	command_socket_close(&a);
	close(client);
	EXPECT_EQ(open(&b, text), 0);
}

TEST_F(CommandSocket, WhatATcpPeerCanFillIsBoundedAndItsSilenceNoticed) {
	const int wanted[][2] = {{IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_KEEPALIVE},
		{IPPROTO_TCP, TCP_USER_TIMEOUT}};
	int value;
	socklen_t len = sizeof(value);
	struct sockaddr_in sin;
	socklen_t sin_len = sizeof(sin);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	ASSERT_EQ(open_any_port(&a, "tcp"), 0);
	getsockname(a.fd, (struct sockaddr *)&sin, &sin_len);
	ASSERT_EQ(connect(client, (struct sockaddr *)&sin, sin_len), 0);
	int served = accept4(a.fd, nullptr, nullptr, 0);
	for (const auto &option : wanted) {
		ASSERT_EQ(getsockopt(served, option[0], option[1], &value, &len), 0);
		EXPECT_GT(value, 0) << option[1];
	}
	for (int option : {SO_RCVBUF, SO_SNDBUF}) {
		ASSERT_EQ(getsockopt(served, SOL_SOCKET, option, &value, &len), 0);
		EXPECT_LE(value, 256 << 10);
	}
	close(served);
	close(client);
}

TEST_F(CommandSocket, MatchesByKindAndAddress) {
	struct command_socket c = {};

	ASSERT_EQ(open(&a, "unix:" + dir + "/s"), 0);
	ASSERT_EQ(command_socket_parse(&b, "udp:127.0.0.1:1"), 0);
	((struct sockaddr_in *)&b.addr)->sin_port = 0;
	ASSERT_EQ(command_socket_bind(&b, 0, (gid_t)-1), 0);
	command_socket_parse(&c, ("cunix:" + dir + "/s").c_str());
	EXPECT_TRUE(command_socket_matches(&c, a.fd));
	EXPECT_FALSE(command_socket_matches(&c, b.fd));
	EXPECT_FALSE(command_socket_matches(&c, -1));
	command_socket_parse(&c, ("unix:" + dir + "/t").c_str());
	EXPECT_FALSE(command_socket_matches(&c, a.fd));
	command_socket_parse(&c, udp_in_use(&b).c_str());
	EXPECT_TRUE(command_socket_matches(&c, b.fd));
	command_socket_parse(&c, "udp:127.0.0.1:1");
	EXPECT_FALSE(command_socket_matches(&c, b.fd));
	command_socket_parse(&c, in_use(&b, "tcp").c_str());
	EXPECT_FALSE(command_socket_matches(&c, b.fd));
}

// What a child that was given sockets finds; its exit status tells.
static int child_takes(const struct rr_config *cfg, const struct command_socket *given, uint32_t n,
	const char *pid) {
	struct command_socket found[RR_MAX_SOCKETS];
	uint32_t n_found;
	int extra = ::open("/dev/null", O_RDONLY);
	int place = passed_sockets_give(given, n, extra);

	if (place != PASSED_SOCKETS_START + (int)n || fcntl(place, F_GETFD) != 0)
		return 10;
	if (pid)
		setenv("LISTEN_PID", pid, 1);
	if (passed_sockets_take(cfg, found, &n_found) < 0)
		return 11;
	if (getenv("LISTEN_FDS"))
		return 12;
	if (pid == nullptr && n_found != n)
		return 15;
	for (uint32_t i = 0; i < n_found; i++) {
		if (found[i].fd < 0)
			return 13;
		if (!command_socket_matches(&found[i], found[i].fd))
			return 14;
	}
	return 0;
}

static int status_of(const std::function<int()> &child) {
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(CommandSocket, SocketsArePassedOn) {
	static struct rr_config cfg;
	struct command_socket given[2];

	ASSERT_EQ(command_socket_parse(&a, "udp:127.0.0.1:1"), 0);
	((struct sockaddr_in *)&a.addr)->sin_port = 0;
	ASSERT_EQ(command_socket_bind(&a, 0, (gid_t)-1), 0);
	ASSERT_EQ(open(&b, "cunix:" + dir + "/s"), 0);
	given[0] = a;
	given[1] = b;
	// The configuration names them in another order.
	cfg.n_sockets = 2;
	snprintf(cfg.socket[0], RR_PATH_LEN, "cunix:%s/s", dir.c_str());
	snprintf(cfg.socket[1], RR_PATH_LEN, "%s", udp_in_use(&a).c_str());
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 2, nullptr); }), 0);
	// Meant for another process: nothing is taken.
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 2, "1"); }), 13);
	// One that the configuration does not name.
	cfg.n_sockets = 1;
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 2, nullptr); }), 11);
	snprintf(cfg.socket[0], RR_PATH_LEN, "carrier-pigeon:");
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 2, nullptr); }), 11);
}

TEST_F(CommandSocket, WhatTheServiceManagerPassedIsSystemd) {
	static struct rr_config cfg;
	struct command_socket given[4], c = {}, d = {};

	ASSERT_EQ(open_any_port(&a, "udp"), 0);
	ASSERT_EQ(open(&b, "unix:" + dir + "/s"), 0);
	ASSERT_EQ(open_any_port(&c, "tcp"), 0);
	ASSERT_EQ(open_any_port(&d, "udp"), 0);
	const struct command_socket all[] = {c, b, d, a};
	memcpy(given, all, sizeof(all));
	cfg.n_sockets = 2;
	snprintf(cfg.socket[0], RR_PATH_LEN, "systemd:");
	snprintf(cfg.socket[1], RR_PATH_LEN, "%s", udp_in_use(&a).c_str());
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 4, nullptr); }), 0);
	// Each is what it is: three more than are named, and the named one in its place.
	EXPECT_EQ(status_of([&] {
		struct command_socket found[RR_MAX_SOCKETS];
		uint32_t n;

		passed_sockets_give(given, 4, ::open("/dev/null", O_RDONLY));
		if (passed_sockets_take(&cfg, found, &n) < 0 || n != 4)
			return 1;
		if (found[0].kind != COMMAND_SOCKET_TCP || found[1].kind != COMMAND_SOCKET_UDP)
			return 2;
		if (found[2].kind != COMMAND_SOCKET_CUNIX || found[3].kind != COMMAND_SOCKET_UDP)
			return 3;
		return found[0].by_systemd && !found[1].by_systemd ? 0 : 4;
	}),
		0);
	// None passed, and none named.
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 0, nullptr); }), 15);
	cfg.n_sockets = 1;
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, 0, nullptr); }), 15);
	command_socket_close(&c);
	command_socket_close(&d);
}

TEST_F(CommandSocket, AdoptsASocketForSharedMemory) {
	struct command_socket c = {};

	ASSERT_EQ(open(&a, "shm:" + dir + "/s"), 0);
	ASSERT_EQ(command_socket_adopt(&c, a.fd), 0);
	EXPECT_EQ(c.kind, COMMAND_SOCKET_SHM);
	EXPECT_TRUE(command_socket_matches(&a, c.fd));
}

TEST_F(CommandSocket, AdoptsNothingThatIsNoCommandSocket) {
	int pair[2];
	int unix_datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
	int not_listening = socket(AF_INET, SOCK_STREAM, 0);
	int file = ::open("/dev/null", O_RDWR);
	struct command_socket c = {};

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	EXPECT_EQ(command_socket_adopt(&c, unix_datagram), -EPROTOTYPE);
	EXPECT_EQ(command_socket_adopt(&c, not_listening), -EPROTOTYPE);
	EXPECT_EQ(command_socket_adopt(&c, pair[0]), -EPROTOTYPE);
	EXPECT_EQ(command_socket_adopt(&c, file), -ENOTSOCK);
	EXPECT_EQ(command_socket_adopt(&c, 999), -EBADF);
	for (int fd : {pair[0], pair[1], unix_datagram, not_listening, file})
		close(fd);
}

TEST_F(CommandSocket, NoMoreArePassedThanCanBeServed) {
	static struct rr_config cfg;
	static struct command_socket given[RR_MAX_SOCKETS];

	ASSERT_EQ(open_any_port(&a, "udp"), 0);
	for (struct command_socket &s : given)
		s = a;
	cfg.n_sockets = 1;
	snprintf(cfg.socket[0], RR_PATH_LEN, "systemd:");
	EXPECT_EQ(status_of([&] {
		struct command_socket found[RR_MAX_SOCKETS];
		uint32_t n;

		passed_sockets_give(given, RR_MAX_SOCKETS, a.fd);
		return passed_sockets_take(&cfg, found, &n) == 0 && n == RR_MAX_SOCKETS ? 0 : 1;
	}),
		0);
	EXPECT_EQ(status_of([&] {
		struct command_socket found[RR_MAX_SOCKETS];
		uint32_t n;

		passed_sockets_give(given, RR_MAX_SOCKETS, a.fd);
		setenv("LISTEN_FDS", "33", 1);
		return passed_sockets_take(&cfg, found, &n) == -E2BIG ? 0 : 1;
	}),
		0);
	// With one more that is configured, there is a place too few.
	cfg.n_sockets = 2;
	snprintf(cfg.socket[1], RR_PATH_LEN, "unix:/nowhere");
	EXPECT_EQ(status_of([&] { return child_takes(&cfg, given, RR_MAX_SOCKETS, nullptr); }), 11);
}
