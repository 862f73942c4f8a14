// SPDX-License-Identifier: BSD-2-Clause
// Argument vector, hugepage decision, core report and log redirection for the EAL.
#include "eal.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "log.h"
#include "shared_port.h"

#define HUGEPAGES_GLOB "/sys/kernel/mm/hugepages/hugepages-*/free_hugepages"

// ---- arguments

static void RR_PRINTF(2, 3) arg_add(struct eal_args *args, const char *fmt, ...) {
	va_list ap;
	int ret;

	if (args->n >= EAL_MAX_ARGS) {
		args->failed = true;
		return;
	}
	va_start(ap, fmt);
	ret = vasprintf(&args->v[args->n], fmt, ap);
	va_end(ap);
	if (ret < 0)
		args->failed = true;
	else
		args->v[++args->n] = NULL;
}

void eal_args_free(struct eal_args *args) {
	for (int i = 0; i < args->n; i++)
		free(args->v[i]);
	*args = (struct eal_args){0};
}

bool eal_device_is_pci(const char *device) {
	unsigned int domain, bus, slot, function;
	int end = 0;

	if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 ||
		sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) == 3)
		return device[end] == '\0' || device[end] == ',';
	return false;
}

uint32_t eal_device_number(const char *device, const char *name) {
	size_t len = strlen(name);
	unsigned int value = 0;

	for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ','))
		if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '=')
			sscanf(at + 2 + len, "%u", &value);
	return value;
}

