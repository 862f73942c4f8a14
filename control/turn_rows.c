// SPDX-License-Identifier: BSD-2-Clause
// What changed since the last commit, as rows of the store.
#include "turn_rows.h"

#include <string.h>

#include "control.h"
#include "retrans.h"
#include "session_store.h"
#include "store.h"

// Rows that one commit writes again besides those that its commands changed.
#define REWRITE_SLICE 1000

static int put_session(struct control *ctl, const struct session *s) {
	void *room;
	int ret;

	if (s->state == SESSION_GONE)
		return store_delete_session(ctl->store, s->id);
	ret = store_put_session(ctl->store, s->id, session_store_size(ctl->cfg, s), &room);
	if (ret < 0)
		return ret;
	session_store_write(ctl->cfg, s, room);
	return 0;
}

// Sessions whose rows are to be written again, some of them with every commit.
static void touch_some(struct control *ctl) {
	for (unsigned int i = 0; ctl->rewrite && !ctl->refused && i < REWRITE_SLICE; i++) {
		session_touch(ctl, ctl->rewrite);
		ctl->rewrite = session_index_next(ctl->rewrite);
	}
}

static int put_sessions(struct control *ctl) {
	int ret = 0;

	for (struct session *s = ctl->dirty; ret == 0 && s; s = s->links.next_dirty)
		ret = put_session(ctl, s);
	return ret;
}

static int put_cookies_of(struct control *ctl, const struct job_list *list) {
	int ret = 0;

	for (struct job *job = list->first; ret == 0 && job; job = job->next) {
		struct slice reply = {.p = job->reply, .len = job->reply_len};

		if (job->stored && job->cookie.p)
			ret = store_put_cookie(
				ctl->store, &job->cookie_row, job->cookie, reply, job->received_ns);
	}
	return ret;
}

static int put_cookies(struct control *ctl) {
	uint64_t oldest_ns = ctl->now_ns > RETRANS_LIFE_NS ? ctl->now_ns - RETRANS_LIFE_NS : 0;
	int ret = put_cookies_of(ctl, &ctl->held);

	if (ret == 0)
		ret = put_cookies_of(ctl, &ctl->turn);
	return ret == 0 ? store_purge_cookies(ctl->store, oldest_ns) : ret;
}

static void fill_meta(struct control *ctl) {
	struct rr_store_meta *meta = store_meta(ctl->store);

	meta->next_uid = ctl->next_uid;
	stats_collect(ctl);
	stats_save(&ctl->stats, meta);
}

static int put_addresses(struct control *ctl) {
	const struct address_pool *pool = &ctl->addresses;
	int ret = pool->changed ? store_clear_addresses(ctl->store) : 0;

	for (uint32_t i = 0; ret == 0 && pool->changed && i < RR_MAX_ADDRS; i++) {
		const char *realm = ctl->cfg->realm[ctl->cfg->addr[i].realm].name;
		struct rr_store_address row = {
			.addr = address_pool_endpoint(pool, i),
			.state = pool->state[i],
			.named = pool->named[i],
		};

		if (row.state != RR_ADDRESS_FREE && row.state != RR_ADDRESS_ADDING)
			ret = store_put_address(ctl->store, i, &row,
				(struct slice){.p = realm, .len = strlen(realm)});
	}
	return ret;
}

int turn_rows_write(struct control *ctl) {
	int ret = store_begin(ctl->store);

	if (ret < 0)
		return ret;
	touch_some(ctl);
	ret = put_sessions(ctl);
	if (ret == 0)
		ret = put_cookies(ctl);
	if (ret == 0)
		ret = outbox_write(&ctl->outbox, ctl->store);
	if (ret == 0)
		ret = put_addresses(ctl);
	if (ret < 0) {
		store_abort(ctl->store);
		return ret;
	}
	fill_meta(ctl);
	return store_commit(ctl->store, ctl->now_ns);
}

void turn_rows_written(struct control *ctl) {
	struct session *s = ctl->dirty;

	ctl->dirty = NULL;
	while (s) {
		struct session *next = s->links.next_dirty;

		s->dirty = false;
		if (s->state == SESSION_GONE)
			session_free(ctl, s);
		s = next;
	}
	outbox_written(&ctl->outbox);
	ctl->addresses.changed = false;
}
