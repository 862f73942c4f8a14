// SPDX-License-Identifier: BSD-2-Clause
// The dataplane as control sees it: requests go out, acknowledgements and events come back.
#include "dp_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "config.h"
#include "crash_point.h"
#include "job.h"
#include "log.h"

#define WATCH_PERIOD_NS (100 * RR_NS_PER_MS)
#define ALIVE_NS (3 * RR_NS_PER_S)
// Requests sent and not answered, per lane: what request and reply ring can hold together.
#define WINDOW (RR_REQUEST_RING_SLOTS + RR_REPLY_RING_SLOTS)
#define MAX_QUEUED 131072
#define POLL_BATCH 4096
#define NO_GENERATION UINT64_MAX

RR_STATIC_ASSERT((WINDOW & (WINDOW - 1)) == 0, "numbers are masked");

// The requests of one job. Outlives the job when the job's deadline passes first.
struct dp_wait {
	struct job *job; // NULL = gone
	uint32_t n_pending;
	struct dp_wait *next; // free list
};

struct pending {
	struct pending *next;
	struct dp_wait *wait; // NULL = nobody waits
	uint32_t stray_slot; // RR_SLOT_NONE, or the flow of a delete that names no local address
	struct dp_request req;
};

struct lane {
	struct rr_ring request;
	struct rr_ring reply;
	struct rr_ring event;
	struct pending *head; // waits for room
	struct pending **tail;
	uint32_t n_queued;
	uint32_t next; // number of the next request
	uint32_t oldest; // of the oldest one not answered
	struct pending *flight[WINDOW];
};

struct dp_client {
	const struct rr_config *cfg;
	uint32_t epoch;
	struct dp_hooks hooks;
	char path[RR_PATH_LEN + 64];

	bool attached;
	struct rr_region region;
	uint64_t generation;
	uint32_t n_lanes;
	struct lane *lanes;
	uint32_t n_barriers; // of this generation, not answered
	bool settled;
	bool overflow;
	uint16_t *cfg_of_addr; // by the region's address index; DP_NO_ADDR = not configured
	uint16_t addr_of_cfg[RR_MAX_ADDRS];

	uint64_t watched_ns;
	uint32_t n_outstanding;
	uint32_t n_background;
	uint32_t n_resync;
	struct pending *free_pending;
	struct dp_wait *free_waits;
	uint64_t counter[DP_N_COUNTERS];
};

static struct rr_log_limit refused_limit = {.burst = 5};
static struct rr_log_limit attach_limit = {.burst = 1};

static void count(struct dp_client *dp, enum dp_client_counter which) {
	dp->counter[which]++;
}

int dp_client_new(struct dp_client **out, const struct dp_client_params *params) {
	struct dp_client *dp = (struct dp_client *)calloc(1, sizeof(*dp));

	if (!dp)
		return -ENOMEM;
	dp->cfg = params->cfg;
	dp->epoch = params->epoch;
	dp->hooks = params->hooks;
	rr_region_path(params->cfg, dp->path, sizeof(dp->path));
	*out = dp;
	return 0;
}

// ---- requests in memory
// --------------------------------------------------------------------------

static struct pending *pending_new(struct dp_client *dp) {
	struct pending *p = dp->free_pending;

	if (p)
		dp->free_pending = p->next;
	else
		p = (struct pending *)malloc(sizeof(*p));
	if (p) {
		p->next = NULL;
		p->wait = NULL;
		p->stray_slot = RR_SLOT_NONE;
		dp->n_outstanding++;
	}
	return p;
}

static void pending_free(struct dp_client *dp, struct pending *p) {
	dp->n_outstanding--;
	if (p->req.background)
		dp->n_background--;
	if (p->req.resync)
		dp->n_resync--;
	p->next = dp->free_pending;
	dp->free_pending = p;
}

static struct dp_wait *wait_of(struct dp_client *dp, struct job *job) {
	struct dp_wait *w = job->wait;

