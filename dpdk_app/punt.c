// SPDX-License-Identifier: BSD-2-Clause
// Dispatch of punted packets by protocol, and the frames that answer them.
#include "punt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "arp.h"
#include "frame.h"
#include "mld.h"
#include "nd.h"
#include "packet_ring.h"

#define POLL_MAX 256 // packets a turn of the main thread

// A punted packet. Parse has checked Ethernet, VLAN and IP headers, and left l2_len in the mbuf.
struct punted {
	struct rte_mbuf *m;
	uint8_t *l3;
	size_t l3_len; // bytes in this buffer behind the Ethernet header
	uint16_t vlan;
	uint16_t ether_type;
	uint8_t port; // configuration's index
};

static void count(const struct punt *punt, uint32_t port, enum rr_counter counter, uint64_t n) {
	rr_add_relaxed(&punt->counters[port][counter], n);
}

// ---- worker's side

void punt_send(struct rte_ring *ring, struct burst *b) {
	struct rte_mbuf *m[BURST_MAX];
	uint32_t n_sent;

	for (uint32_t i = 0; i < b->n_punted; i++) {
		m[i] = b->punted[i]->m;
		m[i]->port = b->punted[i]->port;
	}
	n_sent = rte_ring_sp_enqueue_burst(ring, (void **)m, b->n_punted, NULL);
	for (uint32_t i = 0; i < b->n_punted; i++) {
		if (i < n_sent) {
			pkt_count(b, b->punted[i], RR_C_punted, 1);
			pkt_count(b, b->punted[i], RR_C_held, 1);
		} else {
			pkt_drop(b, b->punted[i], RR_C_drop_punt_full);
		}
	}
	b->n_punted = 0;
}

// ---- sending

// The frame is on its way to worker 0 or dropped; either way it is no longer the caller's.
static void inject(struct punt *punt, uint8_t port, struct rte_mbuf *m) {
	m->port = port;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	count(punt, port, RR_C_generated, 1);
	if (rte_ring_sp_enqueue(punt->inject, m) == 0) {
		count(punt, port, RR_C_held, 1);
		return;
	}
	count(punt, port, RR_C_drop_punt_full, 1);
	rte_pktmbuf_free(m);
}

// An empty frame with its Ethernet header; *payload is where n_payload bytes go. NULL when the pool
// is empty, which is counted.
static struct rte_mbuf *frame_new(struct punt *punt, uint8_t port, const struct frame_l2 *l2,
	size_t n_payload, uint8_t **payload) {
	struct rte_mbuf *m = rte_pktmbuf_alloc(punt->ports->pool);
	size_t n_l2 = l2->vlan ? FRAME_L2_MAX : sizeof(struct rte_ether_hdr);
	uint8_t *at;

	if (!m) {
		count(punt, port, RR_C_generated, 1);
		count(punt, port, RR_C_drop_no_buffer, 1);
		return NULL;
	}
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(n_l2 + n_payload));
	*payload = at + frame_l2_write(at, l2);
	return m;
}

// The Ethernet header of what a local address sends; dst is the caller's to fill.
static struct frame_l2 l2_from(
	const struct punt *punt, const struct local_addr *local, uint16_t ether_type) {
	return (struct frame_l2){
		.src = punt->ports->port[local->port].mac,
		.vlan = local->vlan,
		.ether_type = ether_type,
	};
}

static void arp_send(struct punt *punt, const struct local_addr *local,
	const struct rte_ether_addr *dst, const struct arp_message *arp) {
	struct frame_l2 l2 = l2_from(punt, local, RTE_ETHER_TYPE_ARP);
	struct rte_mbuf *m;
	uint8_t *payload;

	l2.dst = *dst;
	m = frame_new(punt, local->port, &l2, ARP_LEN, &payload);
	if (!m)
		return;
	arp_write(payload, arp);
	inject(punt, local->port, m);
}

