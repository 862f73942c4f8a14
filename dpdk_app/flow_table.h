// SPDX-License-Identifier: BSD-2-Clause
// Stage: from the slot number to the flow; sorts out what another worker owns.
//
// Needs parse's `slot`. What goes on has `flow` set and belongs to this worker and to a call with
// both legs. In a burst that was handed over, a flow of yet another worker is drop_handoff_stale: a
// packet is passed on once.
#pragma once

#include "flow.h"
#include "pkt.h"

// Returns true when the packet goes on to the next stage.
bool flow_table_take(const struct flow_table *t, struct burst *b, struct pkt *p);
