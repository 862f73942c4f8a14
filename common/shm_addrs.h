// SPDX-License-Identifier: BSD-2-Clause
// The region's directory of local addresses, and the memory of their flows. For the dataplane,
// which alone writes the directory; readers ask rr_region_has_addr.
//
// An address in use has memory for all of its flows from the moment that it is added, so that no
// access fails later; a free one has none. An entry is valid from one store on, that of its family,
// and free from another one: a dataplane that is killed in between leaves a free entry, whose
// memory the next one gives back.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "shm_region.h"

RR_BEGIN_DECLS

// Index of an address, or -1.
int rr_region_addr_find(const struct rr_region *r, const uint8_t addr[16], uint8_t family);
// A free index, or -1.
int rr_region_addr_find_free(const struct rr_region *r);
uint32_t rr_region_n_addrs_used(const struct rr_region *r);

// Get the memory of a free entry's flows, all of them empty, and publish the address. Returns 0,
// -EINVAL for an index or a family that cannot be, -EEXIST when the entry is in use, -ENOSPC or
// -ENOMEM when there is no memory; nothing has changed then.
int rr_region_addr_add(struct rr_region *r, uint32_t index, const struct rr_shm_addr *addr);

// Free an entry and give the memory of its flows back. Nobody looks at them any longer.
void rr_region_addr_drop(struct rr_region *r, uint32_t index);

// May the addresses that stand in the directory be local ones of this configuration?
bool rr_region_addrs_fit(const struct rr_region *r, const struct rr_config *cfg);

// Take a directory that fits as it is, and give back the memory of what is free in it. Addresses of
// the configuration that it lacks are new, or drained and gone: control knows, and asks for them.
void rr_region_addrs_adopt(const struct rr_region *r);

RR_END_DECLS
