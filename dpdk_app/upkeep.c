// SPDX-License-Identifier: BSD-2-Clause
// The main thread's timers as one table.
#include "upkeep.h"

#include <string.h>

#include <rte_ethdev.h>

#include "atomic.h"
#include "clock.h"
#include "mld.h"
#include "worker.h"

#define TOUR_PACE 16 // addresses every 10 ms

// Announcements: MAX_NEIGHBOR_ADVERTISEMENT and RETRANS_TIMER, RFC 4861 10; RFC 5227 1.1 is less
// eager.
static const struct {
	uint32_t n_rounds;
	uint64_t interval_ns;
	void (*say)(struct punt *, uint32_t index);
} tours[UPKEEP_TOURS] = {
	[UPKEEP_ANNOUNCE] = {3, RR_NS_PER_S, punt_announce},
	[UPKEEP_LISTEN] = {UINT32_MAX, MLD_REPEAT_S *RR_NS_PER_S, punt_listen},
};

static void heartbeat(struct upkeep *u, uint64_t now_ns) {
	rr_store_relaxed(&u->region->header->dp_heartbeat_ns, now_ns);
}

// True when every worker has begun a turn since this was true last.
static bool workers_turned(struct upkeep *u) {
	uint64_t turns[RR_MAX_WORKERS];

	for (uint32_t w = 0; w < u->cfg->n_workers; w++) {
		// pairs with the release in worker_run
		turns[w] = rr_load_acquire(&u->workers[w].n_turns);
		if (turns[w] == u->seen_turns[w])
			return false;
	}
	for (uint32_t w = 0; w < u->cfg->n_workers; w++)
		u->seen_turns[w] = turns[w];
	return true;
}

// Ask the network, or on a shared port the kernel.
static bool next_hop_probe(
	void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac) {
	struct upkeep *u = ctx;

	if (port_is_shared(&u->cfg->port[u->cfg->realm[key->realm].port]))
		return kernel_hops_probe(&u->kernel, key, mac);
	return punt_probe(u->punt, key, mac);
}

static void next_hops(struct upkeep *u, uint64_t now_ns) {
	if (workers_turned(u))
		neighbour_epoch_next(u->neighbours);
	neighbour_tick(u->neighbours, now_ns, next_hop_probe, u);
}

static void count_growth(
	struct upkeep *u, uint32_t port, enum rr_counter counter, uint64_t *last, uint64_t now) {
	if (now > *last)
		rr_add_relaxed(&u->counters[port][counter], now - *last);
	*last = now;
}

static void device_counters(struct upkeep *u, uint64_t now_ns RR_UNUSED) {
	for (uint32_t p = 0; p < u->ports->n; p++) {
		struct upkeep_device *d = &u->device[p];
		struct rte_eth_stats stats;

		if (!port_is_started(&u->ports->port[p]) ||
			rte_eth_stats_get(u->ports->port[p].id, &stats) < 0)
			continue;
		count_growth(u, p, RR_C_dev_rx_missed, &d->n_missed, stats.imissed);
		count_growth(u, p, RR_C_dev_rx_nombuf, &d->n_nombuf, stats.rx_nombuf);
		count_growth(u, p, RR_C_dev_rx_errors, &d->n_rx_errors, stats.ierrors);
		count_growth(u, p, RR_C_dev_tx_errors, &d->n_tx_errors, stats.oerrors);
	}
}

// A link that comes up may lead to other switches than before: they are told who lives here. For a
// shared port the kernel does that.
static void links(struct upkeep *u, uint64_t now_ns) {
	for (uint32_t p = 0; p < u->ports->n; p++)
		if (port_link_watch(&u->ports->port[p]) && !port_is_shared(&u->cfg->port[p]))
			for (uint32_t k = 0; k < UPKEEP_TOURS; k++)
				u->tour[p][k] = (struct upkeep_tour){
					.n_rounds_left = tours[k].n_rounds, .next_ns = now_ns};
}

static uint32_t af_xdp_mask(const struct port_set *ports) {
	uint32_t mask = 0;

	for (uint32_t p = 0; p < ports->n; p++)
		if (port_is_shared(ports->port[p].cfg) && ports->port[p].shared.io == RR_IO_AF_XDP)
			mask |= 1U << p;
	return mask;
}

// For whoever makes frames for this relay; nobody here reads it.
static void macs_show(const struct upkeep *u) {
	for (uint32_t p = 0; p < u->ports->n; p++) {
		uint64_t mac = 0;

		memcpy(&mac, u->ports->port[p].mac.addr_bytes, RTE_ETHER_ADDR_LEN);
		rr_store_relaxed(&u->region->header->port_mac[p], mac);
	}
}

int upkeep_ports_start(struct upkeep *u) {
	rr_store_relaxed(&u->region->header->port_af_xdp_mask, af_xdp_mask(u->ports));
	macs_show(u);
	for (uint32_t p = 0; p < u->ports->n; p++) {
		int ret = 0;

		if (u->cfg->port[p].start_held)
			u->held_mask |= 1U << p;
		else
			ret = port_start(&u->ports->port[p], u->punt->addrs);
		if (ret < 0)
			return ret;
	}
	port_set_poll(u->ports);
	rr_store_relaxed(&u->region->header->port_held_mask, u->held_mask);
	return 0;
}

