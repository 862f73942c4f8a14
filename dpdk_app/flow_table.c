// SPDX-License-Identifier: BSD-2-Clause
// The flow table is an array over [local address][port of the media range].
//
// The parser has computed the slot; nothing is looked up and nothing can collide. What is left to
// decide is whether the slot carries a call and whether this worker owns it. A slot without a call
// is dropped by whoever reads it, so that a port scan costs no handoff: `flags` and `owner` are the
// two fields that any worker may read at any time, each a single load, and in this order.
#include "flow_table.h"

// Why a flow of ours cannot relay, by the two flags that say so.
static enum rr_counter refusal(uint16_t flags) {
	return flags & RR_FLOW_TORN ? RR_C_drop_flow_torn : RR_C_drop_flow_incomplete;
}

bool flow_table_take(const struct flow_table *t, struct burst *b, struct pkt *p) {
	struct rr_flow *f = &t->flows[p->slot];
	uint16_t flags = flow_flags(f);
	uint8_t owner = rr_load_relaxed(&f->owner);

	p->flow = f;
	if (RR_UNLIKELY(!(flags & RR_FLOW_INSTALLED)))
		pkt_drop(b, p, RR_C_drop_flow_none);
	else if (RR_UNLIKELY(owner != t->self && b->handed_over))
		pkt_drop(b, p, RR_C_drop_handoff_stale);
	else if (owner != t->self)
		pkt_hand(b, p, owner);
	else if (RR_UNLIKELY((flags & (RR_FLOW_TORN | RR_FLOW_COMPLETE)) != RR_FLOW_COMPLETE))
		pkt_drop(b, p, refusal(flags));
	else
		return true;
	return false;
}
