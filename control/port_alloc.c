// SPDX-License-Identifier: BSD-2-Clause
// Media port pairs of the local addresses: taken at random in O(1), resting after release.
//
// Inside this file a pair is its index, (port - port_min) / 2. Per address there are
// - free: an array of pair indexes, cut into one part per owner worker; the first n_free[w] places
//   of part w hold its free pairs in no order, and each free pair knows its place;
// - a list of resting pairs, oldest first; whoever takes or releases a pair moves a few rested ones
//   on to `free`, so that no single command pays for many;
// - in sequential mode by_port: bitmaps of the free and of the resting pairs.
//
// A pair costs ten bytes. Rest is counted in milliseconds modulo 2^30: a pair that nobody touched
// for twelve days may rest once more.
#include "port_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "shm_region.h"

#define MAX_PAIRS 32768
#define NO_PAIR UINT16_MAX
#define RANDOM_POOL 64 // 256 bytes: what getrandom gives without being interrupted
#define MATURE_BATCH 8
#define TIME_MASK ((1u << 30) - 1)

enum pair_state {
	PAIR_FREE,
	PAIR_RESTING,
	PAIR_TAKEN,
};

struct pair {
	union {
		uint16_t place; // free: index into addr_ports.free
		uint16_t prev; // resting: neighbours in the list
	};
	uint16_t next;
	uint32_t released_ms : 30; // resting
	uint32_t state : 2; // enum pair_state
};
RR_STATIC_ASSERT(sizeof(struct pair) == 8, "a few bytes a pair");

// Set of pairs that finds its next member in a few steps: bit i of summary[w] says that word
// 64 * w + i of bits holds something.
struct pair_set {
	uint64_t bits[MAX_PAIRS / 64];
	uint64_t summary[MAX_PAIRS / 64 / 64];
};

// Sequential mode.
struct by_port {
	struct pair_set free;
	struct pair_set resting;
	uint32_t cursor; // where the next search starts
};

struct addr_ports {
	struct pair *pair;
	uint16_t *free;
	uint16_t n_free[RR_MAX_WORKERS];
	uint16_t rest_head;
	uint16_t rest_tail;
	struct by_port *by_port;
	struct port_alloc_stats stats;
};

struct port_alloc {
	uint32_t n_pairs;
	uint32_t port_min;
	uint32_t rest_ms;
	uint8_t bucket_owner[RR_N_BUCKETS];
	uint16_t part[RR_MAX_WORKERS]; // where worker w's part of `free` begins
	uint32_t (*random32)(void *arg);
	void *random_arg;
	uint32_t pool[RANDOM_POOL];
	unsigned int n_pool;
	bool sequential;
	struct port_alloc_stats past; // what happened on addresses that were removed
	struct addr_ports addr[RR_MAX_ADDRS]; // .pair is NULL where there is no address
};

// ---- sets
// ----------------------------------------------------------------------------------------

static void set_add(struct pair_set *s, uint32_t i) {
	s->bits[i / 64] |= UINT64_C(1) << (i % 64);
	s->summary[i / 4096] |= UINT64_C(1) << (i / 64 % 64);
}

static void set_remove(struct pair_set *s, uint32_t i) {
	s->bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
	if (s->bits[i / 64] == 0)
		s->summary[i / 4096] &= ~(UINT64_C(1) << (i / 64 % 64));
}

// First set bit at or after `from` in an array of n_words, or -1.
static int first_bit(const uint64_t *words, uint32_t n_words, uint32_t from) {
	for (uint32_t w = from / 64; w < n_words; w++) {
		uint64_t word = words[w];

		if (w == from / 64)
			word &= ~UINT64_C(0) << (from % 64);
		if (word != 0)
			return (int)(w * 64) + __builtin_ctzll(word);
	}
	return -1;
}

// Smallest member at or above `from`, or -1.
static int set_next(const struct pair_set *s, uint32_t from) {
	int word;
	int found;

	if (from >= MAX_PAIRS)
		return -1;
	found = first_bit(s->bits, from / 64 + 1, from);
	if (found >= 0)
		return found;
	word = first_bit(s->summary, RR_ARRAY_LEN(s->summary), from / 64 + 1);
	return word < 0 ? -1 : word * 64 + __builtin_ctzll(s->bits[word]);
}

// The next member in ascending order with wrap-around, or -1.
static int set_next_wrapping(const struct pair_set *s, uint32_t from) {
	int found = set_next(s, from);

	return found >= 0 ? found : set_next(s, 0);
}

// ---- random numbers
// ------------------------------------------------------------------------------

