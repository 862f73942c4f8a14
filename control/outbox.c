// SPDX-License-Identifier: BSD-2-Clause
// Timeout notices on their way.
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "config.h"
#include "store.h"

#define STORE_SHARE 16 // one part of so many: notices keep no new call out
#define FIRST_PAUSE_NS RR_NS_PER_S // doubled with every attempt
#define MAX_DOUBLINGS 5

void outbox_init(struct outbox *ob, const struct rr_config *cfg) {
	uint64_t share = ((uint64_t)cfg->store_mb << 20) / STORE_SHARE;

	*ob = (struct outbox){.cfg = cfg};
	ob->max_bytes = share < OUTBOX_MAX_BYTES ? share : OUTBOX_MAX_BYTES;
}

static void free_list(struct notice **list) {
	struct notice *n, *next;

	DL_FOREACH_SAFE(*list, n, next) {
		free(n);
	}
	*list = NULL;
}

void outbox_fini(struct outbox *ob) {
	struct outbox_target *t, *next;

	free_list(&ob->fresh);
	free_list(&ob->over);
	DL_FOREACH_SAFE(ob->targets, t, next) {
		free_list(&t->queue);
		free(t);
	}
	ob->targets = NULL;
	ob->n_targets = 0;
}

void outbox_attach(struct outbox *ob, const struct outbox_hooks *hooks) {
	struct outbox_target *t;

	ob->hooks = hooks ? *hooks : (struct outbox_hooks){.arg = NULL};
	if (!hooks)
		return;
	DL_FOREACH(ob->targets, t) {
		if (t->queue)
			ob->hooks.queued(ob->hooks.arg, t);
	}
}

// ---- one notice
// ----------------------------------------------------------------------------------

static size_t cost(const struct notice *n) {
	return sizeof(*n) + n->len;
}

static struct notice *new_notice(struct outbox_target *target, struct slice tag) {
	struct notice *n = (struct notice *)calloc(1, sizeof(*n) + tag.len + 1);

	if (!n)
		return NULL;
	n->target = target;
	if (tag.len > 0)
		memcpy(n->line, tag.p, tag.len);
	n->line[tag.len] = '\n';
	n->len = (uint32_t)tag.len + 1;
	return n;
}

static void enqueue(struct outbox *ob, struct notice *n) {
	struct outbox_target *t = n->target;

	DL_APPEND(t->queue, n);
	t->n_queued++;
	if (ob->hooks.queued)
		ob->hooks.queued(ob->hooks.arg, t);
}

// It leaves its queue, and the store with the next commit. *counter says why.
static void end(struct outbox *ob, struct notice *n, uint64_t *counter) {
	struct outbox_target *t = n->target;

	DL_DELETE(t->queue, n);
	t->n_queued--;
	ob->n_bytes -= cost(n);
	ob->stats.n_waiting--;
	++*counter;
	n->target = NULL;
	DL_APPEND(ob->over, n);
}

// ---- targets
// -------------------------------------------------------------------------------------

static bool is_named(const struct outbox_target *t, struct slice text, uint32_t local_be) {
	return t->text_len == text.len && memcmp(t->text, text.p, text.len) == 0 &&
	       t->local_be == local_be;
}

// Make place for another target. Returns false when every one has something to send.
static bool forget_unused(struct outbox *ob) {
	struct outbox_target *t;

	DL_FOREACH(ob->targets, t) {
		if (t->n_queued > 0 || t->n_fresh > 0)
			continue;
		if (ob->hooks.forget)
			ob->hooks.forget(ob->hooks.arg, t);
		DL_DELETE(ob->targets, t);
		ob->n_targets--;
		free(t);
		return true;
	}
	return false;
}

static struct outbox_target *new_target(struct outbox *ob, struct slice text, uint32_t local_be) {
	struct outbox_target *t;

	if (text.len > sizeof(t->text))
		return NULL;
	if (ob->n_targets == OUTBOX_MAX_TARGETS && !forget_unused(ob))
		return NULL;
	t = (struct outbox_target *)calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memcpy(t->text, text.p, text.len);
	t->text_len = (uint32_t)text.len;
	t->local_be = local_be;
	DL_APPEND(ob->targets, t);
	ob->n_targets++;
	return t;
}

static struct outbox_target *target_of(struct outbox *ob, struct slice text, uint32_t local_be) {
	struct outbox_target *t;

	DL_FOREACH(ob->targets, t) {
		if (!is_named(t, text, local_be))
			continue;
		DL_DELETE(ob->targets, t);
		DL_APPEND(ob->targets, t);
		return t;
	}
	return new_target(ob, text, local_be);
}

// ---- room
// ----------------------------------------------------------------------------------------

static struct outbox_target *longest_queue(struct outbox *ob) {
	struct outbox_target *longest = NULL;
	struct outbox_target *t;

	DL_FOREACH(ob->targets, t) {
		if (t->n_queued > 0 && (!longest || t->n_queued > longest->n_queued))
			longest = t;
	}
	return longest;
}

// The oldest that can be spared: half a line can not be taken back.
static bool give_one_up(struct outbox *ob) {
	struct outbox_target *t = longest_queue(ob);
	struct notice *n = t ? t->queue : NULL;

	if (n && t->n_sent_bytes > 0)
		n = n->next;
	if (!n)
		return false;
	end(ob, n, &ob->stats.n_dropped);
	return true;
}

static bool make_room(struct outbox *ob, size_t n_bytes) {
	while (ob->n_bytes + n_bytes > ob->max_bytes) {
		if (!give_one_up(ob))
			return false;
	}
	return true;
}

