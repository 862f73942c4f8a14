// SPDX-License-Identifier: BSD-2-Clause
// The region's directory of local addresses, and the memory of their flows.
#include "shm_addrs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"

#define PAGE_SIZE_BYTES UINT64_C(4096)

// ---- memory

// Bytes of the mapping.
struct range {
	uint8_t *start;
	uint8_t *end;
};

static struct range hot_range(const struct rr_region *r, uint32_t index) {
	uint8_t *start = (uint8_t *)(r->flows + (size_t)index * r->n_media_ports);

	return (struct range){start, start + r->n_media_ports * sizeof(*r->flows)};
}

static struct range cold_range(const struct rr_region *r, uint32_t index) {
	uint8_t *start = (uint8_t *)(r->cold + (size_t)index * r->n_media_ports);

	return (struct range){start, start + r->n_media_ports * sizeof(*r->cold)};
}

static uint8_t *page_down(uint8_t *at) {
	return at - (uintptr_t)at % PAGE_SIZE_BYTES;
}

static uint8_t *page_up(uint8_t *at) {
	return page_down(at + PAGE_SIZE_BYTES - 1);
}

// Every page that the range touches, or an error where a fault would be a signal.
static int range_get(struct range range) {
	uint8_t *start = page_down(range.start);

	if (madvise(start, (size_t)(page_up(range.end) - start), MADV_POPULATE_WRITE) == 0)
		return 0;
	return errno == EFAULT ? -ENOSPC : -errno;
}

// A page that an address shares with its neighbour stays. Of a huge page the kernel clears what is
// inside the range.
static void range_give_back(struct range range) {
	uint8_t *start = page_up(range.start);
	uint8_t *end = page_down(range.end);

	if (start < end)
		madvise(start, (size_t)(end - start), MADV_REMOVE);
}

static void flows_clear(const struct rr_region *r, uint32_t index) {
	struct rr_flow *flow = r->flows + (size_t)index * r->n_media_ports;
	struct range cold = cold_range(r, index);

	memset(flow, 0, r->n_media_ports * sizeof(*flow));
	memset(cold.start, 0, (size_t)(cold.end - cold.start));
	for (uint32_t i = 0; i < r->n_media_ports; i++) {
		flow[i].peer = RR_SLOT_NONE;
		flow[i].nexthop = RR_NEXTHOP_NONE;
	}
}

static void memory_give_back(const struct rr_region *r, uint32_t index) {
	range_give_back(hot_range(r, index));
	range_give_back(cold_range(r, index));
}

// ---- the directory

int rr_region_addr_find(const struct rr_region *r, const uint8_t addr[16], uint8_t family) {
	for (uint32_t i = 0; i < r->n_addrs; i++)
		if (rr_region_has_addr(r, i) && r->addrs[i].family == family &&
			memcmp(r->addrs[i].addr, addr, sizeof(r->addrs[i].addr)) == 0)
			return (int)i;
	return -1;
}

int rr_region_addr_find_free(const struct rr_region *r) {
	for (uint32_t i = 0; i < r->n_addrs; i++)
		if (!rr_region_has_addr(r, i))
			return (int)i;
	return -1;
}

uint32_t rr_region_n_addrs_used(const struct rr_region *r) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_addrs; i++)
		n += rr_region_has_addr(r, i);
	return n;
}

int rr_region_addr_add(struct rr_region *r, uint32_t index, const struct rr_shm_addr *addr) {
	struct rr_shm_addr *entry = &r->addrs[index];
	struct rr_shm_addr hidden = *addr;
	int ret;

	if (index >= r->n_addrs || addr->family == RR_FAMILY_NONE)
		return -EINVAL;
	if (rr_region_has_addr(r, index))
		return -EEXIST;
	ret = range_get(hot_range(r, index));
	if (ret == 0)
		ret = range_get(cold_range(r, index));
	if (ret < 0) {
		memory_give_back(r, index);
		return ret;
	}
	flows_clear(r, index);
	hidden.family = RR_FAMILY_NONE;
	*entry = hidden;
	rr_store_release(
		&entry->family, addr->family); // pairs with the acquire in rr_region_has_addr
	return 0;
}

void rr_region_addr_drop(struct rr_region *r, uint32_t index) {
	if (!rr_region_has_addr(r, index))
		return;
	flows_clear(r, index);
	// pairs with the acquire in rr_region_has_addr
	rr_store_release(&r->addrs[index].family, (uint8_t)RR_FAMILY_NONE);
	memory_give_back(r, index);
}

// ---- adoption

// One that the file does not name was added while running: its realm must be there and take it.
static bool addr_fits(const struct rr_config *cfg, const struct rr_shm_addr *addr) {
	struct rr_endpoint ep = rr_addr_endpoint(addr);
	int known = rr_config_find_addr(cfg, &ep);

	if (known >= 0)
		return memcmp(&cfg->addr[known], addr, sizeof(*addr)) == 0;
	return addr->realm < cfg->n_realms && cfg->realm[addr->realm].port == addr->port &&
	       rr_realm_key(cfg->realm[addr->realm].name) == addr->realm_key &&
	       rr_endpoint_is_valid(&ep) && !rr_realm_refuses(cfg, addr->realm, &ep);
}

bool rr_region_addrs_fit(const struct rr_region *r, const struct rr_config *cfg) {
	for (uint32_t i = 0; i < r->n_addrs; i++) {
		struct rr_shm_addr addr = r->addrs[i];

		if (addr.family == RR_FAMILY_NONE)
			continue;
		if (rr_region_addr_find(r, addr.addr, addr.family) != (int)i ||
			!addr_fits(cfg, &addr))
			return false;
	}
	return true;
}

void rr_region_addrs_adopt(const struct rr_region *r) {
	for (uint32_t i = 0; i < r->n_addrs; i++)
		if (!rr_region_has_addr(r, i))
			memory_give_back(r, i);
}
