// SPDX-License-Identifier: BSD-2-Clause
// Every path by which control and dataplane agree again.
#include "resync.h"

#include "atomic.h"
#include "clock.h"
#include "control.h"
#include "log.h"
#include "session_flow.h"

bool resync_running(const struct resync *rs) {
	return rs->phase != RESYNC_IDLE;
}

void resync_start(struct control *ctl) {
	struct resync *rs = &ctl->resync;

	rs->phase = RESYNC_SESSIONS;
	rs->cursor = session_index_first(&ctl->index);
	rs->slot = 0;
	rs->n_sessions = 0;
	rs->n_strays = 0;
	rs->start_ns = ctl->now_ns;
	rr_info("resync", "started sessions=%zu", session_index_count(&ctl->index));
}

void resync_find_strays(struct control *ctl) {
	struct resync *rs = &ctl->resync;

	if (rs->phase == RESYNC_SESSIONS)
		return;
	if (rs->phase == RESYNC_IDLE) {
		rs->n_sessions = 0;
		rs->n_strays = 0;
		rs->start_ns = ctl->now_ns;
	}
	rs->phase = RESYNC_STRAYS;
	rs->slot = 0;
}

void resync_session_gone(struct control *ctl, const struct session *s) {
	if (ctl->resync.cursor == s)
		ctl->resync.cursor = session_index_next(s);
}

// A region that lived on knows what its flows learned while nobody listened; a fresh one is told
// what the session knows.
static void say_session(struct control *ctl, struct session *s) {
	if (s->state == SESSION_GONE)
		return;
	session_capture(ctl, s, false);
	session_tell_again(ctl, s);
	ctl->resync.n_sessions++;
}

static void step_sessions(struct control *ctl) {
	struct resync *rs = &ctl->resync;

	while (rs->cursor && dp_client_takes_background(ctl->dp)) {
		struct session *s = rs->cursor;

		rs->cursor = session_index_next(s);
		say_session(ctl, s);
	}
	if (!rs->cursor)
		rs->phase = RESYNC_STRAYS;
}

// True when the session uses or retires a pair under this uid.
static bool session_has_uid(const struct session *s, uint64_t uid) {
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		if (s->leg[i].pair.uid == uid)
			return true;
	for (const struct session_retired *r = s->retired; r; r = r->next)
		if (r->pair.uid == uid)
			return true;
	return false;
}

static bool is_stray(struct control *ctl, const struct rr_region *r, uint32_t slot) {
	const struct rr_flow *f = &r->flows[slot];
	const struct session *s;
	struct dp_local local;

	if (!rr_region_has_slot(r, slot) || !(rr_load_relaxed(&f->flags) & RR_FLOW_INSTALLED))
		return false;
	if (dp_client_local(ctl->dp, slot, &local) < 0)
		return true;
	s = session_index_pair(&ctl->index, local.addr, local.port);
	return !s || !session_has_uid(s, rr_load_relaxed(&f->uid));
}

static void step_strays(struct control *ctl) {
	const struct rr_region *r = dp_client_region(ctl->dp);
	struct resync *rs = &ctl->resync;
	uint32_t end = r->n_flows - rs->slot > RESYNC_SCAN ? rs->slot + RESYNC_SCAN : r->n_flows;

	for (; rs->slot < end; rs->slot++) {
		if (!dp_client_takes_background(ctl->dp))
			return;
		if (!is_stray(ctl, r, rs->slot))
			continue;
		dp_client_delete_stray(ctl->dp, rs->slot);
		rs->n_strays++;
	}
	if (rs->slot == r->n_flows)
		rs->phase = RESYNC_LAST_ACKS;
}

static void step_last_acks(struct control *ctl) {
	struct resync *rs = &ctl->resync;

	if (dp_client_n_resync(ctl->dp) > 0)
		return;
	rs->phase = RESYNC_IDLE;
	rs->done_once = true;
	rr_info("resync", "done sessions=%llu strays=%llu ms=%llu",
		(unsigned long long)rs->n_sessions, (unsigned long long)rs->n_strays,
		(unsigned long long)((rr_now_ns() - rs->start_ns) / RR_NS_PER_MS));
}

void resync_step(struct control *ctl) {
	// A generation that is not there yet starts the resync anew when it has settled.
	if (!dp_client_settled(ctl->dp) || !dp_client_has_room(ctl->dp))
		return;
	if (dp_client_take_overflow(ctl->dp))
		resync_start(ctl);
	switch (ctl->resync.phase) {
	case RESYNC_IDLE:
		break;
	case RESYNC_SESSIONS:
		step_sessions(ctl);
		break;
	case RESYNC_STRAYS:
		step_strays(ctl);
		break;
	case RESYNC_LAST_ACKS:
		step_last_acks(ctl);
		break;
	}
}
