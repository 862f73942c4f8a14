// SPDX-License-Identifier: BSD-2-Clause
// Requests from control about local addresses, carried out by the main thread.
#include "addr_command.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "neighbour.h"
#include "shm_addrs.h"

#define TURNS 2 // of every worker until nobody remembers an address

static void count(const struct addr_command *c, enum rr_counter counter) {
	rr_add_relaxed(&c->counters[counter], UINT64_C(1));
}

static const char *addr_text(const struct rr_endpoint *ep, char text[RR_ENDPOINT_STRLEN]) {
	return rr_endpoint_format_addr(ep, text, RR_ENDPOINT_STRLEN);
}

// ---- checks

static bool request_is_whole(const struct rr_request *q) {
	static const uint64_t zero[RR_ARRAY_LEN(q->reserved)];

	return q->flags == 0 && memcmp(q->reserved, zero, sizeof(zero)) == 0;
}

static enum rr_reply_status check(const struct addr_command *c, const struct rr_request *q) {
	if (q->worker != c->self)
		return RR_REPLY_BAD_WORKER;
	if (!request_is_whole(q))
		return RR_REPLY_BAD_FLAGS;
	if (!rr_endpoint_is_valid(&q->signalled) || q->signalled.port_be != 0)
		return RR_REPLY_BAD_ENDPOINT;
	return RR_REPLY_OK;
}

static int realm_find(const struct rr_config *cfg, uint64_t key) {
	for (uint32_t i = 0; i < cfg->n_realms; i++)
		if (rr_realm_key(cfg->realm[i].name) == key)
			return (int)i;
	return -1;
}

static int local_find(const struct addr_command *c, const struct rr_endpoint *ep) {
	for (uint32_t i = 0; i < c->table->n_addrs; i++)
		if (addr_table_has(c->table, i) && c->table->local[i].family == ep->family &&
			memcmp(c->table->local[i].addr, ep->addr, sizeof(ep->addr)) == 0)
			return (int)i;
	return -1;
}

// ---- adding

// The region's directory can be written by control too: what is free is asked of the table.
static int free_find(const struct addr_command *c) {
	for (uint32_t i = 0; i < c->table->n_addrs; i++)
		if (!addr_table_has(c->table, i))
			return (int)i;
	return -1;
}

static enum rr_reply_status add(
	struct addr_command *c, uint32_t index, const struct rr_shm_addr *addr, int *error) {
	enum rr_reply_status refused = RR_REPLY_NO_MEMORY;

	rr_region_addr_drop(c->region, index);
	*error = rr_region_addr_add(c->region, index, addr);
	if (*error == 0) {
		refused = RR_REPLY_NO_KERNEL;
		*error = c->claim(c->ctx, addr, true);
	}
	if (*error == 0)
		*error = addr_table_add(c->table, &c->from, index, addr);
	if (*error == 0)
		return RR_REPLY_OK;
	c->claim(c->ctx, addr, false);
	rr_region_addr_drop(c->region, index);
	return refused;
}

static struct rr_shm_addr addr_of(
	const struct addr_command *c, const struct rr_endpoint *ep, uint32_t realm) {
	struct rr_shm_addr addr = {
		.realm_key = rr_realm_key(c->from.cfg->realm[realm].name),
		.family = ep->family,
		.realm = (uint8_t)realm,
		.port = (uint8_t)c->from.cfg->realm[realm].port,
	};

	memcpy(addr.addr, ep->addr, sizeof(addr.addr));
	return addr;
}

static enum rr_reply_status add_to_realm(
	struct addr_command *c, const struct rr_endpoint *ep, uint32_t realm) {
	struct rr_shm_addr addr = addr_of(c, ep, realm);
	int index = free_find(c);
	char text[RR_ENDPOINT_STRLEN];
	enum rr_reply_status status;
	int error;

	if (index < 0)
		return RR_REPLY_NO_ROOM;
	status = add(c, (uint32_t)index, &addr, &error);
	if (status != RR_REPLY_OK) {
		rr_warn("addr_command", "cannot add address=%s: %s", addr_text(ep, text),
			strerror(-error));
		return status;
	}
	neighbour_forget(c->neighbours, &c->table->local[index]);
	c->announce(c->ctx, (uint32_t)index);
	rr_info("addr_command", "added address=%s realm=%s", addr_text(ep, text),
		c->from.cfg->realm[realm].name);
	return RR_REPLY_OK;
}

static enum rr_reply_status set(struct addr_command *c, const struct rr_request *q) {
	int realm = realm_find(c->from.cfg, q->uid);
	int known = local_find(c, &q->signalled);

	if (realm < 0)
		return RR_REPLY_BAD_REALM;
	if (known >= 0)
		return c->table->local[known].realm == realm ? RR_REPLY_OK : RR_REPLY_BAD_REALM;
	if (rr_realm_refuses(c->from.cfg, (uint32_t)realm, &q->signalled))
		return RR_REPLY_BAD_REALM;
	return add_to_realm(c, &q->signalled, (uint32_t)realm);
}

// ---- removing

