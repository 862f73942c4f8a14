// SPDX-License-Identifier: BSD-2-Clause
// Sessions by Call-ID, by local ports and in the order in which they were made.
//
// Call-IDs come from strangers, so they are hashed under a random key. The sessions of one Call-ID
// are kept in creation order, which decides between several matches. Ports are looked up in an
// array per local address, made when the address is first used.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "hash_tables.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct session;
struct rr_config;

// All sessions of one Call-ID.
struct call {
	UT_hash_handle hh;
	struct session *first; // in creation order, by links.next_of_call
	struct session *last;
	uint32_t n_sessions; // hidden ones included
	uint32_t callid_len;
	char callid[];
};

// The index's part of a session.
struct session_links {
	struct session *prev; // of all, in creation order
	struct session *next;
	struct call *call;
	struct session *next_of_call;
	struct session *prev_of_call;
	struct session *next_dirty;
	struct session *wheel_next; // expiry.c
	struct session *wheel_prev;
	bool hidden; // no longer in the call's list
};

struct session_index {
	struct call *calls[HASH_TABLES];
	struct session *sessions; // all of them, in creation order
	size_t n_sessions;
	uint64_t n_visible; // those that are not hidden
	uint32_t n_addrs;
	uint32_t port_min;
	uint32_t n_pairs; // per address
	struct session ***by_pair; // [n_addrs], each NULL or [n_pairs]
};

int session_index_init(struct session_index *ix, const struct rr_config *cfg);
// The sessions themselves must be gone.
void session_index_fini(struct session_index *ix);

struct call *session_index_call(const struct session_index *ix, struct slice callid);
// The session that uses or retires the pair, or NULL.
struct session *session_index_pair(const struct session_index *ix, uint32_t addr, uint32_t port);
size_t session_index_count(const struct session_index *ix);

// Enter a session behind all others, and at the end of its call. Returns 0 or -ENOMEM.
int session_index_add(struct session_index *ix, struct session *s, struct slice callid);
// Take it out of its call's list: commands no longer find it. Its Call-ID stays known.
void session_index_hide(struct session_index *ix, struct session *s);
void session_index_remove(struct session_index *ix, struct session *s);

// Name the user of a pair; NULL = nobody. Returns 0, -ERANGE, -ENOMEM.
int session_index_set_pair(
	struct session_index *ix, uint32_t addr, uint32_t port, struct session *s);

struct slice session_callid(const struct session *s);

// All sessions in creation order, hidden ones included; NULL = past the last.
struct session *session_index_first(const struct session_index *ix);
struct session *session_index_next(const struct session *s);

RR_END_DECLS
