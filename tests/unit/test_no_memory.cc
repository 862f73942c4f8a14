// SPDX-License-Identifier: BSD-2-Clause
// Control without memory: a command that is answered with an error has changed nothing.
//
// The linker leads every malloc and calloc of control through here.
#include "control_fixture.h"

#include "hash_tables.h"
#include "keyed_hash.h"

extern "C" {
#include "admission.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
}

namespace {

int n_left = -1; // until the one that fails; below zero none does
bool no_malloc; // what is asked for zeroed is there all the same
size_t largest; // that was asked for

bool fails() {
	return n_left >= 0 && n_left-- == 0;
}

} // namespace

void *__wrap_malloc(size_t size) {
	largest = std::max(largest, size);
	return no_malloc || fails() ? nullptr : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	largest = std::max(largest, n * size);
	return fails() ? nullptr : __real_calloc(n, size);
}

using namespace ctltest;

namespace {

class NoMemoryTest : public ControlTest {
      protected:
	void TearDown() override {
		n_left = -1;
		no_malloc = false;
		ControlTest::TearDown();
	}
	// The reply of a command whose n-th allocation fails.
	std::string without(int n, const std::string &text) {
		n_left = n;
		struct job *job = execute(text);

		n_left = -1;
		settle();
		EXPECT_TRUE(replied(job)) << text;
		return replied(job) ? reply_of(job) : "";
	}
	std::vector<struct session_leg> live_legs() {
		const struct session *s = session("c");

		if (!s)
			return {};
		return std::vector<struct session_leg>(s->leg, s->leg + SESSION_N_LEGS);
	}
	uint32_t n_ports_taken() {
		struct port_alloc_stats st = {};
		uint32_t n = 0;

		for (uint32_t i = 0; port_alloc_get_stats(ctl.ports, i, &st) == 0; i++)
			n += st.n_taken;
		return n;
	}
	std::string state() {
		const struct session *s = session("c");
		std::string text;

		for (const struct session_leg &leg : s->leg)
			text += std::to_string(leg.pair.uid) + " " +
				std::to_string(leg.signalled.addr[3]) + " " +
				std::to_string(leg.asymmetric) + " ";
		for (unsigned int i = 0; i < SESSION_N_TEXTS; i++)
			text += "'" + text_of(session_text(s, (enum session_text)i)) + "' ";
		return text;
	}
};

TEST_F(NoMemoryTest, RefusedUpdateLeavesTheCallAsItWas) {
	command("Uc0 c 198.18.0.50 4000 ft");
	command("L c 198.18.0.60 5000 ft tt");
	settle();
	std::string before = state();
	int n = 0;

	while (without(n, "Uac18 c 198.18.0.51 4100 ft tcp:127.0.0.1:9 tag") == "E81") {
		EXPECT_EQ(state(), before) << n;
		EXPECT_EQ(session("c")->changes, nullptr) << n;
		ASSERT_LT(++n, 100);
	}
	EXPECT_GE(n, 2);
	EXPECT_NE(state(), before);
}

// What could not be queued is brought over by a resync.
TEST_F(NoMemoryTest, RequestThatWasNotQueuedIsMadeUpFor) {
	command("U c 198.18.0.50 4000 ft");
	settle();
	dp_client_take_overflow(ctl.dp);
	no_malloc = true;
	for (int i = 0; i < 1000; i++) // the free list comes to its end
		session_tell(&ctl, session("c"), nullptr);
	no_malloc = false;
	EXPECT_TRUE(dp_client_take_overflow(ctl.dp));
}

TEST_F(NoMemoryTest, BarriersAreSentWhenThereIsMemory) {
	char path[RR_PATH_LEN + 64];

	close();
	dp.stop();
	rr_region_path(&cfg, path, sizeof(path));
	ASSERT_EQ(unlink(path), 0);
	open();
	dp.start(&cfg, now);
	now += SECOND;
	no_malloc = true;
	dp_client_watch(ctl.dp, now);
	no_malloc = false;
	ASSERT_NE(dp_client_region(ctl.dp), nullptr);
	EXPECT_FALSE(dp_client_settled(ctl.dp));
	settle();
	settle();
	EXPECT_TRUE(dp_client_settled(ctl.dp));
	EXPECT_TRUE(control_settled(&ctl));
}

TEST_F(NoMemoryTest, RefusedNewCallLeavesNothing) {
	int n = 0;

	command("U other 198.18.0.50 4000 ft");
	settle();
	while (without(n, "Uac18 c 198.18.0.51 4100 ft tcp:127.0.0.1:9 tag")[0] == 'E') {
		EXPECT_EQ(session_index_count(&ctl.index), 1U) << n;
		EXPECT_EQ(dp.n_installed(), 2U) << n;
		EXPECT_EQ(ctl.stats.counter[STATS_nsess_created], 1U) << n;
		EXPECT_EQ(ctl.stats.counter[STATS_nsess_destroyed], 0U) << n;
		ASSERT_LT(++n, 100);
	}
	EXPECT_GE(n, 3);
	EXPECT_EQ(session_index_count(&ctl.index), 2U);
}

// Whatever fails, the dataplane ends with the flows of the calls that there are.
TEST_F(NoMemoryTest, EveryCommandSucceedsOrLeavesThingsAsTheyWere) {
	const char *commands[] = {"L c 198.18.0.60 5000 ft tt", "Un c 198.18.0.50 4000 ft",
		"U c 198.18.0.51 4000 ft tt && L 198.18.0.61 5000",
		"Q c ft && S ttl=9 && S tos=4 && D", "D c ft"};

	for (const char *text : commands) {
		for (int n = 0; n < 20; n++) {
			command("U c 198.18.0.50 4000 ft");
			without(n, text);
			settle();
			unsigned int n_flows = 0;

			for (const struct session_leg &leg : live_legs())
				n_flows += leg.pair.uid != 0 ? 2 : 0;
			EXPECT_EQ(dp.n_installed(), n_flows) << text << " " << n;
			command("X");
			settle();
			EXPECT_EQ(dp.n_installed(), 0U) << text << " " << n;
			EXPECT_EQ(session_index_count(&ctl.index), 0U) << text << " " << n;
		}
	}
	now += cfg.port_rest_ms * UINT64_C(1000000);
	EXPECT_EQ(n_ports_taken(), 0U);
}

// The first call makes the tables of the index, and some of those that follow make them larger.
class NoMemoryForNoticesTest : public NoMemoryTest {
      protected:
	NoMemoryForNoticesTest() {
		settings.control += " media_ttl_s = 1;";
	}
};

TEST_F(NoMemoryForNoticesTest, SessionEndsAndTheNoticeIsCounted) {
	const struct outbox_stats *stats = &ctl.outbox.stats;

	// Target and notice fail in turn, then there is memory.
	for (int n = 0; n < 3; n++) {
		command("U c 198.18.0.50 4000 ft tcp:127.0.0.1:9 tag");
		now += 2 * SECOND;
		dp.serve(now);
		ctl.now_ns = now;
		n_left = n;
		expiry_run(&ctl);
		n_left = -1;
		settle();
		EXPECT_EQ(session("c"), nullptr) << n;
		EXPECT_EQ(stats->n_dropped, (uint64_t)std::min(n + 1, 2)) << n;
	}
	EXPECT_EQ(stats->n_waiting, 1U);
}

class NoMemoryForTheIndexTest : public NoMemoryTest {
	unsigned int n_names = 0;

