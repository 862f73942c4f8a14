// SPDX-License-Identifier: BSD-2-Clause
// Single-producer single-consumer ring of fixed-size slots, by value, between two processes.
//
// The shared part holds the two indexes only. They run free and are masked on use; the number of
// filled slots is tail - head, unsigned. Each side keeps its own index and the slots' place and
// size in private memory and takes from the shared part nothing but the peer's index, which it
// checks: a difference above the number of slots is refused as -EPROTO and harms nobody.
//
// Order: the producer writes the slot, then releases tail; the consumer acquires tail, then reads
// the slot. The consumer releases head when it is done with the slot; the producer acquires head
// before it writes the slot again. A side that was killed and started again picks up its own index
// from the shared part; a slot that was taken but not released is delivered once more.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "atomic.h"
#include "compiler.h"

RR_BEGIN_DECLS

struct rr_ring_shared {
	uint32_t tail RR_CACHE_ALIGNED; // producer writes, consumer reads
	uint8_t guard0[RR_CACHE_LINE - 4];
	uint32_t head RR_CACHE_ALIGNED; // consumer writes, producer reads
	uint8_t guard1[RR_CACHE_LINE - 4];
};
RR_STATIC_ASSERT(sizeof(struct rr_ring_shared) == 2 * RR_CACHE_LINE, "one line a side");

// One side's private view of a ring. A producer uses `own` as tail and `peer` as the head it saw
// last; a consumer the other way round.
struct rr_ring {
	struct rr_ring_shared *shared;
	uint8_t *slots;
	uint32_t n_slots; // power of two
	uint32_t slot_size; // bytes
	uint32_t own;
	uint32_t peer;
};

// Attach as producer or consumer. n_slots must be a power of two. Returns 0, -EINVAL, or -EPROTO
// when the two indexes found there cannot both be right; own and peer are then taken as equal, so
// that the ring is empty and usable.
int rr_ring_attach_producer(struct rr_ring *r, struct rr_ring_shared *shared, void *slots,
	uint32_t n_slots, uint32_t slot_size);
int rr_ring_attach_consumer(struct rr_ring *r, struct rr_ring_shared *shared, void *slots,
	uint32_t n_slots, uint32_t slot_size);

// Producer: how many slots are free now, or -EPROTO when the consumer's index is out of range.
static inline int rr_ring_room(struct rr_ring *r) {
	uint32_t used;

	// pairs with the release in rr_ring_pop
	r->peer = rr_load_acquire(&r->shared->head);
	used = r->own - r->peer;
	return used > r->n_slots ? -EPROTO : (int)(r->n_slots - used);
}

// Producer: append one message. Returns 0, -ENOSPC when full, -EPROTO as above.
static inline int rr_ring_push(struct rr_ring *r, const void *msg) {
	if (RR_UNLIKELY(r->own - r->peer >= r->n_slots)) {
		int room = rr_ring_room(r);

		if (room <= 0)
			return room < 0 ? room : -ENOSPC;
	}
	memcpy(r->slots + (size_t)(r->own & (r->n_slots - 1)) * r->slot_size, msg, r->slot_size);
	r->own++;
	// pairs with the acquire in rr_ring_pop
	rr_store_release(&r->shared->tail, r->own);
	return 0;
}

// Consumer: take one message. Returns 1, 0 when empty, -EPROTO when the producer's index is out of
// range.
static inline int rr_ring_pop(struct rr_ring *r, void *msg) {
	if (r->own == r->peer) {
		// pairs with the release in rr_ring_push
		r->peer = rr_load_acquire(&r->shared->tail);
		if (r->own == r->peer)
			return 0;
		if (RR_UNLIKELY(r->peer - r->own > r->n_slots)) {
			r->peer = r->own;
			return -EPROTO;
		}
	}
	memcpy(msg, r->slots + (size_t)(r->own & (r->n_slots - 1)) * r->slot_size, r->slot_size);
	r->own++;
	// pairs with the acquire in rr_ring_room
	rr_store_release(&r->shared->head, r->own);
	return 1;
}

RR_END_DECLS
