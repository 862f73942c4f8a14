// SPDX-License-Identifier: BSD-2-Clause
// The table of next hops and the timers that keep it fresh: RFC 4861 7.3 in its simple form, for
// IPv4 and IPv6 alike.
#include "neighbour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "atomic.h"
#include "clock.h"

#define PROBE_INTERVAL_NS RR_NS_PER_S // RETRANS_TIMER, RFC 4861 10
#define UNSENT_PAUSE_NS (100 * RR_NS_PER_MS)
#define PROBES_AT_FULL_PACE 3 // then each pause doubles
#define PROBE_PAUSE_MAX_NS (32 * RR_NS_PER_S)
#define UNUSED_PROBES 3 // MAX_MULTICAST_SOLICIT: then one is given up that no packet waits for
#define UNICAST_PROBES 3 // MAX_UNICAST_SOLICIT, RFC 4861 10; RFC 1122 2.3.2.1 for ARP
#define VERIFY_PROBES 6 // then the MAC is no longer used
#define REFRESH_NS (20 * RR_NS_PER_S) // a used entry is asked for again
#define IDLE_NS (60 * RR_NS_PER_S) // an unused entry is given up
#define ASKS_AT_ONCE 256U // of those that the kernel is asked for anew
#define ASKS_PAUSE_NS (20 * RR_NS_PER_MS) // before the next; all of them take less than a second
#define ANSWER_WINDOW_NS (3 * RR_NS_PER_S) // an answer later than that was not asked for

RR_STATIC_ASSERT(sizeof(struct neighbour_key) == 20, "a key is its bytes, a multiple of four");
RR_STATIC_ASSERT(sizeof(struct neighbour_slot) == 16, "four entries a line");

static uint64_t word_make(uint64_t generation, const struct rte_ether_addr *mac) {
	uint64_t word = (generation & NEIGHBOUR_WORD_GENERATION_MASK)
			<< NEIGHBOUR_WORD_GENERATION_SHIFT;

	if (!mac)
		return word;
	for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		word |= (uint64_t)mac->addr_bytes[i] << (8 * i);
	return word | NEIGHBOUR_WORD_RESOLVED;
}

static void slot_publish(struct neighbour_slot *slot, const struct rte_ether_addr *mac) {
	uint64_t generation = neighbour_word_generation(rr_load_relaxed(&slot->word));

	// The word is whole in itself: nothing else needs an order to it.
	rr_store_relaxed(&slot->word, word_make(generation, mac));
}

// Invalidate every handle given out so far.
static void slot_renew(struct neighbour_slot *slot) {
	uint64_t generation = neighbour_word_generation(rr_load_relaxed(&slot->word));

	rr_store_relaxed(&slot->word, word_make(generation + 1, NULL));
}

// ---- worker's side

