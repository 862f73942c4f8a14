// SPDX-License-Identifier: BSD-2-Clause
// Timeout notices on their way, from the end of a session until somebody took them.
//
//	outbox_add --commit--> row in the store, queue of its target --sent--> over --commit--> gone
//	                                                 `--given up--> over
//
// A notice enters the store in the transaction that ends its session, is offered to its target only
// then, and leaves the store with the commit after it was sent. So a control that dies at any
// moment sends it once more at most, and never not at all. Each target has a queue of its own, in
// the order of the timeouts.
//
// What waits is bounded in bytes. When there is no room the longest queue gives up its oldest, so
// that a target that does not read pays for itself.
//
// Knows no sockets: whoever has the connections asks outbox_* what to send and says what came of
// it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "notice_target.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct rr_config;
struct store;

#define OUTBOX_MAX_TARGETS 256 // wildcards make one of each controller; unused ones are forgotten
#define OUTBOX_MAX_BYTES (UINT64_C(32) << 20) // and at most a sixteenth of the store
#define OUTBOX_RESENDS 3 // over new connections, before a notice is given up; reference 10.3

struct notice {
	struct notice *prev; // of the list that it is in
	struct notice *next;
	struct outbox_target *target;
	uint64_t id; // of its row
	uint64_t created_unix_ms;
	uint64_t give_up_ns; // not tried again after this; CLOCK_MONOTONIC
	uint32_t len;
	char line[]; // tag and line feed
};

struct outbox_target {
	struct outbox_target *prev; // least recently named first
	struct outbox_target *next;
	struct notice *queue; // in the store, not sent; oldest first
	uint32_t n_queued;
	uint32_t n_fresh; // those that wait for the store
	size_t n_sent_bytes; // of the first one
	unsigned int n_broken; // connections lost since one was sent
	unsigned int n_unreachable; // attempts in a row that found nobody
	void *connection; // of whoever has the connections
	uint32_t local_be; // address that connections leave from; 0 = any
	uint32_t text_len;
	char text[NOTICE_TARGET_MAX];
};

struct outbox_hooks {
	void *arg;
	// There is something to send.
	void (*queued)(void *arg, struct outbox_target *target);
	// Nothing waits for it; it is about to be freed.
	void (*forget)(void *arg, struct outbox_target *target);
};

struct outbox_stats {
	uint64_t n_sent;
	uint64_t n_unreachable; // given up: nobody took the connection
	uint64_t n_broken; // given up: too many connections were lost
	uint64_t n_dropped; // given up: no room
	uint64_t n_not_permitted; // named by a U, or left by an earlier control
	uint64_t n_waiting; // now
};

struct outbox {
	const struct rr_config *cfg;
	struct outbox_hooks hooks; // queued NULL: nobody has connections yet
	struct outbox_target *targets;
	uint32_t n_targets;
	struct notice *fresh; // not in the store
	struct notice *over; // in the store for nothing
	size_t n_bytes; // of what is fresh or queued
	size_t max_bytes;
	struct outbox_stats stats;
};

// What time it is, by both clocks.
struct outbox_time {
	uint64_t now_ns; // CLOCK_MONOTONIC
	uint64_t unix_ms;
};

void outbox_init(struct outbox *ob, const struct rr_config *cfg);
void outbox_fini(struct outbox *ob);

// Somebody has connections from now on; `queued` is called for what waits already. NULL: no more.
void outbox_attach(struct outbox *ob, const struct outbox_hooks *hooks);

// ---- for control

// A session timed out. What there is no room or memory for is counted.
void outbox_add(struct outbox *ob, struct slice target, uint32_t local_be, struct slice tag,
	const struct outbox_time *time);

// True when the store does not agree with what is here.
bool outbox_changed(const struct outbox *ob);
// Inside a transaction: write what is fresh, delete what is over. Returns 0 or a negative errno.
int outbox_write(struct outbox *ob, struct store *store);
// The transaction was committed.
void outbox_written(struct outbox *ob);
// What an earlier control left. Returns 0 or a negative errno.
int outbox_load(struct outbox *ob, struct store *store, const struct outbox_time *time);

// ---- for whoever has the connections

// The connection took so many bytes more of the queue.
void outbox_sent(struct outbox *ob, struct outbox_target *target, size_t n_bytes);
// Nobody took the connection. Notices whose time is over are given up; *pause_ns is how long the
// others wait before the next attempt.
void outbox_unreachable(
	struct outbox *ob, struct outbox_target *target, uint64_t now_ns, uint64_t *pause_ns);
// Somebody took it.
void outbox_reached(struct outbox_target *target);
// The connection was lost; what of a notice it took counts for nothing.
void outbox_broken(struct outbox *ob, struct outbox_target *target);

RR_END_DECLS
