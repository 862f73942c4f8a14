// SPDX-License-Identifier: BSD-2-Clause
// Stage: source check and learning, the flow's counters and RTP statistics.
//
// Needs flow_table's `flow`. What goes on was accepted and has somewhere to go. Everything it
// writes is this worker's flow, that flow's peer and, when RTP taught an address, the RTCP flow
// beside it with its peer: one owner has them all.
#pragma once

#include "flow.h"
#include "pkt.h"
#include "ring.h"

// One a worker.
struct relay {
	struct flow_table *table;
	struct rr_ring *events; // producer side of the worker's event ring
	uint64_t safe_learn_ns; // configuration's safe_*
	uint64_t safe_silence_ns;
	uint32_t safe_learn_packets;
};

// Returns true when the packet goes on to the next stage.
bool relay_take(struct relay *r, struct burst *b, struct pkt *p);
