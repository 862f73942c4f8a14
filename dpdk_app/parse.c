// SPDX-License-Identifier: BSD-2-Clause
// Every field of a received frame is checked here, once; later stages see typed values only.
//
// A frame is walked by a cursor that never passes its end. `left` begins as the frame's length and
// shrinks to what each layer's own length field says; `readable_end` is where the first buffer
// ends. A header is read only where both agree that it exists.
#include "parse.h"

#include <string.h>

#include <rte_prefetch.h>

#include "host_addr.h"
#include "parse_plain.h"
#include "parse_wide.h"
#include "rtp.h"

#define PREFETCH_AHEAD 4

#define ETHER_LEN 14
#define ETHER_VLAN_LEN 18
#define ETHER_TYPE_IP4 0x0800
#define ETHER_TYPE_ARP 0x0806
#define ETHER_TYPE_VLAN 0x8100
#define ETHER_TYPE_IP6 0x86dd
#define VLAN_ID_MASK 0x0fff

#define IP4_LEN 20
#define IP4_FRAGMENT_MASK 0x3fff // more fragments, and the offset
#define IP6_LEN 40
#define IP6_FRAGMENT_MASK 0xfff9 // the offset, and more fragments
#define UDP_LEN 8

#define PROTOCOL_ICMP 1
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58
#define IP6_HOP_BY_HOP 0
#define IP6_ROUTING 43
#define IP6_FRAGMENT 44
#define IP6_DESTINATION 60
#define IP6_EXTENSIONS_MAX 8 // headers in a chain; RFC 8504 5.3 allows such a limit
#define IP6_OPTION_PAD1 0
#define IP6_BEFORE_FRAGMENT_MAX 64 // bytes of extension headers; see MTU_SLACK of port.c

#define ADDR_NO_INDEX UINT16_MAX

// A walk through one frame.
struct walk {
	const struct parse *c;
	const struct parse_frame *f;
	struct pkt *p;
	const uint8_t *at; // next header
	const uint8_t *readable_end;
	uint32_t left; // bytes of the packet from `at` on
	bool group_mac; // sent to a broadcast or multicast MAC address
	bool group_ip; // sent to a multicast group of neighbour discovery
	bool unspecified_src;
};

static inline uint32_t field16(const uint8_t *at) {
	return rr_load_be16(at);
}

static inline bool walk_can_read(const struct walk *w, uint32_t n) {
	return (size_t)(w->readable_end - w->at) >= n;
}

static inline void walk_skip(struct walk *w, uint32_t n) {
	w->at += n;
	w->left -= n;
}

