// SPDX-License-Identifier: BSD-2-Clause
// A worker: one thread on one core, its queues, its flows, and the loop over them.
//
// Everything in struct worker belongs to the worker's thread once it runs; the main thread fills it
// before and takes it apart after. The exceptions name their writer and reader.
#pragma once

#include <stdint.h>

#include "command.h"
#include "compiler.h"
#include "config.h"
#include "forward.h"
#include "fragmenter.h"
#include "handoff.h"
#include "io.h"
#include "neighbour.h"
#include "parse.h"
#include "pkt.h"
#include "reassembly.h"
#include "ring.h"
#include "shm_region.h"

#define WORKER_COMMANDS 32 // requests a turn

struct rte_ring;

// What all workers share, constant while they run.
struct worker_setup {
	const struct rr_config *cfg;
	const struct rr_region *region;
	const struct port_set *ports;
	const struct addr_table *addrs;
	const struct parse *parse;
	const struct neighbour_table *neighbours;
	const struct handoff_mesh *mesh;
	struct rte_ring *const *punt; // worker -> main, by worker
	struct rte_ring *inject; // main -> worker 0
	const uint32_t *stop; // writer: main; readers: workers
	uint32_t seed; // of hashes that workers must agree on
};

struct worker {
	// stages, in the order of a packet's way
	struct io io;
	const struct parse *parse;
	struct flow_table table;
	struct relay relay;
	struct neighbour_view neighbours;
	struct rewrite rewrite;
	struct forward forward;

	// side doors
	struct reassembly reassembly;
	struct fragmenter fragmenter;
	struct handoff handoff;
	struct rte_ring *punt;
	struct rte_ring *inject; // NULL but for worker 0

	// control's side
	struct rr_ring requests;
	struct rr_ring replies;
	struct rr_ring events;
	struct command command;

	uint64_t (*counters)[RR_N_COUNTERS]; // this worker's block of the region, by port
	const uint32_t *stop;
	uint32_t n_workers;
	uint32_t index;
	bool naps; // poll = adaptive
	uint32_t n_idle_turns;
	uint64_t turn_ns; // when this turn began
	struct burst burst;

	// Turns begun. Writer: the worker, with release; reader: main, see neighbour_epoch_next.
	uint64_t n_turns RR_CACHE_ALIGNED;
	uint8_t guard[RR_CACHE_LINE - sizeof(uint64_t)];
};

// Returns 0 or a negative errno.
int worker_init(struct worker *w, const struct worker_setup *setup, uint32_t index);
void worker_fini(struct worker *w);

// The thread: runs until *stop is set. arg is a struct worker. Returns 0.
int worker_run(void *arg);
