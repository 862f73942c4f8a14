// SPDX-License-Identifier: BSD-2-Clause
// rtppload's way to a server, over each kind of socket, against the real server side in the same
// process; the link waits in a thread of its own while the server turns.
#include <future>
#include <map>

#include "listener_fixture.h"
#include "load_link.h"

static const uint32_t N_SLOTS = 80; // more than are under way for one client of shared memory

class LoadLink : public Listener, public ::testing::WithParamInterface<const char *> {
      protected:
	struct load_link *link = nullptr;
	std::string name; // of the socket, as rtppload takes it
	std::map<uint32_t, std::vector<std::string>> said; // by slot; "-": there is no reply
	size_t n_said = 0;

	static void on_done(void *arg, uint32_t slot, const char *text, size_t len) {
		auto *t = static_cast<LoadLink *>(arg);

		t->said[slot].push_back(text ? std::string(text, len) : "-");
		t->n_said++;
	}
	void serve_it() {
		std::string kind = GetParam();
		bool has_path = kind != "udp:" && kind != "tcp:";
		struct sockaddr_in addr = {};
		socklen_t len = sizeof(addr);

		name = kind + (has_path ? dir + "/socket" : "127.0.0.1:22222");
		struct command_socket *s = serve(name);
		if (has_path)
			return;
		getsockname(s->fd, (struct sockaddr *)&addr, &len);
		name = kind + "127.0.0.1:" + std::to_string(ntohs(addr.sin_port));
	}
	int open(uint64_t timeout_ns = 20 * RR_NS_PER_S) {
		struct load_link_params params = {};

		params.socket = name.c_str();
		params.n_slots = N_SLOTS;
		params.run = 7;
		params.timeout_ns = timeout_ns;
		params.arg = this;
		params.done = on_done;
		return served([&] { return load_link_open(&link, &params); });
	}
	void TearDown() override {
		if (link)
			load_link_close(link);
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
	void say(uint32_t slot, const std::string &command) {
		load_link_send(link, slot, command.data(), command.size());
	}
	// Until so many commands in all have ended.
	void hear(size_t n) {
		uint64_t end_ns = rr_now_ns() + 20 * RR_NS_PER_S;

		served([&] {
			while (n_said < n && rr_now_ns() < end_ns)
				load_link_wait(link, RR_NS_PER_MS);
			return 0;
		});
		ASSERT_EQ(n_said, n);
	}
};

TEST_P(LoadLink, EverySlotHearsTheReplyToItsCommand) {
	serve_it();
	ASSERT_EQ(open(), 0);
	for (int round = 1; round <= 3; round++) {
		for (uint32_t i = 0; i < N_SLOTS; i++)
			say(i, "V " + std::to_string(round) + "." + std::to_string(i));
		hear((size_t)round * N_SLOTS);
		for (uint32_t i = 0; i < N_SLOTS; i++) {
			std::string command =
				"V " + std::to_string(round) + "." + std::to_string(i);

			ASSERT_EQ(said[i].size(), (size_t)round);
			EXPECT_NE(said[i].back().find(command + "]"), std::string::npos)
				<< said[i].back();
		}
	}
	EXPECT_EQ(load_link_get_counts(link).n_strays, 0u);
}

TEST_P(LoadLink, RepliesComeInAnyOrder) {
	serve_it();
	ASSERT_EQ(open(), 0);
	say(0, "w0");
	say(1, "V1");
	hear(1);
	EXPECT_EQ(said.count(0), 0u);
	ASSERT_TRUE(turn_until([&] { return waiting.size() == 1; }));
	finish(waiting[0]);
	waiting.clear();
	hear(2);
	EXPECT_NE(said[0].at(0).find("w0]"), std::string::npos);
}

TEST_P(LoadLink, CommandThatNobodyAnswersEnds) {
	serve_it();
	ASSERT_EQ(open(RR_NS_PER_MS), 0);
	say(5, "w");
	hear(1);
	EXPECT_EQ(said[5].at(0), "-");
}

TEST_P(LoadLink, SocketOfNoKindIsRefused) {
	name = "carrier pigeon:" + dir;
	EXPECT_EQ(open(), -EINVAL);
}

class LoadLinkShm : public LoadLink {
      protected:
	// The worker dies, and a new one comes that knows what the old one answered.
	void restart() {
		struct listener_hooks hooks = {
			base, retrans, execute, settled, this, LISTENER_PATIENCE_MS, UINT32_MAX};

		listener_set_stop(set);
		for (struct job *job : waiting)
			job_free(job);
		waiting.clear();
		start(hooks);
		ASSERT_EQ(listener_add(set, sockets[0].get()), 0);
	}
};

TEST_P(LoadLinkShm, WhatADeadWorkerOwedTheNextOneAnswers) {
	serve_it();
	ASSERT_EQ(open(), 0);
	say(0, "V0");
	hear(1);
	for (uint32_t i = 1; i < N_SLOTS; i++)
		say(i, "V" + std::to_string(i));
	load_link_wait(link, 0); // 64 of them are in the ring
	EXPECT_EQ(executed.size(), 1u);
	restart();
	hear(N_SLOTS);
	for (uint32_t i = 0; i < N_SLOTS; i++)
		EXPECT_EQ(said[i], std::vector<std::string>{"[ V" + std::to_string(i) + "]"});
	EXPECT_EQ(executed.size(), N_SLOTS);
	EXPECT_EQ(load_link_get_counts(link).n_retransmits, 64u);
}

INSTANTIATE_TEST_SUITE_P(Sockets, LoadLinkShm, ::testing::Values("shm:"));
INSTANTIATE_TEST_SUITE_P(Sockets, LoadLink,
	::testing::Values("udp:", "tcp:", "unix:", "cunix:", "shm:"),
	[](const ::testing::TestParamInfo<const char *> &info) {
		std::string kind = info.param;

		return kind.substr(0, kind.find(':'));
	});
