// SPDX-License-Identifier: BSD-2-Clause
// The region as control has it mapped, and local addresses in it.
//
// The configuration and the region may count the local addresses in another order: the region was
// made by a dataplane that read the file at another time. They are matched by address.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "config.h"
#include "shm_region.h"

RR_BEGIN_DECLS

#define DP_NO_ADDR UINT16_MAX

// A local media address: index in the configuration and port in host order.
struct dp_local {
	uint16_t addr; // DP_NO_ADDR = none
	uint16_t port;
};

// All zero, it is mapped to nothing and has no slots.
struct dp_region {
	struct rr_region shm; // .header is NULL while nothing is mapped
	uint16_t *cfg_of_addr; // by the region's address index; DP_NO_ADDR = not configured
	uint16_t addr_of_cfg[RR_MAX_ADDRS];
};

// Map the region at `path`. Returns 0, -ENOMEM, or an error of rr_region_attach.
int dp_region_attach(struct dp_region *r, const struct rr_config *cfg, const char *path);
void dp_region_detach(struct dp_region *r);

// Match addresses again: the configuration's list or the directory has changed.
void dp_region_map(struct dp_region *r, const struct rr_config *cfg);

bool dp_region_attached(const struct dp_region *r);

// Local address of a slot. Returns 0, or -ENOENT when the configuration has no such address.
int dp_region_local(const struct dp_region *r, uint32_t slot, struct dp_local *local);
// Slot of a local address and port, or RR_SLOT_NONE.
uint32_t dp_region_slot(const struct dp_region *r, struct dp_local local);

// Worker that owns the bucket of a port; below the number of workers whatever the region says.
uint32_t dp_region_worker(const struct dp_region *r, uint16_t port);

// Copy a flow that belongs to `uid`. Returns 0, -ENOTCONN, -ENOENT (another uid), -EAGAIN (torn).
int dp_region_read_flow(const struct dp_region *r, struct dp_local local, uint64_t uid,
	struct rr_flow *flow, struct rr_flow_cold *cold);

RR_END_DECLS
