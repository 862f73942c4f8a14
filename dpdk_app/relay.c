// SPDX-License-Identifier: BSD-2-Clause
// Media policy for each datagram: is its source the flow's party, and what does it teach?
//
// Nearly every datagram comes from a settled source and touches the two lines of its flow. What is
// not that plain goes to the learning machine in latch.c, and when an address moved, the flow of
// the other leg is brought in line and control is told. A rejected datagram leaves no trace but its
// counters: it does not keep a call alive.
#include "relay.h"

#include <string.h>

#include "clock.h"
#include "flow_account.h"
#include "flow_learned.h"
#include "latch.h"
#include "rtp_stats.h"

// One datagram with all that its handling needs.
struct work {
	struct relay *relay;
	struct burst *burst;
	struct pkt *p;
	struct rr_flow *f;
	struct rr_flow_cold *c;
	struct datagram d;
};

static inline uint8_t last_byte(const struct pkt *p) {
	const struct rte_mbuf *last;

	if (RR_LIKELY(p->n_contiguous >= p->payload_len))
		return p->udp[8 + p->payload_len - 1];
	last = rte_pktmbuf_lastseg(p->m);
	return rte_pktmbuf_mtod(last, const uint8_t *)[last->data_len - 1];
}

static inline bool parse_rtp(const struct pkt *p, struct rr_rtp *rtp) {
	const uint8_t *payload = p->udp + 8;
	uint8_t last = 0;

	if (RR_UNLIKELY(p->payload_len == 0))
		return false;
	if (RR_UNLIKELY(rr_rtp_is_padded(payload)))
		last = last_byte(p);
	return rr_rtp_parse_parts(payload, p->payload_len, last, rtp);
}

// Arithmetic on the slot, not the flow's flag: the RTCP flow beside an even slot exists.
static inline bool is_rtcp(const struct pkt *p) {
	return p->slot & 1;
}

static inline bool source_host_matches(const struct pkt *p) {
	return memcmp(p->flow->remote, p->src, sizeof(p->src)) == 0;
}

// True when the datagram can be accepted without a look at the learning state: a settled source,
// and nothing new in the stream that `compat` would have to record.
static inline bool source_is_settled(const struct work *w) {
	const struct rr_flow *f = w->f;
	uint32_t flags = f->flags;

	if (RR_UNLIKELY(!source_host_matches(w->p) || !(flags & RR_FLOW_HAS_REMOTE)))
		return false;
	if (flags & RR_FLOW_ASYMMETRIC)
		return true;
	if (RR_UNLIKELY(f->remote_port_be != w->p->src_port_be || !(flags & RR_FLOW_LATCHED)))
		return false;
	if ((flags & RR_FLOW_SAFE) || !w->d.is_rtp)
		return true;
	return w->d.rtp.ssrc == f->ssrc &&
	       (int32_t)((uint32_t)(w->burst->now_ns / RR_NS_PER_MS) - f->latch_due_ms) < 0;
}

static void source_fill(struct work *w) {
	w->d.source = (struct rr_endpoint){
		.port_be = w->p->src_port_be,
		.family = w->p->family,
	};
	memcpy(w->d.source.addr, w->p->src, sizeof(w->d.source.addr));
}

static void count_latch(const struct work *w, uint32_t actions, bool was_latched) {
	bool latches = actions & (LEARN_LATCH | LEARN_LATCH_BLIND);

	if ((actions & LEARN_MOVE) && was_latched)
		pkt_count(w->burst, w->p, RR_C_relatched, 1);
	else if (latches && !was_latched)
		pkt_count(w->burst, w->p, RR_C_latched, 1);
}

// Returns bits of enum learn_action.
static uint32_t learn(struct work *w) {
	const struct latch_limits limits = {
		.safe_learn_ns = w->relay->safe_learn_ns,
		.safe_silence_ns = w->relay->safe_silence_ns,
		.safe_learn_packets = w->relay->safe_learn_packets,
	};
	bool was_latched = w->f->flags & RR_FLOW_LATCHED;
	uint32_t actions;

	source_fill(w);
	actions = latch_datagram(&limits, w->f, w->c, &w->d, w->burst->now_ns);
	count_latch(w, actions, was_latched);
	return actions;
}