// dst NULL: the group's Ethernet address.
static void nd_send(struct punt *punt, const struct local_addr *local,
	const struct rte_ether_addr *dst, const struct nd_message *nd) {
	struct frame_l2 l2 = l2_from(punt, local, RTE_ETHER_TYPE_IPV6);
	uint8_t *payload;
	struct rte_mbuf *m;

	if (dst)
		l2.dst = *dst;
	else
		nd_group_mac(nd->dst, &l2.dst);
	m = frame_new(punt, local->port, &l2, ND_LEN, &payload);
	if (!m)
		return;
	nd_write(payload, nd);
	inject(punt, local->port, m);
}

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void punt_listen(struct punt *punt, uint32_t index) {
	const struct local_addr *local = &punt->addrs->local[index];
	struct frame_l2 l2 = l2_from(punt, local, RTE_ETHER_TYPE_IPV6);
	uint8_t group[16];
	uint8_t *payload;
	struct rte_mbuf *m;

	if (local->family != RR_FAMILY_IPV6)
		return;
	mld_report_mac(&l2.dst);
	nd_solicited_node(local->addr, group);
	m = frame_new(punt, local->port, &l2, MLD_LEN, &payload);
	if (!m)
		return;
	mld_report_write(payload, group);
	inject(punt, local->port, m);
}

void punt_announce(struct punt *punt, uint32_t index) {
	const struct local_addr *local = &punt->addrs->local[index];
	const struct rte_ether_addr *mac = &punt->ports->port[local->port].mac;
	struct arp_message arp;
	struct nd_message nd;

	if (local->family == RR_FAMILY_IPV6) {
		nd_announce(&nd, local->addr, mac);
		nd_send(punt, local, NULL, &nd);
	} else {
		arp_request(&arp, mac, local->addr, local->addr);
		arp_send(punt, local, &broadcast, &arp);
	}
}

bool punt_probe(void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac) {
	struct punt *punt = ctx;
	const struct rr_realm_config *realm = &punt->cfg->realm[key->realm];
	const struct local_addr *local =
		addr_table_of_realm(punt->addrs, key->realm, (enum rr_family)key->family);
	const struct rte_ether_addr *own = &punt->ports->port[realm->port].mac;
	struct arp_message arp;
	struct nd_message nd;

	if (!local || !port_is_started(&punt->ports->port[realm->port]))
		return false;
	if (key->family == RR_FAMILY_IPV6) {
		nd_solicit(&nd, local->addr, key->addr, own, mac != NULL);
		nd_send(punt, local, mac, &nd);
	} else {
		arp_request(&arp, own, local->addr, key->addr);
		arp_send(punt, local, mac ? mac : &broadcast, &arp);
	}
	return true;
}

// ---- handling. Each handler says what became of the packet, which is then counted and freed; only
// an echo request goes on as its own answer.

enum outcome {
	OUTCOME_DELIVERED = -1,
	OUTCOME_SENT = -2,
	// else an enum rr_counter, the reason of the drop
};

static const struct local_addr *local_find(const struct punt *punt, const struct punted *p,
	enum rr_family family, const uint8_t *addr) {
	uint8_t key[16] = {0};
	uint32_t index;

	memcpy(key, addr, family == RR_FAMILY_IPV6 ? 16 : 4);
	index = addr_table_find(punt->addrs, p->port, p->vlan, family, key);
	return index == ADDR_NONE ? NULL : &punt->addrs->local[index];
}

// What a message says of where an address lives.
struct claim {
	struct neighbour_key key; // realm is not set
	const struct rte_ether_addr *mac; // NULL when it leaves that out
	const struct local_addr *asker; // ours that it answers, or NULL: nobody asked
	bool overrides; // RFC 4861 4.4
};

// Offer a claim to every realm of the link: an answer to the one that asked, a hint to the others.
// True when one of them had a use for it.
static bool claim_offer(
	const struct punt *punt, const struct punted *p, struct claim *c, uint64_t now_ns) {
	bool used = false;

	for (uint32_t r = 0; r < punt->cfg->n_realms; r++) {
		const struct rr_realm_config *realm = &punt->cfg->realm[r];

		if (realm->port != p->port || realm->vlan != p->vlan)
			continue;
		c->key.realm = (uint8_t)r;
		if (c->asker && c->asker->realm == r)
			used |= neighbour_answer(
				punt->neighbours, &c->key, c->mac, c->overrides, now_ns);
		else if (c->mac)
			used |= neighbour_hint(punt->neighbours, &c->key, c->mac, now_ns);
	}
	return used;
}