	if (w)
		return w;
	w = dp->free_waits;
	if (w)
		dp->free_waits = w->next;
	else
		w = (struct dp_wait *)malloc(sizeof(*w));
	if (w)
		*w = (struct dp_wait){.job = job};
	job->wait = w;
	return w;
}

// One request of a job is over, whichever way.
static void wait_end(struct dp_client *dp, struct dp_wait *w, bool refused) {
	struct job *job = w->job;

	if (job && refused)
		job->failed = true;
	if (job)
		job->n_pending--;
	if (--w->n_pending > 0)
		return;
	w->next = dp->free_waits;
	dp->free_waits = w;
	if (!job)
		return;
	job->wait = NULL;
	dp->hooks.job_acked(dp->hooks.arg, job);
}

void dp_client_forget(struct dp_client *dp, struct job *job) {
	if (!job->wait)
		return;
	count(dp, DP_C_timeouts);
	job->wait->job = NULL;
	job->wait = NULL;
	job->n_pending = 0;
}

static void lane_append(struct lane *lane, struct pending *p) {
	p->next = NULL;
	*lane->tail = p;
	lane->tail = &p->next;
	lane->n_queued++;
}

static struct pending *lane_take(struct lane *lane) {
	struct pending *p = lane->head;

	if (!p)
		return NULL;
	lane->head = p->next;
	if (!lane->head)
		lane->tail = &lane->head;
	lane->n_queued--;
	return p;
}

// ---- region
// --------------------------------------------------------------------------------------

static int lane_attach(struct lane *lane, struct rr_shm_worker *w) {
	int request, reply, event;

	lane->tail = &lane->head;
	request = rr_ring_attach_producer(&lane->request, &w->request_ring, w->request_slots,
		RR_REQUEST_RING_SLOTS, sizeof(struct rr_request));
	reply = rr_ring_attach_consumer(&lane->reply, &w->reply_ring, w->reply_slots,
		RR_REPLY_RING_SLOTS, sizeof(struct rr_reply));
	event = rr_ring_attach_consumer(&lane->event, &w->event_ring, w->event_slots,
		RR_EVENT_RING_SLOTS, sizeof(struct rr_event));
	// Broken indexes were mended by the attach: worth counting, no reason to stay away.
	return (request < 0) + (reply < 0) + (event < 0);
}

static bool same_addr(const struct rr_shm_addr *a, const struct rr_shm_addr *b) {
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static void map_addrs(struct dp_client *dp, const struct rr_region *r, uint16_t *cfg_of_addr) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		dp->addr_of_cfg[i] = DP_NO_ADDR;
	for (uint32_t a = 0; a < r->n_addrs; a++) {
		cfg_of_addr[a] = DP_NO_ADDR;
		for (uint32_t c = 0; c < dp->cfg->n_addrs; c++) {
			if (!same_addr(&r->addrs[a], &dp->cfg->addr[c]))
				continue;
			cfg_of_addr[a] = (uint16_t)c;
			dp->addr_of_cfg[c] = (uint16_t)a;
		}
	}
}

// What became of a request when its lane was closed: kept when a command waits for it.
static void requeue(struct dp_client *dp, struct pending *p, struct pending ***tail) {
	if (p->req.op != RR_REQUEST_BARRIER && p->wait && p->wait->job) {
		p->next = NULL;
		**tail = p;
		*tail = &p->next;
		return;
	}
	if (p->wait)
		wait_end(dp, p->wait, false);
	pending_free(dp, p);
}

// Empty all lanes; what commands wait for is returned in the order it was submitted, lane by lane.
static struct pending *lanes_empty(struct dp_client *dp) {
	struct pending *kept = NULL;
	struct pending **tail = &kept;

	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		struct lane *lane = &dp->lanes[i];

		for (; lane->oldest != lane->next; lane->oldest++) {
			struct pending **place = &lane->flight[lane->oldest % WINDOW];

			if (*place)
				requeue(dp, *place, &tail);
			*place = NULL;
		}
		for (struct pending *p = lane_take(lane); p; p = lane_take(lane))
			requeue(dp, p, &tail);
	}
	return kept;
}

