// SPDX-License-Identifier: BSD-2-Clause
// The clock that both processes share: CLOCK_MONOTONIC in nanoseconds, good within one boot.
#pragma once

#include <stdint.h>
#include <time.h>

#define RR_NS_PER_S UINT64_C(1000000000)
#define RR_NS_PER_MS UINT64_C(1000000)

// No system call where the kernel offers the vDSO.
static inline uint64_t rr_now_ns(void) {
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * RR_NS_PER_S + (uint64_t)ts.tv_nsec;
}
