// SPDX-License-Identifier: BSD-2-Clause
// The kernel program of a shared port: what it takes from the kernel, how it gets onto the
// interface, and off it, also when the dataplane that put it there was killed.
//
// An interface has one XDP program. Of tc programs it may have several, each of them another
// dataplane's. A program of ours bears its owner's run_dir: it is stale when nobody runs there.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct bpf_object;

struct media_filter {
	int ifindex;
	const char *port_name; // for the log
	const char *run_dir; // the owner
	int addrs_fd;
	int settings_fd;
	struct bpf_object *tc; // ours; the XDP program belongs to the device's driver
	uint32_t tc_priority;
};

// Nothing is taken yet.
void media_filter_init(
	struct media_filter *f, int ifindex, const char *port_name, const char *run_dir);

// Take stale programs of ours off the interface. Returns 0, or -EBUSY when an XDP program stays
// that is another's; *whose then says so.
int media_filter_sweep(const struct media_filter *f, const char **whose);

// Path of the XDP program for the driver, which puts it onto the interface; valid in this process.
// NULL, with errno set, when there is no memory.
const char *media_filter_xdp_path(void);

// Find the maps of the XDP program that the driver has put there, and sign it. Returns 0 or a
// negative errno.
int media_filter_adopt_xdp(struct media_filter *f);

// Put a tc program onto the interface. Returns 0 or a negative errno.
int media_filter_attach_tc(struct media_filter *f);

// Take UDP to these ports of every address that is on, from now on.
int media_filter_set_ports(const struct media_filter *f, uint16_t port_min, uint16_t port_max);

// An address comes or goes, at any time. `addr` is 16 bytes, network order, IPv4 in the first four.
int media_filter_set_addr(
	const struct media_filter *f, enum rr_family family, const uint8_t *addr, bool on);

// Everything is the kernel's again. The driver takes the XDP program off when its device is closed.
void media_filter_close(struct media_filter *f);
