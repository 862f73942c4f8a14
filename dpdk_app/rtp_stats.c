// SPDX-License-Identifier: BSD-2-Clause
// Sequence numbers and jitter of an RTP stream, counted as rtpproxy counts them.
//
// Sequence numbers are extended beyond 16 bits and come in runs. A run ends where the SSRC changes,
// where a marker stands on a number below the highest, or where the number jumps by more than 536;
// what it should have held (highest - lowest + 1) is added to n_sent_closed.
//
// Of the open run, contig_lo..ext_seq_max arrived without a gap and is stored as its two ends, so
// that the next number costs one store on a line that is written anyway. Only when a gap opens is
// that stretch written into the bitmap `seen`, whose bits then tell a late packet from a duplicate.
// Bits of numbers in contig_lo..ext_seq_max mean nothing; bits of the RR_SEQ_WINDOW numbers up to
// ext_seq_max that lie below contig_lo are right. A jump is never wider than the window.
//
// Jitter is the estimate of RFC 3550 A.8 times 16. Its mean needs the sum over all steps: up to
// RTP_PART_MAX of them are added up on the hot line, then moved to the cold one. Its maximum is
// cold; the hot line has it rounded down to 16 bits, and only what exceeds that looks at the real
// one.
#include "rtp_stats.h"

#include <stdbool.h>

#include "atomic.h"
#include "rtp_next.h"

#define JUMP_MAX 536
#define WRAP_NEAR 65000 // numbers above it are near the end of a cycle
#define FIRST_CYCLE 65536 // so that numbers below the first one have room

enum place {
	PLACE_FORWARD, // above the highest number so far
	PLACE_LATE, // below it, for the first time
	PLACE_DUPLICATE,
	PLACE_NEW_RUN,
	PLACE_NEW_SSRC,
};

const uint32_t rtp_clock_rate[128] = {
	[0] = 8000,
	[3] = 8000,
	[4] = 8000,
	[5] = 8000,
	[6] = 16000,
	[7] = 8000,
	[8] = 8000,
	[9] = 8000,
	[10] = 44100,
	[11] = 44100,
	[12] = 8000,
	[13] = 8000,
	[14] = 90000,
	[15] = 8000,
	[16] = 11025,
	[17] = 22050,
	[18] = 8000,
};

uint32_t rtp_stats_clock_rate(uint8_t payload_type) {
	return payload_type < RR_ARRAY_LEN(rtp_clock_rate) ? rtp_clock_rate[payload_type] : 0;
}

void rtp_stats_init(struct rr_flow *f, struct rr_flow_cold *c) {
	rr_store_relaxed(&f->ssrc, 0);
	rr_store_relaxed(&f->ext_seq_max, 0);
	rr_store_relaxed(&f->contig_lo, 0);
	rr_store_relaxed(&f->transit, 0);
	rr_store_relaxed(&f->rtp_ts, 0);
	rr_store_relaxed(&f->jitter_q4, 0);
	rr_store_relaxed(&f->jitter_part_q4, 0);
	rr_store_relaxed(&f->jitter_part_steps, 0);
	rr_store_relaxed(&f->jitter_max_hint, 0);
	rr_store_relaxed(&f->payload_type, RR_PAYLOAD_TYPE_NONE);
	rr_store_relaxed(&c->run_min, 0);
	rr_store_relaxed(&c->n_sent_closed, 0);
	rr_store_relaxed(&c->n_received, 0);
	rr_store_relaxed(&c->n_duplicates, 0);
	rr_store_relaxed(&c->n_reordered, 0);
	rr_store_relaxed(&c->n_parse_errors, 0);
	rr_store_relaxed(&c->n_ssrc_changes, 0);
	rr_store_relaxed(&c->jitter_max_q4, 0);
	rr_store_relaxed(&c->jitter_steps, 0);
	rr_store_relaxed(&c->jitter_sum_q4, 0);
	rr_store_relaxed(&c->jitter_payload_type, RR_PAYLOAD_TYPE_NONE);
}

// More distinct packets than were sent there cannot be: the open stretch may have been written down
// already and not yet been cut off.
static void received_clamp(struct rr_flow *f, struct rr_flow_cold *c) {
	uint32_t n_open = f->ext_seq_max - f->contig_lo + 1;
	uint32_t n_sent = c->n_sent_closed + (f->ext_seq_max - c->run_min + 1);

	if (n_open > n_sent) {
		n_open = n_sent;
		rr_store_relaxed(&f->contig_lo, f->ext_seq_max - n_open + 1);
	}
	if (c->n_received > n_sent - n_open)
		rr_store_relaxed(&c->n_received, n_sent - n_open);
}

