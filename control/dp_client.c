// SPDX-License-Identifier: BSD-2-Clause
// The dataplane as control sees it: requests go out, acknowledgements and events come back.
#include "dp_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address_pool.h"
#include "atomic.h"
#include "clock.h"
#include "config.h"
#include "crash_point.h"
#include "dp_lane.h"
#include "flow_learned.h"
#include "job.h"
#include "log.h"

#define WATCH_PERIOD_NS (100 * RR_NS_PER_MS)
#define ALIVE_NS (3 * RR_NS_PER_S)
#define MAX_QUEUED 131072
#define POLL_BATCH 4096
#define ROOM_FOR_ONE 8 // requests of one session: two legs and two retired pairs at the usual worst
#define NO_GENERATION UINT64_MAX

struct dp_client {
	const struct rr_config *cfg;
	const struct address_pool *addresses;
	uint32_t epoch;
	struct dp_hooks hooks;
	char path[RR_PATH_LEN + 64];

	struct dp_region at;
	struct dp_region next; // attached while `at` is being left for it
	uint64_t generation;
	uint32_t n_lanes; // of the workers; one more is the main thread's
	struct dp_lane *lanes;
	uint32_t n_barriers; // of this generation, not answered
	uint32_t n_first; // requests to its main thread that workers wait for
	bool settled;
	bool overflow;
	bool addrs_changed; // the directory has, and is to be matched again

	uint64_t watched_ns;
	struct dp_pool pool;
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
	dp->addresses = params->addresses;
	dp->epoch = params->epoch;
	dp->hooks = params->hooks;
	rr_region_path(params->cfg, dp->path, sizeof(dp->path));
	*out = dp;
	return 0;
}

static void wait_end(struct dp_client *dp, struct dp_wait *w, bool refused) {
	struct job *job = dp_wait_end(&dp->pool, w, refused);

	if (job)
		dp->hooks.job_acked(dp->hooks.arg, job);
}

void dp_client_forget(struct dp_client *dp, struct job *job) {
	if (!job->wait)
		return;
	count(dp, DP_C_timeouts);
	dp_wait_forget(job);
}

// ---- generations

// What became of a request when its lane was closed: kept when a command waits for it.
static void requeue(struct dp_client *dp, struct dp_pending *p, struct dp_pending ***tail) {
	if (p->req.op != RR_REQUEST_BARRIER && p->wait && p->wait->job) {
		p->next = NULL;
		**tail = p;
		*tail = &p->next;
		return;
	}
	if (p->wait)
		wait_end(dp, p->wait, false);
	dp_pending_free(&dp->pool, p);
}

// Empty all lanes; what commands wait for is returned in the order it was submitted, lane by lane.
static struct dp_pending *lanes_empty(struct dp_client *dp) {
	struct dp_pending *kept = NULL;
	struct dp_pending **tail = &kept;
	struct dp_pending *p;

	for (uint32_t i = 0; dp->lanes && i <= dp->n_lanes; i++)
		while ((p = dp_lane_take_any(&dp->lanes[i])))
			requeue(dp, p, &tail);
	return kept;
}

static struct dp_lane *lane_of_port(struct dp_client *dp, uint16_t port) {
	return &dp->lanes[dp_region_worker(&dp->at, port)];
}

static struct dp_lane *lane_of_main(struct dp_client *dp) {
	return &dp->lanes[dp->n_lanes];
}

static struct dp_request addr_request(
	uint16_t op, const struct rr_endpoint *addr, uint64_t realm_key) {
	return (struct dp_request){
		.op = op,
		.uid = realm_key,
		.signalled = *addr,
		.local = {.addr = DP_NO_ADDR},
		.peer = {.addr = DP_NO_ADDR},
	};
}

static bool is_missing(const struct dp_client *dp, uint32_t index) {
	if (dp->addresses && !address_pool_is_wanted(dp->addresses, index))
		return false;
	return dp->at.addr_of_cfg[index] == DP_NO_ADDR;
}