// The sender of any message tells where it lives, also one that is gratuitous (RFC 5227 3).
static int arp_handle(struct punt *punt, struct punted *p, uint64_t now_ns) {
	struct claim claim = {.key.family = RR_FAMILY_IPV4, .overrides = true};
	const struct local_addr *local;
	struct arp_message arp, reply;
	bool used;

	if (arp_parse(p->l3, p->l3_len, &arp) < 0)
		return RR_C_drop_arp_invalid;
	local = local_find(punt, p, RR_FAMILY_IPV4, arp.target_ip);
	memcpy(claim.key.addr, arp.sender_ip, sizeof(arp.sender_ip));
	claim.mac = &arp.sender_mac;
	claim.asker = arp.op == RTE_ARP_OP_REPLY ? local : NULL;
	used = claim_offer(punt, p, &claim, now_ns);
	if (!local)
		return used ? OUTCOME_DELIVERED : (int)RR_C_drop_arp_invalid;
	// To a reply, or to who announces or claims one of our addresses, there is nothing to say.
	if (arp.op == RTE_ARP_OP_REPLY ||
		memcmp(arp.sender_ip, arp.target_ip, sizeof(arp.sender_ip)) == 0)
		return used ? OUTCOME_DELIVERED : (int)RR_C_drop_punt_unhandled;
	arp_reply(&reply, &arp, &punt->ports->port[local->port].mac);
	arp_send(punt, local, &arp.sender_mac, &reply);
	return OUTCOME_DELIVERED;
}

static int solicitation_handle(
	struct punt *punt, const struct punted *p, const struct nd_message *nd, uint64_t now_ns) {
	struct claim claim = {.key.family = RR_FAMILY_IPV6};
	const struct local_addr *local = local_find(punt, p, RR_FAMILY_IPV6, nd->target);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	struct nd_message answer;

	if (!local)
		return RR_C_drop_nd_invalid;
	memcpy(claim.key.addr, nd->src, sizeof(claim.key.addr));
	claim.mac = nd->has_mac ? &nd->mac : NULL;
	claim_offer(punt, p, &claim, now_ns);
	nd_answer(&answer, nd, &punt->ports->port[local->port].mac);
	if (!answer.solicited)
		nd_send(punt, local, NULL, &answer);
	else
		nd_send(punt, local, nd->has_mac ? &nd->mac : &eth->src_addr, &answer);
	return OUTCOME_DELIVERED;
}

// One that was solicited was sent to the address that asked.
static int advertisement_handle(
	struct punt *punt, const struct punted *p, const struct nd_message *nd, uint64_t now_ns) {
	struct claim claim = {.key.family = RR_FAMILY_IPV6, .overrides = nd->override};

	memcpy(claim.key.addr, nd->target, sizeof(claim.key.addr));
	claim.mac = nd->has_mac ? &nd->mac : NULL;
	if (nd->solicited)
		claim.asker = local_find(punt, p, RR_FAMILY_IPV6, nd->dst);
	return claim_offer(punt, p, &claim, now_ns) ? OUTCOME_DELIVERED
						    : (int)RR_C_drop_punt_unhandled;
}