static bool on_link(const struct rr_net_config *net, enum rr_family family, const uint8_t *addr) {
	const uint8_t *prefix = net->prefix.addr;
	uint32_t whole = net->prefix_len / 8;
	uint32_t rest = net->prefix_len % 8;

	if (family == RR_FAMILY_IPV6 && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80)
		return true;
	if (memcmp(addr, prefix, whole) != 0)
		return false;
	return rest == 0 || ((addr[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool realm_is_shared(const struct rr_config *cfg, uint32_t realm) {
	return cfg->port[cfg->realm[realm].port].mode == RR_PORT_SHARED;
}

bool neighbour_route(const struct rr_config *cfg, uint32_t realm, enum rr_family family,
	const uint8_t addr[16], struct neighbour_key *key) {
	const struct rr_net_config *net;
	const uint8_t *hop = addr;

	if (realm >= cfg->n_realms)
		return false;
	net = family == RR_FAMILY_IPV6 ? &cfg->realm[realm].ipv6 : &cfg->realm[realm].ipv4;
	if (!realm_is_shared(cfg, realm) && !on_link(net, family, addr)) {
		if (net->gateway.family == RR_FAMILY_NONE)
			return false;
		hop = net->gateway.addr;
	}
	*key = (struct neighbour_key){.family = (uint8_t)family, .realm = (uint8_t)realm};
	memcpy(key->addr, hop, family == RR_FAMILY_IPV6 ? 16 : 4);
	return true;
}

struct neighbour_view neighbour_view_of(const struct neighbour_table *t, uint32_t worker) {
	return (struct neighbour_view){.table = t, .wishes = t->wishes[worker]};
}

uint32_t neighbour_find(const struct neighbour_view *v, uint32_t realm, enum rr_family family,
	const uint8_t addr[16]) {
	const struct neighbour_table *t = v->table;
	struct neighbour_key key;
	uint64_t generation;
	int32_t pos;

	if (!neighbour_route(t->cfg, realm, family, addr, &key))
		return RR_NEXTHOP_NONE;
	pos = rte_hash_lookup(t->hash, &key);
	if (pos < 0) {
		// A full ring is no harm: the next packet asks again.
		rte_ring_sp_enqueue_elem(v->wishes, &key, sizeof(key));
		return RR_NEXTHOP_NONE;
	}
	generation = neighbour_word_generation(rr_load_relaxed(&t->slots[pos].word));
	return (uint32_t)generation << NEIGHBOUR_HANDLE_GENERATION_SHIFT | (uint32_t)pos;
}

// ---- main thread's side

static void state_set(
	struct neighbour_table *t, struct neighbour_entry *e, enum neighbour_state state) {
	t->n_unresolved -= e->state == NEIGHBOUR_RESOLVING;
	t->n_unresolved += state == NEIGHBOUR_RESOLVING;
	e->state = (uint8_t)state;
}

static void state_enter(struct neighbour_table *t, struct neighbour_entry *e,
	enum neighbour_state state, uint64_t now_ns) {
	state_set(t, e, state);
	e->n_probes = 0;
	e->next_ns = now_ns;
}

// Returns the entry's position, or a negative errno when the table is full.
static int32_t entry_add(struct neighbour_table *t, const struct neighbour_key *key,
	enum neighbour_state state, uint64_t now_ns) {
	int32_t pos = rte_hash_lookup(t->hash, key);
	struct neighbour_entry *e;

	if (pos >= 0)
		return pos;
	if (state != NEIGHBOUR_RESOLVING || t->n_unresolved < NEIGHBOUR_UNRESOLVED_MAX)
		pos = rte_hash_add_key(t->hash, key);
	if (pos < 0) {
		rr_add_relaxed(t->n_full, UINT64_C(1));
		return -ENOSPC;
	}
	e = &t->entries[pos];
	*e = (struct neighbour_entry){.key = *key, .used_ns = now_ns};
	state_enter(t, e, state, now_ns);
	return pos;
}

static void entry_give_up(struct neighbour_table *t, uint32_t pos) {
	struct neighbour_entry *e = &t->entries[pos];

	rte_hash_del_key(t->hash, &e->key);
	slot_renew(&t->slots[pos]);
	state_set(t, e, NEIGHBOUR_DYING);
	e->died_epoch = t->epoch;
}

// A worker that found the key before it was deleted may have taken a handle since: renew once more.
static void entry_free(struct neighbour_table *t, uint32_t pos) {
	slot_renew(&t->slots[pos]);
	t->entries[pos].state = NEIGHBOUR_FREE;
	rte_hash_free_key_with_position(t->hash, (int32_t)pos);
}

// Ask everybody: who moved does not listen at the old place. A question that is out already is no
// reason to believe what comes next.
static void doubt(struct neighbour_table *t, struct neighbour_entry *e, uint64_t now_ns) {
	state_enter(t, e, NEIGHBOUR_VERIFYING, now_ns);
	e->n_probes = UNICAST_PROBES;
	e->next_ns = RTE_MAX(now_ns, e->probed_ns + PROBE_INTERVAL_NS);
	e->answerable = false;
}

bool neighbour_hint(struct neighbour_table *t, const struct neighbour_key *key,
	const struct rte_ether_addr *mac, uint64_t now_ns) {
	int32_t pos = rte_hash_lookup(t->hash, key);
	struct rte_ether_addr known;
	struct neighbour_entry *e;

	if (pos < 0)
		return false;
	e = &t->entries[pos];
	if (e->state == NEIGHBOUR_RESOLVING) {
		uint64_t due_ns = RTE_MAX(now_ns, e->probed_ns + PROBE_INTERVAL_NS);

		e->next_ns = RTE_MIN(e->next_ns, due_ns);
		e->n_probes = 0;
		return true;
	}
	if (neighbour_word_mac(rr_load_relaxed(&t->slots[pos].word), &known) &&
		rte_is_same_ether_addr(&known, mac))
		return false;
	if (e->state != NEIGHBOUR_REACHABLE &&
		(e->state != NEIGHBOUR_VERIFYING || e->n_probes >= UNICAST_PROBES))
		return false;
	doubt(t, e, now_ns);
	return true;
}

static bool answer_counts(const struct neighbour_entry *e, uint64_t now_ns) {
	return (e->state == NEIGHBOUR_RESOLVING || e->state == NEIGHBOUR_VERIFYING) &&
	       e->answerable && now_ns - e->probed_ns <= ANSWER_WINDOW_NS;
}

bool neighbour_answer(struct neighbour_table *t, const struct neighbour_key *key,
	const struct rte_ether_addr *mac, bool overrides, uint64_t now_ns) {
	int32_t pos = rte_hash_lookup(t->hash, key);
	struct rte_ether_addr known;
	bool is_known;

	if (pos < 0)
		return false;
	is_known = neighbour_word_mac(rr_load_relaxed(&t->slots[pos].word), &known);
	if (!mac && !is_known)
		return false;
	if (!mac)
		mac = &known;
	if (!answer_counts(&t->entries[pos], now_ns) ||
		(is_known && !overrides && !rte_is_same_ether_addr(&known, mac))) {
		neighbour_hint(t, key, mac, now_ns);
		return false;
	}
	slot_publish(&t->slots[pos], mac);
	t->entries[pos].confirmed_ns = now_ns;
	state_enter(t, &t->entries[pos], NEIGHBOUR_REACHABLE, now_ns);
	return true;
}

// ---- what the kernel says of a shared port's

static void kernel_says(struct neighbour_table *t, uint32_t pos, const struct rte_ether_addr *mac,
	uint64_t now_ns) {
	struct neighbour_entry *e = &t->entries[pos];

	slot_publish(&t->slots[pos], mac);
	if (mac) {
		e->confirmed_ns = now_ns;
		state_enter(t, e, NEIGHBOUR_REACHABLE, now_ns);
	} else if (e->state != NEIGHBOUR_RESOLVING) {
		state_enter(t, e, NEIGHBOUR_RESOLVING, now_ns);
	}
}

void neighbour_told(struct neighbour_table *t, const struct neighbour_key *key,
	const uint8_t hop[16], const struct rte_ether_addr *mac, uint64_t now_ns) {
	int32_t pos = rte_hash_lookup(t->hash, key);

	if (pos < 0)
		return;
	memcpy(t->entries[pos].hop, hop, sizeof(t->entries[pos].hop));
	kernel_says(t, (uint32_t)pos, mac, now_ns);
}

static bool is_asked_for(const struct neighbour_entry *e) {
	return e->state == NEIGHBOUR_RESOLVING || e->state == NEIGHBOUR_REACHABLE ||
	       e->state == NEIGHBOUR_VERIFYING;
}

void neighbour_hop_told(struct neighbour_table *t, const struct neighbour_key *hop,
	const struct rte_ether_addr *mac, uint64_t now_ns) {
	for (uint32_t pos = 0; pos < t->n_positions; pos++) {
		const struct neighbour_entry *e = &t->entries[pos];

		if (is_asked_for(e) && e->key.realm == hop->realm && e->key.family == hop->family &&
			memcmp(e->hop, hop->addr, sizeof(e->hop)) == 0)
			kernel_says(t, pos, mac, now_ns);
	}
}

void neighbour_ask_again(struct neighbour_table *t, uint64_t now_ns) {
	uint32_t n_asked = 0;

	for (uint32_t pos = 0; pos < t->n_positions; pos++) {
		struct neighbour_entry *e = &t->entries[pos];

		if (!is_asked_for(e) || !realm_is_shared(t->cfg, e->key.realm))
			continue;
		if (e->state == NEIGHBOUR_REACHABLE)
			state_set(t, e, NEIGHBOUR_VERIFYING);
		e->n_probes = 0;
		e->next_ns = now_ns + n_asked++ / ASKS_AT_ONCE * ASKS_PAUSE_NS;
	}
}

static uint64_t probe_pause_ns(uint32_t n_probes) {
	uint32_t doublings = n_probes > PROBES_AT_FULL_PACE ? n_probes - PROBES_AT_FULL_PACE : 0;

	if (doublings >= 5)
		return PROBE_PAUSE_MAX_NS;
	return PROBE_INTERVAL_NS << doublings;
}

// Questions for what has no address, at NEIGHBOUR_PROBES_PER_S with a burst. A gateway does not
// wait for those that a forger made up.
static bool probe_allowed(
	struct neighbour_table *t, const struct neighbour_entry *e, uint64_t now_ns) {
	const uint64_t interval_ns = RR_NS_PER_S / NEIGHBOUR_PROBES_PER_S;
	const uint64_t earliest_ns = now_ns - NEIGHBOUR_PROBES_BURST * interval_ns;

	if (e->state != NEIGHBOUR_RESOLVING || e->pinned)
		return true;
	if (t->probe_due_ns > now_ns)
		return false;
	t->probe_due_ns = RTE_MAX(t->probe_due_ns, earliest_ns) + interval_ns;
	return true;
}

static void entry_probe(struct neighbour_table *t, uint32_t pos, uint64_t now_ns,
	neighbour_probe_fn probe, void *ctx) {
	struct neighbour_entry *e = &t->entries[pos];
	bool unicast = e->state == NEIGHBOUR_VERIFYING && e->n_probes < UNICAST_PROBES;
	struct rte_ether_addr mac;

	if (!probe_allowed(t, e, now_ns)) {
		// Still due: the next tick begins with the first one that was passed over.
		if (t->ticks)
			t->tick_from = pos;
		t->ticks = false;
		return;
	}
	unicast = unicast && neighbour_word_mac(rr_load_relaxed(&t->slots[pos].word), &mac);
	if (!probe(ctx, &e->key, unicast ? &mac : NULL)) {
		e->next_ns = now_ns + UNSENT_PAUSE_NS;
		return;
	}
	if (e->n_probes < UINT8_MAX)
		e->n_probes++;
	e->probed_ns = now_ns;
	e->answerable = true;
	e->next_ns = now_ns + probe_pause_ns(e->n_probes);
}

static void resolving_step(struct neighbour_table *t, uint32_t pos, uint64_t now_ns,
	neighbour_probe_fn probe, void *ctx) {
	struct neighbour_entry *e = &t->entries[pos];

	bool in_vain = e->n_probes >= UNUSED_PROBES && e->used_ns < e->probed_ns;

	if (now_ns - e->used_ns > IDLE_NS || (in_vain && now_ns >= e->next_ns))
		entry_give_up(t, pos);
	else if (now_ns >= e->next_ns)
		entry_probe(t, pos, now_ns, probe, ctx);
}

static void reachable_step(struct neighbour_table *t, uint32_t pos, uint64_t now_ns) {
	struct neighbour_entry *e = &t->entries[pos];

	if (now_ns - e->confirmed_ns < REFRESH_NS)
		return;
	if (e->used_ns > e->confirmed_ns)
		state_enter(t, e, NEIGHBOUR_VERIFYING, now_ns);
	else if (now_ns - e->confirmed_ns > IDLE_NS)
		entry_give_up(t, pos);
}

static void verifying_step(struct neighbour_table *t, uint32_t pos, uint64_t now_ns,
	neighbour_probe_fn probe, void *ctx) {
	struct neighbour_entry *e = &t->entries[pos];

	if (now_ns < e->next_ns)
		return;
	if (e->n_probes >= VERIFY_PROBES) {
		slot_publish(&t->slots[pos], NULL);
		state_enter(t, e, NEIGHBOUR_RESOLVING, now_ns);
		return;
	}
	entry_probe(t, pos, now_ns, probe, ctx);
	e->next_ns = RTE_MIN(e->next_ns, now_ns + PROBE_INTERVAL_NS);
}

static void entry_step(struct neighbour_table *t, uint32_t pos, uint64_t now_ns,
	neighbour_probe_fn probe, void *ctx) {
	struct neighbour_entry *e = &t->entries[pos];

	if (e->pinned || rr_load_relaxed(&t->slots[pos].used)) {
		rr_store_relaxed(&t->slots[pos].used, 0U);
		e->used_ns = now_ns;
	}
	switch ((enum neighbour_state)e->state) {
	case NEIGHBOUR_RESOLVING:
		resolving_step(t, pos, now_ns, probe, ctx);
		break;
	case NEIGHBOUR_REACHABLE:
		reachable_step(t, pos, now_ns);
		break;
	case NEIGHBOUR_VERIFYING:
		verifying_step(t, pos, now_ns, probe, ctx);
		break;
	case NEIGHBOUR_DYING:
		if (t->epoch - e->died_epoch >= 2)
			entry_free(t, pos);
		break;
	case NEIGHBOUR_FREE:
	case NEIGHBOUR_STATIC:
		break;
	}
}

// Nobody is asked for an address of ours: what is sent there does not leave.
static bool is_own(const struct neighbour_table *t, const struct neighbour_key *key) {
	const struct rr_realm_config *realm = &t->cfg->realm[key->realm];

	return addr_table_find(t->addrs, (uint8_t)realm->port, realm->vlan,
		       (enum rr_family)key->family, key->addr) != ADDR_NONE;
}

void neighbour_forget(struct neighbour_table *t, const struct local_addr *local) {
	struct neighbour_key key = {.family = local->family};

	memcpy(key.addr, local->addr, sizeof(key.addr));
	for (uint32_t r = 0; r < t->cfg->n_realms; r++) {
		int32_t pos;

		key.realm = (uint8_t)r;
		if (t->cfg->realm[r].port != local->port || t->cfg->realm[r].vlan != local->vlan)
			continue;
		pos = rte_hash_lookup(t->hash, &key);
		if (pos >= 0)
			entry_give_up(t, (uint32_t)pos);
	}
}

void neighbour_want(struct neighbour_table *t, uint32_t realm, enum rr_family family,
	const uint8_t addr[16], uint64_t now_ns) {
	struct neighbour_key key;

	if (neighbour_route(t->cfg, realm, family, addr, &key) && !is_own(t, &key))
		entry_add(t, &key, NEIGHBOUR_RESOLVING, now_ns);
}

static void wish_grant(struct neighbour_table *t, const struct neighbour_key *key, uint64_t now_ns,
	neighbour_probe_fn probe, void *ctx) {
	int32_t pos;

	if (is_own(t, key))
		return;
	pos = entry_add(t, key, NEIGHBOUR_RESOLVING, now_ns);
	if (pos >= 0)
		entry_step(t, (uint32_t)pos, now_ns, probe, ctx);
}

void neighbour_wishes(
	struct neighbour_table *t, uint64_t now_ns, neighbour_probe_fn probe, void *ctx) {
	struct neighbour_key key;

	for (uint32_t w = 0; w < t->n_workers; w++)
		for (uint32_t i = 0; i < NEIGHBOUR_WISHES; i++) {
			if (rte_ring_sc_dequeue_elem(t->wishes[w], &key, sizeof(key)) != 0)
				break;
			wish_grant(t, &key, now_ns, probe, ctx);
		}
}

void neighbour_tick(
	struct neighbour_table *t, uint64_t now_ns, neighbour_probe_fn probe, void *ctx) {
	uint32_t from = t->tick_from;

	t->ticks = true;
	for (uint32_t i = 0; i < t->n_positions; i++)
		entry_step(t, (from + i) % t->n_positions, now_ns, probe, ctx);
	t->ticks = false;
}

void neighbour_epoch_next(struct neighbour_table *t) {
	t->epoch++;
}

// ---- start and end

static int net_add(struct neighbour_table *t, uint32_t realm, enum rr_family family,
	const struct rr_net_config *net) {
	struct neighbour_key key = {.family = (uint8_t)family, .realm = (uint8_t)realm};
	int32_t pos;

	for (uint32_t i = 0; i < net->n_neighbours; i++) {
		struct rte_ether_addr mac;

		memcpy(key.addr, net->neighbours[i].addr.addr, sizeof(key.addr));
		memcpy(mac.addr_bytes, net->neighbours[i].mac, sizeof(mac.addr_bytes));
		pos = entry_add(t, &key, NEIGHBOUR_STATIC, 0);
		if (pos < 0)
			return pos;
		slot_publish(&t->slots[pos], &mac);
	}
	if (net->n_pool == 0 || net->gateway.family == RR_FAMILY_NONE)
		return 0;
	memcpy(key.addr, net->gateway.addr, sizeof(key.addr));
	pos = entry_add(t, &key, NEIGHBOUR_RESOLVING, 0); // a static one stays static
	if (pos < 0)
		return pos;
	t->entries[pos].pinned = true;
	return 0;
}

static int configured_add(struct neighbour_table *t) {
	for (uint32_t r = 0; r < t->cfg->n_realms; r++) {
		const struct rr_realm_config *realm = &t->cfg->realm[r];
		int ret = net_add(t, r, RR_FAMILY_IPV4, &realm->ipv4);

		if (ret == 0)
			ret = net_add(t, r, RR_FAMILY_IPV6, &realm->ipv6);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int wishes_create(struct neighbour_table *t) {
	for (uint32_t w = 0; w < t->n_workers; w++) {
		char name[RTE_RING_NAMESIZE];

		snprintf(name, sizeof(name), "wishes-%u", w);
		t->wishes[w] = rte_ring_create_elem(name, sizeof(struct neighbour_key),
			NEIGHBOUR_WISHES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!t->wishes[w])
			return -ENOMEM;
	}
	return 0;
}

static int hash_create(struct neighbour_table *t) {
	const struct rte_hash_parameters params = {
		.name = "neighbours",
		.entries = NEIGHBOUR_MAX,
		.key_len = sizeof(struct neighbour_key),
		.hash_func = rte_jhash,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	t->hash = rte_hash_create(&params);
	if (!t->hash)
		return -ENOMEM;
	t->n_positions = (uint32_t)rte_hash_max_key_id(t->hash) + 1;
	t->slots = aligned_alloc(
		RR_CACHE_LINE, RTE_ALIGN(t->n_positions * sizeof(*t->slots), RR_CACHE_LINE));
	t->entries = calloc(t->n_positions, sizeof(*t->entries));
	if (!t->slots || !t->entries)
		return -ENOMEM;
	memset(t->slots, 0, t->n_positions * sizeof(*t->slots));
	return 0;
}

int neighbour_init(struct neighbour_table *t, const struct rr_config *cfg,
	const struct addr_table *addrs, uint32_t n_workers, uint64_t *n_full) {
	int ret;

	*t = (struct neighbour_table){
		.cfg = cfg, .addrs = addrs, .n_workers = n_workers, .n_full = n_full};
	ret = hash_create(t);
	if (ret == 0)
		ret = wishes_create(t);
	if (ret == 0)
		ret = configured_add(t);
	if (ret < 0)
		neighbour_fini(t);
	return ret;
}

void neighbour_fini(struct neighbour_table *t) {
	for (uint32_t w = 0; w < t->n_workers; w++)
		rte_ring_free(t->wishes[w]);
	rte_hash_free(t->hash);
	free(t->slots);
	free(t->entries);
	*t = (struct neighbour_table){0};
}
