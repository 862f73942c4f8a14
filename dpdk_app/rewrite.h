// SPDX-License-Identifier: BSD-2-Clause
// Stage: new Ethernet, IP and UDP headers in front of the payload, of either family.
//
// Needs parse's `udp`, lengths and family, and the flow. Survivors are frames ready to send by
// `out_port`; what leaves by an offloading port carries the mbuf flags for it.
#pragma once

#include "flow.h"
#include "neighbour.h"
#include "pkt.h"

// One a worker.
struct rewrite {
	struct flow_table *table;
	struct neighbour_view *neighbours;
};

uint32_t rewrite_burst(struct rewrite *r, struct burst *b);