      protected:
	std::vector<std::string> names;

	NoMemoryForTheIndexTest() {
		settings.media = "port_min = 20000; port_max = 20999;";
	}
	// The next Call-ID that belongs to the first of the tables.
	std::string next_name() {
		std::string name;

		do
			name = "c" + std::to_string(n_names++);
		while (hash_table_of((unsigned int)keyed_hash(name.data(), name.size())) != 0);
		return name;
	}
	// Returns how many allocations failed before the call came to be.
	int make_call(unsigned int i) {
		std::string name = next_name();
		int n = 0;

		names.push_back(name);

		while (without(n, "U " + name + " 198.18.0.50 4000 ft")[0] == 'E') {
			EXPECT_EQ(session_index_count(&ctl.index), i) << n;
			EXPECT_EQ(call(name), nullptr) << n;
			n++;
		}
		return n;
	}
};

TEST_F(NoMemoryForTheIndexTest, RefusesTheCallAndKeepsTheOthers) {
	const unsigned int n_calls = 300;
	unsigned int n_grown = 0;
	int usual = 0;

	command("V"); // leaves a job to take, so that none has to be made
	make_call(0);
	usual = make_call(1);
	for (unsigned int i = 2; i < n_calls; i++)
		n_grown += make_call(i) > usual;
	EXPECT_GE(n_grown, 1U);
	for (const std::string &name : names)
		EXPECT_NE(session(name), nullptr) << name;
}

// A table that grows is rebuilt in one go, which holds everybody up; it is as large as its buckets.
TEST(TablesTest, GrowInSmallSteps) {
	const unsigned int n = 50000;
	std::vector<struct session> sessions(n);
	struct session_index index;
	struct retrans *retrans = retrans_new(nullptr, nullptr);
	struct rr_config cfg = {};

	ASSERT_EQ(session_index_init(&index, &cfg), 0);
	largest = 0;
	for (unsigned int i = 0; i < n; i++) {
		std::string name = "c" + std::to_string(i);
		struct slice text = {name.data(), name.size()};

		ASSERT_EQ(session_index_add(&index, &sessions[i], text), 0);
		ASSERT_EQ(retrans_put(retrans, text, text, SECOND, SECOND), 0);
	}
	EXPECT_LE(largest, 65536U);
	for (struct session &s : sessions)
		session_index_remove(&index, &s);
	session_index_fini(&index);
	retrans_free(retrans);
}

// ---- an operator

class AskWithoutMemoryTest : public AskTest {
      protected:
	std::string ask_without(const std::string &words) {
		job_free(job_new()); // there is one left
		no_malloc = true;
		struct job *job = ask_only(words);

		no_malloc = false;
		return outcome(job);
	}
};

TEST_F(AskWithoutMemoryTest, WhatIsDoneIsCalledDone) {
	EXPECT_EQ(
		ask_without("pause"), "error it is done, but control is out of memory to say what");
	EXPECT_EQ(admission_of(&ctl), RR_ADMISSION_PAUSED);
	EXPECT_EQ(ask_without("bogus"), "error control is out of memory");
}

} // namespace
