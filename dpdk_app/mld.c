// SPDX-License-Identifier: BSD-2-Clause
// The one MLDv2 report that is sent.
#include "mld.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#define REPORT_TYPE 143 // RFC 3810 5.2
#define MODE_IS_EXCLUDE 2 // of no source: everything is wanted

static const uint8_t all_routers[16] = {0xff, 0x02, [15] = 0x16};

// Next header, length, router alert for MLD (RFC 2711), padding to eight bytes.
static const uint8_t hop_by_hop[8] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};

struct mld_report {
	uint8_t type;
	uint8_t reserved0;
	uint16_t checksum;
	uint16_t reserved1;
	uint16_t n_records_be;
	uint8_t record_type;
	uint8_t aux_len;
	uint16_t n_sources_be;
	uint8_t group[16];
};

void mld_report_mac(struct rte_ether_addr *mac) {
	*mac = (struct rte_ether_addr){{0x33, 0x33, 0, 0, 0, 0x16}};
}

void mld_report_write(uint8_t *to, const uint8_t group[16]) {
	struct mld_report report = {
		.type = REPORT_TYPE,
		.n_records_be = rte_cpu_to_be_16(1),
		.record_type = MODE_IS_EXCLUDE,
	};
	struct rte_ipv6_hdr ip = {
		.vtc_flow = rte_cpu_to_be_32(6U << 28),
		.payload_len = rte_cpu_to_be_16(sizeof(report)),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = 1,
	};

	memcpy(report.group, group, sizeof(report.group));
	memcpy(ip.dst_addr, all_routers, sizeof(ip.dst_addr));
	// The pseudo header knows neither the options nor their length.
	report.checksum = rte_ipv6_udptcp_cksum(&ip, &report);
	ip.payload_len = rte_cpu_to_be_16(sizeof(hop_by_hop) + sizeof(report));
	ip.proto = IPPROTO_HOPOPTS;
	memcpy(to, &ip, sizeof(ip));
	memcpy(to + sizeof(ip), hop_by_hop, sizeof(hop_by_hop));
	memcpy(to + sizeof(ip) + sizeof(hop_by_hop), &report, sizeof(report));
}
