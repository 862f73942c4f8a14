// SPDX-License-Identifier: BSD-2-Clause
// Reads percentiles and counts out of a histogram.
#include "histogram.h"

static uint64_t bucket_end(uint32_t bucket) {
	uint32_t shift = bucket / HISTOGRAM_SUB;
	uint64_t sub = bucket % HISTOGRAM_SUB;

	if (shift == 0)
		return sub;
	return ((HISTOGRAM_SUB + sub + 1) << (shift - 1)) - 1;
}

uint64_t histogram_at(const struct histogram *h, double share) {
	uint64_t seen = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > 0 && (double)seen >= share * (double)h->n)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}

uint64_t histogram_above(const struct histogram *h, uint64_t value) {
	uint64_t n = 0;

	for (uint32_t i = histogram_bucket(value) + 1; i < HISTOGRAM_BUCKETS; i++)
		n += h->bucket[i];
	return n;
}
