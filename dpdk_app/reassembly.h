// SPDX-License-Identifier: BSD-2-Clause
// Datagrams that wait for their fragments, within bounds of number, share and time.
//
// Only a datagram's first fragment has its ports, so that all of them meet at a worker chosen by
// what each of them has: a hash of source, destination and identification. That worker keeps them,
// and takes the whole datagram in as if it had just come; the way to its flow's owner goes on from
// there. Fragments that wait count as held.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ip_frag.h>

#include "fragment_set.h"
#include "pkt.h"

#define REASSEMBLY_SOURCES 1024 // places; sources that share one share their limit

struct datagram;
TAILQ_HEAD(datagram_age, datagram);
LIST_HEAD(datagram_chain, datagram);

struct reassembly_setup {
	uint64_t (*counters)[RR_N_COUNTERS]; // of this worker
	uint32_t worker;
	uint32_t n_workers;
	uint32_t seed; // random, the same for all workers
	uint32_t n_datagrams; // that may wait
	uint32_t n_per_source; // of them, of one source
	uint64_t lifetime_ns;
};

// One a worker.
struct reassembly {
	struct reassembly_setup setup;
	struct datagram *datagrams;
	struct datagram_chain *chains; // by hash
	uint32_t chain_mask;
	struct datagram_age waiting; // oldest first
	struct datagram_age unused;
	uint16_t n_of_source[REASSEMBLY_SOURCES];
	struct rte_ip_frag_tbl *joiner; // empty but while one datagram is put together
	struct rte_ip_frag_death_row dead;
	uint32_t n_ready;
	// whole datagrams, to be taken in; m->port is the configuration's index, as in
	// packet_ring.h
	struct rte_mbuf *ready[BURST_MAX];
};

// Returns 0 or -ENOMEM.
int reassembly_init(struct reassembly *r, const struct reassembly_setup *setup);

// Free what waits; it stays counted as held.
void reassembly_fini(struct reassembly *r);

// See to the burst's fragments: each is handed to the worker that collects its datagram, kept or
// dropped. A datagram that became whole is in `ready`; the caller empties that every time.
void reassembly_burst(struct reassembly *r, struct burst *b);

// Give up what waits for too long. Returns the number of datagrams.
uint32_t reassembly_expire(struct reassembly *r, uint64_t now_ns);