static int udp_checksum_verdict(const struct walk *w) {
	if (RR_UNLIKELY(field16(w->at + 6) == 0))
		return w->p->family == RR_FAMILY_IPV6 ? RR_C_drop_udp_no_checksum : PARSE_MEDIA;
	if (RR_UNLIKELY(
		    (w->f->offload & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD))
		return RR_C_drop_udp_checksum;
	return PARSE_MEDIA;
}

// Whether it is from one host to one host; 0, or why not.
static inline int host_verdict(const struct walk *w) {
	// RFC 1122 3.3.6: nothing for one host that came by link-layer broadcast.
	if (RR_UNLIKELY(w->group_mac))
		return RR_C_drop_eth_dst;
	if (RR_UNLIKELY(w->group_ip))
		return RR_C_drop_ip_dst;
	if (RR_UNLIKELY(w->unspecified_src))
		return RR_C_drop_ip_src;
	return 0;
}

static int parse_udp(struct walk *w) {
	struct pkt *p = w->p;
	uint32_t len, port_offset;
	int verdict;

	verdict = host_verdict(w);
	if (RR_UNLIKELY(verdict != 0))
		return verdict;
	if (RR_UNLIKELY(w->left < UDP_LEN))
		return RR_C_drop_udp_short;
	if (RR_UNLIKELY(!walk_can_read(w, UDP_LEN)))
		return RR_C_drop_rx_segments;
	len = field16(w->at + 4);
	if (RR_UNLIKELY(len < UDP_LEN || len > w->left))
		return RR_C_drop_udp_length;
	verdict = udp_checksum_verdict(w);
	if (RR_UNLIKELY(verdict != PARSE_MEDIA))
		return verdict;
	port_offset = field16(w->at + 2) - w->c->media_port_min;
	if (RR_UNLIKELY(port_offset >= w->c->n_media_ports))
		return RR_C_drop_udp_port;
	memcpy(&p->src_port_be, w->at, sizeof(p->src_port_be));
	p->slot = p->addr * w->c->n_media_ports + port_offset;
	p->payload_len = (uint16_t)(len - UDP_LEN);
	return PARSE_MEDIA;
}

// Fragments of media wait for each other; of anything else there is nothing worth the memory. Each
// is checked as its datagram would be: only one of their headers remains.
static int parse_fragment(const struct walk *w, uint8_t protocol) {
	int verdict = host_verdict(w);

	if (verdict != 0)
		return verdict;
	return protocol == PROTOCOL_UDP ? PARSE_FRAGMENT : RR_C_drop_fragment_protocol;
}

static int parse_icmp(const struct walk *w) {
	return w->group_mac && !w->group_ip ? RR_C_drop_eth_dst : PARSE_PUNT;
}

// Whether the ones' complement sum of a header of 32-bit words is all ones, in any byte order.
static bool header_sum_is_right(const uint8_t *at, uint32_t len) {
	uint64_t sum = 0;

	for (uint32_t i = 0; i < len; i += 4) {
		uint32_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff) == 0xffff;
}

// The device's verdict on the IPv4 header where it has one, else our own.
static bool ip4_checksum_is_right(const struct walk *w, uint32_t header_len) {
	uint64_t verdict = w->f->offload & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD && header_sum_is_right(w->at, header_len);
}

static inline bool find_local(struct walk *w, const uint8_t *addr) {
	uint32_t index = addr_table_find(
		w->c->addrs, w->p->port, w->p->vlan, (enum rr_family)w->p->family, addr);

	w->p->addr = (uint16_t)index;
	return index != ADDR_NONE;
}

static int ip4_check_header(struct walk *w) {
	uint32_t header_len, total_len;

	if (RR_UNLIKELY(w->left < IP4_LEN))
		return RR_C_drop_ip_truncated;
	if (RR_UNLIKELY(!walk_can_read(w, IP4_LEN)))
		return RR_C_drop_rx_segments;
	header_len = (w->at[0] & 0x0fU) * 4;
	total_len = field16(w->at + 2);
	if (RR_UNLIKELY(w->at[0] >> 4 != 4 || header_len < IP4_LEN || total_len < header_len))
		return RR_C_drop_ip4_header;
	if (RR_UNLIKELY(total_len > w->left))
		return RR_C_drop_ip_truncated;
	if (RR_UNLIKELY(!walk_can_read(w, header_len)))
		return RR_C_drop_rx_segments;
	if (RR_UNLIKELY(!ip4_checksum_is_right(w, header_len)))
		return RR_C_drop_ip4_checksum;
	w->left = total_len;
	w->p->l3_len = (uint16_t)header_len;
	return 0;
}

// The 16-byte form of an address, written at once, so that it can be read at once.
static inline void ip4_widen(uint8_t to[16], const uint8_t from[4]) {
	uint32_t addr;

	memcpy(&addr, from, sizeof(addr));
	memcpy(to, (const uint32_t[4]){addr}, 16);
}

static int parse_ip4(struct walk *w) {
	const uint8_t *h = w->at;
	uint8_t dst[16];
	int verdict;

	w->p->family = RR_FAMILY_IPV4;
	verdict = ip4_check_header(w);
	if (RR_UNLIKELY(verdict != 0))
		return verdict;
	if (RR_UNLIKELY(!ipv4_is_host(h + 12)))
		return RR_C_drop_ip_src;
	ip4_widen(w->p->src, h + 12);
	ip4_widen(dst, h + 16);
	if (RR_UNLIKELY(!find_local(w, dst)))
		return RR_C_drop_ip_dst;
	if (RR_UNLIKELY(field16(h + 6) & IP4_FRAGMENT_MASK))
		return parse_fragment(w, h[9]);
	walk_skip(w, w->p->l3_len);
	if (RR_LIKELY(h[9] == PROTOCOL_UDP))
		return parse_udp(w);
	return h[9] == PROTOCOL_ICMP ? parse_icmp(w) : RR_C_drop_ip_protocol;
}

// Options of a hop-by-hop or destination header. None is known here but padding; the two high bits
// of its type say whether an unknown one may be skipped (RFC 8200 4.2).
static int ip6_check_options(const uint8_t *at, const uint8_t *end) {
	while (at < end) {
		if (*at == IP6_OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at < 2 + at[1])
			return RR_C_drop_ip6_extension;
		if (at[0] >> 6 != 0)
			return RR_C_drop_ip6_option;
		at += 2 + at[1];
	}
	return 0;
}

static bool ip6_is_extension(uint8_t type) {
	return type == IP6_HOP_BY_HOP || type == IP6_ROUTING || type == IP6_FRAGMENT ||
	       type == IP6_DESTINATION;
}

// Atomic fragments (RFC 6946) are whole packets.
static int ip6_check_fragment(const struct walk *w) {
	if (!(field16(w->at + 2) & IP6_FRAGMENT_MASK))
		return 0;
	if (w->p->l3_len > IP6_LEN + IP6_BEFORE_FRAGMENT_MAX)
		return RR_C_drop_ip6_extension;
	return parse_fragment(w, w->at[0]);
}

// One extension header of `len` bytes at w->at.
static int ip6_check_extension(const struct walk *w, uint8_t type, uint32_t len) {
	switch (type) {
	case IP6_FRAGMENT:
		return ip6_check_fragment(w);
	case IP6_ROUTING:
		return w->at[3] != 0 ? RR_C_drop_ip6_routing : 0;
	default:
		return ip6_check_options(w->at + 2, w->at + len);
	}
}

// Skip the chain behind the fixed header; *type becomes that of the upper layer.
static int ip6_skip_extensions(struct walk *w, uint8_t *type) {
	for (uint32_t n = 0; ip6_is_extension(*type); n++) {
		uint32_t len;
		int verdict;

		// RFC 8200 4.1: hop-by-hop options stand first or not at all.
		if (n == IP6_EXTENSIONS_MAX || (*type == IP6_HOP_BY_HOP && n != 0) || w->left < 8)
			return RR_C_drop_ip6_extension;
		if (!walk_can_read(w, 8))
			return RR_C_drop_rx_segments;
		len = *type == IP6_FRAGMENT ? 8 : (w->at[1] + 1U) * 8;
		if (len > w->left)
			return RR_C_drop_ip6_extension;
		if (!walk_can_read(w, len))
			return RR_C_drop_rx_segments;
		verdict = ip6_check_extension(w, *type, len);
		if (verdict != 0)
			return verdict;
		*type = w->at[0];
		walk_skip(w, len);
		w->p->l3_len = (uint16_t)(w->p->l3_len + len);
	}
	return 0;
}

static int ip6_check_header(struct walk *w) {
	uint32_t payload_len;

	if (RR_UNLIKELY(w->left < IP6_LEN))
		return RR_C_drop_ip_truncated;
	if (RR_UNLIKELY(!walk_can_read(w, IP6_LEN)))
		return RR_C_drop_rx_segments;
	if (RR_UNLIKELY(w->at[0] >> 4 != 6))
		return RR_C_drop_ip6_header;
	payload_len = field16(w->at + 4);
	if (RR_UNLIKELY(payload_len > w->left - IP6_LEN))
		return RR_C_drop_ip_truncated;
	w->left = IP6_LEN + payload_len;
	w->p->l3_len = IP6_LEN;
	return 0;
}

// Multicast and loopback are no sources; the unspecified address is one for neighbour discovery
// alone (RFC 4861 7.1.1).
static bool ip6_src_is_bad(struct walk *w, const uint8_t *a) {
	static const uint8_t zero[15];

	if (RR_LIKELY(memcmp(a, zero, sizeof(zero)) != 0))
		return a[0] == 0xff;
	w->unspecified_src = a[15] == 0;
	return a[15] == 1;
}

// ff02::1 and the solicited-node groups ff02::1:ff00:0/104.
static bool ip6_is_nd_group(const uint8_t *a) {
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	return memcmp(a, all_nodes, sizeof(all_nodes)) == 0 ||
	       memcmp(a, solicited, sizeof(solicited)) == 0;
}

static bool ip6_dst_is_ours(struct walk *w, const uint8_t *dst) {
	if (RR_LIKELY(dst[0] != 0xff))
		return find_local(w, dst);
	w->group_ip = true;
	return ip6_is_nd_group(dst);
}

static int parse_ip6(struct walk *w) {
	const uint8_t *h = w->at;
	uint8_t type;
	int verdict;

	w->p->family = RR_FAMILY_IPV6;
	verdict = ip6_check_header(w);
	if (RR_UNLIKELY(verdict != 0))
		return verdict;
	if (RR_UNLIKELY(ip6_src_is_bad(w, h + 8)))
		return RR_C_drop_ip_src;
	memcpy(w->p->src, h + 8, sizeof(w->p->src));
	if (RR_UNLIKELY(!ip6_dst_is_ours(w, h + 24)))
		return RR_C_drop_ip_dst;
	type = h[6];
	walk_skip(w, IP6_LEN);
	verdict = ip6_skip_extensions(w, &type);
	if (RR_UNLIKELY(verdict != 0))
		return verdict;
	if (RR_LIKELY(type == PROTOCOL_UDP))
		return parse_udp(w);
	return type == PROTOCOL_ICMP6 ? parse_icmp(w) : RR_C_drop_ip_protocol;
}

// Destination, tag and EtherType. Returns the verdict, 0 to go on with *type.
static int ether_check(struct walk *w, uint32_t *type) {
	const struct parse_frame *f = w->f;
	bool stripped = f->offload & RTE_MBUF_F_RX_VLAN_STRIPPED;

	if (RR_UNLIKELY(f->len < ETHER_LEN))
		return RR_C_drop_rx_short;
	if (RR_UNLIKELY(!walk_can_read(w, ETHER_LEN)))
		return RR_C_drop_rx_segments;
	w->group_mac = f->data[0] & 1;
	if (RR_UNLIKELY(!w->group_mac && memcmp(f->data, &w->c->mac[f->port], 6) != 0))
		return RR_C_drop_eth_dst;
	*type = field16(f->data + 12);
	w->p->vlan = stripped ? f->vlan & VLAN_ID_MASK : 0;
	w->p->l2_len = ETHER_LEN;
	if (*type == ETHER_TYPE_VLAN && !stripped) {
		if (RR_UNLIKELY(f->len < ETHER_VLAN_LEN))
			return RR_C_drop_rx_short;
		if (RR_UNLIKELY(!walk_can_read(w, ETHER_VLAN_LEN)))
			return RR_C_drop_rx_segments;
		w->p->vlan = (uint16_t)(field16(f->data + 14) & VLAN_ID_MASK);
		*type = field16(f->data + 16);
		w->p->l2_len = ETHER_VLAN_LEN;
	}
	if (RR_UNLIKELY(!addr_table_has_vlan(w->c->addrs, f->port, w->p->vlan)))
		return RR_C_drop_vlan_unknown;
	walk_skip(w, w->p->l2_len);
	return 0;
}

static int parse_type(struct walk *w, uint32_t type) {
	switch (type) {
	case ETHER_TYPE_IP4:
		return parse_ip4(w);
	case ETHER_TYPE_IP6:
		return parse_ip6(w);
	case ETHER_TYPE_ARP:
		return PARSE_PUNT;
	default:
		return RR_C_drop_eth_type;
	}
}

int parse_frame(
	const struct parse *c, const struct parse_frame *f, struct pkt *p, uint32_t *ip_end) {
	struct walk w = {
		.c = c,
		.f = f,
		.p = p,
		.at = f->data,
		.readable_end = f->data + f->n_contiguous,
		.left = f->len,
	};
	uint32_t type = 0;
	int verdict;

	*ip_end = 0;
	p->port = f->port;
	p->family = RR_FAMILY_NONE;
	p->addr = ADDR_NO_INDEX;
	p->l3_len = 0;
	verdict = ether_check(&w, &type);
	if (RR_UNLIKELY(verdict != 0))
		return verdict;
	verdict = parse_type(&w, type);
	if (p->l3_len != 0)
		*ip_end = (uint32_t)(w.at - f->data) + w.left;
	return verdict;
}

// Cut the empty last buffer off a chain.
static void free_last_segment(struct rte_mbuf *m) {
	struct rte_mbuf *before = m;
	struct rte_mbuf *last;

	while (before->next->next)
		before = before->next;
	last = before->next;
	before->next = NULL;
	m->nb_segs--;
	rte_pktmbuf_free_seg(last);
}

// Cut Ethernet padding. It may reach over the last buffers of a chain.
static void trim_to(struct rte_mbuf *m, uint32_t len) {
	while (m->pkt_len > len) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
		uint32_t cut = RTE_MIN(m->pkt_len - len, (uint32_t)last->data_len);

		last->data_len = (uint16_t)(last->data_len - cut);
		m->pkt_len -= cut;
		if (last->data_len == 0 && last != m)
			free_last_segment(m);
	}
}

