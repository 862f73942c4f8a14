// SPDX-License-Identifier: BSD-2-Clause
// The cookie cache: run once, answer again, forget after 35 s; and the hash that it stands on.
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "clock.h"
#include "hash_tables.h"
#include "job.h"
#include "keyed_hash.h"
#include "retrans.h"

static void remember(void *arg, struct slice cookie) {
	static_cast<std::vector<std::string> *>(arg)->emplace_back(cookie.p, cookie.len);
}

class Retrans : public ::testing::Test {
      protected:
	std::vector<std::string> gone;
	struct retrans *r = retrans_new(remember, &gone);
	std::vector<struct job *> jobs;
	uint64_t now_ns = 1000 * RR_NS_PER_S;
	struct job *first = nullptr;
	struct slice text = {};

	void TearDown() override {
		for (struct job *job : jobs)
			job_free(job);
		retrans_free(r);
		job_drain_free_list();
	}
	struct job *job_with(const std::string &cookie) {
		struct job *job = job_new();

		memcpy(job->bytes, cookie.data(), cookie.size());
		job->cookie = {job->bytes, cookie.size()};
		job->received_ns = now_ns;
		jobs.push_back(job);
		return job;
	}
	enum retrans_verdict begin(struct job *job) {
		return retrans_begin(r, job, &first, &text);
	}
	enum retrans_verdict begin(const std::string &cookie) {
		return begin(job_with(cookie));
	}
	void finish(struct job *job, const std::string &reply) {
		memcpy(job->reply, reply.data(), reply.size());
		job->reply_len = (uint32_t)reply.size();
		retrans_finish(r, job);
	}
	void answered(const std::string &cookie, const std::string &reply) {
		struct job *job = job_with(cookie);

		ASSERT_EQ(begin(job), RETRANS_NEW);
		finish(job, reply);
	}
	int put(const std::string &cookie, const std::string &reply, uint64_t received_ns) {
		return retrans_put(r, {cookie.data(), cookie.size()}, {reply.data(), reply.size()},
			received_ns, now_ns);
	}
	void purge_all() {
		uint64_t n_before;

		do {
			n_before = stats().n_entries;
			retrans_purge(r, now_ns);
		} while (stats().n_entries < n_before);
	}
	std::string reply() {
		return std::string(text.p, text.len);
	}
	struct retrans_stats stats() {
		struct retrans_stats st;

		retrans_get_stats(r, &st);
		return st;
	}
};

TEST_F(Retrans, AnswersADuplicateWithTheFirstReply) {
	answered("ck1", "ck1 20618\n");
	answered("ck2", "ck2 E50\n");
	EXPECT_EQ(stats().n_duplicates, 0u);
	EXPECT_EQ(begin("ck1"), RETRANS_ANSWERED);
	EXPECT_EQ(reply(), "ck1 20618\n");
	EXPECT_EQ(begin("ck2"), RETRANS_ANSWERED);
	EXPECT_EQ(reply(), "ck2 E50\n");
	EXPECT_EQ(begin("ck"), RETRANS_NEW);
	EXPECT_EQ(begin("ck11"), RETRANS_NEW);
	EXPECT_EQ(stats().n_duplicates, 2u);
	EXPECT_EQ(stats().n_entries, 4u);
}

TEST_F(Retrans, DuplicateOfAPendingCommandIsNotRun) {
	struct job *job = job_with("ck");

	ASSERT_EQ(begin(job), RETRANS_NEW);
	EXPECT_EQ(begin("ck"), RETRANS_PENDING);
	EXPECT_EQ(first, job);
	EXPECT_EQ(begin("ck"), RETRANS_PENDING);
	finish(job, "ck 0\n");
	EXPECT_EQ(job->retrans, nullptr);
	EXPECT_EQ(begin("ck"), RETRANS_ANSWERED);
	EXPECT_EQ(stats().n_duplicates, 3u);
}

