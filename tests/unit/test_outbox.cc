// SPDX-License-Identifier: BSD-2-Clause
// Timeout notices between the end of a session and whoever takes them.
//
// First the outbox alone: a store of its own, a clock that the test moves, and the test in the
// place of the connections. Then control with it: which sessions leave a notice, with which text,
// for whom, and what a death at each moment costs.
#include "control_fixture.h"

extern "C" {
#include "outbox.h"
}

#include <lmdb.h>

using namespace ctltest;

namespace {

const std::string A = "tcp:127.0.0.1:1", B = "tcp:127.0.0.1:2";

// ---- the outbox alone

class Outbox : public ::testing::Test {
      protected:
	Folder folder;
	struct rr_config cfg = {};
	struct outbox ob = {};
	struct store *store = nullptr;
	struct outbox_time time = {1000 * SECOND, 5000000};
	std::vector<std::string> queued, forgotten;

	void SetUp() override {
		cfg.store_mb = 16;
		permit(A);
		permit(B);
		open_store();
		outbox_init(&ob, &cfg);
		attach();
	}
	void TearDown() override {
		outbox_fini(&ob);
		store_close(store);
	}
	void open_store() {
		struct store_params params = {};

		params.dir = folder.path.c_str();
		params.map_mb = 16;
		ASSERT_EQ(store_open(&store, &params), 0);
	}
	void permit(const std::string &text) {
		snprintf(cfg.notify[cfg.n_notify++], RR_PATH_LEN, "%s", text.c_str());
	}
	static std::string name(const struct outbox_target *t) {
		return std::string(t->text, t->text_len);
	}
	void attach() {
		struct outbox_hooks hooks = {this,
			[](void *arg, struct outbox_target *t) {
				((Outbox *)arg)->queued.push_back(name(t));
			},
			[](void *arg, struct outbox_target *t) {
				((Outbox *)arg)->forgotten.push_back(name(t));
			}};

		outbox_attach(&ob, &hooks);
	}
	void add(const std::string &target, const std::string &tag, uint32_t local_be = 0) {
		outbox_add(&ob, slice_of(target), local_be, slice_of(tag), &time);
	}
	void commit() {
		ASSERT_EQ(store_begin(store), 0);
		ASSERT_EQ(outbox_write(&ob, store), 0);
		ASSERT_EQ(store_commit(store, 1), 0);
		outbox_written(&ob);
	}
	// As after kill -9: what is not in the store is gone.
	void restart() {
		outbox_fini(&ob);
		outbox_init(&ob, &cfg);
		ASSERT_EQ(outbox_load(&ob, store, &time), 0);
		queued.clear();
		attach();
	}
	struct outbox_target *target(const std::string &text, uint32_t local_be = 0) {
		for (struct outbox_target *t = ob.targets; t; t = t->next)
			if (name(t) == text && t->local_be == local_be)
				return t;
		return nullptr;
	}
	// All that is queued for a target, as it would be sent.
	std::string lines(const std::string &text, uint32_t local_be = 0) {
		const struct outbox_target *t = target(text, local_be);
		std::string all;

		for (const struct notice *n = t ? t->queue : nullptr; n; n = n->next)
			all += std::string(n->line, n->len);
		return all;
	}
	size_t n_rows() {
		size_t n = 0;
		auto count = [](void *arg, uint64_t, const struct rr_store_notice *, size_t) {
			++*(size_t *)arg;
			return 0;
		};

		EXPECT_EQ(store_each_notice(store, count, &n), 0);
		return n;
	}
	uint64_t unreachable(const std::string &text) {
		uint64_t pause_ns = 0;

		outbox_unreachable(&ob, target(text), time.now_ns, &pause_ns);
		return pause_ns;
	}
	void pass_ns(uint64_t ns) {
		time.now_ns += ns;
		time.unix_ms += ns / 1000000;
	}
};

TEST_F(Outbox, NoticeIsOfferedOnceItIsInTheStore) {
	EXPECT_FALSE(outbox_changed(&ob));
	add(A, "one");
	EXPECT_TRUE(outbox_changed(&ob));
	EXPECT_TRUE(queued.empty());
	EXPECT_EQ(lines(A), "");
	EXPECT_EQ(ob.stats.n_waiting, 1U);
	commit();
	EXPECT_FALSE(outbox_changed(&ob));
	EXPECT_EQ(queued, std::vector<std::string>{A});
	EXPECT_EQ(lines(A), "one\n");
	EXPECT_EQ(n_rows(), 1U);
}

TEST_F(Outbox, CommitThatFailsIsMadeUpFor) {
	add(A, "one");
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(outbox_write(&ob, store), 0);
	store_abort(store);
	EXPECT_TRUE(outbox_changed(&ob));
	EXPECT_EQ(n_rows(), 0U);
	commit();
	EXPECT_EQ(lines(A), "one\n");
	EXPECT_EQ(n_rows(), 1U);
	outbox_sent(&ob, target(A), 4);
	commit();
	EXPECT_EQ(n_rows(), 0U);
}

TEST_F(Outbox, LineIsTheTagAsItIs) {
	add(A, std::string("two\nlines\0zero", 14));
	add(A, "");
	commit();
	EXPECT_EQ(lines(A), std::string("two\nlines\0zero\n\n", 16));
	restart();
	EXPECT_EQ(lines(A), std::string("two\nlines\0zero\n\n", 16));
}

TEST_F(Outbox, EachTargetHasItsQueueInTheOrderOfTheTimeouts) {
	add(A, "1");
	add(B, "2");
	add(A, "3");
	commit();
	add(A, "4");
	commit();
	EXPECT_EQ(lines(A), "1\n3\n4\n");
	EXPECT_EQ(lines(B), "2\n");
	restart();
	EXPECT_EQ(lines(A), "1\n3\n4\n");
	EXPECT_EQ(lines(B), "2\n");
	EXPECT_EQ(queued.size(), 2U) << "whoever takes the connections over hears of both";
}

TEST_F(Outbox, AnotherLocalAddressIsAnotherTarget) {
	add(A, "1", 0x0100007f);
	add(A, "2");
	commit();
	EXPECT_EQ(lines(A, 0x0100007f), "1\n");
	EXPECT_EQ(lines(A), "2\n");
	restart();
	EXPECT_EQ(lines(A, 0x0100007f), "1\n");
}

TEST_F(Outbox, WhatWasSentIsSentAgainOnlyIfTheStoreDidNotHearOfIt) {
	add(A, "1");
	add(A, "2");
	commit();
	outbox_sent(&ob, target(A), 2);
	EXPECT_EQ(ob.stats.n_sent, 1U);
	EXPECT_TRUE(outbox_changed(&ob));
	restart(); // before the commit
	EXPECT_EQ(lines(A), "1\n2\n");
	outbox_sent(&ob, target(A), 2);
	commit();
	restart(); // after it
	EXPECT_EQ(lines(A), "2\n");
}

TEST_F(Outbox, BytesAreCountedAcrossNotices) {
	add(A, "123");
	add(A, "456");
	add(A, "789");
	commit();
	outbox_sent(&ob, target(A), 3);
	EXPECT_EQ(ob.stats.n_sent, 0U) << "without its line feed it is not whole";
	outbox_sent(&ob, target(A), 6);
	EXPECT_EQ(ob.stats.n_sent, 2U);
	EXPECT_EQ(target(A)->n_sent_bytes, 1U);
	outbox_sent(&ob, target(A), 3);
	EXPECT_EQ(ob.stats.n_sent, 3U);
	EXPECT_EQ(ob.stats.n_waiting, 0U);
	EXPECT_EQ(ob.n_bytes, 0U);
}

// ---- when nobody takes it

TEST_F(Outbox, NoticeThatNobodyTakesIsLost) {
	add(A, "1");
	add(A, "2");
	add(B, "3");
	commit();
	unreachable(A);
	EXPECT_EQ(lines(A), "");
	EXPECT_EQ(lines(B), "3\n");
	EXPECT_EQ(ob.stats.n_unreachable, 2U);
	commit();
	EXPECT_EQ(n_rows(), 1U);
	add(A, "4");
	commit();
	EXPECT_EQ(lines(A), "4\n");
	EXPECT_EQ(unreachable(A), SECOND) << "the pause begins anew";
}

TEST_F(Outbox, WithPatienceItIsTriedAgainWithGrowingPauses) {
	cfg.notify_retry_s = 100;
	add(A, "1");
	commit();
	for (uint64_t pause_s : {1, 2, 4, 8, 16, 32, 32}) {
		uint64_t pause_ns = unreachable(A);

		EXPECT_EQ(pause_ns, pause_s * SECOND);
		EXPECT_EQ(lines(A).substr(0, 2), "1\n");
		pass_ns(pause_ns);
		if (pause_s == 8) {
			add(A, "2"); // 15 s later, has as much more time
			commit();
		}
	}
	// 95 s have passed.
	pass_ns(5 * SECOND);
	unreachable(A);
	EXPECT_EQ(lines(A), "2\n");
	EXPECT_EQ(ob.stats.n_unreachable, 1U);
	outbox_reached(target(A));
	EXPECT_EQ(unreachable(A), SECOND) << "somebody was there";
}

TEST_F(Outbox, RestartDoesNotMakePatienceLonger) {
	cfg.notify_retry_s = 60;
	add(A, "1");
	commit();
	pass_ns(50 * SECOND);
	time.now_ns = 7 * SECOND; // of another boot
	restart();
	pass_ns(9 * SECOND);
	unreachable(A);
	EXPECT_EQ(lines(A), "1\n");
	pass_ns(SECOND);
	unreachable(A);
	EXPECT_EQ(lines(A), "");
}

TEST_F(Outbox, NoticeFromTheFutureHasItsWholeTime) {
	cfg.notify_retry_s = 60;
	add(A, "1");
	commit();
	time.unix_ms -= 1000000; // somebody set the clock
	restart();
	pass_ns(59 * SECOND);
	unreachable(A);
	EXPECT_EQ(lines(A), "1\n");
	pass_ns(SECOND);
	unreachable(A);
	EXPECT_EQ(lines(A), "");
}

TEST_F(Outbox, BrokenOffLineIsSentWhole) {
	add(A, "123");
	add(A, "456");
	commit();
	outbox_sent(&ob, target(A), 6);
	outbox_broken(&ob, target(A));
	EXPECT_EQ(target(A)->n_sent_bytes, 0U);
	EXPECT_EQ(lines(A), "456\n");
}

TEST_F(Outbox, NoticeIsSentAgainThreeTimes) {
	add(A, "1");
	add(A, "2");
	commit();
	for (int i = 0; i < OUTBOX_RESENDS; i++) {
		outbox_broken(&ob, target(A));
		EXPECT_EQ(lines(A), "1\n2\n") << i;
	}
	outbox_broken(&ob, target(A));
	EXPECT_EQ(lines(A), "2\n");
	EXPECT_EQ(ob.stats.n_broken, 1U);
	outbox_broken(&ob, target(A));
	EXPECT_EQ(lines(A), "2\n") << "the next one has as many";
	outbox_sent(&ob, target(A), 2);
	for (int i = 0; i < 10; i++)
		outbox_broken(&ob, target(A)); // nothing waits
	add(A, "3");
	commit();
	outbox_broken(&ob, target(A));
	EXPECT_EQ(lines(A), "3\n");
}

// ---- bounds

TEST_F(Outbox, LongestQueueMakesRoomWithItsOldest) {
	std::string big(1000, 'x');
	size_t n = 0;

	EXPECT_EQ(ob.max_bytes, 1U << 20);
	add(B, "b");
	commit();
	while (ob.stats.n_dropped == 0) {
		add(A, big + std::to_string(n++));
		commit();
		ASSERT_LE(ob.n_bytes, ob.max_bytes);
		ASSERT_LT(n, 10000U);
	}
	EXPECT_GT(n, 900U);
	EXPECT_EQ(lines(B), "b\n");
	EXPECT_EQ(std::string(target(A)->queue->line, target(A)->queue->len), big + "1\n");
	// Half a line can not be taken back.
	outbox_sent(&ob, target(A), 1);
	add(B, big + "12345");
	EXPECT_EQ(std::string(target(A)->queue->line, target(A)->queue->len), big + "1\n");
	EXPECT_EQ(std::string(target(A)->queue->next->line, 1002), big + "3\n");
	commit();
	EXPECT_EQ(n_rows(), ob.stats.n_waiting);
	EXPECT_TRUE(store_has_room(store)) << "new calls are not kept out";
}

TEST_F(Outbox, SmallerStoreKeepsTheYoungest) {
	std::string big(1000, 'x');

	cfg.store_mb = 32;
	restart();
	for (int i = 0; i < 1500; i++)
		add(A, std::to_string(i) + big);
	commit();
	EXPECT_EQ(ob.stats.n_waiting, 1500U);
	cfg.store_mb = 16;
	restart();
	EXPECT_LE(ob.n_bytes, ob.max_bytes);
	EXPECT_EQ(ob.stats.n_waiting + ob.stats.n_dropped, 1500U);
	EXPECT_GT(ob.stats.n_dropped, 0U);
	EXPECT_EQ(std::stoul(target(A)->queue->line), ob.stats.n_dropped);
	commit();
	EXPECT_EQ(n_rows(), ob.stats.n_waiting);
}

TEST_F(Outbox, ManyAtOnceThatDoNotFitAreCounted) {
	std::string big(1000, 'x');

	for (int i = 0; i < 3000; i++)
		add(A, big);
	EXPECT_LE(ob.n_bytes, ob.max_bytes);
	EXPECT_EQ(ob.stats.n_waiting + ob.stats.n_dropped, 3000U);
	EXPECT_GT(ob.stats.n_dropped, 0U);
	commit();
	EXPECT_EQ(n_rows(), ob.stats.n_waiting);
}

TEST_F(Outbox, UnusedTargetsAreForgottenFirstUsedFirst) {
	auto text = [](int i) { return "tcp:127.0.1." + std::to_string(i) + ":1"; };

	for (int i = 0; i < OUTBOX_MAX_TARGETS; i++)
		add(text(i), "t");
	commit();
	outbox_sent(&ob, target(text(7)), 2);
	outbox_sent(&ob, target(text(3)), 2);
	add(text(3), "again");
	commit();
	outbox_sent(&ob, target(text(3)), 6);
	add(A, "1");
	EXPECT_EQ(forgotten, std::vector<std::string>{text(7)});
	add(B, "1");
	EXPECT_EQ(forgotten.back(), text(3));
	EXPECT_EQ(ob.n_targets, (uint32_t)OUTBOX_MAX_TARGETS);
	add("tcp:127.0.2.1:1", "1"); // everybody has something to send
	EXPECT_EQ(ob.stats.n_dropped, 1U);
	EXPECT_EQ(ob.n_targets, (uint32_t)OUTBOX_MAX_TARGETS);
}

// ---- what an earlier control left

TEST_F(Outbox, TargetThatIsPermittedNoMoreIsNotTold) {
	add(A, "1");
	add(B, "2");
	commit();
	cfg.n_notify = 1; // A
	restart();
	EXPECT_EQ(lines(A), "1\n");
	EXPECT_EQ(target(B), nullptr);
	EXPECT_EQ(ob.stats.n_not_permitted, 1U);
	commit();
	EXPECT_EQ(n_rows(), 1U);
}

// A row as only damage makes it.
static void put_raw_row(const std::string &dir, uint64_t id, const std::string &bytes) {
	MDB_val key = {sizeof(id), &id};
	MDB_val row = {bytes.size(), const_cast<char *>(bytes.data())};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	ASSERT_EQ(mdb_env_open(env, dir.c_str(), 0, 0600), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
	ASSERT_EQ(mdb_dbi_open(txn, RR_STORE_OUTBOX, MDB_INTEGERKEY, &dbi), 0);
	ASSERT_EQ(mdb_put(txn, dbi, &key, &row, 0), 0);
	ASSERT_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

TEST_F(Outbox, RowOfImpossibleLengthIsDeleted) {
	struct rr_store_notice head = {};

	add(A, "1");
	commit();
	head.socket_len = (uint16_t)A.size();
	for (uint16_t tag_len : {0, 2, 65535}) {
		head.tag_len = tag_len; // and there is one byte
		store_close(store);
		store = nullptr;
		put_raw_row(
			folder.path, 50, std::string((const char *)&head, sizeof(head)) + A + "1");
		open_store();
		restart();
		EXPECT_EQ(lines(A), "1\n");
		EXPECT_EQ(ob.stats.n_not_permitted, 1U);
		EXPECT_EQ(n_rows(), 2U);
		commit();
		EXPECT_EQ(n_rows(), 1U);
	}
}

// ---- control with it

class NoticeTest : public ControlTest {
      protected:
	NoticeTest() {
		settings.control = "notify = [ \"tcp:127.0.0.1:1\", \"/run/n\", "
				   "\"tcp:%%CC_SELF%%:7\" ]; media_ttl_s = 4; setup_ttl_s = 2;";
	}
	std::string lines(const std::string &text) {
		std::string all;

		for (const struct outbox_target *t = ctl.outbox.targets; t; t = t->next) {
			if (std::string(t->text, t->text_len) != text)
				continue;
			for (const struct notice *n = t->queue; n; n = n->next)
				all += std::string(n->line, n->len);
		}
		return all;
	}
	uint64_t counted(enum stats_counter which) {
		stats_collect(&ctl);
		return ctl.stats.counter[which];
	}
	// A command that came from there.
	void from(const char *controller, const char *local, const std::string &text) {
		struct job *job = execute("V");

		ASSERT_TRUE(settles(job));
		job = job_new();
		ASSERT_EQ(rr_endpoint_parse_addr(&job->controller, controller, RR_FAMILY_NONE), 0);
		ASSERT_EQ(rr_endpoint_parse_addr(&job->origin.local, local, RR_FAMILY_NONE), 0);
		job->origin.reply = on_reply;
		memcpy(job->bytes, text.data(), text.size());
		job->command = {job->bytes, text.size()};
		control_turn_begin(&ctl, now);
		command_execute(&ctl, job);
		ASSERT_TRUE(settles(job));
	}
	bool settles(struct job *job) {
		settle();
		return replied(job);
	}
};

TEST_F(NoticeTest, SessionsThatTimeOutLeaveTheTextOfTheirLastU) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 hello%20wor+ld%25");
	command("U b 198.18.0.50 4000 ft"); // wants none
	command("U c 198.18.0.50 4000 ft tcp:127.0.0.1:1 gone");
	command("U c 198.18.0.50 4000 ft"); // takes its target away
	command("U d 198.18.0.50 4000 ft tcp:127.0.0.1:1 deleted");
	command("D d ft");
	command("U e 198.18.0.50 4000 ft tcp:127.0.0.1:1 first");
	command("U e 198.18.0.50 4000 ft tt /run/n two%0Alines");
	command("U f 198.18.0.50 4000 ft tcp:127.0.0.1:1 longer && S ttl=9");
	pass(3);
	EXPECT_EQ(counted(STATS_nsess_timeout), 4U);
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "hello wor ld%\n");
	EXPECT_EQ(lines("unix:/run/n"), "two\nlines\n");
	pass(7);
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "hello wor ld%\nlonger\n");
	EXPECT_EQ(counted(STATS_notices_waiting), 3U);
}

