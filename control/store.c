// SPDX-License-Identifier: BSD-2-Clause
// What survives the death of control, in LMDB.
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "folder.h"
#include "log.h"
#include "store_boot.h"

#define FILE_MODE 0660
#define PURGE_EXTRA 16
#define MAX_READERS 32

enum db {
	DB_META,
	DB_SESSIONS,
	DB_COOKIES,
	DB_OUTBOX,
	DB_ADDRESSES,
};

static const char *const db_names[RR_STORE_N_DBS] = {
	[DB_META] = RR_STORE_META,
	[DB_SESSIONS] = RR_STORE_SESSIONS,
	[DB_COOKIES] = RR_STORE_COOKIES,
	[DB_OUTBOX] = RR_STORE_OUTBOX,
	[DB_ADDRESSES] = RR_STORE_ADDRESSES,
};

struct store {
	MDB_env *env;
	MDB_txn *txn; // the write transaction under way, or NULL
	MDB_dbi db[RR_STORE_N_DBS];
	struct rr_store_meta meta;
	char dir[RR_PATH_LEN];
	bool is_open; // since store_open went well
	uint64_t rebase_ns;
	bool same_boot;
	uint64_t map_pages;
	uint64_t used_pages; // by rows, as of the last commit
	uint32_t n_cookies_put; // in this transaction
	uint64_t last_session; // greatest id; UINT64_MAX until store_each_session has found it
	void *scratch; // aligned copy of the row that is being looked at
	size_t scratch_size;
};

// LMDB's own numbers are negative and below -30000; the system's are positive.
static int error_of(int ret) {
	if (ret == MDB_SUCCESS)
		return 0;
	if (ret == MDB_MAP_FULL || ret == MDB_TXN_FULL)
		return -ENOSPC;
	if (ret == MDB_NOTFOUND)
		return -ENOENT;
	if (ret == MDB_MAP_RESIZED || ret == MDB_INCOMPATIBLE || ret == MDB_VERSION_MISMATCH ||
		ret == MDB_INVALID || ret == MDB_CORRUPTED || ret == MDB_PAGE_NOTFOUND)
		return -EPROTO;
	return ret > 0 ? -ret : -EIO;
}

// ---- open
// ----------------------------------------------------------------------------------------

static int set_dir(struct store *st, const char *dir) {
	size_t len = strlen(dir);

	if (len >= sizeof(st->dir))
		return -ENAMETOOLONG;
	memcpy(st->dir, dir, len + 1);
	return 0;
}

// In a sparse file a full disk would be a signal in the middle of a commit.
static int allocate_blocks(struct store *st, uint64_t size) {
	int fd;
	int ret = error_of(mdb_env_get_fd(st->env, &fd));

	if (ret < 0)
		return ret;
	if (fallocate(fd, 0, 0, (off_t)size) == 0 || errno == EOPNOTSUPP)
		return 0;
	return -errno;
}

static int open_env(struct store *st, const struct store_params *params) {
	uint64_t size = (uint64_t)params->map_mb << 20;
	int ret = mdb_env_create(&st->env);

	if (ret == 0)
		ret = mdb_env_set_maxdbs(st->env, RR_STORE_N_DBS);
	if (ret == 0)
		ret = mdb_env_set_maxreaders(st->env, MAX_READERS);
	if (ret == 0)
		ret = mdb_env_set_mapsize(st->env, size);
	if (ret == 0)
		ret = mdb_env_open(st->env, params->dir, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC,
			FILE_MODE);
	if (ret != 0)
		return error_of(ret);
	store_check_readers(st);
	return allocate_blocks(st, size);
}

static int open_dbs(struct store *st) {
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < RR_STORE_N_DBS; i++)
		ret = mdb_dbi_open(st->txn, db_names[i],
			MDB_CREATE | (i == DB_META ? 0 : MDB_INTEGERKEY), &st->db[i]);
	return error_of(ret);
}

