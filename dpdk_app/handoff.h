// SPDX-License-Identifier: BSD-2-Clause
// Packets that arrived on another worker's core are passed to the flow's owner, one ring for each
// ordered pair of workers, so that every ring has one producer and one consumer and keeps the
// order of a flow. Relayed packets whose destination is an address of ours go the same way.
//
// `held` of a worker's counters goes up when it puts a packet into a ring and down when it takes
// one out; only the sum over all blocks is the number of packets in rings.
#pragma once

#include <stdint.h>

#include "pkt.h"

#define HANDOFF_RING 1024 // packets between two workers

struct rte_ring;

// All rings, [from][to]; the diagonal is for packets that a worker turns to itself.
struct handoff_mesh {
	uint32_t n_workers;
	uint64_t turned_flag; // of mbufs, see struct rewrite
	struct rte_ring *ring[RR_MAX_WORKERS][RR_MAX_WORKERS];
};

// One a worker.
struct handoff {
	const struct handoff_mesh *mesh;
	uint64_t (*counters)[RR_N_COUNTERS]; // of this worker
	uint32_t self;
};

int handoff_mesh_create(struct handoff_mesh *mesh, uint32_t n_workers);

// Free rings and the packets in them.
void handoff_mesh_free(struct handoff_mesh *mesh);

// Pass on the burst's `handed` list. What finds its ring full is drop_handoff_full.
void handoff_send(struct handoff *h, struct burst *b);

// Pass on the burst's `turned` list: frames that were to leave by out_port arrive there instead.
void handoff_turn(struct handoff *h, struct burst *b);

// Fill the burst with what worker `from` passed to this one. Returns the number of packets.
uint32_t handoff_receive(struct handoff *h, uint32_t from, struct burst *b);