// A region that was made anew has it from the file.
static bool is_left_over(const struct dp_client *dp, uint32_t index) {
	return dp->addresses && dp->addresses->state[index] == RR_ADDRESS_GONE &&
	       dp->at.addr_of_cfg[index] != DP_NO_ADDR;
}

static int submit_one_addr(struct dp_client *dp, uint16_t op, uint32_t index) {
	const struct rr_shm_addr *addr = &dp->cfg->addr[index];
	struct rr_endpoint ep = rr_addr_endpoint(addr);
	struct dp_request req = addr_request(op, &ep, addr->realm_key);
	struct dp_pending *p;

	req.first = op == RR_REQUEST_ADDR_SET;
	p = dp_pending_new(&dp->pool, &req);
	if (!p)
		return -ENOMEM;
	dp_lane_append(lane_of_main(dp), p);
	dp->n_first += req.first;
	return 0;
}

// The addresses that the region lacks, for which the calls wait; then those that it has too many.
static int submit_addrs(struct dp_client *dp) {
	int ret = 0;

	dp->n_first = 0;
	for (uint32_t i = 0; ret == 0 && i < dp->cfg->n_addrs; i++)
		if (is_missing(dp, i))
			ret = submit_one_addr(dp, RR_REQUEST_ADDR_SET, i);
	for (uint32_t i = 0; ret == 0 && i < dp->cfg->n_addrs; i++)
		if (is_left_over(dp, i))
			ret = submit_one_addr(dp, RR_REQUEST_ADDR_DEL, i);
	return ret;
}

static int submit_barriers(struct dp_client *dp) {
	static const struct dp_request barrier = {.op = RR_REQUEST_BARRIER};

	dp->n_barriers = 0;
	dp->settled = false;
	for (uint32_t i = 0; i <= dp->n_lanes; i++) {
		struct dp_pending *p = dp_pending_new(&dp->pool, &barrier);

		if (!p)
			return -ENOMEM;
		dp_lane_append(&dp->lanes[i], p);
		dp->n_barriers++;
	}
	return submit_addrs(dp);
}

// A new generation or another region: barriers first, then what commands still wait for.
static void restart_lanes(struct dp_client *dp, struct dp_pending *kept) {
	struct dp_pending *next;
	int ret;

	dp_region_map(&dp->at, dp->cfg);
	ret = submit_barriers(dp);
	if (ret < 0)
		rr_err("dp_client", "no memory for barriers");
	for (struct dp_pending *p = kept; p; p = next) {
		next = p->next;
		dp_lane_append(lane_of_port(dp, p->req.owner_port), p);
	}
	// Without barriers this generation is not followed yet; the next watch tries again.
	dp->generation = NO_GENERATION;
	if (ret == 0) // pairs with the release of the dataplane that raised it
		dp->generation = rr_load_acquire(&dp->at.shm.header->dp_generation);
	count(dp, DP_C_generations);
}

static void say_who_we_are(struct dp_client *dp) {
	struct rr_shm_header *h = dp->at.shm.header;

	rr_store_relaxed(&h->control_epoch, dp->epoch);
	rr_store_relaxed(&h->control_pid, (uint32_t)getpid());
}

// From the region in use, if any, to a fresh one.
static int use_region(struct dp_client *dp, const struct dp_region *fresh) {
	uint32_t n = fresh->shm.n_workers;
	struct dp_lane *lanes = (struct dp_lane *)calloc(n + 1, sizeof(*lanes));
	struct dp_region old = dp->at;
	struct dp_pending *kept;

	if (!lanes)
		return -ENOMEM;
	kept = lanes_empty(dp);
	free(dp->lanes);
	dp->at = *fresh;
	dp->lanes = lanes;
	dp->n_lanes = n;
	for (uint32_t i = 0; i <= n; i++)
		dp->counter[DP_C_ring_broken] +=
			(uint64_t)dp_lane_attach(&lanes[i], &fresh->shm.workers[i]);
	count(dp, DP_C_regions);
	say_who_we_are(dp);
	restart_lanes(dp, kept);
	dp_region_detach(&old);
	return 0;
}

