// SPDX-License-Identifier: BSD-2-Clause
// The headers of a datagram that leaves, composed in registers and written in front of its payload.
//
// What a header is made of is read before its first store, which could change anything for all the
// compiler knows.
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "addr_table.h"
#include "checksum.h"
#include "shm_layout.h"
#include "words.h"

#define HEADERS_UDP_LEN ((uint32_t)sizeof(struct rte_udp_hdr))

// Where a datagram goes next: the local address that it leaves from, and the next hop.
struct hop {
	const struct local_addr *from;
	uint64_t mac; // as it lies in memory, in the first six bytes
};

// Length of the headers up to the UDP header.
static inline uint32_t headers_len(const struct local_addr *from) {
	return (uint32_t)from->l2_len + from->l3_len;
}

// RFC 6864: a datagram that is never fragmented says so and needs no identification. The sum is one
// of words as they lie in memory.
static inline void headers_write_ipv4(
	uint8_t *ip, uint32_t payload_len, const struct rr_flow *f, const struct local_addr *from) {
	uint32_t len = (uint32_t)sizeof(struct rte_ipv4_hdr) + HEADERS_UDP_LEN + payload_len;
	uint32_t version =
		rte_cpu_to_be_32((uint32_t)RTE_IPV4_VHL_DEF << 24 | (uint32_t)f->tos << 16 | len);
	uint32_t ttl = rte_cpu_to_be_32((uint32_t)from->hop_limit << 24 | IPPROTO_UDP << 16);
	uint32_t src = load32(from->addr), dst = load32(f->out);
	uint64_t sum = (uint64_t)version + RTE_BE32(RTE_IPV4_HDR_DF_FLAG) + ttl + src + dst;

	store32(ip, version);
	store32(ip + 4, RTE_BE32(RTE_IPV4_HDR_DF_FLAG));
	store32(ip + 8, ttl);
	store16(ip + offsetof(struct rte_ipv4_hdr, hdr_checksum), (uint16_t)~checksum_fold(sum));
	store32(ip + 12, src);
	store32(ip + 16, dst);
}

static inline void headers_write_ipv6(
	uint8_t *ip, uint32_t payload_len, const struct rr_flow *f, const struct local_addr *from) {
	uint32_t len = HEADERS_UDP_LEN + payload_len;
	uint32_t version = rte_cpu_to_be_32(UINT32_C(6) << 28 | (uint32_t)f->tos << 20);
	uint32_t next = rte_cpu_to_be_32(len << 16 | (uint32_t)IPPROTO_UDP << 8 | from->hop_limit);
	uint64_t src[2] = {load64(from->addr), load64(from->addr + 8)};
	uint64_t dst[2] = {load64(f->out), load64(f->out + 8)};

	store32(ip, version);
	store32(ip + 4, next);
	store64(ip + 8, src[0]);
	store64(ip + 16, src[1]);
	store64(ip + 24, dst[0]);
	store64(ip + 32, dst[1]);
}

// As long as with a tag: without one the IP header overwrites the rest.
static inline void headers_write_ether(uint8_t *ether, const struct hop *hop) {
	uint64_t tail = load64(hop->from->l2_tail);
	uint32_t rest = load32(hop->from->l2_tail + sizeof(tail));

	store64(ether, hop->mac);
	store64(ether + RTE_ETHER_ADDR_LEN, tail);
	store32(ether + RTE_ETHER_ADDR_LEN + sizeof(tail), rest);
}

static inline void headers_write_udp(
	uint8_t *udp, uint32_t payload_len, const struct rr_flow *f, uint32_t checksum) {
	uint16_t src_port_be = f->out_src_port_be, dst_port_be = f->out_port_be;

	store16(udp + offsetof(struct rte_udp_hdr, src_port), src_port_be);
	store16(udp + offsetof(struct rte_udp_hdr, dst_port), dst_port_be);
	store16(udp + offsetof(struct rte_udp_hdr, dgram_len),
		rte_cpu_to_be_16((uint16_t)(HEADERS_UDP_LEN + payload_len)));
	store16(udp + offsetof(struct rte_udp_hdr, dgram_cksum), (uint16_t)checksum);
}

// All of them, for the datagram whose UDP header is at `udp` and has room in front of it. The IP
// header is the last one that may lie over another.
static __rte_always_inline void headers_write(uint8_t *udp, uint32_t payload_len,
	const struct rr_flow *f, const struct hop *hop, uint32_t checksum) {
	const struct local_addr *from = hop->from;

	if (from->family == RR_FAMILY_IPV6) {
		uint8_t *ip = udp - sizeof(struct rte_ipv6_hdr);

		headers_write_ether(ip - from->l2_len, hop);
		headers_write_ipv6(ip, payload_len, f, from);
	} else {
		uint8_t *ip = udp - sizeof(struct rte_ipv4_hdr);

		headers_write_ether(ip - from->l2_len, hop);
		headers_write_ipv4(ip, payload_len, f, from);
	}
	headers_write_udp(udp, payload_len, f, checksum);
}
