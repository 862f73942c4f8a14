// SPDX-License-Identifier: BSD-2-Clause
// What came back: which packets of which stream, in which order, and how long they took.
#pragma once

#include <stdint.h>

#include "histogram.h"

#define METER_WINDOW 64 // packets of a stream behind the latest within which a duplicate is known

struct meter_stream {
	uint64_t seen; // bit i: packet next - 1 - i was received
	uint32_t next; // behind the highest number so far
	uint32_t first; // of this trial
};

struct meter {
	struct meter_stream *stream;
	uint32_t n_streams;
	uint32_t run;
	uint64_t stall_end_tsc; // packets that were under way at that time are not timed
	uint64_t n_received; // each packet of this trial once
	uint64_t n_reordered; // of those, how many came behind a later one of their stream
	uint64_t n_duplicates; // not in n_received
	uint64_t n_stale; // too old to tell whether it is a duplicate; not in n_received
	uint64_t n_foreign; // frames that are not of this trial
	uint64_t n_untimed; // received, but while the generator itself did not run
	struct histogram latency; // TSC ticks
};

int meter_init(struct meter *m, uint32_t n_streams);
void meter_fini(struct meter *m);

// Forget all counts. What is received from now on is of trial `run`.
void meter_reset(struct meter *m, uint32_t run);

// The first number of a stream in this trial, after meter_reset.
void meter_expect(struct meter *m, uint32_t stream, uint32_t number);

void meter_take(struct meter *m, const uint8_t *frame, uint32_t len, uint64_t now_tsc);
