// SPDX-License-Identifier: BSD-2-Clause
// Requests from control, applied to this worker's flows. Control is not trusted: a request is a
// private copy, every field of it is checked before anything is written, and what is refused
// changes nothing and is counted.
#pragma once

#include <stdint.h>

#include "flow.h"
#include "ring.h"

// One a worker.
struct command {
	struct flow_table *table;
	struct rr_ring *requests; // consumer side
	struct rr_ring *replies; // producer side
	uint64_t *counters; // RR_N_COUNTERS of port 0 of the worker's block
	uint64_t dp_generation;
};

// Apply one request and fill its reply.
void command_apply(
	struct command *c, const struct rr_request *q, uint64_t now_ns, struct rr_reply *reply);

// Take up to `max` requests from the ring, apply and answer each; takes none that it has no room to
// answer. Returns how many.
uint32_t command_burst(struct command *c, uint64_t now_ns, uint32_t max);
