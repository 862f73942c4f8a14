// SPDX-License-Identifier: BSD-2-Clause
// The turn that carries commands from execution to reply, and start-up from what was stored.
//
// Order: reserve, commit, submit, acknowledge, reply. Execution reserves; control_turn_commit
// commits and submits; control_poll takes acknowledgements. A job leaves with its reply when its
// effect is committed and nothing of it is outstanding, or when its deadline has passed, its undo
// has run and what that changed is committed in turn. A job whose effect could not be committed is
// held, and committed with a later turn.
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "crash_point.h"
#include "log.h"
#include "port_alloc.h"
#include "port_rest.h"
#include "retrans.h"
#include "session_change.h"
#include "session_flow.h"
#include "session_store.h"
#include "store.h"

#define READER_CHECK_S 60
// Rows that one commit writes again besides those that its commands changed.
#define REWRITE_SLICE 1000
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

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

static int write_all(struct control *ctl) {
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

static void clean_all(struct control *ctl) {
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
	ret = write_all(ctl);
	if (ret < 0) {
		refuse_turn(ctl, ret);
		ctl->commit_wanted = true;
		ctl->refused = true;
		return; // what is dirty stays so, for the next turn
	}
	clean_all(ctl);
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

static int read_boot_id(uint8_t id[16]) {
	char text[40];
	ssize_t n;
	unsigned int n_digits = 0;
	int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && n_digits < 32; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			continue;
		id[n_digits / 2] |= (uint8_t)((digit - digits) << (n_digits % 2 ? 0 : 4));
		n_digits++;
	}
	return n_digits == 32 ? 0 : -EIO;
}

static void say_unusable(const struct control *ctl, int error) {
	rr_err("store",
		"cannot be read, control does not start: move dir=%s away to begin without its "
		"calls: %s",
		ctl->cfg->store_dir, strerror(-error));
}

static int open_store(struct control *ctl) {
	struct store_params params = {
		.dir = ctl->cfg->store_dir,
		.map_mb = ctl->cfg->store_mb,
		.now_ns = ctl->now_ns,
	};
	struct rr_store_meta *meta;
	int ret = read_boot_id(params.boot_id);

	if (ret == 0)
		ret = store_open(&ctl->store, &params);
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	else if (ret < 0)
		rr_err("store", "cannot open dir=%s: %s", params.dir, strerror(-ret));
	if (ret < 0)
		return ret;
	meta = store_meta(ctl->store);
	meta->epoch++;
	ctl->next_uid = meta->next_uid;
	stats_load(&ctl->stats, meta);
	return 0;
}

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

// ---- what an earlier control left
// ----------------------------------------------------------------

// Rows that cannot be calls any more.
struct lost_rows {
	struct control *ctl;
	uint64_t *id;
	size_t n;
};

static int load_session(void *arg, uint64_t id, const void *record, size_t size) {
	struct lost_rows *lost = (struct lost_rows *)arg;
	int ret = session_store_load(lost->ctl, record, size);
	uint64_t *ids;

	if (ret == 0 || ret == -ENOMEM)
		return ret;
	rr_warn("store", "session dropped id=%llu: %s", (unsigned long long)id, strerror(-ret));
	ids = (uint64_t *)realloc(lost->id, (lost->n + 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	ids[lost->n++] = id;
	lost->id = ids;
	return 0;
}

static int forget_rows(struct control *ctl, const struct lost_rows *lost) {
	int ret = 0;

	if (lost->n == 0)
		return 0;
	ret = store_begin(ctl->store);
	for (size_t i = 0; ret == 0 && i < lost->n; i++)
		ret = store_delete_session(ctl->store, lost->id[i]);
	stats_add(&ctl->stats, STATS_nsess_destroyed, lost->n);
	if (ret == 0)
		return store_commit(ctl->store, ctl->now_ns);
	store_abort(ctl->store);
	return ret;
}

static int load_cookie(void *arg, struct slice cookie, struct slice reply, uint64_t received_ns) {
	struct control *ctl = (struct control *)arg;
	int ret = retrans_put(ctl->retrans, cookie, reply, received_ns, ctl->now_ns);

	return ret == -ENOMEM ? ret : 0;
}

// A worker before this one had the same copy of the file, and perhaps a later file since.
static bool of_this_program(const struct control *ctl) {
	return ctl->program != 0 && store_meta(ctl->store)->counters[STATS_program] == ctl->program;
}

static int recall_address(
	void *arg, const struct rr_store_address *row, const struct rr_text *realm) {
	struct control *ctl = (struct control *)arg;
	char text[RR_ENDPOINT_STRLEN];
	int ret = of_this_program(ctl) ? address_pool_restore(&ctl->addresses, row, realm)
				       : address_pool_recall(&ctl->addresses, row, realm);

	if (ret < 0)
		rr_warn("store", "address dropped address=%s realm=%.*s: %s",
			rr_endpoint_format_addr(&row->addr, text, sizeof(text)), (int)realm->len,
			realm->p, strerror(-ret));
	return 0;
}

// Ports of those that the file does not name, and none of those that were drained.
static int load_addresses(struct control *ctl) {
	int ret;

	if (of_this_program(ctl))
		address_pool_clear(&ctl->addresses);
	ret = store_each_address(ctl->store, recall_address, ctl);

	for (uint32_t i = 0; ret == 0 && i < RR_MAX_ADDRS; i++) {
		if (address_pool_is_wanted(&ctl->addresses, i))
			ret = port_alloc_add(ctl->ports, i);
		else
			port_alloc_remove(ctl->ports, i);
	}
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	return ret;
}

static int load_all(struct control *ctl) {
	struct outbox_time time = control_time(ctl);
	struct lost_rows lost = {.ctl = ctl};
	int ret = store_each_session(ctl->store, load_session, &lost);

	if (ret == 0)
		ret = forget_rows(ctl, &lost);
	free(lost.id);
	if (ret == 0 && ctl->retrans)
		ret = store_each_cookie(ctl->store, load_cookie, ctl);
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	if (ret == 0)
		ret = outbox_load(&ctl->outbox, ctl->store, &time);
	if (ret == 0)
		rr_info("control", "store loaded sessions=%zu notices=%llu epoch=%u",
			session_index_count(&ctl->index),
			(unsigned long long)ctl->outbox.stats.n_waiting,
			store_meta(ctl->store)->epoch);
	return ret;
}

static int open_all(struct control *ctl) {
	int ret = session_index_init(&ctl->index, ctl->cfg);

	if (ret == 0)
		ret = open_ports(ctl);
	if (ret == 0)
		ret = open_store(ctl);
	if (ret == 0)
		ret = load_addresses(ctl);
	if (ret == 0)
		ret = open_dp(ctl);
	if (ret == 0)
		ret = load_all(ctl);
	if (ret < 0)
		return ret;
	// The new epoch is on record before the dataplane hears of it.
	ret = write_all(ctl);
	clean_all(ctl);
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

	if (ctl->dp && ctl->store && write_all(ctl) == 0)
		clean_all(ctl);
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
