// SPDX-License-Identifier: BSD-2-Clause
// The burst that a worker carries through its stages, and the view of each packet in it.
//
// The parser takes the whole burst, the stages behind it take one packet after the other; each
// moves what survives to the front of `live`. A packet leaves the line by one of three side doors,
// each a list in the burst that the worker empties after the last stage: dropped (counted by
// reason, freed in bulk), punted (to the slow path) and handed (to the worker that owns the flow).
// The lists never overflow: a packet enters at most one of them. A fourth one, turned, holds
// relayed packets whose destination is an address of ours: they are taken in again. A fifth one
// holds IP fragments until the worker sees to them. A burst belongs to one worker and lives on its
// stack or in its struct.
//
//	burst_reset, pkt_add ... -> parse -> forward (flow_table -> relay -> rewrite) -> io
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "atomic.h"
#include "compiler.h"
#include "counters.h"
#include "shm_layout.h"

#define BURST_MAX 64

// One packet. Which stage fills a field stands beside it; a stage reads only what earlier ones
// fill.
struct pkt {
	struct rte_mbuf *m; // worker
	uint8_t *udp; // parse: UDP header; its payload is behind it
	struct rr_flow *flow; // flow_table
	uint8_t l2_len; // parse: Ethernet header with tag
	uint8_t family; // parse: enum rr_family
	bool is_patchable; // parse: plain, and its UDP checksum can be brought in line
	uint8_t owner; // flow_table, rewrite: worker to hand over to
	uint8_t port; // worker: Ethernet port of arrival, index into the configuration's ports
	uint8_t out_port; // rewrite: Ethernet port to leave by, same index
	uint16_t out_addr; // rewrite, of large packets: index of the local address it leaves from
	uint32_t slot; // parse: flow that belongs to the destination
	uint16_t src_port_be; // parse
	uint16_t payload_len; // parse: UDP payload, bytes
	uint16_t n_contiguous; // parse: bytes of payload that follow the UDP header in memory
	uint16_t addr; // parse: index of the local address that the packet came to
	uint16_t vlan; // parse: VLAN of arrival, 0 = untagged
	uint16_t l3_len; // parse: IP header with options or extension headers; of a fragment
			 // those in front of the fragment header
	uint8_t src[16]; // parse: source address, IPv4 in the first four bytes, the rest zero
};
RR_STATIC_ASSERT(sizeof(struct pkt) == RR_CACHE_LINE, "one line a packet");

struct burst {
	uint64_t now_ns; // worker: CLOCK_MONOTONIC, read once
	uint64_t (*counters)[RR_N_COUNTERS]; // worker: its own block of the region, by port of
					     // arrival
	uint32_t n; // packets in live
	uint32_t n_view;
	uint32_t n_dropped;
	uint32_t n_punted;
	uint32_t n_handed;
	uint32_t n_turned;
	uint32_t n_fragments;
	uint32_t n_large;
	bool handed_over; // worker: this burst came from another worker, see flow_table.h
	struct pkt *live[BURST_MAX];
	struct rte_mbuf *dropped[BURST_MAX]; // counted already; to be freed
	struct pkt *punted[BURST_MAX]; // l2_len, vlan, family, and l3_len where it is IP, are valid
	struct pkt *handed[BURST_MAX]; // owner is valid
	struct pkt *turned[BURST_MAX]; // owner and out_port are valid
	struct pkt *fragment[BURST_MAX]; // src, addr, lengths and family are valid
	struct pkt *large[BURST_MAX]; // those of live that the outgoing MTU does not hold, in
				      // the same order
	struct pkt view[BURST_MAX] RR_CACHE_ALIGNED;
};

static inline void burst_reset(
	struct burst *b, uint64_t now_ns, uint64_t (*counters)[RR_N_COUNTERS], bool handed_over) {
	b->now_ns = now_ns;
	b->counters = counters;
	b->handed_over = handed_over;
	b->n = b->n_view = b->n_dropped = b->n_punted = b->n_handed = b->n_turned = 0;
	b->n_fragments = b->n_large = 0;
}

// Take in a received packet. The caller adds at most BURST_MAX.
static inline void pkt_add(struct burst *b, struct rte_mbuf *m, uint8_t port) {
	struct pkt *p = &b->view[b->n_view++];

	p->m = m;
	p->port = port;
	b->live[b->n++] = p;
}

static inline void pkt_count(
	const struct burst *b, const struct pkt *p, enum rr_counter counter, uint64_t n) {
	rr_add_relaxed(&b->counters[p->port][counter], n);
}

// The only way to drop a packet inside the stages.
static inline void pkt_drop(struct burst *b, const struct pkt *p, enum rr_counter reason) {
	pkt_count(b, p, reason, 1);
	b->dropped[b->n_dropped++] = p->m;
}

static inline void pkt_punt(struct burst *b, struct pkt *p) {
	b->punted[b->n_punted++] = p;
}

static inline void pkt_turn(struct burst *b, struct pkt *p) {
	b->turned[b->n_turned++] = p;
}

static inline void pkt_fragment(struct burst *b, struct pkt *p) {
	b->fragment[b->n_fragments++] = p;
}

// It stays in live: what is sent in fragments keeps its place among the others.
static inline void pkt_large(struct burst *b, struct pkt *p) {
	b->large[b->n_large++] = p;
}

static inline void pkt_hand(struct burst *b, struct pkt *p, uint8_t owner) {
	p->owner = owner;
	b->handed[b->n_handed++] = p;
}
