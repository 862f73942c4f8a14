// SPDX-License-Identifier: BSD-2-Clause
// The EAL's arguments from the configuration, its memory, cores and log lines.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define EAL_MAX_ARGS 192

// A vector for rte_eal_init; owns its strings.
struct eal_args {
	int n;
	bool failed; // ran out of memory or room
	char *v[EAL_MAX_ARGS + 1];
};

// Build the arguments; `extra` are those of the command line and come last, so that they win.
// Returns 0 or -E2BIG. eal_args_free() in either case.
int eal_args_build(struct eal_args *args, const struct rr_config *cfg, bool hugepages, int n_extra,
	char *const *extra);
void eal_args_free(struct eal_args *args);

// Start the EAL: main thread is lcore 0 on main_core, worker i is lcore i + 1 on its core. Says
// what missing hugepages and cores that are not isolated cost. Returns 0 or a negative errno.
int eal_start(const struct rr_config *cfg, int n_extra, char *const *extra);
void eal_stop(void);

static inline unsigned int eal_worker_lcore(uint32_t worker) {
	return worker + 1;
}

// True when two of worker and main cores are the same.
bool eal_cores_shared(const struct rr_config *cfg);

// Does a list as in /sys ("0-3,8") name this CPU?
bool eal_cpu_list_has(const char *list, uint32_t cpu);

// True for a PCI address with or without domain, device arguments behind it allowed.
bool eal_device_is_pci(const char *device);

// Value of a device argument that is a number, as in "net_x0,NAME=5"; 0 when it is not there.
uint32_t eal_device_number(const char *device, const char *name);
