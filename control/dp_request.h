// SPDX-License-Identifier: BSD-2-Clause
// Requests in memory: what each asks for, who waits for it, and how many there are.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "dp_msg.h"
#include "dp_region.h"

RR_BEGIN_DECLS

struct job;

struct dp_request {
	uint64_t uid;
	uint16_t op; // enum rr_request_op
	uint16_t flags; // enum rr_request_flag
	uint16_t owner_port; // its bucket's worker takes the request
	uint16_t latch_seq;
	struct dp_local local;
	struct dp_local peer;
	uint32_t version;
	uint32_t latch_ssrc;
	uint8_t tos;
	bool background; // no command waits for it
	bool resync; // and it belongs to a resync
	bool first; // about addresses, and everything else of this generation comes after it
	struct rr_endpoint signalled;
	struct rr_endpoint learned;
};

// The requests of one job. Outlives the job when the job's deadline passes first.
struct dp_wait {
	struct job *job; // NULL = gone
	uint32_t n_pending;
	struct dp_wait *next; // free list
};

struct dp_pending {
	struct dp_pending *next;
	struct dp_wait *wait; // NULL = nobody waits
	uint32_t stray_slot; // RR_SLOT_NONE, or the flow of a delete that names no local address
	struct dp_request req;
};

// All zero, it is empty.
struct dp_pool {
	uint32_t n_outstanding;
	uint32_t n_background;
	uint32_t n_resync;
	uint32_t n_addr; // about addresses
	struct dp_pending *free_pending;
	struct dp_wait *free_waits;
};

static inline bool dp_request_is_addr(const struct dp_request *req) {
	return req->op == RR_REQUEST_ADDR_SET || req->op == RR_REQUEST_ADDR_DEL;
}

// A copy of the request for which nobody waits, or NULL without memory.
struct dp_pending *dp_pending_new(struct dp_pool *pool, const struct dp_request *req);
void dp_pending_free(struct dp_pool *pool, struct dp_pending *p);

// The job waits for this request too; its n_pending grows. Returns 0 or -ENOMEM.
int dp_wait_begin(struct dp_pool *pool, struct dp_pending *p, struct job *job);
// One request that `w` waits for is over, whichever way. Returns the job when it was its last.
struct job *dp_wait_end(struct dp_pool *pool, struct dp_wait *w, bool refused);
// The job waits no longer. Its requests go on.
void dp_wait_forget(struct job *job);

// Give the memory back; nothing is outstanding.
void dp_pool_fini(struct dp_pool *pool);

RR_END_DECLS
