// SPDX-License-Identifier: BSD-2-Clause
// The table of incomplete datagrams, and what becomes of a fragment.
//
// rte_ip_frag puts datagrams together. It is given a datagram's fragments when all are there and
// fit: it gives no reason for what it drops, drops a datagram for a duplicate, and cannot be told
// to let go of one.
#include "reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_jhash.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#define JOINER_ENTRIES 16
#define DATAGRAM_ALIVE 0
#define EXPIRE_MAX 64 // datagrams a turn
#define CHAIN_BITS 8 // of the hash lie below those that choose a chain: they chose the worker

// What the fragments of a datagram have in common. The address stands for port and VLAN too.
struct datagram_key {
	uint8_t src[16];
	uint32_t id; // as it came
	uint32_t addr; // index of the local address
};

struct datagram {
	TAILQ_ENTRY(datagram) age;
	LIST_ENTRY(datagram) chain;
	struct datagram_key key;
	uint64_t since_ns; // first fragment came
	uint32_t source; // index into n_of_source
	int reason; // DATAGRAM_ALIVE, or the counter that further fragments are dropped under
	uint8_t port; // Ethernet port of arrival
	uint8_t family;
	struct fragment_set set;
	struct rte_mbuf *m[FRAGMENT_SET_MAX]; // those of `set`
};

// A fragment on its way into the table.
struct arrival {
	struct pkt *p;
	struct datagram_key key;
	struct fragment fragment;
	uint32_t hash;
};

static void count(const struct reassembly *r, uint32_t port, enum rr_counter counter, uint64_t n) {
	rr_add_relaxed(&r->setup.counters[port][counter], n);
}

// ---- the table

int reassembly_init(struct reassembly *r, const struct reassembly_setup *setup) {
	uint32_t n_chains = rte_align32pow2(setup->n_datagrams);

	*r = (struct reassembly){.setup = *setup, .chain_mask = n_chains - 1};
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->unused);
	r->datagrams = calloc(setup->n_datagrams, sizeof(*r->datagrams));
	r->chains = calloc(n_chains, sizeof(*r->chains));
	r->joiner = rte_ip_frag_table_create(
		1, JOINER_ENTRIES, JOINER_ENTRIES, rte_get_tsc_hz(), SOCKET_ID_ANY);
	if (!r->datagrams || !r->chains || !r->joiner) {
		reassembly_fini(r);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < setup->n_datagrams; i++)
		TAILQ_INSERT_TAIL(&r->unused, &r->datagrams[i], age);
	return 0;
}

void reassembly_fini(struct reassembly *r) {
	struct datagram *d;

	if (r->datagrams)
		TAILQ_FOREACH(d, &r->waiting, age)
	rte_pktmbuf_free_bulk(d->m, d->set.n);
	if (r->joiner)
		rte_ip_frag_table_destroy(r->joiner);
	free(r->chains);
	free(r->datagrams);
	*r = (struct reassembly){0};
}

static struct datagram_chain *chain_of(const struct reassembly *r, uint32_t hash) {
	return &r->chains[(hash >> CHAIN_BITS) & r->chain_mask];
}

static struct datagram *datagram_find(const struct reassembly *r, const struct arrival *a) {
	struct datagram *d;

	LIST_FOREACH(d, chain_of(r, a->hash), chain)
	if (memcmp(&d->key, &a->key, sizeof(d->key)) == 0)
		return d;
	return NULL;
}

static void datagram_remove(struct reassembly *r, struct datagram *d) {
	LIST_REMOVE(d, chain);
	TAILQ_REMOVE(&r->waiting, d, age);
	TAILQ_INSERT_HEAD(&r->unused, d, age);
	r->n_of_source[d->source]--;
}

// Its fragments end here. It stays in the table, so that those still to come end as they did (RFC
// 5722 4).
static void datagram_void(struct reassembly *r, struct datagram *d, int reason) {
	count(r, d->port, (enum rr_counter)reason, d->set.n);
	count(r, d->port, RR_C_held, -(uint64_t)d->set.n);
	rte_pktmbuf_free_bulk(d->m, d->set.n);
	d->set.n = 0;
	d->reason = reason;
}

// Under a flood of first fragments the oldest goes: what is in order is whole within a moment,
// while the newest has nothing to show for itself yet.
static struct datagram *datagram_take(struct reassembly *r) {
	struct datagram *d = TAILQ_FIRST(&r->unused);

