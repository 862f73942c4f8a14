// SPDX-License-Identifier: BSD-2-Clause
// The local media addresses: found by port, VLAN and address; described for those who send from
// them.
//
// Built once at start, before the workers run, and constant from then on.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "config.h"

struct port_set;

#define ADDR_NONE UINT32_MAX
#define ADDR_TABLE_SLOTS 2048 // power of two, at most a quarter full

// One local address, index as in rr_config.addr.
struct local_addr {
	uint8_t addr[16] RR_CACHE_ALIGNED; // network order, IPv4 in the first four bytes
	uint8_t l2_tail[12]; // Ethernet header behind the destination: source, tag if any,
			     // EtherType
	uint8_t l2_len; // of the whole Ethernet header: 14 or 18
	uint8_t family; // enum rr_family
	uint8_t realm;
	uint8_t port; // Ethernet port, configuration's index
	uint8_t checksum; // of what leaves: enum rr_checksum_mode, never RR_CHECKSUM_AUTO
	bool partial_checksums; // of what arrives, see struct port_driver
	uint8_t hop_limit;
	uint16_t vlan; // 0 = untagged
	uint32_t mtu; // bytes of IP packet that the port takes
};
RR_STATIC_ASSERT(sizeof(struct local_addr) == RR_CACHE_LINE, "one line an address");

struct addr_table_slot {
	uint8_t addr[16];
	uint32_t key; // port, VLAN and family
	uint32_t index; // ADDR_NONE = free
};

struct addr_table {
	uint32_t n_addrs;
	struct local_addr local[RR_MAX_ADDRS];
	uint8_t vlan_known[RR_MAX_PORTS][4096 / 8]; // bit per VLAN on which the port has a realm
	struct addr_table_slot slots[ADDR_TABLE_SLOTS];
};

// Ports must have their MAC address, MTU and checksum mode. Returns 0, -EINVAL when an index of the
// configuration is out of range, -EEXIST when an address stands twice.
int addr_table_build(
	struct addr_table *t, const struct rr_config *cfg, const struct port_set *ports);

// Index of a local address, or ADDR_NONE. `addr` is 16 bytes, for IPv4 zero behind the fourth.
uint32_t addr_table_find(const struct addr_table *t, uint8_t port, uint16_t vlan,
	enum rr_family family, const uint8_t addr[16]);

static inline bool addr_table_has_vlan(const struct addr_table *t, uint8_t port, uint16_t vlan) {
	return t->vlan_known[port][vlan >> 3] & (1U << (vlan & 7));
}