static struct lane *lane_of_port(struct dp_client *dp, uint16_t port) {
	return &dp->lanes[dp_client_worker(dp, port)];
}

static int submit_barriers(struct dp_client *dp) {
	dp->n_barriers = 0;
	dp->settled = false;
	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		struct pending *p = pending_new(dp);

		if (!p)
			return -ENOMEM;
		p->req = (struct dp_request){.op = RR_REQUEST_BARRIER};
		lane_append(&dp->lanes[i], p);
		dp->n_barriers++;
	}
	return 0;
}

// A new generation or another region: barriers first, then what commands still wait for.
static void restart_lanes(struct dp_client *dp, struct pending *kept) {
	struct pending *next;

	int ret = submit_barriers(dp);

	if (ret < 0)
		rr_err("dp_client", "no memory for barriers");
	for (struct pending *p = kept; p; p = next) {
		next = p->next;
		lane_append(lane_of_port(dp, p->req.owner_port), p);
	}
	// Without barriers this generation is not followed yet; the next watch tries again.
	dp->generation = NO_GENERATION;
	if (ret == 0) // pairs with the release of the dataplane that raised it
		dp->generation = rr_load_acquire(&dp->region.header->dp_generation);
	count(dp, DP_C_generations);
}

static void say_who_we_are(struct dp_client *dp) {
	struct rr_shm_header *h = dp->region.header;

	rr_store_relaxed(&h->control_epoch, dp->epoch);
	rr_store_relaxed(&h->control_pid, (uint32_t)getpid());
}

static int use_region(struct dp_client *dp, const struct rr_region *r) {
	struct lane *lanes = (struct lane *)calloc(r->n_workers, sizeof(*lanes));
	uint16_t *cfg_of_addr = (uint16_t *)calloc(r->n_addrs, sizeof(*cfg_of_addr));
	struct pending *kept;

	if (!lanes || !cfg_of_addr) {
		free(lanes);
		free(cfg_of_addr);
		return -ENOMEM;
	}
	kept = lanes_empty(dp);
	free(dp->lanes);
	free(dp->cfg_of_addr);
	dp->region = *r;
	dp->lanes = lanes;
	dp->n_lanes = r->n_workers;
	dp->cfg_of_addr = cfg_of_addr;
	dp->attached = true;
	map_addrs(dp, r, cfg_of_addr);
	for (uint32_t i = 0; i < r->n_workers; i++)
		dp->counter[DP_C_ring_broken] += (uint64_t)lane_attach(&lanes[i], &r->workers[i]);
	count(dp, DP_C_regions);
	say_who_we_are(dp);
	restart_lanes(dp, kept);
	return 0;
}

// Attach to the region that the path names now, leaving the one in use.
static void attach(struct dp_client *dp) {
	struct rr_region fresh;
	int ret = rr_region_attach(&fresh, dp->path, false);

	if (ret < 0) {
		if (ret != -ENOENT && rr_log_allow(&attach_limit))
			rr_warn("dp_client", "cannot attach to the region path=%s: %s", dp->path,
				strerror(-ret));
		return;
	}
	if (dp->attached) {
		struct rr_region old = dp->region;

		dp->hooks.region_leaving(dp->hooks.arg);
		ret = use_region(dp, &fresh);
		rr_region_detach(ret < 0 ? &fresh : &old);
	} else {
		ret = use_region(dp, &fresh);
		if (ret < 0)
			rr_region_detach(&fresh);
	}
	if (ret < 0)
		rr_err("dp_client", "cannot use the region: %s", strerror(-ret));
	else
		rr_info("dp_client", "attached to a region workers=%u generation=%llu", dp->n_lanes,
			(unsigned long long)dp->generation);
}

static void follow_generation(struct dp_client *dp) {
	// pairs with the release of the dataplane that raised it
	uint64_t generation = rr_load_acquire(&dp->region.header->dp_generation);

	if (generation == dp->generation)
		return;
	rr_info("dp_client", "the dataplane was started again generation=%llu",
		(unsigned long long)generation);
	dp_client_poll(dp); // what the last one answered still counts
	restart_lanes(dp, lanes_empty(dp));
}

