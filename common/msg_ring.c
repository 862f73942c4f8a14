// SPDX-License-Identifier: BSD-2-Clause
// Single-producer single-consumer ring of messages of any length, between two processes.
#include "msg_ring.h"

#include <stddef.h>
#include <string.h>

static void attach(struct rr_msg_ring *r, struct rr_msg_ring_side *mine,
	struct rr_msg_ring_side *theirs, void *bytes, uint32_t size) {
	*r = (struct rr_msg_ring){
		.mine = mine,
		.theirs = theirs,
		.bytes = (uint8_t *)bytes,
		.size = size,
	};
}

void rr_msg_ring_producer(
	struct rr_msg_ring *r, struct rr_msg_ring_shared *shared, void *bytes, uint32_t size) {
	attach(r, &shared->producer, &shared->consumer, bytes, size);
}

void rr_msg_ring_consumer(
	struct rr_msg_ring *r, struct rr_msg_ring_shared *shared, void *bytes, uint32_t size) {
	attach(r, &shared->consumer, &shared->producer, bytes, size);
}

// What a message of so many bytes takes up.
static uint32_t space_of(uint32_t len) {
	return (uint32_t)((sizeof(len) + len + RR_MSG_RING_ALIGN - 1) & ~(RR_MSG_RING_ALIGN - 1u));
}

// How many bytes from index `at` on do not go round the end, of so many.
static uint32_t before_end(const struct rr_msg_ring *r, uint32_t at, uint32_t len) {
	uint32_t left = r->size - (at & (r->size - 1));

	return len < left ? len : left;
}

static void copy_in(struct rr_msg_ring *r, uint32_t at, const void *from, uint32_t len) {
	uint32_t n = before_end(r, at, len);

	memcpy(r->bytes + (at & (r->size - 1)), from, n);
	memcpy(r->bytes, (const uint8_t *)from + n, len - n);
}

static void copy_out(const struct rr_msg_ring *r, uint32_t at, void *to, uint32_t len) {
	uint32_t n = before_end(r, at, len);

	memcpy(to, r->bytes + (at & (r->size - 1)), n);
	memcpy((uint8_t *)to + n, r->bytes, len - n);
}

// Follow the peer's index, which is right when it leaves whole messages, and no more than fit.
static int look(struct rr_msg_ring *r, bool produces) {
	// pairs with the release of the peer's rr_msg_ring_put or rr_msg_ring_take
	uint32_t seen = rr_load_acquire(&r->theirs->index);
	uint32_t used = produces ? r->own - seen : seen - r->own;

	if (used > r->size || used % RR_MSG_RING_ALIGN != 0)
		return -EPROTO;
	r->peer = seen;
	return 0;
}

static void set_waits(struct rr_msg_ring *r, uint32_t n_waits) {
	r->n_waits = n_waits;
	rr_store_relaxed(&r->mine->n_waits, n_waits);
}

static void wait_over(struct rr_msg_ring *r) {
	if (r->n_waits % 2 == 1)
		set_waits(r, r->n_waits + 1);
}

int rr_msg_ring_put(struct rr_msg_ring *r, const void *text, uint32_t len) {
	uint32_t space = space_of(len);

	if (len > r->size - sizeof(len))
		return -EMSGSIZE;
	if (r->size - (r->own - r->peer) < space && look(r, true) < 0)
		return -EPROTO;
	if (r->size - (r->own - r->peer) < space)
		return -EAGAIN;
	copy_in(r, r->own, &len, sizeof(len));
	copy_in(r, r->own + (uint32_t)sizeof(len), text, len);
	r->own += space;
	// pairs with the acquire in the consumer's look
	rr_store_release(&r->mine->index, r->own);
	wait_over(r);
	return 0;
}

int rr_msg_ring_take(struct rr_msg_ring *r, void *text, uint32_t size) {
	uint32_t len;

	if (r->own == r->peer && look(r, false) < 0)
		return -EPROTO;
	if (r->own == r->peer)
		return -EAGAIN;
	copy_out(r, r->own, &len, sizeof(len));
	if (len > size || space_of(len) > r->peer - r->own)
		return -EPROTO;
	copy_out(r, r->own + (uint32_t)sizeof(len), text, len);
	r->own += space_of(len);
	// pairs with the acquire in the producer's look
	rr_store_release(&r->mine->index, r->own);
	wait_over(r);
	return (int)len;
}

void rr_msg_ring_wait(struct rr_msg_ring *r) {
	set_waits(r, r->n_waits + (r->n_waits % 2 == 1 ? 2 : 1));
	rr_fence_full(); // pairs with that of the peer's rr_msg_ring_must_wake
}

bool rr_msg_ring_must_wake(struct rr_msg_ring *r) {
	uint32_t n_waits;

	rr_fence_full(); // pairs with that of the peer's rr_msg_ring_wait
	n_waits = rr_load_relaxed(&r->theirs->n_waits);
	if (n_waits % 2 == 0 || n_waits == r->n_woken)
		return false;
	r->n_woken = n_waits;
	return true;
}
