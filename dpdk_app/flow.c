// SPDX-License-Identifier: BSD-2-Clause
// Owner's writes to flows: remote address of a leg, and what follows from it for the peer's flow.
//
// Line 0 of a flow holds the whole outgoing rewrite, so that a packet reads its own flow alone. The
// price is paid here: whenever a leg's remote changes, the flow of the other leg is brought in
// line.
#include "flow.h"

#include <arpa/inet.h>
#include <string.h>

#include "host_addr.h"
#include "neighbour.h"

void flow_table_init(struct flow_table *t, const struct rr_region *r,
	const struct addr_table *addrs, uint8_t self) {
	*t = (struct flow_table){
		.flows = r->flows,
		.cold = r->cold,
		.addrs = addrs,
		.n_flows = r->n_flows,
		.n_media_ports = r->n_media_ports,
		.media_port_min = r->media_port_min,
		.self = self,
	};
}

void flow_store_addr(uint8_t to[16], const uint8_t from[16]) {
	uint64_t __attribute__((may_alias)) *word = (void *)to;
	uint64_t half[2];

	memcpy(half, from, sizeof(half));
	rr_store_relaxed(&word[0], half[0]);
	rr_store_relaxed(&word[1], half[1]);
}

void flow_set_remote(struct rr_flow *f, const struct rr_endpoint *remote) {
	flow_store_addr(f->remote, remote->addr);
	rr_store_relaxed(&f->remote_port_be, remote->port_be);
	rr_store_relaxed(&f->remote_family, remote->family);
	rr_store_relaxed(&f->flags, (uint16_t)(f->flags | RR_FLOW_HAS_REMOTE));
}

void flow_get_remote(const struct rr_flow *f, struct rr_endpoint *remote) {
	*remote = (struct rr_endpoint){
		.port_be = f->remote_port_be,
		.family = f->remote_family,
	};
	memcpy(remote->addr, f->remote, sizeof(remote->addr));
}

bool flow_is_mine(const struct flow_table *t, uint32_t slot) {
	const struct rr_flow *f = &t->flows[slot];

	return (flow_flags(f) & RR_FLOW_INSTALLED) && rr_load_relaxed(&f->owner) == t->self;
}

uint32_t flow_peer(const struct flow_table *t, uint32_t slot) {
	uint32_t peer = rr_load_relaxed(&t->flows[slot].peer);

	if (!flow_is_mine(t, slot))
		return RR_SLOT_NONE;
	if (peer >= t->n_flows || !flow_is_mine(t, peer) ||
		(flow_flags(&t->flows[peer]) & RR_FLOW_TORN) ||
		rr_load_relaxed(&t->flows[peer].peer) != slot)
		return RR_SLOT_NONE;
	return peer;
}

bool flow_can_send(const struct rr_endpoint *ep) {
	if (ep->port_be == 0)
		return false;
	if (ep->family == RR_FAMILY_IPV4)
		return ipv4_is_host(ep->addr);
	return ep->family == RR_FAMILY_IPV6 && ipv6_is_host(ep->addr);
}

static void store_out(struct rr_flow *f, const struct rr_endpoint *to) {
	flow_store_addr(f->out, to->addr);
	rr_store_relaxed(&f->out_port_be, to->port_be);
	rr_store_relaxed(&f->out_family, to->family);
}

// Handle of the next hop from the local address of `peer` towards `to`, or none; asks for it where
// it is not known.
static uint32_t out_nexthop(
	const struct flow_table *t, uint32_t peer, const struct rr_endpoint *to) {
	if (!t->neighbours)
		return RR_NEXTHOP_NONE;
	return neighbour_find(
		t->neighbours, flow_local(t, peer)->realm, (enum rr_family)to->family, to->addr);
}

// The way out by the peer's local address; a remote of the other family is no use there.
static bool out_find(const struct flow_table *t, uint32_t peer, struct rr_endpoint *to) {
	const struct rr_flow *f = &t->flows[peer];

	if (flow_flags(f) & RR_FLOW_HAS_REMOTE)
		flow_get_remote(f, to);
	return to->family == flow_local(t, peer)->family && flow_can_send(to);
}

void flow_refresh_out(struct flow_table *t, uint32_t slot) {
	struct rr_flow *f = &t->flows[slot];
	struct rr_endpoint to = {.family = RR_FAMILY_NONE};
	uint32_t nexthop = RR_NEXTHOP_NONE;
	uint32_t peer = flow_peer(t, slot);
	uint16_t flags = flow_flags(f) & (uint16_t)~RR_FLOW_HAS_OUT;

	rr_flow_write_begin(f);
	if (peer != RR_SLOT_NONE) {
		if (out_find(t, peer, &to)) {
			flags |= RR_FLOW_HAS_OUT;
			nexthop = out_nexthop(t, peer, &to);
		}
		rr_store_relaxed(&f->tos, t->flows[peer].remote_tos);
		rr_store_relaxed(&f->out_addr, (uint16_t)(peer / t->n_media_ports));
		rr_store_relaxed(&f->out_src_port_be, htons(flow_local_port(t, peer)));
	}
	store_out(f, &to);
	rr_store_relaxed(&f->flags, flags);
	rr_store_relaxed(&f->nexthop, nexthop);
	rr_flow_write_end(f);
}

// The flow goes on with the way out that it has until control has set its torn peer again.
static bool peer_is_torn(const struct flow_table *t, uint32_t slot) {
	const uint16_t torn = RR_FLOW_INSTALLED | RR_FLOW_TORN;
	uint32_t peer = rr_load_relaxed(&t->flows[slot].peer);

	return flow_has_local(t, peer) && (flow_flags(&t->flows[peer]) & torn) == torn;
}

void flow_table_adopt(const struct flow_table *t) {
	struct flow_table owners = *t;

	for (uint32_t slot = 0; slot < t->n_flows; slot++) {
		if (!flow_has_local(t, slot))
			continue;
		if ((flow_flags(&t->flows[slot]) & (RR_FLOW_INSTALLED | RR_FLOW_TORN)) !=
			RR_FLOW_INSTALLED)
			continue;
		owners.self = rr_load_relaxed(&t->flows[slot].owner);
		if (!peer_is_torn(t, slot))
			flow_refresh_out(&owners, slot);
	}
}
