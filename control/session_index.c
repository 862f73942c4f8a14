// SPDX-License-Identifier: BSD-2-Clause
// Sessions by Call-ID, by local ports and in the order in which they were made.
#include "session_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "config.h"
#include "keyed_hash.h"
#include "session.h"

int session_index_init(struct session_index *ix, const struct rr_config *cfg) {
	*ix = (struct session_index){
		.n_addrs = RR_MAX_ADDRS,
		.port_min = cfg->media_port_min,
		.n_pairs = (cfg->media_port_max - cfg->media_port_min + 1) / 2,
	};
	ix->by_pair = (struct session ***)calloc(RR_MAX_ADDRS, sizeof(*ix->by_pair));
	return ix->by_pair ? 0 : -ENOMEM;
}

void session_index_fini(struct session_index *ix) {
	for (uint32_t i = 0; ix->by_pair && i < ix->n_addrs; i++)
		free(ix->by_pair[i]);
	free(ix->by_pair);
	*ix = (struct session_index){.sessions = NULL};
}

static unsigned int hash_callid(struct slice callid) {
	return (unsigned int)keyed_hash(callid.p, callid.len);
}

static struct call *find_call(
	const struct session_index *ix, struct slice callid, unsigned int hash) {
	struct call *const *table = &ix->calls[hash_table_of(hash)];
	struct call *call = NULL;

	HASH_FIND_BYHASHVALUE(hh, *table, callid.p, callid.len, hash, call);
	return call;
}

struct call *session_index_call(const struct session_index *ix, struct slice callid) {
	return find_call(ix, callid, hash_callid(callid));
}

size_t session_index_count(const struct session_index *ix) {
	return ix->n_sessions;
}

static struct call *call_new(struct session_index *ix, struct slice callid, unsigned int hash) {
	struct call *call = (struct call *)calloc(1, sizeof(*call) + callid.len);
	struct call **table = &ix->calls[hash_table_of(hash)];

	if (!call)
		return NULL;
	call->callid_len = (uint32_t)callid.len;
	memcpy(call->callid, callid.p, callid.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, *table, call->callid, callid.len, hash, call);
	if (!call->hh.tbl) {
		free(call);
		return NULL;
	}
	return call;
}

static void call_free(struct session_index *ix, struct call *call) {
	struct call **table = &ix->calls[hash_table_of(call->hh.hashv)];

	HASH_DELETE(hh, *table, call);
	free(call);
}

static void link_to_call(struct call *call, struct session *s) {
	s->links.call = call;
	s->links.next_of_call = NULL;
	s->links.prev_of_call = call->last;
	if (call->last)
		call->last->links.next_of_call = s;
	else
		call->first = s;
	call->last = s;
	call->n_sessions++;
}

int session_index_add(struct session_index *ix, struct session *s, struct slice callid) {
	unsigned int hash = hash_callid(callid);
	struct call *call = find_call(ix, callid, hash);

	if (!call)
		call = call_new(ix, callid, hash);
	if (!call)
		return -ENOMEM;
	DL_APPEND2(ix->sessions, s, links.prev, links.next);
	ix->n_sessions++;
	link_to_call(call, s);
	ix->n_visible++;
	return 0;
}

void session_index_hide(struct session_index *ix, struct session *s) {
	struct session_links *l = &s->links;

	if (l->hidden)
		return;
	l->hidden = true;
	ix->n_visible--;
	if (l->prev_of_call)
		l->prev_of_call->links.next_of_call = l->next_of_call;
	else
		l->call->first = l->next_of_call;
	if (l->next_of_call)
		l->next_of_call->links.prev_of_call = l->prev_of_call;
	else
		l->call->last = l->prev_of_call;
	l->next_of_call = NULL;
	l->prev_of_call = NULL;
}

void session_index_remove(struct session_index *ix, struct session *s) {
	struct call *call = s->links.call;

	session_index_hide(ix, s);
	DL_DELETE2(ix->sessions, s, links.prev, links.next);
	ix->n_sessions--;
	if (--call->n_sessions == 0)
		call_free(ix, call);
}

// Where the user of a pair stands, or NULL when out of range or (with make false) never used.
static struct session **pair_place(
	const struct session_index *ix, uint32_t addr, uint32_t port, bool make) {
	uint32_t pair = (port - ix->port_min) / 2;

	if (addr >= ix->n_addrs || port < ix->port_min || pair >= ix->n_pairs)
		return NULL;
	if (!ix->by_pair[addr] && make)
		ix->by_pair[addr] =
			(struct session **)calloc(ix->n_pairs, sizeof(struct session *));
	return ix->by_pair[addr] ? &ix->by_pair[addr][pair] : NULL;
}

struct session *session_index_pair(const struct session_index *ix, uint32_t addr, uint32_t port) {
	struct session **place = pair_place(ix, addr, port, false);

	return place ? *place : NULL;
}

int session_index_set_pair(
	struct session_index *ix, uint32_t addr, uint32_t port, struct session *s) {
	struct session **place = pair_place(ix, addr, port, true);

	if (!place)
		return addr < ix->n_addrs && !ix->by_pair[addr] ? -ENOMEM : -ERANGE;
	*place = s;
	return 0;
}

struct slice session_callid(const struct session *s) {
	return (struct slice){.p = s->links.call->callid, .len = s->links.call->callid_len};
}

struct session *session_index_first(const struct session_index *ix) {
	return ix->sessions;
}

struct session *session_index_next(const struct session *s) {
	return s->links.next;
}
