// SPDX-License-Identifier: BSD-2-Clause
// The ring between two threads at full speed: order, no loss, no duplicate, no torn message, across
// the wrap-around of the indexes; either side dying and coming back; either side's index lying.
//
// Built with SANITIZE=thread it also shows that every access is ordered, with SANITIZE=address
// that a lying peer leads nobody outside the slots, which are allocated to the byte.
#include "ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define START_INDEX (UINT32_MAX - 5000) // wraps early in every run
#define N_MESSAGES 400000
#define N_LIES 1000
#define MAX_TURNS UINT64_C(50000000) // a run that sees too few lies ends as failed
#define REATTACH_EVERY 97
#define MAX_SLOT_SIZE 128

struct shape {
	const char *name;
	uint32_t n_slots;
	uint32_t slot_size;
	bool producer_dies;
	bool consumer_dies;
};

static const struct shape shapes[] = {
	{"one slot", 1, 8, false, false},
	{"requests", 4096, 128, false, false},
	{"replies, small", 16, 32, false, false},
	{"events, producer dies", 64, 64, true, false},
	{"requests, consumer dies", 64, 128, false, true},
	{"replies, both die", 8, 32, true, true},
};

// One run. `failed` is written by whoever sees the fault first; both look at it to stop.
struct run {
	const struct shape *shape;
	struct rr_ring_shared *shared;
	uint8_t *slots;
	int failed;
	int done; // the honest side to the lying one
	uint64_t n_full;
	uint64_t n_empty;
	uint64_t n_repeated;
	uint64_t n_taken;
	uint64_t n_refused;
};

