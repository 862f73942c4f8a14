// SPDX-License-Identifier: BSD-2-Clause
// rrctl port: the Ethernet ports, and the release of those that start held.
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "rrctl.h"

#define START_WAIT_NS (2 * RR_NS_PER_S)
#define START_POLL_NS (5 * RR_NS_PER_MS)

static const char *port_state(const struct rrctl *ctl, const struct rr_region *region, uint32_t i) {
	uint32_t held = rr_load_relaxed(&region->header->port_held_mask);

	if (rrctl_lock_holder(ctl, RR_LOCK_DATAPLANE) == 0)
		return "down";
	return (held & (UINT32_C(1) << i)) != 0 ? "held" : "started";
}

// How a port takes its packets; NULL where the device says so.
static const char *port_io(
	const struct rr_port_config *port, const struct rr_region *region, uint32_t i) {
	uint32_t mask = rr_load_relaxed(&region->header->port_af_xdp_mask);

	if (port->mode != RR_PORT_SHARED)
		return NULL;
	return (mask & (UINT32_C(1) << i)) != 0 ? "af_xdp" : "af_packet";
}

// NULL before a dataplane has written it.
static const char *port_mac(const struct rr_region *region, uint32_t i, char text[18]) {
	uint64_t stored = rr_load_relaxed(&region->header->port_mac[i]);
	uint8_t mac[sizeof(stored)];

	memcpy(mac, &stored, sizeof(mac));
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return stored != 0 ? text : NULL;
}

static void draw_ports(const json_t *result) {
	static const struct rrctl_column columns[] = {{"PORT", "index"}, {"NAME", "name"},
		{"STATE", "state"}, {"MODE", "mode"}, {"IO", "io"}, {"MAC", "mac"}, {"MTU", "mtu"},
		{"DEVICE", "device"}};

	rrctl_table(json_object_get(result, "ports"), columns, RR_ARRAY_LEN(columns));
}

int rrctl_port_list(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	json_t *rows = json_array();
	struct rr_region region;
	int rc = rrctl_attach(ctl, &region, true);

	for (uint32_t i = 0; rc == RRCTL_DONE && i < ctl->cfg.n_ports; i++) {
		const struct rr_port_config *port = &ctl->cfg.port[i];
		char mac[18];

		json_array_append_new(rows,
			json_pack("{s:i, s:s, s:s, s:s, s:s?, s:s?, s:i, s:s}", "index", i, "name",
				port->name, "state", port_state(ctl, &region, i), "mode",
				port->mode == RR_PORT_SHARED ? "shared" : "exclusive", "io",
				port_io(port, &region, i), "mac", port_mac(&region, i, mac), "mtu",
				port->mtu, "device", port->device));
	}
	if (rc != RRCTL_DONE) {
		json_decref(rows);
		return rc;
	}
	rr_region_detach(&region);
	return rrctl_show(ctl, json_pack("{s:o}", "ports", rows), draw_ports);
}

static int find_port(const struct rr_region *region, const char *name) {
	for (uint32_t i = 0; i < region->n_ports; i++) {
		if (strncmp(region->header->port_name[i], name, RR_PORT_NAME_LEN) == 0)
			return (int)i;
	}
	return -1;
}

static void draw_started(const json_t *result) {
	printf("port %s is started\n", json_string_value(json_object_get(result, "port")));
}

// The dataplane looks at the mask many times a second; a port that stays held has failed.
static bool wait_until_started(const struct rr_region *region, uint32_t bit) {
	static const struct timespec poll = {.tv_nsec = START_POLL_NS};
	uint64_t end_ns = rr_now_ns() + START_WAIT_NS;

	while ((rr_load_relaxed(&region->header->port_held_mask) & bit) != 0) {
		if (rr_now_ns() > end_ns)
			return false;
		nanosleep(&poll, NULL);
	}
	return true;
}

static int start_port(const struct rrctl *ctl, struct rr_region *region, const char *name) {
	int port = find_port(region, name);
	uint32_t bit;

	if (port < 0)
		return rrctl_refuse("port %s: no such port, `rrctl port list` shows them", name);
	bit = UINT32_C(1) << port;
	// the rrctl lock makes this the only writer
	rr_store_relaxed(&region->header->port_release_mask,
		rr_load_relaxed(&region->header->port_release_mask) | bit);
	if (!wait_until_started(region, bit))
		return rrctl_refuse("port %s: the dataplane did not start it, see its log", name);
	return rrctl_show(
		ctl, json_pack("{s:s, s:s}", "port", name, "state", "started"), draw_started);
}

// Looking at another role's lock opens and closes the lock file, which lets go of our own: it comes
// first.
static int lock_and_start(const struct rrctl *ctl, struct rr_region *region, const char *name) {
	int dataplane = rrctl_lock_holder(ctl, RR_LOCK_DATAPLANE);
	int holder;
	int lock;
	int rc;

	if (dataplane == 0)
		return rrctl_refuse("port %s: the dataplane is down", name);
	lock = rr_region_lock(ctl->cfg.run_dir, RR_LOCK_RRCTL, &holder);
	if (lock == -EBUSY)
		return rrctl_refuse("port %s: another rrctl is at work pid=%d", name, holder);
	if (lock < 0)
		return rrctl_refuse(
			"port %s: lock in %s: %s", name, ctl->cfg.run_dir, strerror(-lock));
	rc = start_port(ctl, region, name);
	close(lock);
	return rc;
}

int rrctl_port_start(struct rrctl *ctl, RR_UNUSED int argc, char **argv) {
	struct rr_region region;
	int rc = rrctl_attach(ctl, &region, false);

	if (rc != RRCTL_DONE)
		return rc;
	rc = lock_and_start(ctl, &region, argv[0]);
	rr_region_detach(&region);
	return rc;
}
