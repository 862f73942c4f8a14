// SPDX-License-Identifier: BSD-2-Clause
// The turn that carries commands from execution to reply.
//
// Order: reserve, commit, submit, acknowledge, reply. Execution reserves; control_turn_commit
// commits and submits; control_poll takes acknowledgements. A job leaves with its reply when its
// effect is committed and nothing of it is outstanding, or when its deadline has passed, its undo
// has run and what that changed is committed in turn. A job whose effect could not be committed is
// held, and committed with a later turn.
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "crash_point.h"
#include "log.h"
#include "port_alloc.h"
#include "port_rest.h"
#include "recall.h"
#include "session_change.h"
#include "session_flow.h"
#include "store.h"
#include "turn_rows.h"

#define READER_CHECK_S 60

static struct rr_log_limit store_limit = {.burst = 1};

// ---- replies
// -------------------------------------------------------------------------------------

static void finish(struct control *ctl, struct job *job) {
	if (!job->of_operator) {
		stats_add(&ctl->stats, job->error ? STATS_ncmds_errs : STATS_ncmds_succd, 1);
		stats_add(&ctl->stats, STATS_ncmds_repld, 1);
	}
	job_reply(job);
}

// A reply that became another one must be committed before it leaves.
static void end_wait(struct control *ctl, struct job *job) {
	bool changed = job->failed ? command_fail(ctl, job) : !command_succeed(ctl, job);

	job_list_remove(&ctl->waiting, job);
	if (changed) {
		ctl->commit_wanted = true;
		job_list_append(&ctl->turn, job);
	} else {
		finish(ctl, job);
	}
}

static void on_job_acked(void *arg, struct job *job) {
	if (!job->held)
		end_wait((struct control *)arg, job);
}

// Every wait is of the same length, so the first in line is the first to be over.
static void end_overdue_waits(struct control *ctl) {
	struct job *job = ctl->waiting.first;

	while (job && job->deadline_ns <= ctl->now_ns) {
		dp_client_forget(ctl->dp, job);
		job->failed = true;
		end_wait(ctl, job);
		job = ctl->waiting.first;
	}
}

// ---- commit
// --------------------------------------------------------------------------------------

static void undo_turn(struct control *ctl) {
	for (struct job *job = ctl->turn.first; job; job = job->next) {
		if (!job->failed)
			continue;
		dp_client_forget(ctl->dp, job); // what of it could be queued goes on without it
		command_fail(ctl, job);
	}
}

// A reply leaves without a commit when the store knows nothing of its command and it claims
// nothing.
static bool must_be_saved(const struct job *job) {
	return job->stored && (job->saved || !job->error);
}

uint64_t control_wait_end_ns(const struct control *ctl) {
	return ctl->now_ns + ctl->cfg->ack_timeout_ms * RR_NS_PER_MS;
}

static void hold_unsaved(struct control *ctl) {
	struct job *next;

	for (struct job *job = ctl->turn.first; job; job = next) {
		next = job->next;
		if (!must_be_saved(job))
			continue;
		job_list_remove(&ctl->turn, job);
		job->held = true;
		job->deadline_ns = control_wait_end_ns(ctl);
		job_list_append(&ctl->held, job);
	}
}

static void refuse_turn(struct control *ctl, int error) {
	if (rr_log_allow(&store_limit))
		rr_err("store", "cannot commit: %s", strerror(-error));
	stats_add(&ctl->stats, STATS_store_full, 1);
	for (struct job *job = ctl->turn.first; job; job = job->next)
		job->failed = job->failed || (job->stored && !job->of_operator);
	undo_turn(ctl);
	hold_unsaved(ctl);
}

// In front of this turn's, so that replies leave in the order of their commands.
static void release_held(struct control *ctl) {
	struct job *job;

	while ((job = ctl->held.last) != NULL) {
		job_list_remove(&ctl->held, job);
		job->held = false;
		job_list_prepend(&ctl->turn, job);
	}
	for (job = ctl->turn.first; job; job = job->next)
		job->saved = true;
}

// What the store does not take within the time of a wait is answered with an error, never with a
// success that a restart would take back.
static void end_overdue_holds(struct control *ctl) {
	struct job *job = ctl->held.first;

	while (job && job->deadline_ns <= ctl->now_ns) {
		job_list_remove(&ctl->held, job);
		dp_client_forget(ctl->dp, job);
		command_not_saved(job);
		finish(ctl, job);
		job = ctl->held.first;
	}
}

static void commit(struct control *ctl) {
	int ret;

	if (!ctl->commit_wanted && !outbox_changed(&ctl->outbox))
		return;
	rr_crash_point(RR_CRASH_commit_before);
	ctl->commit_wanted = false;
	ret = turn_rows_write(ctl);
	if (ret < 0) {
		refuse_turn(ctl, ret);
		ctl->commit_wanted = true;
		ctl->refused = true;
		return; // what is dirty stays so, for the next turn
	}
	turn_rows_written(ctl);
	ctl->commit_wanted = ctl->rewrite != NULL;
	ctl->refused = false;
	release_held(ctl);
	rr_crash_point(RR_CRASH_commit_after);
}

