// SPDX-License-Identifier: BSD-2-Clause
// The short way through the RTP statistics, for the packet that every packet should be: the next
// number of the same SSRC, with the same payload type.
//
// For rtp_stats.c, which says what all of this means, and for the packet path.
#pragma once

#include "atomic.h"
#include "rtp_stats.h"

#define RTP_PART_MAX 64
#define RTP_PART_STEPS 0x7f
#define RTP_SAMPLE_VALID 0x80 // bit of jitter_part_steps: transit and rtp_ts hold a sample
#define RTP_DELTA_MAX ((1U << 27) - 1) // keeps the estimate below 2^31
#define RTP_BACKWARD_RESET 50
#define RTP_FORWARD_RESET 1024
#define RTP_HINT_MANTISSA_BITS 11

// rtp_stats_clock_rate as a table over all payload types.
extern const uint32_t rtp_clock_rate[128];

// What is rare of a step: the sum on the hot line is full, or the estimate is above its maximum.
void rtp_jitter_flush(struct rr_flow *f, struct rr_flow_cold *c);
void rtp_jitter_raise_max(struct rr_flow *f, struct rr_flow_cold *c, uint32_t jitter_q4);

static inline uint32_t rtp_hint_value(uint16_t hint) {
	return (uint32_t)(hint & ((1U << RTP_HINT_MANTISSA_BITS) - 1))
	       << (hint >> RTP_HINT_MANTISSA_BITS);
}

// One step of RFC 3550 A.8 with the difference d of two relative transit times.
static inline void rtp_jitter_step(struct rr_flow *f, struct rr_flow_cold *c, int32_t d) {
	uint32_t size = d < 0 ? 0U - (uint32_t)d : (uint32_t)d;
	uint32_t jitter = f->jitter_q4, part_q4;
	uint8_t part_steps = (uint8_t)(f->jitter_part_steps + 1);

	size = size < RTP_DELTA_MAX ? size : RTP_DELTA_MAX;
	jitter += size - ((jitter + 8) >> 4);
	part_q4 = f->jitter_part_q4 + jitter;
	rr_store_relaxed(&f->jitter_q4, jitter);
	rr_store_relaxed(&f->jitter_part_q4, part_q4);
	rr_store_relaxed(&f->jitter_part_steps, part_steps);
	if (RR_UNLIKELY((part_steps & RTP_PART_MAX) || part_q4 >= UINT32_C(1) << 31))
		rtp_jitter_flush(f, c);
	if (RR_UNLIKELY(jitter > rtp_hint_value(f->jitter_max_hint)))
		rtp_jitter_raise_max(f, c, jitter);
}

// The sender's clock was set: backward or forward by far more than the time that went by. Less than
// one unit of time counts as one.
static inline bool rtp_timestamp_was_reset(int32_t step, uint32_t elapsed) {
	uint64_t unit = elapsed != 0 ? elapsed : 1;

	if (RR_LIKELY((uint32_t)step <= RTP_FORWARD_RESET))
		return false;
	return step < 0 ? (uint64_t) - (int64_t)step > RTP_BACKWARD_RESET * unit
			: (uint64_t)step > RTP_FORWARD_RESET * unit;
}

// A packet of a clock of `rate` units a second. usable: the last sample ran by the same clock.
static inline void rtp_jitter_sample(struct rr_flow *f, struct rr_flow_cold *c,
	const struct rr_rtp *rtp, uint32_t rate, bool usable, uint64_t now_us) {
	uint32_t arrival, transit, elapsed;

	if (usable && rtp->timestamp == f->rtp_ts)
		return;
	arrival = (uint32_t)(now_us * rate / 1000000);
	transit = arrival - rtp->timestamp;
	elapsed = arrival - (f->transit + f->rtp_ts);
	if (usable && !rtp_timestamp_was_reset((int32_t)(rtp->timestamp - f->rtp_ts), elapsed))
		rtp_jitter_step(f, c, (int32_t)(transit - f->transit));
	rr_store_relaxed(&f->transit, transit);
	rr_store_relaxed(&f->rtp_ts, rtp->timestamp);
	if (!usable)
		rr_store_relaxed(
			&f->jitter_part_steps, (uint8_t)(f->jitter_part_steps | RTP_SAMPLE_VALID));
}

// Whether it is the next packet of the stream, and the last one left a sample for its jitter.
static inline bool rtp_is_next(const struct rr_flow *f, const struct rr_rtp *rtp) {
	return rtp->seq == (uint16_t)(f->ext_seq_max + 1) && rtp->ssrc == f->ssrc &&
	       rtp->payload_type == f->payload_type &&
	       ((f->jitter_part_steps & RTP_SAMPLE_VALID) ||
		       rtp_clock_rate[rtp->payload_type] == 0);
}

static inline void rtp_take_next(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_us) {
	uint32_t rate = rtp_clock_rate[rtp->payload_type];

	rr_store_relaxed(&f->ext_seq_max, f->ext_seq_max + 1);
	if (rate != 0)
		rtp_jitter_sample(f, c, rtp, rate, true, now_us);
}
