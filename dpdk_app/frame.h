// SPDX-License-Identifier: BSD-2-Clause
// The Ethernet header of frames that the slow path makes, with or without a VLAN tag.
#pragma once

#include <stdint.h>

#include <rte_ether.h>

#define FRAME_L2_MAX (sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr))

struct frame_l2 {
	struct rte_ether_addr dst;
	struct rte_ether_addr src;
	uint16_t vlan; // 0: untagged
	uint16_t ether_type;
};

// Returns the bytes written, at most FRAME_L2_MAX.
static inline uint32_t frame_l2_write(uint8_t *to, const struct frame_l2 *l2) {
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)to;
	struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);

	eth->dst_addr = l2->dst;
	eth->src_addr = l2->src;
	if (l2->vlan == 0) {
		eth->ether_type = rte_cpu_to_be_16(l2->ether_type);
		return sizeof(*eth);
	}
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
	tag->vlan_tci = rte_cpu_to_be_16(l2->vlan);
	tag->eth_proto = rte_cpu_to_be_16(l2->ether_type);
	return sizeof(*eth) + sizeof(*tag);
}
