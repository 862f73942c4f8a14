// SPDX-License-Identifier: BSD-2-Clause
// `X`: every session that there is ends, a slice a turn.
#include "clearance.h"

#include "control.h"
#include "job.h"

// Ids grow, and the index keeps sessions in the order in which they were made.
size_t clearance_begin(struct control *ctl, struct job *job) {
	struct clearance *cl = &ctl->clearance;
	size_t n = control_n_live(ctl);

	cl->below = ctl->next_uid;
	cl->at_ns = ctl->now_ns;
	cl->n_left = ctl->index.n_visible;
	cl->cursor = session_index_first(&ctl->index);
	ctl->stats.counter[STATS_cleared_below] = cl->below;
	job->clears_below = cl->below;
	clearance_step(ctl);
	return n;
}

bool clearance_covers(const struct control *ctl, const struct session *s) {
	return s->id < ctl->clearance.below;
}

void clearance_step(struct control *ctl) {
	struct clearance *cl = &ctl->clearance;
	unsigned int n = 0;

	while (cl->cursor && n++ < CLEARANCE_SLICE && dp_client_takes_background(ctl->dp)) {
		struct session *s = cl->cursor;
		bool is_over = clearance_covers(ctl, s);

		cl->cursor = is_over ? session_index_next(s) : NULL;
		if (is_over)
			session_end(ctl, s, NULL);
	}
}

void clearance_end_call(struct control *ctl, struct call *call) {
	while (call && call->first && clearance_covers(ctl, call->first))
		session_end(ctl, call->first, NULL);
}

bool clearance_is_over(const struct control *ctl, const struct job *job) {
	const struct session *first = session_index_first(&ctl->index);

	return !first || first->id >= job->clears_below;
}

void clearance_session_ends(struct control *ctl, const struct session *s) {
	if (clearance_covers(ctl, s))
		ctl->clearance.n_left--;
}

void clearance_session_gone(struct control *ctl, const struct session *s) {
	if (ctl->clearance.cursor == s)
		ctl->clearance.cursor = session_index_next(s);
}