static inline struct parse_frame frame_of(const struct pkt *p) {
	const struct rte_mbuf *m = p->m;

	return (struct parse_frame){
		.data = rte_pktmbuf_mtod(m, const uint8_t *),
		.n_contiguous = m->data_len,
		.len = m->pkt_len,
		.offload = m->ol_flags,
		.vlan = m->vlan_tci,
		.port = p->port,
	};
}

// Later stages read headers and the beginning of RTP in place. A chain that has them apart is put
// together when its first buffer has the room; otherwise it stays as it is and may be refused.
static void gather(struct rte_mbuf *m) {
	if (RR_UNLIKELY(m->nb_segs > 1))
		(void)rte_pktmbuf_linearize(m);
}

// A datagram for a flow: finish the view.
static bool take_media(struct burst *b, struct pkt *p) {
	uint32_t headers = (uint32_t)p->l2_len + p->l3_len + UDP_LEN;
	uint32_t in_first;

	if (RR_UNLIKELY(p->m->pkt_len != headers + p->payload_len))
		trim_to(p->m, headers + p->payload_len);
	in_first = p->m->data_len - headers;
	p->n_contiguous = (uint16_t)in_first;
	if (RR_UNLIKELY(in_first < p->payload_len && in_first < RR_RTP_MAX_READ)) {
		pkt_drop(b, p, RR_C_drop_rx_segments);
		return false;
	}
	p->udp = rte_pktmbuf_mtod_offset(p->m, uint8_t *, headers - UDP_LEN);
	return true;
}