static void tell_control(struct work *w, uint32_t slot) {
	const struct flow_table *t = w->relay->table;
	struct rr_event event = {.uid = t->flows[slot].uid, .slot = slot};
	int ret;

	rr_flow_learned(&t->flows[slot], &t->cold[slot], &event);
	ret = rr_ring_push(w->relay->events, &event);
	if (ret == 0)
		return;
	pkt_count(w->burst, w->p, RR_C_events_lost, 1);
	if (ret == -EPROTO)
		pkt_count(w->burst, w->p, RR_C_ring_broken, 1);
}

static void refresh_peer(const struct work *w, uint32_t slot) {
	struct flow_table *t = w->relay->table;
	uint32_t peer = flow_peer(t, slot);

	if (peer != RR_SLOT_NONE)
		flow_refresh_out(t, peer);
}

// RTP has learned an address: RTCP is expected one port above it (protocol reference 9.4).
static void guess_rtcp(struct work *w) {
	struct flow_table *t = w->relay->table;
	uint32_t slot = w->p->slot + 1;
	struct rr_flow *f = &t->flows[slot];
	struct rr_endpoint guess = w->d.source;
	bool moved;

	if (!flow_is_mine(t, slot) || (f->flags & RR_FLOW_TORN))
		return;
	guess.port_be = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(guess.port_be) + 1));
	rr_flow_write_begin(f);
	moved = latch_guess(f, &t->cold[slot], &guess);
	rr_flow_write_end(f);
	if (!moved)
		return;
	refresh_peer(w, slot);
	tell_control(w, slot);
}

// What the machine did beyond this flow's own lines. The flow's write is over.
static void spread(struct work *w, uint32_t actions) {
	if (actions & LEARN_MOVE) {
		refresh_peer(w, w->p->slot);
		if (!is_rtcp(w->p))
			guess_rtcp(w);
	}
	if (actions & (LEARN_MOVE | LEARN_LATCH | LEARN_LATCH_BLIND))
		tell_control(w, w->p->slot);
}

static void account(struct work *w) {
	struct rr_flow *f = w->f;
	uint64_t now_ns = w->burst->now_ns;

	flow_account(f, w->c, w->p->payload_len, now_ns);
	if (w->d.is_rtp)
		rtp_stats_update(f, w->c, &w->d.rtp, now_ns / 1000);
	else if (!is_rtcp(w->p))
		rtp_stats_parse_error(w->c);
	if (RR_UNLIKELY(!(f->flags & RR_FLOW_HAS_OUT)))
		rr_add_relaxed(&w->c->n_dropped, 1);
}

// Returns true when the datagram goes on to the next stage.
static inline bool take_in(struct work *w) {
	uint32_t actions = LEARN_ACCEPT;

	w->d.is_rtp = !is_rtcp(w->p) && parse_rtp(w->p, &w->d.rtp);
	w->d.is_opaque = !is_rtcp(w->p) && !w->d.is_rtp;
	rr_flow_write_begin(w->f);
	if (RR_UNLIKELY(!source_is_settled(w)))
		actions = learn(w);
	if (RR_LIKELY(actions & LEARN_ACCEPT))
		account(w);
	else
		rr_add_relaxed(&w->c->n_rejected, 1);
	rr_flow_write_end(w->f);
	if (RR_UNLIKELY(actions != LEARN_ACCEPT))
		spread(w, actions);
	if (RR_LIKELY((actions & LEARN_ACCEPT) && (w->f->flags & RR_FLOW_HAS_OUT)))
		return true;
	pkt_drop(w->burst, w->p,
		actions & LEARN_ACCEPT ? RR_C_drop_flow_no_remote : RR_C_drop_source_rejected);
	return false;
}

bool relay_take(struct relay *r, struct burst *b, struct pkt *p) {
	struct work w;

	w.relay = r;
	w.burst = b;
	w.p = p;
	w.f = p->flow;
	w.c = &r->table->cold[p->slot];
	return take_in(&w);
}