// Map what the path names. Returns false when there is nothing to be used.
static bool find_next(struct dp_client *dp) {
	int ret;

	if (dp_region_attached(&dp->next))
		return true;
	ret = dp_region_attach(&dp->next, dp->cfg, dp->path);
	if (ret < 0 && ret != -ENOENT && rr_log_allow(&attach_limit))
		rr_warn("dp_client", "cannot attach to the region path=%s: %s", dp->path,
			strerror(-ret));
	return ret == 0;
}

static void attach(struct dp_client *dp) {
	int ret;

	if (!find_next(dp))
		return;
	if (dp_region_attached(&dp->at) && !dp->hooks.region_leaving(dp->hooks.arg))
		return;
	ret = use_region(dp, &dp->next);
	if (ret < 0) {
		dp_region_detach(&dp->next);
		rr_err("dp_client", "cannot use the region: %s", strerror(-ret));
		return;
	}
	dp->next = (struct dp_region){0};
	rr_info("dp_client", "attached to a region workers=%u generation=%llu", dp->n_lanes,
		(unsigned long long)dp->generation);
}

static void follow_generation(struct dp_client *dp) {
	// pairs with the release of the dataplane that raised it
	uint64_t generation = rr_load_acquire(&dp->at.shm.header->dp_generation);

	if (generation == dp->generation)
		return;
	rr_info("dp_client", "the dataplane was started again generation=%llu",
		(unsigned long long)generation);
	dp_client_poll(dp); // what the last one answered still counts
	restart_lanes(dp, lanes_empty(dp));
}

void dp_client_watch(struct dp_client *dp, uint64_t now_ns) {
	bool due = dp->watched_ns == 0 || now_ns - dp->watched_ns >= WATCH_PERIOD_NS;
	bool leaving = dp_region_attached(&dp->next);

	if (due)
		dp->watched_ns = now_ns;
	if (leaving || (due && (!dp_region_attached(&dp->at) ||
				       rr_region_replaced(&dp->at.shm, dp->path))))
		attach(dp);
	if (!dp_region_attached(&dp->at))
		return;
	follow_generation(dp);
	rr_store_relaxed(&dp->at.shm.header->control_heartbeat_ns, now_ns);
}

void dp_client_free(struct dp_client *dp) {
	struct dp_pending *next;

	if (!dp)
		return;
	for (struct dp_pending *p = lanes_empty(dp); p; p = next) {
		next = p->next;
		if (p->wait->job) // several requests of one job share it
			dp_client_forget(dp, p->wait->job);
		wait_end(dp, p->wait, false);
		dp_pending_free(&dp->pool, p);
	}
	dp_pool_fini(&dp->pool);
	dp_region_detach(&dp->at);
	dp_region_detach(&dp->next);
	free(dp->lanes);
	free(dp);
}

// ---- out

static int queue(struct dp_client *dp, struct dp_lane *lane, const struct dp_request *req,
	uint32_t stray_slot, struct job *job) {
	struct dp_pending *p;

	if (lane->n_queued >= MAX_QUEUED) {
		count(dp, DP_C_queue_full);
		dp->overflow = true;
		return -ENOBUFS;
	}
	p = dp_pending_new(&dp->pool, req);
	if (p && job && dp_wait_begin(&dp->pool, p, job) < 0) {
		dp_pending_free(&dp->pool, p);
		p = NULL;
	}
	if (!p) {
		dp->overflow = true;
		return -ENOMEM;
	}
	p->stray_slot = stray_slot;
	dp_lane_append(lane, p);
	return 0;
}

