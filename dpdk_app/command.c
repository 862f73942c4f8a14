// SPDX-License-Identifier: BSD-2-Clause
// Requests from control: checked field by field, then applied as what the flow shall be.
//
// A request says all about a flow and may come again after either side died. What the flow's uid
// and version say decides how much is new: another uid is a fresh call and clears everything; a
// newer version is a newly signalled address; the same of both keeps what packets have taught.
// A flow that was found half written keeps its counters, and is put together from the request.
//
// What was meant for an earlier dataplane is dropped without an answer: control may have told the
// controller meanwhile that it failed, and says everything anew to this one.
#include "command.h"

#include <string.h>

#include "crash_point.h"
#include "flow_learned.h"
#include "latch.h"
#include "rtp_stats.h"

static bool bytes_are_zero(const void *bytes, size_t len) {
	const uint8_t *b = bytes;
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= b[i];
	return any == 0;
}

static bool owned_elsewhere(const struct flow_table *t, uint32_t slot) {
	const struct rr_flow *f = &t->flows[slot];

	return (flow_flags(f) & RR_FLOW_INSTALLED) && rr_load_relaxed(&f->owner) != t->self;
}

// The flow's own slot, for SET and DEL alike.
static enum rr_reply_status check_slot(const struct flow_table *t, const struct rr_request *q) {
	if (!flow_has_local(t, q->slot))
		return RR_REPLY_BAD_SLOT;
	if (q->worker != t->self || owned_elsewhere(t, q->slot))
		return RR_REPLY_BAD_WORKER;
	return q->uid == 0 ? RR_REPLY_BAD_UID : RR_REPLY_OK;
}

static enum rr_reply_status check_set(const struct flow_table *t, const struct rr_request *q) {
	enum rr_reply_status status = check_slot(t, q);

	if (status != RR_REPLY_OK)
		return status;
	if ((q->flags & ~RR_SET_FLAGS) || !bytes_are_zero(q->reserved, sizeof(q->reserved)))
		return RR_REPLY_BAD_FLAGS;
	if (!rr_learned_flags_fit(q->flags, q->slot))
		return RR_REPLY_BAD_FLAGS;
	// Both are RTP or both are RTCP: the number of media ports per address is even.
	if (q->peer != RR_SLOT_NONE &&
		(!flow_has_local(t, q->peer) || q->peer == q->slot || ((q->peer ^ q->slot) & 1) ||
			owned_elsewhere(t, q->peer)))
		return RR_REPLY_BAD_PEER;
	if ((q->flags & RR_SET_SIGNALLED) && !rr_endpoint_is_valid(&q->signalled))
		return RR_REPLY_BAD_ENDPOINT;
	if ((q->flags & RR_SET_LEARNED) && !rr_endpoint_is_valid(&q->learned))
		return RR_REPLY_BAD_ENDPOINT;
	return RR_REPLY_OK;
}

static void counters_clear(struct rr_flow *f, struct rr_flow_cold *c) {
	rr_store_relaxed(&f->n_packets, 0);
	rr_store_relaxed(&f->n_bytes, 0);
	rr_store_relaxed(&f->last_seen_ns, 0);
	rr_store_relaxed(&f->max_gap_us, 0);
	rr_store_relaxed(&c->n_packets_high, 0);
	rr_store_relaxed(&c->n_rejected, 0);
	rr_store_relaxed(&c->n_dropped, 0);
	rr_store_relaxed(&c->first_seen_ns, 0);
	rtp_stats_init(f, c);
}

// What a request says of a flow whatever the flow was before.
static void apply_flags(struct rr_flow *f, const struct rr_request *q) {
	uint32_t clear =
		RR_FLOW_RTCP | RR_FLOW_ASYMMETRIC | RR_FLOW_SAFE | RR_FLOW_COMPLETE | RR_FLOW_TORN;
	uint32_t flags = f->flags & ~clear;

	flags |= RR_FLOW_INSTALLED;
	flags |= q->slot & 1 ? RR_FLOW_RTCP : 0;
	flags |= q->flags & RR_SET_ASYMMETRIC ? RR_FLOW_ASYMMETRIC : 0;
	flags |= q->flags & RR_SET_SAFE ? RR_FLOW_SAFE : 0;
	flags |= q->peer != RR_SLOT_NONE ? RR_FLOW_COMPLETE : 0;
	rr_store_relaxed(&f->flags, (uint16_t)flags);
}

static void install(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_request *q, uint64_t now_ns) {
	if (f->uid != q->uid)
		counters_clear(f, c);
	else
		rtp_stats_repair(f, c);
	rr_store_relaxed(&f->uid, q->uid);
	rr_store_relaxed(&f->flags, (uint16_t)0);
	apply_flags(f, q);
	latch_install(f, c, q, now_ns);
	rr_store_relaxed(&c->version, q->version);
}

static void update(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_request *q, uint64_t now_ns) {
	bool was_safe = f->flags & RR_FLOW_SAFE;
	bool was_asymmetric = f->flags & RR_FLOW_ASYMMETRIC;
	bool is_newer = (int32_t)(q->version - c->version) > 0;

	apply_flags(f, q);
	if (was_safe != !!(q->flags & RR_SET_SAFE))
		latch_change_mode(f, c);
	else if (was_asymmetric != !!(q->flags & RR_SET_ASYMMETRIC))
		latch_change_symmetry(f);
	if (!is_newer)
		return;
	rr_store_relaxed(&c->version, q->version);
	if (q->flags & RR_SET_SIGNALLED)
		latch_signalled(f, c, &q->signalled, now_ns);
}

