// SPDX-License-Identifier: BSD-2-Clause
// Echo replies in place, and the token bucket before them.
#include "icmp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "clock.h"
#include "host_addr.h"

#define ECHO6_REQUEST 128
#define ECHO6_REPLY 129
#define REPLY_HOPS 64 // RFC 1700, default TTL

// Room of the ICMP message inside an IPv4 packet, 0 when the lengths contradict each other.
static size_t icmp4_len(const struct rte_ipv4_hdr *ip, size_t len) {
	size_t header = rte_ipv4_hdr_len(ip);
	size_t total = rte_be_to_cpu_16(ip->total_length);

	if (header < sizeof(*ip) || total > len || total < header + sizeof(struct rte_icmp_hdr))
		return 0;
	return total - header;
}

// Options are not sent back: the header is padded with end-of-list, so that the length stays.
static void ip4_turn_round(struct rte_ipv4_hdr *ip) {
	rte_be32_t src = ip->src_addr;

	ip->src_addr = ip->dst_addr;
	ip->dst_addr = src;
	ip->time_to_live = REPLY_HOPS;
	ip->packet_id = 0;
	ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG); // RFC 6864 4.1
	memset(ip + 1, 0, rte_ipv4_hdr_len(ip) - sizeof(*ip));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, rte_ipv4_hdr_len(ip));
}

int icmp4_echo_reply(uint8_t *bytes, size_t len) {
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)bytes;
	struct rte_icmp_hdr *icmp;
	size_t icmp_len;

	if (len < sizeof(*ip) || ip->next_proto_id != IPPROTO_ICMP)
		return -ENOTSUP;
	icmp_len = icmp4_len(ip, len);
	if (icmp_len == 0)
		return -EINVAL;
	icmp = (struct rte_icmp_hdr *)(bytes + rte_ipv4_hdr_len(ip));
	if (rte_raw_cksum(icmp, icmp_len) != 0xffff)
		return -EINVAL;
	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0 ||
		!ipv4_is_host((const uint8_t *)&ip->src_addr) ||
		!ipv4_is_host((const uint8_t *)&ip->dst_addr))
		return -ENOTSUP;
	ip4_turn_round(ip);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, icmp_len);
	return 0;
}

int icmp6_echo_reply(uint8_t *bytes, size_t len) {
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)bytes;
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(ip + 1); // same first eight bytes
	size_t payload;
	uint8_t src[16];

	if (len < sizeof(*ip) || ip->proto != IPPROTO_ICMPV6)
		return -ENOTSUP;
	payload = rte_be_to_cpu_16(ip->payload_len);
	if (payload < sizeof(*icmp) || payload > len - sizeof(*ip) ||
		rte_ipv6_udptcp_cksum(ip, icmp) != 0)
		return -EINVAL;
	if (icmp->icmp_type != ECHO6_REQUEST || icmp->icmp_code != 0 ||
		!ipv6_is_host(ip->src_addr) || !ipv6_is_host(ip->dst_addr))
		return -ENOTSUP;
	memcpy(src, ip->src_addr, sizeof(src));
	memcpy(ip->src_addr, ip->dst_addr, sizeof(src));
	memcpy(ip->dst_addr, src, sizeof(src));
	ip->hop_limits = REPLY_HOPS;
	icmp->icmp_type = ECHO6_REPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = rte_ipv6_udptcp_cksum(ip, icmp);
	return 0;
}

void token_bucket_init(
	struct token_bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_ns) {
	*b = (struct token_bucket){
		.rate_per_s = rate_per_s,
		.burst = burst,
		.tokens_ns = burst * (RR_NS_PER_S / rate_per_s),
		.last_ns = now_ns,
	};
}

int token_bucket_take(struct token_bucket *b, uint64_t now_ns) {
	uint64_t price_ns = RR_NS_PER_S / b->rate_per_s;
	uint64_t full_ns = b->burst * price_ns;
	uint64_t passed_ns = now_ns - b->last_ns;

	b->last_ns = now_ns;
	b->tokens_ns = passed_ns >= full_ns - b->tokens_ns ? full_ns : b->tokens_ns + passed_ns;
	if (b->tokens_ns < price_ns)
		return 0;
	b->tokens_ns -= price_ns;
	return 1;
}