void dp_client_watch(struct dp_client *dp, uint64_t now_ns) {
	bool due = dp->watched_ns == 0 || now_ns - dp->watched_ns >= WATCH_PERIOD_NS;

	if (due) {
		dp->watched_ns = now_ns;
		if (!dp->attached || rr_region_replaced(&dp->region, dp->path))
			attach(dp);
	}
	if (!dp->attached)
		return;
	follow_generation(dp);
	rr_store_relaxed(&dp->region.header->control_heartbeat_ns, now_ns);
}

void dp_client_free(struct dp_client *dp) {
	struct pending *next;
	struct dp_wait *next_wait;

	if (!dp)
		return;
	for (struct pending *p = lanes_empty(dp); p; p = next) {
		next = p->next;
		if (p->wait->job) // several requests of one job share it
			dp_client_forget(dp, p->wait->job);
		wait_end(dp, p->wait, false);
		pending_free(dp, p);
	}
	for (struct pending *p = dp->free_pending; p; p = next) {
		next = p->next;
		free(p);
	}
	for (struct dp_wait *w = dp->free_waits; w; w = next_wait) {
		next_wait = w->next;
		free(w);
	}
	if (dp->attached)
		rr_region_detach(&dp->region);
	free(dp->lanes);
	free(dp->cfg_of_addr);
	free(dp);
}

// ---- out
// -----------------------------------------------------------------------------------------

static int queue(struct dp_client *dp, struct lane *lane, const struct dp_request *req,
	uint32_t stray_slot, struct job *job) {
	struct pending *p;

	if (lane->n_queued >= MAX_QUEUED) {
		count(dp, DP_C_queue_full);
		dp->overflow = true;
		return -ENOBUFS;
	}
	p = pending_new(dp);
	if (!p) {
		dp->overflow = true;
		return -ENOMEM;
	}
	p->req = *req;
	p->stray_slot = stray_slot;
	if (req->background)
		dp->n_background++;
	if (req->resync)
		dp->n_resync++;
	if (job) {
		p->wait = wait_of(dp, job);
		if (!p->wait) {
			pending_free(dp, p);
			dp->overflow = true;
			return -ENOMEM;
		}
		p->wait->n_pending++;
		job->n_pending++;
	}
	lane_append(lane, p);
	return 0;
}

int dp_client_submit(struct dp_client *dp, const struct dp_request *req, struct job *job) {
	if (!dp->attached) {
		count(dp, DP_C_not_attached);
		return -ENOTCONN;
	}
	if (dp_client_slot(dp, req->local) == RR_SLOT_NONE)
		return -ERANGE;
	return queue(dp, lane_of_port(dp, req->owner_port), req, RR_SLOT_NONE, job);
}

int dp_client_delete_stray(struct dp_client *dp, uint32_t slot) {
	struct dp_request req = {.op = RR_REQUEST_FLOW_DEL, .background = true, .resync = true};
	const struct rr_flow *f;
	uint32_t owner;

	if (!dp->attached || slot >= dp->region.n_flows)
		return -ERANGE;
	f = &dp->region.flows[slot];
	req.uid = rr_load_relaxed(&f->uid);
	owner = rr_load_relaxed(&f->owner);
	if (owner >= dp->n_lanes)
		owner = 0;
	count(dp, DP_C_strays);
	return queue(dp, &dp->lanes[owner], &req, slot, NULL);
}

static void build(struct dp_client *dp, const struct pending *p, uint32_t lane_index,
	uint32_t number, struct rr_request *out) {
	const struct dp_request *req = &p->req;

	memset(out, 0, sizeof(*out));
	out->id = (uint64_t)dp->epoch << 32 | number;
	out->uid = req->uid;
	out->op = req->op;
	out->flags = req->flags;
	out->slot = p->stray_slot != RR_SLOT_NONE ? p->stray_slot : dp_client_slot(dp, req->local);
	out->peer = dp_client_slot(dp, req->peer);
	out->version = req->version;
	out->signalled = req->signalled;
	out->learned = req->learned;
	out->latch_ssrc = req->latch_ssrc;
	out->latch_seq = req->latch_seq;
	out->tos = req->tos;
	out->worker = (uint8_t)lane_index;
	out->dp_generation = dp->generation;
	if (req->op == RR_REQUEST_BARRIER) {
		out->slot = RR_SLOT_NONE;
		out->peer = RR_SLOT_NONE;
	}
}

