// SPDX-License-Identifier: BSD-2-Clause
// The kernel program of a shared port: what it takes from the kernel, how it gets onto the
// interface, and off it, also when the dataplane that put it there was killed.
//
// An interface has one XDP program. Of tc programs it may have several, each of them another
// dataplane's. A program of ours bears the id of a map that its owner alone holds: it is stale when
// that is gone, in whatever container the owner was.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct bpf_object;

struct media_filter {
	int ifindex;
	const char *port_name; // for the log
	const char *run_dir; // the owner
	int life_fd; // a map that shows that we live, from attaching to the end
	uint32_t owner_id; // its
	int addrs_fd;
	int settings_fd;
	struct bpf_object *tc; // ours; the XDP program belongs to the device's driver
	uint32_t tc_priority;
};

// Nothing is taken yet.
void media_filter_init(
	struct media_filter *f, int ifindex, const char *port_name, const char *run_dir);

// Keep others from the interface until the descriptor is closed: from the sweep until an XDP
// program of ours is there and signed. Who does not come to an end is waited for during 5 s.
// Returns the descriptor, -EADDRINUSE when the other one was still there, or another negative
// errno.
int media_filter_reserve(const struct media_filter *f);

// Take stale programs of ours off the interface. Returns 0, or -EBUSY when an XDP program stays
// that is another's; *whose then says so.
int media_filter_sweep(const struct media_filter *f, const char **whose);

// Path of the XDP program for the driver, which puts it onto the interface; valid in this process.
// NULL, with errno set, when there is no memory.
const char *media_filter_xdp_path(void);

// Find the maps of the XDP program that the driver has put there, and sign it. Nothing is taken
// yet. Returns 0, -EBUSY when another's is there, or another negative errno.
int media_filter_adopt_xdp(struct media_filter *f);

// Put a tc program onto the interface. Returns 0 or a negative errno.
int media_filter_attach_tc(struct media_filter *f);

// Take UDP to these ports of every address that is on, from now on.
int media_filter_set_ports(const struct media_filter *f, uint16_t port_min, uint16_t port_max);

// An address comes or goes, at any time. `addr` is 16 bytes, network order, IPv4 in the first four.
int media_filter_set_addr(
	const struct media_filter *f, enum rr_family family, const uint8_t *addr, bool on);

// As before media_filter_adopt_xdp() or media_filter_attach_tc(). The driver takes the XDP program
// off when its device is closed.
void media_filter_close(struct media_filter *f);
