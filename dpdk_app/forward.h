// SPDX-License-Identifier: BSD-2-Clause
// From a parsed packet to a frame ready to send: the flow table, the relay and the rewrite, for one
// packet after the other.
//
// What a packet does to its flow is done before the next one of the burst is looked at. The lines
// of all flows of the burst are on their way since the parser has seen the burst.
#pragma once

#include "flow_table.h"
#include "relay.h"
#include "rewrite.h"

// One a worker.
struct forward {
	struct flow_table *table;
	struct relay *relay;
	struct rewrite *rewrite;
};

// Survivors are frames to be sent by `out_port`, in the order in which they came.
void forward_burst(const struct forward *f, struct burst *b);