static void lane_push(struct dp_client *dp, uint32_t index) {
	struct lane *lane = &dp->lanes[index];

	while (lane->head && lane->next - lane->oldest < WINDOW) {
		struct rr_request msg;
		int ret;

		build(dp, lane->head, index, lane->next, &msg);
		rr_crash_point(RR_CRASH_submit_before);
		ret = rr_ring_push(&lane->request, &msg);
		if (ret < 0) {
			count(dp, ret == -EPROTO ? DP_C_ring_broken : DP_C_ring_full);
			return;
		}
		rr_crash_point(RR_CRASH_submit_after);
		count(dp, DP_C_requests_sent);
		lane->flight[lane->next % WINDOW] = lane_take(lane);
		lane->next++;
	}
}

void dp_client_push(struct dp_client *dp) {
	for (uint32_t i = 0; i < dp->n_lanes; i++)
		lane_push(dp, i);
}

// ---- in
// ------------------------------------------------------------------------------------------

static void barrier_answered(struct dp_client *dp) {
	if (dp->n_barriers == 0 || --dp->n_barriers > 0)
		return;
	dp->settled = true;
	dp->hooks.settled(dp->hooks.arg);
}

// The request that a reply answers, taken out of the window; NULL when it answers none of ours.
static struct pending *match_reply(
	struct dp_client *dp, struct lane *lane, const struct rr_reply *reply) {
	uint32_t number = (uint32_t)reply->id;
	struct pending **place = &lane->flight[number % WINDOW];
	struct pending *p = *place;

	if (reply->id >> 32 != dp->epoch || number - lane->oldest >= lane->next - lane->oldest)
		return NULL;
	if (!p || p->req.uid != reply->uid || p->req.op != reply->op)
		return NULL;
	*place = NULL;
	while (lane->oldest != lane->next && !lane->flight[lane->oldest % WINDOW])
		lane->oldest++;
	return p;
}

static void take_reply(struct dp_client *dp, struct lane *lane, const struct rr_reply *reply) {
	struct pending *p = match_reply(dp, lane, reply);
	struct dp_request req;
	struct dp_wait *wait;
	bool stray;

	if (!p) {
		count(dp, DP_C_replies_stale);
		return;
	}
	count(dp, DP_C_replies);
	if (reply->status != RR_REPLY_OK) {
		count(dp, DP_C_replies_refused);
		if (rr_log_allow(&refused_limit))
			rr_warn("dp_client", "request refused op=%u status=%u slot=%u", reply->op,
				reply->status, reply->slot);
	}
	req = p->req;
	wait = p->wait;
	stray = p->stray_slot != RR_SLOT_NONE;
	pending_free(dp, p);
	if (req.op == RR_REQUEST_BARRIER)
		barrier_answered(dp);
	else if (!stray)
		dp->hooks.acked(dp->hooks.arg, &req, reply->status);
	if (wait)
		wait_end(dp, wait, reply->status != RR_REPLY_OK);
}

static unsigned int poll_replies(struct dp_client *dp, struct lane *lane) {
	struct rr_reply reply;
	unsigned int n = 0;
	int ret = 0;

	while (n < POLL_BATCH && (ret = rr_ring_pop(&lane->reply, &reply)) > 0) {
		rr_crash_point(RR_CRASH_ack_before);
		take_reply(dp, lane, &reply);
		rr_crash_point(RR_CRASH_ack_after);
		n++;
	}
	if (ret < 0)
		count(dp, DP_C_ring_broken);
	return n;
}

