// SPDX-License-Identifier: BSD-2-Clause
// Open addressing with linear probing over at most a quarter of the slots. A slot that is emptied
// stays on the way of those behind it until nothing follows.
#include "addr_table.h"

#include <errno.h>

#include <rte_byteorder.h>

#include "checksum.h"
#include "port.h"

#define IP4_LEN 20
#define IP6_LEN 40
#define UDP_LEN 8U
#define ETHERTYPE_IPV4_BE RTE_BE16(0x0800)
#define ETHERTYPE_IPV6_BE RTE_BE16(0x86dd)
#define ETHERTYPE_VLAN_BE RTE_BE16(0x8100)

RR_STATIC_ASSERT(ADDR_TABLE_SLOTS >= 4 * RR_MAX_ADDRS, "short probes");

static struct addr_table_slot *slot_next(struct addr_table *t, const struct addr_table_slot *s) {
	return &t->slots[(uint32_t)(s - t->slots + 1) & (ADDR_TABLE_SLOTS - 1)];
}

// Behind which nothing follows. Twice round: a run may go over the end.
static void slots_tidy(struct addr_table *t) {
	for (uint32_t i = 2 * ADDR_TABLE_SLOTS; i-- > 0;) {
		struct addr_table_slot *s = &t->slots[i & (ADDR_TABLE_SLOTS - 1)];

		if (s->index == ADDR_REMOVED && slot_next(t, s)->index == ADDR_NONE)
			rr_store_relaxed(&s->index, ADDR_NONE);
	}
}

static struct addr_table_slot *slot_first(struct addr_table *t, const struct local_addr *l) {
	return &t->slots[addr_table_hash(l->addr, addr_table_key(l->port, l->vlan, l->family))];
}

static void slot_fill(struct addr_table *t, uint32_t index) {
	const struct local_addr *l = &t->local[index];
	struct addr_table_slot *s = slot_first(t, l);

	while (s->index != ADDR_NONE && s->index != ADDR_REMOVED)
		s = slot_next(t, s);
	memcpy(s->addr, l->addr, sizeof(s->addr));
	s->key = addr_table_key(l->port, l->vlan, l->family);
	rr_store_release(&s->index, index); // pairs with the acquire in addr_table_find
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
	if (a->realm >= cfg->n_realms || a->port >= ports->n || ports->port[a->port].mtu == 0 ||
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
	l->sum = checksum_fold(checksum_addr(l->addr));
	l->l3_len = l->family == RR_FAMILY_IPV6 ? IP6_LEN : IP4_LEN;
	if (l->checksum == RR_CHECKSUM_INCREMENTAL && l->mtu > l->l3_len + UDP_LEN)
		l->patched_max = (uint16_t)(l->mtu - l->l3_len - UDP_LEN);
	local_fill_l2(l, &ports->port[a->port]);
	return 0;
}

int addr_table_init(struct addr_table *t, const struct addr_source *from, uint32_t n_addrs) {
	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < ADDR_TABLE_SLOTS; i++)
		t->slots[i].index = ADDR_NONE;
	if (n_addrs > RR_MAX_ADDRS || from->cfg->n_realms > RR_MAX_REALMS ||
		from->ports->n > RR_MAX_PORTS)
		return -EINVAL;
	for (uint32_t i = 0; i < from->cfg->n_realms; i++) {
		const struct rr_realm_config *realm = &from->cfg->realm[i];

		if (realm->port >= from->ports->n || realm->vlan > 4095)
			return -EINVAL;
		t->vlan_known[realm->port][realm->vlan >> 3] |= (uint8_t)(1U << (realm->vlan & 7));
	}
	t->n_addrs = n_addrs;
	return 0;
}

int addr_table_add(struct addr_table *t, const struct addr_source *from, uint32_t index,
	const struct rr_shm_addr *addr) {
	struct local_addr l;
	int ret = local_fill(&l, addr, from->cfg, from->ports);
	uint32_t mtu, patched_max;

	if (index >= t->n_addrs)
		return -EINVAL;
	if (ret < 0)
		return ret;
	if (addr_table_has(t, index) ||
		addr_table_find(t, l.port, l.vlan, (enum rr_family)l.family, l.addr) != ADDR_NONE)
		return -EEXIST;
	mtu = l.mtu;
	patched_max = l.patched_max;
	l.mtu = l.patched_max = 0;
	t->local[index] = l;
	// pairs with the acquire in addr_table_has and rewrite_packet
	rr_store_release(&t->local[index].mtu, mtu);
	// pairs with the acquire in steady_hop
	rr_store_release(&t->local[index].patched_max, (uint16_t)patched_max);
	slots_tidy(t);
	slot_fill(t, index);
	return 0;
}

// In any order: a worker that has found it by either word sees all of it until its turn is over.
void addr_table_remove(struct addr_table *t, uint32_t index) {
	struct local_addr *l = &t->local[index];
	struct addr_table_slot *s;

	if (!addr_table_has(t, index))
		return;
	for (s = slot_first(t, l); s->index != index;)
		s = slot_next(t, s);
	rr_store_relaxed(&s->index, ADDR_REMOVED);
	rr_store_relaxed(&l->mtu, 0U);
	rr_store_relaxed(&l->patched_max, (uint16_t)0);
}

int addr_table_build(
	struct addr_table *t, const struct rr_config *cfg, const struct port_set *ports) {
	const struct addr_source from = {.cfg = cfg, .ports = ports};
	int ret = addr_table_init(t, &from, cfg->n_addrs);

	for (uint32_t i = 0; ret == 0 && i < cfg->n_addrs; i++)
		ret = addr_table_add(t, &from, i, &cfg->addr[i]);
	return ret;
}

const struct local_addr *addr_table_of_realm(
	const struct addr_table *t, uint32_t realm, enum rr_family family) {
	for (uint32_t i = 0; i < t->n_addrs; i++)
		if (addr_table_has(t, i) && t->local[i].family == family &&
			t->local[i].realm == realm)
			return &t->local[i];
	return NULL;
}
