// SPDX-License-Identifier: BSD-2-Clause
// Ports of calls that ended shortly before control was started: they rest, as if it had lived on.
//
// When a pair was released, only the control that did it knew. But what a rest is for, packets that
// still come for the old call, follows from when the last ones came, and that stands in the flow
// until its slot is used anew.
#include "port_rest.h"

#include "atomic.h"
#include "clock.h"
#include "control.h"
#include "port_alloc.h"

static bool heard_after(const struct control *ctl, uint32_t addr, uint32_t port, uint64_t ns) {
	const struct rr_region *r = dp_client_region(ctl->dp);
	struct dp_local local = {.addr = (uint16_t)addr, .port = (uint16_t)port};
	uint32_t slot = dp_client_slot(ctl->dp, local);

	return slot != RR_SLOT_NONE && rr_load_relaxed(&r->flows[slot].uid) != 0 &&
	       rr_load_relaxed(&r->flows[slot].last_seen_ns) > ns;
}

// A pair that a session has is taken and stays so.
static void rest(struct control *ctl, uint32_t addr, uint16_t port) {
	if (port_alloc_take_specific(ctl->ports, addr, port) == 0)
		port_alloc_release(ctl->ports, addr, port, ctl->now_ns);
}

void port_rest_recall(struct control *ctl) {
	const struct rr_config *cfg = ctl->cfg;
	uint64_t rest_ns = cfg->port_rest_ms * RR_NS_PER_MS;
	uint64_t since_ns = ctl->now_ns > rest_ns ? ctl->now_ns - rest_ns : 0;

	if (!dp_client_region(ctl->dp) || rest_ns == 0)
		return;
	for (uint32_t addr = 0; addr < cfg->n_addrs; addr++) {
		for (uint32_t port = cfg->media_port_min; port < cfg->media_port_max; port += 2) {
			if (heard_after(ctl, addr, port, since_ns) ||
				heard_after(ctl, addr, port + 1, since_ns))
				rest(ctl, addr, (uint16_t)port);
		}
	}
}
