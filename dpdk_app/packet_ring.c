// SPDX-License-Identifier: BSD-2-Clause
// Making and freeing rings of packets.
#include "packet_ring.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

struct rte_ring *packet_ring_create(const char *name, uint32_t n_packets) {
	return rte_ring_create(name, n_packets, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

void packet_ring_free(struct rte_ring *ring) {
	void *m;

	if (!ring)
		return;
	while (rte_ring_sc_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ring);
}
