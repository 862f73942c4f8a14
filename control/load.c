// SPDX-License-Identifier: BSD-2-Clause
// How busy rtprelay is, and whether that is too much for more calls.
#include "load.h"

#include <time.h>

#include "atomic.h"
#include "clock.h"
#include "control.h"
#include "log.h"

static double larger(double a, double b) {
	return a > b ? a : b;
}

// A thread that was started anew counts from zero; a share beyond 1 is a clock that was late.
static double share_of(uint64_t then_ns, uint64_t now_ns, uint64_t elapsed_ns) {
	double share = now_ns > then_ns ? (double)(now_ns - then_ns) / (double)elapsed_ns : 0;

	return share < 1 ? share : 1;
}

static double busiest(const struct load_reading *then, const struct load_reading *now) {
	uint64_t elapsed_ns = now->now_ns - then->now_ns;
	double share = share_of(then->control_ns, now->control_ns, elapsed_ns);

	if (now->region_id == 0 || now->region_id != then->region_id)
		return share;
	for (uint32_t i = 0; i < now->n_workers; i++)
		share = larger(share, share_of(then->worker_ns[i], now->worker_ns[i], elapsed_ns));
	return share;
}

static double mean_of(const struct load *load) {
	double sum = 0;

	for (unsigned int i = 0; i < LOAD_WINDOW_S; i++)
		sum += load->share[i];
	return sum / LOAD_WINDOW_S;
}

static void decide(struct load *load, uint32_t low_pct, uint32_t high_pct) {
	bool was = load->overloaded;

	load->overloaded = high_pct > 0 && load->mean * 100 >= (was ? low_pct : high_pct);
	if (load->overloaded == was)
		return;
	load->n_overloads += load->overloaded;
	if (load->overloaded)
		rr_warn("load", "overload: new sessions are refused load=%.2f", load->mean);
	else
		rr_info("load", "overload is over load=%.2f", load->mean);
}

void load_add(struct load *load, const struct load_reading *reading, uint32_t low_pct,
	uint32_t high_pct) {
	struct load_reading then = load->last;

	load->last = *reading;
	if (then.now_ns == 0 || then.now_ns >= reading->now_ns)
		return; // nothing to compare with
	load->share[load->next] = busiest(&then, reading);
	load->next = (load->next + 1) % LOAD_WINDOW_S;
	load->mean = mean_of(load);
	decide(load, low_pct, high_pct);
}

static uint64_t own_cpu_ns(void) {
	struct timespec ts = {.tv_sec = 0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * RR_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void read_workers(struct load_reading *reading, const struct rr_region *region) {
	reading->region_id = region->region_id;
	reading->n_workers = region->n_workers;
	for (uint32_t i = 0; i < region->n_workers; i++)
		reading->worker_ns[i] =
			rr_load_relaxed(&region->workers[i].counters[0][RR_C_busy_ns]);
}

void load_watch(struct control *ctl) {
	const struct rr_region *region = dp_client_region(ctl->dp);
	struct load_reading reading = {.now_ns = ctl->now_ns, .control_ns = own_cpu_ns()};

	if (region)
		read_workers(&reading, region);
	load_add(&ctl->load, &reading, ctl->cfg->overload_low_pct, ctl->cfg->overload_high_pct);
}
