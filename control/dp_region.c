// SPDX-License-Identifier: BSD-2-Clause
// The region as control has it mapped, and local addresses in it.
#include "dp_region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"

static bool same_addr(const struct rr_shm_addr *a, const struct rr_shm_addr *b) {
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

void dp_region_map(struct dp_region *r, const struct rr_config *cfg) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		r->addr_of_cfg[i] = DP_NO_ADDR;
	for (uint32_t a = 0; a < r->shm.n_addrs; a++) {
		r->cfg_of_addr[a] = DP_NO_ADDR;
		for (uint32_t c = 0; rr_region_has_addr(&r->shm, a) && c < cfg->n_addrs; c++) {
			if (!same_addr(&r->shm.addrs[a], &cfg->addr[c]))
				continue;
			r->cfg_of_addr[a] = (uint16_t)c;
			r->addr_of_cfg[c] = (uint16_t)a;
		}
	}
}

int dp_region_attach(struct dp_region *r, const struct rr_config *cfg, const char *path) {
	int ret;

	*r = (struct dp_region){0};
	ret = rr_region_attach(&r->shm, path, false);
	if (ret < 0)
		return ret;
	r->cfg_of_addr = (uint16_t *)calloc(r->shm.n_addrs, sizeof(*r->cfg_of_addr));
	if (!r->cfg_of_addr) {
		dp_region_detach(r);
		return -ENOMEM;
	}
	dp_region_map(r, cfg);
	return 0;
}

void dp_region_detach(struct dp_region *r) {
	rr_region_detach(&r->shm);
	free(r->cfg_of_addr);
	*r = (struct dp_region){0};
}

bool dp_region_attached(const struct dp_region *r) {
	return r->shm.header != NULL;
}

int dp_region_local(const struct dp_region *r, uint32_t slot, struct dp_local *local) {
	if (slot >= r->shm.n_flows)
		return -ENOENT;
	local->addr = r->cfg_of_addr[rr_slot_addr(&r->shm, slot)];
	local->port = rr_slot_port(&r->shm, slot);
	return local->addr == DP_NO_ADDR ? -ENOENT : 0;
}

uint32_t dp_region_slot(const struct dp_region *r, struct dp_local local) {
	if (!dp_region_attached(r) || local.addr >= RR_MAX_ADDRS ||
		r->addr_of_cfg[local.addr] == DP_NO_ADDR)
		return RR_SLOT_NONE;
	return rr_region_slot(&r->shm, r->addr_of_cfg[local.addr], local.port);
}

uint32_t dp_region_worker(const struct dp_region *r, uint16_t port) {
	// The header is shared: what stands there is only a hint.
	return rr_load_relaxed(&r->shm.header->bucket_owner[rr_port_bucket(port)]) %
	       r->shm.n_workers;
}

int dp_region_read_flow(const struct dp_region *r, struct dp_local local, uint64_t uid,
	struct rr_flow *flow, struct rr_flow_cold *cold) {
	uint32_t slot = dp_region_slot(r, local);
	int ret;

	if (!dp_region_attached(r))
		return -ENOTCONN;
	if (slot == RR_SLOT_NONE)
		return -ENOENT;
	ret = rr_flow_read(&r->shm, slot, flow, cold);
	if (flow->uid != uid)
		return -ENOENT;
	return ret;
}