static void send_or_wait(struct control *ctl) {
	struct job *job;

	while ((job = ctl->turn.first) != NULL) {
		job_list_remove(&ctl->turn, job);
		if (job->clears_below > 0) {
			job->deadline_ns = control_wait_end_ns(ctl);
			job_list_append(&ctl->clearance.jobs, job);
			continue;
		}
		if (job->n_pending == 0) {
			command_succeed(ctl, job);
			finish(ctl, job);
			continue;
		}
		job->deadline_ns = control_wait_end_ns(ctl);
		job_list_append(&ctl->waiting, job);
	}
}

// Commands that wait until all sessions are gone.
static void end_clearances(struct control *ctl) {
	struct job_list *jobs = &ctl->clearance.jobs;
	struct job *job;

	while ((job = jobs->first) != NULL &&
		(clearance_is_over(ctl, job) || job->deadline_ns <= ctl->now_ns)) {
		job->failed = !clearance_is_over(ctl, job);
		job_list_remove(jobs, job);
		finish(ctl, job);
	}
}

struct outbox_time control_time(const struct control *ctl) {
	return (struct outbox_time){.now_ns = ctl->now_ns, .unix_ms = (uint64_t)time(NULL) * 1000};
}

// ---- the turn
// ------------------------------------------------------------------------------------

void control_turn_begin(struct control *ctl, uint64_t now_ns) {
	ctl->now_ns = now_ns;
}

void control_turn_commit(struct control *ctl) {
	undo_turn(ctl); // of requests that could not even be queued
	commit(ctl);
	dp_client_push(ctl->dp);
	send_or_wait(ctl);
	end_clearances(ctl);
}

static void once_a_second(struct control *ctl) {
	const struct rr_region *region = dp_client_region(ctl->dp);

	if (ctl->now_ns / RR_NS_PER_S == ctl->last_second)
		return;
	ctl->last_second = ctl->now_ns / RR_NS_PER_S;
	if (region)
		stats_read_region(&ctl->stats, region);
	stats_tick(&ctl->stats, ctl->now_ns);
	load_watch(ctl);
	address_agree(ctl);
	if (ctl->last_second % READER_CHECK_S == 0)
		store_check_readers(ctl->store);
	ctl->commit_wanted = true;
}

unsigned int control_poll(struct control *ctl, uint64_t now_ns) {
	unsigned int n;

	ctl->now_ns = now_ns;
	dp_client_watch(ctl->dp, now_ns);
	n = dp_client_poll(ctl->dp);
	end_overdue_waits(ctl);
	end_overdue_holds(ctl);
	resync_step(ctl);
	clearance_step(ctl);
	address_step(ctl);
	once_a_second(ctl);
	expiry_run(ctl);
	return n;
}

bool control_waiting(const struct control *ctl) {
	return ctl->turn.first || ctl->waiting.first || ctl->clearance.jobs.first ||
	       dp_client_busy(ctl->dp) || expiry_busy(&ctl->expiry) ||
	       (resync_running(&ctl->resync) && dp_client_settled(ctl->dp));
}

bool control_settled(const struct control *ctl) {
	return ctl->resync.done_once;
}

size_t control_n_live(const struct control *ctl) {
	return ctl->index.n_visible - ctl->clearance.n_left;
}

bool control_empty(const struct control *ctl) {
	if (control_n_live(ctl) > 0)
		return false;
	if (ctl->turn.first || ctl->held.first || ctl->waiting.first || ctl->clearance.jobs.first ||
		ctl->address_change.job)
		return false;
	return session_index_count(&ctl->index) == 0 || !dp_client_alive(ctl->dp, ctl->now_ns);
}

// ---- what the dataplane says
// ---------------------------------------------------------------------

static void on_acked(void *arg, const struct dp_request *req, uint16_t status) {
	struct control *ctl = (struct control *)arg;

	if (dp_request_is_addr(req))
		address_acked(ctl, req, status);
	if (req->op != RR_REQUEST_FLOW_DEL)
		return;
	// Another worker owns the flow: it is found as a stray, and its owner is told. Every other
	// refusal names nothing that could still be used.
	if (status == RR_REPLY_BAD_WORKER)
		resync_find_strays(ctl);
	session_flow_deleted(ctl, req);
}

static void on_event(void *arg, struct dp_local local, const struct rr_event *event) {
	session_learn((struct control *)arg, &local, event);
}

