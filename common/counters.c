// SPDX-License-Identifier: BSD-2-Clause
// The counter table's texts, and the accounting equation over it.
#include "counters.h"

const struct rr_counter_info rr_counter_info[RR_N_COUNTERS] = {
#define RR_COUNTER_INFO_ROW(id, kind, unit, help) {#id, RR_COUNTER_##kind, unit, help},
	RR_COUNTERS(RR_COUNTER_INFO_ROW)
#undef RR_COUNTER_INFO_ROW
};

int64_t rr_counters_imbalance(const uint64_t counters[RR_N_COUNTERS]) {
	int64_t sum = 0;

	for (unsigned int i = 0; i < RR_N_COUNTERS; i++) {
		switch (rr_counter_info[i].kind) {
		case RR_COUNTER_IN:
			sum += (int64_t)counters[i];
			break;
		case RR_COUNTER_OUT:
		case RR_COUNTER_DROP:
		case RR_COUNTER_GAUGE:
			sum -= (int64_t)counters[i];
			break;
		case RR_COUNTER_INFO:
			break;
		}
	}
	return sum;
}