static unsigned int poll_events(struct dp_client *dp, struct lane *lane) {
	struct rr_event event;
	struct dp_local local;
	unsigned int n = 0;
	int ret = 0;

	while (n < POLL_BATCH && (ret = rr_ring_pop(&lane->event, &event)) > 0) {
		n++;
		count(dp, DP_C_events);
		if (dp_client_local(dp, event.slot, &local) < 0)
			count(dp, DP_C_events_unknown);
		else
			dp->hooks.event(dp->hooks.arg, local, &event);
	}
	if (ret < 0)
		count(dp, DP_C_ring_broken);
	return n;
}

unsigned int dp_client_poll(struct dp_client *dp) {
	unsigned int n = 0;

	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		n += poll_replies(dp, &dp->lanes[i]);
		n += poll_events(dp, &dp->lanes[i]);
	}
	return n;
}

// ---- questions
// -----------------------------------------------------------------------------------

bool dp_client_busy(const struct dp_client *dp) {
	return dp->n_outstanding > 0;
}

uint32_t dp_client_n_background(const struct dp_client *dp) {
	return dp->n_background;
}

uint32_t dp_client_n_resync(const struct dp_client *dp) {
	return dp->n_resync;
}

bool dp_client_has_room(const struct dp_client *dp) {
	for (uint32_t i = 0; i < dp->n_lanes; i++)
		if (dp->lanes[i].n_queued > MAX_QUEUED / 2)
			return false;
	return true;
}

bool dp_client_alive(const struct dp_client *dp, uint64_t now_ns) {
	uint64_t heartbeat_ns;

	if (!dp->attached || rr_load_relaxed(&dp->region.header->dp_state) != RR_DP_RUNNING)
		return false;
	heartbeat_ns = rr_load_relaxed(&dp->region.header->dp_heartbeat_ns);
	return heartbeat_ns > now_ns || now_ns - heartbeat_ns < ALIVE_NS;
}

bool dp_client_settled(const struct dp_client *dp) {
	return dp->settled;
}

bool dp_client_take_overflow(struct dp_client *dp) {
	bool overflow = dp->overflow;

	dp->overflow = false;
	return overflow;
}

const struct rr_region *dp_client_region(const struct dp_client *dp) {
	return dp->attached ? &dp->region : NULL;
}

int dp_client_local(const struct dp_client *dp, uint32_t slot, struct dp_local *local) {
	uint32_t addr;

	if (!dp->attached || slot >= dp->region.n_flows)
		return -ENOENT;
	addr = rr_slot_addr(&dp->region, slot);
	local->addr = dp->cfg_of_addr[addr];
	local->port = rr_slot_port(&dp->region, slot);
	return local->addr == DP_NO_ADDR ? -ENOENT : 0;
}

uint32_t dp_client_slot(const struct dp_client *dp, struct dp_local local) {
	if (!dp->attached || local.addr >= RR_MAX_ADDRS ||
		dp->addr_of_cfg[local.addr] == DP_NO_ADDR)
		return RR_SLOT_NONE;
	return rr_region_slot(&dp->region, dp->addr_of_cfg[local.addr], local.port);
}

uint32_t dp_client_worker(const struct dp_client *dp, uint16_t port) {
	uint32_t bucket = rr_port_bucket(port);

	if (!dp->attached)
		return bucket % dp->cfg->n_workers;
	// The header is shared: what stands there is only a hint.
	return rr_load_relaxed(&dp->region.header->bucket_owner[bucket]) % dp->n_lanes;
}

int dp_client_read_flow(const struct dp_client *dp, struct dp_local local, uint64_t uid,
	struct rr_flow *flow, struct rr_flow_cold *cold) {
	uint32_t slot = dp_client_slot(dp, local);
	int ret;

	if (!dp->attached)
		return -ENOTCONN;
	if (slot == RR_SLOT_NONE)
		return -ENOENT;
	ret = rr_flow_read(&dp->region, slot, flow, cold);
	if (flow->uid != uid)
		return -ENOENT;
	return ret;
}

uint64_t dp_client_counter(const struct dp_client *dp, enum dp_client_counter which) {
	return dp->counter[which];
}
