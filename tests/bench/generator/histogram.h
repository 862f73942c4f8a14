// SPDX-License-Identifier: BSD-2-Clause
// How often values of any size occurred, to 1.6 %, in 30 KB: buckets grow with the value, as those
// of HdrHistogram do.
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB (1U << HISTOGRAM_SUB_BITS) // buckets for each doubling
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t n;
	uint64_t max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

// Values below 2 * HISTOGRAM_SUB have a bucket each.
static inline uint32_t histogram_bucket(uint64_t value) {
	uint32_t shift;

	if (value < HISTOGRAM_SUB)
		return (uint32_t)value;
	shift = 63 - HISTOGRAM_SUB_BITS - (uint32_t)__builtin_clzll(value);
	return (shift + 1) * HISTOGRAM_SUB + (uint32_t)((value >> shift) & (HISTOGRAM_SUB - 1));
}

static inline void histogram_add(struct histogram *h, uint64_t value, uint64_t n) {
	h->bucket[histogram_bucket(value)] += n;
	h->n += n;
	if (value > h->max)
		h->max = value;
}

// The value that a share of 0..1 of all values does not exceed: the upper end of its bucket, or the
// maximum where that is less. 0 when there are none.
uint64_t histogram_at(const struct histogram *h, double share);

// How many values are greater, those of its own bucket left out.
uint64_t histogram_above(const struct histogram *h, uint64_t value);