int dp_client_submit(struct dp_client *dp, const struct dp_request *req, struct job *job) {
	if (!dp_region_attached(&dp->at)) {
		count(dp, DP_C_not_attached);
		return -ENOTCONN;
	}
	if (dp_region_slot(&dp->at, req->local) == RR_SLOT_NONE)
		return -ERANGE;
	return queue(dp, lane_of_port(dp, req->owner_port), req, RR_SLOT_NONE, job);
}

int dp_client_submit_addr(
	struct dp_client *dp, uint16_t op, const struct rr_endpoint *addr, uint64_t realm_key) {
	struct dp_request req = addr_request(op, addr, realm_key);

	if (!dp_region_attached(&dp->at)) {
		count(dp, DP_C_not_attached);
		return -ENOTCONN;
	}
	return queue(dp, lane_of_main(dp), &req, RR_SLOT_NONE, NULL);
}

int dp_client_delete_stray(struct dp_client *dp, uint32_t slot) {
	struct dp_request req = {.op = RR_REQUEST_FLOW_DEL, .background = true, .resync = true};
	const struct rr_flow *f;
	uint32_t owner;

	if (!rr_region_has_slot(&dp->at.shm, slot))
		return -ERANGE;
	f = &dp->at.shm.flows[slot];
	req.uid = rr_load_relaxed(&f->uid);
	owner = rr_load_relaxed(&f->owner);
	if (owner >= dp->n_lanes)
		owner = 0;
	count(dp, DP_C_strays);
	return queue(dp, &dp->lanes[owner], &req, slot, NULL);
}

static void build(const struct dp_client *dp, const struct dp_pending *p, uint32_t lane_index,
	struct rr_request *out) {
	const struct dp_request *req = &p->req;
	bool is_barrier = req->op == RR_REQUEST_BARRIER;
	uint32_t slot = p->stray_slot;

	if (slot == RR_SLOT_NONE && !is_barrier)
		slot = dp_region_slot(&dp->at, req->local);
	*out = (struct rr_request){
		.id = (uint64_t)dp->epoch << 32 | dp->lanes[lane_index].next,
		.uid = req->uid,
		.op = req->op,
		.flags = req->flags,
		.slot = slot,
		.peer = is_barrier ? RR_SLOT_NONE : dp_region_slot(&dp->at, req->peer),
		.version = req->version,
		.signalled = req->signalled,
		.learned = req->learned,
		.latch_ssrc = req->latch_ssrc,
		.latch_seq = req->latch_seq,
		.tos = req->tos,
		.worker = (uint8_t)lane_index,
		.dp_generation = dp->generation,
	};
}

static void lane_push(struct dp_client *dp, uint32_t index) {
	struct dp_lane *lane = &dp->lanes[index];
	struct dp_pending *p;

	while ((p = dp_lane_first(lane))) {
		struct rr_request msg;
		int ret;

		build(dp, p, index, &msg);
		ret = dp_lane_send(lane, &msg);
		if (ret < 0) {
			count(dp, ret == -EPROTO ? DP_C_ring_broken : DP_C_ring_full);
			return;
		}
		count(dp, DP_C_requests_sent);
	}
}

void dp_client_push(struct dp_client *dp) {
	if (!dp->lanes)
		return;
	lane_push(dp, dp->n_lanes);
	for (uint32_t i = 0; dp->n_first == 0 && i < dp->n_lanes; i++)
		lane_push(dp, i);
}

// ---- in

static void barrier_answered(struct dp_client *dp) {
	if (dp->n_barriers == 0 || --dp->n_barriers > 0)
		return;
	dp->settled = true;
	dp->hooks.settled(dp->hooks.arg);
}

