// SPDX-License-Identifier: BSD-2-Clause
// Control's session store, read beside control.
//
// A read transaction keeps control from using old pages again, so that a long one would fill its
// map: each covers a few rows only.
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "rrctl.h"

#define ROWS_PER_TRANSACTION 256

struct walk {
	MDB_txn *txn;
	MDB_dbi sessions;
	uint64_t next_id;
	bool more;
	void (*fn)(void *arg, const struct rr_session_record_view *session);
	void *arg;
};

// LMDB aligns values to two bytes only, so the record is read from a copy.
static int visit(struct walk *w, const MDB_val *row) {
	struct rr_session_record_view view;
	void *copy = malloc(row->mv_size);

	if (copy == NULL)
		return ENOMEM;
	memcpy(copy, row->mv_data, row->mv_size);
	if (rr_session_record_view(&view, copy, row->mv_size) == 0)
		w->fn(w->arg, &view);
	free(copy);
	return 0;
}

// Some rows from w->next_id on, in one transaction.
static int read_rows(struct walk *w) {
	MDB_val key = {.mv_size = sizeof(w->next_id), .mv_data = &w->next_id};
	MDB_cursor *cursor;
	MDB_val row;
	int rc = mdb_cursor_open(w->txn, w->sessions, &cursor);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &row, MDB_SET_RANGE);
	for (int n = 0; rc == 0 && n < ROWS_PER_TRANSACTION; n++) {
		memcpy(&w->next_id, key.mv_data, sizeof(w->next_id));
		w->next_id++;
		rc = visit(w, &row);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
	}
	w->more = rc == 0;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

// A database opened in a transaction stays open only when that is committed.
static int open_sessions(MDB_env *env, struct walk *w) {
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &w->txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(w->txn, RR_STORE_SESSIONS, MDB_INTEGERKEY, &w->sessions);
	if (rc == 0)
		return mdb_txn_commit(w->txn);
	mdb_txn_abort(w->txn);
	return rc;
}

static int read_sessions(MDB_env *env, void *arg) {
	struct walk *w = arg;
	int rc = open_sessions(env, w);

	w->more = rc == 0;
	while (rc == 0 && w->more) {
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &w->txn);
		if (rc != 0)
			break;
		rc = read_rows(w);
		mdb_txn_abort(w->txn);
	}
	return rc;
}

// Open the store, read of it, close it. Returns 0 or what LMDB or the system says.
static int with_store(const struct rrctl *ctl, int (*read)(MDB_env *env, void *arg), void *arg) {
	MDB_env *env;
	int rc = mdb_env_create(&env);

	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(env, RR_STORE_N_DBS);
	if (rc == 0)
		rc = mdb_env_open(env, ctl->cfg.store_dir, MDB_RDONLY, 0);
	if (rc == 0)
		rc = read(env, arg);
	mdb_env_close(env);
	return rc;
}

static int say(const struct rrctl *ctl, int rc) {
	const char *error = mdb_strerror(rc);

	if (rc == 0)
		return RRCTL_DONE;
	if (rc == ENOENT || rc == MDB_NOTFOUND)
		error = "there is none, rtprelayd makes it at its start";
	return rrctl_refuse("store %s: %s", ctl->cfg.store_dir, error);
}

int rrctl_each_session(const struct rrctl *ctl,
	void (*fn)(void *arg, const struct rr_session_record_view *session), void *arg) {
	struct walk w = {.fn = fn, .arg = arg};

	return say(ctl, with_store(ctl, read_sessions, &w));
}

struct address_walk {
	void (*fn)(void *arg, const struct rr_store_address *row, const struct rr_text *realm);
	void *arg;
};

static int read_addresses(MDB_env *env, void *arg) {
	const struct address_walk *w = arg;
	MDB_cursor *cursor = NULL;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key, row;
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, RR_STORE_ADDRESSES, MDB_INTEGERKEY, &dbi);
	if (rc == 0)
		rc = mdb_cursor_open(txn, dbi, &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &row, MDB_NEXT)) == 0) {
		struct rr_store_address address;
		struct rr_text realm;

		if (rr_store_address_read(&address, &realm, row.mv_data, row.mv_size) == 0)
			w->fn(w->arg, &address, &realm);
	}
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return cursor != NULL && rc == MDB_NOTFOUND ? 0 : rc;
}

int rrctl_each_address(const struct rrctl *ctl,
	void (*fn)(void *arg, const struct rr_store_address *row, const struct rr_text *realm),
	void *arg) {
	struct address_walk w = {fn, arg};

	return say(ctl, with_store(ctl, read_addresses, &w));
}

static int read_meta(MDB_env *env, void *meta) {
	static char name[] = RR_STORE_META;
	MDB_val key = {.mv_size = sizeof(name) - 1, .mv_data = name};
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val row;
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, RR_STORE_META, 0, &dbi);
	if (rc == 0)
		rc = mdb_get(txn, dbi, &key, &row);
	if (rc == 0 && rr_store_meta_read(meta, row.mv_data, row.mv_size) < 0)
		rc = MDB_INVALID;
	mdb_txn_abort(txn);
	return rc;
}

bool rrctl_try_meta(const struct rrctl *ctl, struct rr_store_meta *meta) {
	return with_store(ctl, read_meta, meta) == 0;
}
