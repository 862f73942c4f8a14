// SPDX-License-Identifier: BSD-2-Clause
// The region's file: create, adopt, attach, validate; and offsets turned into checked pointers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "compiler.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

struct rr_config;

// A mapped region. The sizes are private copies, checked once against the file's size; nothing is
// indexed by what the shared header says later.
struct rr_region {
	struct rr_shm_header *header;
	uint64_t size;
	uint64_t inode; // of the mapped file: tells a replaced region
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_addrs;
	uint32_t media_port_min;
	uint32_t n_media_ports;
	uint32_t n_flows;
	uint64_t region_id;
	struct rr_shm_addr *addrs;
	struct rr_shm_worker *workers; // n_workers + 1
	struct rr_flow *flows;
	struct rr_flow_cold *cold;
};

enum rr_lock {
	RR_LOCK_DATAPLANE = 0,
	RR_LOCK_CONTROL = 1,
	RR_LOCK_RRCTL = 2,
	RR_LOCK_SUPERVISOR = 3, // the parent of control
};

// Path of the region for a configuration: on cfg->hugepage_dir when set, else on cfg->run_dir.
void rr_region_path(const struct rr_config *cfg, char *buf, size_t size);

// Bytes of the region that a configuration lays out, before rounding to pages of a hugetlbfs; the
// flows of addresses that may be added later are counted, and have no memory yet.
uint64_t rr_region_size(const struct rr_config *cfg);

// Worker of each of the RR_N_BUCKETS buckets.
void rr_bucket_owners(uint8_t *bucket_owner, uint32_t n_workers);

// Take a role's lock on <run_dir>/lock and keep it until the process ends. Returns a descriptor, or
// -EBUSY with the holder's pid in *holder, or another negative errno.
int rr_region_lock(const char *run_dir, enum rr_lock role, int *holder);

// Process that has a role's lock, 0 when nobody has. Looking lets go of every lock that the calling
// process has on the same file.
int rr_region_lock_holder(const char *run_dir, enum rr_lock role);

// Dataplane: adopt the region at `path` when its layout, boot and address directory fit the
// configuration (*adopted = true), with the addresses that it has; else put a fresh one with those
// of the configuration in its place (by rename, so that those who mapped the old one keep it).
// Raises dp_generation. Returns 0 or a negative errno; one that cannot be looked at, for want of
// memory or of permission, stays, and *adopted is true then too.
int rr_region_create(
	struct rr_region *r, const struct rr_config *cfg, const char *path, bool *adopted);

// Control and rrctl: map an existing region. rrctl may map read-only. Returns 0, -ENOENT, -EPROTO
// (no region or another layout), -ESTALE (another boot), or another negative errno.
int rr_region_attach(struct rr_region *r, const char *path, bool read_only);

// Dataplane, under its lock: what a dead one says of itself in the region that it left is not true
// any longer. Nothing happens where there is no region.
void rr_region_say_down(const char *path);

// True when `path` no longer names the file that is mapped.
bool rr_region_replaced(const struct rr_region *r, const char *path);

void rr_region_detach(struct rr_region *r);

// True when the directory's entry is in use: only then do its flows have memory to be looked at.
static inline bool rr_region_has_addr(const struct rr_region *r, uint32_t addr) {
	// pairs with the release in rr_region_addr_add
	return addr < r->n_addrs && rr_load_acquire(&r->addrs[addr].family) != RR_FAMILY_NONE;
}

// Slot of a local address index and port (host order), or RR_SLOT_NONE when out of range.
static inline uint32_t rr_region_slot(const struct rr_region *r, uint32_t addr, uint32_t port) {
	uint32_t offset = port - r->media_port_min;

	if (addr >= r->n_addrs || offset >= r->n_media_ports)
		return RR_SLOT_NONE;
	return addr * r->n_media_ports + offset;
}

// True for the slot of an address in use.
static inline bool rr_region_has_slot(const struct rr_region *r, uint32_t slot) {
	return rr_region_has_addr(r, slot / r->n_media_ports);
}

static inline uint32_t rr_slot_addr(const struct rr_region *r, uint32_t slot) {
	return slot / r->n_media_ports;
}

static inline uint16_t rr_slot_port(const struct rr_region *r, uint32_t slot) {
	return (uint16_t)(r->media_port_min + slot % r->n_media_ports);
}

static inline uint32_t rr_port_bucket(uint32_t port) {
	return (port >> 1) & (RR_N_BUCKETS - 1);
}

// Copy a flow consistently. Returns 0, or -EAGAIN when it kept changing or is torn; the copies
// then hold the last attempt.
int rr_flow_read(
	const struct rr_region *r, uint32_t slot, struct rr_flow *flow, struct rr_flow_cold *cold);

// The owner's half of the same: every change of a flow or its cold entry stands between the two. A
// count that was odd before the write is even after it.
static inline void rr_flow_write_begin(struct rr_flow *f) {
	rr_store_relaxed(&f->seq, f->seq | 1);
	rr_fence_release(); // pairs with the acquire fence in rr_flow_read
}

static inline void rr_flow_write_end(struct rr_flow *f) {
	// pairs with the acquire in rr_flow_read
	rr_store_release(&f->seq, (f->seq | 1) + 1);
}

RR_END_DECLS
