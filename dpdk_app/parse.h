// SPDX-License-Identifier: BSD-2-Clause
// Stage: Ethernet, VLAN, IPv4, IPv6 and UDP headers into the packet's view, or a named drop.
//
// Survivors are UDP datagrams to a local address and a port of the media range; their flow's lines
// are being prefetched. Fragments of UDP datagrams to a local address leave by a side door. ARP and
// ICMP, ICMPv6 to a local address (ND also to its multicast groups) are punted. Their mbufs carry
// l2_len, since the view does not travel with them.
#pragma once

#include <stdint.h>

#include "addr_table.h"
#include "pkt.h"

// Constant while workers run; one for all of them.
struct parse {
	const struct addr_table *addrs;
	const struct rr_flow *flows; // prefetched, never read
	uint32_t media_port_min;
	uint32_t n_media_ports;
	uint64_t mac[RR_MAX_PORTS]; // own MAC address of each port, in the first six bytes
	bool shared[RR_MAX_PORTS]; // what is not media on this port is the kernel's
	bool is_wide; // eight frames at a time, see parse_wide.h
};

// A frame as bytes. `data` holds the first n_contiguous bytes of a frame that is len bytes long.
struct parse_frame {
	const uint8_t *data;
	uint32_t n_contiguous;
	uint32_t len;
	uint64_t offload; // what the device says, RTE_MBUF_F_RX_*
	uint16_t vlan; // VLAN that the device stripped, if any
	uint8_t port; // Ethernet port of arrival
};

// What becomes of a frame: one of these, or the enum rr_counter to drop it under.
enum parse_verdict {
	PARSE_MEDIA = -1,
	PARSE_PUNT = -2,
	PARSE_FRAGMENT = -3,
};

// The whole of the parser: a total function of the bytes. Fills the view's parse fields but m and
// udp; the UDP header stands l2_len + l3_len behind the start. ip_end receives the length of the
// frame without trailing padding, 0 where it is no IP packet.
int parse_frame(
	const struct parse *c, const struct parse_frame *f, struct pkt *p, uint32_t *ip_end);

uint32_t parse_burst(const struct parse *c, struct burst *b);