static bool has_flows(const struct addr_command *c, uint32_t index) {
	const struct rr_flow *flow = c->region->flows + (size_t)index * c->region->n_media_ports;

	for (uint32_t i = 0; i < c->region->n_media_ports; i++)
		if (rr_load_relaxed(&flow[i].flags) & RR_FLOW_INSTALLED)
			return true;
	return false;
}

// Returns RR_REPLY_OK when nothing is left to do; else *later says whether the answer comes later.
static enum rr_reply_status remove_begin(
	struct addr_command *c, const struct rr_request *q, bool *later) {
	int index = local_find(c, &q->signalled);

	if (index < 0)
		return RR_REPLY_OK;
	if (has_flows(c, (uint32_t)index))
		return RR_REPLY_BUSY;
	c->realm = c->table->local[index].realm;
	addr_table_remove(c->table, (uint32_t)index);
	c->removing = *later = true;
	c->index = (uint32_t)index;
	c->since_epoch = c->neighbours->epoch;
	c->request = *q;
	return RR_REPLY_OK;
}

// Why an address that nobody finds any more stays after all: a worker has installed a flow before
// it saw that, or the kernel does not take the packets back.
static enum rr_reply_status remove_refused(
	const struct addr_command *c, const struct rr_shm_addr *addr) {
	char text[RR_ENDPOINT_STRLEN];
	int ret;

	if (has_flows(c, c->index))
		return RR_REPLY_BUSY;
	ret = c->claim(c->ctx, addr, false);
	if (ret == 0)
		return RR_REPLY_OK;
	rr_warn("addr_command", "cannot remove address=%s: %s",
		addr_text(&c->request.signalled, text), strerror(-ret));
	return RR_REPLY_NO_KERNEL;
}

static enum rr_reply_status remove_end(struct addr_command *c) {
	// not the directory's, which others can write
	struct rr_shm_addr addr = addr_of(c, &c->request.signalled, c->realm);
	enum rr_reply_status refused = remove_refused(c, &addr);
	char text[RR_ENDPOINT_STRLEN];

	c->removing = false;
	if (refused) {
		// cannot fail: it was there, and nothing has come in between
		addr_table_add(c->table, &c->from, c->index, &addr);
		return refused;
	}
	rr_region_addr_drop(c->region, c->index);
	rr_info("addr_command", "removed address=%s", addr_text(&c->request.signalled, text));
	return RR_REPLY_OK;
}

// ---- the rings

static void answer(
	struct addr_command *c, const struct rr_request *q, enum rr_reply_status status) {
	const struct rr_reply reply = {
		.id = q->id,
		.uid = q->uid,
		.slot = q->slot,
		.op = q->op,
		.status = (uint16_t)status,
		.dp_generation = c->dp_generation,
	};

	count(c, RR_C_requests);
	if (status != RR_REPLY_OK)
		count(c, RR_C_requests_refused);
	// Room was made sure of when the request was taken, and nobody else fills the ring.
	if (rr_ring_push(&c->replies, &reply) < 0)
		count(c, RR_C_ring_broken);
}

static enum rr_reply_status apply(struct addr_command *c, const struct rr_request *q, bool *later) {
	enum rr_reply_status status;

	if (q->op == RR_REQUEST_BARRIER)
		return RR_REPLY_OK;
	if (q->op != RR_REQUEST_ADDR_SET && q->op != RR_REQUEST_ADDR_DEL)
		return RR_REPLY_BAD_OP;
	status = check(c, q);
	if (status != RR_REPLY_OK)
		return status;
	return q->op == RR_REQUEST_ADDR_SET ? set(c, q) : remove_begin(c, q, later);
}

static uint32_t take(struct addr_command *c) {
	struct rr_request q;
	bool later = false;
	enum rr_reply_status status;
	int ret = rr_ring_room(&c->replies);

	if (ret > 0)
		ret = rr_ring_pop(&c->requests, &q);
	if (ret == -EPROTO)
		count(c, RR_C_ring_broken);
	if (ret <= 0)
		return 0;
	if (q.dp_generation != c->dp_generation) {
		count(c, RR_C_requests_stale);
		return 1;
	}
	status = apply(c, &q, &later);
	if (!later)
		answer(c, &q, status);
	return 1;
}

uint32_t addr_command_poll(struct addr_command *c) {
	if (!c->removing)
		return take(c);
	if (c->neighbours->epoch - c->since_epoch < TURNS)
		return 0;
	answer(c, &c->request, remove_end(c));
	return 1;
}

int addr_command_open(struct addr_command *c) {
	struct rr_shm_worker *shm = &c->region->workers[c->self];
	int request = rr_ring_attach_consumer(&c->requests, &shm->request_ring, shm->request_slots,
		RR_REQUEST_RING_SLOTS, sizeof(struct rr_request));
	int reply = rr_ring_attach_producer(&c->replies, &shm->reply_ring, shm->reply_slots,
		RR_REPLY_RING_SLOTS, sizeof(struct rr_reply));

	return (request < 0) + (reply < 0);
}
