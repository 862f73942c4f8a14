// SPDX-License-Identifier: BSD-2-Clause
// The store alone: rows come back as they went in, in their order, and nothing of what was not
// committed; a full map, another boot, another layout, damaged rows.
#include "control_fixture.h"

extern "C" {
#include "session_record.h"
#include "session_store.h"
}

#include <lmdb.h>
#include <malloc.h>
#include <sys/stat.h>

using namespace ctltest;

namespace {

class StoreTest : public ::testing::Test {
      protected:
	Folder folder;
	struct store *store = nullptr;
	struct store_params params = {};
	std::string dir;

	void SetUp() override {
		dir = folder.path + "/deep/store";
		params.dir = dir.c_str();
		params.map_mb = 1;
		params.now_ns = 1000;
		memset(params.boot_id, 1, sizeof(params.boot_id));
		ASSERT_EQ(store_open(&store, &params), 0);
	}
	void TearDown() override {
		store_close(store);
	}
	void reopen() {
		store_close(store);
		store = nullptr;
		ASSERT_EQ(store_open(&store, &params), 0);
	}
	int put(uint64_t id, const std::string &row) {
		void *room = nullptr;
		int ret = store_put_session(store, id, row.size(), &room);

		if (ret == 0)
			memcpy(room, row.data(), row.size());
		return ret;
	}
	static int collect_session(void *arg, uint64_t id, const void *record, size_t size) {
		(*(std::vector<std::pair<uint64_t, std::string>> *)arg)
			.emplace_back(id, std::string((const char *)record, size));
		return 0;
	}
	std::vector<std::pair<uint64_t, std::string>> sessions() {
		std::vector<std::pair<uint64_t, std::string>> rows;

		EXPECT_EQ(store_each_session(store, collect_session, &rows), 0);
		return rows;
	}
	static int collect_cookie(
		void *arg, struct slice cookie, struct slice reply, uint64_t received_ns) {
		((std::vector<std::string> *)arg)
			->push_back(text_of(cookie) + "=" + text_of(reply) + "@" +
				    std::to_string(received_ns));
		return 0;
	}
	std::vector<std::string> cookies() {
		std::vector<std::string> rows;

		EXPECT_EQ(store_each_cookie(store, collect_cookie, &rows), 0);
		return rows;
	}
	int put_cookie(const std::string &cookie, uint64_t received_ns, uint64_t *row = nullptr,
		const std::string &reply = "reply\n") {
		uint64_t fresh = 0;

		return store_put_cookie(
			store, row ? row : &fresh, slice_of(cookie), slice_of(reply), received_ns);
	}
};

TEST_F(StoreTest, RowsComeBackInOrderOfTheirNumbers) {
	ASSERT_EQ(store_begin(store), 0);
	EXPECT_EQ(put(300, "c"), 0);
	EXPECT_EQ(put(2, "a"), 0);
	EXPECT_EQ(put(255, "b"), 0);
	EXPECT_EQ(put(255, "bb"), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	reopen();
	auto rows = sessions();
	ASSERT_EQ(rows.size(), 3U);
	EXPECT_EQ(rows[0], std::make_pair(UINT64_C(2), std::string("a")));
	EXPECT_EQ(rows[1].second, "bb");
	EXPECT_EQ(rows[2].first, 300U);
}

TEST_F(StoreTest, OnlyWhatWasCommittedComesBack) {
	ASSERT_EQ(store_begin(store), 0);
	put(1, "kept");
	ASSERT_EQ(store_commit(store, 2000), 0);
	ASSERT_EQ(store_begin(store), 0);
	put(2, "aborted");
	store_delete_session(store, 1);
	store_abort(store);
	EXPECT_EQ(sessions().size(), 1U);
	ASSERT_EQ(store_begin(store), 0);
	put(3, "left open");
	reopen();
	EXPECT_EQ(sessions().size(), 1U);
}

TEST_F(StoreTest, DeletingWhatIsNotThereIsNoError) {
	ASSERT_EQ(store_begin(store), 0);
	EXPECT_EQ(store_delete_session(store, 77), 0);
	EXPECT_EQ(put(1, "x"), 0);
	EXPECT_EQ(store_delete_session(store, 1), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	EXPECT_TRUE(sessions().empty());
}

TEST_F(StoreTest, MetaSurvives) {
	store_meta(store)->epoch = 7;
	store_meta(store)->next_uid = 99;
	store_meta(store)->counters[3] = 5;
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	reopen();
	EXPECT_EQ(store_meta(store)->epoch, 7U);
	EXPECT_EQ(store_meta(store)->next_uid, 99U);
	EXPECT_EQ(store_meta(store)->counters[3], 5U);
	EXPECT_TRUE(store_same_boot(store));
	EXPECT_EQ(store_rebase_ns(store), 0U);
}

TEST_F(StoreTest, AnotherBootMovesTimesAndForgetsCookies) {
	ASSERT_EQ(store_begin(store), 0);
	put_cookie("c", 2000);
	put(1, "row");
	ASSERT_EQ(store_commit(store, 5000), 0);
	params.boot_id[0] = 9;
	params.now_ns = 100;
	reopen();
	EXPECT_FALSE(store_same_boot(store));
	// A time 3000 ns before the last commit is now 3000 ns before the start.
	EXPECT_EQ(2000 + store_rebase_ns(store), (uint64_t)(100 - 3000));
	EXPECT_TRUE(cookies().empty());
	EXPECT_EQ(sessions().size(), 1U);
	reopen(); // and the boot is known from then on
	EXPECT_TRUE(store_same_boot(store));
}

// What a loss of power may have left in pieces.
TEST_F(StoreTest, StoreThatWasOpenWhenTheBootEndedIsForgotten) {
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put(1, "call"), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	std::filesystem::copy(dir, folder.path + "/open");
	dir = folder.path + "/open";
	params.dir = dir.c_str();
	reopen(); // the same boot: nobody lost power
	EXPECT_EQ(sessions().size(), 1U);
	std::filesystem::copy(dir, folder.path + "/other");
	dir = folder.path + "/other";
	params.dir = dir.c_str();
	memset(params.boot_id, 2, sizeof(params.boot_id));
	reopen();
	EXPECT_EQ(sessions().size(), 0U);
	EXPECT_EQ(store_meta(store)->next_uid, 1U);
}

TEST_F(StoreTest, ClosedStoreOutlivesEveryBoot) {
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put(1, "call"), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	for (int boot = 2; boot < 5; boot++) {
		memset(params.boot_id, boot, sizeof(params.boot_id));
		reopen();
		EXPECT_EQ(sessions().size(), 1U) << boot;
	}
}

TEST_F(StoreTest, StoreWithoutMarkIsNotBelieved) {
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put(1, "call"), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	store_close(store);
	store = nullptr;
	ASSERT_EQ(unlink((dir + "/boot").c_str()), 0);
	memset(params.boot_id, 2, sizeof(params.boot_id));
	ASSERT_EQ(store_open(&store, &params), 0);
	EXPECT_EQ(sessions().size(), 0U);
}

TEST_F(StoreTest, FolderThatTakesNoMarkIsAnError) {
	struct store *other = nullptr;
	std::string path = folder.path + "/marked";

	std::filesystem::create_directories(path + "/boot.new");
	params.dir = path.c_str();
	EXPECT_EQ(store_open(&other, &params), -EISDIR);
	EXPECT_EQ(other, nullptr);
}

TEST_F(StoreTest, CookiesComeBackUntilTheyAreOld) {
	ASSERT_EQ(store_begin(store), 0);
	for (uint64_t i = 0; i < 40; i++)
		ASSERT_EQ(put_cookie("c" + std::to_string(i), i), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	reopen();
	ASSERT_EQ(cookies().size(), 40U);
	EXPECT_EQ(cookies()[5], "c5=reply\n@5");
	ASSERT_EQ(store_begin(store), 0);
	EXPECT_EQ(store_purge_cookies(store, 10), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	EXPECT_EQ(cookies().size(), 30U);
	EXPECT_EQ(cookies()[0], "c10=reply\n@10");
	ASSERT_EQ(store_begin(store), 0);
	EXPECT_EQ(store_purge_cookies(store, 100), 0); // a bounded number at a time
	ASSERT_EQ(store_commit(store, 2000), 0);
	EXPECT_EQ(cookies().size(), 14U);
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put_cookie("after", 200), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	EXPECT_EQ(cookies().back(), "after=reply\n@200");
}

TEST_F(StoreTest, ReplyThatChangedReplacesTheFirst) {
	uint64_t row = 0;

	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put_cookie("a", 1, &row, "20000\n"), 0);
	ASSERT_EQ(put_cookie("b", 2), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(put_cookie("a", 1, &row, "E72\n"), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	EXPECT_EQ(cookies(), (std::vector<std::string>{"a=E72\n@1", "b=reply\n@2"}));
}

TEST_F(StoreTest, NoticesComeBackUntilTheyAreDeleted) {
	struct rr_store_notice notice = {};
	std::vector<std::string> rows;
	uint64_t id[3];
	auto collect = [](void *arg, uint64_t number, const struct rr_store_notice *head, size_t) {
		((std::vector<std::string> *)arg)
			->push_back(std::to_string(number) + ":" +
				    std::string((const char *)(head + 1),
					    (size_t)head->socket_len + head->tag_len));
		return 0;
	};

	ASSERT_EQ(store_begin(store), 0);
	for (unsigned int i = 0; i < 3; i++)
		ASSERT_EQ(store_put_notice(store, &notice, slice_of("s"),
				  slice_of(std::to_string(i)), &id[i]),
			0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	reopen();
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(store_delete_notice(store, id[1]), 0);
	ASSERT_EQ(store_delete_notice(store, id[1]), 0);
	ASSERT_EQ(store_put_notice(store, &notice, slice_of("s"), slice_of("3"), &id[1]), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	ASSERT_EQ(store_each_notice(store, collect, &rows), 0);
	EXPECT_EQ(rows, (std::vector<std::string>{"0:s0", "2:s2", "3:s3"}));
}

static size_t pages_of_sessions(const char *dir) {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi db;
	MDB_stat stat = {};

	EXPECT_EQ(mdb_env_create(&env), 0);
	EXPECT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	EXPECT_EQ(mdb_env_open(env, dir, MDB_RDONLY | MDB_NOTLS, 0), 0);
	EXPECT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), 0);
	EXPECT_EQ(mdb_dbi_open(txn, RR_STORE_SESSIONS, MDB_INTEGERKEY, &db), 0);
	EXPECT_EQ(mdb_stat(txn, db, &stat), 0);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

// Half-full pages would be twice the memory of a call.
TEST_F(StoreTest, NewSessionsFillTheirPages) {
	const size_t n_rows = 1000, row_size = 500, head = 16; // of a row in its page
	std::string row(row_size, 'x');

	EXPECT_TRUE(sessions().empty());
	for (uint64_t id = 1; id <= n_rows; id++) {
		if (id == n_rows / 2) { // by another process, behind what is there
			reopen();
			EXPECT_EQ(sessions().size(), n_rows / 2 - 1);
		}
		ASSERT_EQ(store_begin(store), 0);
		ASSERT_EQ(put(id, row), 0);
		ASSERT_EQ(put(id / 2 + 1, row), 0); // one that is there changes
		ASSERT_EQ(store_commit(store, 2000), 0);
	}
	EXPECT_EQ(sessions().size(), n_rows);
	EXPECT_LE(pages_of_sessions(dir.c_str()), n_rows / ((4096 - head) / (row_size + head)) + 5);
}

TEST_F(StoreTest, FullMapIsAnErrorThatLosesNothing) {
	std::string row(1000, 'x');
	uint64_t id = 0;
	int ret = 0;

	EXPECT_TRUE(store_has_room(store));
	while (ret == 0) {
		ASSERT_EQ(store_begin(store), 0);
		for (int i = 0; i < 10 && ret == 0; i++)
			ret = put(++id, row);
		if (ret == 0)
			ret = store_commit(store, 2000);
		else
			store_abort(store);
	}
	EXPECT_EQ(ret, -ENOSPC);
	EXPECT_FALSE(store_has_room(store));
	size_t n_kept = sessions().size();

	EXPECT_GT(n_kept, 300U);
	reopen();
	EXPECT_EQ(sessions().size(), n_kept);
}

TEST_F(StoreTest, DiskBlocksAreTakenAtStart) {
	struct stat st;

	ASSERT_EQ(stat((dir + "/data.mdb").c_str(), &st), 0);
	EXPECT_GE((uint64_t)st.st_blocks * 512, UINT64_C(1) << 20);
}

// Writes the meta row anew, of another length.
static void resize_meta_row(const std::string &dir, size_t size) {
	char name[] = RR_STORE_META;
	std::vector<char> bytes(size);
	MDB_val key = {sizeof(name) - 1, name};
	MDB_val row = {0, nullptr};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	ASSERT_EQ(mdb_env_open(env, dir.c_str(), 0, 0600), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
	ASSERT_EQ(mdb_dbi_open(txn, name, 0, &dbi), 0);
	ASSERT_EQ(mdb_get(txn, dbi, &key, &row), 0);
	memcpy(bytes.data(), row.mv_data, std::min(size, row.mv_size));
	row = {size, bytes.data()};
	ASSERT_EQ(mdb_put(txn, dbi, &key, &row, 0), 0);
	ASSERT_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

TEST_F(StoreTest, CountersThatAnEarlierVersionDidNotKnowAreZero) {
	store_meta(store)->counters[63] = 5;
	store_meta(store)->counters[64] = 6;
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	store_close(store);
	store = nullptr;
	resize_meta_row(dir, offsetof(struct rr_store_meta, counters) + 64 * sizeof(uint64_t));
	ASSERT_EQ(store_open(&store, &params), 0);
	EXPECT_EQ(store_meta(store)->counters[63], 5U);
	EXPECT_EQ(store_meta(store)->counters[64], 0U);
}

TEST_F(StoreTest, CountersThatARowLacksAreZeroWhateverStoodThere) {
	struct rr_store_meta row = {}, meta;

	row.layout = RR_STORE_LAYOUT;
	row.counters[0] = 5;
	memset(&meta, 0xff, sizeof(meta));
	ASSERT_EQ(rr_store_meta_read(
			  &meta, &row, offsetof(struct rr_store_meta, counters) + sizeof(uint64_t)),
		0);
	EXPECT_EQ(meta.counters[0], 5U);
	EXPECT_EQ(meta.counters[1], 0U);
}

TEST_F(StoreTest, MetaRowOfNoPossibleLengthIsRefused) {
	const size_t head = offsetof(struct rr_store_meta, counters);

	for (size_t size : {head - 1, sizeof(struct rr_store_meta) + 8}) {
		store_close(store);
		store = nullptr;
		resize_meta_row(dir, size);
		EXPECT_EQ(store_open(&store, &params), -EPROTO) << size;
		resize_meta_row(dir, sizeof(struct rr_store_meta));
		ASSERT_EQ(store_open(&store, &params), 0) << size;
	}
}

TEST_F(StoreTest, AnotherLayoutIsRefused) {
	store_meta(store)->layout = RR_STORE_LAYOUT + 1;
	ASSERT_EQ(store_begin(store), 0);
	ASSERT_EQ(store_commit(store, 2000), 0);
	store_close(store);
	store = nullptr;
	EXPECT_EQ(store_open(&store, &params), -EPROTO);
	EXPECT_EQ(store, nullptr);
}

// LMDB's pages: a number, at 10 what kind they are, at 12 the end of what they lead to.
const uint16_t BRANCH = 1;

class DamagedStoreTest : public StoreTest {
      protected:
	void SetUp() override {
		StoreTest::SetUp();
		ASSERT_EQ(store_begin(store), 0);
		for (uint64_t id = 1; id <= 100; id++)
			ASSERT_EQ(put(id, std::string(1000, 'x')), 0);
		ASSERT_EQ(store_commit(store, 2000), 0);
		ASSERT_EQ(sessions().size(), 100U);
	}
	void write_branches(long offset, const std::string &bytes) {
		FILE *f = fopen((dir + "/data.mdb").c_str(), "r+");
		uint16_t flags = 0;
		unsigned int n = 0;

		ASSERT_NE(f, nullptr);
		for (long page = 0; fseek(f, page + 10, SEEK_SET) == 0 &&
				    fread(&flags, sizeof(flags), 1, f) == 1;
			page += 4096) {
			if (flags != BRANCH)
				continue;
			n++;
			ASSERT_EQ(fseek(f, page + offset, SEEK_SET), 0);
			ASSERT_EQ(fwrite(bytes.data(), bytes.size(), 1, f), 1U);
		}
		EXPECT_GT(n, 0U);
		fclose(f);
	}
	int walk() {
		std::vector<std::pair<uint64_t, std::string>> rows;

		return store_each_session(store, collect_session, &rows);
	}
};

TEST_F(DamagedStoreTest, PageThatIsNoneIsAnError) {
	write_branches(0, std::string(4096, '\0'));
	reopen();
	EXPECT_EQ(walk(), -EPROTO);
}

TEST_F(DamagedStoreTest, MissingRowsAreAnError) {
	write_branches(12, std::string("\x14\0", 2)); // two pages and no more
	reopen();
	EXPECT_EQ(walk(), -EPROTO);
}

TEST_F(DamagedStoreTest, ErrorOfTheOneWhoAskedIsReturned) {
	auto refuse = [](void *, uint64_t, const void *, size_t) { return -ENOENT; };

	EXPECT_EQ(store_each_session(store, refuse, nullptr), -ENOENT);
}

TEST_F(StoreTest, FolderThatCannotBeMadeIsAnError) {
	struct store *other = nullptr;
	std::string path = folder.path + "/file";

	fclose(fopen(path.c_str(), "w"));
	path += "/store";
	params.dir = path.c_str();
	EXPECT_EQ(store_open(&other, &params), -ENOTDIR);
	EXPECT_EQ(other, nullptr);
}

// ---- rows of sessions
// ----------------------------------------------------------------------------

class RowTest : public ControlTest {
      protected:
	std::string row(const std::string &callid) {
		const struct session *s = session(callid);
		std::string bytes(session_store_size(&cfg, s), '\0');

		session_store_write(&cfg, s, &bytes[0]);
		return bytes;
	}
	// Aligned as the store hands rows out.
	static int view(struct rr_session_record_view *v, const std::string &bytes) {
		static std::vector<uint64_t> aligned;

		aligned.resize(bytes.size() / 8 + 1);
		memcpy(aligned.data(), bytes.data(), bytes.size());
		return rr_session_record_view(v, aligned.data(), bytes.size());
	}
};

TEST_F(RowTest, HoldsWhatTheSessionHolds) {
	struct rr_session_record_view v;

	command("Uac0,8z30 call-1 198.18.0.50 4000 ft;1 tcp:127.0.0.1:9 tag");
	command("Ll{lab1} call-1 198.18.0.60 5000 ft;1 tt;1");
	ASSERT_EQ(view(&v, row("call-1")), 0);
	EXPECT_EQ(std::string(v.text[RR_RECORD_CALLID].p, v.text[RR_RECORD_CALLID].len), "call-1");
	EXPECT_EQ(
		std::string(v.text[RR_RECORD_FROM_TAG].p, v.text[RR_RECORD_FROM_TAG].len), "ft;1");
	EXPECT_EQ(std::string(v.text[RR_RECORD_REALM_CALLER].p, 4), "lab1");
	EXPECT_EQ(std::string(v.text[RR_RECORD_NOTIFY_TAG].p, 3), "tag");
	EXPECT_EQ(
		std::string(v.text[RR_RECORD_CODECS_CALLER].p, v.text[RR_RECORD_CODECS_CALLER].len),
		"0,8");
	EXPECT_EQ(v.fixed->leg[1].resize_ms, 30U);
	EXPECT_TRUE(v.fixed->leg[1].flags & RR_RECORD_LEG_ASYMMETRIC);
	EXPECT_TRUE(v.fixed->flags & RR_RECORD_STRONG);
	EXPECT_EQ(v.fixed->leg[0].pair.local.addr[0], 198);
	EXPECT_EQ(ntohs(v.fixed->leg[0].pair.local.port_be), session("call-1")->leg[0].pair.port);
}

TEST_F(RowTest, EveryShorterRowIsRefused) {
	struct rr_session_record_view v;

	command("U c 198.18.0.50 4000 ft tcp:127.0.0.1:9 tag");
	std::string bytes = row("c");

	for (size_t n = 0; n < bytes.size(); n++)
		EXPECT_EQ(view(&v, bytes.substr(0, n)), -EPROTO) << n;
	EXPECT_EQ(view(&v, bytes + "x"), -EPROTO);
	bytes[0] ^= 1; // layout
	EXPECT_EQ(view(&v, bytes), -EPROTO);
}

TEST_F(RowTest, ASessionComesBackAsItWas) {
	command("Uawc0,8 c 198.18.0.50 4000 ft;1 tcp:127.0.0.1:9 tag%0a && S tos=8 && S ttl=77");
	command("Ll{lab1} c 198.18.0.60 5000 ft;1 tt;1");
	command("Un c 198.18.0.50 4002 ft;1 tt;1"); // gives the row bases
	command("U d 0.0.0.0 4000 ft");
	pass(1); // what acknowledgements changed is committed within a second
	std::string c = row("c");
	std::string d = row("d");

	crash();
	open();
	EXPECT_EQ(row("c"), c);
	EXPECT_EQ(row("d"), d);
	settle();
	EXPECT_EQ(row("c"), c);
}

TEST_F(RowTest, OnlyCountersOfFormerPortsTakeRoom) {
	struct rr_session_record_view v;

	command("U c 198.18.0.50 4000 ft");
	command("L c 198.18.0.60 5000 ft tt");
	settle();
	receive(session("c"), SESSION_CALLEE, SESSION_RTP, 3);
	std::string bytes = row("c");
	ASSERT_EQ(view(&v, bytes), 0);
	EXPECT_EQ(v.fixed->n_bases, 0);
	command("Un c 198.18.0.50 4002 ft tt");
	pass(1);
	bytes = row("c");
	ASSERT_EQ(view(&v, bytes), 0);
	ASSERT_EQ(v.fixed->n_bases, 4);
	EXPECT_EQ(v.bases[0].n_packets, 3U);
	crash();
	open();
	EXPECT_EQ(row("c"), bytes);
	EXPECT_NE(command("Q c ft tt").find(" 3 "), std::string::npos);
}

class MemoryTest : public ControlTest {
      protected:
	static const int N_CALLS = 2000;

	MemoryTest() {
		settings.media = "port_min = 20000; port_max = 29999; learning = \"compat\";";
	}
};

// Heap and pages of the store, of complete calls with Call-ID and tags of the usual length, in the
// order in which calls come: each is answered while others begin.
TEST_F(MemoryTest, ACallTakesLessThanTwoKilobytes) {
	size_t heap = 0; // when half of them are there: what all share does not count
	size_t bytes;
	char text[256];

	for (int i = 0; i < N_CALLS + 100; i++) {
		take_seen(); // the test keeps nothing
		if (i == N_CALLS / 2 + 100)
			heap = mallinfo2().uordblks;
		snprintf(text, sizeof(text),
			"Ul{lab1}c8,0,101 %08x-0000-4000-load@192.0.2.1 192.0.2.1 "
			"4000 a%08x;1",
			i, i);
		if (i < N_CALLS) {
			EXPECT_NE(command(text).substr(0, 1), "E");
		}
		snprintf(text, sizeof(text),
			"Ll{lab1}c8,0,101 %08x-0000-4000-load@192.0.2.1 203.0.113.1 "
			"5000 a%08x;1 b%08x;1",
			i - 100, i - 100, i - 100);
		if (i >= 100) {
			EXPECT_NE(command(text).substr(0, 1), "E");
		}
	}
	pass(1);
	ASSERT_EQ(session_index_count(&ctl.index), (size_t)N_CALLS);
	bytes = (mallinfo2().uordblks - heap) / (N_CALLS / 2) +
		pages_of_sessions(cfg.store_dir) * 4096 / N_CALLS;
	EXPECT_LT(bytes, 2048U);
	RecordProperty("bytes_a_call", (int)bytes);
}

TEST_F(RowTest, RowsThatFitNoMoreAreDroppedAndSaidSo) {
	command("U gone 198.18.0.50 4000 ft");
	command("Ul{lab1} kept 198.18.0.50 4000 ft");
	crash();
	dp.stop();
	settings.realms = "lab1 lab2";
	load_config(&cfg, settings, folder.path);
	dp.start(&cfg, now);
	open();
	EXPECT_EQ(session("gone"), nullptr);
	ASSERT_NE(session("kept"), nullptr);
	EXPECT_EQ(cfg.realm[session("kept")->leg[1].local.realm].name, std::string("lab1"));
	EXPECT_EQ(ctl.stats.counter[STATS_nsess_destroyed], 1U);
	settle();
	EXPECT_EQ(dp.n_installed(), 2U);
	crash();
	open(); // the row is gone for good
	EXPECT_EQ(ctl.stats.counter[STATS_nsess_destroyed], 1U);
}

class SmallStoreTest : public ControlTest {
      protected:
	SmallStoreTest() {
		settings.media = "port_min = 20000; port_max = 60000; learning = \"compat\"; "
				 "port_rest_ms = 0;";
	}
	void fill() {
		std::string tag(6000, 't');
		int n = 0;

		while (command("Ul{lab1} c" + std::to_string(n) + " 198.18.0.50 4000 " + tag) !=
			"E72")
			ASSERT_LT(++n, 20000);
	}
};

TEST_F(SmallStoreTest, FullStoreRefusesNewCallsAndKeepsTheRest) {
	fill();
	EXPECT_GE(ctl.stats.counter[STATS_store_full], 1U);
	size_t n = session_index_count(&ctl.index);

	for (int i = 0; i < 20; i++)
		EXPECT_EQ(command("D c" + std::to_string(i) + " " + std::string(6000, 't')), "0");
	EXPECT_NE(command("U other 198.18.0.50 4000 ft"), "E72");
	settle();
	crash();
	open();
	EXPECT_EQ(session_index_count(&ctl.index), n - 20 + 1);
}

// Every row is written again when a region was left, and the largest turn of all is `X`.
TEST_F(SmallStoreTest, FullStoreHasRoomForAnotherRegion) {
	char path[RR_PATH_LEN + 64];
	int n = 0;

	while (command("Ul{lab1} c" + std::to_string(n) + " 198.18.0.50 4000 ft") != "E72")
		ASSERT_LT(++n, 20000);
	ASSERT_GT(n, 1000);
	for (struct session *s = session_index_first(&ctl.index); s; s = session_index_next(s))
		receive(s, SESSION_CALLEE, SESSION_RTP, 1); // the row grows by the counters
	dp.stop();
	rr_region_path(&cfg, path, sizeof(path));
	ASSERT_EQ(unlink(path), 0);
	dp.start(&cfg, now);
	now += SECOND;
	settle();
	EXPECT_NE(command("Ll{lab1} c0 198.18.0.60 5000 ft tt").substr(0, 1), "E");
	pass(20);
	EXPECT_EQ(ctl.rewrite, nullptr);
	EXPECT_EQ(ctl.dirty, nullptr);
	EXPECT_EQ(ctl.stats.counter[STATS_store_full], 1U);
	EXPECT_EQ(command("X"), "0");
	settle();
	EXPECT_EQ(ctl.stats.counter[STATS_store_full], 1U);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
}

// The cursor of the rewriting steps off a session that goes.
TEST_F(SmallStoreTest, SessionsEndWhileTheyAreWrittenAgain) {
	for (int i = 0; i < 5; i++)
		command("Ul{lab1} c" + std::to_string(i) + " 198.18.0.50 4000 ft");
	settle();
	ctl.rewrite = session("c0");
	struct session *next = session("c1");

	session_free(&ctl, session("c0"));
	EXPECT_EQ(ctl.rewrite, next);
}

// A store that takes nothing stands in for control's own for a while.
class FullStoreTest : public ControlTest {
      protected:
	Folder other;
	struct store *full = nullptr;
	MDB_env *env = nullptr;
	MDB_txn *reader = nullptr; // holds every old page back

	void SetUp() override {
		std::string dir = other.path + "/full";
		struct store_params params = {};
		void *room;
		int ret = 0;

		ControlTest::SetUp();
		params.dir = dir.c_str();
		params.map_mb = 1;
		ASSERT_EQ(store_open(&full, &params), 0);
		ASSERT_EQ(mdb_env_create(&env), 0);
		ASSERT_EQ(mdb_env_open(env, params.dir, MDB_RDONLY | MDB_NOTLS, 0), 0);
		ASSERT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &reader), 0);
		for (uint64_t id = 1 << 20; ret == 0; id++) {
			ASSERT_EQ(store_begin(full), 0);
			ret = store_put_session(full, id, 1000, &room);
			if (ret == 0)
				ret = store_commit(full, 1);
			else
				store_abort(full);
		}
		ASSERT_EQ(ret, -ENOSPC);
	}
	void TearDown() override {
		ControlTest::TearDown();
		mdb_txn_abort(reader);
		mdb_env_close(env);
		store_close(full);
	}
	void swap_store() {
		std::swap(ctl.store, full);
	}
	void time_out() {
		now += cfg.ack_timeout_ms * UINT64_C(1000000) + 1;
		turn();
		turn();
	}
	void restart() {
		settle();
		crash();
		open();
		settle();
	}
	static int count_rows(void *arg, struct slice, struct slice, uint64_t) {
		++*(size_t *)arg;
		return 0;
	}
};

TEST_F(FullStoreTest, DeleteIsAnsweredWhenItIsCommitted) {
	size_t n_cookies = 0;

	command("U c 198.18.0.50 4000 ft");
	command("U d 198.18.0.50 4000 ft");
	swap_store();
	struct job *one = execute("D c ft", "k1");
	struct job *query = execute("Q d ft && S ttl=7");
	struct job *version = execute("V");

	for (int i = 0; i < 5; i++)
		turn();
	EXPECT_FALSE(replied(one));
	EXPECT_FALSE(replied(query));
	EXPECT_TRUE(replied(version));
	swap_store();
	settle();
	ASSERT_TRUE(replied(one));
	EXPECT_EQ(reply_of(one), "k1 0");
	EXPECT_TRUE(replied(query));
	restart();
	EXPECT_EQ(session("c"), nullptr);
	EXPECT_EQ(session("d")->leg[0].ttl_s, 7U);
	EXPECT_EQ(store_each_cookie(ctl.store, count_rows, &n_cookies), 0);
	EXPECT_EQ(n_cookies, 1U);
}

TEST_F(FullStoreTest, DeleteThatIsNeverCommittedIsAnError) {
	command("U c 198.18.0.50 4000 ft");
	swap_store();
	struct job *job = execute("D c ft");
	struct job *all = execute("X");

	turn();
	EXPECT_FALSE(replied(job));
	time_out();
	ASSERT_TRUE(replied(job) && replied(all));
	EXPECT_EQ(reply_of(job), "E81");
	EXPECT_EQ(reply_of(all), "E81");
	swap_store();
}

TEST_F(FullStoreTest, ErrorOfAnUndoneCommandWaitsForItsCommit) {
	dp.stop();
	struct job *job = execute("U c 198.18.0.50 4000 ft");

	turn();
	swap_store();
	time_out();
	EXPECT_FALSE(replied(job)); // the store says that the call is there
	swap_store();
	turn();
	ASSERT_TRUE(replied(job));
	EXPECT_EQ(reply_of(job), "E72");
	restart();
	EXPECT_EQ(session("c"), nullptr);
}

TEST_F(FullStoreTest, HeldCommandsEndWithTheProcess) {
	command("U c 198.18.0.50 4000 ft");
	swap_store();
	struct job *job = execute("D c ft");

	turn();
	close();
	EXPECT_FALSE(replied(job));
}

// The commit itself fails: a reader holds every old page back.
TEST_F(SmallStoreTest, FailedCommitUndoesTheTurnsNewCalls) {
	struct job *job;
	std::string tag(6000, 't');
	std::string reply;
	MDB_env *env;
	MDB_txn *reader;
	int n = 0;

	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_open(env, cfg.store_dir, MDB_RDONLY | MDB_NOTLS, 0), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &reader), 0);
	do {
		reply = command("Ul{lab1} c" + std::to_string(n++) + " 198.18.0.50 4000 " + tag);
		ASSERT_LT(n, 20000);
	} while (reply != "E72");
	EXPECT_GE(ctl.stats.counter[STATS_store_full], 1U);
	EXPECT_TRUE(store_has_room(ctl.store)); // it was not the rows
	mdb_txn_abort(reader);
	mdb_env_close(env);
	settle();
	EXPECT_EQ(command("Q c0 " + tag).substr(0, 3), "60 ");
	job = execute("U other 198.18.0.50 4000 ft");
	settle();
	ASSERT_TRUE(replied(job));
	EXPECT_NE(reply_of(job), "E72");
	size_t n_live = session_index_count(&ctl.index);

	crash();
	open();
	EXPECT_EQ(session_index_count(&ctl.index), n_live);
}

} // namespace
