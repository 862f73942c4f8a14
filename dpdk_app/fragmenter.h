// SPDX-License-Identifier: BSD-2-Clause
// Datagrams larger than the outgoing MTU, cut into fragments.
//
// The relay is where a datagram begins anew, so that it is cut whether or not the one that arrived
// forbade it (DF): its sender learns nothing of what lies behind the relay. rte_ip_frag cuts; its
// fragments are chains that refer to the datagram, and are copied into one buffer each, which every
// driver sends. The copy costs as much as the datagram is long.
#pragma once

#include <stdint.h>

#include "addr_table.h"
#include "pkt.h"

#define FRAGMENTER_MAX 32 // 9,620 bytes in pieces of 552, and some
#define FRAGMENTER_PLACES 1024 // of identifications, power of two

struct rte_mempool;

// One a worker.
struct fragmenter {
	const struct addr_table *addrs;
	struct rte_mempool *pool;
	uint32_t worker; // stands in the low bits of every identification
	uint32_t worker_bits;
	uint32_t seed;
	uint32_t next_id[FRAGMENTER_PLACES]; // by source and destination
};

void fragmenter_init(struct fragmenter *f, const struct addr_table *addrs, struct rte_mempool *pool,
	uint32_t worker, uint32_t n_workers);

// Cut a large packet as rewrite left it. Fills `out` with whole frames and frees the packet.
// Returns their number, or 0 when there are too few buffers: the packet is then still there.
uint32_t fragmenter_cut(
	struct fragmenter *f, const struct pkt *p, struct rte_mbuf *out[FRAGMENTER_MAX]);
