// SPDX-License-Identifier: BSD-2-Clause
// What survives the death of control: sessions, answered cookies, counters, timeout notices.
//
// LMDB in write-map mode without any sync: a commit is a few stores into the page cache, so it
// survives the death of the process and not the loss of power (store_boot.h). One write transaction
// a turn holds everything the turn's commands changed. Times are CLOCK_MONOTONIC; `rebase_ns` is
// what to add to those written before a reboot.
//
// The map has the size the configuration gives and its disk blocks are allocated at start, so that
// a full disk is refused then. A full map refuses new calls and keeps what it holds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "rtpp_cmd.h"
#include "session_record.h"

RR_BEGIN_DECLS

struct store;

struct store_params {
	const char *dir; // made when missing
	uint32_t map_mb;
	uint8_t boot_id[16];
	uint64_t now_ns;
};

// Open, and read the meta row (zero but for layout and boot when there is none). Returns 0, -EPROTO
// for another layout or no store, -ENOSPC, or another negative errno.
int store_open(struct store **store, const struct store_params *params);
void store_close(struct store *store);

struct rr_store_meta *store_meta(struct store *store);
// What to add to a monotonic time that was written before this process: 0 within one boot. The
// result is modulo 2^64, so that going back in time works.
uint64_t store_rebase_ns(const struct store *store);
bool store_same_boot(const struct store *store);

// Call fn for every row, in the order of creation, with an aligned copy of it; a negative return of
// fn ends the walk and is returned.
int store_each_session(struct store *store,
	int (*fn)(void *arg, uint64_t id, const void *record, size_t size), void *arg);
int store_each_cookie(struct store *store,
	int (*fn)(void *arg, struct slice cookie, struct slice reply, uint64_t received_ns),
	void *arg);
// Without the rows that cannot be read, which are logged.
int store_each_address(struct store *store,
	int (*fn)(void *arg, const struct rr_store_address *address, const struct rr_text *realm),
	void *arg);
int store_each_notice(struct store *store,
	int (*fn)(void *arg, uint64_t id, const struct rr_store_notice *notice, size_t size),
	void *arg);

// One transaction: begin, any of the puts, commit (which writes the meta row, too). After an error
// of any of them call store_abort; nothing of the transaction is kept. -ENOSPC: the map is full.
int store_begin(struct store *store);
// Room for a record of a session, to be written before the next call.
int store_put_session(struct store *store, uint64_t id, size_t size, void **room);
int store_delete_session(struct store *store, uint64_t id);
// *row: 0, or the row that an earlier put named, to be written over; names the row afterwards.
int store_put_cookie(struct store *store, uint64_t *row, struct slice cookie, struct slice reply,
	uint64_t received_ns);
// All addresses anew: the row of each, behind the first store_clear_addresses of the transaction.
int store_clear_addresses(struct store *store);
int store_put_address(struct store *store, uint64_t id, const struct rr_store_address *address,
	struct slice realm);
// *id: its row.
int store_put_notice(struct store *store, const struct rr_store_notice *notice, struct slice socket,
	struct slice tag, uint64_t *id);
int store_delete_notice(struct store *store, uint64_t id);
// Drop the oldest cookies received before `oldest_ns`, somewhat more than this transaction put in.
int store_purge_cookies(struct store *store, uint64_t oldest_ns);
int store_commit(struct store *store, uint64_t now_ns);
void store_abort(struct store *store);

// Free the places of readers that died inside a transaction, which hold old pages back.
void store_check_readers(struct store *store);

// False when the map is so full that only what makes room should be written.
bool store_has_room(const struct store *store);

RR_END_DECLS