// Answer an echo request with its own buffer, back to where it came from. A tag that the device
// took off is put back.
static int echo_answer(struct punt *punt, struct punted *p) {
	struct rte_ether_hdr *eth;

	if ((p->m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_insert(&p->m) < 0)
		return RR_C_drop_headroom;
	eth = rte_pktmbuf_mtod(p->m, struct rte_ether_hdr *);
	eth->dst_addr = eth->src_addr;
	eth->src_addr = punt->ports->port[p->port].mac;
	count(punt, p->port, RR_C_delivered, 1);
	inject(punt, p->port, p->m);
	return OUTCOME_SENT;
}

static int echo_handle(
	struct punt *punt, struct punted *p, uint64_t now_ns, int (*reply)(uint8_t *, size_t)) {
	int ret;

	if (p->m->nb_segs > 1)
		return RR_C_drop_icmp_invalid;
	// The request is turned round before the limit is asked; a refused one is freed anyway.
	ret = reply(p->l3, p->l3_len);
	if (ret == -ENOTSUP)
		return RR_C_drop_punt_unhandled;
	if (ret < 0)
		return RR_C_drop_icmp_invalid;
	if (!token_bucket_take(&punt->echo, now_ns))
		return RR_C_drop_icmp_rate;
	return echo_answer(punt, p);
}

static int ip4_handle(struct punt *punt, struct punted *p, uint64_t now_ns) {
	return echo_handle(punt, p, now_ns, icmp4_echo_reply);
}

static int ip6_handle(struct punt *punt, struct punted *p, uint64_t now_ns) {
	struct nd_message nd;
	int ret = nd_parse(p->l3, p->l3_len, &nd);

	if (ret == -EINVAL)
		return RR_C_drop_nd_invalid;
	if (ret < 0)
		return echo_handle(punt, p, now_ns, icmp6_echo_reply);
	if (nd.type == ND_SOLICITATION)
		return solicitation_handle(punt, p, &nd, now_ns);
	return advertisement_handle(punt, p, &nd, now_ns);
}

static const struct {
	uint16_t ether_type;
	int (*handle)(struct punt *, struct punted *, uint64_t now_ns);
} handlers[] = {
	{RTE_ETHER_TYPE_ARP, arp_handle},
	{RTE_ETHER_TYPE_IPV4, ip4_handle},
	{RTE_ETHER_TYPE_IPV6, ip6_handle},
};

static void view_fill(struct rte_mbuf *m, struct punted *p) {
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *type = eth + m->l2_len - 2;

	*p = (struct punted){
		.m = m,
		.l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len),
		.l3_len = rte_pktmbuf_data_len(m) - m->l2_len,
		.ether_type = (uint16_t)(type[0] << 8 | type[1]),
		.port = (uint8_t)m->port,
	};
	if (m->l2_len == FRAME_L2_MAX)
		p->vlan = (uint16_t)((type[-2] << 8 | type[-1]) & 0x0fff);
	else if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		p->vlan = m->vlan_tci & 0x0fff;
}

static void handle(struct punt *punt, struct rte_mbuf *m, uint64_t now_ns) {
	int outcome = RR_C_drop_punt_unhandled;
	struct punted p;

	view_fill(m, &p);
	count(punt, p.port, RR_C_held, (uint64_t)-1);
	for (size_t i = 0; i < RR_ARRAY_LEN(handlers); i++)
		if (handlers[i].ether_type == p.ether_type)
			outcome = handlers[i].handle(punt, &p, now_ns);
	if (outcome == OUTCOME_SENT)
		return;
	count(punt, p.port,
		outcome == OUTCOME_DELIVERED ? RR_C_delivered : (enum rr_counter)outcome, 1);
	rte_pktmbuf_free(p.m);
}

uint32_t punt_poll(struct punt *punt, uint64_t now_ns) {
	uint32_t n = 0;
	void *m;

	for (uint32_t w = 0; w < punt->n_workers; w++)
		for (uint32_t k = 0; k < POLL_MAX; k++) {
			if (rte_ring_sc_dequeue(punt->in[w], &m) != 0)
				break;
			handle(punt, m, now_ns);
			n++;
		}
	return n;
}

// ---- start and end

int punt_open(struct punt *punt, uint64_t now_ns) {
	char name[RTE_RING_NAMESIZE];

	token_bucket_init(&punt->echo, PUNT_ECHO_PER_S, PUNT_ECHO_BURST, now_ns);
	punt->inject = packet_ring_create("inject", PUNT_INJECT_RING);
	if (!punt->inject)
		return -ENOMEM;
	for (uint32_t w = 0; w < punt->n_workers; w++) {
		snprintf(name, sizeof(name), "punt-%u", w);
		punt->in[w] = packet_ring_create(name, PUNT_RING);
		if (!punt->in[w]) {
			punt_close(punt);
			return -ENOMEM;
		}
	}
	return 0;
}

void punt_close(struct punt *punt) {
	for (uint32_t w = 0; w < punt->n_workers; w++)
		packet_ring_free(punt->in[w]);
	packet_ring_free(punt->inject);
	*punt = (struct punt){0};
}
