// SPDX-License-Identifier: BSD-2-Clause
// Requests from control about local addresses, carried out by the main thread: it may wait for
// memory and for the workers, which neither stop nor allocate. As untrusted as those about flows.
//
// Adding: memory for the flows, the directory, the kernel of a shared port, then the table that
// workers read, and the link is told. Removing is refused while a flow of the address is installed.
// The table comes first; when every worker has begun two turns since, nobody can install a flow any
// more or look at one, so the kernel has its packets back, and the memory goes: all of it before
// the answer. What is asked for meanwhile waits in the ring.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr_table.h"
#include "ring.h"
#include "shm_region.h"

struct neighbour_table;

struct addr_command {
	struct addr_source from;
	struct rr_region *region;
	struct addr_table *table;
	struct neighbour_table *neighbours; // its epoch tells the workers' turns
	// From now on the address's media is ours, or not. Returns 0, or a negative errno and has
	// changed nothing.
	int (*claim)(void *ctx, const struct rr_shm_addr *addr, bool on);
	void (*announce)(void *ctx, uint32_t index);
	void *ctx; // of both
	uint64_t *counters; // RR_N_COUNTERS of port 0 of the main thread's block
	uint64_t dp_generation;
	uint8_t self; // number of the main thread's block
	struct rr_ring requests; // consumer side
	struct rr_ring replies; // producer side

	// the removal under way
	bool removing;
	uint32_t index;
	uint32_t realm;
	uint64_t since_epoch;
	struct rr_request request;
};

// Attach to the rings of the main thread's block; the other fields are the caller's to fill before.
// Returns how many ring indexes were impossible and are reset.
int addr_command_open(struct addr_command *c);

// Go on with a removal, or take the next request. Returns how many requests were answered, 0 or 1.
uint32_t addr_command_poll(struct addr_command *c);