static void take_punt(struct burst *b, struct pkt *p, uint32_t ip_end) {
	if (ip_end != 0)
		trim_to(p->m, ip_end);
	p->m->l2_len = p->l2_len;
	p->m->vlan_tci = p->vlan;
	pkt_punt(b, p);
}

// IP fragments leave the line here; the worker gives back whole packets.
static void take_fragment(struct burst *b, struct pkt *p, uint32_t ip_end) {
	if (!b->handed_over)
		pkt_count(b, p, RR_C_ip_fragments, 1);
	trim_to(p->m, ip_end);
	pkt_fragment(b, p);
}

// Whether a frame on a shared port is the kernel's business: it is for somebody else there, or no
// media. What is wrong with media, or broken as a whole, keeps its name.
static bool is_the_kernels(const struct pkt *p, int verdict) {
	switch (verdict) {
	case RR_C_drop_eth_dst:
	case RR_C_drop_ip_src:
		return p->addr == ADDR_NO_INDEX;
	case PARSE_PUNT:
	case RR_C_drop_eth_type:
	case RR_C_drop_vlan_unknown:
	case RR_C_drop_ip_dst:
	case RR_C_drop_ip_protocol:
	case RR_C_drop_udp_port:
	case RR_C_drop_fragment_protocol:
		return true;
	default:
		return false;
	}
}