// What only the old region knows is kept: sources, counters, when media was last seen. That is news
// of every session, too much for one turn, and for one transaction of a store that is well filled.
static bool on_region_leaving(void *arg) {
	struct control *ctl = (struct control *)arg;
	struct session *first = session_index_first(&ctl->index);

	if (!ctl->leaves_region)
		ctl->capture = first;
	ctl->leaves_region = true;
	for (unsigned int i = 0; ctl->capture && i < CONTROL_CAPTURE_SLICE; i++) {
		session_capture(ctl, ctl->capture, true);
		ctl->capture = session_index_next(ctl->capture);
	}
	if (ctl->capture)
		return false;
	stats_read_region(&ctl->stats, dp_client_region(ctl->dp));
	ctl->leaves_region = false;
	ctl->rewrite = first;
	ctl->commit_wanted = true;
	return true;
}

static void on_settled(void *arg) {
	resync_start((struct control *)arg);
}

// ---- start
// ---------------------------------------------------------------------------------------

static int open_ports(struct control *ctl) {
	uint8_t bucket_owner[RR_N_BUCKETS];
	struct port_alloc_params params = {
		.n_addrs = ctl->cfg->n_addrs,
		.port_min = ctl->cfg->media_port_min,
		.port_max = ctl->cfg->media_port_max,
		.bucket_owner = bucket_owner,
		.rest_ns = ctl->cfg->port_rest_ms * RR_NS_PER_MS,
		.sequential = ctl->cfg->sequential_ports,
	};

	// As the dataplane deals them out; a wrong guess costs handovers and nothing else.
	for (uint32_t i = 0; i < RR_N_BUCKETS; i++)
		bucket_owner[i] = (uint8_t)(i % ctl->cfg->n_workers);
	return port_alloc_new(&ctl->ports, &params);
}

static int open_dp(struct control *ctl) {
	struct dp_client_params params = {
		.cfg = ctl->cfg,
		.addresses = &ctl->addresses,
		.epoch = store_meta(ctl->store)->epoch,
		.hooks =
			{
				.arg = ctl,
				.acked = on_acked,
				.event = on_event,
				.job_acked = on_job_acked,
				.region_leaving = on_region_leaving,
				.settled = on_settled,
			},
	};

	return dp_client_new(&ctl->dp, &params);
}

static int open_all(struct control *ctl) {
	int ret = session_index_init(&ctl->index, ctl->cfg);

	if (ret == 0)
		ret = open_ports(ctl);
	if (ret == 0)
		ret = recall_open(ctl);
	if (ret == 0)
		ret = recall_addresses(ctl);
	if (ret == 0)
		ret = open_dp(ctl);
	if (ret == 0)
		ret = recall_all(ctl);
	if (ret < 0)
		return ret;
	// The new epoch is on record before the dataplane hears of it.
	ret = turn_rows_write(ctl);
	turn_rows_written(ctl);
	return ret;
}

int control_open_at(struct control *ctl, const struct rr_config *cfg, struct retrans *retrans,
	uint64_t program, uint64_t now_ns) {
	int ret;

	memset(ctl, 0, sizeof(*ctl));
	ctl->live = *cfg;
	ctl->cfg = &ctl->live;
	ctl->retrans = retrans;
	ctl->program = program;
	ctl->now_ns = now_ns;
	address_pool_init(&ctl->addresses, &ctl->live);
	rtpp_env_init(&ctl->env, ctl->cfg, ctl->labels);
	expiry_init(&ctl->expiry, ctl->now_ns);
	outbox_init(&ctl->outbox, ctl->cfg);
	ret = open_all(ctl);
	if (ret < 0) {
		rr_err("control", "cannot start: %s", strerror(-ret));
		control_close(ctl);
		return ret;
	}
	dp_client_watch(ctl->dp, ctl->now_ns);
	port_rest_recall(ctl);
	return 0;
}

int control_open(struct control *ctl, const struct rr_config *cfg, struct retrans *retrans,
	uint64_t program) {
	return control_open_at(ctl, cfg, retrans, program, rr_now_ns());
}

// ---- end
// -----------------------------------------------------------------------------------------

static void drop_jobs(struct control *ctl, struct job_list *list) {
	struct job *job;

	while ((job = list->first) != NULL) {
		job_list_remove(list, job);
		dp_client_forget(ctl->dp, job);
		if (job->change)
			session_change_forget(job->change);
		job_free(job);
	}
}

void control_close(struct control *ctl) {
	struct session *next;

	if (ctl->dp && ctl->store && turn_rows_write(ctl) == 0)
		turn_rows_written(ctl);
	drop_jobs(ctl, &ctl->held);
	drop_jobs(ctl, &ctl->turn);
	drop_jobs(ctl, &ctl->waiting);
	drop_jobs(ctl, &ctl->clearance.jobs);
	address_forget(ctl);
	for (struct session *s = session_index_first(&ctl->index); s; s = next) {
		next = session_index_next(s);
		session_free(ctl, s);
	}
	outbox_fini(&ctl->outbox);
	dp_client_free(ctl->dp);
	store_close(ctl->store);
	port_alloc_free(ctl->ports);
	session_index_fini(&ctl->index);
}
