// SPDX-License-Identifier: BSD-2-Clause
// What packets taught a flow, in the form in which it is told to control, kept, and replayed.
//
// The dataplane puts it into its events; control reads it from the flow itself when an event was
// lost or a session is captured. Both must say the same of the same flow.
#pragma once

#include <stdbool.h>
#include <string.h>

#include "dp_msg.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

// What a replay in `safe` mode compares with: the newest packet, else what was installed.
static inline void rr_flow_learned_stream(
	const struct rr_flow *f, const struct rr_flow_cold *c, struct rr_event *e) {
	bool seen = (f->flags & RR_FLOW_SAFE) && f->payload_type != RR_PAYLOAD_TYPE_NONE;

	if (!seen && !(c->latch_flags & RR_LATCH_SSRC))
		return;
	e->flags |= RR_SET_LATCH_SSRC;
	e->latch_ssrc = seen ? f->ssrc : c->latch_ssrc;
	e->latch_seq = seen ? (uint16_t)f->ext_seq_max : c->latch_seq;
}

// Fill version, flags, learned, latch_ssrc and latch_seq of an event whose fields are zero. For the
// flow's owner, or on a consistent copy.
static inline void rr_flow_learned(
	const struct rr_flow *f, const struct rr_flow_cold *c, struct rr_event *e) {
	e->version = c->version;
	if (!(f->flags & RR_FLOW_HAS_REMOTE))
		return;
	if (f->flags & (RR_FLOW_UNTRUSTED_SDP | RR_FLOW_GUESSED)) {
		e->flags |= RR_SET_LEARNED;
		e->learned.port_be = f->remote_port_be;
		e->learned.family = f->remote_family;
		memcpy(e->learned.addr, f->remote, sizeof(e->learned.addr));
	}
	if ((f->flags & RR_FLOW_GUESSED) && !(f->flags & RR_FLOW_UNTRUSTED_SDP))
		e->flags |= RR_SET_GUESSED;
	if (f->flags & RR_FLOW_LATCHED)
		e->flags |= RR_SET_LATCHED;
	rr_flow_learned_stream(f, c, e);
}

RR_END_DECLS
