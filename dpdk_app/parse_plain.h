// SPDX-License-Identifier: BSD-2-Clause
// The short way through the parser, for frames that look as nearly all of media does.
//
// Plain is a frame in one buffer, with at most one tag in it, to this port's MAC address, with an
// IPv4 header without options or an IPv6 header without extensions, no fragment, to an address of
// ours, that UDP fills to its last byte, to a port of the media range. What is plain is what
// parse_frame would accept, with the same view (tests/unit/test_parse.cc compares the two); of
// anything else this says nothing, and parse_frame finds out what it is.
#pragma once

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "checksum.h"
#include "host_addr.h"
#include "parse.h"
#include "words.h"

// What a device says that is for parse_frame to weigh.
#define PLAIN_NOT \
	(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD)
// The first six bytes of eight, as they lie in memory.
#define PLAIN_MAC rte_cpu_to_be_64(UINT64_C(0xffffffffffff0000))
#define PLAIN_TYPE_IP4 RTE_BE16(0x0800)
#define PLAIN_TYPE_IP6 RTE_BE16(0x86dd)
#define PLAIN_TYPE_VLAN RTE_BE16(0x8100)
#define PLAIN_FRAGMENT RTE_BE16(0x3fff) // of IPv4: more fragments, and the offset

// The ones' complement sum of a header of 20 bytes is all ones (RFC 1071).
static inline bool plain_ip4_sum_is_right(const uint8_t *ip) {
	uint64_t sum = load64(ip);
	uint64_t next = load64(ip + 8);

	sum = (sum >> 32) + (sum & 0xffffffff) + (next >> 32) + (next & 0xffffffff);
	return checksum_fold(sum + load32(ip + 16)) == 0xffff;
}

// Finds the local address that the packet came to.
static __rte_always_inline bool plain_local(
	const struct parse *c, struct pkt *p, const uint64_t dst[2], enum rr_family family) {
	uint32_t index = addr_table_find(c->addrs, p->port, p->vlan, family, (const uint8_t *)dst);

	p->family = (uint8_t)family;
	p->addr = (uint16_t)index;
	return index != ADDR_NONE;
}

// UDP behind an IP header of a packet to p->addr: `left` bytes from `udp` to the end of the frame.
static __rte_always_inline bool plain_udp(
	const struct parse *c, struct pkt *p, uint8_t *udp, uint32_t left) {
	uint32_t offset = rte_be_to_cpu_16(load16(udp + 2)) - c->media_port_min;

	if (rte_be_to_cpu_16(load16(udp + 4)) != left || offset >= c->n_media_ports)
		return false;
	p->udp = udp;
	p->src_port_be = load16(udp);
	p->slot = p->addr * c->n_media_ports + offset;
	p->payload_len = p->n_contiguous = (uint16_t)(left - sizeof(struct rte_udp_hdr));
	p->is_patchable = (load16(udp + 6) != 0) & !c->addrs->local[p->addr].partial_checksums;
	return true;
}

// `left` bytes from `ip` to the end of the frame.
static __rte_always_inline bool plain_ip4(
	const struct parse *c, struct pkt *p, uint8_t *ip, uint32_t left) {
	const uint32_t headers = sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr);
	const uint64_t dst[2] = {load32(ip + 16), 0};

	if (left < headers || ip[0] != RTE_IPV4_VHL_DEF || ip[9] != IPPROTO_UDP ||
		rte_be_to_cpu_16(load16(ip + 2)) != left || load16(ip + 6) & PLAIN_FRAGMENT ||
		!ipv4_is_host(ip + 12) || !plain_ip4_sum_is_right(ip) ||
		!plain_local(c, p, dst, RR_FAMILY_IPV4))
		return false;
	p->l3_len = sizeof(struct rte_ipv4_hdr);
	store64(p->src, load32(ip + 12));
	store64(p->src + 8, 0);
	return plain_udp(c, p, ip + sizeof(struct rte_ipv4_hdr),
		left - (uint32_t)sizeof(struct rte_ipv4_hdr));
}

// Groups, and whatever begins with eight zeros, which ::, ::1 and the embedded IPv4 addresses do,
// are not plain.
static __rte_always_inline bool plain_ip6(
	const struct parse *c, struct pkt *p, uint8_t *ip, uint32_t left) {
	const uint32_t headers = sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_udp_hdr);
	uint8_t *udp = ip + sizeof(struct rte_ipv6_hdr);
	uint64_t src[2], dst[2];

	if (left < headers)
		return false;
	memcpy(src, ip + 8, sizeof(src));
	memcpy(dst, ip + 24, sizeof(dst));
	if (ip[0] >> 4 != 6 || ip[6] != IPPROTO_UDP ||
		rte_be_to_cpu_16(load16(ip + 4)) != left - sizeof(struct rte_ipv6_hdr) ||
		ip[8] == 0xff || src[0] == 0 || ip[24] == 0xff || load16(udp + 6) == 0 ||
		!plain_local(c, p, dst, RR_FAMILY_IPV6))
		return false;
	p->l3_len = sizeof(struct rte_ipv6_hdr);
	store64(p->src, src[0]);
	store64(p->src + 8, src[1]);
	return plain_udp(c, p, udp, left - (uint32_t)sizeof(struct rte_ipv6_hdr));
}

// Returns true with the view filled as parse_frame fills it, and m's udp; else the view holds
// nothing that may be used.
static __rte_always_inline bool parse_plain(const struct parse *c, struct pkt *p) {
	const uint32_t l2_len = sizeof(struct rte_ether_hdr), tag_len = sizeof(struct rte_vlan_hdr);
	const struct rte_mbuf *m = p->m;
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len = m->data_len;
	uint16_t type;

	if (m->nb_segs != 1 || m->ol_flags & PLAIN_NOT ||
		len < l2_len + tag_len + sizeof(struct rte_ipv4_hdr) ||
		(load64(data) ^ c->mac[p->port]) & PLAIN_MAC)
		return false;
	type = load16(data + 12);
	p->vlan = 0;
	p->l2_len = l2_len;
	if (RR_UNLIKELY(type == PLAIN_TYPE_VLAN)) {
		p->vlan = rte_be_to_cpu_16(load16(data + 14)) & 0x0fff;
		p->l2_len = l2_len + tag_len;
		type = load16(data + 16);
		data += tag_len;
		len -= tag_len;
	}
	if (type == PLAIN_TYPE_IP4)
		return plain_ip4(c, p, data + l2_len, len - l2_len);
	return type == PLAIN_TYPE_IP6 && plain_ip6(c, p, data + l2_len, len - l2_len);
}
