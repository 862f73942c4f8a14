// SPDX-License-Identifier: BSD-2-Clause
// Next hops: who in a realm has which MAC address, asked for by workers, resolved by the main
// thread.
//
// Ownership. The main thread writes everything but the `used` marks and the rings of wishes. A
// worker reads an entry through one atomic word that holds MAC, generation and state together, so
// it never sees half of a change and takes no lock. What a worker keeps in a flow is a handle:
// entry index and generation. An entry that is given up raises its generation, so that an old
// handle is recognised and never yields another host's MAC.
//
// Reuse. A worker may stand between hash lookup and word while the main thread deletes the key.
// The hash position is therefore given back only after every worker has begun two new turns since.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "addr_table.h"
#include "compiler.h"
#include "config.h"

#define NEIGHBOUR_MAX 8192 // entries; a full table is counted and refuses new ones
// Packets with forged sources make us ask for hosts that do not exist (RFC 6583): those may take
// but a part of the table and of the link.
#define NEIGHBOUR_UNRESOLVED_MAX (NEIGHBOUR_MAX / 4) // then no new one is taken in
#define NEIGHBOUR_PROBES_PER_S 1000 // for all that have no address, gateways aside
#define NEIGHBOUR_PROBES_BURST 200
#define NEIGHBOUR_WISHES 256 // wishes of one worker that wait for the main thread

#define NEIGHBOUR_WORD_RESOLVED (UINT64_C(1) << 63)
#define NEIGHBOUR_WORD_GENERATION_SHIFT 48
#define NEIGHBOUR_WORD_GENERATION_MASK UINT64_C(0x7fff)
#define NEIGHBOUR_HANDLE_GENERATION_SHIFT 16
#define NEIGHBOUR_HANDLE_INDEX_MASK 0xffffU

struct rte_hash;
struct rte_ring;

struct neighbour_key {
	uint8_t addr[16]; // network byte order, IPv4 in the first four bytes, the rest zero
	uint8_t family; // enum rr_family
	uint8_t realm;
	uint16_t reserved; // zero: keys are compared as bytes
};

enum neighbour_state {
	NEIGHBOUR_FREE,
	NEIGHBOUR_STATIC, // from the configuration
	NEIGHBOUR_RESOLVING, // no MAC, being asked for
	NEIGHBOUR_REACHABLE, // confirmed lately
	NEIGHBOUR_VERIFYING, // MAC still in use, being asked for again
	NEIGHBOUR_DYING, // out of the hash, position not yet given back
};

// What workers see of an entry.
struct neighbour_slot {
	uint64_t word; // MAC | generation << 48 | resolved << 63; writer: main, readers: workers
	uint32_t used; // workers store 1 on use, main clears it
	uint32_t reserved;
};

// What the main thread alone sees.
struct neighbour_entry {
	struct neighbour_key key;
	uint8_t state; // enum neighbour_state
	uint8_t n_probes; // since the state began
	bool pinned; // a gateway: kept although nobody uses it
	bool answerable; // a question is out that an answer may be believed for
	uint8_t hop[16]; // of a shared port: who the kernel sends it to
	uint64_t confirmed_ns; // last answer
	uint64_t used_ns; // last use seen
	uint64_t probed_ns; // last question
	uint64_t next_ns; // next question is due
	uint64_t died_epoch; // NEIGHBOUR_DYING: workers' epoch at that moment
};

struct neighbour_table {
	const struct rr_config *cfg;
	const struct addr_table *addrs; // ours: nobody is asked for them
	struct rte_hash *hash; // key -> position = index into slots and entries
	struct neighbour_slot *slots;
	struct neighbour_entry *entries;
	uint32_t n_positions;
	uint32_t n_unresolved; // entries in NEIGHBOUR_RESOLVING
	uint32_t tick_from; // position that the next tick begins with
	bool ticks; // in a tick in which nobody was passed over yet
	uint64_t probe_due_ns; // the rate of probes allows the next one then, see probe_allowed
	uint32_t n_workers;
	uint64_t epoch; // see neighbour_epoch_next
	struct rte_ring *wishes[RR_MAX_WORKERS]; // worker -> main, by value: struct neighbour_key
	uint64_t *n_full; // counter for refused entries
};

// A worker's way in.
struct neighbour_view {
	const struct neighbour_table *table;
	struct rte_ring *wishes;
};

// On a shared port the kernel routes and resolves. There a key is the destination itself, a
// question goes to the kernel, and what it says is true.
//
// Put a question on the wire: broadcast or multicast when `mac` is NULL. False when it cannot be
// sent now, for instance because the port is not started; it is then due again soon.
typedef bool (*neighbour_probe_fn)(
	void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac);

// Make the table with the configuration's static neighbours and gateways in it. n_full: where
// refusals are counted. Returns 0 or a negative errno.
int neighbour_init(struct neighbour_table *t, const struct rr_config *cfg,
	const struct addr_table *addrs, uint32_t n_workers, uint64_t *n_full);
