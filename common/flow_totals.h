// SPDX-License-Identifier: BSD-2-Clause
// What a flow's raw state amounts to: the figures that `Q`, the accounting and rrctl show.
#pragma once

#include <stdint.h>

#include "compiler.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

struct rr_flow_totals {
	uint64_t n_packets; // accepted datagrams
	uint64_t n_bytes; // their UDP payload
	uint64_t n_dropped; // accepted but not relayed
	uint64_t n_rejected; // from a source that is not the peer
	uint64_t n_sent; // RTP packets that the sender must have sent, by sequence number
	uint64_t n_received; // distinct RTP packets
	uint64_t n_duplicates;
	uint64_t n_lost; // n_sent - n_received
	uint64_t n_reordered;
	uint64_t n_parse_errors; // datagrams on the RTP port that are no RTP
	uint64_t n_ssrc_changes;
	double jitter_last; // RFC 3550, timestamp units
	double jitter_max;
	double jitter_mean; // over all steps
	double longest_gap_s; // between two accepted datagrams
};

// Accepted datagrams, both halves of the count.
static inline uint64_t rr_flow_packets(const struct rr_flow *f, const struct rr_flow_cold *c) {
	return (uint64_t)c->n_packets_high << 32 | f->n_packets;
}

// From a consistent copy (rr_flow_read). A flow that never carried anything gives zeros.
void rr_flow_totals(
	struct rr_flow_totals *t, const struct rr_flow *f, const struct rr_flow_cold *c);

RR_END_DECLS
