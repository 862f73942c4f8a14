// SPDX-License-Identifier: BSD-2-Clause
// The steering plan against DPDK's own Toeplitz: whatever the addresses and the source port, a
// packet's queue is that of the worker that owns its destination port's bucket.
//
// Not covered: any real device's idea of the same.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

extern "C" {
#include <rte_thash.h>

#include "steering.h"
}

namespace {

struct Device {
	uint8_t owner[RR_N_BUCKETS];
	steering_input in = {};

	explicit Device(uint32_t n_workers, uint32_t n_queues) {
		for (uint32_t b = 0; b < RR_N_BUCKETS; b++)
			owner[b] = (uint8_t)(b % n_workers);
		in.bucket_owner = owner;
		in.n_workers = n_workers;
		in.n_queues = n_queues;
		in.key_len = 40;
		in.reta_size = 128;
		in.rss_udp4 = in.rss_udp6 = true;
		in.ipv4 = true;
	}

	steering_plan plan() const {
		steering_plan p;

		steering_compute(&p, &in);
		return p;
	}

	uint32_t owner_of(uint16_t port) const {
		return owner[(port >> 1) % RR_N_BUCKETS];
	}
};

std::mt19937 rng(1);

// n_addr_words: 2 for IPv4, 8 for IPv6. The tuple in host order, as rte_softrss wants it.
uint32_t hash_of(const steering_plan &plan, uint32_t n_addr_words, uint16_t dst_port) {
	uint32_t tuple[9];

	for (uint32_t i = 0; i < n_addr_words; i++)
		tuple[i] = rng();
	tuple[n_addr_words] = rng() << 16 | dst_port;
	return rte_softrss(tuple, n_addr_words + 1, plan.key);
}

TEST(Steering, Ipv4PortDecidesAlone) {
	for (uint32_t n_workers : {2u, 3u, 4u, 7u, 32u})
		for (uint32_t reta_size : {64u, 128u, 512u, 2048u}) {
			Device d(n_workers, n_workers);

			d.in.reta_size = reta_size;
			steering_plan plan = d.plan();
			ASSERT_TRUE(plan.use_rss);
			ASSERT_EQ(0u, plan.n_rules);
			ASSERT_EQ(reta_size, plan.reta_size);
			for (int i = 0; i < 2000; i++) {
				uint16_t port = (uint16_t)rng();
				uint32_t entry = hash_of(plan, 2, port) % plan.reta_size;

				ASSERT_EQ(d.owner_of(port), plan.reta[entry]) << n_workers << port;
			}
		}
}

TEST(Steering, Ipv6AlonePortDecides) {
	Device d(4, 4);

	d.in.ipv4 = false;
	d.in.ipv6 = true;
	steering_plan plan = d.plan();
	ASSERT_TRUE(plan.use_rss);
	EXPECT_EQ(0u, plan.n_rules);
	for (int i = 0; i < 2000; i++) {
		uint16_t port = (uint16_t)rng();

		ASSERT_EQ(d.owner_of(port), plan.reta[hash_of(plan, 8, port) % plan.reta_size]);
	}
}

// Which rule a device would take: every packet must match exactly one.
int rule_queue(const steering_plan &plan, uint8_t family, uint16_t port) {
	int queue = -1;

	for (uint32_t i = 0; i < plan.n_rules; i++) {
		const steering_rule &r = plan.rule[i];

		if (r.family != family || (port & r.port_mask) != r.port)
			continue;
		EXPECT_EQ(-1, queue) << port;
		queue = r.queue;
	}
	return queue;
}

TEST(Steering, BothFamiliesNeedRulesForIpv6) {
	for (uint32_t n_workers : {2u, 3u, 8u}) {
		Device d(n_workers, n_workers);

		d.in.ipv6 = true;
		steering_plan plan = d.plan();
		EXPECT_TRUE(plan.use_rss);
		for (uint32_t port = 0; port < 65536; port += 7) {
			EXPECT_EQ(-1, rule_queue(plan, RR_FAMILY_IPV4, (uint16_t)port));
			EXPECT_EQ((int)d.owner_of((uint16_t)port),
				rule_queue(plan, RR_FAMILY_IPV6, (uint16_t)port));
		}
	}
}

TEST(Steering, FewestRulesThatDecide) {
	Device two(2, 2), three(3, 3);

	two.in.key_len = three.in.key_len = 0;
	EXPECT_EQ(2u, two.plan().n_rules);
	EXPECT_EQ(64u, three.plan().n_rules);
	EXPECT_FALSE(two.plan().use_rss);
}

// Devices take a table of their own size and no other.
TEST(Steering, TableThatIsTooLarge) {
	Device d(2, 2);

	d.in.reta_size = STEERING_RETA_MAX + 1;
	EXPECT_FALSE(d.plan().use_rss);
	EXPECT_EQ(2u, d.plan().n_rules);
}

TEST(Steering, OddBucketTablesAreFollowed) {
	Device d(2, 2);

	std::memset(d.owner, 0, sizeof(d.owner));
	d.owner[63] = 1;
	steering_plan plan = d.plan();
	for (uint32_t port = 0; port < 65536; port++)
		ASSERT_EQ(d.owner_of((uint16_t)port),
			plan.reta[hash_of(plan, 2, (uint16_t)port) % plan.reta_size]);
}

TEST(Steering, FewerQueuesThanWorkersAreShared) {
	Device d(4, 2);
	steering_plan plan = d.plan();

	EXPECT_EQ(2u, plan.n_workers_without_queue);
	for (uint32_t i = 0; i < plan.reta_size; i++)
		EXPECT_GT(2u, plan.reta[i]);
	for (uint32_t w = 0; w < 4; w++)
		EXPECT_EQ(w % 2, steering_queue(&d.in, w));
}

TEST(Steering, OneQueueOrNoMeansNeedsNothing) {
	Device one(2, 1), poor(2, 2), huge(2, 2);

	EXPECT_FALSE(one.plan().use_rss);
	EXPECT_EQ(0u, one.plan().n_rules);
	poor.in.reta_size = 0;
	EXPECT_FALSE(poor.plan().use_rss);
	huge.in.key_len = 255; // beyond what the plan can hold
	EXPECT_FALSE(huge.plan().use_rss);
}

TEST(Steering, KeyIsLongEnoughOrNotUsed) {
	Device d(2, 2);

	d.in.ipv4 = false;
	d.in.ipv6 = true;
	d.in.key_len = 39;
	EXPECT_FALSE(d.plan().use_rss);
	EXPECT_EQ(2u, d.plan().n_rules);
	d.in.key_len = 52;
	EXPECT_TRUE(d.plan().use_rss);
	EXPECT_EQ(52u, d.plan().key_len);
}

} // namespace