static uint32_t random32(struct port_alloc *pa) {
	if (pa->random32)
		return pa->random32(pa->random_arg);
	if (pa->n_pool == 0) {
		// Ports that can be guessed are ports that can be aimed at.
		if (getrandom(pa->pool, sizeof(pa->pool), 0) != (ssize_t)sizeof(pa->pool))
			abort();
		pa->n_pool = RANDOM_POOL;
	}
	return pa->pool[--pa->n_pool];
}

// Uniform in 0..n-1: the low half of the product says whether this draw would favour a value.
static uint32_t random_below(struct port_alloc *pa, uint32_t n) {
	uint32_t unfair = -n % n;
	uint64_t product;

	do {
		product = (uint64_t)random32(pa) * n;
	} while ((uint32_t)product < unfair);
	return (uint32_t)(product >> 32);
}

static bool has_addr(const struct port_alloc *pa, uint32_t addr) {
	return addr < RR_MAX_ADDRS && pa->addr[addr].pair;
}

// ---- states of a pair
// ----------------------------------------------------------------------------

static uint32_t pair_owner(const struct port_alloc *pa, uint32_t pair) {
	return pa->bucket_owner[rr_port_bucket(pa->port_min + 2 * pair)];
}

static void free_add(const struct port_alloc *pa, struct addr_ports *a, uint32_t pair) {
	uint32_t w = pair_owner(pa, pair);
	uint32_t place = (uint32_t)pa->part[w] + a->n_free[w]++;

	a->free[place] = (uint16_t)pair;
	a->pair[pair].place = (uint16_t)place;
	a->pair[pair].state = PAIR_FREE;
	a->stats.n_free++;
	if (a->by_port)
		set_add(&a->by_port->free, pair);
}

// The last free pair of the part moves to the place that becomes empty.
static void free_remove(const struct port_alloc *pa, struct addr_ports *a, uint32_t pair) {
	uint32_t w = pair_owner(pa, pair);
	uint32_t place = a->pair[pair].place;
	uint16_t last = a->free[pa->part[w] + --a->n_free[w]];

	a->free[place] = last;
	a->pair[last].place = (uint16_t)place;
	a->stats.n_free--;
	if (a->by_port)
		set_remove(&a->by_port->free, pair);
}

static uint32_t milliseconds(uint64_t ns) {
	return (uint32_t)(ns / RR_NS_PER_MS) & TIME_MASK;
}

static void rest_add(struct addr_ports *a, uint32_t pair, uint64_t now_ns) {
	struct pair *p = &a->pair[pair];

	p->state = PAIR_RESTING;
	p->released_ms = milliseconds(now_ns);
	p->prev = a->rest_tail;
	p->next = NO_PAIR;
	if (a->rest_tail == NO_PAIR)
		a->rest_head = (uint16_t)pair;
	else
		a->pair[a->rest_tail].next = (uint16_t)pair;
	a->rest_tail = (uint16_t)pair;
	a->stats.n_resting++;
	if (a->by_port)
		set_add(&a->by_port->resting, pair);
}

static void rest_remove(struct addr_ports *a, uint32_t pair) {
	struct pair *p = &a->pair[pair];

	if (p->prev == NO_PAIR)
		a->rest_head = p->next;
	else
		a->pair[p->prev].next = p->next;
	if (p->next == NO_PAIR)
		a->rest_tail = p->prev;
	else
		a->pair[p->next].prev = p->prev;
	a->stats.n_resting--;
	if (a->by_port)
		set_remove(&a->by_port->resting, pair);
}

static uint32_t rested_ms(const struct pair *p, uint64_t now_ns) {
	return (milliseconds(now_ns) - p->released_ms) & TIME_MASK;
}

static bool has_rested(const struct port_alloc *pa, const struct pair *p, uint64_t now_ns) {
	return rested_ms(p, now_ns) >= pa->rest_ms;
}

static void mature(const struct port_alloc *pa, struct addr_ports *a, uint64_t now_ns) {
	for (int n = 0; n < MATURE_BATCH && a->rest_head != NO_PAIR; n++) {
		uint32_t pair = a->rest_head;

		if (!has_rested(pa, &a->pair[pair], now_ns))
			return;
		rest_remove(a, pair);
		free_add(pa, a, pair);
	}
}

// ---- taking and giving back
// ----------------------------------------------------------------------

static void take(const struct port_alloc *pa, struct addr_ports *a, uint32_t pair) {
	if (a->pair[pair].state == PAIR_FREE)
		free_remove(pa, a, pair);
	else
		rest_remove(a, pair);
	a->pair[pair].state = PAIR_TAKEN;
	a->stats.n_taken++;
}

