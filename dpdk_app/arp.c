// SPDX-License-Identifier: BSD-2-Clause
// ARP: field checks and the two messages there are.
#include "arp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "host_addr.h"

int arp_parse(const uint8_t *bytes, size_t len, struct arp_message *m) {
	static const uint8_t zero[4];
	struct rte_arp_hdr arp;

	if (len < sizeof(arp))
		return -EINVAL;
	memcpy(&arp, bytes, sizeof(arp));
	if (arp.arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
		arp.arp_protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
		arp.arp_hlen != RTE_ETHER_ADDR_LEN || arp.arp_plen != sizeof(m->sender_ip))
		return -EINVAL;
	m->op = rte_be_to_cpu_16(arp.arp_opcode);
	m->sender_mac = arp.arp_data.arp_sha;
	m->target_mac = arp.arp_data.arp_tha;
	memcpy(m->sender_ip, &arp.arp_data.arp_sip, sizeof(m->sender_ip));
	memcpy(m->target_ip, &arp.arp_data.arp_tip, sizeof(m->target_ip));
	if (m->op != RTE_ARP_OP_REQUEST && m->op != RTE_ARP_OP_REPLY)
		return -EINVAL;
	if (!rte_is_valid_assigned_ether_addr(&m->sender_mac))
		return -EINVAL;
	// Only a probe may hide its sender.
	if (m->op == RTE_ARP_OP_REQUEST && memcmp(m->sender_ip, zero, sizeof(zero)) == 0)
		return 0;
	return ipv4_is_host(m->sender_ip) ? 0 : -EINVAL;
}

void arp_write(uint8_t *to, const struct arp_message *m) {
	struct rte_arp_hdr arp = {
		.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		.arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(m->sender_ip),
		.arp_opcode = rte_cpu_to_be_16(m->op),
		.arp_data.arp_sha = m->sender_mac,
		.arp_data.arp_tha = m->target_mac,
	};

	memcpy(&arp.arp_data.arp_sip, m->sender_ip, sizeof(m->sender_ip));
	memcpy(&arp.arp_data.arp_tip, m->target_ip, sizeof(m->target_ip));
	memcpy(to, &arp, sizeof(arp));
}

void arp_reply(struct arp_message *reply, const struct arp_message *request,
	const struct rte_ether_addr *mac) {
	*reply = (struct arp_message){
		.op = RTE_ARP_OP_REPLY,
		.sender_mac = *mac,
		.target_mac = request->sender_mac,
	};
	memcpy(reply->sender_ip, request->target_ip, sizeof(reply->sender_ip));
	memcpy(reply->target_ip, request->sender_ip, sizeof(reply->target_ip));
}

void arp_request(struct arp_message *m, const struct rte_ether_addr *mac,
	const uint8_t sender_ip[4], const uint8_t target_ip[4]) {
	*m = (struct arp_message){.op = RTE_ARP_OP_REQUEST, .sender_mac = *mac};
	memcpy(m->sender_ip, sender_ip, sizeof(m->sender_ip));
	memcpy(m->target_ip, target_ip, sizeof(m->target_ip));
}
