// SPDX-License-Identifier: BSD-2-Clause
// Stage: from the slot number to the flow; sorts out what another worker owns.
//
// Needs parse's `slot`. Survivors have `flow` set and belong to this worker and to a call with both
// legs. In a burst that was handed over, a flow of yet another worker is drop_handoff_stale: a
// packet is passed on once.
#pragma once

#include "flow.h"
#include "pkt.h"

uint32_t flow_table_burst(const struct flow_table *t, struct burst *b);
