// SPDX-License-Identifier: BSD-2-Clause
// Stage: new Ethernet, IP and UDP headers in front of the payload, of either family.
//
// Needs parse's `udp`, lengths and family, and the flow. Survivors are frames ready to send by
// `out_port`; what leaves by an offloading port carries the mbuf flags for it. What is for an
// address of ours on the same link (a call that passes the relay twice) is turned: it is whole as
// if it came from the wire, and is taken in again. What is larger than the outgoing MTU is large:
// a whole frame as the others, still to be cut.
#pragma once

#include <string.h>

#include "flow.h"
#include "neighbour.h"
#include "pkt.h"

#define REWRITE_PAYLOAD_MAX 9600 // bytes of a datagram that is cut: no port's MTU is greater
#define REWRITE_TURNS_MAX 8 // of one packet; calls that lead to each other would turn it for ever

// One a worker.
struct rewrite {
	struct flow_table *table;
	struct neighbour_view *neighbours;
	uint64_t turned_flag; // of mbufs that have turned; their hash.usr says how often
};

uint32_t rewrite_burst(struct rewrite *r, struct burst *b);

// The headers of one outgoing datagram.
struct rewrite_headers {
	const struct local_addr *from;
	const uint8_t *to; // 16 bytes, of from's family
	struct rte_ether_addr mac; // of the next hop
	uint16_t src_port_be;
	uint16_t dst_port_be;
	uint16_t payload_len;
	uint16_t udp_checksum; // as it shall stand in the header, network order
	uint8_t tos;
};

// Length of the headers up to the UDP header.
uint32_t rewrite_len(const struct local_addr *from);

// Write them so that the UDP header begins at `udp`; rewrite_len bytes in front of it are used.
void rewrite_write(uint8_t *udp, const struct rewrite_headers *h);

// Ones' complement sums do not care for byte order as long as it is one and the same (RFC 1071).
static inline uint32_t rewrite_fold(uint64_t sum) {
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint32_t)sum;
}

static inline uint64_t rewrite_sum_addr(const uint8_t addr[16]) {
	uint32_t word[4];

	memcpy(word, addr, sizeof(word));
	return (uint64_t)word[0] + word[1] + word[2] + word[3];
}

// Sum of what the UDP checksum covers and a relay changes: addresses (IPv4 in the first four of 16
// bytes, the rest zero) and ports.
static inline uint32_t rewrite_sum(
	const uint8_t src[16], const uint8_t dst[16], uint16_t src_port_be, uint16_t dst_port_be) {
	return rewrite_fold(
		rewrite_sum_addr(src) + rewrite_sum_addr(dst) + src_port_be + dst_port_be);
}

// RFC 1624: checksum after `was` became `is`, both from rewrite_sum. Never 0, which would say that
// there is none.
static inline uint16_t rewrite_checksum(uint16_t checksum, uint32_t was, uint32_t is) {
	uint32_t sum = (uint16_t)~checksum + (uint16_t)~was + is;

	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	checksum = (uint16_t)~sum;
	return checksum != 0 ? checksum : UINT16_MAX;
}
