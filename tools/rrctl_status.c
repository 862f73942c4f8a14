// SPDX-License-Identifier: BSD-2-Clause
// rrctl status: who runs, since when, and when it was last heard of.
#include <limits.h>

#include "atomic.h"
#include "clock.h"
#include "control_counters.h"
#include "rrctl.h"
#include "shm_addrs.h"

// Their places in the row that control writes.
enum counter {
#define COUNTER_ENUM(id, kind, help) COUNTER_##id,
	RR_CONTROL_COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
};

// A process that holds its lock lives; the region tells the rest, also of one that is gone.
static const char *dataplane_state(int pid, const struct rr_region *region) {
	uint32_t state = RR_DP_DOWN;

	if (region != NULL)
		state = rr_load_relaxed(&region->header->dp_state);
	if (pid == 0)
		return state == RR_DP_STOPPED ? "stopped" : "down";
	return state == RR_DP_RUNNING   ? "running"
	       : state == RR_DP_STOPPED ? "stopping"
					: "starting";
}

// Milliseconds since a monotonic time; null when there was none.
static json_t *age_ms(uint64_t then_ns) {
	uint64_t now_ns = rr_now_ns();

	if (then_ns == 0)
		return json_null();
	return json_integer(then_ns < now_ns ? (json_int_t)((now_ns - then_ns) / RR_NS_PER_MS) : 0);
}

static json_t *dataplane_json(const struct rrctl *ctl, const struct rr_region *region) {
	int pid = rrctl_lock_holder(ctl, RR_LOCK_DATAPLANE);
	json_t *o = json_pack("{s:s, s:o}", "state", dataplane_state(pid, region), "pid",
		pid != 0 ? json_integer(pid) : json_null());

	if (region == NULL)
		return o;
	json_object_set_new(o, "generation",
		json_integer((json_int_t)rr_load_relaxed(&region->header->dp_generation)));
	json_object_set_new(
		o, "heartbeat_age_ms", age_ms(rr_load_relaxed(&region->header->dp_heartbeat_ns)));
	json_object_set_new(
		o, "start_age_ms", age_ms(rr_load_relaxed(&region->header->dp_start_ns)));
	return o;
}

static void add_admission(json_t *o, const struct rr_store_meta *meta) {
	json_object_set_new(
		o, "admission", json_string(rr_admission_name(meta->counters[COUNTER_admission])));
	json_object_set_new(o, "overloaded", json_boolean(meta->counters[COUNTER_overloaded] != 0));
	json_object_set_new(
		o, "load_pct", json_integer((json_int_t)meta->counters[COUNTER_load_pct]));
}

static json_t *control_json(const struct rrctl *ctl, const struct rr_region *region) {
	int pid = rrctl_lock_holder(ctl, RR_LOCK_CONTROL);
	struct rr_store_meta meta;
	json_t *o = json_pack("{s:s, s:o}", "state", pid != 0 ? "running" : "down", "pid",
		pid != 0 ? json_integer(pid) : json_null());

	if (rrctl_try_meta(ctl, &meta))
		add_admission(o, &meta);
	if (region == NULL)
		return o;
	json_object_set_new(
		o, "epoch", json_integer(rr_load_relaxed(&region->header->control_epoch)));
	json_object_set_new(o, "heartbeat_age_ms",
		age_ms(rr_load_relaxed(&region->header->control_heartbeat_ns)));
	return o;
}

static json_t *region_json(const char *path, const struct rr_region *region) {
	uint32_t n_addrs;

	if (region == NULL)
		return json_pack("{s:s, s:b}", "path", path, "present", 0);
	n_addrs = rr_region_n_addrs_used(region);
	return json_pack("{s:s, s:b, s:I, s:i, s:i, s:i, s:i, s:i, s:i}", "path", path, "present",
		1, "size_bytes", (json_int_t)region->size, "workers", region->n_workers, "ports",
		region->n_ports, "addresses", n_addrs, "max_addresses", region->n_addrs,
		"media_ports_per_address", region->n_media_ports, "flows",
		n_addrs * region->n_media_ports);
}

static void draw_status(const json_t *result) {
	static const struct rrctl_column dataplane[] = {{"dataplane", "state"}, {"  pid", "pid"},
		{"  generation", "generation"}, {"  heartbeat ms ago", "heartbeat_age_ms"},
		{"  started ms ago", "start_age_ms"}};
	static const struct rrctl_column control[] = {{"control", "state"}, {"  pid", "pid"},
		{"  new calls", "admission"}, {"  overloaded", "overloaded"},
		{"  load %", "load_pct"}, {"  epoch", "epoch"},
		{"  heartbeat ms ago", "heartbeat_age_ms"}};
	static const struct rrctl_column region[] = {{"region", "path"}, {"  present", "present"},
		{"  bytes", "size_bytes"}, {"  workers", "workers"}, {"  addresses", "addresses"},
		{"  max addresses", "max_addresses"}, {"  flows", "flows"}};

	rrctl_lines(json_object_get(result, "dataplane"), dataplane, RR_ARRAY_LEN(dataplane));
	rrctl_lines(json_object_get(result, "control"), control, RR_ARRAY_LEN(control));
	rrctl_lines(json_object_get(result, "region"), region, RR_ARRAY_LEN(region));
}

// No region is a state to be shown, not an error.
int rrctl_status_show(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	struct rr_region mapped;
	struct rr_region *region = NULL;
	char path[PATH_MAX];
	json_t *result;

	rr_region_path(&ctl->cfg, path, sizeof(path));
	if (rrctl_try_attach(ctl, &mapped))
		region = &mapped;
	result = json_pack("{s:o, s:o, s:o}", "dataplane", dataplane_json(ctl, region), "control",
		control_json(ctl, region), "region", region_json(path, region));
	if (region != NULL)
		rr_region_detach(region);
	return rrctl_show(ctl, result, draw_status);
}