static MDB_val meta_key(void) {
	static char key[] = RR_STORE_META;

	return (MDB_val){.mv_size = sizeof(key) - 1, .mv_data = key};
}

static int read_meta(struct store *st, const struct store_params *params) {
	MDB_val key = meta_key();
	MDB_val row;
	int ret = mdb_get(st->txn, st->db[DB_META], &key, &row);

	st->same_boot = true;
	if (ret == MDB_NOTFOUND) {
		st->meta = (struct rr_store_meta){
			.layout = RR_STORE_LAYOUT, .next_uid = 1, .next_cookie = 1};
	} else if (ret != 0) {
		return error_of(ret);
	} else {
		ret = rr_store_meta_read(&st->meta, row.mv_data, row.mv_size);
		if (ret < 0)
			return ret;
		st->same_boot =
			memcmp(st->meta.boot_id, params->boot_id, sizeof(st->meta.boot_id)) == 0;
		if (!st->same_boot)
			st->rebase_ns = params->now_ns - st->meta.written_ns;
	}
	memcpy(st->meta.boot_id, params->boot_id, sizeof(st->meta.boot_id));
	return 0;
}

// Rows of cookies are of no use after a reboot: every controller gave up long ago.
static int drop_old_cookies(struct store *st) {
	return st->same_boot ? 0 : error_of(mdb_drop(st->txn, st->db[DB_COOKIES], 0));
}

static int open_content(struct store *st, const struct store_params *params) {
	int ret = store_begin(st);

	if (ret < 0)
		return ret;
	ret = open_dbs(st);
	if (ret == 0)
		ret = read_meta(st, params);
	if (ret == 0)
		ret = drop_old_cookies(st);
	if (ret == 0)
		return store_commit(st, params->now_ns);
	store_abort(st);
	return ret;
}

int store_open(struct store **out, const struct store_params *params) {
	struct store *st = (struct store *)calloc(1, sizeof(*st));
	MDB_envinfo info;
	MDB_stat stat;
	int ret;

	if (!st)
		return -ENOMEM;
	ret = set_dir(st, params->dir);
	if (ret == 0)
		ret = rr_folder_make(st->dir, 0770);
	if (ret >= 0)
		ret = store_boot_enter(st->dir, params->boot_id);
	if (ret == 0)
		ret = open_env(st, params);
	if (ret < 0) {
		store_close(st);
		return ret;
	}
	mdb_env_info(st->env, &info);
	mdb_env_stat(st->env, &stat);
	st->map_pages = info.me_mapsize / stat.ms_psize;
	ret = open_content(st, params);
	if (ret < 0) {
		store_close(st);
		return ret;
	}
	st->is_open = true;
	st->last_session = UINT64_MAX;
	*out = st;
	return 0;
}

void store_close(struct store *st) {
	bool synced;

	if (!st)
		return;
	if (st->txn)
		store_abort(st);
	synced = st->is_open && mdb_env_sync(st->env, 1) == 0;
	mdb_env_close(st->env);
	if (synced && store_boot_leave(st->dir, st->meta.boot_id) < 0)
		rr_warn("store", "not marked as closed dir=%s", st->dir);
	free(st->scratch);
	free(st);
}

struct rr_store_meta *store_meta(struct store *st) {
	return &st->meta;
}

uint64_t store_rebase_ns(const struct store *st) {
	return st->rebase_ns;
}

bool store_same_boot(const struct store *st) {
	return st->same_boot;
}

// ---- read
// ----------------------------------------------------------------------------------------

// LMDB aligns rows to two bytes only.
static int align_row(struct store *st, const MDB_val *row) {
	if (row->mv_size > st->scratch_size) {
		void *bigger = realloc(st->scratch, row->mv_size);

		if (!bigger)
			return -ENOMEM;
		st->scratch = bigger;
		st->scratch_size = row->mv_size;
	}
	memcpy(st->scratch, row->mv_data, row->mv_size);
	return 0;
}

