// SPDX-License-Identifier: BSD-2-Clause
// Next hops of shared ports: the main thread asks the kernel for routes and neighbours and follows
// what it says of them. It never asks the network itself.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "neighbour.h"
#include "port.h"

struct mnl_socket;

// An address of a realm and family that the kernel has.
struct kernel_source {
	uint32_t index; // ADDR_NONE: not known
	uint64_t look_ns; // then it is looked for, not before
};

struct kernel_hops {
	const struct rr_config *cfg;
	const struct port_set *ports;
	struct neighbour_table *neighbours;
	struct mnl_socket *ask; // questions, each answered before the call returns
	struct mnl_socket *news; // what changed, unasked
	struct kernel_source source[RR_MAX_REALMS][2]; // IPv4, IPv6
	uint32_t seq; // of the last question
	bool ask_again; // something changed that may concern every destination
	uint64_t ask_again_ns; // not before
};

// Nothing is opened where no port is shared. Returns 0 or a negative errno, having said why.
int kernel_hops_open(struct kernel_hops *k, const struct rr_config *cfg,
	const struct port_set *ports, struct neighbour_table *neighbours);
void kernel_hops_close(struct kernel_hops *k);

// Ask the kernel for the next hop of a destination, and have it resolve what it does not know. As
// neighbour_probe_fn; ctx is a struct kernel_hops.
bool kernel_hops_probe(
	void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac);

// Take what the kernel said since, a bounded number of messages.
void kernel_hops_poll(struct kernel_hops *k, uint64_t now_ns);
