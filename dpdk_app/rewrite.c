// SPDX-License-Identifier: BSD-2-Clause
// The relay ends one IP and UDP hop and begins another: headers are written anew, not patched.
//
// The UDP header stays where it is, since its size never changes; what stands in front of it grows
// or shrinks into the headroom. The payload is not touched. The UDP checksum is taken over from the
// received one where that can be believed, else computed anew, or left to the device.
#include "rewrite.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"

#define UDP_LEN 8
#define UDP_CHECKSUM_OFFSET 6
#define IP4_CHECKSUM_OFFSET 10

static inline uint32_t ip_len(uint8_t family) {
	return family == RR_FAMILY_IPV6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
}

static inline uint32_t load32(const uint8_t *at) {
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void store32(uint8_t *at, uint32_t word) {
	memcpy(at, &word, sizeof(word));
}

// Where a datagram goes next: the local address that it leaves from, and the next hop.
struct hop {
	const struct local_addr *from;
	struct rte_ether_addr mac;
};

// A header's fields are read before its first store, which could change anything for all the
// compiler knows.
//
// RFC 6864: a datagram that is never fragmented says so and needs no identification. The sum is one
// of words as they lie in memory.
static __rte_always_inline void write_ipv4(const struct pkt *p, const struct local_addr *from) {
	uint8_t *ip = p->udp - sizeof(struct rte_ipv4_hdr);
	uint32_t len = sizeof(struct rte_ipv4_hdr) + UDP_LEN + p->payload_len;
	uint32_t version = rte_cpu_to_be_32(
		(uint32_t)RTE_IPV4_VHL_DEF << 24 | (uint32_t)p->flow->tos << 16 | len);
	uint32_t ttl = rte_cpu_to_be_32((uint32_t)from->hop_limit << 24 | IPPROTO_UDP << 16);
	uint32_t src = load32(from->addr), dst = load32(p->flow->out);
	uint16_t checksum = (uint16_t)~checksum_fold(
		(uint64_t)version + RTE_BE32(RTE_IPV4_HDR_DF_FLAG) + ttl + src + dst);

	store32(ip, version);
	store32(ip + 4, RTE_BE32(RTE_IPV4_HDR_DF_FLAG));
	store32(ip + 8, ttl);
	memcpy(ip + IP4_CHECKSUM_OFFSET, &checksum, sizeof(checksum));
	store32(ip + 12, src);
	store32(ip + 16, dst);
}

static __rte_always_inline void write_ipv6(const struct pkt *p, const struct local_addr *from) {
	uint8_t *ip = p->udp - sizeof(struct rte_ipv6_hdr);
	uint32_t len = UDP_LEN + (uint32_t)p->payload_len;
	uint32_t version = rte_cpu_to_be_32(UINT32_C(6) << 28 | (uint32_t)p->flow->tos << 20);
	uint32_t next = rte_cpu_to_be_32(len << 16 | (uint32_t)IPPROTO_UDP << 8 | from->hop_limit);
	uint8_t addr[2 * sizeof(from->addr)];

	memcpy(addr, from->addr, sizeof(from->addr));
	memcpy(addr + sizeof(from->addr), p->flow->out, sizeof(p->flow->out));

	store32(ip, version);
	store32(ip + 4, next);
	memcpy(ip + 8, addr, sizeof(addr));
}

static __rte_always_inline void write_ether(const struct pkt *p, const struct hop *hop) {
	const struct local_addr *from = hop->from;
	uint8_t *ether = p->udp - rewrite_len(from);
	uint8_t tail[sizeof(from->l2_tail)];

	memcpy(tail, from->l2_tail, sizeof(tail));
	memcpy(ether, &hop->mac, sizeof(hop->mac));
	// As long as with a tag: without one the IP header overwrites the rest.
	memcpy(ether + sizeof(hop->mac), tail, sizeof(tail));
}

static __rte_always_inline void write_udp(const struct pkt *p, uint16_t checksum) {
	struct rte_udp_hdr *udp = (void *)p->udp;
	uint16_t src_port_be = p->flow->out_src_port_be;
	uint16_t dst_port_be = p->flow->out_port_be;
	uint16_t len = (uint16_t)(UDP_LEN + p->payload_len);

	udp->src_port = src_port_be;
	udp->dst_port = dst_port_be;
	udp->dgram_len = rte_cpu_to_be_16(len);
	udp->dgram_cksum = checksum;
}

// The received checksum, brought in line with the new addresses and ports. 0 stays 0: the sender
// wanted none, and only IPv4 has such datagrams.
static __rte_always_inline uint16_t checksum_update(
	const struct rewrite *r, const struct pkt *p, const struct local_addr *from) {
	const struct rte_udp_hdr *udp = (const void *)p->udp;
	const struct local_addr *came_to = &r->table->addrs->local[p->addr];
	const struct rr_flow *f = p->flow;

	if (udp->dgram_cksum == 0)
		return 0;
	return checksum_replace(udp->dgram_cksum,
		checksum_sum(came_to->sum, p->src, p->src_port_be, udp->dst_port),
		checksum_sum(from->sum, f->out, f->out_src_port_be, f->out_port_be));
}

// Sum of the pseudo header, not complemented.
static uint16_t pseudo_sum(const uint8_t *udp, uint8_t family) {
	const void *ip = udp - ip_len(family);

	return family == RR_FAMILY_IPV6 ? rte_ipv6_phdr_cksum(ip, 0) : rte_ipv4_phdr_cksum(ip, 0);
}

static void checksum_store(uint8_t *udp, uint16_t checksum) {
	memcpy(udp + UDP_CHECKSUM_OFFSET, &checksum, sizeof(checksum));
}

// Sum of everything behind `offset`, which lies in the first buffer. Of a buffer that begins at an
// odd byte the two halves of each word change places. rte_raw_cksum_mbuf loses a carry there.
static uint32_t chain_sum(const struct rte_mbuf *m, uint32_t offset) {
	uint64_t sum = 0;
	bool odd = false;

	for (; m; m = m->next) {
		uint32_t len = m->data_len - offset;
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, void *, offset), len);

		sum += odd ? rte_bswap16(part) : part;
		odd ^= len & 1;
		offset = 0;
	}
	return checksum_fold(sum);
}

