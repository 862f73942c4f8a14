// SPDX-License-Identifier: BSD-2-Clause
// A session's life: ports, what the dataplane is told, the end.
//
// Invariants. A pair of ports that a session uses or retires is taken in the allocator and names
// the session in the index. A leg with ports has a uid that no flow ever had before. All flows of a
// session go to one worker, named by owner_port. A session that is ending is in no call's list.
//
// Ownership. Control's only thread owns sessions; the store holds a copy as of the last commit, the
// dataplane one as of the last acknowledgement.
//
// Failure. Telling the dataplane may fail at any time, by a full queue or a missing region; what
// stands here stays, and a resync brings it over. Ports are given back only after the dataplane
// acknowledged that nothing uses them, and after the last counters were read from there.
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "control.h"
#include "crash_point.h"
#include "port_alloc.h"
#include "session_change.h"
#include "session_flow.h"

struct slice session_texts_get(const struct session_texts *texts, enum session_text which) {
	const char *p = texts->bytes;

	for (unsigned int i = 0; i < which; i++)
		p += texts->len[i];
	return (struct slice){.p = p, .len = texts->len[which]};
}

struct slice session_text(const struct session *s, enum session_text which) {
	return session_texts_get(s->texts, which);
}

static struct session_texts *texts_new(const struct slice text[SESSION_N_TEXTS]) {
	struct session_texts *texts;
	size_t size = sizeof(*texts);
	char *p;

	for (unsigned int i = 0; i < SESSION_N_TEXTS; i++)
		size += text[i].len;
	texts = (struct session_texts *)malloc(size);
	if (!texts)
		return NULL;
	texts->n_refs = 1;
	p = texts->bytes;
	for (unsigned int i = 0; i < SESSION_N_TEXTS; i++) {
		texts->len[i] = (uint16_t)text[i].len;
		if (text[i].len > 0)
			memcpy(p, text[i].p, text[i].len);
		p += text[i].len;
	}
	return texts;
}

struct session_texts *session_texts_ref(struct session_texts *texts) {
	texts->n_refs++;
	return texts;
}

void session_texts_unref(struct session_texts *texts) {
	if (texts && --texts->n_refs == 0)
		free(texts);
}

int session_set_texts(struct session *s, const struct slice text[SESSION_N_TEXTS]) {
	struct session_texts *texts = texts_new(text);

	if (!texts)
		return -ENOMEM;
	session_texts_unref(s->texts);
	s->texts = texts;
	return 0;
}

int session_set_text(struct session *s, enum session_text which, struct slice text) {
	struct slice all[SESSION_N_TEXTS];

	for (unsigned int i = 0; i < SESSION_N_TEXTS; i++)
		all[i] = session_text(s, (enum session_text)i);
	if (slice_equal(all[which], text))
		return 0;
	all[which] = text;
	return session_set_texts(s, all);
}

void session_touch(struct control *ctl, struct session *s) {
	if (s->dirty)
		return;
	s->dirty = true;
	s->links.next_dirty = NULL;
	if (ctl->dirty)
		ctl->last_dirty->links.next_dirty = s;
	else
		ctl->dirty = s;
	ctl->last_dirty = s;
}

static void retired_free(struct session *s, struct session_retired *r) {
	if (r != &s->last[0] && r != &s->last[1])
		free(r);
}

void session_free(struct control *ctl, struct session *s) {
	struct session_retired *next;

	session_change_end_all(s);
	resync_session_gone(ctl, s);
	clearance_session_gone(ctl, s);
	if (ctl->rewrite == s)
		ctl->rewrite = session_index_next(s);
	if (ctl->capture == s)
		ctl->capture = session_index_next(s);
	expiry_disarm(&ctl->expiry, s);
	if (s->links.call)
		session_index_remove(&ctl->index, s);
	for (struct session_retired *r = s->retired; r; r = next) {
		next = r->next;
		retired_free(s, r);
	}
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		free(s->leg[i].base);
	session_texts_unref(s->texts);
	free(s);
}

static void new_leg(const struct control *ctl, const struct session_params *params,
	struct session_leg *leg, unsigned int i) {
	leg->local = params->local[i];
	leg->ttl_s = ctl->cfg->setup_ttl_s;
	leg->tos = ctl->cfg->tos;
	leg->refreshed_ns = ctl->now_ns;
}

static uint64_t unix_ms(void) {
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / RR_NS_PER_MS;
}

