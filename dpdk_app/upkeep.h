// SPDX-License-Identifier: BSD-2-Clause
// What the main thread does from time to time: heartbeat, next hops, announcements, device
// counters, ports that wait to be started.
#pragma once

#include <stdint.h>

#include "kernel_hops.h"
#include "neighbour.h"
#include "port.h"
#include "punt.h"
#include "shm_region.h"

struct worker;

// Counters of a device as read last; what they grew by goes to the region.
struct upkeep_device {
	uint64_t n_missed;
	uint64_t n_nombuf;
	uint64_t n_rx_errors;
	uint64_t n_tx_errors;
};

// Something is said for each of a port's addresses, a few at a time, round after round.
struct upkeep_tour {
	uint32_t n_rounds_left;
	uint32_t index; // of the next local address
	uint64_t next_ns;
};

enum upkeep_tour_kind {
	UPKEEP_ANNOUNCE, // gratuitous ARP, unsolicited NA
	UPKEEP_LISTEN, // multicast listener reports
	UPKEEP_TOURS
};

// An address that was added while running, announced some times by itself.
struct upkeep_newcomer {
	uint32_t n_left;
	uint64_t next_ns;
};

struct upkeep {
	const struct rr_config *cfg;
	struct rr_region *region;
	struct port_set *ports;
	struct neighbour_table *neighbours;
	struct punt *punt;
	struct kernel_hops kernel; // next hops of shared ports
	const struct worker *workers; // n_turns is read, with acquire
	uint64_t (*counters)[RR_N_COUNTERS]; // of the main thread
	uint64_t seen_turns[RR_MAX_WORKERS];
	uint64_t due_ns[8]; // by row of the table in upkeep.c
	uint32_t held_mask; // bit per port that waits to be started; the region has a copy to read
	uint64_t release_retry_ns; // not before, after a port refused to start
	struct upkeep_device device[RR_MAX_PORTS];
	struct upkeep_tour tour[RR_MAX_PORTS][UPKEEP_TOURS];
	struct upkeep_newcomer newcomer[RR_MAX_ADDRS];
};

// Start the ports that are not held, and mark the others in the region's header. Returns 0 or a
// negative errno.
int upkeep_ports_start(struct upkeep *u);

// Media to an address that comes or goes: the kernel of a shared port is told whose it is. Returns
// 0, or a negative errno and has changed nothing.
int upkeep_claim(const struct upkeep *u, const struct rr_shm_addr *addr, bool on);

// Tell the link about an address that is new.
void upkeep_announce(struct upkeep *u, uint32_t index);

// Do what is due.
void upkeep_turn(struct upkeep *u, uint64_t now_ns);