static void refresh_pair(struct flow_table *t, uint32_t slot) {
	uint32_t peer = flow_peer(t, slot);

	flow_refresh_out(t, slot);
	if (peer != RR_SLOT_NONE)
		flow_refresh_out(t, peer);
}

// A flow that was this one's peer up to now and is no longer loses its way out.
static void leave_peer(struct flow_table *t, uint32_t slot, uint32_t old_peer) {
	if (old_peer >= t->n_flows || old_peer == rr_load_relaxed(&t->flows[slot].peer))
		return;
	if (flow_is_mine(t, old_peer) && rr_load_relaxed(&t->flows[old_peer].peer) == slot)
		flow_refresh_out(t, old_peer);
}

static void flow_set(struct flow_table *t, const struct rr_request *q, uint64_t now_ns) {
	struct rr_flow *f = &t->flows[q->slot];
	struct rr_flow_cold *c = &t->cold[q->slot];
	bool is_fresh = f->uid != q->uid || (f->flags & RR_FLOW_TORN);
	uint32_t old_peer = rr_load_relaxed(&f->peer);

	rr_flow_write_begin(f);
	flow_own(t, f);
	if (is_fresh)
		install(f, c, q, now_ns);
	else
		update(f, c, q, now_ns);
	rr_crash_point(RR_CRASH_flow_update);
	rr_store_relaxed(&f->peer, q->peer);
	rr_store_relaxed(&f->remote_tos, q->tos);
	rr_flow_write_end(f);
	leave_peer(t, q->slot, old_peer);
	refresh_pair(t, q->slot);
}

// The uid and the counters stay, so that the final ones can be read until the slot is used again.
static void flow_delete(struct flow_table *t, const struct rr_request *q) {
	struct rr_flow *f = &t->flows[q->slot];
	uint32_t old_peer = rr_load_relaxed(&f->peer);

	if (f->uid != q->uid || !(f->flags & RR_FLOW_INSTALLED))
		return;
	rr_flow_write_begin(f);
	rr_store_relaxed(&f->flags,
		(uint16_t)(f->flags & ~(RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_HAS_OUT)));
	rr_store_relaxed(&f->peer, RR_SLOT_NONE);
	rr_flow_write_end(f);
	leave_peer(t, q->slot, old_peer);
}

static enum rr_reply_status apply(
	struct flow_table *t, const struct rr_request *q, uint64_t now_ns) {
	enum rr_reply_status status = RR_REPLY_BAD_OP;

	switch (q->op) {
	case RR_REQUEST_BARRIER:
		status = RR_REPLY_OK;
		break;
	case RR_REQUEST_FLOW_SET:
		status = check_set(t, q);
		if (status == RR_REPLY_OK)
			flow_set(t, q, now_ns);
		break;
	case RR_REQUEST_FLOW_DEL:
		status = check_slot(t, q);
		if (status == RR_REPLY_OK)
			flow_delete(t, q);
		break;
	}
	return status;
}

void command_apply(
	struct command *c, const struct rr_request *q, uint64_t now_ns, struct rr_reply *reply) {
	enum rr_reply_status status = apply(c->table, q, now_ns);

	rr_add_relaxed(&c->counters[RR_C_requests], UINT64_C(1));
	if (status != RR_REPLY_OK)
		rr_add_relaxed(&c->counters[RR_C_requests_refused], UINT64_C(1));
	*reply = (struct rr_reply){
		.id = q->id,
		.uid = q->uid,
		.slot = q->slot,
		.op = q->op,
		.status = (uint16_t)status,
		.dp_generation = c->dp_generation,
	};
}

// Take one request, if there is one and room for its answer. Returns 1, 0 or -EPROTO.
static int command_take(struct command *c, uint64_t now_ns) {
	struct rr_request request;
	struct rr_reply reply;
	int ret = rr_ring_room(c->replies);

	if (ret <= 0)
		return ret;
	ret = rr_ring_pop(c->requests, &request);
	if (ret <= 0)
		return ret;
	rr_crash_point(RR_CRASH_request_taken);
	if (request.dp_generation != c->dp_generation) {
		rr_add_relaxed(&c->counters[RR_C_requests_stale], UINT64_C(1));
		return 1;
	}
	command_apply(c, &request, now_ns, &reply);
	rr_crash_point(RR_CRASH_request_applied);
	ret = rr_ring_push(c->replies, &reply);
	rr_crash_point(RR_CRASH_request_replied);
	return ret < 0 ? ret : 1;
}

uint32_t command_burst(struct command *c, uint64_t now_ns, uint32_t max) {
	uint32_t n = 0;
	int ret = 1;

	while (n < max && ret > 0) {
		ret = command_take(c, now_ns);
		n += ret > 0;
	}
	if (ret == -EPROTO)
		rr_add_relaxed(&c->counters[RR_C_ring_broken], UINT64_C(1));
	return n;
}
