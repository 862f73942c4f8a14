// SPDX-License-Identifier: BSD-2-Clause
// Requests in memory: what each asks for, who waits for it, and how many there are.
#include "dp_request.h"

#include <errno.h>
#include <stdlib.h>

#include "job.h"

struct dp_pending *dp_pending_new(struct dp_pool *pool, const struct dp_request *req) {
	struct dp_pending *p = pool->free_pending;

	if (p)
		pool->free_pending = p->next;
	else
		p = (struct dp_pending *)malloc(sizeof(*p));
	if (!p)
		return NULL;
	*p = (struct dp_pending){.stray_slot = RR_SLOT_NONE, .req = *req};
	pool->n_outstanding++;
	pool->n_background += req->background;
	pool->n_resync += req->resync;
	pool->n_addr += dp_request_is_addr(req);
	return p;
}

void dp_pending_free(struct dp_pool *pool, struct dp_pending *p) {
	pool->n_outstanding--;
	pool->n_background -= p->req.background;
	pool->n_resync -= p->req.resync;
	pool->n_addr -= dp_request_is_addr(&p->req);
	p->next = pool->free_pending;
	pool->free_pending = p;
}

static struct dp_wait *wait_new(struct dp_pool *pool, struct job *job) {
	struct dp_wait *w = pool->free_waits;

	if (w)
		pool->free_waits = w->next;
	else
		w = (struct dp_wait *)malloc(sizeof(*w));
	if (w)
		*w = (struct dp_wait){.job = job};
	return w;
}

int dp_wait_begin(struct dp_pool *pool, struct dp_pending *p, struct job *job) {
	if (!job->wait)
		job->wait = wait_new(pool, job);
	if (!job->wait)
		return -ENOMEM;
	p->wait = job->wait;
	p->wait->n_pending++;
	job->n_pending++;
	return 0;
}

struct job *dp_wait_end(struct dp_pool *pool, struct dp_wait *w, bool refused) {
	struct job *job = w->job;

	if (job && refused)
		job->failed = true;
	if (job)
		job->n_pending--;
	if (--w->n_pending > 0)
		return NULL;
	w->next = pool->free_waits;
	pool->free_waits = w;
	if (job)
		job->wait = NULL;
	return job;
}

void dp_wait_forget(struct job *job) {
	job->wait->job = NULL;
	job->wait = NULL;
	job->n_pending = 0;
}

void dp_pool_fini(struct dp_pool *pool) {
	struct dp_pending *next;
	struct dp_wait *next_wait;

	for (struct dp_pending *p = pool->free_pending; p; p = next) {
		next = p->next;
		free(p);
	}
	for (struct dp_wait *w = pool->free_waits; w; w = next_wait) {
		next_wait = w->next;
		free(w);
	}
	*pool = (struct dp_pool){0};
}