// A random free pair: of the worker when it has one, else of the address. There is one.
static uint32_t pick_free(struct port_alloc *pa, const struct addr_ports *a, uint32_t worker) {
	uint32_t n;

	if (worker < RR_MAX_WORKERS && a->n_free[worker] > 0)
		return a->free[pa->part[worker] + random_below(pa, a->n_free[worker])];
	n = random_below(pa, a->stats.n_free);
	for (worker = 0; n >= a->n_free[worker]; worker++)
		n -= a->n_free[worker];
	return a->free[pa->part[worker] + n];
}

// The pair to hand out next, or -1. Resting ones only when no other is left.
static int pick(struct port_alloc *pa, struct addr_ports *a, uint32_t worker) {
	if (a->by_port) {
		uint32_t from = a->by_port->cursor;
		int pair = set_next_wrapping(&a->by_port->free, from);

		if (pair < 0)
			pair = set_next_wrapping(&a->by_port->resting, from);
		if (pair >= 0)
			a->by_port->cursor = (uint32_t)pair + 1;
		return pair;
	}
	if (a->stats.n_free > 0)
		return (int)pick_free(pa, a, worker);
	return a->rest_head == NO_PAIR ? -1 : a->rest_head;
}

int port_alloc_take(
	struct port_alloc *pa, uint32_t addr, uint32_t worker, uint64_t now_ns, uint16_t *port) {
	struct addr_ports *a;
	int pair;

	if (!has_addr(pa, addr))
		return -ERANGE;
	a = &pa->addr[addr];
	mature(pa, a, now_ns);
	pair = pick(pa, a, worker);
	if (pair < 0) {
		a->stats.n_refused++;
		return -ENOSPC;
	}
	if (a->pair[pair].state == PAIR_RESTING && !has_rested(pa, &a->pair[pair], now_ns))
		a->stats.n_taken_early++;
	take(pa, a, (uint32_t)pair);
	*port = (uint16_t)(pa->port_min + 2 * (uint32_t)pair);
	return 0;
}

bool port_alloc_has_free(struct port_alloc *pa, uint32_t addr, uint64_t now_ns) {
	if (!has_addr(pa, addr))
		return false;
	mature(pa, &pa->addr[addr], now_ns);
	return pa->addr[addr].stats.n_free > 0;
}

int64_t port_alloc_longest_rest_ms(const struct port_alloc *pa, uint32_t addr, uint64_t now_ns) {
	const struct addr_ports *a;

	if (!has_addr(pa, addr))
		return -1;
	a = &pa->addr[addr];
	return a->rest_head == NO_PAIR ? -1 : (int64_t)rested_ms(&a->pair[a->rest_head], now_ns);
}

// The last of the list rests last.
bool port_alloc_is_idle(const struct port_alloc *pa, uint32_t addr, uint64_t now_ns) {
	const struct addr_ports *a;

	if (!has_addr(pa, addr))
		return true;
	a = &pa->addr[addr];
	return a->stats.n_taken == 0 &&
	       (a->rest_tail == NO_PAIR || has_rested(pa, &a->pair[a->rest_tail], now_ns));
}

// Index of a pair by its port, or -ERANGE.
static int find_pair(const struct port_alloc *pa, uint32_t addr, uint16_t port) {
	uint32_t offset = port - pa->port_min;

	if (!has_addr(pa, addr) || offset % 2 != 0 || offset / 2 >= pa->n_pairs)
		return -ERANGE;
	return (int)(offset / 2);
}

int port_alloc_take_specific(struct port_alloc *pa, uint32_t addr, uint16_t port) {
	int pair = find_pair(pa, addr, port);

	if (pair < 0)
		return pair;
	if (pa->addr[addr].pair[pair].state == PAIR_TAKEN)
		return -EBUSY;
	take(pa, &pa->addr[addr], (uint32_t)pair);
	return 0;
}

int port_alloc_release(struct port_alloc *pa, uint32_t addr, uint16_t port, uint64_t now_ns) {
	int pair = find_pair(pa, addr, port);
	struct addr_ports *a;

	if (pair < 0)
		return pair;
	a = &pa->addr[addr];
	if (a->pair[pair].state != PAIR_TAKEN)
		return -EALREADY;
	a->stats.n_taken--;
	if (pa->rest_ms > 0)
		rest_add(a, (uint32_t)pair, now_ns);
	else
		free_add(pa, a, (uint32_t)pair);
	mature(pa, a, now_ns);
	return 0;
}

uint32_t port_alloc_n_available(const struct port_alloc *pa, uint32_t addr) {
	if (!has_addr(pa, addr))
		return 0;
	return pa->addr[addr].stats.n_free + pa->addr[addr].stats.n_resting;
}

