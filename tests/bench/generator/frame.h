// SPDX-License-Identifier: BSD-2-Clause
// Where the UDP datagram of an Ethernet frame lies.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UDP_LEN 8

struct frame_udp {
	uint16_t at; // of the UDP header
	uint16_t len; // UDP header included
	uint16_t ip_at;
	bool is_ipv6;
};

// Returns 0, or -EINVAL for what is no whole UDP datagram over IPv4 or IPv6, with one VLAN tag or
// none and no extension header.
int frame_find_udp(const uint8_t *frame, uint32_t len, struct frame_udp *udp);
