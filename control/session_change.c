// SPDX-License-Identifier: BSD-2-Clause
// Changes that the dataplane has not acknowledged: what a session was before, to be put back.
#include "session_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "session_flow.h"

int session_change_open(struct session *s, bool is_new, struct session_change **out) {
	struct session_change *change = (struct session_change *)malloc(sizeof(*change));
	struct session_change **tail = &s->changes;

	if (!change)
		return -ENOMEM;
	*change = (struct session_change){
		.session = s,
		.is_new = is_new,
		.texts = session_texts_ref(s->texts),
		.notify_addr = s->notify_addr,
		.strong = s->strong,
		.was_complete = s->was_complete,
	};
	memcpy(change->leg, s->leg, sizeof(change->leg));
	while (*tail)
		tail = &(*tail)->next;
	*tail = change;
	*out = change;
	return 0;
}

static void change_free(struct session_change *change) {
	session_texts_unref(change->texts);
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

// The changes behind one that is undone were built on it.
static void void_later(struct session_change *change) {
	struct session_change *next;

	for (struct session_change *later = change->next; later; later = next) {
		next = later->next;
		later->state = CHANGE_VOID;
		later->session = NULL;
	}
	change->next = NULL;
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

static void restore_leg(struct session *s, unsigned int i, const struct session_leg *was) {
	struct session_leg *leg = &s->leg[i];
	struct session_leg now = *leg;

	*leg = *was;
	leg->pair = now.pair;
	leg->base = now.base;
	if (now.refreshed_ns > leg->refreshed_ns)
		leg->refreshed_ns = now.refreshed_ns;
	// The address of before is news to a dataplane that heard of the other one.
	leg->version = now.version == was->version ? now.version : now.version + 1;
}

static void restore(struct control *ctl, struct session_change *change) {
	struct session *s = change->session;

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		if (restore_pair(s, i, &change->leg[i].pair) == 0)
			restore_leg(s, i, &change->leg[i]);
	session_texts_unref(s->texts);
	s->texts = session_texts_ref(change->texts);
	s->notify_addr = change->notify_addr;
	s->strong = change->strong;
	s->was_complete = change->was_complete;
	session_touch(ctl, s);
	expiry_arm(ctl, s);
}

void session_change_undo(struct control *ctl, struct session_change *change) {
	struct session *s = change->session;

	if (change->state == CHANGE_OPEN) {
		void_later(change);
		if (change->is_new) {
			unlink_change(change);
			session_end(ctl, s, NULL);
		} else {
			restore(ctl, change);
			unlink_change(change);
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
