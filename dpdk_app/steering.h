// SPDX-License-Identifier: BSD-2-Clause
// The plan by which a device puts a packet on the queue of the worker that owns its port bucket.
//
// For IPv4, RSS with a Toeplitz key of a single set bit: the hash's low bits are then the bits of
// the destination port that name the bucket, in reverse order, and nothing else of the packet; the
// redirection table maps each to its owner's queue. The same bit lies inside the addresses of an
// IPv6 packet, so a port that speaks both families needs flow rules for IPv6, matched on the
// destination port. What a device cannot do arrives on the wrong worker, which hands it over.
//
// State of drivers: the plan is unit-tested, and no device that takes one has been run.
//	net_i40e, net_ice, net_iavf, net_ixgbe, mlx5   key, table and rules as planned; never run
//	net_virtio, net_ena, gve                       fixed or absent key: handoff does the work
//	others (net_af_packet, net_af_xdp, net_memif ...)   no steering: handoff does the work
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shm_layout.h"

#define STEERING_KEY_MAX 64
#define STEERING_RETA_MAX 2048 // a device takes a table of its own size; net_ice has this one
#define STEERING_RULES_MAX (2 * RR_N_BUCKETS)

struct steering_input {
	const uint8_t *bucket_owner; // RR_N_BUCKETS workers
	uint32_t n_workers;
	uint32_t n_queues; // queue q is polled by worker q % n_workers
	uint32_t key_len; // bytes; 0: the device has no RSS key
	uint32_t reta_size; // entries; 0: the device has no redirection table
	bool rss_udp4; // RSS over addresses and UDP ports
	bool rss_udp6;
	bool ipv4; // families that the port's realms speak
	bool ipv6;
};

// Match on the UDP destination port.
struct steering_rule {
	uint8_t family; // enum rr_family
	uint16_t port; // host order
	uint16_t port_mask;
	uint16_t queue;
};

struct steering_plan {
	bool use_rss;
	uint32_t key_len;
	uint8_t key[STEERING_KEY_MAX];
	uint32_t reta_size;
	uint16_t reta[STEERING_RETA_MAX];
	uint32_t n_rules; // wanted for the families that RSS does not place
	struct steering_rule rule[STEERING_RULES_MAX];
	uint32_t n_workers_without_queue; // they receive by handoff alone
};

void steering_compute(struct steering_plan *plan, const struct steering_input *in);

// The lowest queue that this worker polls, or one of another worker when it has none.
uint16_t steering_queue(const struct steering_input *in, uint32_t worker);

// Put the redirection table (counted as one) and the rules on a started device. Returns how many it
// took; what it refuses is left to handoff.
uint32_t steering_apply(uint16_t ethdev, const struct steering_plan *plan);
