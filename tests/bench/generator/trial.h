// SPDX-License-Identifier: BSD-2-Clause
// One trial: packets sent at a rate for a while, and what came back of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "meter.h"
#include "streams.h"

struct rte_mempool;

struct trial_params {
	double per_second;
	double seconds; // of sending, while the generator runs; four times that in all
	uint64_t n_packets; // ends it as well; 0: no such end
	uint32_t drain_ms; // of silence, after which what is missing is lost
	uint32_t late_us; // what took longer is counted apart
	uint32_t
		stall_us; // between two looks at the clock, from which on the generator stood still
};

struct trial {
	struct trial_params params;
	double seconds; // of sending
	double stalled_seconds; // of these, in which the generator did not run
	uint64_t n_sent; // refused ones included
	uint64_t n_refused; // the device had no room
	uint64_t n_slipped; // not sent, since the generator was too slow
	uint64_t n_stalls;
};

// The rate is that of the time in which the generator ran.
static inline double trial_rate(const struct trial *trial, uint64_t n) {
	double seconds = trial->seconds - trial->stalled_seconds;

	return seconds > 0 ? (double)n / seconds : 0;
}

struct rig {
	struct streams streams;
	struct meter meter; // of the last trial
	struct rte_mempool *pool;
	uint16_t n_ports;
	uint32_t next_stream;
	uint32_t n_runs;
	bool stop; // set by a signal's handler, read by the loop; both are one thread
};

// Returns 0, or -EINTR when the rig was told to stop; the figures are right then, too.
int trial_run(struct rig *rig, const struct trial_params *params, struct trial *trial);
