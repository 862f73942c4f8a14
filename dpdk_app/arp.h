// SPDX-License-Identifier: BSD-2-Clause
// ARP messages (RFC 826, RFC 5227) from bytes and to bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_arp.h>
#include <rte_ether.h>

#define ARP_LEN sizeof(struct rte_arp_hdr)

struct arp_message {
	uint16_t op; // RTE_ARP_OP_REQUEST or RTE_ARP_OP_REPLY
	struct rte_ether_addr sender_mac;
	struct rte_ether_addr target_mac; // all zero in a request
	uint8_t sender_ip[4]; // network byte order; 0.0.0.0 in a probe (RFC 5227 1.1)
	uint8_t target_ip[4];
};

// Returns 0, or -EINVAL for what is not a sound Ethernet/IPv4 request or reply.
int arp_parse(const uint8_t *bytes, size_t len, struct arp_message *m);

// Write ARP_LEN bytes.
void arp_write(uint8_t *to, const struct arp_message *m);

// The answer to a request, sent by the owner of the address that was asked for.
void arp_reply(struct arp_message *reply, const struct arp_message *request,
	const struct rte_ether_addr *mac);

// The question for an address. To announce an own one, ask for it (RFC 5227 2.3).
void arp_request(struct arp_message *m, const struct rte_ether_addr *mac,
	const uint8_t sender_ip[4], const uint8_t target_ip[4]);