// A released port that cannot be started stays held, and is tried again a second later. A release
// is kept over a restart of the dataplane on the same region: its calls shall have their media
// back.
static void held_ports(struct upkeep *u, uint64_t now_ns) {
	struct rr_shm_header *h = u->region->header;
	uint32_t release = u->held_mask & rr_load_relaxed(&h->port_release_mask);

	if (release && now_ns < u->release_retry_ns)
		return;
	for (uint32_t p = 0; release && p < u->ports->n; p++) {
		if (!(release & (1U << p)))
			continue;
		if (port_start(&u->ports->port[p], u->punt->addrs) == 0)
			u->held_mask &= ~(1U << p);
		else
			u->release_retry_ns = now_ns + RR_NS_PER_S;
	}
	port_set_poll(u->ports);
	rr_store_relaxed(&h->port_held_mask, u->held_mask);
}

// A few addresses at a time, so that a large pool does not flood the link.
static void tour_go_on(
	struct upkeep *u, uint32_t port, enum upkeep_tour_kind kind, uint64_t now_ns) {
	const struct addr_table *addrs = u->punt->addrs;
	struct upkeep_tour *t = &u->tour[port][kind];
	uint32_t n = 0;

	while (t->index < addrs->n_addrs && n < TOUR_PACE) {
		if (addr_table_has(addrs, t->index) && addrs->local[t->index].port == port) {
			tours[kind].say(u->punt, t->index);
			n++;
		}
		t->index++;
	}
	if (t->index < addrs->n_addrs)
		return;
	t->index = 0;
	t->n_rounds_left--;
	t->next_ns = now_ns + tours[kind].interval_ns;
}

static void tours_go_on(struct upkeep *u, uint64_t now_ns) {
	for (uint32_t p = 0; p < u->ports->n; p++)
		for (uint32_t k = 0; k < UPKEEP_TOURS; k++)
			if (u->tour[p][k].n_rounds_left > 0 && now_ns >= u->tour[p][k].next_ns)
				tour_go_on(u, p, (enum upkeep_tour_kind)k, now_ns);
}

int upkeep_claim(const struct upkeep *u, const struct rr_shm_addr *addr, bool on) {
	struct rr_endpoint ep = rr_addr_endpoint(addr);

	if (!port_is_shared(&u->cfg->port[addr->port]))
		return 0;
	return shared_port_set_addr(&u->ports->port[addr->port].shared, &ep, on);
}

// On a shared port the kernel does that.
void upkeep_announce(struct upkeep *u, uint32_t index) {
	if (port_is_shared(&u->cfg->port[u->punt->addrs->local[index].port]))
		return;
	u->newcomer[index] = (struct upkeep_newcomer){.n_left = tours[UPKEEP_ANNOUNCE].n_rounds};
}

// One whose port is not up is announced with the others when it comes up.
static void newcomers_go_on(struct upkeep *u, uint64_t now_ns) {
	const struct addr_table *addrs = u->punt->addrs;

	for (uint32_t i = 0; i < addrs->n_addrs; i++) {
		struct upkeep_newcomer *n = &u->newcomer[i];

		if (n->n_left == 0 || now_ns < n->next_ns)
			continue;
		n->n_left--;
		n->next_ns = now_ns + tours[UPKEEP_ANNOUNCE].interval_ns;
		if (!addr_table_has(addrs, i) ||
			!port_is_started(&u->ports->port[addrs->local[i].port]))
			continue;
		for (uint32_t k = 0; k < UPKEEP_TOURS; k++)
			tours[k].say(u->punt, i);
	}
}

static const struct {
	uint64_t interval_ns;
	void (*run)(struct upkeep *, uint64_t now_ns);
} timers[] = {
	{50 * RR_NS_PER_MS, heartbeat},
	{20 * RR_NS_PER_MS, held_ports},
	{100 * RR_NS_PER_MS, links},
	{10 * RR_NS_PER_MS, tours_go_on},
	{10 * RR_NS_PER_MS, newcomers_go_on},
	{20 * RR_NS_PER_MS, next_hops},
	{250 * RR_NS_PER_MS, device_counters},
};
RR_STATIC_ASSERT(RR_ARRAY_LEN(timers) <= RR_ARRAY_LEN(((struct upkeep *)0)->due_ns), "rows");

void upkeep_turn(struct upkeep *u, uint64_t now_ns) {
	kernel_hops_poll(&u->kernel, now_ns);
	neighbour_wishes(u->neighbours, now_ns, next_hop_probe, u);
	for (size_t i = 0; i < RR_ARRAY_LEN(timers); i++) {
		if (now_ns < u->due_ns[i])
			continue;
		u->due_ns[i] = now_ns + timers[i].interval_ns;
		timers[i].run(u, now_ns);
	}
}
