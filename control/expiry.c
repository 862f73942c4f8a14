// SPDX-License-Identifier: BSD-2-Clause
// A wheel of one-second slots; a session stands in the slot of the earliest tick at which it may
// end, and is looked at closely only then.
#include "expiry.h"

#include "clock.h"
#include "config.h"
#include "control.h"

#define NEVER UINT64_MAX

static uint64_t tick_of(uint64_t ns) {
	return ns / RR_NS_PER_S;
}

void expiry_init(struct expiry *ex, uint64_t now_ns) {
	*ex = (struct expiry){.last_tick = tick_of(now_ns), .resumed_ns = now_ns};
}

// ---- deadlines
// -----------------------------------------------------------------------------------

static void later(uint64_t *a, uint64_t b) {
	if (b > *a)
		*a = b;
}

// Last datagram that reached the relay stage on either socket of a leg.
static uint64_t last_media_ns(struct control *ctl, const struct session_leg *leg) {
	uint64_t last_ns = 0;

	for (unsigned int flow = 0; leg->pair.uid != 0 && flow < SESSION_N_FLOWS; flow++) {
		struct dp_local local = {leg->pair.addr, (uint16_t)(leg->pair.port + flow)};
		struct rr_flow_cold c;
		struct rr_flow f;

		if (dp_client_read_flow(ctl->dp, local, leg->pair.uid, &f, &c) == 0)
			later(&last_ns, f.last_seen_ns);
	}
	return last_ns;
}

static uint64_t leg_refreshed_ns(
	struct control *ctl, const struct session *s, unsigned int i, bool with_media) {
	const struct session_leg *leg = &s->leg[i];
	uint64_t refreshed_ns = leg->refreshed_ns;

	// Nothing is relayed before both legs have ports, so nothing refreshes.
	if (with_media && session_complete(s))
		later(&refreshed_ns, last_media_ns(ctl, leg));
	return refreshed_ns;
}

// The tick at which a session ends. One TTL for both legs, or one each of which the first counts.
static uint64_t end_tick(struct control *ctl, const struct session *s, bool with_media) {
	uint64_t end = NEVER;
	uint64_t both_ns = 0;

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++) {
		uint64_t ns = leg_refreshed_ns(ctl, s, i, with_media);
		uint64_t own = tick_of(ns) + s->leg[i].ttl_s + 1;

		later(&both_ns, ns);
		if (own < end)
			end = own;
	}
	if (ctl->cfg->independent_ttl)
		return end;
	return tick_of(both_ns) + s->leg[0].ttl_s + 1;
}

// What fell due while nobody could refresh it has the grace after the return.
static uint64_t with_grace(const struct expiry *ex, uint64_t end) {
	if (end > tick_of(ex->resumed_ns))
		return end;
	return tick_of(ex->resumed_ns) + EXPIRY_GRACE_S + 1;
}

uint32_t expiry_ttl(struct control *ctl, const struct session *s) {
	uint64_t now = tick_of(ctl->now_ns);
	uint64_t end = end_tick(ctl, s, true);

	return end > now + 1 ? (uint32_t)(end - now - 1) : 0;
}

// ---- the wheel
// -----------------------------------------------------------------------------------

void expiry_disarm(struct expiry *ex, struct session *s) {
	struct session_links *l = &s->links;

	if (s->due_tick == 0)
		return;
	if (l->wheel_prev)
		l->wheel_prev->links.wheel_next = l->wheel_next;
	else if (ex->due == s)
		ex->due = l->wheel_next;
	else
		ex->slot[s->due_tick % EXPIRY_SLOTS] = l->wheel_next;
	if (l->wheel_next)
		l->wheel_next->links.wheel_prev = l->wheel_prev;
	l->wheel_next = NULL;
	l->wheel_prev = NULL;
	s->due_tick = 0;
}

static void place(struct expiry *ex, struct session *s, uint64_t due) {
	struct session **slot = &ex->slot[due % EXPIRY_SLOTS];

	s->due_tick = due;
	s->links.wheel_prev = NULL;
	s->links.wheel_next = *slot;
	if (*slot)
		(*slot)->links.wheel_prev = s;
	*slot = s;
}

static void arm_at(struct expiry *ex, struct session *s, uint64_t due) {
	if (due <= ex->last_tick)
		due = ex->last_tick + 1;
	place(ex, s, due); // beyond the wheel: looked at once a round
}

void expiry_arm(struct control *ctl, struct session *s) {
	uint64_t due = end_tick(ctl, s, false);

	if (s->state != SESSION_LIVE)
		return;
	// Too early is harmless: the session is looked at and put further on.
	if (s->due_tick != 0 && s->due_tick <= due)
		return;
	expiry_disarm(&ctl->expiry, s);
	arm_at(&ctl->expiry, s, due);
}

// ---- once a second, a slice a turn
// -------------------------------------------------------------------------------

static void expire(struct control *ctl, struct session *s) {
	struct slice target = session_text(s, SESSION_NOTIFY_SOCKET);
	struct outbox_time time = control_time(ctl);

	stats_add(&ctl->stats, STATS_nsess_timeout, 1);
	if (target.len > 0)
		outbox_add(&ctl->outbox, target, s->notify_local_be,
			session_text(s, SESSION_NOTIFY_TAG), &time);
	session_end(ctl, s, NULL);
}

static void look_at(struct control *ctl, struct session *s) {
	struct expiry *ex = &ctl->expiry;
	uint64_t now = tick_of(ctl->now_ns);
	uint64_t end, graced;

	if (clearance_covers(ctl, s)) {
		session_end(ctl, s, NULL);
		return;
	}
	end = end_tick(ctl, s, true);
	graced = with_grace(ex, end);
	if (end <= now && graced > now)
		stats_add(&ctl->stats, STATS_graced, 1);
	if (graced <= now)
		expire(ctl, s);
	else
		arm_at(ex, s, graced);
}

// The slot is emptied first: a session that is put further on may land in it again.
static void empty_slot(struct expiry *ex, uint64_t tick) {
	struct session **slot = &ex->slot[tick % EXPIRY_SLOTS];

	ex->due = *slot;
	*slot = NULL;
	ex->last_tick = tick;
}

static struct session *take_due(struct expiry *ex) {
	struct session *s = ex->due;

	expiry_disarm(ex, s);
	return s;
}

// Whether anybody could refresh a session.
static bool dp_is_back(struct control *ctl) {
	struct expiry *ex = &ctl->expiry;
	bool was_alive = ex->dp_was_alive;

	ex->dp_was_alive = dp_client_alive(ctl->dp, ctl->now_ns);
	if (ex->dp_was_alive && !was_alive)
		ex->resumed_ns = ctl->now_ns;
	return ex->dp_was_alive;
}

bool expiry_busy(const struct expiry *ex) {
	return ex->due && ex->dp_was_alive;
}

void expiry_run(struct control *ctl) {
	struct expiry *ex = &ctl->expiry;
	uint64_t now = tick_of(ctl->now_ns);
	unsigned int n = 0;

	if (!dp_is_back(ctl))
		return;
	if (!ex->due && now - ex->last_tick > EXPIRY_SLOTS)
		ex->last_tick = now - EXPIRY_SLOTS;
	while (n < EXPIRY_SLICE && dp_client_takes_background(ctl->dp)) {
		if (ex->due) {
			look_at(ctl, take_due(ex));
			n++;
		} else if (ex->last_tick < now) {
			empty_slot(ex, ex->last_tick + 1);
		} else {
			return;
		}
	}
}
