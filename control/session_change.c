// SPDX-License-Identifier: BSD-2-Clause
// Changes that the dataplane has not acknowledged: what a session was before, to be put back.
#include "session_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "session_flow.h"

static void view_take(struct session_view *view, const struct session *s) {
	*view = (struct session_view){
		.texts = session_texts_ref(s->texts),
		.notify_local_be = s->notify_local_be,
		.strong = s->strong,
		.was_complete = s->was_complete,
	};
	memcpy(view->leg, s->leg, sizeof(view->leg));
}

int session_change_open(struct session *s, bool is_new, struct session_change **out) {
	struct session_change *change = (struct session_change *)calloc(1, sizeof(*change));
	struct session_change **tail = &s->changes;

	if (!change)
		return -ENOMEM;
	change->session = s;
	change->is_new = is_new;
	view_take(&change->before, s);
	while (*tail)
		tail = &(*tail)->next;
	*tail = change;
	*out = change;
	return 0;
}

void session_change_seal(struct session_change *change) {
	if (change->sealed || change->state != CHANGE_OPEN)
		return;
	view_take(&change->after, change->session);
	change->sealed = true;
}

static void change_free(struct session_change *change) {
	session_texts_unref(change->before.texts);
	session_texts_unref(change->after.texts);
	free(change);
}

static void unlink_change(struct session_change *change) {
	struct session_change **place = &change->session->changes;

	while (*place != change)
		place = &(*place)->next;
	*place = change->next;
	change->session = NULL;
}

bool session_change_close(struct control *ctl, struct session_change *change) {
	struct session *s = change->session;
	bool holds = change->state != CHANGE_VOID;

	if (change->state == CHANGE_OPEN) {
		unlink_change(change);
		session_tell_retired(ctl, s, NULL);
	}
	change_free(change);
	return holds;
}

void session_change_end_all(struct session *s) {
	struct session_change *next;

	for (struct session_change *change = s->changes; change; change = next) {
		next = change->next;
		change->state = CHANGE_MOOT;
		change->session = NULL;
	}
	s->changes = NULL;
}

// Give a leg the ports that it had. Those it has now are retired; without memory for that they
// stay, which is better than ports that nobody deletes.
static int restore_pair(struct session *s, unsigned int leg, const struct session_pair *was) {
	struct session_pair *now = &s->leg[leg].pair;

	if (now->uid == was->uid)
		return 0;
	if (now->uid != 0 && session_retire(s, leg) < 0)
		return -ENOMEM;
	*now = *was;
	session_unretire(s, was->uid);
	return 0;
}

// Unless the command did not set it, or somebody set it after the command.
#define PUT_BACK(now, before, after, field) \
	do { \
		if ((before)->field != (after)->field && (now)->field == (after)->field) \
			(now)->field = (before)->field; \
	} while (0)

// An address and what was learned of it belong together. The one of before is news to a dataplane
// that heard of the other one, so the version grows.
static void restore_signalled(struct session_leg *leg, const struct session_leg *before,
	const struct session_leg *after) {
	if (before->version == after->version)
		return;
	leg->version++;
	if (rr_endpoint_equal(&before->signalled, &after->signalled))
		return;
	leg->signalled = before->signalled;
	memcpy(leg->learned, before->learned, sizeof(leg->learned));
}

// An address that drains released its legs meanwhile; it is not wanted again.
static void restore_local(
	const struct control *ctl, struct session_leg *leg, const struct session_leg *before) {
	leg->local = before->local;
	if (ctl->addresses.state[leg->local.addr] != RR_ADDRESS_ACTIVE)
		leg->local.exact = false;
}

static void restore_leg(const struct control *ctl, struct session *s,
	const struct session_change *change, unsigned int i) {
	const struct session_leg *before = &change->before.leg[i];
	const struct session_leg *after = &change->after.leg[i];
	struct session_leg *leg = &s->leg[i];

	if (before->pair.uid != after->pair.uid && leg->pair.uid == after->pair.uid &&
		restore_pair(s, i, &before->pair) == 0)
		restore_local(ctl, leg, before);
	restore_signalled(leg, before, after);
	leg->n_holds -= after->n_holds - before->n_holds;
	PUT_BACK(leg, before, after, ttl_s);
	PUT_BACK(leg, before, after, ttl_told);
	PUT_BACK(leg, before, after, resize_ms);
	PUT_BACK(leg, before, after, tos);
	PUT_BACK(leg, before, after, asymmetric);
	PUT_BACK(leg, before, after, weak);
	PUT_BACK(leg, before, after, on_hold);
}

// Without memory the texts stay what the command made them, which only a timeout notice shows.
static void restore_texts(
	struct session *s, const struct session_view *before, const struct session_view *after) {
	struct slice text[SESSION_N_TEXTS];

	for (unsigned int i = 0; i < SESSION_N_TEXTS; i++) {
		struct slice was = session_texts_get(before->texts, (enum session_text)i);
		struct slice set = session_texts_get(after->texts, (enum session_text)i);

		text[i] = session_text(s, (enum session_text)i);
		if (slice_equal(text[i], set))
			text[i] = was;
	}
	session_set_texts(s, text);
}

static void put_back(struct control *ctl, struct session *s, const struct session_change *change) {
	const struct session_view *before = &change->before;
	const struct session_view *after = &change->after;

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		restore_leg(ctl, s, change, i);
	if (before->texts != after->texts)
		restore_texts(s, before, after);
	PUT_BACK(s, before, after, notify_local_be);
	PUT_BACK(s, before, after, strong);
	if (before->was_complete == after->was_complete)
		return;
	s->was_complete = before->was_complete;
	stats_take_back(&ctl->stats, STATS_nsess_complete);
}

// This change and those behind it, which were built on it, the last one first.
static void put_back_from(struct control *ctl, struct session *s, struct session_change *change) {
	struct session_change *last = NULL;

	while (change) {
		struct session_change *next = change->next;

		change->next = last;
		last = change;
		change = next;
	}
	while (last) {
		struct session_change *next = last->next;

		session_change_seal(last);
		put_back(ctl, s, last);
		last->next = NULL;
		last->state = CHANGE_VOID;
		last->session = NULL;
		last = next;
	}
}

// Take a change and all behind it off the session's list.
static void cut_list(struct session_change *change) {
	struct session_change **place = &change->session->changes;

	while (*place != change)
		place = &(*place)->next;
	*place = NULL;
}

void session_change_undo(struct control *ctl, struct session_change *change) {
	struct session *s = change->session;
	bool is_new = change->is_new;

	if (change->state == CHANGE_OPEN) {
		cut_list(change);
		put_back_from(ctl, s, change);
		session_touch(ctl, s);
		if (is_new) {
			session_revoke(ctl, s);
		} else {
			expiry_arm(ctl, s);
			session_tell_retired(ctl, s, NULL);
			session_tell(ctl, s, NULL);
		}
	}
	change_free(change);
}

void session_change_forget(struct session_change *change) {
	if (change->state == CHANGE_OPEN)
		unlink_change(change);
	change_free(change);
}
