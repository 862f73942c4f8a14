// SPDX-License-Identifier: BSD-2-Clause
// Computing the steering plan, a pure function, and putting it on a device.
#include "steering.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

// Toeplitz input of UDP: addresses, then source port, then destination port, most significant bit
// first. Input bit i, when set, adds key bits i..i+31 to the hash, key bit i+31-j to hash bit j.
// Bit b of the destination port is input bit 95-b (IPv4) or 287-b (IPv6). A key whose only set bit
// is 120 or 312 thus maps port bit b to hash bit 6-b, for b = 0..6, and ignores all else.
#define KEY_BIT_IPV4 120
#define KEY_BIT_IPV6 312
#define HASH_BITS 7

uint16_t steering_queue(const struct steering_input *in, uint32_t worker) {
	return (uint16_t)(worker < in->n_queues ? worker : worker % in->n_queues);
}

static void key_set_bit(struct steering_plan *plan, uint32_t bit) {
	plan->key[bit / 8] = (uint8_t)(1U << (7 - bit % 8));
}

// The low seven bits of the destination port, whose hash is `hash`.
static uint32_t port_of_hash(uint32_t hash) {
	uint32_t port = 0;

	for (uint32_t j = 0; j < HASH_BITS; j++)
		if (hash & (1U << j))
			port |= 1U << (6 - j);
	return port;
}

// A table smaller than the hash sees its low bits only; buckets that share an entry go to the owner
// of one of them.
static void plan_rss(struct steering_plan *plan, const struct steering_input *in) {
	plan->use_rss = true;
	plan->key_len = in->key_len;
	plan->reta_size = in->reta_size;
	key_set_bit(plan, in->ipv4 ? KEY_BIT_IPV4 : KEY_BIT_IPV6);
	for (uint32_t i = 0; i < plan->reta_size; i++) {
		uint32_t bucket = port_of_hash(i % (1U << HASH_BITS)) >> 1;

		plan->reta[i] = steering_queue(in, in->bucket_owner[bucket]);
	}
}

// Buckets are dealt so that often fewer bits than six decide; the fewest that do save rules.
static uint32_t deciding_buckets(const uint8_t bucket_owner[RR_N_BUCKETS]) {
	for (uint32_t n = 1; n < RR_N_BUCKETS; n *= 2) {
		bool decides = true;

		for (uint32_t b = n; b < RR_N_BUCKETS && decides; b++)
			decides = bucket_owner[b] == bucket_owner[b % n];
		if (decides)
			return n;
	}
	return RR_N_BUCKETS;
}

static void plan_rules(
	struct steering_plan *plan, const struct steering_input *in, enum rr_family family) {
	uint32_t n = deciding_buckets(in->bucket_owner);

	for (uint32_t b = 0; b < n; b++)
		plan->rule[plan->n_rules++] = (struct steering_rule){
			.family = (uint8_t)family,
			.port = (uint16_t)(b << 1),
			.port_mask = (uint16_t)((n - 1) << 1),
			.queue = steering_queue(in, in->bucket_owner[b]),
		};
}

void steering_compute(struct steering_plan *plan, const struct steering_input *in) {
	bool key4 = in->rss_udp4 && in->key_len * 8 > KEY_BIT_IPV4;
	bool key6 = in->rss_udp6 && in->key_len * 8 > KEY_BIT_IPV6 && !in->ipv4;
	bool table = in->reta_size > 0 && in->reta_size <= STEERING_RETA_MAX &&
		     in->key_len <= STEERING_KEY_MAX;

	*plan = (struct steering_plan){0};
	if (in->n_queues < in->n_workers)
		plan->n_workers_without_queue = in->n_workers - in->n_queues;
	if (in->n_queues <= 1)
		return;
	key4 = key4 && table && in->ipv4;
	key6 = key6 && table && in->ipv6;
	if (key4 || key6)
		plan_rss(plan, in);
	if (in->ipv4 && !key4)
		plan_rules(plan, in, RR_FAMILY_IPV4);
	if (in->ipv6 && !key6)
		plan_rules(plan, in, RR_FAMILY_IPV6);
}

static bool reta_apply(uint16_t ethdev, const struct steering_plan *plan) {
	struct rte_eth_rss_reta_entry64 reta[STEERING_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	memset(reta, 0, sizeof(reta));
	for (uint32_t i = 0; i < plan->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ULL << (i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = plan->reta[i];
	}
	return rte_eth_dev_rss_reta_update(ethdev, reta, (uint16_t)plan->reta_size) == 0;
}

static bool rule_apply(uint16_t ethdev, const struct steering_rule *rule) {
	struct rte_flow_item_udp spec = {.hdr.dst_port = rte_cpu_to_be_16(rule->port)};
	struct rte_flow_item_udp mask = {.hdr.dst_port = rte_cpu_to_be_16(rule->port_mask)};
	struct rte_flow_action_queue queue = {.index = rule->queue};
	const struct rte_flow_item pattern[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = rule->family == RR_FAMILY_IPV6 ? RTE_FLOW_ITEM_TYPE_IPV6
							: RTE_FLOW_ITEM_TYPE_IPV4},
		{.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &spec, .mask = &mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	const struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_error error;

	return rte_flow_create(ethdev, &attr, pattern, actions, &error) != NULL;
}

uint32_t steering_apply(uint16_t ethdev, const struct steering_plan *plan) {
	uint32_t n = 0;

	if (plan->use_rss && reta_apply(ethdev, plan))
		n++;
	for (uint32_t i = 0; i < plan->n_rules; i++)
		n += rule_apply(ethdev, &plan->rule[i]);
	return n;
}
