// SPDX-License-Identifier: BSD-2-Clause
// A port in mode shared: a kernel interface, the virtual device that takes media from it, and the
// kernel program that tells media from the rest (docs/shared.md).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "media_filter.h"

struct addr_table;

struct shared_port {
	const struct rr_config *cfg;
	uint32_t index; // of the port
	int ifindex;
	uint32_t mtu; // the interface's
	uint32_t n_queues; // the interface's, as AF_XDP counts them
	enum rr_port_io io; // in use; RR_IO_AUTO: none
	char device[32]; // name of the virtual device
	struct media_filter filter;
};

// Look at the interface and take stale programs of ours off it. Returns 0 or a negative errno,
// having said why.
int shared_port_open(struct shared_port *s, const struct rr_config *cfg, uint32_t index);

// Make the virtual device. Returns 0, or a negative errno having said why.
int shared_port_attach(struct shared_port *s, enum rr_port_io io);

// The device has its queues, and with them AF_XDP its program: it is ours from now on. Returns 0,
// or a negative errno having said why.
int shared_port_sign(struct shared_port *s);

// Undo both, once the device is closed.
void shared_port_detach(struct shared_port *s);

// From now on media to the port's addresses is ours. The device is started. One that is not the
// kernel's own is warned of.
int shared_port_take(struct shared_port *s, const struct addr_table *addrs);

// An address comes or goes later. Where media is not ours yet, shared_port_take() finds it. Returns
// 0, or a negative errno and has changed nothing.
int shared_port_set_addr(const struct shared_port *s, const struct rr_endpoint *a, bool on);

// Media is the kernel's again, while the device still stands.
void shared_port_leave(struct shared_port *s);

static inline bool port_is_shared(const struct rr_port_config *port) {
	return port->mode == RR_PORT_SHARED;
}
