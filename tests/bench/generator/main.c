// SPDX-License-Identifier: BSD-2-Clause
// bench-generator: sends the streams of a capture through a device under test on the other end of
// its ports, at a rate or in search of the highest loss-free one, and reports as JSON.
//
// One core sends, receives and measures, so that one clock is enough. What it could not send in
// time it counts as slipped, and what it could not time, since it did not run, as untimed: neither
// is the device's fault.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "atomic.h"
#include "options.h"
#include "report.h"

#define EXIT_FAULT 1
#define EXIT_MISUSE 2
#define N_BUFFERS 16384
#define N_CACHED 256
#define RING_LEN 1024
#define LINK_TIMEOUT_S 60
#define LINK_LOOK_US 2000
#define OFFERED_SHARE 0.99 // of the wanted rate, below which a trial says nothing about the device

struct generator {
	struct options opt;
	struct rig rig;
	json_t *trials;
	double passed_pps; // what the last trial that lost nothing sent
	uint64_t search_begin_tsc;
};

static struct generator gen;

static int fault(const char *what, const char *why) {
	fprintf(stderr, "generator: %s: %s\n", what, why);
	return -EIO;
}

// ---- ports

static void on_signal(int signo) {
	(void)signo;
	rr_store_relaxed(&gen.rig.stop, true);
}