	if (!d) {
		d = TAILQ_FIRST(&r->waiting);
		datagram_void(r, d, RR_C_drop_fragment_full);
		datagram_remove(r, d);
	}
	TAILQ_REMOVE(&r->unused, d, age);
	return d;
}

// NULL: its source has too many.
static struct datagram *datagram_new(
	struct reassembly *r, const struct arrival *a, uint64_t now_ns) {
	uint32_t source =
		rte_jhash(a->key.src, sizeof(a->key.src), r->setup.seed) % REASSEMBLY_SOURCES;
	struct datagram *d;

	if (r->n_of_source[source] >= r->setup.n_per_source)
		return NULL;
	d = datagram_take(r);
	d->key = a->key;
	d->since_ns = now_ns;
	d->source = source;
	d->reason = DATAGRAM_ALIVE;
	d->port = a->p->port;
	d->family = a->p->family;
	d->set = (struct fragment_set){0};
	r->n_of_source[source]++;
	LIST_INSERT_HEAD(chain_of(r, a->hash), d, chain);
	TAILQ_INSERT_TAIL(&r->waiting, d, age);
	return d;
}

uint32_t reassembly_expire(struct reassembly *r, uint64_t now_ns) {
	uint32_t n = 0;

	for (; n < EXPIRE_MAX; n++) {
		struct datagram *d = TAILQ_FIRST(&r->waiting);

		if (!d || now_ns - d->since_ns < r->setup.lifetime_ns)
			break;
		datagram_void(r, d, RR_C_drop_fragment_timeout);
		datagram_remove(r, d);
	}
	return n;
}

// ---- putting together

// rte_ip_frag looks for the fragment header right behind the IPv6 header. Extension headers between
// them were seen to when the fragment came.
static void ip6_close_up(struct pkt *p) {
	uint32_t len = p->l2_len + sizeof(struct rte_ipv6_hdr);
	uint32_t gap = p->l3_len - (uint32_t)sizeof(struct rte_ipv6_hdr);
	uint8_t *at = rte_pktmbuf_mtod(p->m, uint8_t *);
	struct rte_ipv6_hdr *ip = (void *)(at + gap + p->l2_len);

	if (gap > 0) {
		memmove(at + gap, at, len);
		rte_pktmbuf_adj(p->m, (uint16_t)gap);
		ip->payload_len =
			rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->payload_len) - gap));
	}
	p->l3_len = sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_ipv6_fragment_ext);
}

// No time passes for the joiner: what it is given is complete, however long this thread was put
// aside meanwhile.
static struct rte_mbuf *feed(struct reassembly *r, const struct datagram *d, struct rte_mbuf *m) {
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, m->l2_len);

	if (d->family == RR_FAMILY_IPV4)
		return rte_ipv4_frag_reassemble_packet(r->joiner, &r->dead, m, 0, (void *)ip);
	return rte_ipv6_frag_reassemble_packet(r->joiner, &r->dead, m, 0, ip, (void *)(ip + 1));
}

// Sum over the pseudo header, whose length is UDP's own: bytes behind it are no part of the
// datagram.
static uint32_t pseudo_sum(const void *ip, uint8_t family, uint16_t udp_len) {
	struct rte_ipv4_hdr ip4;
	struct rte_ipv6_hdr ip6;

	if (family == RR_FAMILY_IPV4) {
		memcpy(&ip4, ip, sizeof(ip4));
		ip4.total_length = rte_cpu_to_be_16((uint16_t)(rte_ipv4_hdr_len(&ip4) + udp_len));
		return rte_ipv4_phdr_cksum(&ip4, 0);
	}
	memcpy(&ip6, ip, sizeof(ip6));
	ip6.payload_len = rte_cpu_to_be_16(udp_len);
	return rte_ipv6_phdr_cksum(&ip6, 0);
}

// As a device would give it. Identifications come back soon at high rates, and fragments of two
// datagrams then make one: the UDP checksum is what tells (RFC 4963). An impossible length is left
// to the parser.
static uint64_t checksum_verdict(const struct rte_mbuf *m, uint8_t family) {
	const void *ip = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);
	uint32_t udp_at = m->l2_len + (family == RR_FAMILY_IPV4 ? rte_ipv4_hdr_len(ip)
								: sizeof(struct rte_ipv6_hdr));
	const struct rte_udp_hdr *udp =
		rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, udp_at);
	uint16_t len = rte_be_to_cpu_16(udp->dgram_len);
	uint32_t sum;
	uint16_t part;

	if (udp->dgram_cksum == 0 || rte_raw_cksum_mbuf(m, udp_at, len, &part) < 0)
		return RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN;
	sum = pseudo_sum(ip, family, len) + part;
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

