// SPDX-License-Identifier: BSD-2-Clause
// A worker's lane: requests that wait for room, and a window of those sent and not answered yet.
#include "dp_lane.h"

#include "crash_point.h"

int dp_lane_attach(struct dp_lane *lane, struct rr_shm_worker *w) {
	int request, reply, event;

	lane->tail = &lane->head;
	request = rr_ring_attach_producer(&lane->request, &w->request_ring, w->request_slots,
		RR_REQUEST_RING_SLOTS, sizeof(struct rr_request));
	reply = rr_ring_attach_consumer(&lane->reply, &w->reply_ring, w->reply_slots,
		RR_REPLY_RING_SLOTS, sizeof(struct rr_reply));
	event = rr_ring_attach_consumer(&lane->event, &w->event_ring, w->event_slots,
		RR_EVENT_RING_SLOTS, sizeof(struct rr_event));
	return (request < 0) + (reply < 0) + (event < 0);
}

void dp_lane_append(struct dp_lane *lane, struct dp_pending *p) {
	p->next = NULL;
	*lane->tail = p;
	lane->tail = &p->next;
	lane->n_queued++;
}

static struct dp_pending *queue_take(struct dp_lane *lane) {
	struct dp_pending *p = lane->head;

	if (!p)
		return NULL;
	lane->head = p->next;
	if (!lane->head)
		lane->tail = &lane->head;
	lane->n_queued--;
	return p;
}

struct dp_pending *dp_lane_first(const struct dp_lane *lane) {
	return lane->next - lane->oldest < DP_LANE_WINDOW ? lane->head : NULL;
}

int dp_lane_send(struct dp_lane *lane, const struct rr_request *msg) {
	int ret;

	rr_crash_point(RR_CRASH_submit_before);
	ret = rr_ring_push(&lane->request, msg);
	if (ret < 0)
		return ret;
	rr_crash_point(RR_CRASH_submit_after);
	lane->flight[lane->next % DP_LANE_WINDOW] = queue_take(lane);
	lane->next++;
	return 0;
}

// Answers may come in any order from a worker that is not what it should be.
static void window_close(struct dp_lane *lane) {
	while (lane->oldest != lane->next && !lane->flight[lane->oldest % DP_LANE_WINDOW])
		lane->oldest++;
}

struct dp_pending *dp_lane_match(
	struct dp_lane *lane, uint32_t epoch, const struct rr_reply *reply) {
	uint32_t number = (uint32_t)reply->id;
	struct dp_pending **place = &lane->flight[number % DP_LANE_WINDOW];
	struct dp_pending *p = *place;

	if (reply->id >> 32 != epoch || number - lane->oldest >= lane->next - lane->oldest)
		return NULL;
	if (!p || p->req.uid != reply->uid || p->req.op != reply->op)
		return NULL;
	*place = NULL;
	window_close(lane);
	return p;
}

struct dp_pending *dp_lane_take_any(struct dp_lane *lane) {
	struct dp_pending **place = &lane->flight[lane->oldest % DP_LANE_WINDOW];
	struct dp_pending *p = *place;

	if (lane->oldest == lane->next)
		return queue_take(lane);
	*place = NULL;
	window_close(lane);
	return p;
}
