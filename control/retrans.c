// SPDX-License-Identifier: BSD-2-Clause
// Cookie to reply: a command that a controller sends again is answered again and never run twice.
//
// Entries stand in hash tables by cookie, and uthash keeps those of a table in the order in which
// they came. So the purge looks at the first of each table, goes on to the next table where it is
// young or pending, and never walks a whole one. It does so in steps, one with every new cookie and
// some every few milliseconds: what came in a second would else go in one go, while everybody
// waits. What is out of order (what the store brought back) is found too old at the latest when it
// is looked up.
#include "retrans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash_tables.h"
#include "job.h"
#include "keyed_hash.h"

struct retrans_entry {
	UT_hash_handle hh;
	uint64_t received_ns; // of the original command
	struct job *job; // pending: who runs it; NULL once answered
	char *reply; // answered: allocated apart, since its length is not known before
	uint32_t reply_len;
	uint32_t cookie_len;
	bool restored; // by retrans_put
	char cookie[];
};

struct retrans {
	struct retrans_entry *by_cookie[HASH_TABLES];
	unsigned int next_evicted; // the table that makes room next
	unsigned int next_purged; // the table that the purge looks at next
	struct retrans_stats stats;
	void (*on_gone)(void *arg, struct slice cookie);
	void *on_gone_arg;
};

struct retrans *retrans_new(void (*on_gone)(void *arg, struct slice cookie), void *arg) {
	struct retrans *r = calloc(1, sizeof(*r));

	if (r) {
		r->on_gone = on_gone;
		r->on_gone_arg = arg;
	}
	return r;
}

static size_t entry_bytes(const struct retrans_entry *e) {
	return offsetof(struct retrans_entry, cookie) + e->cookie_len + e->reply_len;
}

static struct retrans_entry **table_of(struct retrans *r, unsigned int hash) {
	return &r->by_cookie[hash_table_of(hash)];
}

static void entry_drop(struct retrans *r, struct retrans_entry *e) {
	struct retrans_entry **table = table_of(r, e->hh.hashv);

	HASH_DEL(*table, e);
	r->stats.n_entries--;
	r->stats.n_bytes -= entry_bytes(e);
	free(e->reply);
	free(e);
}

void retrans_free(struct retrans *r) {
	if (!r)
		return;
	for (unsigned int i = 0; i < HASH_TABLES; i++)
		while (r->by_cookie[i])
			entry_drop(r, r->by_cookie[i]);
	free(r);
}

// An answered entry goes before the process does.
static void entry_retire(struct retrans *r, struct retrans_entry *e) {
	if (r->on_gone)
		r->on_gone(r->on_gone_arg, (struct slice){e->cookie, e->cookie_len});
	entry_drop(r, e);
}

static unsigned int hash_cookie(struct slice cookie) {
	return (unsigned int)keyed_hash(cookie.p, cookie.len);
}

static struct retrans_entry *entry_find(struct retrans *r, struct slice cookie, unsigned int hash) {
	struct retrans_entry **table = table_of(r, hash);
	struct retrans_entry *e;

	HASH_FIND_BYHASHVALUE(hh, *table, cookie.p, cookie.len, hash, e);
	return e;
}

// A pending entry without a job yet.
static struct retrans_entry *entry_new(struct retrans *r, struct slice cookie, unsigned int hash) {
	struct retrans_entry *e = calloc(1, offsetof(struct retrans_entry, cookie) + cookie.len);
	struct retrans_entry **table = table_of(r, hash);

	if (!e)
		return NULL;
	e->cookie_len = (uint32_t)cookie.len;
	memcpy(e->cookie, cookie.p, cookie.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, *table, e->cookie, cookie.len, hash, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	r->stats.n_entries++;
	r->stats.n_bytes += entry_bytes(e);
	return e;
}

// The oldest of a table when it is answered, else NULL.
static struct retrans_entry *oldest_answered(const struct retrans *r, unsigned int table) {
	struct retrans_entry *e = r->by_cookie[table];

