// SPDX-License-Identifier: BSD-2-Clause
// rtprelay-dp: start-up as one table, the main thread's loop, and the way down in reverse.
#include <errno.h>
#include <getopt.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_random.h>

#include "addr_command.h"
#include "addr_table.h"
#include "atomic.h"
#include "clock.h"
#include "config.h"
#include "eal.h"
#include "handoff.h"
#include "log.h"
#include "memif.h"
#include "neighbour.h"
#include "parse_wide.h"
#include "port.h"
#include "punt.h"
#include "shm_addrs.h"
#include "shm_region.h"
#include "upkeep.h"
#include "worker.h"

#define PROGRAM "rtprelay-dp"
#define EXIT_REFUSED 1 // could not start, or lost a part on the way
#define EXIT_MISUSE 2
#define MAIN_NAP_NS 1000000 // at most so long until ARP, ND and echo are answered
#define HELP \
	"usage: " PROGRAM " -c FILE [--check | --print] [-- EAL ARGUMENT...]\n" \
	"  -c, --config FILE  configuration\n" \
	"      --check        validate the configuration and exit\n" \
	"      --print        write what is in effect and exit\n" \
	"  -h, --help         this text\n" \
	"Arguments behind -- go to DPDK's EAL, after those of the configuration.\n" \
	"Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 misuse.\n"

struct dataplane {
	struct rr_config cfg;
	int n_eal_args; // of the command line
	char **eal_args;
	int lock_fd;
	struct rr_region region;
	uint8_t bucket_owner[RR_N_BUCKETS];
	struct port_set ports;
	struct addr_table addrs;
	struct parse parse;
	struct neighbour_table neighbours;
	struct handoff_mesh mesh;
	struct punt punt;
	struct worker *workers;
	struct upkeep upkeep;
	struct addr_command addr_command;
	uint32_t stop; // writer: main; readers: workers
};

static struct dataplane dp;

// ---- signals

static sigset_t stop_signals;