void neighbour_fini(struct neighbour_table *t);

struct neighbour_view neighbour_view_of(const struct neighbour_table *t, uint32_t worker);

// Worker: handle of the next hop towards addr, which is the gateway for what is off the link. When
// it is not in the table, RR_NEXTHOP_NONE, and the main thread has been asked for it.
uint32_t neighbour_find(const struct neighbour_view *v, uint32_t realm, enum rr_family family,
	const uint8_t addr[16]);

static inline uint64_t neighbour_word_generation(uint64_t word) {
	return (word >> NEIGHBOUR_WORD_GENERATION_SHIFT) & NEIGHBOUR_WORD_GENERATION_MASK;
}

static inline bool neighbour_word_mac(uint64_t word, struct rte_ether_addr *mac) {
	uint64_t bytes = rte_cpu_to_le_64(word);

	memcpy(mac, &bytes, sizeof(*mac));
	return word & NEIGHBOUR_WORD_RESOLVED;
}

// Worker: MAC behind a handle, as it lies in memory, in the first six bytes of `mac`; the other two
// mean nothing. Returns 0, -EAGAIN while it is not resolved, -ESTALE when the entry was given up
// since (find again).
static inline int neighbour_mac(const struct neighbour_view *v, uint32_t handle, uint64_t *mac) {
	uint32_t pos = handle & NEIGHBOUR_HANDLE_INDEX_MASK;
	struct neighbour_slot *slot;
	uint64_t word;

	if (RR_UNLIKELY(pos >= v->table->n_positions))
		return -ESTALE;
	slot = &v->table->slots[pos];
	word = rr_load_relaxed(&slot->word);
	if (RR_UNLIKELY(
		    neighbour_word_generation(word) != handle >> NEIGHBOUR_HANDLE_GENERATION_SHIFT))
		return -ESTALE;
	if (RR_UNLIKELY(rr_load_relaxed(&slot->used) == 0))
		rr_store_relaxed(&slot->used, 1U);
	*mac = rte_cpu_to_le_64(word);
	return word & NEIGHBOUR_WORD_RESOLVED ? 0 : -EAGAIN;
}

// Main: take in the next hop towards addr, to be asked for at the next tick.
void neighbour_want(struct neighbour_table *t, uint32_t realm, enum rr_family family,
	const uint8_t addr[16], uint64_t now_ns);

// Main: an answer to us came. It counts only when a question went out for it shortly before, and
// moves a known address only when it says that it overrides (RFC 4861 7.2.5); otherwise it is taken
// as a hint, and false is returned. mac NULL: it named none, and confirms the known one.
bool neighbour_answer(struct neighbour_table *t, const struct neighbour_key *key,
	const struct rte_ether_addr *mac, bool overrides, uint64_t now_ns);

// Main: somebody said unasked that a next hop has this address. It is never believed, but a
// difference is asked about, once a second at most. True when it is.
bool neighbour_hint(struct neighbour_table *t, const struct neighbour_key *key,
	const struct rte_ether_addr *mac, uint64_t now_ns);

// Main: the kernel says that it sends what is for `key` to `hop`, which has this MAC address; mac
// NULL: it does not know how to reach it.
void neighbour_told(struct neighbour_table *t, const struct neighbour_key *key,
	const uint8_t hop[16], const struct rte_ether_addr *mac, uint64_t now_ns);

// Main: the kernel says of `hop->addr` in the realm, for all destinations behind it.
void neighbour_hop_told(struct neighbour_table *t, const struct neighbour_key *hop,
	const struct rte_ether_addr *mac, uint64_t now_ns);

// Main: the kernel may know better by now of every destination on a shared port: ask again, within
// a second and not so many in one turn that the main thread is late for anything else.
void neighbour_ask_again(struct neighbour_table *t, uint64_t now_ns);

// Main: an address of that link has become ours, whoever had it until now.
void neighbour_forget(struct neighbour_table *t, const struct local_addr *local);

// Main: take the workers' wishes and ask for what is new among them. As often as can be: the first
// packets to a new next hop wait for it.
void neighbour_wishes(
	struct neighbour_table *t, uint64_t now_ns, neighbour_probe_fn probe, void *ctx);

// Main: ask what is due, give up what is old. Several times a second.
void neighbour_tick(
	struct neighbour_table *t, uint64_t now_ns, neighbour_probe_fn probe, void *ctx);

// Main: every worker has begun a new turn since the last call.
void neighbour_epoch_next(struct neighbour_table *t);

// The key under which addr is looked up in a realm: itself when on the link or on a shared port,
// else the gateway.
// False when there is no way.
bool neighbour_route(const struct rr_config *cfg, uint32_t realm, enum rr_family family,
	const uint8_t addr[16], struct neighbour_key *key);
