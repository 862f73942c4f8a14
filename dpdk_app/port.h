// SPDX-License-Identifier: BSD-2-Clause
// Ethernet devices: queues, offloads, MTU, start and stop, from the configuration.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_ether.h>

#include "atomic.h"
#include "config.h"
#include "shared_port.h"

struct rte_mempool;
struct steering_plan;

enum port_link {
	PORT_LINK_UNKNOWN, // not looked at since the start
	PORT_LINK_DOWN,
	PORT_LINK_UP,
};

struct port {
	const struct rr_port_config *cfg;
	uint16_t id; // ethdev
	uint16_t n_rx; // queue q is polled by worker q % n_workers
	uint16_t n_tx; // one a worker
	uint32_t mtu; // bytes of IP packet
	struct rte_ether_addr mac;
	enum rr_checksum_mode checksum; // how UDP checksums are written; never RR_CHECKSUM_AUTO
	bool partial_checksums; // as in struct port_driver
	enum port_link link; // as told last
	struct steering_plan *plan; // NULL while the port is not configured
	struct shared_port shared; // of a port in mode shared
	// Writer: main, with release; readers: workers, with acquire.
	uint32_t started; // takes what is sent
	uint32_t polled; // and is asked for what it received
};

// Indexed as the configuration's ports, as counters and realms are.
struct port_set {
	uint32_t n;
	struct port port[RR_MAX_PORTS];
	struct rte_mempool *pool; // every packet buffer of the process
};

// Make the buffer pool and configure every device of the configuration, without starting one.
// bucket_owner: RR_N_BUCKETS workers. Returns 0 or a negative errno, having said why.
int port_set_open(struct port_set *set, const struct rr_config *cfg, const uint8_t *bucket_owner);

// Start one device; workers may then send by it. Its link may take a while longer: nobody waits for
// it, port_link_watch() tells of it.
int port_start(struct port *port, const struct addr_table *addrs);

// Let workers poll all devices that were started. Called when every device of a group is started,
// so that nothing is received that is to leave by one of them and cannot.
void port_set_poll(struct port_set *set);

// Log when the link of a started device went up or down since the last call. True when it went up;
// a device that tells nothing of its link is taken as up.
bool port_link_watch(struct port *port);

// Stop what was started, close all.
void port_set_close(struct port_set *set);

static inline bool port_is_started(const struct port *port) {
	return rr_load_acquire(&port->started); // pairs with the release in port_start
}

static inline bool port_is_polled(const struct port *port) {
	return rr_load_acquire(&port->polled); // pairs with the release in port_set_poll
}

// What a driver needs that its device information does not tell.
struct port_driver {
	const char *name;
	bool partial_checksums; // packets of local kernel senders arrive with half a checksum
	bool all_queues; // queues exist whether they are polled or not
	const char *tx_queues_hint; // how to get more transmit queues
};
const struct port_driver *port_driver_find(const char *name);

// What `wanted` becomes on a device. Returns 0, or -ENOTSUP for an offload that it does not have.
int port_checksum_mode(enum rr_checksum_mode wanted, bool can_offload, enum rr_checksum_mode *mode);
