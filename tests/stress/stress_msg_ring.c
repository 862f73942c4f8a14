// SPDX-License-Identifier: BSD-2-Clause
// The message ring between two threads that sleep when there is nothing to do and wake each other:
// every message once, whole and in order, and nobody sleeps for ever. Then a peer that writes
// nonsense into everything it shares while the other side reads and writes.
//
// Each side sleeps on an eventfd of its own. A wake-up that is lost leaves both asleep, which shows
// as a poll that ends by its time-out. Built with SANITIZE=thread the first part also shows that
// every access is ordered; the second has races by intent in what is shared, and is left out there.
#include "msg_ring.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_MESSAGES 60000
#define N_NONSENSE 100000
#define MAX_LEN 300
#define PATIENCE_MS 30000

static const uint32_t sizes[] = {512, 4096, 65536};

struct run {
	struct rr_msg_ring_shared shared;
	uint8_t *bytes;
	uint32_t size;
	int bell[2]; // of producer and consumer
	int failed;
	int done;
	uint64_t n_slept[2];
};

enum side { PRODUCER, CONSUMER };

static uint32_t random_next(uint32_t *state) {
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void fail(struct run *run, const char *what, uint32_t number) {
	fprintf(stderr, "ring of %u bytes: %s at message %u\n", run->size, what, number);
	rr_store_relaxed(&run->failed, 1);
}

static void wake(struct run *run, enum side side) {
	const uint64_t one = 1;

	if (write(run->bell[side], &one, sizeof(one)) != sizeof(one))
		abort();
}

static bool sleep_until_woken(struct run *run, enum side side) {
	struct pollfd poll_fd = {.fd = run->bell[side], .events = POLLIN};
	uint64_t n;

	run->n_slept[side]++;
	if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
		return false;
	return read(run->bell[side], &n, sizeof(n)) == sizeof(n);
}

// Length and text follow from the number.
static uint32_t message_make(uint8_t *text, uint32_t number) {
	uint32_t state = number;
	uint32_t len = 4 + random_next(&state) % (MAX_LEN - 4);

	memcpy(text, &number, sizeof(number));
	for (uint32_t i = 4; i < len; i++)
		text[i] = (uint8_t)(number + i);
	return len;
}

static int put_or_sleep(struct run *run, struct rr_msg_ring *r, const uint8_t *text, uint32_t len) {
	int rc = rr_msg_ring_put(r, text, len);

	while (rc == -EAGAIN) {
		rr_msg_ring_wait(r);
		rc = rr_msg_ring_put(r, text, len);
		if (rc == -EAGAIN && !sleep_until_woken(run, PRODUCER))
			return -ETIMEDOUT;
	}
	return rc;
}

static void *produce(void *arg) {
	struct run *run = arg;
	struct rr_msg_ring r;
	uint8_t text[MAX_LEN];

	rr_msg_ring_producer(&r, &run->shared, run->bytes, run->size);
	for (uint32_t i = 0; i < N_MESSAGES && !rr_load_relaxed(&run->failed); i++) {
		if (put_or_sleep(run, &r, text, message_make(text, i)) < 0)
			fail(run, "the producer sleeps for ever", i);
		if (rr_msg_ring_must_wake(&r))
			wake(run, CONSUMER);
	}
	return NULL;
}

static int take_or_sleep(struct run *run, struct rr_msg_ring *r, uint8_t *text) {
	int n = rr_msg_ring_take(r, text, MAX_LEN);

	while (n == -EAGAIN) {
		rr_msg_ring_wait(r);
		n = rr_msg_ring_take(r, text, MAX_LEN);
		if (n == -EAGAIN && !sleep_until_woken(run, CONSUMER))
			return -ETIMEDOUT;
	}
	return n;
}

static void consume(struct run *run) {
	struct rr_msg_ring r;
	uint8_t text[MAX_LEN];
	uint8_t want[MAX_LEN];

	rr_msg_ring_consumer(&r, &run->shared, run->bytes, run->size);
	for (uint32_t i = 0; i < N_MESSAGES && !rr_load_relaxed(&run->failed); i++) {
		int n = take_or_sleep(run, &r, text);
		uint32_t len = message_make(want, i);

		if (n == -ETIMEDOUT)
			fail(run, "the consumer sleeps for ever", i);
		else if (n != (int)len || memcmp(text, want, len) != 0)
			fail(run, "another message", i);
		if (rr_msg_ring_must_wake(&r))
			wake(run, PRODUCER);
	}
}

static bool honest_run(struct run *run) {
	pthread_t producer;

	run->bell[PRODUCER] = eventfd(0, EFD_CLOEXEC);
	run->bell[CONSUMER] = eventfd(0, EFD_CLOEXEC);
	pthread_create(&producer, NULL, produce, run);
	consume(run);
	pthread_join(producer, NULL);
	close(run->bell[PRODUCER]);
	close(run->bell[CONSUMER]);
	printf("ring of %u bytes: %d messages, producer slept %llu times, consumer %llu\n",
		run->size, N_MESSAGES, (unsigned long long)run->n_slept[PRODUCER],
		(unsigned long long)run->n_slept[CONSUMER]);
	return !run->failed;
}

#ifndef __SANITIZE_THREAD__
static void *lie(void *arg) {
	struct run *run = arg;
	uint32_t state = 1;

	while (!rr_load_relaxed(&run->done)) {
		uint32_t where = random_next(&state);
		// Mostly what could be, for else nothing is looked at.
		uint32_t index = where % 3 ? (where % run->size) & ~7u : random_next(&state) << 8;

		rr_store_release(&run->shared.producer.index, index);
		rr_store_release(&run->shared.consumer.index, index);
		rr_store_relaxed(&run->shared.producer.n_waits, where);
		rr_store_relaxed(&run->shared.consumer.n_waits, where);
		run->bytes[where % run->size] = (uint8_t)(where >> 8);
	}
	return NULL;
}

// Nothing holds but that nobody is led outside, and that both go on.
static void lying_run(struct run *run) {
	struct rr_msg_ring producer, consumer;
	uint8_t text[MAX_LEN] = {0};
	uint32_t n[3] = {0};
	pthread_t liar;

	rr_msg_ring_producer(&producer, &run->shared, run->bytes, run->size);
	rr_msg_ring_consumer(&consumer, &run->shared, run->bytes, run->size);
	pthread_create(&liar, NULL, lie, run);
	for (uint32_t i = 0; i < N_NONSENSE; i++) {
		int rc = rr_msg_ring_take(&consumer, text, MAX_LEN);

		n[rc >= 0 ? 0 : rc == -EAGAIN ? 1 : 2]++;
		rr_msg_ring_put(&producer, text, i % MAX_LEN);
		rr_msg_ring_must_wake(&producer);
		rr_msg_ring_wait(&consumer);
	}
	rr_store_relaxed(&run->done, 1);
	pthread_join(liar, NULL);
	printf("ring of %u bytes, lied to: %u taken, %u empty, %u refused\n", run->size, n[0], n[1],
		n[2]);
}
#else
static void lying_run(struct run *run RR_UNUSED) {
}
#endif

int main(void) {
	bool good = true;

	for (size_t i = 0; i < RR_ARRAY_LEN(sizes); i++) {
		struct run honest = {.size = sizes[i], .bytes = calloc(1, sizes[i])};
		struct run lying = {.size = sizes[i], .bytes = calloc(1, sizes[i])};

		good = honest_run(&honest) && good;
		lying_run(&lying);
		free(honest.bytes);
		free(lying.bytes);
	}
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
