// SPDX-License-Identifier: BSD-2-Clause
// The slow path: what is not media goes from the workers to the main thread, which answers ARP, ND
// and echo for the pool addresses, learns next hops, and sends through worker 0.
//
// Rings: one from each worker to the main thread, one from the main thread to worker 0; one
// producer and one consumer each. Accounts of the main thread stand in the region's last worker
// block.
#pragma once

#include <stdint.h>

#include "addr_table.h"
#include "icmp.h"
#include "neighbour.h"
#include "pkt.h"
#include "port.h"

#define PUNT_RING 1024 // packets from one worker
#define PUNT_INJECT_RING 4096 // frames to worker 0
#define PUNT_ECHO_PER_S 2000 // echo requests answered a second
#define PUNT_ECHO_BURST 200

struct rte_ring;

// The main thread's side.
struct punt {
	const struct rr_config *cfg;
	const struct addr_table *addrs;
	const struct port_set *ports;
	struct neighbour_table *neighbours;
	uint64_t (*counters)[RR_N_COUNTERS]; // of the main thread
	uint32_t n_workers;
	struct rte_ring *in[RR_MAX_WORKERS];
	struct rte_ring *inject;
	struct token_bucket echo;
};

// The rings; the other fields are the caller's to fill before.
int punt_open(struct punt *punt, uint64_t now_ns);
void punt_close(struct punt *punt);

// Worker: pass on the burst's `punted` list. What finds the ring full is drop_punt_full.
void punt_send(struct rte_ring *ring, struct burst *b);

// Main: handle what waits, a bounded number. Returns how many.
uint32_t punt_poll(struct punt *punt, uint64_t now_ns);

// Main: send ARP or ND for an address of the realm (see neighbour_tick); ctx is a struct punt.
bool punt_probe(void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac);

// Main: tell the link that local address `index` lives here.
void punt_announce(struct punt *punt, uint32_t index);

// Main: tell switches that the address's solicited-node group is wanted here. Nothing for IPv4.
void punt_listen(struct punt *punt, uint32_t index);
