// SPDX-License-Identifier: BSD-2-Clause
// The local media addresses: found by port, VLAN and address; described for those who send from
// them.
//
// Writer: the main thread. Workers read at any time, and see an address whole or not at all. What
// is removed may be read for a turn of every worker yet: only then may another one be added.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "atomic.h"
#include "compiler.h"
#include "config.h"

struct port_set;

#define ADDR_NONE UINT32_MAX
#define ADDR_REMOVED (UINT32_MAX - 1) // of a slot: empty, and what follows may have moved past it
#define ADDR_TABLE_BITS 11
#define ADDR_TABLE_SLOTS (1 << ADDR_TABLE_BITS) // at most a quarter full

// One local address, index as in the region's directory.
struct local_addr {
	uint8_t addr[16] RR_CACHE_ALIGNED; // network order, IPv4 in the first four bytes
	uint8_t l2_tail[12]; // Ethernet header behind the destination: source, tag if any,
			     // EtherType
	uint8_t l2_len; // of the whole Ethernet header: 14 or 18
	uint8_t l3_len; // of the IP header: 20 or 40
	uint8_t family; // enum rr_family
	uint8_t realm;
	uint8_t port; // Ethernet port, configuration's index
	uint8_t checksum; // of what leaves: enum rr_checksum_mode, never RR_CHECKSUM_AUTO
	bool partial_checksums; // of what arrives, see struct port_driver
	uint8_t hop_limit;
	uint16_t vlan; // 0 = untagged
	uint16_t patched_max; // bytes of UDP payload that leave with the received checksum brought
			      // in line, 0 = none do; loaded with acquire as mtu is
	uint32_t sum; // of the address, see checksum.h
	// Bytes of IP packet that the port takes; 0: no address, and all else is what is left of
	// the last one. Whoever looks at the rest has loaded this with acquire before.
	uint32_t mtu;
};
RR_STATIC_ASSERT(sizeof(struct local_addr) == RR_CACHE_LINE, "one line an address");

struct addr_table_slot {
	uint8_t addr[16];
	uint32_t key; // port, VLAN and family
	uint32_t index; // ADDR_NONE = free, ADDR_REMOVED
};

struct addr_table {
	uint32_t n_addrs; // indexes that may be in use
	struct local_addr local[RR_MAX_ADDRS];
	uint8_t vlan_known[RR_MAX_PORTS][4096 / 8]; // bit per VLAN on which the port has a realm
	struct addr_table_slot slots[ADDR_TABLE_SLOTS];
};

// Where the description of an address is taken from. Ports must have their MAC address, MTU and
// checksum mode.
struct addr_source {
	const struct rr_config *cfg;
	const struct port_set *ports;
};

// An empty table for indexes below n_addrs, with the VLANs of the configuration's realms. Returns 0
// or -EINVAL.
int addr_table_init(struct addr_table *t, const struct addr_source *from, uint32_t n_addrs);

// Returns 0, -EINVAL when an index is out of range, -EEXIST when the index or the address is there.
int addr_table_add(struct addr_table *t, const struct addr_source *from, uint32_t index,
	const struct rr_shm_addr *addr);
void addr_table_remove(struct addr_table *t, uint32_t index);

// With the configuration's addresses. Returns 0 or an error of either.
int addr_table_build(
	struct addr_table *t, const struct rr_config *cfg, const struct port_set *ports);

// Any address of a realm and family, or NULL.
const struct local_addr *addr_table_of_realm(
	const struct addr_table *t, uint32_t realm, enum rr_family family);

static inline bool addr_table_has(const struct addr_table *t, uint32_t index) {
	// pairs with the release in addr_table_add
	return index < t->n_addrs && rr_load_acquire(&t->local[index].mtu) != 0;
}

static inline uint32_t addr_table_key(uint8_t port, uint16_t vlan, uint8_t family) {
	return (uint32_t)port << 24 | (uint32_t)family << 16 | vlan;
}

// Multiplicative hash. Only the operator's own addresses are ever inserted, so it needs no secret.
static inline uint32_t addr_table_hash(const uint8_t addr[16], uint32_t key) {
	uint64_t half[2];
	uint64_t h;

	memcpy(half, addr, sizeof(half));
	h = half[0] ^ (uint64_t)key << 32 ^ (half[1] << 29 | half[1] >> 35);
	return (uint32_t)(h * UINT64_C(0x9e3779b97f4a7c15) >> (64 - ADDR_TABLE_BITS));
}

static inline bool addr_table_slot_is(
	const struct addr_table_slot *s, const uint8_t addr[16], uint32_t key) {
	return s->key == key && memcmp(s->addr, addr, 16) == 0;
}

// Index of a local address, or ADDR_NONE. `addr` is 16 bytes, for IPv4 zero behind the fourth.
static inline uint32_t addr_table_find(const struct addr_table *t, uint8_t port, uint16_t vlan,
	enum rr_family family, const uint8_t addr[16]) {
	uint32_t key = addr_table_key(port, vlan, (uint8_t)family);
	uint32_t at = addr_table_hash(addr, key);
	uint32_t index;

	// pairs with the release in slot_fill
	while ((index = rr_load_acquire(&t->slots[at].index)) != ADDR_NONE) {
		if (index != ADDR_REMOVED && addr_table_slot_is(&t->slots[at], addr, key))
			return index;
		at = (at + 1) & (ADDR_TABLE_SLOTS - 1);
	}
	return ADDR_NONE;
}

static inline bool addr_table_has_vlan(const struct addr_table *t, uint8_t port, uint16_t vlan) {
	return t->vlan_known[port][vlan >> 3] & (1U << (vlan & 7));
}