static bool any_device_begins(const struct rr_config *cfg, const char *prefix) {
	for (uint32_t i = 0; i < cfg->n_ports; i++)
		if (strncmp(cfg->port[i].device, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

static bool any_arg_begins(
	const struct rr_config *cfg, int n_extra, char *const *extra, const char *prefix) {
	for (uint32_t i = 0; i < cfg->n_eal_args; i++)
		if (strncmp(cfg->eal_arg[i], prefix, strlen(prefix)) == 0)
			return true;
	for (int i = 0; i < n_extra; i++)
		if (strncmp(extra[i], prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

// Memory stays private to this process, without a socket or a file, unless a memif peer maps it or
// a secondary process was asked for with --proc-type.
static void memory_args(
	struct eal_args *args, const struct rr_config *cfg, bool hugepages, bool secondaries) {
	if (any_device_begins(cfg, "net_memif"))
		arg_add(args, "--single-file-segments");
	else if (!secondaries)
		arg_add(args, hugepages ? "--in-memory" : "--no-shconf");
	if (!hugepages) {
		arg_add(args, "--no-huge");
		arg_add(args, "-m");
		arg_add(args, "%u", cfg->memory_mb);
	}
}

static void lcore_args(struct eal_args *args, const struct rr_config *cfg) {
	char map[RR_MAX_WORKERS * 16];
	size_t n = (size_t)snprintf(map, sizeof(map), "0@%u", cfg->main_core);

	for (uint32_t w = 0; w < cfg->n_workers && n < sizeof(map); w++)
		n += (size_t)snprintf(map + n, sizeof(map) - n, ",%u@%u", eal_worker_lcore(w),
			cfg->worker_core[w]);
	arg_add(args, "--lcores");
	arg_add(args, "%s", map);
	arg_add(args, "--main-lcore");
	arg_add(args, "0");
}

static void device_args(struct eal_args *args, const struct rr_config *cfg) {
	bool pci = false;

	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		const char *device = cfg->port[i].device;

		if (port_is_shared(&cfg->port[i]))
			continue; // its device is made later, see shared_port.c
		if (eal_device_is_pci(device)) {
			arg_add(args, "--allow=%s", device);
			pci = true;
		} else {
			arg_add(args, "--vdev=%s", device);
		}
	}
	if (!pci)
		arg_add(args, "--no-pci");
}

// One prefix a run directory: two relays on a machine share no file of the EAL.
static void prefix_arg(struct eal_args *args, const struct rr_config *cfg) {
	char name[RR_PATH_LEN];

	snprintf(name, sizeof(name), "%s", cfg->run_dir);
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	arg_add(args, "--file-prefix=rr%s", name);
}

int eal_args_build(struct eal_args *args, const struct rr_config *cfg, bool hugepages, int n_extra,
	char *const *extra) {
	bool secondaries = any_arg_begins(cfg, n_extra, extra, "--proc-type");

	*args = (struct eal_args){0};
	arg_add(args, "rtprelay-dp");
	lcore_args(args, cfg);
	memory_args(args, cfg, hugepages, secondaries);
	prefix_arg(args, cfg);
	if (!any_arg_begins(cfg, n_extra, extra, "--telemetry"))
		arg_add(args, "--no-telemetry");
	device_args(args, cfg);
	for (uint32_t i = 0; i < cfg->n_eal_args; i++)
		arg_add(args, "%s", cfg->eal_arg[i]);
	for (int i = 0; i < n_extra; i++)
		arg_add(args, "%s", extra[i]);
	return args->failed ? -E2BIG : 0;
}

// ---- log lines of DPDK's libraries

// The EAL writes whole lines or pieces of one; what has no newline yet waits.
static struct {
	char text[1024];
	size_t len;
} eal_line;

static enum rr_log_level eal_log_level(void) {
	int level = rte_log_cur_msg_loglevel();

	if (level <= (int)RTE_LOG_ERR)
		return RR_LOG_ERROR;
	if (level == (int)RTE_LOG_WARNING)
		return RR_LOG_WARNING;
	return level == (int)RTE_LOG_NOTICE ? RR_LOG_INFO : RR_LOG_DEBUG;
}

static ssize_t eal_log_take(void *cookie RR_UNUSED, const char *buf, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (buf[i] != '\n' && eal_line.len < sizeof(eal_line.text) - 1) {
			eal_line.text[eal_line.len++] = buf[i];
			continue;
		}
		eal_line.text[eal_line.len] = '\0';
		if (eal_line.len > 0)
			rr_log_write(eal_log_level(), "dpdk", "%s", eal_line.text);
		eal_line.len = 0;
	}
	return (ssize_t)size;
}

static int log_redirect(void) {
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = eal_log_take});

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOLBF, 0);
	return rte_openlog_stream(f) == 0 ? 0 : -EIO;
}

// ---- hugepages

static bool hugepages_free(void) {
	bool any = false;
	glob_t found;

	if (glob(HUGEPAGES_GLOB, 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc && !any; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		unsigned long n = 0;

		if (!f)
			continue;
		any = fscanf(f, "%lu", &n) == 1 && n > 0;
		fclose(f);
	}
	globfree(&found);
	return any;
}

static int hugepages_choose(const struct rr_config *cfg, bool *use) {
	*use = cfg->hugepages != RR_HUGEPAGES_OFF && hugepages_free();
	if (*use)
		return 0;
	if (cfg->hugepages == RR_HUGEPAGES_REQUIRE) {
		rr_err("eal",
			"no free hugepages, and the configuration requires them; reserve some: "
			"echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
		return -ENOMEM;
	}
	rr_warn("eal",
		"running without hugepages memory_mb=%u: more TLB misses, so fewer packets a "
		"second, "
		"and devices on vfio-pci may not work; reserve some: "
		"echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
		cfg->memory_mb);
	return 0;
}

// ---- cores

bool eal_cpu_list_has(const char *list, uint32_t cpu) {
	const char *at = list;

	while (*at) {
		unsigned int first, last;
		int end = 0;

		if (sscanf(at, "%u%n", &first, &end) != 1)
			return false;
		last = first;
		at += end;
		if (*at == '-' && sscanf(at, "-%u%n", &last, &end) == 1)
			at += end;
		if (cpu >= first && cpu <= last)
			return true;
		if (*at != ',')
			return false;
		at++;
	}
	return false;
}

bool eal_cores_shared(const struct rr_config *cfg) {
	for (uint32_t w = 0; w < cfg->n_workers; w++) {
		if (cfg->worker_core[w] == cfg->main_core)
			return true;
		for (uint32_t v = 0; v < w; v++)
			if (cfg->worker_core[w] == cfg->worker_core[v])
				return true;
	}
	return false;
}

static void cpu_list_read(const char *path, char *list, size_t size) {
	FILE *f = fopen(path, "re");

	list[0] = '\0';
	if (!f)
		return;
	if (!fgets(list, (int)size, f))
		list[0] = '\0';
	fclose(f);
}

static void isolation_report(const struct rr_config *cfg) {
	char isolated[1024], nohz[1024];

	cpu_list_read("/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
	cpu_list_read("/sys/devices/system/cpu/nohz_full", nohz, sizeof(nohz));
	for (uint32_t w = 0; w < cfg->n_workers; w++) {
		bool alone = eal_cpu_list_has(isolated, cfg->worker_core[w]);
		bool tickless = eal_cpu_list_has(nohz, cfg->worker_core[w]);

		if (alone && tickless)
			continue;
		rr_warn("eal",
			"worker %u: core %u is not in%s%s%s: other tasks and the timer tick "
			"interrupt it, which adds delay, hundreds of milliseconds where they keep "
			"the core busy, and may lose packets",
			w, cfg->worker_core[w], alone ? "" : " isolcpus",
			alone || tickless ? "" : ",", tickless ? "" : " nohz_full");
	}
}

static void sharing_report(const struct rr_config *cfg) {
	if (!eal_cores_shared(cfg))
		return;
	if (cfg->poll == RR_POLL_BUSY)
		rr_warn("eal", "two threads share a core and poll = busy: each waits for the "
			       "other's time slice; use poll = adaptive");
	else
		rr_warn("eal", "two threads share a core: each adds delay to the other's packets; "
			       "give main_core and every worker a core of their own");
}

static int core_check(const cpu_set_t *allowed, uint32_t core, const char *who) {
	if (core < CPU_SETSIZE && CPU_ISSET(core, allowed))
		return 0;
	rr_err("eal", "%s: core %u does not exist or is not ours to use", who, core);
	return -EINVAL;
}

static int cores_check(const struct rr_config *cfg) {
	cpu_set_t allowed;
	int ret;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	ret = core_check(&allowed, cfg->main_core, "main_core");
	for (uint32_t w = 0; ret == 0 && w < cfg->n_workers; w++)
		ret = core_check(&allowed, cfg->worker_core[w], "cores");
	if (ret == 0)
		sharing_report(cfg);
	return ret;
}

// ---- start and stop

static int eal_init(const struct eal_args *args) {
	char *v[EAL_MAX_ARGS + 1];

	// The EAL reorders and replaces the pointers that it is given.
	memcpy(v, args->v, sizeof(v));
	if (rte_eal_init(args->n, v) >= 0)
		return 0;
	rr_err("eal", "cannot start: %s", rte_strerror(rte_errno));
	return rte_errno > 0 ? -rte_errno : -EIO;
}

// The EAL keeps pointers to its arguments, so they live as long as the process.
static struct eal_args eal_argv;

int eal_start(const struct rr_config *cfg, int n_extra, char *const *extra) {
	bool hugepages;
	int ret = cores_check(cfg);

	if (ret < 0)
		return ret;
	ret = hugepages_choose(cfg, &hugepages);
	if (ret < 0)
		return ret;
	ret = eal_args_build(&eal_argv, cfg, hugepages, n_extra, extra);
	if (ret < 0)
		rr_err("eal", "more than %d arguments", EAL_MAX_ARGS);
	if (ret == 0)
		ret = log_redirect();
	if (ret == 0)
		ret = eal_init(&eal_argv);
	if (ret < 0) {
		eal_args_free(&eal_argv);
		return ret;
	}
	isolation_report(cfg);
	return 0;
}

void eal_stop(void) {
	rte_eal_cleanup();
	eal_args_free(&eal_argv);
}
