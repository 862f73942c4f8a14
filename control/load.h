// SPDX-License-Identifier: BSD-2-Clause
// How busy rtprelay is, and whether that is too much for more calls.
//
// The load is the share of its time that the busiest thread works, be it control's or one of the
// dataplane's workers, as the mean of the last LOAD_WINDOW_S seconds; those before the start count
// as idle. Overload begins when it reaches one threshold and ends when it falls below the other.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

#define LOAD_WINDOW_S 5

struct control;

// What threads have worked so far.
struct load_reading {
	uint64_t now_ns;
	uint64_t control_ns; // processor time of control's thread
	uint64_t region_id; // counters of workers are comparable within one; 0 = no region
	uint32_t n_workers;
	uint64_t worker_ns[RR_MAX_WORKERS];
};

struct load {
	struct load_reading last;
	double share[LOAD_WINDOW_S]; // 0 to 1, one a second
	unsigned int next; // place of the oldest
	double mean; // what everybody is told
	bool overloaded;
	uint64_t n_overloads; // times that it began
};

// Once a second.
void load_watch(struct control *ctl);

// The same with what was read, in percent; high_pct 0: never overloaded.
void load_add(
	struct load *load, const struct load_reading *reading, uint32_t low_pct, uint32_t high_pct);

RR_END_DECLS
