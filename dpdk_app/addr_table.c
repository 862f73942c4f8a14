// SPDX-License-Identifier: BSD-2-Clause
// Open addressing with linear probing over at most a quarter of the slots; nothing is ever removed.
#include "addr_table.h"

#include <errno.h>

#include <rte_byteorder.h>

#include "port.h"

#define ETHERTYPE_IPV4_BE RTE_BE16(0x0800)
#define ETHERTYPE_IPV6_BE RTE_BE16(0x86dd)
#define ETHERTYPE_VLAN_BE RTE_BE16(0x8100)

RR_STATIC_ASSERT(ADDR_TABLE_SLOTS >= 4 * RR_MAX_ADDRS, "short probes");

static int table_insert(struct addr_table *t, uint32_t index) {
	const struct local_addr *l = &t->local[index];
	uint32_t key = addr_table_key(l->port, l->vlan, l->family);
	uint32_t at = addr_table_hash(l->addr, key);

	while (t->slots[at].index != ADDR_NONE) {
		if (addr_table_slot_is(&t->slots[at], l->addr, key))
			return -EEXIST;
		at = (at + 1) & (ADDR_TABLE_SLOTS - 1);
	}
	memcpy(t->slots[at].addr, l->addr, 16);
	t->slots[at].key = key;
	t->slots[at].index = index;
	return 0;
}

// The Ethernet header that frames from this address carry, all but the destination.
static void local_fill_l2(struct local_addr *l, const struct port *port) {
	uint16_t type = l->family == RR_FAMILY_IPV6 ? ETHERTYPE_IPV6_BE : ETHERTYPE_IPV4_BE;
	uint16_t tag[2] = {ETHERTYPE_VLAN_BE, rte_cpu_to_be_16(l->vlan)};
	uint8_t *out = l->l2_tail;

	memcpy(out, port->mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	out += RTE_ETHER_ADDR_LEN;
	if (l->vlan != 0) {
		memcpy(out, tag, sizeof(tag));
		out += sizeof(tag);
	}
	memcpy(out, &type, sizeof(type));
	l->l2_len = (uint8_t)(RTE_ETHER_ADDR_LEN + (out - l->l2_tail) + sizeof(type));
}

static int local_fill(struct local_addr *l, const struct rr_shm_addr *a,
	const struct rr_config *cfg, const struct port_set *ports) {
	if (a->realm >= cfg->n_realms || a->port >= ports->n ||
		(a->family != RR_FAMILY_IPV4 && a->family != RR_FAMILY_IPV6))
		return -EINVAL;
	*l = (struct local_addr){
		.family = a->family,
		.realm = a->realm,
		.port = a->port,
		.checksum = (uint8_t)ports->port[a->port].checksum,
		.partial_checksums = ports->port[a->port].partial_checksums,
		.hop_limit = cfg->hop_limit,
		.vlan = cfg->realm[a->realm].vlan,
		.mtu = ports->port[a->port].mtu,
	};
	if (l->vlan > 4095)
		return -EINVAL;
	memcpy(l->addr, a->addr, sizeof(l->addr));
	local_fill_l2(l, &ports->port[a->port]);
	return 0;
}

int addr_table_build(
	struct addr_table *t, const struct rr_config *cfg, const struct port_set *ports) {
	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < ADDR_TABLE_SLOTS; i++)
		t->slots[i].index = ADDR_NONE;
	if (cfg->n_addrs > RR_MAX_ADDRS || cfg->n_realms > RR_MAX_REALMS || ports->n > RR_MAX_PORTS)
		return -EINVAL;
	for (uint32_t i = 0; i < cfg->n_addrs; i++) {
		struct local_addr *l = &t->local[i];
		int ret = local_fill(l, &cfg->addr[i], cfg, ports);

		if (ret == 0)
			ret = table_insert(t, i);
		if (ret < 0)
			return ret;
		t->vlan_known[l->port][l->vlan >> 3] |= (uint8_t)(1U << (l->vlan & 7));
	}
	t->n_addrs = cfg->n_addrs;
	return 0;
}