int port_alloc_get_stats(
	const struct port_alloc *pa, uint32_t addr, struct port_alloc_stats *stats) {
	if (!has_addr(pa, addr))
		return -ERANGE;
	*stats = pa->addr[addr].stats;
	return 0;
}

static void sum_events(struct port_alloc_stats *sum, const struct port_alloc_stats *stats) {
	sum->n_taken_early += stats->n_taken_early;
	sum->n_refused += stats->n_refused;
}

void port_alloc_get_total(const struct port_alloc *pa, struct port_alloc_stats *total) {
	*total = pa->past;
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		const struct port_alloc_stats *stats = &pa->addr[i].stats;

		total->n_pairs += stats->n_pairs;
		total->n_free += stats->n_free;
		total->n_resting += stats->n_resting;
		total->n_taken += stats->n_taken;
		sum_events(total, stats);
	}
}

// ---- life
// ----------------------------------------------------------------------------------------

static void addr_ports_fini(struct addr_ports *a) {
	free(a->pair);
	free(a->free);
	free(a->by_port);
	*a = (struct addr_ports){.pair = NULL};
}

void port_alloc_free(struct port_alloc *pa) {
	if (!pa)
		return;
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		addr_ports_fini(&pa->addr[i]);
	free(pa);
}

// Give each worker the part of `free` that its pairs fill.
static void lay_out_parts(struct port_alloc *pa) {
	uint32_t n_owned[RR_MAX_WORKERS] = {0};
	uint32_t begin = 0;

	for (uint32_t pair = 0; pair < pa->n_pairs; pair++)
		n_owned[pair_owner(pa, pair)]++;
	for (uint32_t w = 0; w < RR_MAX_WORKERS; w++) {
		pa->part[w] = (uint16_t)begin;
		begin += n_owned[w];
	}
}

static int addr_ports_init(const struct port_alloc *pa, struct addr_ports *a) {
	a->pair = calloc(pa->n_pairs, sizeof(*a->pair));
	a->free = calloc(pa->n_pairs, sizeof(*a->free));
	if (pa->sequential)
		a->by_port = calloc(1, sizeof(*a->by_port));
	if (!a->pair || !a->free || (pa->sequential && !a->by_port))
		return -ENOMEM;
	a->rest_head = a->rest_tail = NO_PAIR;
	a->stats.n_pairs = pa->n_pairs;
	for (uint32_t pair = 0; pair < pa->n_pairs; pair++)
		free_add(pa, a, pair);
	return 0;
}

int port_alloc_add(struct port_alloc *pa, uint32_t addr) {
	int rc;

	if (addr >= RR_MAX_ADDRS)
		return -ERANGE;
	if (has_addr(pa, addr))
		return 0;
	rc = addr_ports_init(pa, &pa->addr[addr]);
	if (rc < 0)
		addr_ports_fini(&pa->addr[addr]);
	return rc;
}

void port_alloc_remove(struct port_alloc *pa, uint32_t addr) {
	if (!has_addr(pa, addr))
		return;
	sum_events(&pa->past, &pa->addr[addr].stats);
	addr_ports_fini(&pa->addr[addr]);
}

static bool params_valid(const struct port_alloc_params *p) {
	if (p->n_addrs == 0 || p->n_addrs > RR_MAX_ADDRS || p->port_min % 2 != 0 ||
		p->port_max > UINT16_MAX)
		return false;
	for (int i = 0; p->bucket_owner && i < RR_N_BUCKETS; i++) {
		if (p->bucket_owner[i] >= RR_MAX_WORKERS)
			return false;
	}
	return p->port_max >= p->port_min + 1;
}

int port_alloc_new(struct port_alloc **out, const struct port_alloc_params *p) {
	struct port_alloc *pa;
	int rc;

	if (!params_valid(p))
		return -EINVAL;
	pa = calloc(1, sizeof(*pa));
	if (!pa)
		return -ENOMEM;
	pa->sequential = p->sequential;
	pa->n_pairs = (p->port_max + 1 - p->port_min) / 2;
	pa->port_min = p->port_min;
	pa->rest_ms = (uint32_t)(p->rest_ns / RR_NS_PER_MS) & TIME_MASK;
	pa->random32 = p->random32;
	pa->random_arg = p->random_arg;
	if (p->bucket_owner)
		memcpy(pa->bucket_owner, p->bucket_owner, sizeof(pa->bucket_owner));
	lay_out_parts(pa);
	for (uint32_t i = 0; i < p->n_addrs; i++) {
		rc = port_alloc_add(pa, i);
		if (rc < 0) {
			port_alloc_free(pa);
			return rc;
		}
	}
	*out = pa;
	return 0;
}