static __rte_noinline void checksum_compute(struct rte_mbuf *m, const struct local_addr *from) {
	uint32_t offset = rewrite_len(from);
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, offset);
	uint64_t sum = (uint64_t)chain_sum(m, offset) + pseudo_sum(udp, from->family);
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	checksum_store(udp, checksum != 0 ? checksum : UINT16_MAX);
}

// The device adds the sum over header and payload to that of the pseudo header, which it finds in
// the checksum field.
static void checksum_offload(struct rte_mbuf *m, const struct local_addr *from) {
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, rewrite_len(from));

	checksum_store(udp, pseudo_sum(udp, from->family));
	m->tx_offload = 0;
	m->l2_len = from->l2_len;
	m->l3_len = from->l3_len;
	m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	m->ol_flags |= from->family == RR_FAMILY_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
}

// A checksum that was not finished cannot be brought in line; whether it was is a property of where
// the packet came from.
static inline enum rr_checksum_mode checksum_mode(
	const struct rewrite *r, const struct pkt *p, const struct local_addr *from) {
	uint64_t verdict = p->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (from->checksum == RR_CHECKSUM_INCREMENTAL &&
		(verdict == RTE_MBUF_F_RX_L4_CKSUM_NONE ||
			r->table->addrs->local[p->addr].partial_checksums))
		return RR_CHECKSUM_FULL;
	return (enum rr_checksum_mode)from->checksum;
}

static __rte_always_inline void checksum_finish(struct rte_mbuf *m, const struct local_addr *from,
	enum rr_checksum_mode mode, uint16_t checksum) {
	switch (mode) {
	case RR_CHECKSUM_OFFLOAD:
		checksum_offload(m, from);
		break;
	case RR_CHECKSUM_INCREMENTAL:
		if (checksum != 0 || from->family == RR_FAMILY_IPV4)
			break;
		// From IPv4 without checksum to IPv6, which wants one.
		checksum_compute(m, from);
		break;
	default:
		checksum_compute(m, from);
		break;
	}
}

// Local address, on the link that packets from `from` leave by, that the flow sends to.
static uint32_t local_destination(
	const struct rewrite *r, const struct rr_flow *f, const struct local_addr *from) {
	return addr_table_find(
		r->table->addrs, from->port, from->vlan, (enum rr_family)from->family, f->out);
}

