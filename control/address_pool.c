// SPDX-License-Identifier: BSD-2-Clause
// Local addresses while control runs: those of the file, and what an operator made of them.
#include "address_pool.h"

#include <errno.h>
#include <string.h>

#include "realm_select.h"
#include "session.h"

static struct address_list *list_of(struct address_pool *pool, const struct rr_shm_addr *addr) {
	return &pool->active[addr->realm][addr->family == RR_FAMILY_IPV6];
}

static void lists_fill(struct address_pool *pool) {
	for (uint32_t i = 0; i < RR_MAX_REALMS; i++)
		pool->active[i][0].n = pool->active[i][1].n = 0;
	for (uint32_t i = 0; i < pool->cfg->n_addrs; i++) {
		struct address_list *list = list_of(pool, &pool->cfg->addr[i]);

		if (pool->state[i] == RR_ADDRESS_ACTIVE)
			list->index[list->n++] = (uint16_t)i;
	}
}

void address_pool_init(struct address_pool *pool, struct rr_config *cfg) {
	*pool = (struct address_pool){.cfg = cfg, .changed = true};
	for (uint32_t i = 0; i < cfg->n_addrs; i++) {
		pool->state[i] = RR_ADDRESS_ACTIVE;
		pool->named[i] = true;
	}
	lists_fill(pool);
}

int address_pool_find(const struct address_pool *pool, const struct rr_endpoint *ep) {
	return rr_config_find_addr(pool->cfg, ep);
}

static int find_free(const struct address_pool *pool) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		if (pool->state[i] == RR_ADDRESS_FREE)
			return (int)i;
	return -ENOSPC;
}

int address_pool_add(struct address_pool *pool, uint32_t realm, const struct rr_endpoint *ep) {
	struct rr_config *cfg = pool->cfg;
	int index = find_free(pool);

	if (index < 0)
		return index;
	cfg->addr[index] = (struct rr_shm_addr){
		.realm_key = rr_realm_key(cfg->realm[realm].name),
		.family = ep->family,
		.realm = (uint8_t)realm,
		.port = (uint8_t)cfg->realm[realm].port,
	};
	memcpy(cfg->addr[index].addr, ep->addr, sizeof(ep->addr));
	if ((uint32_t)index >= cfg->n_addrs)
		cfg->n_addrs = (uint32_t)index + 1;
	pool->named[index] = false;
	address_pool_set(pool, (uint32_t)index, RR_ADDRESS_ADDING);
	return index;
}

void address_pool_set(struct address_pool *pool, uint32_t index, enum rr_address_state state) {
	pool->state[index] = (uint8_t)state;
	pool->changed = true;
	if (state == RR_ADDRESS_FREE) {
		pool->cfg->addr[index] = (struct rr_shm_addr){.family = RR_FAMILY_NONE};
		pool->named[index] = false;
	}
	lists_fill(pool);
}

void address_pool_name(struct address_pool *pool, const bool named[RR_MAX_ADDRS]) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		if (pool->state[i] == RR_ADDRESS_FREE)
			continue;
		pool->named[i] = named[i];
		if (pool->state[i] == RR_ADDRESS_GONE && !named[i])
			address_pool_set(pool, i, RR_ADDRESS_FREE);
	}
	pool->changed = true;
}

bool address_pool_is_wanted(const struct address_pool *pool, uint32_t index) {
	return pool->state[index] == RR_ADDRESS_ACTIVE || pool->state[index] == RR_ADDRESS_DRAINING;
}

void address_pool_choice(const struct address_pool *pool, const struct session_local *local,
	struct address_list *choice) {
	const struct address_list *all =
		&pool->active[local->realm][local->family == RR_FAMILY_IPV6];

	if (!local->exact) {
		choice->n = all->n;
		memcpy(choice->index, all->index, all->n * sizeof(all->index[0]));
		return;
	}
	choice->n = pool->state[local->addr] == RR_ADDRESS_ACTIVE;
	choice->index[0] = local->addr;
}

struct rr_endpoint address_pool_endpoint(const struct address_pool *pool, uint32_t index) {
	return rr_addr_endpoint(&pool->cfg->addr[index]);
}

// ---- from the store

static int add_row(
	struct address_pool *pool, const struct rr_store_address *row, const struct rr_text *name) {
	struct slice label = {.p = name->p, .len = name->len};
	int realm = realm_find_label(pool->cfg, label);

	if (realm < 0 || rr_realm_refuses(pool->cfg, (uint32_t)realm, &row->addr))
		return -EADDRNOTAVAIL;
	return address_pool_add(pool, (uint32_t)realm, &row->addr);
}

void address_pool_clear(struct address_pool *pool) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		if (pool->state[i] != RR_ADDRESS_FREE)
			address_pool_set(pool, i, RR_ADDRESS_FREE);
}

int address_pool_restore(struct address_pool *pool, const struct rr_store_address *row,
	const struct rr_text *realm) {
	int index = add_row(pool, row, realm);

	if (index < 0)
		return index;
	pool->named[index] = row->named;
	address_pool_set(pool, (uint32_t)index, (enum rr_address_state)row->state);
	return 0;
}

static int recall_unnamed(
	struct address_pool *pool, const struct rr_store_address *row, const struct rr_text *name) {
	int index;

	if (row->state == RR_ADDRESS_GONE)
		return 0;
	index = add_row(pool, row, name);
	if (index < 0)
		return index;
	address_pool_set(pool, (uint32_t)index,
		row->named ? RR_ADDRESS_DRAINING : (enum rr_address_state)row->state);
	return 0;
}

int address_pool_recall(struct address_pool *pool, const struct rr_store_address *row,
	const struct rr_text *realm) {
	int index = address_pool_find(pool, &row->addr);

	if (index < 0)
		return recall_unnamed(pool, row, realm);
	address_pool_set(pool, (uint32_t)index, (enum rr_address_state)row->state);
	return 0;
}