// Each fragment's IP header was right, and nobody computed that of the whole.
static void flags_set(struct rte_mbuf *m, uint8_t family) {
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | checksum_verdict(m, family);
	m->tx_offload = 0;
}

static void join(struct reassembly *r, struct datagram *d) {
	struct rte_mbuf *whole = NULL;
	uint32_t n = d->set.n;

	for (uint32_t i = 0; i < n; i++)
		whole = feed(r, d, d->m[i]);
	d->set.n = 0;
	count(r, d->port, RR_C_held, -(uint64_t)n);
	count(r, d->port, RR_C_fragments_joined, n - 1);
	count(r, d->port, RR_C_reassembled, 1);
	datagram_remove(r, d);
	flags_set(whole, d->family);
	whole->port = d->port;
	r->ready[r->n_ready++] = whole;
}

// ---- a fragment

static void arrival_fill(const struct reassembly *r, struct arrival *a, struct pkt *p) {
	const uint8_t *at = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->l2_len);
	uint32_t headers = (uint32_t)p->l2_len + p->l3_len;
	uint16_t bits;

	*a = (struct arrival){.p = p, .key.addr = p->addr};
	memcpy(a->key.src, p->src, sizeof(a->key.src));
	if (p->family == RR_FAMILY_IPV4) {
		const struct rte_ipv4_hdr *ip = (const void *)at;

		a->key.id = ip->packet_id;
		bits = rte_be_to_cpu_16(ip->fragment_offset);
		a->fragment.more = bits & RTE_IPV4_HDR_MF_FLAG;
		a->fragment.offset = (uint16_t)(bits << 3);
	} else {
		const struct rte_ipv6_fragment_ext *ext = (const void *)(at + p->l3_len);

		a->key.id = ext->id;
		bits = rte_be_to_cpu_16(ext->frag_data);
		a->fragment.more = bits & 1;
		a->fragment.offset = bits & RTE_IPV6_EHDR_FO_MASK;
		headers += (uint32_t)sizeof(*ext);
	}
	a->fragment.len = (uint16_t)(p->m->pkt_len - headers);
	a->hash = rte_jhash(&a->key, sizeof(a->key), r->setup.seed);
}

static void keep(struct reassembly *r, struct datagram *d, struct pkt *p) {
	if (p->family == RR_FAMILY_IPV6)
		ip6_close_up(p);
	p->m->l2_len = p->l2_len;
	p->m->l3_len = p->l3_len;
	d->m[d->set.n - 1] = p->m;
	count(r, d->port, RR_C_held, 1);
	if (fragment_set_is_whole(&d->set))
		join(r, d);
}

static void collect(struct reassembly *r, struct burst *b, const struct arrival *a) {
	struct datagram *d = datagram_find(r, a);
	int reason;

	if (!d)
		d = datagram_new(r, a, b->now_ns);
	if (!d) {
		pkt_drop(b, a->p, RR_C_drop_fragment_source);
		return;
	}
	reason = d->reason;
	if (reason == DATAGRAM_ALIVE)
		reason = fragment_set_add(&d->set, &a->fragment);
	if (reason == 0) {
		keep(r, d, a->p);
		return;
	}
	if (d->reason == DATAGRAM_ALIVE && reason != RR_C_drop_fragment_duplicate)
		datagram_void(r, d, reason);
	pkt_drop(b, a->p, (enum rr_counter)reason);
}

void reassembly_burst(struct reassembly *r, struct burst *b) {
	for (uint32_t i = 0; i < b->n_fragments; i++) {
		uint32_t worker;
		struct arrival a;

		arrival_fill(r, &a, b->fragment[i]);
		worker = a.hash % r->setup.n_workers;
		if (!fragment_is_valid(&a.fragment))
			pkt_drop(b, a.p, RR_C_drop_fragment_invalid);
		else if (worker != r->setup.worker && !b->handed_over)
			pkt_hand(b, a.p, (uint8_t)worker);
		else
			collect(r, b, &a);
	}
	b->n_fragments = 0;
}