// A row on its way to the one who asked for it.
struct row {
	uint64_t key;
	const void *data; // aligned
	size_t size;
};

typedef int (*row_fn)(void *arg, const struct row *row);

static int show_row(
	struct store *st, const MDB_val *key, const MDB_val *data, row_fn fn, void *arg) {
	struct row row = {.size = data->mv_size};
	int ret = key->mv_size == sizeof(row.key) ? align_row(st, data) : -EPROTO;

	if (ret < 0)
		return ret;
	memcpy(&row.key, key->mv_data, sizeof(row.key));
	row.data = st->scratch;
	return fn(arg, &row);
}

// Exactly n rows, no matter whether the tree is damaged so that it has fewer or goes on for ever.
static int show_rows(struct store *st, MDB_cursor *cursor, size_t n, row_fn fn, void *arg) {
	MDB_val key, data;

	for (size_t i = 0; i < n; i++) {
		int ret = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);

		if (ret == MDB_NOTFOUND)
			return -EPROTO;
		ret = ret == 0 ? show_row(st, &key, &data, fn, arg) : error_of(ret);
		if (ret < 0)
			return ret;
	}
	return mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_NOTFOUND ? 0 : -EPROTO;
}

static int each_row(struct store *st, enum db db, row_fn fn, void *arg) {
	MDB_cursor *cursor;
	MDB_stat stat;
	MDB_txn *txn;
	int ret = error_of(mdb_txn_begin(st->env, NULL, MDB_RDONLY, &txn));

	if (ret < 0)
		return ret;
	ret = error_of(mdb_stat(txn, st->db[db], &stat));
	if (ret == 0)
		ret = error_of(mdb_cursor_open(txn, st->db[db], &cursor));
	if (ret == 0) {
		ret = show_rows(st, cursor, stat.ms_entries, fn, arg);
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return ret;
}

static void note_session(struct store *st, uint64_t id) {
	if (id > st->last_session)
		st->last_session = id;
}

struct session_walk {
	struct store *st;
	int (*fn)(void *arg, uint64_t id, const void *record, size_t size);
	void *arg;
};

static int walk_session(void *arg, const struct row *row) {
	const struct session_walk *walk = (const struct session_walk *)arg;

	note_session(walk->st, row->key);
	return walk->fn(walk->arg, row->key, row->data, row->size);
}

int store_each_session(struct store *st,
	int (*fn)(void *arg, uint64_t id, const void *record, size_t size), void *arg) {
	struct session_walk walk = {st, fn, arg};

	st->last_session = 0;
	return each_row(st, DB_SESSIONS, walk_session, &walk);
}

struct cookie_walk {
	int (*fn)(void *arg, struct slice cookie, struct slice reply, uint64_t received_ns);
	void *arg;
};

static int walk_cookie(void *arg, const struct row *row) {
	const struct cookie_walk *walk = (const struct cookie_walk *)arg;
	const struct rr_store_cookie *head = (const struct rr_store_cookie *)row->data;
	struct slice cookie, reply;

	if (row->size < sizeof(*head) ||
		row->size - sizeof(*head) != (size_t)head->cookie_len + head->reply_len)
		return -EPROTO;
	cookie = (struct slice){.p = (const char *)(head + 1), .len = head->cookie_len};
	reply = (struct slice){.p = cookie.p + cookie.len, .len = head->reply_len};
	return walk->fn(walk->arg, cookie, reply, head->received_ns);
}

int store_each_cookie(struct store *st,
	int (*fn)(void *arg, struct slice cookie, struct slice reply, uint64_t received_ns),
	void *arg) {
	struct cookie_walk walk = {fn, arg};

	return each_row(st, DB_COOKIES, walk_cookie, &walk);
}

struct address_walk {
	int (*fn)(void *arg, const struct rr_store_address *address, const struct rr_text *realm);
	void *arg;
};

static int walk_address(void *arg, const struct row *row) {
	const struct address_walk *walk = (const struct address_walk *)arg;
	struct rr_store_address address;
	struct rr_text realm;
	int ret = rr_store_address_read(&address, &realm, row->data, row->size);

	if (ret == 0)
		return walk->fn(walk->arg, &address, &realm);
	rr_warn("store", "address dropped row=%llu: %s", (unsigned long long)row->key,
		strerror(-ret));
	return 0;
}

int store_each_address(struct store *st,
	int (*fn)(void *arg, const struct rr_store_address *address, const struct rr_text *realm),
	void *arg) {
	struct address_walk walk = {fn, arg};

	return each_row(st, DB_ADDRESSES, walk_address, &walk);
}

struct notice_walk {
	int (*fn)(void *arg, uint64_t id, const struct rr_store_notice *notice, size_t size);
	void *arg;
};

static int walk_notice(void *arg, const struct row *row) {
	const struct notice_walk *walk = (const struct notice_walk *)arg;

	if (row->size < sizeof(struct rr_store_notice))
		return -EPROTO;
	return walk->fn(walk->arg, row->key, (const struct rr_store_notice *)row->data, row->size);
}

int store_each_notice(struct store *st,
	int (*fn)(void *arg, uint64_t id, const struct rr_store_notice *notice, size_t size),
	void *arg) {
	struct notice_walk walk = {fn, arg};

	return each_row(st, DB_OUTBOX, walk_notice, &walk);
}

// ---- write
// ---------------------------------------------------------------------------------------

int store_begin(struct store *st) {
	st->n_cookies_put = 0;
	return error_of(mdb_txn_begin(st->env, NULL, 0, &st->txn));
}

// Room for `size` bytes under a number.
static int reserve(struct store *st, enum db db, uint64_t number, size_t size, unsigned int flags,
	void **room) {
	MDB_val key = {.mv_size = sizeof(number), .mv_data = &number};
	MDB_val row = {.mv_size = size};
	int ret = error_of(mdb_put(st->txn, st->db[db], &key, &row, MDB_RESERVE | flags));

	*room = row.mv_data;
	return ret;
}

// A new session's row goes behind all others, which fills its page to the end; in any other place
// a full page is cut in two halves.
int store_put_session(struct store *st, uint64_t id, size_t size, void **room) {
	unsigned int flags = id > st->last_session ? MDB_APPEND : 0;

	note_session(st, id);
	return reserve(st, DB_SESSIONS, id, size, flags, room);
}

static int delete_row(struct store *st, enum db db, uint64_t number) {
	MDB_val key = {.mv_size = sizeof(number), .mv_data = &number};
	int ret = error_of(mdb_del(st->txn, st->db[db], &key, NULL));

	return ret == -ENOENT ? 0 : ret;
}

int store_delete_session(struct store *st, uint64_t id) {
	return delete_row(st, DB_SESSIONS, id);
}

static char *append(char *p, const void *bytes, size_t len) {
	if (len > 0)
		memcpy(p, bytes, len);
	return p + len;
}

int store_put_cookie(struct store *st, uint64_t *row, struct slice cookie, struct slice reply,
	uint64_t received_ns) {
	struct rr_store_cookie head = {
		.received_ns = received_ns,
		.cookie_len = (uint32_t)cookie.len,
		.reply_len = (uint32_t)reply.len,
	};
	bool is_new = *row == 0;
	void *room;
	char *p;
	int ret;

	if (is_new)
		*row = st->meta.next_cookie++;
	ret = reserve(st, DB_COOKIES, *row, sizeof(head) + cookie.len + reply.len,
		is_new ? MDB_APPEND : 0, &room);
	if (ret < 0)
		return ret;
	st->n_cookies_put++;
	p = (char *)room;
	p = append(p, &head, sizeof(head));
	p = append(p, cookie.p, cookie.len);
	append(p, reply.p, reply.len);
	return 0;
}

int store_put_notice(struct store *st, const struct rr_store_notice *notice, struct slice socket,
	struct slice tag, uint64_t *id) {
	struct rr_store_notice head = *notice;
	void *room;
	char *p;
	int ret;

	head.socket_len = (uint16_t)socket.len;
	head.tag_len = (uint16_t)tag.len;
	ret = reserve(st, DB_OUTBOX, st->meta.next_notice, sizeof(head) + socket.len + tag.len,
		MDB_APPEND, &room);
	if (ret < 0)
		return ret;
	*id = st->meta.next_notice++;
	p = append((char *)room, &head, sizeof(head));
	p = append(p, socket.p, socket.len);
	append(p, tag.p, tag.len);
	return 0;
}

int store_clear_addresses(struct store *st) {
	return error_of(mdb_drop(st->txn, st->db[DB_ADDRESSES], 0));
}

int store_put_address(
	struct store *st, uint64_t id, const struct rr_store_address *address, struct slice realm) {
	struct rr_store_address head = *address;
	void *room;
	int ret = reserve(st, DB_ADDRESSES, id, sizeof(head) + realm.len, 0, &room);

	if (ret < 0)
		return ret;
	head.realm_len = (uint16_t)realm.len;
	append(append((char *)room, &head, sizeof(head)), realm.p, realm.len);
	return 0;
}

int store_delete_notice(struct store *st, uint64_t id) {
	return delete_row(st, DB_OUTBOX, id);
}

int store_purge_cookies(struct store *st, uint64_t oldest_ns) {
	uint32_t n_left = 2 * st->n_cookies_put + PURGE_EXTRA;
	MDB_cursor *cursor;
	MDB_val key, row;
	int ret = error_of(mdb_cursor_open(st->txn, st->db[DB_COOKIES], &cursor));

	if (ret < 0)
		return ret;
	while (n_left-- > 0 && mdb_cursor_get(cursor, &key, &row, MDB_FIRST) == 0) {
		struct rr_store_cookie head;

		memcpy(&head, row.mv_data, sizeof(head));
		if (head.received_ns >= oldest_ns)
			break;
		ret = error_of(mdb_cursor_del(cursor, 0));
		if (ret < 0)
			break;
	}
	mdb_cursor_close(cursor);
	return ret;
}

static int put_meta(struct store *st, uint64_t now_ns) {
	MDB_val key = meta_key();
	MDB_val row = {.mv_size = sizeof(st->meta), .mv_data = &st->meta};

	st->meta.written_ns = now_ns;
	return error_of(mdb_put(st->txn, st->db[DB_META], &key, &row, 0));
}

static void measure(struct store *st) {
	st->used_pages = 0;
	for (unsigned int i = 0; i < RR_STORE_N_DBS; i++) {
		MDB_stat stat;

		if (mdb_stat(st->txn, st->db[i], &stat) == 0)
			st->used_pages +=
				stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
}

int store_commit(struct store *st, uint64_t now_ns) {
	int ret = put_meta(st, now_ns);

	if (ret < 0) {
		store_abort(st);
		return ret;
	}
	measure(st);
	ret = error_of(mdb_txn_commit(st->txn));
	st->txn = NULL;
	return ret;
}

void store_abort(struct store *st) {
	if (st->txn)
		mdb_txn_abort(st->txn);
	st->txn = NULL;
}

void store_check_readers(struct store *st) {
	int n_dead = 0;

	if (mdb_reader_check(st->env, &n_dead) == 0 && n_dead > 0)
		rr_info("store", "readers that died were dropped n=%d", n_dead);
}

bool store_has_room(const struct store *st) {
	// A commit writes the pages it changes beside the old ones, and those that the commit
	// before it replaced are free one commit later. So all rows fit a third of the map, less
	// what a turn's own rows may add, and can be written again at once (`X` does).
	return st->used_pages < st->map_pages / 10 * 3;
}
