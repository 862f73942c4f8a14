// SPDX-License-Identifier: BSD-2-Clause
// The rings between workers and their accounts.
#include "handoff.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include "packet_ring.h"

int handoff_mesh_create(struct handoff_mesh *mesh, uint32_t n_workers) {
	static const struct rte_mbuf_dynflag turned = {.name = "rtprelay_turned"};
	int bit = rte_mbuf_dynflag_register(&turned);

	*mesh = (struct handoff_mesh){.n_workers = n_workers};
	if (bit < 0)
		return -rte_errno;
	mesh->turned_flag = RTE_BIT64(bit);
	for (uint32_t from = 0; from < n_workers; from++)
		for (uint32_t to = 0; to < n_workers; to++) {
			char name[RTE_RING_NAMESIZE];

			snprintf(name, sizeof(name), "hand-%u-%u", from, to);
			mesh->ring[from][to] = packet_ring_create(name, HANDOFF_RING);
			if (!mesh->ring[from][to]) {
				handoff_mesh_free(mesh);
				return -ENOMEM;
			}
		}
	return 0;
}

void handoff_mesh_free(struct handoff_mesh *mesh) {
	for (uint32_t from = 0; from < mesh->n_workers; from++)
		for (uint32_t to = 0; to < mesh->n_workers; to++)
			packet_ring_free(mesh->ring[from][to]);
	*mesh = (struct handoff_mesh){0};
}

// An owner that is no worker is left over from a region that is gone.
static struct rte_ring *ring_to(const struct handoff *h, uint32_t owner) {
	return owner < h->mesh->n_workers ? h->mesh->ring[h->self][owner] : NULL;
}

// One run of packets for the same owner.
static void run_send(struct handoff *h, struct burst *b, uint32_t first, uint32_t n) {
	struct rte_ring *ring = ring_to(h, b->handed[first]->owner);
	struct rte_mbuf *m[BURST_MAX];
	uint32_t n_sent = 0;

	for (uint32_t i = 0; i < n; i++) {
		m[i] = b->handed[first + i]->m;
		m[i]->port = b->handed[first + i]->port;
	}
	if (ring)
		n_sent = rte_ring_sp_enqueue_burst(ring, (void **)m, n, NULL);
	for (uint32_t i = 0; i < n; i++) {
		const struct pkt *p = b->handed[first + i];

		if (i < n_sent) {
			pkt_count(b, p, RR_C_handoff_out, 1);
			pkt_count(b, p, RR_C_held, 1);
		} else {
			pkt_drop(b, p, ring ? RR_C_drop_handoff_full : RR_C_drop_handoff_stale);
		}
	}
}

void handoff_send(struct handoff *h, struct burst *b) {
	uint32_t n;

	for (uint32_t first = 0; first < b->n_handed; first += n) {
		for (n = 1; first + n < b->n_handed; n++)
			if (b->handed[first + n]->owner != b->handed[first]->owner)
				break;
		run_send(h, b, first, n);
	}
	b->n_handed = 0;
}

void handoff_turn(struct handoff *h, struct burst *b) {
	for (uint32_t i = 0; i < b->n_turned; i++) {
		struct pkt *p = b->turned[i];
		struct rte_ring *ring = ring_to(h, p->owner);

		p->m->port = p->out_port;
		if (ring && rte_ring_sp_enqueue(ring, p->m) == 0) {
			pkt_count(b, p, RR_C_turned, 1);
			pkt_count(b, p, RR_C_handoff_out, 1);
			rr_add_relaxed(&h->counters[p->out_port][RR_C_held], UINT64_C(1));
		} else {
			pkt_drop(b, p, ring ? RR_C_drop_handoff_full : RR_C_drop_handoff_stale);
		}
	}
	b->n_turned = 0;
}

uint32_t handoff_receive(struct handoff *h, uint32_t from, struct burst *b) {
	struct rte_ring *ring = h->mesh->ring[from][h->self];
	struct rte_mbuf *m[BURST_MAX];
	uint32_t n;

	if (!ring)
		return 0;
	n = rte_ring_sc_dequeue_burst(ring, (void **)m, BURST_MAX, NULL);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t port = (uint8_t)m[i]->port;

		pkt_add(b, m[i], port);
		rr_add_relaxed(&h->counters[port][RR_C_handoff_in], UINT64_C(1));
		rr_add_relaxed(&h->counters[port][RR_C_held], (uint64_t)-1);
	}
	return n;
}
