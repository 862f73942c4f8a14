// SPDX-License-Identifier: BSD-2-Clause
// Neighbour discovery messages (RFC 4861 4.3, 4.4, 7.1) from bytes and to bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>

#define ND_SOLICITATION 135 // ICMPv6 types
#define ND_ADVERTISEMENT 136
#define ND_HOP_LIMIT 255

// IPv6 header, fixed part, one link-layer address option: every message written here.
#define ND_LEN (sizeof(struct rte_ipv6_hdr) + 24 + 8)

struct nd_message {
	uint8_t type; // ND_SOLICITATION or ND_ADVERTISEMENT
	bool solicited; // advertisement: answers a solicitation
	bool override; // advertisement: replaces what is known
	bool has_mac;
	struct rte_ether_addr
		mac; // source (solicitation) or target (advertisement) link-layer address
	uint8_t src[16]; // of the IPv6 header; :: in duplicate address detection
	uint8_t dst[16];
	uint8_t target[16];
};

// Read an IPv6 packet, which must hold ICMPv6 right behind its fixed header. Returns 0, -ENOTSUP
// when it is no solicitation or advertisement, -EINVAL when RFC 4861 7.1 says to discard it.
int nd_parse(const uint8_t *ipv6, size_t len, struct nd_message *m);

// Write ND_LEN bytes, IPv6 header and checksum included; the link-layer option carries m->mac.
void nd_write(uint8_t *to, const struct nd_message *m);

// The answer to a solicitation for an own address (RFC 4861 7.2.4).
void nd_answer(struct nd_message *answer, const struct nd_message *solicitation,
	const struct rte_ether_addr *mac);

// Announce an own address to all nodes (RFC 4861 7.2.6).
void nd_announce(struct nd_message *m, const uint8_t addr[16], const struct rte_ether_addr *mac);

// Ask for a neighbour's link-layer address, its solicited-node group when `unicast` is false.
void nd_solicit(struct nd_message *m, const uint8_t src[16], const uint8_t target[16],
	const struct rte_ether_addr *mac, bool unicast);

// Solicited-node multicast address of addr (RFC 4291 2.7.1).
void nd_solicited_node(const uint8_t addr[16], uint8_t group[16]);

// Ethernet address of an IPv6 multicast group (RFC 2464 7).
void nd_group_mac(const uint8_t group[16], struct rte_ether_addr *mac);
