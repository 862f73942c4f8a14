// SPDX-License-Identifier: BSD-2-Clause
// A ring of packets between two threads: one producer, one consumer, and what it still holds is
// freed with it.
#pragma once

#include <stdint.h>

struct rte_ring;

// n_packets is a power of two. NULL when there is no memory, or the name is taken.
struct rte_ring *packet_ring_create(const char *name, uint32_t n_packets);

// Free the ring and the packets in it. The threads at its ends have stopped. NULL is no ring.
void packet_ring_free(struct rte_ring *ring);