static void catch_signals(void) {
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static int port_set_up(uint16_t port, struct rte_mempool *pool) {
	static const struct rte_eth_conf conf;
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(port);
	int ret = rte_eth_dev_configure(port, 1, 1, &conf);

	if (ret == 0)
		ret = rte_eth_rx_queue_setup(port, 0, RING_LEN, socket, NULL, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(port, 0, RING_LEN, socket, NULL);
	return ret == 0 ? 0 : fault("cannot set a port up", strerror(-ret));
}

// The other end of a net_memif client must be there by now: it connects once.
static int port_start(uint16_t port) {
	int ret = rte_eth_dev_start(port);

	if (ret < 0)
		return fault("cannot start a port", strerror(-ret));
	rte_eth_promiscuous_enable(port); // where it can be off it need not be
	return 0;
}

static int port_await_link(uint16_t port) {
	uint64_t end_tsc = rte_rdtsc() + LINK_TIMEOUT_S * rte_get_tsc_hz();
	struct rte_eth_link link = {0};

	while (rte_eth_link_get_nowait(port, &link) == 0 && !link.link_status) {
		if (rr_load_relaxed(&gen.rig.stop) || rte_rdtsc() > end_tsc)
			return fault("ports", "the other end does not come up");
		rte_delay_us_sleep(LINK_LOOK_US);
	}
	return 0;
}

static int ports_open(struct rig *rig) {
	int ret = 0;

	rig->n_ports = rte_eth_dev_count_avail();
	if (rig->n_ports == 0 || rig->n_ports > MAX_PORTS || gen.opt.n_captures > rig->n_ports)
		return fault("ports", "one or two, and no more captures than ports");
	rig->pool = rte_pktmbuf_pool_create(
		"frames", N_BUFFERS, N_CACHED, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!rig->pool)
		return fault("buffers", rte_strerror(rte_errno));
	for (uint16_t p = 0; ret == 0 && p < rig->n_ports; p++)
		ret = port_set_up(p, rig->pool);
	for (uint16_t p = 0; ret == 0 && p < rig->n_ports; p++)
		ret = port_start(p);
	if (ret == 0)
		fputs("generator: waits for links\n", stderr);
	for (uint16_t p = 0; ret == 0 && p < rig->n_ports; p++)
		ret = port_await_link(p);
	return ret;
}

static void ports_close(void) {
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port) {
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
}

// ---- modes

static struct trial_params params_at(double per_second) {
	return (struct trial_params){
		.per_second = per_second,
		.seconds = gen.opt.seconds,
		.n_packets = gen.opt.n_packets,
		.drain_ms = gen.opt.drain_ms,
		.stall_us = gen.opt.stall_us,
		.late_us = gen.opt.late_us,
	};
}

// Not counted: devices learn, caches fill.
static int warm_up(double per_second) {
	struct trial_params params = params_at(per_second);
	struct trial trial;

	params.n_packets = (uint64_t)gen.rig.streams.n * gen.opt.n_warm_up;
	params.seconds = (double)params.n_packets / per_second + 1;
	return params.n_packets > 0 ? trial_run(&gen.rig, &params, &trial) : 0;
}

static enum verdict judge(const struct trial *trial, const struct meter *m) {
	if (m->n_received < trial->n_sent)
		return VERDICT_LOST;
	if (trial_rate(trial, trial->n_sent) < OFFERED_SHARE * trial->params.per_second)
		return VERDICT_NOT_OFFERED;
	return VERDICT_PASSED;
}

static enum verdict try_rate(void *context, double per_second) {
	struct trial_params params = params_at(per_second);
	struct trial trial;
	enum verdict verdict;

	(void)context;
	if (trial_run(&gen.rig, &params, &trial) < 0)
		return VERDICT_ABORTED;
	json_array_append_new(gen.trials, report_trial(&trial, &gen.rig.meter));
	verdict = judge(&trial, &gen.rig.meter);
	if (verdict == VERDICT_PASSED)
		gen.passed_pps = trial_rate(&trial, trial.n_sent);
	return verdict;
}

static bool is_search_over(void *context) {
	double seconds = (double)(rte_rdtsc() - gen.search_begin_tsc) / (double)rte_get_tsc_hz();

	(void)context;
	return gen.opt.search_seconds > 0 && seconds > gen.opt.search_seconds;
}

static json_t *search(void) {
	const struct search how = {
		.max_per_second = gen.opt.max_per_second,
		.resolution = gen.opt.resolution,
		.n_tries = gen.opt.n_tries,
		.n_repeats = gen.opt.n_repeats,
		.attempt = try_rate,
		.is_over = is_search_over,
	};
	struct search_result result;

	gen.trials = json_array();
	gen.search_begin_tsc = rte_rdtsc();
	if (warm_up(gen.opt.max_per_second / 100) < 0 || search_run(&how, &result) < 0) {
		json_decref(gen.trials);
		return NULL;
	}
	return json_pack("{s:s, s:f, s:s, s:o}", "mode", "search", "loss_free_pps",
		gen.passed_pps < result.per_second ? gen.passed_pps : result.per_second, "limit",
		report_limit(result.limit), "trials", gen.trials);
}

// A signal ends the trial, and what it has counted by then is reported.
static json_t *fixed_rate(void) {
	struct trial_params params = params_at(gen.opt.per_second);
	struct trial trial;

	if (warm_up(gen.opt.per_second) < 0)
		return NULL;
	trial_run(&gen.rig, &params, &trial);
	return json_pack(
		"{s:s, s:[o]}", "mode", "rate", "trials", report_trial(&trial, &gen.rig.meter));
}

static int measure(void) {
	json_t *report = gen.opt.per_second > 0 ? fixed_rate() : search();

	if (!report)
		return fault("measurement", "it was broken off");
	json_object_set_new(report, "streams", json_integer(gen.rig.streams.n));
	json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(report);
	return 0;
}

static int run(void) {
	int ret = streams_load(&gen.rig.streams, gen.opt.capture, gen.opt.n_captures);

	if (ret < 0)
		return ret;
	gen.rig.streams.rtp = !gen.opt.opaque;
	ret = meter_init(&gen.rig.meter, gen.rig.streams.n);
	if (ret == 0)
		ret = ports_open(&gen.rig);
	if (ret == 0)
		ret = measure();
	ports_close();
	meter_fini(&gen.rig.meter);
	streams_free(&gen.rig.streams);
	return ret;
}

// Without rte_eal_cleanup(), which unmaps what the thread of interrupts may still be reading.
int main(int argc, char **argv) {
	int n_eal = rte_eal_init(argc, argv);

	if (n_eal < 0)
		return EXIT_FAULT;
	if (options_read(&gen.opt, argc - n_eal, argv + n_eal) < 0)
		return EXIT_MISUSE;
	if (gen.opt.help) {
		options_help();
		return 0;
	}
	catch_signals();
	return run() < 0 ? EXIT_FAULT : 0;
}