void rtp_stats_repair(struct rr_flow *f, struct rr_flow_cold *c) {
	if ((int32_t)(f->ext_seq_max - c->run_min) < 0)
		rr_store_relaxed(&c->run_min, f->ext_seq_max);
	if ((int32_t)(f->ext_seq_max - f->contig_lo) < 0)
		rr_store_relaxed(&f->contig_lo, f->ext_seq_max);
	if (f->payload_type != RR_PAYLOAD_TYPE_NONE)
		received_clamp(f, c);
}

void rtp_stats_parse_error(struct rr_flow_cold *c) {
	rr_add_relaxed(&c->n_parse_errors, 1);
}

static bool seen_get(const struct rr_flow_cold *c, uint32_t number) {
	uint32_t bit = number % RR_SEQ_WINDOW;

	return c->seen[bit / 64] >> (bit % 64) & 1;
}

// Set or clear the bits of n numbers from `first` on, n at most RR_SEQ_WINDOW, a word at a time.
static void seen_fill(struct rr_flow_cold *c, uint32_t first, uint32_t n, bool value) {
	while (n != 0) {
		uint32_t bit = first % RR_SEQ_WINDOW;
		uint32_t in_word = 64 - bit % 64 < n ? 64 - bit % 64 : n;
		uint64_t mask = (in_word == 64 ? ~UINT64_C(0) : (UINT64_C(1) << in_word) - 1)
				<< (bit % 64);
		uint64_t *word = &c->seen[bit / 64];

		rr_store_relaxed(word, value ? *word | mask : *word & ~mask);
		first += in_word;
		n -= in_word;
	}
}

static void seen_clear(struct rr_flow_cold *c) {
	for (uint32_t i = 0; i < RR_ARRAY_LEN(c->seen); i++)
		rr_store_relaxed(&c->seen[i], UINT64_C(0));
}

static void run_close(struct rr_flow *f, struct rr_flow_cold *c) {
	rr_add_relaxed(&c->n_sent_closed, f->ext_seq_max - c->run_min + 1);
	rr_add_relaxed(&c->n_received, f->ext_seq_max - f->contig_lo + 1);
}

static void run_open(struct rr_flow *f, struct rr_flow_cold *c, uint16_t seq) {
	uint32_t first = FIRST_CYCLE + seq;

	seen_clear(c);
	rr_store_relaxed(&f->ext_seq_max, first);
	rr_store_relaxed(&f->contig_lo, first);
	rr_store_relaxed(&c->run_min, first);
}

// `number` lies beyond the next one: write the gapless stretch down, and the gap behind it.
static void gap_open(struct rr_flow *f, struct rr_flow_cold *c, uint32_t number) {
	uint32_t n_contiguous = f->ext_seq_max - f->contig_lo + 1;
	uint32_t n_bits = n_contiguous < RR_SEQ_WINDOW ? n_contiguous : RR_SEQ_WINDOW;

	seen_fill(c, f->ext_seq_max - n_bits + 1, n_bits, true);
	seen_fill(c, f->ext_seq_max + 1, number - f->ext_seq_max - 1, false);
	rr_add_relaxed(&c->n_received, n_contiguous);
	rr_store_relaxed(&f->contig_lo, number);
	rr_store_relaxed(&f->ext_seq_max, number);
}

static enum place place_late(struct rr_flow *f, struct rr_flow_cold *c, uint32_t number) {
	if ((int32_t)(number - f->contig_lo) >= 0 || seen_get(c, number)) {
		rr_add_relaxed(&c->n_duplicates, 1);
		return PLACE_DUPLICATE;
	}
	seen_fill(c, number, 1, true);
	rr_add_relaxed(&c->n_received, 1);
	rr_add_relaxed(&c->n_reordered, 1);
	if ((int32_t)(number - c->run_min) < 0)
		rr_store_relaxed(&c->run_min, number);
	return PLACE_LATE;
}

// The number in its cycle, and whether it continues the run.
static bool extend(const struct rr_flow *f, const struct rr_rtp *rtp, uint32_t *number) {
	uint32_t highest = f->ext_seq_max;
	uint32_t low = highest & 0xffff;
	int32_t distance;

	*number = highest - low + rtp->seq;
	if (rtp->marker && rtp->seq < low && low != 0xffff)
		return false;
	if (low < JUMP_MAX && rtp->seq > WRAP_NEAR)
		*number -= 65536; // sent before the wrap
	else if (low > WRAP_NEAR && rtp->seq < low - WRAP_NEAR)
		*number += 65536;
	distance = (int32_t)(*number - highest);
	return distance <= JUMP_MAX && distance >= -JUMP_MAX;
}

