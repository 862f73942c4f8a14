// SPDX-License-Identifier: BSD-2-Clause
// Cutting, identifications, and what rte_ip_frag leaves to its user: layer 2 and checksums.
#include "fragmenter.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_jhash.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#define L2_MAX 18 // Ethernet header with a tag

void fragmenter_init(struct fragmenter *f, const struct addr_table *addrs, struct rte_mempool *pool,
	uint32_t worker, uint32_t n_workers) {
	*f = (struct fragmenter){
		.addrs = addrs, .pool = pool, .worker = worker, .seed = (uint32_t)rte_rand()};
	while (1U << f->worker_bits < n_workers)
		f->worker_bits++;
	for (uint32_t i = 0; i < FRAGMENTER_PLACES; i++)
		f->next_id[i] = (uint32_t)rte_rand();
}

// RFC 6864 4.2: no identification comes again soon between the same two hosts. Each pair of hosts
// counts from a random start (RFC 7739 5.2), and no two workers give out the same.
// The two addresses stand behind each other in a header, on any byte.
static uint32_t id_next(struct fragmenter *f, const void *addrs, uint32_t len) {
	uint32_t aligned[8];
	uint32_t place;

	memcpy(aligned, addrs, len);
	place = rte_jhash(aligned, len, f->seed) & (FRAGMENTER_PLACES - 1);
	return f->next_id[place]++ << f->worker_bits | f->worker;
}

static int cut_ip4(
	struct fragmenter *f, struct rte_mbuf *m, uint32_t mtu, struct rte_mbuf **chain) {
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);

	ip->fragment_offset = 0;
	ip->packet_id =
		rte_cpu_to_be_16((uint16_t)id_next(f, &ip->src_addr, 2 * sizeof(ip->src_addr)));
	return rte_ipv4_fragment_packet(m, chain, FRAGMENTER_MAX, (uint16_t)mtu, f->pool, f->pool);
}

static int cut_ip6(
	struct fragmenter *f, struct rte_mbuf *m, uint32_t mtu, struct rte_mbuf **chain) {
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);
	uint32_t id = id_next(f, ip->src_addr, sizeof(ip->src_addr) + sizeof(ip->dst_addr));
	int n = rte_ipv6_fragment_packet(m, chain, FRAGMENTER_MAX, (uint16_t)mtu, f->pool, f->pool);

	for (int i = 0; i < n; i++)
		rte_pktmbuf_mtod_offset(chain[i], struct rte_ipv6_fragment_ext *, sizeof(*ip))->id =
			rte_cpu_to_be_32(id);
	return n;
}

// A fragment as a frame of its own, in one buffer.
static struct rte_mbuf *frame_of(const struct fragmenter *f, const struct rte_mbuf *chain,
	const struct local_addr *from, const uint8_t *l2) {
	struct rte_mbuf *m = rte_pktmbuf_copy(chain, f->pool, 0, UINT32_MAX);
	struct rte_ipv4_hdr *ip;

	if (!m)
		return NULL;
	m->ol_flags = 0;
	if (from->family == RR_FAMILY_IPV4) {
		ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	memcpy(rte_pktmbuf_prepend(m, from->l2_len), l2, from->l2_len);
	return m;
}

uint32_t fragmenter_cut(
	struct fragmenter *f, const struct pkt *p, struct rte_mbuf *out[FRAGMENTER_MAX]) {
	const struct local_addr *from = &f->addrs->local[p->out_addr];
	struct rte_mbuf *chain[FRAGMENTER_MAX];
	uint32_t n_made = 0;
	uint8_t l2[L2_MAX];
	int n;

	memcpy(l2, rte_pktmbuf_mtod(p->m, const uint8_t *), from->l2_len);
	rte_pktmbuf_adj(p->m, from->l2_len);
	n = from->family == RR_FAMILY_IPV6 ? cut_ip6(f, p->m, from->mtu, chain)
					   : cut_ip4(f, p->m, from->mtu, chain);
	if (n <= 0)
		return 0;
	while (n_made < (uint32_t)n) {
		out[n_made] = frame_of(f, chain[n_made], from, l2);
		if (!out[n_made])
			break;
		n_made++;
	}
	rte_pktmbuf_free_bulk(chain, (unsigned int)n);
	if (n_made < (uint32_t)n) {
		rte_pktmbuf_free_bulk(out, n_made);
		return 0;
	}
	rte_pktmbuf_free(p->m);
	return n_made;
}