TEST_F(Retrans, LifeIsCountedFromTheOriginalCommand) {
	answered("ck", "ck 0\n");
	now_ns += RETRANS_LIFE_NS;
	EXPECT_EQ(begin("ck"), RETRANS_ANSWERED);
	now_ns += 1;
	struct job *job = job_with("ck");
	EXPECT_EQ(begin(job), RETRANS_NEW);
	EXPECT_EQ(gone, std::vector<std::string>{"ck"});
	finish(job, "ck 1\n");
	EXPECT_EQ(begin("ck"), RETRANS_ANSWERED);
	EXPECT_EQ(reply(), "ck 1\n");
}

TEST_F(Retrans, PendingEntryOutlivesEverything) {
	struct job *job = job_with("ck");

	ASSERT_EQ(begin(job), RETRANS_NEW);
	now_ns += 2 * RETRANS_LIFE_NS;
	retrans_purge(r, now_ns);
	EXPECT_EQ(begin("ck"), RETRANS_PENDING);
	finish(job, "ck 0\n");
	retrans_purge(r, now_ns);
	EXPECT_EQ(begin("ck"), RETRANS_NEW);
}

TEST_F(Retrans, PurgeDropsTheOldAndKeepsTheYoung) {
	answered("old", "old 0\n");
	now_ns += RETRANS_LIFE_NS;
	answered("young", "young 0\n");
	retrans_purge(r, now_ns);
	EXPECT_EQ(stats().n_entries, 2u);
	now_ns += 1;
	retrans_purge(r, now_ns);
	EXPECT_EQ(stats().n_entries, 1u);
	EXPECT_EQ(gone, std::vector<std::string>{"old"});
	EXPECT_EQ(begin("young"), RETRANS_ANSWERED);
	now_ns += RETRANS_LIFE_NS;
	retrans_purge(r, now_ns);
	EXPECT_EQ(stats().n_entries, 0u);
	EXPECT_EQ(stats().n_bytes, 0u);
}

// Everybody waits meanwhile.
TEST_F(Retrans, PurgeDropsNoMoreThanASlice) {
	const unsigned int n = 3 * RETRANS_PURGE_STEPS;

	for (unsigned int i = 0; i < n; i++)
		answered("ck" + std::to_string(i), "0");
	now_ns += RETRANS_LIFE_NS + 1;
	retrans_purge(r, now_ns);
	EXPECT_LT(stats().n_entries, n);
	EXPECT_GE(stats().n_entries, n - RETRANS_PURGE_STEPS);
	purge_all();
	EXPECT_EQ(stats().n_entries, 0u);
}

// So that the cache holds what came within a life at any rate, not what a purge leaves.
TEST_F(Retrans, NewCookiesTakeTheOldOnesPlace) {
	const unsigned int n = 5000;

	for (unsigned int i = 0; i < n; i++)
		answered("old" + std::to_string(i), "0");
	now_ns += RETRANS_LIFE_NS + 1;
	for (unsigned int i = 0; i < n; i++)
		answered("new" + std::to_string(i), "0");
	EXPECT_GE(gone.size(), n - HASH_TABLES);
	EXPECT_EQ(stats().n_entries, 2 * n - gone.size());
	for (const std::string &cookie : gone)
		EXPECT_EQ(cookie.substr(0, 3), "old");
}

// Its place is that of its arrival, and what came later in the same table waits for it.
TEST_F(Retrans, PendingEntryDelaysThePurgeOfItsTableAlone) {
	const int n = 1000; // some of them in each table, nearly
	struct job *job = job_with("slow");

	ASSERT_EQ(begin(job), RETRANS_NEW);
	for (int i = 0; i < n; i++)
		answered("ck" + std::to_string(i), "0");
	now_ns += RETRANS_LIFE_NS + 1;
	purge_all();
	EXPECT_GE(stats().n_entries, 1u);
	EXPECT_LT(stats().n_entries, 50u);
	EXPECT_EQ(begin("slow"), RETRANS_PENDING);
	for (int i = 0; i < n; i++)
		ASSERT_EQ(begin("ck" + std::to_string(i)), RETRANS_NEW);
	EXPECT_EQ(stats().n_entries, n + 1u);
}