int session_new(struct control *ctl, const struct session_params *params, struct session **out) {
	struct slice text[SESSION_N_TEXTS] = {[SESSION_FROM_TAG] = params->from_tag};
	struct session *s = (struct session *)calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (!s)
		return ret;
	s->id = ctl->next_uid++;
	s->created_ns = ctl->now_ns;
	s->created_unix_ms = unix_ms();
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		new_leg(ctl, params, &s->leg[i], i);
	if (session_set_texts(s, text) < 0)
		goto err_free;
	ret = session_index_add(&ctl->index, s, params->callid);
	if (ret < 0)
		goto err_free;
	ret = session_take_ports(ctl, s, SESSION_CALLEE);
	if (ret < 0)
		goto err_free;
	s->owner_port = s->leg[SESSION_CALLEE].pair.port;
	stats_add(&ctl->stats, STATS_nsess_created, 1);
	session_touch(ctl, s);
	expiry_arm(ctl, s);
	*out = s;
	return 0;
err_free:
	session_free(ctl, s);
	return ret;
}

// The dataplane has refused it, for want of memory say, and is asked again. Without a region
// nothing is known.
static bool dataplane_lacks(const struct control *ctl, uint16_t addr) {
	struct dp_local local = {.addr = addr, .port = (uint16_t)ctl->cfg->media_port_min};

	return dp_client_region(ctl->dp) && dp_client_slot(ctl->dp, local) == RR_SLOT_NONE;
}

// The address to take a pair from: one that has a free pair, from anywhere in the pool so that its
// addresses fill evenly. Where none has, the one whose resting pairs have rested longest.
static uint16_t choose_addr(const struct control *ctl, const struct address_list *from) {
	uint16_t chosen = from->index[0];
	int64_t longest_ms = INT64_MIN; // -1: no pair rests

	for (uint32_t i = 0; i < from->n; i++) {
		uint16_t addr = from->index[(ctl->spread + i) % from->n];
		int64_t rest_ms;

		if (dataplane_lacks(ctl, addr))
			continue;
		if (port_alloc_has_free(ctl->ports, addr, ctl->now_ns))
			return addr;
		rest_ms = port_alloc_longest_rest_ms(ctl->ports, addr, ctl->now_ns);
		if (rest_ms > longest_ms) {
			longest_ms = rest_ms;
			chosen = addr;
		}
	}
	return chosen;
}

static int take_from_pool(struct control *ctl, const struct session_local *local, uint32_t worker,
	struct session_pair *pair) {
	struct address_list from;
	int ret;

	address_pool_choice(&ctl->addresses, local, &from);
	if (from.n == 0)
		return -EADDRNOTAVAIL;
	pair->addr = choose_addr(ctl, &from);
	ret = port_alloc_take(ctl->ports, pair->addr, worker, ctl->now_ns, &pair->port);
	if (ret == 0)
		ctl->spread++;
	return ret;
}

void session_give_back(struct control *ctl, const struct session_pair *pair) {
	if (pair->uid == 0)
		return;
	session_index_set_pair(&ctl->index, pair->addr, pair->port, NULL);
	port_alloc_release(ctl->ports, pair->addr, pair->port, ctl->now_ns);
}

static int take_pair(struct control *ctl, struct session *s, const struct session_local *local,
	struct session_pair *pair) {
	uint32_t worker =
		s->owner_port ? dp_client_worker(ctl->dp, s->owner_port) : PORT_ALLOC_ANY_WORKER;
	int ret;

	rr_crash_point(RR_CRASH_reserve_before);
	ret = take_from_pool(ctl, local, worker, pair);
	if (ret < 0)
		return ret;
	pair->uid = ctl->next_uid++;
	ret = session_index_set_pair(&ctl->index, pair->addr, pair->port, s);
	if (ret < 0) {
		session_give_back(ctl, pair);
		return ret;
	}
	rr_crash_point(RR_CRASH_reserve_after);
	return 0;
}

static void retire(struct session *s, unsigned int leg, struct session_retired *r) {
	*r = (struct session_retired){
		.pair = s->leg[leg].pair,
		.leg = (uint8_t)leg,
		.next = s->retired,
	};
	s->retired = r;
	s->leg[leg].pair = (struct session_pair){.uid = 0};
}

int session_retire(struct session *s, unsigned int leg) {
	struct session_retired *r = (struct session_retired *)malloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	retire(s, leg, r);
	return 0;
}

