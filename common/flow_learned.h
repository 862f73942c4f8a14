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

// What is learned as of a flow, see struct rr_event.
#define RR_LEARNED_FLAGS (RR_SET_LEARNED | RR_SET_LATCHED | RR_SET_LATCH_SSRC | RR_SET_GUESSED)

// Only the address of RTCP is guessed, and a guess is an address.
static inline bool rr_learned_flags_fit(uint16_t flags, uint32_t slot) {
	return !(flags & RR_SET_GUESSED) || ((flags & RR_SET_LEARNED) && (slot & 1));
}

// Does an event say what may be kept and replayed? The slot's range is the caller's to check.
static inline bool rr_event_is_valid(const struct rr_event *e) {
	if (e->type != RR_EVENT_LEARNED || (e->flags & ~RR_LEARNED_FLAGS))
		return false;
	if (!rr_learned_flags_fit(e->flags, e->slot))
		return false;
	return !(e->flags & RR_SET_LEARNED) || rr_endpoint_is_valid(&e->learned);
}

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

// Fill type, version, flags, learned, latch_ssrc and latch_seq of an event whose fields are zero.
// For the flow's owner, or on a consistent copy.
static inline void rr_flow_learned(
	const struct rr_flow *f, const struct rr_flow_cold *c, struct rr_event *e) {
	e->type = RR_EVENT_LEARNED;
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
