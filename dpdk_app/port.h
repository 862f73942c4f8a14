// SPDX-License-Identifier: BSD-2-Clause
// Ethernet devices: queues, offloads, MTU, start and stop, from the configuration.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_ether.h>

#include "config.h"

struct rte_mempool;

struct port {
	const struct rr_port_config *cfg;
	uint16_t id;   // ethdev
	uint16_t n_rx; // queue q is polled by worker q % n_workers
	uint16_t n_tx; // one a worker
	uint32_t mtu;  // bytes of IP packet
	struct rte_ether_addr mac;
	enum rr_checksum_mode checksum; // how UDP checksums are written; never RR_CHECKSUM_AUTO
	bool rx_udp_checksum;           // the device tells whether a UDP checksum is right
	uint32_t started; // writer: main, with release; readers: workers, with acquire
};

// Indexed as the configuration's ports, as counters and realms are.
struct port_set {
	uint32_t n;
	struct port port[RR_MAX_PORTS];
	uint8_t index_of[RTE_MAX_ETHPORTS]; // ethdev id -> index
};
