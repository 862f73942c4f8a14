// SPDX-License-Identifier: BSD-2-Clause
// A session's flows: what the dataplane is told of them, and what it says.
#include "session_flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "flow_learned.h"

#define ALL_FLOWS ((1U << SESSION_N_FLOWS) - 1)

static struct dp_local flow_local(const struct session_pair *pair, unsigned int flow) {
	if (pair->uid == 0)
		return (struct dp_local){.addr = DP_NO_ADDR};
	return (struct dp_local){.addr = pair->addr, .port = (uint16_t)(pair->port + flow)};
}

// RTCP is expected one port above RTP (RFC 3550 11).
static struct rr_endpoint flow_remote(const struct session_leg *leg, unsigned int flow) {
	struct rr_endpoint remote = leg->signalled;

	remote.port_be = htons((uint16_t)(ntohs(remote.port_be) + flow));
	return remote;
}

static void describe_flow(const struct control *ctl, const struct session *s, unsigned int leg,
	unsigned int flow, struct dp_request *req) {
	const struct session_leg *l = &s->leg[leg];
	const struct session_learned *learned = &l->learned[flow];
	uint8_t family = ctl->cfg->addr[l->pair.addr].family;

	*req = (struct dp_request){
		.op = RR_REQUEST_FLOW_SET,
		.uid = l->pair.uid,
		.owner_port = s->owner_port,
		.local = flow_local(&l->pair, flow),
		.peer = flow_local(&s->leg[!leg].pair, flow),
		.version = l->version,
		.tos = l->tos,
	};
	if (l->asymmetric)
		req->flags |= RR_SET_ASYMMETRIC;
	if (ctl->cfg->learning == RR_LEARN_SAFE)
		req->flags |= RR_SET_SAFE;
	// Nothing can be sent to another family than the port's own.
	if (l->signalled.family == family) {
		req->flags |= RR_SET_SIGNALLED;
		req->signalled = flow_remote(l, flow);
	}
	if (!(learned->flags & RR_SET_LEARNED) || learned->remote.family == family) {
		req->flags |= learned->flags;
		req->learned = learned->remote;
		req->latch_ssrc = learned->latch_ssrc;
		req->latch_seq = learned->latch_seq;
	}
}

static int tell_leg(
	struct control *ctl, struct session *s, unsigned int leg, struct job *job, bool resync) {
	int first_error = 0;

	if (s->leg[leg].pair.uid == 0)
		return 0;
	for (unsigned int flow = 0; flow < SESSION_N_FLOWS; flow++) {
		struct dp_request req;
		int ret;

		describe_flow(ctl, s, leg, flow, &req);
		req.background = resync;
		req.resync = resync;
		ret = dp_client_submit(ctl->dp, &req, job);
		if (ret < 0 && first_error == 0)
			first_error = ret;
	}
	return first_error;
}

int session_tell_leg(struct control *ctl, struct session *s, unsigned int leg, struct job *job) {
	return tell_leg(ctl, s, leg, job, false);
}

static int delete_flow(struct control *ctl, const struct session *s,
	const struct session_retired *r, unsigned int flow, struct job *job) {
	struct dp_request req = {
		.op = RR_REQUEST_FLOW_DEL,
		.uid = r->pair.uid,
		.owner_port = s->owner_port,
		.local = flow_local(&r->pair, flow),
		.peer = {.addr = DP_NO_ADDR},
		.background = job == NULL,
		.resync = r->resync,
	};

	return dp_client_submit(ctl->dp, &req, job);
}

static int delete_flows(
	struct control *ctl, struct session *s, struct session_retired *r, struct job *job) {
	int first_error = 0;

	r->submitted = true;
	r->waiting = ALL_FLOWS;
	for (unsigned int flow = 0; flow < SESSION_N_FLOWS; flow++) {
		int ret = delete_flow(ctl, s, r, flow, job);

		// No region, or one without this address, has nothing to delete.
		if (ret == -ERANGE || ret == -ENOTCONN) {
			r->waiting &= (uint8_t) ~(1U << flow);
		} else if (ret < 0) { // a resync sends both again
			r->submitted = false;
			first_error = ret;
		}
	}
	return first_error;
}

int session_tell_retired(struct control *ctl, struct session *s, struct job *job) {
	int first_error = 0;

	for (struct session_retired *r = s->retired; r; r = r->next) {
		int ret = r->submitted ? 0 : delete_flows(ctl, s, r, job);

		if (ret < 0 && first_error == 0)
			first_error = ret;
	}
	session_drop_deleted(ctl, s);
	return first_error;
}

static int tell_all(struct control *ctl, struct session *s, struct job *job, bool resync) {
	int caller = tell_leg(ctl, s, SESSION_CALLER, job, resync);
	int callee = tell_leg(ctl, s, SESSION_CALLEE, job, resync);

	return callee < 0 ? callee : caller;
}

int session_tell(struct control *ctl, struct session *s, struct job *job) {
	return tell_all(ctl, s, job, false);
}

int session_tell_again(struct control *ctl, struct session *s) {
	int ret = tell_all(ctl, s, NULL, true);

	for (struct session_retired *r = s->retired; r; r = r->next)
		*r = (struct session_retired){
			.next = r->next, .pair = r->pair, .leg = r->leg, .resync = true};
	session_tell_retired(ctl, s, NULL);
	return ret;
}

static struct session_leg *leg_of_uid(struct session *s, uint64_t uid) {
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		if (s->leg[i].pair.uid == uid)
			return &s->leg[i];
	return NULL;
}