TEST_F(Retrans, CookiesAreBytes) {
	answered(std::string("a\xff\x01", 3), "x");
	EXPECT_EQ(begin(std::string("a\xff\x01", 3)), RETRANS_ANSWERED);
	EXPECT_EQ(begin(std::string("a\xff\x02", 3)), RETRANS_NEW);
	answered(std::string(900, 'c'), "long");
	EXPECT_EQ(begin(std::string(900, 'c')), RETRANS_ANSWERED);
	EXPECT_EQ(begin(std::string(899, 'c')), RETRANS_NEW);
}

TEST_F(Retrans, RestoredEntriesKeepTheirAge) {
	EXPECT_EQ(put("ck", "ck 20618\n", now_ns - RETRANS_LIFE_NS), 0);
	EXPECT_EQ(begin("ck"), RETRANS_RESTORED);
	EXPECT_EQ(reply(), "ck 20618\n");
	now_ns += 1;
	EXPECT_EQ(begin("ck"), RETRANS_NEW);
}

TEST_F(Retrans, RestoreRefusesTheStale) {
	EXPECT_EQ(put("ck", "x", now_ns - RETRANS_LIFE_NS - 1), -ESTALE);
	EXPECT_EQ(put("ck", "x", now_ns + 1), -ESTALE); // another boot
	EXPECT_EQ(put("ck", "x", now_ns), 0);
	EXPECT_EQ(put("ck", "x", now_ns), -EEXIST);
	EXPECT_EQ(stats().n_entries, 1u);
}

TEST_F(Retrans, MemoryIsBounded) {
	const std::string reply(RTPP_MAX_REPLY, 'r');
	std::string cookie(900, 'c');
	uint64_t n = RETRANS_MAX_BYTES / 1000;

	for (uint64_t i = 0; i < n; i++) {
		std::string number = std::to_string(i);
		cookie.replace(0, number.size() + 1, number + "_");
		ASSERT_EQ(put(cookie, reply, now_ns), 0);
	}
	EXPECT_LE(stats().n_bytes, RETRANS_MAX_BYTES);
	EXPECT_GT(stats().n_evicted, 0u);
	EXPECT_EQ(stats().n_entries + stats().n_evicted, n);
	EXPECT_EQ(gone.size(), stats().n_evicted);
	EXPECT_EQ(begin(cookie), RETRANS_RESTORED); // the newest stays
}

TEST(KeyedHash, AgreesWithTheReferenceVectors) {
	// SipHash-2-4 of 00, 00 01, 00 01 02, ... under the key 00 01 .. 0f, from the paper's
	// vectors.
	const uint64_t key[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	uint8_t bytes[64];

	for (int i = 0; i < 64; i++)
		bytes[i] = (uint8_t)i;
	EXPECT_EQ(keyed_hash_with(key, bytes, 0), 0x726fdb47dd0e0e31ull);
	EXPECT_EQ(keyed_hash_with(key, bytes, 1), 0x74f839c593dc67fdull);
	EXPECT_EQ(keyed_hash_with(key, bytes, 8), 0x93f5f5799a932462ull);
	EXPECT_EQ(keyed_hash_with(key, bytes, 15), 0xa129ca6149be45e5ull);
	EXPECT_EQ(keyed_hash_with(key, bytes, 63), 0x958a324ceb064572ull);
}

TEST(KeyedHash, IsStableWithinTheProcess) {
	EXPECT_EQ(keyed_hash("abc", 3), keyed_hash("abc", 3));
	EXPECT_NE(keyed_hash("abc", 3), keyed_hash("abd", 3));
}

TEST(Job, FreedJobsComeBackEmpty) {
	struct job *job = job_new();
	struct job *other = job_new();

	job->n_pending = 5;
	job->cookie.p = "x";
	job_free(job);
	struct job *again = job_new();
	EXPECT_EQ(again, job);
	EXPECT_EQ(again->n_pending, 0u);
	EXPECT_EQ(again->cookie.p, nullptr);
	job_free(again);
	job_free(other);
	job_free(nullptr);
	job_drain_free_list();
}

TEST(Job, FreeListIsBounded) {
	std::vector<struct job *> jobs;

	for (int i = 0; i < 1100; i++)
		jobs.push_back(job_new());
	for (struct job *job : jobs)
		job_free(job);
	job_drain_free_list();
}