// Whatever is not plain.
static __rte_noinline bool take_any(const struct parse *c, struct burst *b, struct pkt *p) {
	struct parse_frame f;
	uint32_t ip_end;
	int verdict;

	p->is_patchable = false;
	gather(p->m);
	f = frame_of(p);
	verdict = parse_frame(c, &f, p, &ip_end);
	if (RR_LIKELY(verdict == PARSE_MEDIA))
		return take_media(b, p);
	if (c->shared[p->port] && is_the_kernels(p, verdict))
		verdict = RR_C_left_to_kernel;
	if (verdict == PARSE_PUNT)
		take_punt(b, p, ip_end);
	else if (verdict == PARSE_FRAGMENT)
		take_fragment(b, p, ip_end);
	else
		pkt_drop(b, p, (enum rr_counter)verdict);
	return false;
}

static inline void prefetch_flow(const struct parse *c, const struct pkt *p) {
	rte_prefetch0(&c->flows[p->slot].uid);
	rte_prefetch0(&c->flows[p->slot].seq);
}

static __rte_always_inline bool take_in(const struct parse *c, struct burst *b, struct pkt *p) {
	if (RR_UNLIKELY(!parse_plain(c, p)) && !take_any(c, b, p))
		return false;
	prefetch_flow(c, p);
	return true;
}

static inline void prefetch_data(const struct burst *b, uint32_t i) {
	if (i < b->n)
		rte_prefetch0(rte_pktmbuf_mtod(b->live[i]->m, const void *));
}

uint32_t parse_burst(const struct parse *c, struct burst *b) {
	uint64_t taken = c->is_wide ? parse_wide(c, b) : 0;
	// what comes before the first one that is left keeps its place
	uint32_t n = taken == UINT64_MAX ? BURST_MAX : (uint32_t)__builtin_ctzll(~taken);

	for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
		prefetch_data(b, n + i);
	for (uint32_t i = n; i < b->n; i++) {
		struct pkt *p = b->live[i];

		prefetch_data(b, i + PREFETCH_AHEAD);
		if ((taken >> i & 1) || take_in(c, b, p))
			b->live[n++] = p;
	}
	b->n = n;
	return n;
}