void session_learn(
	struct control *ctl, const struct dp_local *local, const struct rr_event *event) {
	struct session *s = session_index_pair(&ctl->index, local->addr, local->port);
	struct session_leg *leg = s ? leg_of_uid(s, event->uid) : NULL;

	if (!leg)
		return;
	// Another address was signalled since, of which this says nothing.
	if (event->version != leg->version)
		return;
	leg->learned[local->port & 1] = (struct session_learned){
		.remote = event->learned,
		.latch_ssrc = event->latch_ssrc,
		.latch_seq = event->latch_seq,
		.flags = event->flags,
	};
	session_touch(ctl, s);
}

// As the dataplane's own events say it (struct rr_event).
static void learn_from_flow(const struct rr_flow *f, const struct rr_flow_cold *c,
	unsigned int flow, struct session_learned *learned) {
	struct rr_event e = {.slot = flow};

	rr_flow_learned(f, c, &e);
	if (!rr_event_is_valid(&e))
		return;
	*learned = (struct session_learned){
		.remote = e.learned,
		.latch_ssrc = e.latch_ssrc,
		.latch_seq = e.latch_seq,
		.flags = e.flags,
	};
}

// Counts add up; of the rest the later one stands, the larger one or the mean over both.
static void add_totals(struct rr_flow_totals *sum, const struct rr_flow_totals *more) {
	uint64_t n = sum->n_received + more->n_received;

	if (n > 0)
		sum->jitter_mean = (sum->jitter_mean * (double)sum->n_received +
					   more->jitter_mean * (double)more->n_received) /
				   (double)n;
	if (more->n_received > 0)
		sum->jitter_last = more->jitter_last;
	if (more->jitter_max > sum->jitter_max)
		sum->jitter_max = more->jitter_max;
	if (more->longest_gap_s > sum->longest_gap_s)
		sum->longest_gap_s = more->longest_gap_s;
	sum->n_packets += more->n_packets;
	sum->n_bytes += more->n_bytes;
	sum->n_dropped += more->n_dropped;
	sum->n_rejected += more->n_rejected;
	sum->n_sent += more->n_sent;
	sum->n_received += more->n_received;
	sum->n_duplicates += more->n_duplicates;
	sum->n_lost += more->n_lost;
	sum->n_reordered += more->n_reordered;
	sum->n_parse_errors += more->n_parse_errors;
	sum->n_ssrc_changes += more->n_ssrc_changes;
}

static void add_flow(struct control *ctl, const struct session_pair *pair, unsigned int flow,
	struct rr_flow_totals *totals) {
	struct rr_flow_totals current;
	struct rr_flow_cold c;
	struct rr_flow f;

	int ret = -ENOENT;

	if (pair->uid != 0)
		ret = dp_client_read_flow(ctl->dp, flow_local(pair, flow), pair->uid, &f, &c);
	// A torn flow's counters are whole enough: each is one store.
	if (ret < 0 && ret != -EAGAIN)
		return;
	rr_flow_totals(&current, &f, &c);
	add_totals(totals, &current);
}

// Its counters were added to the base, because the region is being left.
static bool is_captured(const struct control *ctl, const struct session *s) {
	return s->captured != 0 && s->captured == dp_client_region_number(ctl->dp);
}

void session_flow_totals(struct control *ctl, const struct session *s, unsigned int leg,
	unsigned int flow, struct rr_flow_totals *totals) {
	const struct session_leg *l = &s->leg[leg];

	*totals = l->base ? l->base[flow] : (struct rr_flow_totals){.n_packets = 0};
	if (is_captured(ctl, s))
		return;
	for (const struct session_retired *r = s->retired; r; r = r->next)
		if (r->leg == leg)
			add_flow(ctl, &r->pair, flow, totals);
	add_flow(ctl, &l->pair, flow, totals);
}

// Without memory the counters of the old ports are lost, and nothing else is.
void session_add_to_base(
	struct control *ctl, struct session *s, unsigned int leg, const struct session_pair *pair) {
	struct session_leg *l = &s->leg[leg];

	if (is_captured(ctl, s))
		return;
	if (!l->base)
		l->base = (struct rr_flow_totals *)calloc(SESSION_N_FLOWS, sizeof(*l->base));
	for (unsigned int flow = 0; l->base && flow < SESSION_N_FLOWS; flow++)
		add_flow(ctl, pair, flow, &l->base[flow]);
}

// Returns whether anything was new.
static bool capture_leg(struct control *ctl, struct session_leg *l, bool keep_counters) {
	bool changed = false;

	for (unsigned int flow = 0; flow < SESSION_N_FLOWS; flow++) {
		struct session_learned before = l->learned[flow];
		struct rr_flow_cold c;
		struct rr_flow f;

		if (l->pair.uid == 0 || dp_client_read_flow(ctl->dp, flow_local(&l->pair, flow),
						l->pair.uid, &f, &c) < 0)
			continue;
		if (f.flags & RR_FLOW_TORN)
			continue;
		if (c.version == l->version) // else another address was signalled since
			learn_from_flow(&f, &c, flow, &l->learned[flow]);
		changed |= memcmp(&before, &l->learned[flow], sizeof(before)) != 0;
		if (keep_counters && f.last_seen_ns > l->refreshed_ns)
			l->refreshed_ns = f.last_seen_ns;
	}
	return changed;
}

void session_capture(struct control *ctl, struct session *s, bool keep_counters) {
	bool changed = false;

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++) {
		changed |= capture_leg(ctl, &s->leg[i], keep_counters);
		if (keep_counters)
			session_add_to_base(ctl, s, i, &s->leg[i].pair);
	}
	for (struct session_retired *r = s->retired; r && keep_counters; r = r->next)
		session_add_to_base(ctl, s, r->leg, &r->pair);
	if (keep_counters)
		s->captured = dp_client_region_number(ctl->dp);
	if (changed && !keep_counters)
		session_touch(ctl, s);
}
