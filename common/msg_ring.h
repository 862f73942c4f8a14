// SPDX-License-Identifier: BSD-2-Clause
// Single-producer single-consumer ring of messages of any length, between two processes that need
// not trust each other.
//
// The shared part holds, for each side, its index and a count of its waits. Indexes count bytes and
// run free; the bytes in use are producer - consumer, unsigned. A message is its length, 4 bytes,
// then its text, filled up to a multiple of RR_MSG_RING_ALIGN; the text may go round the end. Each
// side keeps its own index in private memory, takes nothing from the shared part but what the peer
// says there, and checks that: an index or a length that cannot be is -EPROTO, and leads nobody
// outside the ring. What is in the ring may change under a reader: it is copied once, then looked
// at.
//
// Order: the producer writes the message, then releases its index; the consumer acquires that, then
// reads the message. The consumer releases its index when it is done with the bytes; the producer
// acquires that before it writes them again.
//
// Waiting: the count of waits is odd while a side waits. Whoever is about to wait makes it odd and
// then looks once more; whoever has moved an index then looks whether the peer waits, and wakes it,
// once a wait. A full fence on either side between its store and its look: one of the two sees the
// other (Dekker).
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "compiler.h"

RR_BEGIN_DECLS

#define RR_MSG_RING_ALIGN 8

struct rr_msg_ring_side {
	uint32_t index RR_CACHE_ALIGNED; // bytes put in, or taken out
	uint32_t n_waits; // odd: it waits
	uint8_t guard[2 * RR_CACHE_LINE - 8];
};

struct rr_msg_ring_shared {
	struct rr_msg_ring_side producer; // it writes, the consumer reads
	struct rr_msg_ring_side consumer; // it writes, the producer reads
};
RR_STATIC_ASSERT(sizeof(struct rr_msg_ring_shared) == 4 * RR_CACHE_LINE, "one line a side");

// One side's private view.
struct rr_msg_ring {
	struct rr_msg_ring_side *mine;
	struct rr_msg_ring_side *theirs;
	uint8_t *bytes;
	uint32_t size; // bytes, a power of two
	uint32_t own; // index
	uint32_t peer; // index that was seen last, and made sense
	uint32_t n_waits; // own
	uint32_t n_woken; // the peer's wait that was ended last
};

// Begin with an empty ring, of which the shared part is zero. Size: a power of two, 64 at least.
void rr_msg_ring_producer(
	struct rr_msg_ring *r, struct rr_msg_ring_shared *shared, void *bytes, uint32_t size);
void rr_msg_ring_consumer(
	struct rr_msg_ring *r, struct rr_msg_ring_shared *shared, void *bytes, uint32_t size);

// Producer: append a message. Returns 0, -EAGAIN when there is no room now, -EMSGSIZE when there
// never is, -EPROTO.
int rr_msg_ring_put(struct rr_msg_ring *r, const void *text, uint32_t len);

// Consumer: take a message of up to `size` bytes. Returns its length, -EAGAIN when there is none,
// -EPROTO, which a longer one is too.
int rr_msg_ring_take(struct rr_msg_ring *r, void *text, uint32_t size);

// Either side: begin a wait, before it looks once more and sleeps. A put or take that succeeds ends
// it. Whoever was woken and found nothing begins another one, for it is woken once a wait.
void rr_msg_ring_wait(struct rr_msg_ring *r);

// Either side, after it has put or taken: must the peer be woken? True once a wait.
bool rr_msg_ring_must_wake(struct rr_msg_ring *r);

RR_END_DECLS
