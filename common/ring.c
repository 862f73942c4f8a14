// SPDX-License-Identifier: BSD-2-Clause
// Attaching to a ring: the part that is not on anybody's fast path.
#include "ring.h"

static int attach(struct rr_ring *r, struct rr_ring_shared *shared, void *slots, uint32_t n_slots,
	uint32_t slot_size) {
	if (n_slots == 0 || (n_slots & (n_slots - 1)) || slot_size == 0)
		return -EINVAL;
	*r = (struct rr_ring){
		.shared = shared,
		.slots = (uint8_t *)slots,
		.n_slots = n_slots,
		.slot_size = slot_size,
	};
	return 0;
}

int rr_ring_attach_producer(struct rr_ring *r, struct rr_ring_shared *shared, void *slots,
	uint32_t n_slots, uint32_t slot_size) {
	int ret = attach(r, shared, slots, n_slots, slot_size);

	if (ret < 0)
		return ret;
	r->own = rr_load_relaxed(&shared->tail);
	r->peer = rr_load_acquire(&shared->head); // pairs with the release in rr_ring_pop
	if (r->own - r->peer <= n_slots)
		return 0;
	r->own = r->peer;
	rr_store_release(&shared->tail, r->own); // pairs with the acquire in rr_ring_pop
	return -EPROTO;
}

int rr_ring_attach_consumer(struct rr_ring *r, struct rr_ring_shared *shared, void *slots,
	uint32_t n_slots, uint32_t slot_size) {
	int ret = attach(r, shared, slots, n_slots, slot_size);

	if (ret < 0)
		return ret;
	r->own = rr_load_relaxed(&shared->head);
	r->peer = rr_load_acquire(&shared->tail); // pairs with the release in rr_ring_push
	if (r->peer - r->own <= n_slots)
		return 0;
	r->own = r->peer;
	rr_store_release(&shared->head, r->own); // pairs with the acquire in rr_ring_room
	return -EPROTO;
}