static void take_reply(struct dp_client *dp, struct dp_lane *lane, const struct rr_reply *reply) {
	struct dp_pending *p = dp_lane_match(lane, dp->epoch, reply);
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
	if (p->req.first)
		dp->n_first--;
	if (dp_request_is_addr(&p->req))
		dp->addrs_changed = true;
	req = p->req;
	wait = p->wait;
	stray = p->stray_slot != RR_SLOT_NONE;
	dp_pending_free(&dp->pool, p);
	if (req.op == RR_REQUEST_BARRIER)
		barrier_answered(dp);
	else if (!stray)
		dp->hooks.acked(dp->hooks.arg, &req, reply->status);
	if (wait)
		wait_end(dp, wait, reply->status != RR_REPLY_OK);
}

static unsigned int poll_replies(struct dp_client *dp, struct dp_lane *lane) {
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

static unsigned int poll_events(struct dp_client *dp, struct dp_lane *lane) {
	struct rr_event event;
	struct dp_local local;
	unsigned int n = 0;
	int ret = 0;

	while (n < POLL_BATCH && (ret = rr_ring_pop(&lane->event, &event)) > 0) {
		n++;
		count(dp, DP_C_events);
		if (dp_region_local(&dp->at, event.slot, &local) < 0 || !rr_event_is_valid(&event))
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
	if (dp->lanes)
		n += poll_replies(dp, lane_of_main(dp));
	// Once for all the replies about addresses: every one is compared with every other.
	if (dp->addrs_changed)
		dp_region_map(&dp->at, dp->cfg);
	dp->addrs_changed = false;
	return n;
}

// ---- questions

bool dp_client_busy(const struct dp_client *dp) {
	return dp->pool.n_outstanding > 0 || dp_region_attached(&dp->next);
}

uint64_t dp_client_region_number(const struct dp_client *dp) {
	return dp->counter[DP_C_regions];
}

uint32_t dp_client_n_background(const struct dp_client *dp) {
	return dp->pool.n_background;
}

bool dp_client_takes_background(const struct dp_client *dp) {
	return dp->pool.n_background + ROOM_FOR_ONE <= DP_BACKGROUND_WINDOW &&
	       dp_client_has_room(dp);
}

uint32_t dp_client_n_resync(const struct dp_client *dp) {
	return dp->pool.n_resync;
}

uint32_t dp_client_n_addr(const struct dp_client *dp) {
	return dp->pool.n_addr;
}

bool dp_client_has_room(const struct dp_client *dp) {
	for (uint32_t i = 0; i < dp->n_lanes; i++)
		if (dp->lanes[i].n_queued > MAX_QUEUED / 2)
			return false;
	return true;
}

bool dp_client_alive(const struct dp_client *dp, uint64_t now_ns) {
	const struct rr_shm_header *h = dp->at.shm.header;
	uint64_t heartbeat_ns;

	if (!h || rr_load_relaxed(&h->dp_state) != RR_DP_RUNNING)
		return false;
	heartbeat_ns = rr_load_relaxed(&h->dp_heartbeat_ns);
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
	return dp_region_attached(&dp->at) ? &dp->at.shm : NULL;
}

int dp_client_local(const struct dp_client *dp, uint32_t slot, struct dp_local *local) {
	return dp_region_local(&dp->at, slot, local);
}

uint32_t dp_client_slot(const struct dp_client *dp, struct dp_local local) {
	return dp_region_slot(&dp->at, local);
}

uint32_t dp_client_worker(const struct dp_client *dp, uint16_t port) {
	if (!dp_region_attached(&dp->at))
		return rr_port_bucket(port) % dp->cfg->n_workers;
	return dp_region_worker(&dp->at, port);
}

int dp_client_read_flow(const struct dp_client *dp, struct dp_local local, uint64_t uid,
	struct rr_flow *flow, struct rr_flow_cold *cold) {
	return dp_region_read_flow(&dp->at, local, uid, flow, cold);
}

uint64_t dp_client_counter(const struct dp_client *dp, enum dp_client_counter which) {
	return dp->counter[which];
}
