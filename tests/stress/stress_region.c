// SPDX-License-Identifier: BSD-2-Clause
// A flow is read while its owner writes it: every copy that is taken must be of one moment.
//
// Story: one owner writes the same number into every word of a flow and its cold entry, over and
// over, with pauses of many lengths; two readers, as control and rrctl would, copy it and compare
// the words. Runs until each reader took many copies of a flow that had changed since. Not covered:
// two processes.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "config.h"
#include "shm_region.h"

#define N_READERS 2
#define N_CHANGES_SEEN 20000 // by each reader
#define SLOT 5
#define LONGEST_PAUSE 4096 // several times what a copy takes

struct reader {
	const struct rr_region *region;
	uint64_t n_changes;
	uint64_t n_mixed;
	uint64_t n_refused;
	pthread_t thread;
};

static uint32_t stop;

static void store_words(void *to, size_t size, size_t skip, uint64_t value) {
	uint64_t __attribute__((may_alias)) *words = to;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (i != skip)
			rr_store_relaxed(&words[i], value);
}

// The word with seq in it is the sequence count's own, with ssrc beside it.
#define SEQ_WORD (offsetof(struct rr_flow, seq) / sizeof(uint64_t))

static void pause_for(uint64_t n_loads) {
	for (uint64_t i = 0; i < n_loads; i++)
		(void)rr_load_relaxed(&stop);
}

static void flow_write(struct rr_region *r, uint64_t n) {
	struct rr_flow *f = &r->flows[SLOT];

	rr_flow_write_begin(f);
	store_words(f, sizeof(*f), SEQ_WORD, n);
	rr_store_relaxed(&f->ssrc, (uint32_t)n);
	store_words(&r->cold[SLOT], sizeof(r->cold[SLOT]), SIZE_MAX, n);
	rr_flow_write_end(f);
}

static void *owner_run(void *arg) {
	for (uint64_t n = 2; !rr_load_relaxed(&stop); n++) {
		flow_write(arg, n);
		pause_for(n % LONGEST_PAUSE);
	}
	return NULL;
}

static int mixed(const void *copy, size_t size, size_t skip, uint64_t value) {
	const uint64_t __attribute__((may_alias)) *words = copy;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (i != skip && words[i] != value)
			return 1;
	return 0;
}

static void *reader_run(void *arg) {
	struct reader *reader = arg;
	struct rr_flow_cold cold;
	struct rr_flow flow;
	uint64_t last = 0;

	while (reader->n_changes < N_CHANGES_SEEN) {
		if (rr_flow_read(reader->region, SLOT, &flow, &cold) < 0) {
			reader->n_refused++;
			continue;
		}
		reader->n_changes += flow.uid != last;
		reader->n_mixed += mixed(&flow, sizeof(flow), SEQ_WORD, flow.uid) ||
				   mixed(&cold, sizeof(cold), SIZE_MAX, flow.uid) ||
				   flow.ssrc != (uint32_t)flow.uid || flow.uid < last;
		last = flow.uid;
	}
	return NULL;
}

static int region_make(struct rr_region *r, char *dir) {
	static struct rr_config cfg;
	char path[RR_PATH_LEN * 2];
	bool adopted;

	if (!mkdtemp(dir))
		return -1;
	snprintf(cfg.run_dir, sizeof(cfg.run_dir), "%s", dir);
	cfg.n_workers = cfg.n_ports = cfg.n_addrs = cfg.max_addrs = 1;
	cfg.addr[0].family = RR_FAMILY_IPV4;
	cfg.media_port_min = 35000;
	cfg.media_port_max = 35019;
	rr_region_path(&cfg, path, sizeof(path));
	if (rr_region_create(r, &cfg, path, &adopted) < 0)
		return -1;
	return unlink(path) < 0 || rmdir(dir) < 0 ? -1 : 0;
}

static int readers_judge(const struct reader *readers) {
	int bad = 0;

	for (int i = 0; i < N_READERS; i++) {
		printf("reader %d: changes=%llu mixed=%llu refused=%llu\n", i,
			(unsigned long long)readers[i].n_changes,
			(unsigned long long)readers[i].n_mixed,
			(unsigned long long)readers[i].n_refused);
		bad |= readers[i].n_mixed > 0;
	}
	return bad;
}

int main(void) {
	char dir[] = "/tmp/rr-stress-XXXXXX";
	struct reader readers[N_READERS] = {0};
	struct rr_region region;
	pthread_t owner;
	int bad;

	if (region_make(&region, dir) < 0) {
		perror("region");
		return 1;
	}
	flow_write(&region, 1);
	pthread_create(&owner, NULL, owner_run, &region);
	for (int i = 0; i < N_READERS; i++) {
		readers[i].region = &region;
		pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]);
	}
	for (int i = 0; i < N_READERS; i++)
		pthread_join(readers[i].thread, NULL);
	rr_store_relaxed(&stop, 1U);
	pthread_join(owner, NULL);
	bad = readers_judge(readers);
	rr_region_detach(&region);
	return bad;
}
