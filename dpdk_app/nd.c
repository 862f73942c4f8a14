// SPDX-License-Identifier: BSD-2-Clause
// Neighbour discovery: the checks of RFC 4861 7.1 and the three messages that are sent.
#include "nd.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE 0x20
#define OPTION_SOURCE_MAC 1
#define OPTION_TARGET_MAC 2

static const uint8_t unspecified[16];
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

// The part of both messages before the options.
struct nd_header {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint8_t flags;
	uint8_t reserved[3];
	uint8_t target[16];
};

struct nd_mac_option {
	uint8_t type;
	uint8_t n_units; // of eight bytes
	uint8_t mac[RTE_ETHER_ADDR_LEN];
};

static bool is_multicast(const uint8_t addr[16]) {
	return addr[0] == 0xff;
}

void nd_solicited_node(const uint8_t addr[16], uint8_t group[16]) {
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

	memcpy(group, prefix, sizeof(prefix));
	memcpy(group + 13, addr + 13, 3);
}

void nd_group_mac(const uint8_t group[16], struct rte_ether_addr *mac) {
	mac->addr_bytes[0] = 0x33;
	mac->addr_bytes[1] = 0x33;
	memcpy(mac->addr_bytes + 2, group + 12, 4);
}

// Walk all options: each must be whole and have a length. A link-layer address counts when it is
// one of a station.
static int options_parse(const uint8_t *bytes, size_t len, struct nd_message *m) {
	uint8_t wanted = m->type == ND_SOLICITATION ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;

	while (len > 0) {
		size_t size = len < 2 ? 0 : bytes[1] * 8U;

		if (size == 0 || size > len)
			return -EINVAL;
		if (bytes[0] == wanted && size == sizeof(struct nd_mac_option)) {
			memcpy(m->mac.addr_bytes, bytes + 2, RTE_ETHER_ADDR_LEN);
			m->has_mac = rte_is_valid_assigned_ether_addr(&m->mac);
			if (!m->has_mac)
				return -EINVAL;
		}
		bytes += size;
		len -= size;
	}
	return 0;
}

// RFC 4861 7.1.1. A sender without an address asks its question to the group and names no MAC.
static int solicitation_check(const struct nd_message *m) {
	uint8_t group[16];

	if (memcmp(m->src, unspecified, sizeof(m->src)) != 0)
		return 0;
	nd_solicited_node(m->target, group);
	return memcmp(m->dst, group, sizeof(group)) == 0 && !m->has_mac ? 0 : -EINVAL;
}

// RFC 4861 7.1.2.
static int advertisement_check(const struct nd_message *m) {
	if (memcmp(m->src, unspecified, sizeof(m->src)) == 0)
		return -EINVAL;
	return is_multicast(m->dst) && m->solicited ? -EINVAL : 0;
}

// Length and checksum of the ICMPv6 message behind the fixed header.
static int envelope_check(const uint8_t *ipv6, size_t len) {
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)ipv6;
	size_t payload = rte_be_to_cpu_16(ip->payload_len);

	if (ip->hop_limits != ND_HOP_LIMIT || payload < sizeof(struct nd_header) ||
		payload > len - sizeof(*ip))
		return -EINVAL;
	return rte_ipv6_udptcp_cksum(ip, ip + 1) == 0 ? 0 : -EINVAL;
}

int nd_parse(const uint8_t *ipv6, size_t len, struct nd_message *m) {
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)ipv6;
	const struct nd_header *nd = (const struct nd_header *)(ip + 1);
	int ret;

	if (len < sizeof(*ip) + 1 || ip->proto != IPPROTO_ICMPV6)
		return -ENOTSUP;
	if (nd->type != ND_SOLICITATION && nd->type != ND_ADVERTISEMENT)
		return -ENOTSUP;
	ret = envelope_check(ipv6, len);
	if (ret < 0)
		return ret;
	*m = (struct nd_message){
		.type = nd->type,
		.solicited = nd->flags & FLAG_SOLICITED,
		.override = nd->flags & FLAG_OVERRIDE,
	};
	memcpy(m->src, ip->src_addr, sizeof(m->src));
	memcpy(m->dst, ip->dst_addr, sizeof(m->dst));
	memcpy(m->target, nd->target, sizeof(m->target));
	if (nd->code != 0 || is_multicast(m->target) || is_multicast(m->src))
		return -EINVAL;
	ret = options_parse(
		(const uint8_t *)(nd + 1), rte_be_to_cpu_16(ip->payload_len) - sizeof(*nd), m);
	if (ret < 0)
		return ret;
	return m->type == ND_SOLICITATION ? solicitation_check(m) : advertisement_check(m);
}

void nd_write(uint8_t *to, const struct nd_message *m) {
	bool asks = m->type == ND_SOLICITATION;
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)to;
	struct nd_header *nd = (struct nd_header *)(ip + 1);
	struct nd_mac_option *option = (struct nd_mac_option *)(nd + 1);

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = rte_cpu_to_be_32(6U << 28),
		.payload_len = rte_cpu_to_be_16(sizeof(*nd) + sizeof(*option)),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = ND_HOP_LIMIT,
	};
	memcpy(ip->src_addr, m->src, sizeof(m->src));
	memcpy(ip->dst_addr, m->dst, sizeof(m->dst));
	*nd = (struct nd_header){.type = m->type};
	if (!asks)
		nd->flags = (uint8_t)((m->solicited ? FLAG_SOLICITED : 0) |
				      (m->override ? FLAG_OVERRIDE : 0));
	memcpy(nd->target, m->target, sizeof(m->target));
	option->type = asks ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;
	option->n_units = sizeof(*option) / 8;
	memcpy(option->mac, m->mac.addr_bytes, sizeof(option->mac));
	nd->checksum = rte_ipv6_udptcp_cksum(ip, nd);
}

void nd_answer(struct nd_message *answer, const struct nd_message *solicitation,
	const struct rte_ether_addr *mac) {
	bool detection = memcmp(solicitation->src, unspecified, sizeof(unspecified)) == 0;

	*answer = (struct nd_message){
		.type = ND_ADVERTISEMENT,
		.solicited = !detection,
		.override = true,
		.mac = *mac,
	};
	memcpy(answer->src, solicitation->target, sizeof(answer->src));
	memcpy(answer->dst, detection ? all_nodes : solicitation->src, sizeof(answer->dst));
	memcpy(answer->target, solicitation->target, sizeof(answer->target));
}

void nd_announce(struct nd_message *m, const uint8_t addr[16], const struct rte_ether_addr *mac) {
	*m = (struct nd_message){.type = ND_ADVERTISEMENT, .override = true, .mac = *mac};
	memcpy(m->src, addr, sizeof(m->src));
	memcpy(m->dst, all_nodes, sizeof(m->dst));
	memcpy(m->target, addr, sizeof(m->target));
}

void nd_solicit(struct nd_message *m, const uint8_t src[16], const uint8_t target[16],
	const struct rte_ether_addr *mac, bool unicast) {
	*m = (struct nd_message){.type = ND_SOLICITATION, .mac = *mac};
	memcpy(m->src, src, sizeof(m->src));
	memcpy(m->target, target, sizeof(m->target));
	if (unicast)
		memcpy(m->dst, target, sizeof(m->dst));
	else
		nd_solicited_node(target, m->dst);
}
