// SPDX-License-Identifier: BSD-2-Clause
// The dataplane as control sees it: requests go out, acknowledgements and events come back.
//
// The only code that touches the rings. Requests name local addresses as the configuration counts
// them; slots are computed when a request enters a ring, so that requests outlive a region that
// was replaced by one of another order.
//
// Every worker has a lane, see dp_lane.h, and so has the dataplane's main thread, which is asked
// about addresses. What a new generation lacks of them comes before all else, for flows lie on
// them.
//
// Generations. A dataplane that was started again raises its generation; a region that it could
// not adopt is another file. In both cases every lane gets a barrier, then the requests that
// commands still wait for; all others are dropped, because the resync that follows says everything
// anew.
//
// Failure. A command waits until its deadline; then it is told that the dataplane was silent, and
// its requests go on without it. Nothing in here blocks.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "dp_region.h"
#include "dp_request.h"

RR_BEGIN_DECLS

#define DP_BACKGROUND_WINDOW 1024

struct address_pool;
struct dp_client;
struct job;
struct rr_config;

struct dp_hooks {
	void *arg;
	// A request was answered; status is an enum rr_reply_status.
	void (*acked)(void *arg, const struct dp_request *req, uint16_t status);
	void (*event)(void *arg, struct dp_local local, const struct rr_event *event);
	// The last request of a job was answered; job->failed when one was refused.
	void (*job_acked)(void *arg, struct job *job);
	// The region is about to be unmapped for another one; it can still be read. Called once a
	// watch until it returns true: all that is wanted of it was read.
	bool (*region_leaving)(void *arg);
	// Every worker answered its barrier: from here on a resync is worth its while.
	void (*settled)(void *arg);
};

// X(identifier, help)
#define DP_CLIENT_COUNTERS(X) \
	X(requests_sent, "requests put into a ring") \
	X(replies, "requests answered") \
	X(replies_refused, "requests answered with an error") \
	X(replies_stale, "replies to an earlier control or to requests sent again") \
	X(events, "events taken") \
	X(events_unknown, "events about no flow of ours, or with a field out of range") \
	X(ring_full, "times that a request ring had no room") \
	X(ring_broken, "times that a ring index of the dataplane was out of range") \
	X(queue_full, "requests dropped because too many waited already; a resync follows") \
	X(not_attached, "requests refused because there is no region") \
	X(timeouts, "commands that the dataplane did not acknowledge in time") \
	X(generations, "dataplane generations followed") \
	X(regions, "regions attached") \
	X(strays, "flows without a session deleted")

enum dp_client_counter {
#define DP_CLIENT_COUNTER_ENUM(id, help) DP_C_##id,
	DP_CLIENT_COUNTERS(DP_CLIENT_COUNTER_ENUM)
#undef DP_CLIENT_COUNTER_ENUM
		DP_N_COUNTERS
};

struct dp_client_params {
	const struct rr_config *cfg;
	const struct address_pool *addresses; // NULL: the configuration's, all of them
	uint32_t epoch; // of this control, never used before
	struct dp_hooks hooks;
};

// Returns 0 or -ENOMEM. Attaches to nothing yet: dp_client_watch does, now and later.
int dp_client_new(struct dp_client **dp, const struct dp_client_params *params);
void dp_client_free(struct dp_client *dp);

// Attach where there is a region, follow a replaced one and a new generation, say that control
// lives. Cheap enough for every turn; looks at the file system every 100 ms.
void dp_client_watch(struct dp_client *dp, uint64_t now_ns);

// Queue a request. With a job its n_pending grows. Returns 0, -ENOTCONN without a region, -ENOBUFS
// when too many wait already, -ERANGE for a local address that the region does not have, -ENOMEM.
int dp_client_submit(struct dp_client *dp, const struct dp_request *req, struct job *job);

// Queue a request about a local address: op is RR_REQUEST_ADDR_SET or _DEL. Errors as above.
int dp_client_submit_addr(
	struct dp_client *dp, uint16_t op, const struct rr_endpoint *addr, uint64_t realm_key);

// Delete a flow that no session knows, by slot. Errors as above.
int dp_client_delete_stray(struct dp_client *dp, uint32_t slot);

// Move queued requests into the rings, as far as there is room.
void dp_client_push(struct dp_client *dp);

// Take replies and events; hooks are called from here. Returns how many messages were taken.
unsigned int dp_client_poll(struct dp_client *dp);

// The job's deadline has passed: its requests go on without it.
void dp_client_forget(struct dp_client *dp, struct job *job);

// Grows with every region that is attached; 0: none was.
uint64_t dp_client_region_number(const struct dp_client *dp);

// True while a request is queued or not answered, or a region is being left.
bool dp_client_busy(const struct dp_client *dp);
// Requests without a job that are queued or not answered: the measure for a resync's steps.
uint32_t dp_client_n_background(const struct dp_client *dp);
// Those of them that belong to a resync: it is done when there are none.
uint32_t dp_client_n_resync(const struct dp_client *dp);
// True while so few of them are under way that those of one more session may be added: whoever
// goes through many sessions pauses otherwise, so that commands never wait behind them.
bool dp_client_takes_background(const struct dp_client *dp);
// Those about addresses.
uint32_t dp_client_n_addr(const struct dp_client *dp);
// False while so many requests wait that only those of commands should be added.
bool dp_client_has_room(const struct dp_client *dp);
// True while a dataplane is running and says so.
bool dp_client_alive(const struct dp_client *dp, uint64_t now_ns);
// True once the current generation answered every barrier.
bool dp_client_settled(const struct dp_client *dp);
// True when requests were dropped, so that only a resync brings the truth over. Asking resets it.
bool dp_client_take_overflow(struct dp_client *dp);

// The mapped region, or NULL.
const struct rr_region *dp_client_region(const struct dp_client *dp);
// Local address of a slot. Returns 0, or -ENOENT when the configuration has no such address.
int dp_client_local(const struct dp_client *dp, uint32_t slot, struct dp_local *local);
// Slot of a local address and port, or RR_SLOT_NONE.
uint32_t dp_client_slot(const struct dp_client *dp, struct dp_local local);
// Worker that owns the bucket of a port.
uint32_t dp_client_worker(const struct dp_client *dp, uint16_t port);

// Copy a flow that belongs to `uid`. Returns 0, -ENOTCONN, -ENOENT (another uid), -EAGAIN (torn).
int dp_client_read_flow(const struct dp_client *dp, struct dp_local local, uint64_t uid,
	struct rr_flow *flow, struct rr_flow_cold *cold);

uint64_t dp_client_counter(const struct dp_client *dp, enum dp_client_counter which);

RR_END_DECLS