static uint32_t random_next(uint32_t *state) {
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void fail(struct run *run, const char *what, uint64_t want, uint64_t got) {
	fprintf(stderr, "%s: %s: expected %llu, got %llu\n", run->shape->name, what,
		(unsigned long long)want, (unsigned long long)got);
	rr_store_relaxed(&run->failed, 1);
}

// Every word of a message follows from its number and place, so a torn one shows.
static uint64_t word_of(uint64_t number, size_t i) {
	return i == 0 ? number : (number + i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void message_fill(uint64_t *words, size_t n_words, uint64_t number) {
	for (size_t i = 0; i < n_words; i++)
		words[i] = word_of(number, i);
}

static bool message_check(struct run *run, const uint64_t *words, uint64_t number) {
	for (size_t i = 0; i < run->shape->slot_size / sizeof(*words); i++)
		if (words[i] != word_of(number, i)) {
			fail(run, i == 0 ? "number" : "torn message", word_of(number, i), words[i]);
			return false;
		}
	return true;
}

static void attach_or_fail(struct run *run, struct rr_ring *r, bool producer) {
	const struct shape *s = run->shape;
	int ret = producer ? rr_ring_attach_producer(
				     r, run->shared, run->slots, s->n_slots, s->slot_size)
			   : rr_ring_attach_consumer(
				     r, run->shared, run->slots, s->n_slots, s->slot_size);

	if (ret < 0)
		fail(run, "attach", 0, (uint64_t)ret);
}

static void *produce(void *arg) {
	struct run *run = arg;
	uint64_t words[MAX_SLOT_SIZE / 8];
	uint32_t random = 1;
	struct rr_ring r;

	attach_or_fail(run, &r, true);
	for (uint64_t number = 0; number < N_MESSAGES && !rr_load_relaxed(&run->failed);) {
		int ret;

		message_fill(words, run->shape->slot_size / 8, number);
		ret = rr_ring_push(&r, words);
		if (ret == -ENOSPC) {
			run->n_full++;
			sched_yield();
		} else if (ret < 0) {
			fail(run, "push", 0, (uint64_t)ret);
		} else {
			number++;
		}
		if (run->shape->producer_dies && random_next(&random) % REATTACH_EVERY == 0)
			attach_or_fail(run, &r, true);
	}
	return NULL;
}

// A consumer that is killed after it read the message and before it released the slot.
static void consume_and_die(struct run *run, struct rr_ring *r, uint64_t number) {
	struct rr_ring_shared nowhere = {.tail = r->peer};
	struct rr_ring dying = *r;
	uint64_t words[MAX_SLOT_SIZE / 8];

	dying.shared = &nowhere;
	if (rr_ring_pop(&dying, words) == 1) {
		run->n_repeated++;
		message_check(run, words, number);
	}
	attach_or_fail(run, r, false);
}

static void *consume(void *arg) {
	struct run *run = arg;
	uint64_t words[MAX_SLOT_SIZE / 8];
	uint32_t random = 2;
	struct rr_ring r;

	attach_or_fail(run, &r, false);
	for (uint64_t number = 0; number < N_MESSAGES && !rr_load_relaxed(&run->failed);) {
		int ret = rr_ring_pop(&r, words);

		if (ret == 0) {
			run->n_empty++;
			sched_yield();
		} else if (ret < 0) {
			fail(run, "pop", 1, (uint64_t)ret);
		} else if (message_check(run, words, number)) {
			number++;
		}
		if (run->shape->consumer_dies && random_next(&random) % REATTACH_EVERY == 0)
			consume_and_die(run, &r, number);
	}
	if (!rr_load_relaxed(&run->failed) && rr_ring_pop(&r, words) != 0)
		fail(run, "one message too many", 0, words[0]);
	return NULL;
}

static bool run_start(struct run *run, const struct shape *shape) {
	*run = (struct run){.shape = shape};
	run->shared = aligned_alloc(RR_CACHE_LINE, sizeof(*run->shared));
	run->slots = calloc(shape->n_slots, shape->slot_size);
	if (!run->shared || !run->slots)
		return false;
	*run->shared = (struct rr_ring_shared){.tail = START_INDEX, .head = START_INDEX};
	return true;
}

static bool run_end(struct run *run, const char *what) {
	printf("%-8s %-24s full %llu, empty %llu, served again %llu, refused %llu: %s\n", what,
		run->shape->name, (unsigned long long)run->n_full, (unsigned long long)run->n_empty,
		(unsigned long long)run->n_repeated, (unsigned long long)run->n_refused,
		run->failed ? "FAILED" : "ok");
	free(run->shared);
	free(run->slots);
	return !run->failed;
}

static void both(struct run *run, void *(*one)(void *), void *(*other)(void *)) {
	pthread_t thread[2];

	if (pthread_create(&thread[0], NULL, one, run) != 0 ||
		pthread_create(&thread[1], NULL, other, run) != 0)
		abort();
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
}

static bool test_order(const struct shape *shape) {
	struct run run;

	if (!run_start(&run, shape))
		return false;
	both(&run, produce, consume);
	if (!run.failed && run.shared->tail != START_INDEX + N_MESSAGES)
		fail(&run, "tail at the end", START_INDEX + N_MESSAGES, run.shared->tail);
	if (shape->consumer_dies && run.n_repeated == 0)
		fail(&run, "no message was served again", 1, 0);
	return run_end(&run, "order");
}

// ---- a peer that writes anything into its own index
// ----------------------------------------------

// Distances near what could be right, at its limits, and anywhere.
static uint32_t lie_next(const struct run *run, uint32_t *random, uint32_t i) {
	if (i % 3 == 0)
		return random_next(random) << 8;
	if (i % 3 == 1)
		return run->shape->n_slots + random_next(random) % 3 - 1;
	return random_next(random) % (2 * run->shape->n_slots);
}

static void *lie_as_producer(void *arg) {
	struct run *run = arg;
	uint32_t random = 3;

	for (uint32_t i = 0; !rr_load_relaxed(&run->done); i++) {
		uint32_t head = rr_load_relaxed(&run->shared->head);

		// pairs with the acquire in rr_ring_pop
		rr_store_release(&run->shared->tail, head + lie_next(run, &random, i));
	}
	return NULL;
}

static void *lie_as_consumer(void *arg) {
	struct run *run = arg;
	uint32_t random = 4;

	for (uint32_t i = 0; !rr_load_relaxed(&run->done); i++) {
		uint32_t tail = rr_load_relaxed(&run->shared->tail);

		// pairs with the acquire in rr_ring_room
		rr_store_release(&run->shared->head, tail - lie_next(run, &random, i));
	}
	return NULL;
}

// The honest side counts what it was led to do and to refuse, until it saw enough of both.
static bool saw_enough(struct run *run, int ret) {
	run->n_taken += ret >= 0;
	run->n_refused += ret == -EPROTO;
	if (ret <= 0)
		sched_yield();
	return run->n_taken >= N_LIES && run->n_refused >= N_LIES;
}

static void *consume_lies(void *arg) {
	struct run *run = arg;
	uint64_t words[MAX_SLOT_SIZE / 8];
	struct rr_ring r;

	// -EPROTO is right here too: the first lie may be there before
	rr_ring_attach_consumer(
		&r, run->shared, run->slots, run->shape->n_slots, run->shape->slot_size);
	for (uint64_t i = 0; i < MAX_TURNS && !run->failed; i++) {
		uint32_t before = r.own;
		int ret = rr_ring_pop(&r, words);

		if (r.own - before != (ret == 1))
			fail(run, "own index moved by", ret == 1, r.own - before);
		if (saw_enough(run, ret))
			break;
	}
	rr_store_relaxed(&run->done, 1);
	return NULL;
}

static void *produce_to_liar(void *arg) {
	struct run *run = arg;
	uint64_t words[MAX_SLOT_SIZE / 8] = {0};
	struct rr_ring r;

	rr_ring_attach_producer(
		&r, run->shared, run->slots, run->shape->n_slots, run->shape->slot_size);
	for (uint64_t i = 0; i < MAX_TURNS && !run->failed; i++) {
		uint32_t before = r.own;
		int ret = rr_ring_push(&r, words);

		if (r.own - before != (ret == 0))
			fail(run, "own index moved by", ret == 0, r.own - before);
		if (saw_enough(run, ret))
			break;
	}
	rr_store_relaxed(&run->done, 1);
	return NULL;
}

static bool test_lies(const struct shape *shape, const char *what, void *(*liar)(void *),
	void *(*honest)(void *)) {
	struct run run;

	if (!run_start(&run, shape))
		return false;
	both(&run, liar, honest);
	if (run.n_refused < N_LIES)
		fail(&run, "lies refused", N_LIES, run.n_refused);
	if (run.n_taken < N_LIES)
		fail(&run, "calls served", N_LIES, run.n_taken);
	return run_end(&run, what);
}

int main(void) {
	int n_failed = 0;
	int n_passed = 0;

	for (size_t i = 0; i < RR_ARRAY_LEN(shapes); i++) {
		*(test_order(&shapes[i]) ? &n_passed : &n_failed) += 1;
		*(test_lies(&shapes[i], "tail lie", lie_as_producer, consume_lies) ? &n_passed
										   : &n_failed) +=
			1;
		*(test_lies(&shapes[i], "head lie", lie_as_consumer, produce_to_liar)
				? &n_passed
				: &n_failed) += 1;
	}
	printf("%d passed, %d failed\n", n_passed, n_failed);
	return n_failed != 0;
}
