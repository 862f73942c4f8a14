// SPDX-License-Identifier: BSD-2-Clause
// The flow table as one worker sees it, and the owner's writes that keep both legs' flows in step.
//
// A flow belongs to the worker named in its `owner` byte. Everything here but flow_table_get is for
// the owner, and every write stands between rr_flow_write_begin and rr_flow_write_end, made by the
// functions below or by their caller, as each says.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr_table.h"
#include "shm_layout.h"
#include "shm_region.h"

struct neighbour_view;

// One a worker. Pointers and counts come from a bound region and are constant.
struct flow_table {
	struct rr_flow *flows;
	struct rr_flow_cold *cold;
	const struct addr_table *addrs;
	uint32_t n_flows;
	uint32_t n_media_ports;
	uint32_t media_port_min;
	uint8_t self; // worker that uses this view
	const struct neighbour_view *neighbours; // NULL: next hops are found by the first packet
};

void flow_table_init(struct flow_table *t, const struct rr_region *r,
	const struct addr_table *addrs, uint8_t self);

static inline const struct local_addr *flow_local(const struct flow_table *t, uint32_t slot) {
	return &t->addrs->local[slot / t->n_media_ports];
}

// True when the slot is one of an address that is ours.
static inline bool flow_has_local(const struct flow_table *t, uint32_t slot) {
	return slot < t->n_flows && addr_table_has(t->addrs, slot / t->n_media_ports);
}

static inline uint16_t flow_local_port(const struct flow_table *t, uint32_t slot) {
	return (uint16_t)(t->media_port_min + slot % t->n_media_ports);
}

// Store 16 bytes of an address as two relaxed words. `to` is aligned to 8.
void flow_store_addr(uint8_t to[16], const uint8_t from[16]);

// Set where the flow's packets are expected from. The caller has begun the write.
void flow_set_remote(struct rr_flow *f, const struct rr_endpoint *remote);
void flow_get_remote(const struct rr_flow *f, struct rr_endpoint *remote);

// Flags of any worker's flow, to be loaded before its owner: a flow that is seen installed is seen
// with the owner that installed it.
static inline uint16_t flow_flags(const struct rr_flow *f) {
	return rr_load_acquire(&f->flags); // pairs with the release fence in flow_own
}

// Make the flow this worker's own, before any store to its flags.
static inline void flow_own(const struct flow_table *t, struct rr_flow *f) {
	rr_store_relaxed(&f->owner, t->self);
	rr_fence_release(); // pairs with the acquire in flow_flags
}

// True when `slot` carries a call and this worker owns it.
bool flow_is_mine(const struct flow_table *t, uint32_t slot);

// The peer of `slot` when both are installed, owned by this worker and name each other,
// and the peer is not torn, else RR_SLOT_NONE. It is inside the table: what the region says of it
// is not to be read again.
uint32_t flow_peer(const struct flow_table *t, uint32_t slot);

// Bring out_* of `slot` in line with the remote of its peer; makes the write itself. Called for the
// peer whenever a remote changes, and for both flows whenever a peer is set or goes. The next hop
// is asked for at once, so that the first packet finds it resolved.
void flow_refresh_out(struct flow_table *t, uint32_t slot);

// Bring out_* of every installed flow in line, as the owner would have done had the dataplane not
// died between a flow's write and its peer's. Before any worker runs; the table's `self` is nobody.
void flow_table_adopt(const struct flow_table *t);

// True when media may be sent there: unicast, not loopback, not unspecified, with a port.
bool flow_can_send(const struct rr_endpoint *ep);