static uint32_t nexthop_find(struct rewrite *r, struct rr_flow *f, const struct local_addr *from) {
	uint32_t handle = RR_NEXTHOP_NONE;

	if (local_destination(r, f, from) == ADDR_NONE)
		handle = neighbour_find(
			r->neighbours, from->realm, (enum rr_family)from->family, f->out);
	if (handle != f->nexthop) {
		rr_flow_write_begin(f);
		rr_store_relaxed(&f->nexthop, handle);
		rr_flow_write_end(f);
	}
	return handle;
}

// MAC address of the next hop. Returns false while it is not known; it has then been asked for.
static __rte_always_inline bool nexthop_mac(struct rewrite *r, struct rr_flow *f,
	const struct local_addr *from, struct rte_ether_addr *mac) {
	uint32_t handle = f->nexthop;
	int ret = -ESTALE;

	if (RR_LIKELY(handle != RR_NEXTHOP_NONE))
		ret = neighbour_mac(r->neighbours, handle, mac);
	if (RR_LIKELY(ret != -ESTALE))
		return ret == 0;
	handle = nexthop_find(r, f, from);
	return handle != RR_NEXTHOP_NONE && neighbour_mac(r->neighbours, handle, mac) == 0;
}

// Move the start of the frame so that `len` bytes stand in front of the UDP header.
static inline bool make_room(struct pkt *p, uint32_t len) {
	uint32_t has = (uint32_t)p->l2_len + p->l3_len;

	if (RR_LIKELY(len == has))
		return true;
	if (len < has)
		return rte_pktmbuf_adj(p->m, (uint16_t)(has - len)) != NULL;
	return rte_pktmbuf_prepend(p->m, (uint16_t)(len - has)) != NULL;
}

// What becomes of a packet: one of these, or the enum rr_counter to drop it under.
enum verdict {
	VERDICT_SEND = -1,
	VERDICT_TURN = -2,
	VERDICT_LARGE = -3,
};

static __rte_always_inline int frame_make(
	const struct rewrite *r, struct pkt *p, const struct hop *hop, enum rr_checksum_mode mode) {
	const struct local_addr *from = hop->from;
	uint16_t checksum = mode == RR_CHECKSUM_INCREMENTAL ? checksum_update(r, p, from) : 0;

	if (RR_UNLIKELY(!make_room(p, rewrite_len(from))))
		return RR_C_drop_headroom;
	write_ether(p, hop);
	if (from->family == RR_FAMILY_IPV6)
		write_ipv6(p, from);
	else
		write_ipv4(p, from);
	write_udp(p, checksum);
	p->m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	checksum_finish(p->m, from, mode, checksum);
	p->out_port = from->port;
	return VERDICT_SEND;
}

// For what is rare.
static __rte_noinline int frame_make_apart(
	const struct rewrite *r, struct pkt *p, const struct hop *hop, enum rr_checksum_mode mode) {
	return frame_make(r, p, hop, mode);
}

// Worker that has the flow of local address `index` and the port that `f` sends to. For a port
// without a flow anybody: the packet will end there.
static uint8_t owner_of_destination(
	const struct rewrite *r, const struct rr_flow *f, uint32_t index) {
	const struct flow_table *t = r->table;
	uint32_t offset = rte_be_to_cpu_16(f->out_port_be) - t->media_port_min;

	if (offset >= t->n_media_ports)
		return t->self;
	return rr_load_relaxed(&t->flows[index * t->n_media_ports + offset].owner);
}

// No device can have it: there is no next hop, or it is for ourselves. Then no device will finish
// its checksum either.
static __rte_noinline int packet_turn(struct rewrite *r, struct pkt *p, struct hop *hop) {
	uint32_t index = local_destination(r, p->flow, hop->from);
	uint32_t n_turns = p->m->ol_flags & r->turned_flag ? p->m->hash.usr : 0;
	enum rr_checksum_mode mode = checksum_mode(r, p, hop->from);
	int verdict;

	if (index == ADDR_NONE)
		return RR_C_drop_neighbour;
	if (n_turns >= REWRITE_TURNS_MAX)
		return RR_C_drop_loop;
	memcpy(&hop->mac, hop->from->l2_tail, sizeof(hop->mac));
	verdict =
		frame_make_apart(r, p, hop, mode == RR_CHECKSUM_OFFLOAD ? RR_CHECKSUM_FULL : mode);
	if (verdict != VERDICT_SEND)
		return verdict;
	p->m->ol_flags |= r->turned_flag;
	p->m->hash.usr = n_turns + 1;
	p->owner = owner_of_destination(r, p->flow, index);
	return VERDICT_TURN;
}

