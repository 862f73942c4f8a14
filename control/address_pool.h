// SPDX-License-Identifier: BSD-2-Clause
// Local addresses while control runs: those of the file, and what an operator made of them.
//
// They stand in the list of control's configuration, where everybody looks for them; here is what
// state each is in. An index stays with its address until nothing names it any more, and may then
// be given to another one. The order of the file is kept at its beginning.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "config.h"
#include "session_record.h"

RR_BEGIN_DECLS

struct session_local;

// The configured ones of one realm and family that new ports are taken from.
struct address_list {
	uint32_t n;
	uint16_t index[RR_MAX_ADDRS];
};

struct address_pool {
	struct rr_config *cfg; // whose addr and n_addrs this keeps
	uint8_t state[RR_MAX_ADDRS]; // enum rr_address_state; of a free index RR_ADDRESS_FREE
	bool named[RR_MAX_ADDRS]; // by the file
	struct address_list active[RR_MAX_REALMS][2]; // IPv4, IPv6
	bool changed; // since it was written to the store
};

// All addresses of the configuration are active.
void address_pool_init(struct address_pool *pool, struct rr_config *cfg);

// Index of an address in any state but RR_ADDRESS_FREE, or -1.
int address_pool_find(const struct address_pool *pool, const struct rr_endpoint *ep);

// A new entry in state RR_ADDRESS_ADDING. Returns its index, or -ENOSPC.
int address_pool_add(struct address_pool *pool, uint32_t realm, const struct rr_endpoint *ep);

// Of one that was RR_ADDRESS_FREE nothing is left.
void address_pool_set(struct address_pool *pool, uint32_t index, enum rr_address_state state);

// A file was read that names these and no others. Of one that is gone nothing is left then.
void address_pool_name(struct address_pool *pool, const bool named[RR_MAX_ADDRS]);

// The dataplane is to have it: calls are there, or may come.
bool address_pool_is_wanted(const struct address_pool *pool, uint32_t index);

// The address of a local leg, or the active ones of its realm.
void address_pool_choice(const struct address_pool *pool, const struct session_local *local,
	struct address_list *choice);

struct rr_endpoint address_pool_endpoint(const struct address_pool *pool, uint32_t index);

// Forget the configuration's: this configuration has been read before, and what became of its
// addresses is in the store, whole.
void address_pool_clear(struct address_pool *pool);

// What the store says of an address after that. Returns 0, -EADDRNOTAVAIL, or -ENOSPC.
int address_pool_restore(
	struct address_pool *pool, const struct rr_store_address *row, const struct rr_text *realm);

// What the store says of an address after a start of rtprelayd, before any session is loaded. Where
// the file and the store disagree: one that the file names is as the store says; one that it names
// no longer is drained; one that an operator added stays. Returns 0, -EADDRNOTAVAIL when its realm
// is gone or cannot have it, -ENOSPC.
int address_pool_recall(
	struct address_pool *pool, const struct rr_store_address *row, const struct rr_text *realm);

RR_END_DECLS
