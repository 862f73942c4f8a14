// SPDX-License-Identifier: BSD-2-Clause
// Command sockets that are served in the thread of the test, with a stand-in for what runs the
// commands.
//
// What begins with `w` waits until the test finishes it, the rest is answered at once with its own
// text in brackets. A test turns the loop until what it waits for is there.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <event2/event.h>
#include <gtest/gtest.h>

#include "clock.h"
#include "command_socket.h"
#include "job.h"
#include "listener.h"
#include "retrans.h"

// A client's descriptor.
class Client {
      public:
	int fd = -1;

	explicit Client(int descriptor) : fd(descriptor) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	}
	Client(const Client &) = delete;
	~Client() {
		hang_up();
	}
	void hang_up() {
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	void say(const std::string &text) {
		ASSERT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), (ssize_t)text.size());
	}
	// What is there to read; sets `closed` at the end of a stream.
	std::string take() {
		char buf[70000];
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		closed = closed || n == 0 || (n < 0 && errno == ECONNRESET);
		return n > 0 ? std::string(buf, (size_t)n) : "";
	}
	bool closed = false;
};

class Listener : public ::testing::Test {
      protected:
	struct event_base *base = event_base_new();
	struct retrans *retrans = retrans_new(nullptr, nullptr);
	struct listener_set *set = nullptr;
	std::vector<std::unique_ptr<struct command_socket>> sockets;
	std::vector<struct job *> waiting;
	std::vector<std::string> executed;
	struct rr_endpoint controller = {}; // of the last command
	struct rr_endpoint local = {}; // the address that it was sent to
	bool is_settled = true;
	std::string dir;

	static void execute(void *arg, struct job *job) {
		auto *t = static_cast<Listener *>(arg);
		std::string command(job->command.p ? job->command.p : "", job->command.len);

		t->executed.push_back(command);
		t->controller = job->controller;
		t->local = job->origin.local;
		while (!command.empty() && command[0] == ' ')
			command.erase(0, 1);
		if (!command.empty() && command[0] == 'w')
			t->waiting.push_back(job);
		else
			finish(job);
	}
	static bool settled(void *arg) {
		return static_cast<Listener *>(arg)->is_settled;
	}
	// Answer "COOKIE [COMMAND]", the command cut to what a reply holds.
	static void finish(struct job *job) {
		std::string text = job->cookie.p && !job->cookie_silent
					   ? std::string(job->cookie.p, job->cookie.len) + " "
					   : "";

		text += "[" + std::string(job->command.p, job->command.len) + "]";
		text = text.substr(0, RTPP_MAX_REPLY - 1) + "\n";
		memcpy(job->reply, text.data(), text.size());
		job->reply_len = (uint32_t)text.size();
		job_reply(job);
	}

	void SetUp() override {
		char name[] = "/tmp/rtprelay-listener-XXXXXX";
		struct listener_hooks hooks = {};

		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
		hooks.base = base;
		hooks.retrans = retrans;
		hooks.execute = execute;
		hooks.settled = settled;
		hooks.arg = this;
		hooks.patience_ms = LISTENER_PATIENCE_MS;
		hooks.hold_ms = UINT32_MAX;
		start(hooks);
	}
	void start(const struct listener_hooks &hooks) {
		listener_set_free(set);
		ASSERT_EQ(listener_set_new(&set, &hooks), 0);
	}
	void impatient() {
		struct listener_hooks hooks = {base, retrans, execute, settled, this, 30, 30};

		start(hooks);
	}
	void TearDown() override {
		listener_set_stop(set);
		for (struct job *job : waiting)
			finish(job);
		listener_set_free(set);
		retrans_free(retrans);
		event_base_free(base);
		for (auto &socket : sockets)
			command_socket_close(socket.get());
		job_drain_free_list();
		EXPECT_EQ(rmdir(dir.c_str()), 0) << "a socket file was left behind";
	}

	// Bind and serve; `text` as in the configuration.
	struct command_socket *serve(const std::string &text) {
		sockets.push_back(std::make_unique<struct command_socket>());
		struct command_socket *s = sockets.back().get();

		EXPECT_EQ(command_socket_parse(s, text.c_str()), 0) << text;
		// Port 0 would be refused in a configuration; here the kernel picks a free one.
		if (s->addr.ss_family != AF_UNIX)
			((struct sockaddr_in *)&s->addr)->sin_port = 0;
		EXPECT_EQ(command_socket_bind(s, 0600, (gid_t)-1), 0) << text;
		EXPECT_EQ(listener_add(set, s), 0);
		return s;
	}
	// From an address of the caller's choice, where it names one.
	std::unique_ptr<Client> connect_to(const struct command_socket *s,
		const char *host = nullptr, const char *from = nullptr) {
		struct sockaddr_storage addr = {};
		socklen_t len = sizeof(addr);

		getsockname(s->fd, (struct sockaddr *)&addr, &len);
		if (host && addr.ss_family == AF_INET)
			inet_pton(AF_INET, host, &((struct sockaddr_in *)&addr)->sin_addr);
		else if (host)
			inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)&addr)->sin6_addr);
		int type = s->kind == COMMAND_SOCKET_UDP ? SOCK_DGRAM : SOCK_STREAM;
		auto client = std::make_unique<Client>(socket(addr.ss_family, type, 0));
		if (from) {
			struct sockaddr_in own = {};

			own.sin_family = AF_INET;
			inet_pton(AF_INET, from, &own.sin_addr);
			EXPECT_EQ(bind(client->fd, (struct sockaddr *)&own, sizeof(own)), 0);
		}
		// A client does not block; over TCP the kernel has answered for the listener.
		fcntl(client->fd, F_SETFL, 0);
		EXPECT_EQ(connect(client->fd, (struct sockaddr *)&addr, len), 0) << strerror(errno);
		fcntl(client->fd, F_SETFL, O_NONBLOCK);
		return client;
	}

	void turn() {
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		listener_poll(set);
		listener_flush(set);
	}
	// Turn the loop until the condition holds; false when it never does.
	bool turn_until(const std::function<bool()> &condition) {
		const struct timespec pause = {0, 100000};
		uint64_t end_ns = rr_now_ns() + 20 * RR_NS_PER_S;

		while (!condition()) {
			if (rr_now_ns() > end_ns)
				return false;
			turn();
			nanosleep(&pause, nullptr);
		}
		return true;
	}
	// Enough to see all that has happened already.
	void turn_a_few_times() {
		for (int i = 0; i < 10; i++)
			turn();
	}
	// Everything the client gets until it holds `want` bytes.
	std::string hear(Client &client, size_t want) {
		std::string all;

		EXPECT_TRUE(turn_until([&] {
			all += client.take();
			return all.size() >= want || client.closed;
		})) << "heard only: "
		    << all;
		return all;
	}
	std::string hear_datagram(Client &client) {
		std::string text;

		EXPECT_TRUE(turn_until([&] { return !(text = client.take()).empty(); }));
		return text;
	}
	std::string hear_to_the_end(Client &client) {
		return hear(client, SIZE_MAX);
	}
	int restore(struct slice reply) {
		uint64_t now_ns = rr_now_ns();

		return retrans_put(retrans, {"ck", 2}, reply, now_ns, now_ns);
	}
	struct listener_stats stats() {
		return *listener_stats(set);
	}
};