TEST_F(NoticeTest, DeletingEverythingTellsNobody) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 tag");
	command("X");
	pass(5);
	EXPECT_EQ(counted(STATS_notices_waiting), 0U);
}

TEST_F(NoticeTest, TargetThatIsNotPermittedIsAcceptedAndNotTold) {
	EXPECT_GT(port_of(command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:2 tag")), 0);
	EXPECT_EQ(counted(STATS_notices_not_permitted), 1U);
	pass(3);
	EXPECT_EQ(counted(STATS_nsess_timeout), 1U);
	EXPECT_EQ(counted(STATS_notices_waiting), 0U);
	EXPECT_EQ(counted(STATS_notices_dropped), 0U);
}

TEST_F(NoticeTest, TargetThatIsNotPermittedTakesTheOldOneAway) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 tag");
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:2 tag");
	pass(3);
	EXPECT_EQ(counted(STATS_notices_waiting), 0U);
}

TEST_F(NoticeTest, WildcardIsWhoeverSentTheLastU) {
	from("10.1.2.3", "10.1.2.200", "U a 198.18.0.50 4000 ft tcp:%%CC_SELF%%:7 first");
	from("10.1.2.4", "10.1.2.200", "U a 198.18.0.50 4000 ft tcp:%%CC_SELF%%:7 second");
	from("10.1.2.4", "10.1.2.200", "L a 198.18.0.50 4000 ft tt");
	from("2001:db8::1", "2001:db8::2", "U b 198.18.0.50 4000 ft tcp:%%CC_SELF%%:7 six");
	command("U c 198.18.0.50 4000 ft tcp:%%CC_SELF%%:7 unix");
	crash();
	open();
	settle();
	pass(20);
	EXPECT_EQ(lines("tcp:10.1.2.3:7"), "");
	EXPECT_EQ(lines("tcp:10.1.2.4:7"), "second\n");
	EXPECT_EQ(ctl.outbox.n_targets, 2U);
	EXPECT_EQ(lines("tcp:127.0.0.1:7").size(), strlen("six\nunix\n"));
	for (const struct outbox_target *t = ctl.outbox.targets; t; t = t->next) {
		std::string text(t->text, t->text_len);

		EXPECT_EQ(t->local_be, text == "tcp:10.1.2.4:7" ? inet_addr("10.1.2.200") : 0)
			<< text;
	}
}

TEST_F(NoticeTest, RefusedUpdateLeavesTheTargetAsItWas) {
	from("10.1.2.3", "10.1.2.200", "U a 198.18.0.50 4000 ft tcp:%%CC_SELF%%:7 first");
	dp.status = RR_REPLY_BAD_SLOT;
	from("10.1.2.3", "10.1.2.201", "Un a 198.18.0.51 4000 ft tcp:%%CC_SELF%%:7 second");
	dp.status = RR_REPLY_OK;
	pass(4);
	EXPECT_EQ(lines("tcp:10.1.2.3:7"), "first\n");
	ASSERT_EQ(ctl.outbox.n_targets, 1U);
	EXPECT_EQ(ctl.outbox.targets->local_be, inet_addr("10.1.2.200"));
}

TEST_F(NoticeTest, DeathAfterTheTimeoutLosesNothingAndTellsOnce) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 tag");
	pass(2);
	now += SECOND;
	dp.serve(now);
	control_poll(&ctl, now); // it has timed out, nothing is committed
	EXPECT_EQ(counted(STATS_nsess_timeout), 1U);
	EXPECT_TRUE(ctl.outbox.fresh);
	crash();
	open();
	settle();
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "");
	pass(12); // its grace
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "tag\n");
	EXPECT_EQ(counted(STATS_nsess_timeout), 1U);
	crash(); // committed, not sent
	open();
	settle();
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "tag\n");
	outbox_sent(&ctl.outbox, ctl.outbox.targets, 4);
	settle();
	crash();
	open();
	settle();
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "");
	EXPECT_EQ(counted(STATS_notices_sent), 1U);
	EXPECT_EQ(counted(STATS_notices_waiting), 0U);
}

