// SPDX-License-Identifier: BSD-2-Clause
// Commands under a cookie, whatever brought them: a cookie that comes again is answered again, and
// its command never run twice.
//
// A transport counts a job as under way from the moment it hands it in here until job_reply or
// job_drop gives it back.
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "job.h"
#include "listener_set.h"
#include "retrans.h"
#include "rtpp_lex.h"

#define HELD_MAX 1024

static void execute(struct listener_set *set, struct job *job) {
	set->hooks.execute(set->hooks.arg, job);
}

// The command is under way: its reply goes to whoever asked last.
static void redirect(struct job *first, struct job *duplicate) {
	struct job_origin earlier = first->origin;

	first->origin = duplicate->origin;
	duplicate->origin = earlier;
	job_drop(duplicate);
}

static void answer(struct job *job, struct slice text) {
	memcpy(job->reply, text.p, text.len);
	job->reply_len = (uint32_t)text.len;
}

// What an earlier process stored may stand for a flow that the dataplane does not have yet, so it
// waits for that, but no longer than a command would. Past that the answer is still what the store
// holds: a resync brings it over once there is a dataplane.
static void hold(struct listener_set *set, struct job *job) {
	if (set->n_held >= HELD_MAX && !job->origin.asks_once) {
		set->stats.n_dropped_held++;
		job_drop(job);
		return;
	}
	DL_APPEND(set->held, job);
	set->n_held++;
}

void cookies_take(struct listener_set *set, struct job *job) {
	struct job *first;
	struct slice text;

	switch (retrans_begin(set->hooks.retrans, job, &first, &text)) {
	case RETRANS_NEW:
		execute(set, job);
		return;
	case RETRANS_PENDING:
		redirect(first, job);
		return;
	case RETRANS_ANSWERED:
		answer(job, text);
		job_reply(job);
		return;
	case RETRANS_RESTORED:
		answer(job, text);
		hold(set, job);
		return;
	case RETRANS_NO_MEMORY:
		if (job->origin.asks_once)
			execute(set, job);
		else
			job_drop(job); // the controller asks again
		return;
	}
}

void cookies_take_message(struct listener_set *set, struct job *job, size_t len) {
	rtpp_lex_cookie((struct slice){job->bytes, len}, &job->cookie, &job->command);
	if (job->cookie.p && memchr(job->cookie.p, '\0', job->cookie.len))
		job->cookie = (struct slice){NULL, 0};
	if (job->cookie.p && job->cookie.len <= LISTENER_MAX_COOKIE) {
		cookies_take(set, job);
		return;
	}
	job->command.len = 0;
	execute(set, job);
}

void cookies_release_held(struct listener_set *set) {
	bool settled = set->held && set->hooks.settled(set->hooks.arg);
	uint64_t hold_ns = set->hooks.hold_ms * RR_NS_PER_MS;
	uint64_t now_ns = set->held ? rr_now_ns() : 0;
	struct job *job;

	while ((job = set->held) != NULL && (settled || now_ns - job->received_ns >= hold_ns)) {
		DL_DELETE(set->held, job);
		set->n_held--;
		job_reply(job);
	}
}

void cookies_free_held(struct listener_set *set) {
	struct job *job;
	struct job *next;

	DL_FOREACH_SAFE(set->held, job, next) {
		job_free(job);
	}
	set->held = NULL;
	set->n_held = 0;
}
