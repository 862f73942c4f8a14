// SPDX-License-Identifier: BSD-2-Clause
// The main thread's timers as one table.
#include "upkeep.h"

#include <rte_ethdev.h>

#include "atomic.h"
#include "clock.h"
#include "log.h"
#include "worker.h"

#define ANNOUNCE_INTERVAL_NS RR_NS_PER_S // RETRANS_TIMER, RFC 4861 10; RFC 5227 says 2 s
#define ANNOUNCE_PACE 16 // addresses every 10 ms

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

static void next_hops(struct upkeep *u, uint64_t now_ns) {
	if (workers_turned(u))
		neighbour_epoch_next(u->neighbours);
	neighbour_tick(u->neighbours, now_ns, punt_probe, u->punt);
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

// A link that comes up may lead to other switches than before: they are told who lives here.
static void links(struct upkeep *u, uint64_t now_ns) {
	for (uint32_t p = 0; p < u->ports->n; p++)
		if (port_link_watch(&u->ports->port[p]))
			u->announce[p] = (struct upkeep_announce){
				.n_rounds_left = ANNOUNCE_ROUNDS, .next_ns = now_ns};
}

int upkeep_ports_start(struct upkeep *u) {
	uint32_t held = 0;

	for (uint32_t p = 0; p < u->ports->n; p++) {
		int ret = 0;

		if (u->cfg->port[p].start_held)
			held |= 1U << p;
		else
			ret = port_start(&u->ports->port[p]);
		if (ret < 0)
			return ret;
	}
	rr_store_relaxed(&u->region->header->port_held_mask, held);
	return 0;
}

// A released port that cannot be started stays held, and is tried again. A release is kept over a
// restart of the dataplane on the same region: its calls shall have their media back.
static void held_ports(struct upkeep *u, uint64_t now_ns RR_UNUSED) {
	struct rr_shm_header *h = u->region->header;
	uint32_t held = h->port_held_mask;
	uint32_t release = held & rr_load_relaxed(&h->port_release_mask);

	for (uint32_t p = 0; release && p < u->ports->n; p++)
		if ((release & (1U << p)) && port_start(&u->ports->port[p]) == 0)
			held &= ~(1U << p);
	rr_store_relaxed(&h->port_held_mask, held);
}

// A few addresses at a time, so that a large pool does not flood the link.
static void announce_some(struct upkeep *u, uint32_t port, uint64_t now_ns) {
	struct upkeep_announce *a = &u->announce[port];
	uint32_t n = 0;

	while (a->index < u->cfg->n_addrs && n < ANNOUNCE_PACE) {
		if (u->cfg->addr[a->index].port == port) {
			punt_announce(u->punt, a->index);
			n++;
		}
		a->index++;
	}
	if (a->index < u->cfg->n_addrs)
		return;
	a->index = 0;
	a->n_rounds_left--;
	a->next_ns = now_ns + ANNOUNCE_INTERVAL_NS;
}

static void announcements(struct upkeep *u, uint64_t now_ns) {
	for (uint32_t p = 0; p < u->ports->n; p++)
		if (u->announce[p].n_rounds_left > 0 && now_ns >= u->announce[p].next_ns)
			announce_some(u, p, now_ns);
}

static const struct {
	uint64_t interval_ns;
	void (*run)(struct upkeep *, uint64_t now_ns);
} timers[] = {
	{50 * RR_NS_PER_MS, heartbeat},
	{20 * RR_NS_PER_MS, held_ports},
	{100 * RR_NS_PER_MS, links},
	{10 * RR_NS_PER_MS, announcements},
	{20 * RR_NS_PER_MS, next_hops},
	{250 * RR_NS_PER_MS, device_counters},
};
RR_STATIC_ASSERT(RR_ARRAY_LEN(timers) <= RR_ARRAY_LEN(((struct upkeep *)0)->due_ns), "rows");

void upkeep_turn(struct upkeep *u, uint64_t now_ns) {
	neighbour_wishes(u->neighbours, now_ns, punt_probe, u->punt);
	for (size_t i = 0; i < RR_ARRAY_LEN(timers); i++) {
		if (now_ns < u->due_ns[i])
			continue;
		u->due_ns[i] = now_ns + timers[i].interval_ns;
		timers[i].run(u, now_ns);
	}
}