TEST_F(NoticeTest, RestartKeepsWhatWaits) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 tag");
	pass(3);
	close();
	open();
	settle();
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "tag\n");
}

TEST_F(NoticeTest, OneNoticeASession) {
	command("U a 198.18.0.50 4000 ft tcp:127.0.0.1:1 whole");
	command("L a 198.18.0.60 5000 ft tt");
	pass(4);
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "") << "complete, it has the media TTL";
	receive(session("a"), SESSION_CALLER, SESSION_RTP, 1);
	pass(4);
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "") << "one leg's media keeps both";
	pass(5);
	EXPECT_EQ(lines("tcp:127.0.0.1:1"), "whole\n");
}

class IndependentNoticeTest : public NoticeTest {
      protected:
	IndependentNoticeTest() {
		settings.control += " independent_ttl = true;";
	}
};

TEST_F(IndependentNoticeTest, SilenceOfEitherLegIsTold) {
	for (unsigned int talking : {SESSION_CALLER, SESSION_CALLEE}) {
		std::string tag = "leg" + std::to_string(talking);

		command("U " + tag + " 198.18.0.50 4000 ft tcp:127.0.0.1:1 " + tag);
		command("L " + tag + " 198.18.0.60 5000 ft tt");
	}
	for (int i = 0; i < 4; i++) {
		pass(1);
		for (unsigned int talking : {SESSION_CALLER, SESSION_CALLEE})
			receive(session("leg" + std::to_string(talking)), talking, SESSION_RTP, 1);
	}
	EXPECT_EQ(counted(STATS_notices_waiting), 0U);
	pass(1);
	EXPECT_EQ(counted(STATS_notices_waiting), 2U);
}

} // namespace
