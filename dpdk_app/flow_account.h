// SPDX-License-Identifier: BSD-2-Clause
// What every accepted datagram adds to its flow, whatever it carries.
//
// For the owner, between rr_flow_write_begin and rr_flow_write_end.
#pragma once

#include <stdint.h>

#include "atomic.h"
#include "compiler.h"
#include "shm_layout.h"

#define FLOW_GAP_UNIT_NS 1000

static inline void flow_account_gap(struct rr_flow *f, uint64_t gap_ns) {
	uint64_t gap_us = gap_ns / FLOW_GAP_UNIT_NS;

	if (RR_UNLIKELY(gap_ns >= ((uint64_t)f->max_gap_us + 1) * FLOW_GAP_UNIT_NS))
		rr_store_relaxed(
			&f->max_gap_us, gap_us < UINT32_MAX ? (uint32_t)gap_us : UINT32_MAX);
}

// The first datagram of all, which follows none, or the one with which n_packets begins anew.
static inline void flow_account_turn(
	struct rr_flow *f, struct rr_flow_cold *c, uint64_t now_ns, uint64_t gap_ns) {
	if (f->n_packets == 0) {
		rr_add_relaxed(&c->n_packets_high, 1);
		flow_account_gap(f, gap_ns);
	} else if (c->n_packets_high == 0 && c->first_seen_ns == 0) {
		rr_store_relaxed(&c->first_seen_ns, now_ns);
	}
}

// `len` bytes of UDP payload.
static inline void flow_account(
	struct rr_flow *f, struct rr_flow_cold *c, uint32_t len, uint64_t now_ns) {
	uint64_t gap_ns = now_ns - f->last_seen_ns;

	rr_store_relaxed(&f->n_packets, f->n_packets + 1);
	rr_store_relaxed(&f->n_bytes, f->n_bytes + len);
	rr_store_relaxed(&f->last_seen_ns, now_ns);
	if (RR_UNLIKELY(f->n_packets <= 1))
		flow_account_turn(f, c, now_ns, gap_ns);
	else
		flow_account_gap(f, gap_ns);
}