// No device finishes the checksum of a datagram that leaves in fragments, and what turns is not
// cut.
static __rte_noinline int packet_large(
	struct rewrite *r, struct pkt *p, struct hop *hop, uint16_t out_addr) {
	enum rr_checksum_mode mode = checksum_mode(r, p, hop->from);
	int verdict;

	if (p->payload_len > REWRITE_PAYLOAD_MAX)
		return RR_C_drop_oversize;
	if (!nexthop_mac(r, p->flow, hop->from, &hop->mac))
		return packet_turn(r, p, hop);
	p->out_addr = out_addr;
	verdict =
		frame_make_apart(r, p, hop, mode == RR_CHECKSUM_OFFLOAD ? RR_CHECKSUM_FULL : mode);
	return verdict == VERDICT_SEND ? VERDICT_LARGE : verdict;
}

static __rte_always_inline int rewrite_packet(struct rewrite *r, struct pkt *p) {
	struct rr_flow *f = p->flow;
	uint16_t out_addr = rr_load_relaxed(&f->out_addr);
	const struct local_addr *from;
	struct hop hop;
	uint32_t mtu;

	if (RR_UNLIKELY(out_addr >= r->table->addrs->n_addrs))
		return RR_C_drop_flow_no_remote;
	from = &r->table->addrs->local[out_addr];
	hop.from = from;
	mtu = rr_load_acquire(&from->mtu); // pairs with the release in addr_table_add
	if (RR_UNLIKELY((uint32_t)from->l3_len + UDP_LEN + p->payload_len > mtu))
		return mtu == 0 ? (int)RR_C_drop_flow_no_remote // no address any longer
				: packet_large(r, p, &hop, out_addr);
	if (RR_UNLIKELY(!nexthop_mac(r, f, from, &hop.mac)))
		return packet_turn(r, p, &hop);
	return frame_make(r, p, &hop, checksum_mode(r, p, from));
}

// What is not simply sent. Returns whether it stays in live.
static bool send_otherwise(struct burst *b, struct pkt *p, int verdict) {
	if (verdict == VERDICT_LARGE)
		pkt_large(b, p);
	else
		pkt_turn(b, p);
	return verdict == VERDICT_LARGE;
}

// Relayed packets that came in by one port, not yet in its counters.
struct tally {
	uint32_t port;
	uint32_t n_packets;
	uint64_t n_bytes;
};

static inline void tally_settle(const struct burst *b, struct tally *t) {
	rr_add_relaxed(&b->counters[t->port][RR_C_relayed_packets], t->n_packets);
	rr_add_relaxed(&b->counters[t->port][RR_C_relayed_bytes], t->n_bytes);
}

static inline void tally_add(const struct burst *b, struct tally *t, const struct pkt *p) {
	if (RR_UNLIKELY(p->port != t->port)) {
		tally_settle(b, t);
		*t = (struct tally){.port = p->port};
	}
	t->n_packets++;
	t->n_bytes += p->payload_len;
}

uint32_t rewrite_burst(struct rewrite *r, struct burst *b) {
	struct tally tally = {0};
	uint32_t n = 0;

	if (b->n == 0)
		return 0;
	tally.port = b->live[0]->port;

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = b->live[i];
		int verdict = rewrite_packet(r, p);

		if (RR_UNLIKELY(verdict >= 0)) {
			pkt_drop(b, p, (enum rr_counter)verdict);
			continue;
		}
		tally_add(b, &tally, p);
		if (RR_UNLIKELY(verdict != VERDICT_SEND) && !send_otherwise(b, p, verdict))
			continue;
		b->live[n++] = p;
	}
	tally_settle(b, &tally);
	b->n = n;
	return n;
}
