// SPDX-License-Identifier: BSD-2-Clause
// A worker's lane: requests that wait for room in its ring, and a window of those sent and not
// answered yet.
//
// A worker answers in the order of its ring, so the number in a request id names its place in the
// window. An id begins with control's epoch: a reply to an earlier control matches nothing.
#pragma once

#include <stdint.h>

#include "compiler.h"
#include "dp_request.h"
#include "ring.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

// What request and reply ring can hold together.
#define DP_LANE_WINDOW (RR_REQUEST_RING_SLOTS + RR_REPLY_RING_SLOTS)
RR_STATIC_ASSERT((DP_LANE_WINDOW & (DP_LANE_WINDOW - 1)) == 0, "numbers are masked");

struct dp_lane {
	struct rr_ring request;
	struct rr_ring reply;
	struct rr_ring event;
	struct dp_pending *head; // waits for room
	struct dp_pending **tail;
	uint32_t n_queued;
	uint32_t next; // number of the next request
	uint32_t oldest; // of the oldest one not answered
	struct dp_pending *flight[DP_LANE_WINDOW];
};

// Attach an all-zero lane to its rings. Returns how many of them had impossible indexes, which are
// mended by that: worth counting, no reason to stay away.
int dp_lane_attach(struct dp_lane *lane, struct rr_shm_worker *w);

void dp_lane_append(struct dp_lane *lane, struct dp_pending *p);

// The request to be sent next, or NULL: none waits, or the window is full.
struct dp_pending *dp_lane_first(const struct dp_lane *lane);
// Send it as `msg`. Returns 0 or an error of rr_ring_push; it goes on waiting then.
int dp_lane_send(struct dp_lane *lane, const struct rr_request *msg);

// The request that a reply answers, taken out of the window; NULL when it answers none.
struct dp_pending *dp_lane_match(
	struct dp_lane *lane, uint32_t epoch, const struct rr_reply *reply);

// Take any request out: those of the window first, in the order in which they were submitted. NULL
// when the lane is empty.
struct dp_pending *dp_lane_take_any(struct dp_lane *lane);

RR_END_DECLS
