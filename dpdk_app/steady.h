// SPDX-License-Identifier: BSD-2-Clause
// The short way behind the parser, for the packet that nearly every one is.
//
// Steady is a plain frame (parse_plain.h) that carries the next RTP packet of a stream from its
// settled source, to a flow of this worker, and that leaves by a known next hop, as it is, with its
// UDP checksum brought in line. It is looked at as a whole before anything is written: what is
// steady has left in flow, counters and frame what flow_table, relay and rewrite would have left
// (tests/unit/test_forward.cc compares the two); of anything else nothing has changed, and those
// stages find out what it is.
#pragma once

#include "clock.h"
#include "flow.h"
#include "flow_account.h"
#include "headers.h"
#include "neighbour.h"
#include "pkt.h"
#include "rtp_next.h"

#define STEADY_FLAGS \
	(RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_HAS_REMOTE | RR_FLOW_LATCHED | \
		RR_FLOW_HAS_OUT)

// Constant for a burst, so that the compiler keeps it in registers.
struct steady {
	struct rr_flow *flows;
	struct rr_flow_cold *cold;
	const struct local_addr *local;
	struct neighbour_view neighbours;
	uint64_t now_ns;
	uint64_t now_us;
	uint32_t now_ms;
	uint32_t n_addrs;
	uint8_t self;
};

static inline struct steady steady_begin(
	const struct flow_table *t, const struct neighbour_view *neighbours, uint64_t now_ns) {
	return (struct steady){
		.flows = t->flows,
		.cold = t->cold,
		.local = t->addrs->local,
		.neighbours = *neighbours,
		.now_ns = now_ns,
		.now_us = now_ns / 1000,
		.now_ms = (uint32_t)(now_ns / RR_NS_PER_MS),
		.n_addrs = t->addrs->n_addrs,
		.self = t->self,
	};
}

// A flow that relays, from this source, and has nothing to learn of the stream.
static __rte_always_inline bool steady_source(
	const struct steady *s, const struct pkt *p, const struct rr_flow *f) {
	uint32_t flags = flow_flags(f);

	uint64_t other = (load64(f->remote) ^ load64(p->src)) |
			 (load64(f->remote + 8) ^ load64(p->src + 8)) |
			 (f->remote_port_be ^ p->src_port_be) |
			 (rr_load_relaxed(&f->owner) ^ s->self) |
			 ((flags & (STEADY_FLAGS | RR_FLOW_TORN)) ^ STEADY_FLAGS);

	return other == 0 && ((flags & RR_FLOW_SAFE) || (int32_t)(s->now_ms - f->latch_due_ms) < 0);
}

// Whether the payload is the next packet of the flow's stream. An RTCP flow has none, and what is
// padded is for the stages to look at.
static __rte_always_inline bool steady_rtp(
	const uint8_t *payload, uint32_t len, const struct rr_flow *f, struct rr_rtp *rtp) {
	return rr_rtp_parse_parts(payload, len, 0, rtp) && rtp_is_next(f, rtp);
}

// The way out, when the datagram may leave as it is.
static __rte_always_inline bool steady_hop(
	const struct steady *s, uint32_t payload_len, const struct rr_flow *f, struct hop *hop) {
	uint32_t out_addr = rr_load_relaxed(&f->out_addr);

	if (RR_UNLIKELY(out_addr >= s->n_addrs))
		return false;
	hop->from = &s->local[out_addr];
	// pairs with the release in addr_table_add
	return payload_len <= rr_load_acquire(&hop->from->patched_max) &&
	       neighbour_mac(&s->neighbours, f->nexthop, &hop->mac) == 0;
}

// The received checksum for the new addresses and ports.
static __rte_always_inline uint32_t steady_checksum(const struct pkt *p, const struct rr_flow *f,
	const struct local_addr *came_to, const struct local_addr *from) {
	uint64_t was = (uint64_t)came_to->sum + load32(p->udp);
	uint64_t is = (uint64_t)from->sum + f->out_src_port_be + f->out_port_be;

	if (RR_LIKELY(p->family == RR_FAMILY_IPV4))
		was += load32(p->src);
	else
		was += checksum_addr(p->src);
	if (RR_LIKELY(from->family == RR_FAMILY_IPV4))
		is += load32(f->out);
	else
		is += checksum_addr(f->out);
	return checksum_replace(
		load16(p->udp + offsetof(struct rte_udp_hdr, dgram_cksum)), was, is);
}

// Move the start of the frame so that `len` bytes stand in front of the UDP header.
static __rte_always_inline bool steady_room(const struct pkt *p, uint32_t len) {
	uint32_t more = len - p->l2_len - p->l3_len; // below zero where there is less
	struct rte_mbuf *m = p->m;

	if (RR_LIKELY(more == 0))
		return true;
	if ((int32_t)more > (int32_t)m->data_off)
		return false;
	m->data_off = (uint16_t)(m->data_off - more);
	m->data_len = (uint16_t)(m->data_len + more);
	m->pkt_len += more;
	return true;
}

static __rte_always_inline void steady_count(
	const struct steady *s, struct rr_flow *f, uint32_t payload_len, const struct rr_rtp *rtp) {
	struct rr_flow_cold *c = &s->cold[f - s->flows];

	rr_flow_write_begin(f);
	flow_account(f, c, payload_len, s->now_ns);
	rtp_take_next(f, c, rtp, s->now_us);
	rr_flow_write_end(f);
}

// Returns true with the flow brought up to date and the frame ready to leave by p->out_port; else
// nothing has changed.
static __rte_always_inline bool steady_take(const struct steady *s, struct pkt *p) {
	struct rr_flow *f = &s->flows[p->slot];
	uint32_t payload_len = p->payload_len;
	uint8_t *udp = p->udp;
	struct rr_rtp rtp;
	struct hop hop;
	uint32_t checksum;

	if (!p->is_patchable || !steady_source(s, p, f) ||
		!steady_rtp(udp + HEADERS_UDP_LEN, payload_len, f, &rtp) ||
		!steady_hop(s, payload_len, f, &hop) || !steady_room(p, headers_len(hop.from)))
		return false;
	steady_count(s, f, payload_len, &rtp);
	checksum = steady_checksum(p, f, &s->local[p->addr], hop.from);
	headers_write(udp, payload_len, f, &hop, checksum);
	p->m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	p->out_port = hop.from->port;
	return true;
}