static enum place place_number(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp) {
	uint32_t number;

	if (!extend(f, rtp, &number)) {
		run_close(f, c);
		run_open(f, c, rtp->seq);
		return PLACE_NEW_RUN;
	}
	if ((int32_t)(number - f->ext_seq_max) <= 0)
		return place_late(f, c, number);
	gap_open(f, c, number);
	return PLACE_FORWARD;
}

// First packet of the flow, or of another SSRC.
static enum place place_ssrc(struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp) {
	if (f->payload_type != RR_PAYLOAD_TYPE_NONE) {
		run_close(f, c);
		rr_add_relaxed(&c->n_ssrc_changes, 1);
	}
	rr_store_relaxed(&f->ssrc, rtp->ssrc);
	run_open(f, c, rtp->seq);
	return PLACE_NEW_SSRC;
}

static inline enum place place_packet(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp) {
	if (RR_UNLIKELY(rtp->ssrc != f->ssrc || f->payload_type == RR_PAYLOAD_TYPE_NONE))
		return place_ssrc(f, c, rtp);
	if (RR_UNLIKELY(rtp->seq != (uint16_t)(f->ext_seq_max + 1)))
		return place_number(f, c, rtp);
	rr_store_relaxed(&f->ext_seq_max, f->ext_seq_max + 1);
	return PLACE_FORWARD;
}

// 16 bits that say "at least so much": exact below 2048, else eleven leading bits and a shift.
static uint16_t hint_of(uint32_t v) {
	uint32_t shift = 0;

	while (v >> RTP_HINT_MANTISSA_BITS) {
		v >>= 1;
		shift++;
	}
	return (uint16_t)(shift << RTP_HINT_MANTISSA_BITS | v);
}

void rtp_jitter_flush(struct rr_flow *f, struct rr_flow_cold *c) {
	rr_add_relaxed(&c->jitter_sum_q4, f->jitter_part_q4);
	rr_add_relaxed(&c->jitter_steps, f->jitter_part_steps & RTP_PART_STEPS);
	rr_store_relaxed(&f->jitter_part_q4, 0);
	rr_store_relaxed(&f->jitter_part_steps, RTP_SAMPLE_VALID);
}

void rtp_jitter_raise_max(struct rr_flow *f, struct rr_flow_cold *c, uint32_t jitter_q4) {
	if (jitter_q4 <= c->jitter_max_q4)
		return;
	rr_store_relaxed(&c->jitter_max_q4, jitter_q4);
	rr_store_relaxed(&f->jitter_max_hint, hint_of(jitter_q4));
}

// Whether the last sample and this packet ran by the same clock. The sample's payload type is the
// one of the last packet, unless that has no clock of its own or is another one.
static bool sample_is_usable(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint32_t rate) {
	bool usable = f->jitter_part_steps & RTP_SAMPLE_VALID;

	if (RR_LIKELY(usable && rtp->payload_type == f->payload_type))
		return true;
	usable = usable && rtp_stats_clock_rate(c->jitter_payload_type) == rate;
	rr_store_relaxed(&c->jitter_payload_type, rtp->payload_type);
	return usable;
}

// A new run or SSRC has nothing to compare with. An SSRC that comes back begins anew.
static void sample_forget(struct rr_flow *f, enum place place) {
	rr_store_relaxed(&f->jitter_part_steps, (uint8_t)(f->jitter_part_steps & RTP_PART_STEPS));
	if (place == PLACE_NEW_SSRC)
		rr_store_relaxed(&f->jitter_q4, 0);
}

static void jitter_update(struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp,
	enum place place, uint64_t now_us) {
	uint32_t rate = rtp_stats_clock_rate(rtp->payload_type);

	if (RR_UNLIKELY(place == PLACE_NEW_RUN || place == PLACE_NEW_SSRC))
		sample_forget(f, place);
	if (rate == 0 || place == PLACE_DUPLICATE)
		return;
	rtp_jitter_sample(f, c, rtp, rate, sample_is_usable(f, c, rtp, rate), now_us);
}

void rtp_stats_update(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_us) {
	enum place place = place_packet(f, c, rtp);

	jitter_update(f, c, rtp, place, now_us);
	if (RR_UNLIKELY(f->payload_type != rtp->payload_type))
		rr_store_relaxed(&f->payload_type, rtp->payload_type);
}