static void take_in(struct outbox *ob, const struct notice *n) {
	ob->n_bytes += cost(n);
	ob->stats.n_waiting++;
}

// ---- for control
// ---------------------------------------------------------------------------------

void outbox_add(struct outbox *ob, struct slice target, uint32_t local_be, struct slice tag,
	const struct outbox_time *time) {
	struct outbox_target *t = target_of(ob, target, local_be);
	struct notice *n = t ? new_notice(t, tag) : NULL;

	if (!n || !make_room(ob, cost(n))) {
		ob->stats.n_dropped++;
		free(n);
		return;
	}
	n->created_unix_ms = time->unix_ms;
	n->give_up_ns = time->now_ns + ob->cfg->notify_retry_s * RR_NS_PER_S;
	take_in(ob, n);
	t->n_fresh++;
	DL_APPEND(ob->fresh, n);
}

bool outbox_changed(const struct outbox *ob) {
	return ob->fresh || ob->over;
}

static int write_row(struct store *store, struct notice *n) {
	struct rr_store_notice head = {
		.created_unix_ms = n->created_unix_ms,
		.local_be = n->target->local_be,
	};
	struct slice target = {.p = n->target->text, .len = n->target->text_len};
	struct slice tag = {.p = n->line, .len = n->len - 1};

	return store_put_notice(store, &head, target, tag, &n->id);
}

int outbox_write(struct outbox *ob, struct store *store) {
	struct notice *n;
	int ret = 0;

	for (n = ob->over; ret == 0 && n; n = n->next)
		ret = store_delete_notice(store, n->id);
	for (n = ob->fresh; ret == 0 && n; n = n->next)
		ret = write_row(store, n);
	return ret;
}

void outbox_written(struct outbox *ob) {
	struct notice *n, *next;

	free_list(&ob->over);
	DL_FOREACH_SAFE(ob->fresh, n, next) {
		DL_DELETE(ob->fresh, n);
		n->target->n_fresh--;
		enqueue(ob, n);
	}
}

// ---- what an earlier control left
// ----------------------------------------------------------------

struct load {
	struct outbox *ob;
	const struct outbox_time *time;
};

// A row that names no target that is permitted, or nothing at all.
static int load_waste(struct outbox *ob, uint64_t id, uint64_t *counter) {
	struct notice *n = new_notice(NULL, (struct slice){.p = "", .len = 0});

	if (!n)
		return -ENOMEM;
	n->id = id;
	++*counter;
	DL_APPEND(ob->over, n);
	return 0;
}

static uint64_t time_left_ns(const struct load *load, uint64_t created_unix_ms) {
	uint64_t whole_ms = (uint64_t)load->ob->cfg->notify_retry_s * 1000;
	uint64_t now_ms = load->time->unix_ms;
	uint64_t age_ms = now_ms > created_unix_ms ? now_ms - created_unix_ms : 0;

	return age_ms < whole_ms ? (whole_ms - age_ms) * RR_NS_PER_MS : 0;
}

static int load_notice(void *arg, uint64_t id, const struct rr_store_notice *head, size_t size) {
	const struct load *load = (const struct load *)arg;
	struct outbox *ob = load->ob;
	struct slice text = {.p = (const char *)(head + 1), .len = head->socket_len};
	struct slice tag = {.p = text.p + text.len, .len = head->tag_len};
	struct outbox_target *t;
	struct notice *n;

	if (size - sizeof(*head) != text.len + tag.len || !notice_target_permitted(ob->cfg, text))
		return load_waste(ob, id, &ob->stats.n_not_permitted);
	t = target_of(ob, text, head->local_be);
	n = t ? new_notice(t, tag) : NULL;
	if (!n || !make_room(ob, cost(n))) {
		free(n);
		return load_waste(ob, id, &ob->stats.n_dropped);
	}
	n->id = id;
	n->created_unix_ms = head->created_unix_ms;
	n->give_up_ns = load->time->now_ns + time_left_ns(load, head->created_unix_ms);
	take_in(ob, n);
	enqueue(ob, n);
	return 0;
}

int outbox_load(struct outbox *ob, struct store *store, const struct outbox_time *time) {
	struct load load = {.ob = ob, .time = time};

	return store_each_notice(store, load_notice, &load);
}

// ---- what became of them
// -------------------------------------------------------------------------

void outbox_sent(struct outbox *ob, struct outbox_target *target, size_t n_bytes) {
	target->n_sent_bytes += n_bytes;
	while (target->queue && target->n_sent_bytes >= target->queue->len) {
		target->n_sent_bytes -= target->queue->len;
		target->n_broken = 0;
		end(ob, target->queue, &ob->stats.n_sent);
	}
}

void outbox_unreachable(
	struct outbox *ob, struct outbox_target *target, uint64_t now_ns, uint64_t *pause_ns) {
	struct notice *n, *next;

	DL_FOREACH_SAFE(target->queue, n, next) {
		if (n->give_up_ns <= now_ns)
			end(ob, n, &ob->stats.n_unreachable);
	}
	*pause_ns = FIRST_PAUSE_NS << target->n_unreachable;
	if (target->n_unreachable < MAX_DOUBLINGS)
		target->n_unreachable++;
	if (!target->queue)
		target->n_unreachable = 0; // the next notice is tried at once
}

void outbox_reached(struct outbox_target *target) {
	target->n_unreachable = 0;
}

void outbox_broken(struct outbox *ob, struct outbox_target *target) {
	target->n_sent_bytes = 0;
	if (!target->queue)
		return;
	if (target->n_broken++ < OUTBOX_RESENDS)
		return;
	target->n_broken = 0;
	end(ob, target->queue, &ob->stats.n_broken);
}
