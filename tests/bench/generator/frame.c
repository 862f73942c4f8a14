// SPDX-License-Identifier: BSD-2-Clause
// Finds the UDP datagram of an Ethernet frame.
#include "frame.h"

#include <errno.h>

#define ETHER_LEN 14
#define VLAN_LEN 4
#define IP4_LEN 20
#define IP6_LEN 40
#define PROTOCOL_UDP 17
#define TYPE_VLAN 0x8100
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define FRAGMENT_BITS 0x3fff // more fragments, and the offset

static uint16_t get16(const uint8_t *at) {
	return (uint16_t)(at[0] << 8 | at[1]);
}

// RFC 791 3.1. Returns the length of the header, 0 when it does not end in a whole UDP datagram.
static uint32_t ipv4_len(const uint8_t *ip, uint32_t len) {
	uint32_t header_len = len >= IP4_LEN ? (ip[0] & 0xf) * 4U : 0;

	if (header_len < IP4_LEN || len < header_len + UDP_LEN || ip[0] >> 4 != 4)
		return 0;
	return ip[9] == PROTOCOL_UDP && (get16(ip + 6) & FRAGMENT_BITS) == 0 ? header_len : 0;
}

// RFC 8200 3
static uint32_t ipv6_len(const uint8_t *ip, uint32_t len) {
	if (len < IP6_LEN + UDP_LEN || ip[0] >> 4 != 6 || ip[6] != PROTOCOL_UDP)
		return 0;
	return IP6_LEN;
}

int frame_find_udp(const uint8_t *frame, uint32_t len, struct frame_udp *udp) {
	uint32_t ip_at = ETHER_LEN, ip_len = 0;
	uint16_t type;

	if (len < ETHER_LEN + VLAN_LEN)
		return -EINVAL;
	if (get16(frame + ip_at - 2) == TYPE_VLAN)
		ip_at += VLAN_LEN;
	type = get16(frame + ip_at - 2);
	if (type == TYPE_IPV4)
		ip_len = ipv4_len(frame + ip_at, len - ip_at);
	else if (type == TYPE_IPV6)
		ip_len = ipv6_len(frame + ip_at, len - ip_at);
	if (ip_len == 0)
		return -EINVAL;
	*udp = (struct frame_udp){
		.at = (uint16_t)(ip_at + ip_len),
		.len = get16(frame + ip_at + ip_len + 4),
		.ip_at = (uint16_t)ip_at,
		.is_ipv6 = type == TYPE_IPV6,
	};
	return udp->len >= UDP_LEN && udp->at + udp->len <= len ? 0 : -EINVAL;
}