	return e && !e->job ? e : NULL;
}

// Tables take turns, so that those that go are about the oldest of all.
static void make_room(struct retrans *r) {
	unsigned int n_in_vain = 0;

	while (r->stats.n_bytes > RETRANS_MAX_BYTES && n_in_vain < HASH_TABLES) {
		struct retrans_entry *e = oldest_answered(r, r->next_evicted++ % HASH_TABLES);

		if (!e) {
			n_in_vain++;
			continue;
		}
		entry_retire(r, e);
		r->stats.n_evicted++;
		n_in_vain = 0;
	}
}

// Turn a pending entry into an answered one. Without memory the entry goes.
static int entry_answer(struct retrans *r, struct retrans_entry *e, struct slice reply) {
	char *copy = malloc(reply.len);

	if (!copy) {
		entry_retire(r, e);
		return -ENOMEM;
	}
	memcpy(copy, reply.p, reply.len);
	e->reply = copy;
	e->reply_len = (uint32_t)reply.len;
	e->job = NULL;
	r->stats.n_bytes += reply.len;
	make_room(r);
	return 0;
}

// What was received in the future, before a reboot that is, is past its life by unsigned
// arithmetic.
static bool past_life(uint64_t received_ns, uint64_t now_ns) {
	return now_ns - received_ns > RETRANS_LIFE_NS;
}

// A step drops one entry, or goes on to the next table.
static void purge_steps(struct retrans *r, uint64_t now_ns, unsigned int n_steps) {
	while (n_steps-- > 0) {
		struct retrans_entry *e = oldest_answered(r, r->next_purged % HASH_TABLES);

		if (e && past_life(e->received_ns, now_ns))
			entry_retire(r, e);
		else
			r->next_purged++;
	}
}

enum retrans_verdict retrans_begin(
	struct retrans *r, struct job *job, struct job **first, struct slice *reply) {
	unsigned int hash = hash_cookie(job->cookie);
	struct retrans_entry *e = entry_find(r, job->cookie, hash);

	if (e && !e->job && past_life(e->received_ns, job->received_ns)) {
		entry_retire(r, e);
		e = NULL;
	}
	if (e) {
		r->stats.n_duplicates++;
		*first = e->job;
		*reply = (struct slice){e->reply, e->reply_len};
		if (e->job)
			return RETRANS_PENDING;
		return e->restored ? RETRANS_RESTORED : RETRANS_ANSWERED;
	}
	purge_steps(r, job->received_ns, 1);
	e = entry_new(r, job->cookie, hash);
	if (!e)
		return RETRANS_NO_MEMORY;
	e->job = job;
	e->received_ns = job->received_ns;
	job->retrans = e;
	return RETRANS_NEW;
}

void retrans_finish(struct retrans *r, struct job *job) {
	struct retrans_entry *e = job->retrans;

	if (!e)
		return;
	job->retrans = NULL;
	entry_answer(r, e, (struct slice){job->reply, job->reply_len});
}

int retrans_put(struct retrans *r, struct slice cookie, struct slice reply, uint64_t received_ns,
	uint64_t now_ns) {
	unsigned int hash = hash_cookie(cookie);
	struct retrans_entry *e;

	if (past_life(received_ns, now_ns))
		return -ESTALE;
	if (entry_find(r, cookie, hash))
		return -EEXIST;
	e = entry_new(r, cookie, hash);
	if (!e)
		return -ENOMEM;
	e->received_ns = received_ns;
	e->restored = true;
	return entry_answer(r, e, reply);
}

void retrans_purge(struct retrans *r, uint64_t now_ns) {
	purge_steps(r, now_ns, RETRANS_PURGE_STEPS);
}

void retrans_get_stats(const struct retrans *r, struct retrans_stats *stats) {
	*stats = r->stats;
}
