// SPDX-License-Identifier: BSD-2-Clause
// Adds the open run of sequence numbers and the unflushed jitter steps to a flow's stored sums.
#include "flow_totals.h"

#define PART_STEPS 0x7f // jitter_part_steps without its bit 7

static void sequence_totals(
	struct rr_flow_totals *t, const struct rr_flow *f, const struct rr_flow_cold *c) {
	t->n_sent = c->n_sent_closed;
	t->n_received = c->n_received;
	if (f->payload_type != RR_PAYLOAD_TYPE_NONE && f->ext_seq_max != 0) {
		t->n_sent += (uint32_t)(f->ext_seq_max - c->run_min) + 1U;
		t->n_received += (uint32_t)(f->ext_seq_max - f->contig_lo) + 1U;
	}
	t->n_lost = t->n_sent > t->n_received ? t->n_sent - t->n_received : 0;
	t->n_duplicates = c->n_duplicates;
	t->n_reordered = c->n_reordered;
	t->n_parse_errors = c->n_parse_errors;
	t->n_ssrc_changes = c->n_ssrc_changes;
}

static void jitter_totals(
	struct rr_flow_totals *t, const struct rr_flow *f, const struct rr_flow_cold *c) {
	uint64_t n_steps = (uint64_t)c->jitter_steps + (f->jitter_part_steps & PART_STEPS);
	uint64_t sum_q4 = c->jitter_sum_q4 + f->jitter_part_q4;

	t->jitter_last = f->jitter_q4 / 16.0;
	t->jitter_max = c->jitter_max_q4 / 16.0;
	t->jitter_mean = n_steps ? (double)sum_q4 / 16.0 / (double)n_steps : 0.0;
}

void rr_flow_totals(
	struct rr_flow_totals *t, const struct rr_flow *f, const struct rr_flow_cold *c) {
	*t = (struct rr_flow_totals){
		.n_packets = rr_flow_packets(f, c),
		.n_bytes = f->n_bytes,
		.n_dropped = c->n_dropped,
		.n_rejected = c->n_rejected,
		.longest_gap_s = f->max_gap_us / 1e6,
	};
	sequence_totals(t, f, c);
	jitter_totals(t, f, c);
}