// SIGTERM and SIGINT are blocked for good, in every thread that is made from here on, and the main
// thread asks for them where it can stop: a system call of the start-up that is interrupted would
// look like one that failed.
static void signals_init(void) {
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGTERM);
	sigaddset(&stop_signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

// True when the program is to stop; waits for that at most so long.
static bool stop_wanted(long patience_ns) {
	const struct timespec patience = {.tv_nsec = patience_ns};

	return sigtimedwait(&stop_signals, NULL, &patience) > 0;
}

// ---- start-up steps

static int lock_init(void) {
	int holder;

	dp.lock_fd = rr_region_lock(dp.cfg.run_dir, RR_LOCK_DATAPLANE, &holder);
	if (dp.lock_fd == -EBUSY)
		rr_err("main", "another dataplane runs on %s pid=%d", dp.cfg.run_dir, holder);
	else if (dp.lock_fd < 0)
		rr_err("main", "cannot lock %s/lock: %s", dp.cfg.run_dir, strerror(-dp.lock_fd));
	return dp.lock_fd < 0 ? dp.lock_fd : 0;
}

static void lock_fini(void) {
	close(dp.lock_fd);
}

// What a dataplane that was killed left in the way of this one; and it says that it runs. Behind
// the lock: it is dead.
static int leftovers_init(void) {
	char path[RR_PATH_LEN * 2];

	rr_region_path(&dp.cfg, path, sizeof(path));
	rr_region_say_down(path);
	for (uint32_t i = 0; i < dp.cfg.n_ports; i++)
		memif_remove_dead_socket(dp.cfg.port[i].device);
	return 0;
}

static int eal_step_init(void) {
	return eal_start(&dp.cfg, dp.n_eal_args, dp.eal_args);
}

// Devices before the region: a device that is missing must not cost the calls of an old region.
static int ports_init(void) {
	rr_bucket_owners(dp.bucket_owner, dp.cfg.n_workers);
	return port_set_open(&dp.ports, &dp.cfg, dp.bucket_owner);
}

static void ports_fini(void) {
	port_set_close(&dp.ports);
}

static bool lies_on(const char *folder, unsigned long fs_type) {
	struct statfs fs;

	return statfs(folder, &fs) < 0 || (unsigned long)fs.f_type == fs_type;
}

// The region is memory. On a disk it is written back, and whoever touches it then waits.
static int region_place_check(void) {
	const char *huge = dp.cfg.hugepage_dir;

	if (huge[0] != '\0' && !lies_on(huge, HUGETLBFS_MAGIC)) {
		rr_err("main",
			"instance.hugepage_dir %s is no hugetlbfs mount: mount one there, or "
			"leave it empty",
			huge);
		return -EINVAL;
	}
	if (huge[0] == '\0' && !lies_on(dp.cfg.run_dir, TMPFS_MAGIC))
		rr_warn("main",
			"instance.run_dir %s is no tmpfs: the region is written back to disk, "
			"which adds delay and loses packets",
			dp.cfg.run_dir);
	return 0;
}

static int region_init(void) {
	char path[RR_PATH_LEN * 2];
	bool adopted;
	int ret = region_place_check();

	if (ret < 0)
		return ret;
	rr_region_path(&dp.cfg, path, sizeof(path));
	ret = rr_region_create(&dp.region, &dp.cfg, path, &adopted);
	if (ret < 0 && adopted)
		rr_err("main", "cannot take over the region %s, which is left as it is: %s", path,
			strerror(-ret));
	else if (ret < 0)
		rr_err("main", "cannot make the region %s of %llu MB: %s", path,
			(unsigned long long)(rr_region_size(&dp.cfg) >> 20), strerror(-ret));
	if (ret < 0)
		return ret;
	rr_info("main", "region %s %s flows=%u size_mb=%llu generation=%llu", path,
		adopted ? "adopted" : "created", dp.region.n_flows,
		(unsigned long long)(dp.region.size >> 20),
		(unsigned long long)dp.region.header->dp_generation);
	return 0;
}

// A dataplane that ran leaves the calls in place; one that did not come up is down.
static void region_fini(void) {
	uint32_t state = dp.region.header->dp_state;

	// pairs with the acquire of those who look at the state
	rr_store_release(&dp.region.header->dp_state,
		(uint32_t)(state == RR_DP_RUNNING ? RR_DP_STOPPED : RR_DP_DOWN));
	rr_region_detach(&dp.region);
}

static uint64_t (*main_counters(void))[RR_N_COUNTERS] {
	return dp.region.workers[dp.cfg.n_workers].counters;
}

static int neighbours_init(void) {
	int ret = neighbour_init(&dp.neighbours, &dp.cfg, &dp.addrs, dp.cfg.n_workers,
		&main_counters()[0][RR_C_neighbour_full]);

	if (ret < 0)
		rr_err("main", "cannot make the table of next hops: %s", strerror(-ret));
	return ret;
}

static void neighbours_fini(void) {
	neighbour_fini(&dp.neighbours);
}

static int addrs_init(void) {
	const struct addr_source from = {.cfg = &dp.cfg, .ports = &dp.ports};
	int ret = addr_table_init(&dp.addrs, &from, dp.region.n_addrs);

	for (uint32_t i = 0; ret == 0 && i < dp.region.n_addrs; i++) {
		struct rr_shm_addr addr = dp.region.addrs[i];

		if (addr.family != RR_FAMILY_NONE)
			ret = addr_table_add(&dp.addrs, &from, i, &addr);
	}
	return ret;
}

static int tables_init(void) {
	int ret = addrs_init();

	if (ret < 0) {
		rr_err("main", "cannot make the table of local addresses: %s", strerror(-ret));
		return ret;
	}
	dp.parse = (struct parse){
		.addrs = &dp.addrs,
		.flows = dp.region.flows,
		.media_port_min = dp.region.media_port_min,
		.n_media_ports = dp.region.n_media_ports,
		.is_wide = dp.cfg.simd == RR_SIMD_AUTO && parse_wide_is_possible(),
	};
	for (uint32_t p = 0; p < dp.ports.n; p++) {
		memcpy(&dp.parse.mac[p], dp.ports.port[p].mac.addr_bytes, RTE_ETHER_ADDR_LEN);
		dp.parse.shared[p] = port_is_shared(dp.ports.port[p].cfg);
	}
	return 0;
}

// The calls of an adopted region need their next hops at once.
static void next_hops_adopt(void) {
	const uint16_t sends = RR_FLOW_INSTALLED | RR_FLOW_HAS_OUT;
	uint64_t now_ns = rr_now_ns();

	for (uint32_t slot = 0; slot < dp.region.n_flows; slot++) {
		const struct rr_flow *f = &dp.region.flows[slot];
		uint16_t out_addr;

		if (!addr_table_has(&dp.addrs, slot / dp.region.n_media_ports))
			continue;
		out_addr = rr_load_relaxed(&f->out_addr);
		if ((f->flags & sends) == sends && addr_table_has(&dp.addrs, out_addr))
			neighbour_want(&dp.neighbours, dp.addrs.local[out_addr].realm,
				(enum rr_family)f->out_family, f->out, now_ns);
	}
}

static int calls_adopt(void) {
	struct flow_table table;

	flow_table_init(&table, &dp.region, &dp.addrs, 0);
	flow_table_adopt(&table);
	next_hops_adopt();
	return 0;
}

static int rings_init(void) {
	int ret = handoff_mesh_create(&dp.mesh, dp.cfg.n_workers);

	dp.punt = (struct punt){
		.cfg = &dp.cfg,
		.addrs = &dp.addrs,
		.ports = &dp.ports,
		.neighbours = &dp.neighbours,
		.counters = main_counters(),
		.n_workers = dp.cfg.n_workers,
	};
	if (ret == 0) {
		ret = punt_open(&dp.punt, rr_now_ns());
		if (ret < 0)
			handoff_mesh_free(&dp.mesh);
	}
	if (ret < 0)
		rr_err("main", "no memory for rings: %s", strerror(-ret));
	return ret;
}

static void rings_fini(void) {
	punt_close(&dp.punt);
	handoff_mesh_free(&dp.mesh);
}

static void workers_free(void) {
	for (uint32_t w = 0; w < dp.cfg.n_workers; w++)
		worker_fini(&dp.workers[w]);
	free(dp.workers);
}

static int workers_init(void) {
	const struct worker_setup setup = {
		.cfg = &dp.cfg,
		.region = &dp.region,
		.ports = &dp.ports,
		.addrs = &dp.addrs,
		.parse = &dp.parse,
		.neighbours = &dp.neighbours,
		.mesh = &dp.mesh,
		.punt = dp.punt.in,
		.inject = dp.punt.inject,
		.stop = &dp.stop,
		.seed = (uint32_t)rte_rand(),
	};
	int ret = 0;

	dp.workers = aligned_alloc(RR_CACHE_LINE, dp.cfg.n_workers * sizeof(*dp.workers));
	if (!dp.workers)
		return -ENOMEM;
	memset(dp.workers, 0, dp.cfg.n_workers * sizeof(*dp.workers));
	for (uint32_t w = 0; ret == 0 && w < dp.cfg.n_workers; w++)
		ret = worker_init(&dp.workers[w], &setup, w);
	if (ret < 0)
		workers_free();
	return ret;
}

static int upkeep_init(void) {
	int ret;

	dp.upkeep = (struct upkeep){
		.cfg = &dp.cfg,
		.region = &dp.region,
		.ports = &dp.ports,
		.neighbours = &dp.neighbours,
		.punt = &dp.punt,
		.workers = dp.workers,
		.counters = main_counters(),
	};
	ret = kernel_hops_open(&dp.upkeep.kernel, &dp.cfg, &dp.ports, &dp.neighbours);
	if (ret == 0)
		ret = upkeep_ports_start(&dp.upkeep);
	if (ret < 0)
		kernel_hops_close(&dp.upkeep.kernel);
	return ret;
}

static void upkeep_fini(void) {
	kernel_hops_close(&dp.upkeep.kernel);
}

static int claim(void *ctx, const struct rr_shm_addr *addr, bool on) {
	return upkeep_claim(ctx, addr, on);
}

static void announce(void *ctx, uint32_t index) {
	upkeep_announce(ctx, index);
}

static int addr_command_init(void) {
	int n_broken;

	dp.addr_command = (struct addr_command){
		.from = {.cfg = &dp.cfg, .ports = &dp.ports},
		.region = &dp.region,
		.table = &dp.addrs,
		.neighbours = &dp.neighbours,
		.claim = claim,
		.announce = announce,
		.ctx = &dp.upkeep,
		.counters = main_counters()[0],
		.dp_generation = dp.region.header->dp_generation,
		.self = (uint8_t)dp.cfg.n_workers,
	};
	n_broken = addr_command_open(&dp.addr_command);
	rr_add_relaxed(&main_counters()[0][RR_C_ring_broken], (uint64_t)n_broken);
	if (n_broken)
		rr_warn("main", "ring indexes were impossible and are reset n=%d", n_broken);
	return 0;
}

static void threads_fini(void) {
	rr_store_relaxed(&dp.stop, 1U);
	rte_eal_mp_wait_lcore();
}

static int threads_init(void) {
	for (uint32_t w = 0; w < dp.cfg.n_workers; w++) {
		int ret = rte_eal_remote_launch(worker_run, &dp.workers[w], eal_worker_lcore(w));

		if (ret < 0) {
			rr_err("main", "worker %u does not start: %s", w, strerror(-ret));
			threads_fini();
			return ret;
		}
	}
	return 0;
}

static int state_init(void) {
	rr_store_relaxed(&dp.region.header->dp_heartbeat_ns, rr_now_ns());
	// pairs with the acquire of those who look at the state
	rr_store_release(&dp.region.header->dp_state, (uint32_t)RR_DP_RUNNING);
	rr_info("main", "running pid=%d workers=%u ports=%u addresses=%u parser=%s", (int)getpid(),
		dp.cfg.n_workers, dp.cfg.n_ports, rr_region_n_addrs_used(&dp.region),
		dp.parse.is_wide ? "avx512" : "portable");
	return 0;
}

// In this order up, in reverse down. A step without fini leaves nothing behind.
static const struct {
	const char *name;
	int (*init)(void);
	void (*fini)(void);
} steps[] = {
	{"lock", lock_init, lock_fini},
	{"leftovers", leftovers_init, NULL},
	{"eal", eal_step_init, eal_stop},
	{"ports", ports_init, ports_fini},
	{"region", region_init, region_fini},
	{"neighbours", neighbours_init, neighbours_fini},
	{"tables", tables_init, NULL},
	{"calls", calls_adopt, NULL},
	{"rings", rings_init, rings_fini},
	{"workers", workers_init, workers_free},
	{"threads", threads_init, threads_fini},
	{"upkeep", upkeep_init, upkeep_fini},
	{"addresses", addr_command_init, NULL},
	{"state", state_init, NULL},
};

// ---- the main thread

static void run(void) {
	uint32_t n;

	do {
		uint64_t now_ns = rr_now_ns();

		n = punt_poll(&dp.punt, now_ns);
		upkeep_turn(&dp.upkeep, now_ns);
		n += addr_command_poll(&dp.addr_command);
	} while (!stop_wanted(n == 0 ? MAIN_NAP_NS : 0));
}

static int start_and_run(void) {
	bool stop = false;
	size_t n = 0;
	int ret = 0;

	while (n < RR_ARRAY_LEN(steps) && !stop) {
		ret = steps[n].init();
		if (ret < 0)
			break;
		n++;
		stop = stop_wanted(0);
	}
	if (ret == 0 && !stop)
		run();
	if (ret == 0)
		rr_info("main", "stopping, calls are kept");
	else
		rr_err("main", "start failed step=%s error=%s", steps[n].name, strerror(-ret));
	while (n-- > 0)
		if (steps[n].fini)
			steps[n].fini();
	return ret;
}

// ---- the command line

struct options {
	const char *config;
	bool check;
	bool print;
};

static int options_parse(struct options *o, int argc, char **argv) {
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"print", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'p':
			o->print = true;
			break;
		case 'h':
			fputs(HELP, stdout);
			exit(EXIT_SUCCESS);
		default:
			return -EINVAL;
		}
	}
	// What follows must have been introduced by --.
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return -EINVAL;
	dp.n_eal_args = argc - optind;
	dp.eal_args = argv + optind;
	return o->config ? 0 : -EINVAL;
}

int main(int argc, char **argv) {
	struct options o = {0};

	rr_log_init(PROGRAM, RR_LOG_INFO);
	if (options_parse(&o, argc, argv) < 0) {
		fputs(HELP, stderr);
		return EXIT_MISUSE;
	}
	if (rr_config_load(&dp.cfg, o.config, stderr) < 0)
		return EXIT_REFUSED;
	if (o.check)
		printf("%s: ok\n", o.config);
	if (o.print)
		rr_config_print(&dp.cfg, stdout);
	if (o.check || o.print)
		return EXIT_SUCCESS;
	rr_log_init(PROGRAM, (enum rr_log_level)dp.cfg.log_level);
	signals_init();
	return start_and_run() < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
