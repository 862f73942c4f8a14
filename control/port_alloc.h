// SPDX-License-Identifier: BSD-2-Clause
// Media port pairs of the local addresses: taken at random in O(1), resting after release.
//
// A pair is an even RTP port and the odd RTCP port after it, named by the even one. Each pair is
// free, resting or taken. Free pairs of one address and owner worker stand in an array from which
// a random one is taken by swap-remove. A released pair rests before it is free again; when
// nothing else is left the pair that has rested longest is used, and counted. Nothing here survives
// the process: at start every pair of a recovered call is taken again by port_alloc_take_specific,
// and port_rest.c lets rest what may still be sent to.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define PORT_ALLOC_ANY_WORKER UINT32_MAX

struct port_alloc;

struct port_alloc_params {
	uint32_t n_addrs; // to begin with
	uint32_t port_min; // even; first RTP port
	uint32_t port_max; // last port that may be used
	const uint8_t *bucket_owner; // worker of each of RR_N_BUCKETS buckets; NULL = all worker 0
	uint64_t rest_ns; // 0: a released pair is free at once
	bool sequential; // ascending with wrap-around, as rtpproxy -b
	// Random 32-bit numbers; NULL = the kernel's random source.
	uint32_t (*random32)(void *arg);
	void *random_arg;
};

// Pairs of one address by state, and what happened so far.
struct port_alloc_stats {
	uint32_t n_pairs;
	uint32_t n_free; // rested pairs that nobody has taken over yet count as resting
	uint32_t n_resting;
	uint32_t n_taken;
	uint64_t n_taken_early; // taken before their rest was over, because nothing else was left
	uint64_t n_refused; // asked for when every pair was taken
};

// Returns 0, -EINVAL (no address, no pair) or -ENOMEM.
int port_alloc_new(struct port_alloc **pa, const struct port_alloc_params *params);
void port_alloc_free(struct port_alloc *pa);

// An address more, with every pair free; nothing happens when it is there. Returns 0, -ERANGE or
// -ENOMEM.
int port_alloc_add(struct port_alloc *pa, uint32_t addr);
// And one less. Whoever has a pair of it cannot give it back.
void port_alloc_remove(struct port_alloc *pa, uint32_t addr);

// Take a pair of address `addr`, preferably one whose packets reach `worker`. Returns 0 and the
// even port, -ENOSPC when every pair is taken, -ERANGE for an address that does not exist.
int port_alloc_take(
	struct port_alloc *pa, uint32_t addr, uint32_t worker, uint64_t now_ns, uint16_t *port);

// Whether that would give a pair that has rested.
bool port_alloc_has_free(struct port_alloc *pa, uint32_t addr, uint64_t now_ns);
// For how long the pair has rested that did so longest; -1 when none rests.
int64_t port_alloc_longest_rest_ms(const struct port_alloc *pa, uint32_t addr, uint64_t now_ns);

// Whether every pair of it, if it is there, is given back and has rested.
bool port_alloc_is_idle(const struct port_alloc *pa, uint32_t addr, uint64_t now_ns);

// Take a known pair, free or resting. Returns 0, -EBUSY when taken, -ERANGE when out of range or
// odd.
int port_alloc_take_specific(struct port_alloc *pa, uint32_t addr, uint16_t port);

// Give a pair back. Returns 0, -EALREADY when it was not taken, -ERANGE as above.
int port_alloc_release(struct port_alloc *pa, uint32_t addr, uint16_t port, uint64_t now_ns);

// Pairs that a take could still get: free and resting ones.
uint32_t port_alloc_n_available(const struct port_alloc *pa, uint32_t addr);

int port_alloc_get_stats(
	const struct port_alloc *pa, uint32_t addr, struct port_alloc_stats *stats);

// Of all addresses; what happened on those that were removed counts on.
void port_alloc_get_total(const struct port_alloc *pa, struct port_alloc_stats *total);

RR_END_DECLS