void session_unretire(struct session *s, uint64_t uid) {
	struct session_retired **place = &s->retired;
	struct session_retired *r;

	while (*place && (*place)->pair.uid != uid)
		place = &(*place)->next;
	r = *place;
	if (!r)
		return;
	*place = r->next;
	retired_free(s, r);
}

// Completing a session switches it from the setup to the media TTL, unless S ttl= said another.
static void complete(struct control *ctl, struct session *s) {
	s->was_complete = true;
	stats_add(&ctl->stats, STATS_nsess_complete, 1);
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		if (!s->leg[i].ttl_told)
			s->leg[i].ttl_s = ctl->cfg->media_ttl_s;
}

int session_take_ports(struct control *ctl, struct session *s, unsigned int leg) {
	struct session_leg *l = &s->leg[leg];
	struct session_pair pair;
	int ret = take_pair(ctl, s, &l->local, &pair);

	if (ret < 0)
		return ret;
	// What the old ports learned holds for the new ones.
	if (l->pair.uid != 0) {
		session_capture(ctl, s, false);
		ret = session_retire(s, leg);
	}
	if (ret < 0) {
		session_give_back(ctl, &pair);
		return ret;
	}
	l->pair = pair;
	if (session_complete(s) && !s->was_complete)
		complete(ctl, s);
	return 0;
}

void session_prefill(
	struct control *ctl, struct session *s, unsigned int leg, const struct rtpp_media *media) {
	struct session_leg *l = &s->leg[leg];

	if (media->remote_ignored)
		return;
	l->on_hold = media->remote_hold;
	if (media->remote_hold) {
		l->n_holds++;
		return;
	}
	// `safe` starts to learn again with another address, and what was learned is void.
	if (ctl->cfg->learning == RR_LEARN_SAFE &&
		!rr_endpoint_equal(&l->signalled, &media->remote))
		memset(l->learned, 0, sizeof(l->learned));
	l->signalled = media->remote;
	l->version++;
}

void session_refresh(struct control *ctl, struct session *s) {
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		s->leg[i].refreshed_ns = ctl->now_ns;
	expiry_arm(ctl, s);
}

// Pairs whose flows are gone: their last counters are read, then their ports are free.
void session_drop_deleted(struct control *ctl, struct session *s) {
	struct session_retired **place = &s->retired;

	while (*place) {
		struct session_retired *r = *place;

		if (!r->submitted || r->waiting != 0) {
			place = &r->next;
			continue;
		}
		*place = r->next;
		session_add_to_base(ctl, s, r->leg, &r->pair);
		session_give_back(ctl, &r->pair);
		retired_free(s, r);
		session_touch(ctl, s);
	}
	if (s->state != SESSION_ENDING || s->retired)
		return;
	stats_session_over(ctl, s);
	s->state = SESSION_GONE;
	session_touch(ctl, s);
	ctl->commit_wanted = true;
}

// A pair names the session that retires it until its ports are given back.
void session_flow_deleted(struct control *ctl, const struct dp_request *req) {
	struct session *s = session_index_pair(&ctl->index, req->local.addr, req->local.port);
	struct session_retired *r = s ? s->retired : NULL;

	while (r && r->pair.uid != req->uid)
		r = r->next;
	if (!r)
		return;
	r->waiting &= (uint8_t) ~(1U << (req->local.port & 1));
	session_drop_deleted(ctl, s);
}

static void end(struct control *ctl, struct session *s) {
	s->state = SESSION_ENDING;
	session_change_end_all(s);
	clearance_session_ends(ctl, s);
	session_index_hide(&ctl->index, s);
	expiry_disarm(&ctl->expiry, s);
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		if (s->leg[i].pair.uid != 0)
			retire(s, i, &s->last[i]);
	session_touch(ctl, s);
}

void session_end_untold(struct control *ctl, struct session *s) {
	uint64_t end_ns = clearance_covers(ctl, s) ? ctl->clearance.at_ns : ctl->now_ns;

	stats_add(&ctl->stats, STATS_nsess_destroyed, 1);
	stats_add(&ctl->stats, STATS_duration_ns, end_ns - s->created_ns);
	end(ctl, s);
}

void session_end(struct control *ctl, struct session *s, struct job *job) {
	if (s->state != SESSION_LIVE)
		return;
	session_end_untold(ctl, s);
	session_tell_retired(ctl, s, job);
}

void session_revoke(struct control *ctl, struct session *s) {
	stats_take_back(&ctl->stats, STATS_nsess_created);
	end(ctl, s);
	session_tell_retired(ctl, s, NULL);
}
