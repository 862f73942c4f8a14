// SPDX-License-Identifier: BSD-2-Clause
// The relay ends one IP and UDP hop and begins another: headers are written anew, not patched.
//
// The UDP header stays where it is, since its size never changes; what stands in front of it grows
// or shrinks into the headroom. The payload is not touched. The UDP checksum is taken over from the
// received one where that can be believed, else computed anew, or left to the device.
#include "rewrite.h"

#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "headers.h"

#define UDP_CHECKSUM_OFFSET 6

static inline uint32_t ip_len(uint8_t family) {
	return family == RR_FAMILY_IPV6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
}

// 0 stays 0: the sender wanted none, and only IPv4 has such datagrams.
static inline uint32_t checksum_update(
	const struct rewrite *r, const struct pkt *p, const struct local_addr *from) {
	const struct rte_udp_hdr *udp = (const void *)p->udp;

	const struct local_addr *came_to = &r->table->addrs->local[p->addr];
	const struct rr_flow *f = p->flow;

	if (udp->dgram_cksum == 0)
		return 0;
	return checksum_replace(udp->dgram_cksum,
		came_to->sum + checksum_addr(p->src) + load32(p->udp),
		from->sum + checksum_addr(f->out) + f->out_src_port_be + f->out_port_be);
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
	uint32_t offset = headers_len(from);
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, offset);
	uint64_t sum = (uint64_t)chain_sum(m, offset) + pseudo_sum(udp, from->family);
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	checksum_store(udp, checksum != 0 ? checksum : UINT16_MAX);
}

// The device adds the sum over header and payload to that of the pseudo header, which it finds in
// the checksum field.
static void checksum_offload(struct rte_mbuf *m, const struct local_addr *from) {
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, headers_len(from));

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
	enum rr_checksum_mode mode, uint32_t checksum) {
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
static __rte_always_inline bool nexthop_mac(
	struct rewrite *r, struct rr_flow *f, const struct local_addr *from, uint64_t *mac) {
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
	uint32_t checksum = mode == RR_CHECKSUM_INCREMENTAL ? checksum_update(r, p, from) : 0;

	if (RR_UNLIKELY(!make_room(p, headers_len(from))))
		return RR_C_drop_headroom;
	headers_write(p->udp, p->payload_len, p->flow, hop, checksum);
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
	hop->mac = load64(hop->from->l2_tail);
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
	if (RR_UNLIKELY((uint32_t)from->l3_len + HEADERS_UDP_LEN + p->payload_len > mtu))
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

bool rewrite_take(struct rewrite *r, struct burst *b, struct pkt *p) {
	int verdict = rewrite_packet(r, p);

	if (RR_UNLIKELY(verdict >= 0)) {
		pkt_drop(b, p, (enum rr_counter)verdict);
		return false;
	}
	pkt_count(b, p, RR_C_relayed_packets, 1);
	pkt_count(b, p, RR_C_relayed_bytes, p->payload_len);
	return RR_LIKELY(verdict == VERDICT_SEND) || send_otherwise(b, p, verdict);
}
