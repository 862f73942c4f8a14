// SPDX-License-Identifier: BSD-2-Clause
// A ring of packets between two threads: one producer, one consumer, and what it still holds is
// freed with it.
//
// In a ring m->port is the index of the configuration's ports, which all accounts go by: whoever
// puts a packet in sets it. What the driver left there is not relied on; not every one sets it.
#pragma once

#include <stdint.h>

struct rte_ring;

// n_packets is a power of two. NULL when there is no memory, or the name is taken.
struct rte_ring *packet_ring_create(const char *name, uint32_t n_packets);

// Free the ring and the packets in it. The threads at its ends have stopped. NULL is no ring.
void packet_ring_free(struct rte_ring *ring);
