// SPDX-License-Identifier: BSD-2-Clause
// rrctl flow: what arrives at a local address and port, where it goes, and how it fares.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "clock.h"
#include "flow_totals.h"
#include "rrctl.h"

struct flag_name {
	uint32_t bit;
	const char *name;
};

static const struct flag_name flag_names[] = {
	{RR_FLOW_INSTALLED, "installed"},
	{RR_FLOW_RTCP, "rtcp"},
	{RR_FLOW_ASYMMETRIC, "asymmetric"},
	{RR_FLOW_SAFE, "safe"},
	{RR_FLOW_HAS_REMOTE, "has_remote"},
	{RR_FLOW_LATCHED, "latched"},
	{RR_FLOW_COMPLETE, "complete"},
	{RR_FLOW_HAS_OUT, "has_out"},
	{RR_FLOW_UNTRUSTED_SDP, "untrusted_sdp"},
	{RR_FLOW_TORN, "torn"},
	{RR_FLOW_GUESSED, "guessed"},
};

// A copy of one flow.
struct view {
	uint32_t slot;
	bool consistent;
	struct rr_flow flow;
	struct rr_flow_cold cold;
};

// The one word that says most, from the bottom up.
static const char *flow_state(const struct view *v) {
	uint32_t flags = v->flow.flags;

	if (!v->consistent)
		return "busy";
	if ((flags & RR_FLOW_INSTALLED) == 0)
		return v->flow.uid != 0 ? "deleted" : "unused";
	if ((flags & RR_FLOW_TORN) != 0)
		return "torn";
	if ((flags & RR_FLOW_COMPLETE) == 0)
		return "incomplete";
	if ((flags & RR_FLOW_LATCHED) != 0)
		return "latched";
	return (flags & RR_FLOW_HAS_REMOTE) != 0 ? "learning" : "no-remote";
}

static struct rr_endpoint make_endpoint(const uint8_t addr[16], uint16_t port_be, uint8_t family) {
	struct rr_endpoint ep = {.port_be = port_be, .family = family};

	memcpy(ep.addr, addr, sizeof(ep.addr));
	return ep;
}

static json_t *endpoint_json(const struct rr_endpoint *ep) {
	char text[RR_ENDPOINT_STRLEN];

	if (ep->family != RR_FAMILY_IPV4 && ep->family != RR_FAMILY_IPV6)
		return json_null();
	return json_string(rr_endpoint_format(ep, text, sizeof(text)));
}

static json_t *local_json(const struct rr_region *region, uint32_t slot) {
	const struct rr_shm_addr *addr = &region->addrs[rr_slot_addr(region, slot)];
	struct rr_endpoint ep =
		make_endpoint(addr->addr, htons(rr_slot_port(region, slot)), addr->family);

	return endpoint_json(&ep);
}

static json_t *remote_json(const struct rr_flow *f) {
	struct rr_endpoint ep = make_endpoint(f->remote, f->remote_port_be, f->remote_family);

	return (f->flags & RR_FLOW_HAS_REMOTE) != 0 ? endpoint_json(&ep) : json_null();
}

static json_t *out_json(const struct rr_flow *f) {
	struct rr_endpoint ep = make_endpoint(f->out, f->out_port_be, f->out_family);

	return (f->flags & RR_FLOW_HAS_OUT) != 0 ? endpoint_json(&ep) : json_null();
}

static json_t *flags_json(uint32_t flags) {
	json_t *names = json_array();

	for (size_t i = 0; i < RR_ARRAY_LEN(flag_names); i++) {
		if ((flags & flag_names[i].bit) != 0)
			json_array_append_new(names, json_string(flag_names[i].name));
	}
	return names;
}

static json_t *last_seen_json(const struct rr_flow *f) {
	uint64_t now_ns = rr_now_ns();

	if (f->last_seen_ns == 0)
		return json_null();
	return json_integer(f->last_seen_ns < now_ns
				    ? (json_int_t)((now_ns - f->last_seen_ns) / RR_NS_PER_MS)
				    : 0);
}

static void add_match(json_t *o, const struct rr_region *region, const struct view *v) {
	const struct rr_flow *f = &v->flow;

	json_object_set_new(o, "slot", json_integer(v->slot));
	json_object_set_new(o, "local", local_json(region, v->slot));
	json_object_set_new(
		o, "kind", json_string((rr_slot_port(region, v->slot) & 1) != 0 ? "rtcp" : "rtp"));
	json_object_set_new(o, "state", json_string(flow_state(v)));
	json_object_set_new(o, "flags", flags_json(f->flags));
	json_object_set_new(o, "owner", json_integer(f->owner));
	json_object_set_new(o, "uid", json_integer((json_int_t)f->uid));
	json_object_set_new(o, "version", json_integer(v->cold.version));
	json_object_set_new(o, "remote", remote_json(f));
	json_object_set_new(o, "out", out_json(f));
	json_object_set_new(o, "peer",
		rr_region_has_slot(region, f->peer) ? local_json(region, f->peer) : json_null());
	json_object_set_new(o, "tos", json_integer(f->tos));
	json_object_set_new(o, "last_seen_ms_ago", last_seen_json(f));
}

static void add_totals(json_t *o, const struct view *v) {
	struct rr_flow_totals t;
	json_t *rtp;

	rr_flow_totals(&t, &v->flow, &v->cold);
	json_object_set_new(o, "packets", json_integer((json_int_t)t.n_packets));
	json_object_set_new(o, "bytes", json_integer((json_int_t)t.n_bytes));
	json_object_set_new(o, "dropped", json_integer((json_int_t)t.n_dropped));
	json_object_set_new(o, "rejected", json_integer((json_int_t)t.n_rejected));
	json_object_set_new(o, "longest_gap_s", json_real(t.longest_gap_s));
	// RFC 3550 jitter is told in units of the stream's own timestamps.
	rtp = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "sent",
		(json_int_t)t.n_sent, "received", (json_int_t)t.n_received, "lost",
		(json_int_t)t.n_lost, "duplicates", (json_int_t)t.n_duplicates, "reordered",
		(json_int_t)t.n_reordered, "parse_errors", (json_int_t)t.n_parse_errors,
		"ssrc_changes", (json_int_t)t.n_ssrc_changes, "jitter_last_ts", t.jitter_last,
		"jitter_max_ts", t.jitter_max, "jitter_mean_ts", t.jitter_mean);
	json_object_set_new(rtp, "ssrc", json_integer(v->flow.ssrc));
	json_object_set_new(rtp, "payload_type",
		v->flow.payload_type != RR_PAYLOAD_TYPE_NONE ? json_integer(v->flow.payload_type)
							     : json_null());
	json_object_set_new(o, "rtp", rtp);
}

static json_t *flow_json(const struct rr_region *region, uint32_t slot) {
	struct view v = {.slot = slot};
	json_t *o = json_object();

	v.consistent = rr_flow_read(region, slot, &v.flow, &v.cold) == 0;
	add_match(o, region, &v);
	add_totals(o, &v);
	return o;
}

static uint32_t slot_of(
	const struct rr_region *region, const struct rr_endpoint *local, uint32_t port) {
	for (uint32_t a = 0; a < region->n_addrs; a++) {
		if (rr_region_has_addr(region, a) && region->addrs[a].family == local->family &&
			memcmp(region->addrs[a].addr, local->addr, sizeof(local->addr)) == 0)
			return rr_region_slot(region, a, port);
	}
	return RR_SLOT_NONE;
}

json_t *rrctl_flow_of(const struct rr_region *region, const struct rr_endpoint *local,
	uint32_t port, uint64_t uid) {
	uint32_t slot = RR_SLOT_NONE;

	if (region != NULL)
		slot = slot_of(region, local, port);
	if (slot == RR_SLOT_NONE || rr_load_relaxed(&region->flows[slot].uid) != uid)
		return json_null();
	return flow_json(region, slot);
}

// ---- one flow

static void draw_flow(const json_t *result) {
	static const struct rrctl_column lines[] = {{"slot", "slot"}, {"local", "local"},
		{"kind", "kind"}, {"state", "state"}, {"flags", "flags"}, {"owner", "owner"},
		{"uid", "uid"}, {"version", "version"}, {"remote", "remote"}, {"out", "out"},
		{"peer", "peer"}, {"tos", "tos"}, {"last seen ms ago", "last_seen_ms_ago"},
		{"packets", "packets"}, {"bytes", "bytes"}, {"dropped", "dropped"},
		{"rejected", "rejected"}, {"longest gap s", "longest_gap_s"}};
	static const struct rrctl_column rtp[] = {{"rtp sent", "sent"},
		{"rtp received", "received"}, {"rtp lost", "lost"},
		{"rtp duplicates", "duplicates"}, {"rtp reordered", "reordered"},
		{"rtp parse errors", "parse_errors"}, {"rtp ssrc", "ssrc"},
		{"rtp ssrc changes", "ssrc_changes"}, {"rtp payload type", "payload_type"},
		{"rtp jitter last ts", "jitter_last_ts"}, {"rtp jitter max ts", "jitter_max_ts"},
		{"rtp jitter mean ts", "jitter_mean_ts"}};

	rrctl_lines(result, lines, RR_ARRAY_LEN(lines));
	rrctl_lines(json_object_get(result, "rtp"), rtp, RR_ARRAY_LEN(rtp));
}

// Slot of "ADDR:PORT" or "[ADDR]:PORT", RR_SLOT_NONE when it is none.
static uint32_t find_local(const struct rr_region *region, const char *text) {
	for (uint32_t a = 0; a < region->n_addrs; a++) {
		const struct rr_shm_addr *addr = &region->addrs[a];
		struct rr_endpoint ep = make_endpoint(addr->addr, 0, addr->family);
		char prefix[RR_ENDPOINT_STRLEN];
		size_t len;
		char *end;
		unsigned long port;

		rr_endpoint_format(&ep, prefix, sizeof(prefix)); // ends in ":0"
		len = strlen(prefix) - 1;
		if (!rr_region_has_addr(region, a) || strncmp(text, prefix, len) != 0)
			continue;
		port = strtoul(text + len, &end, 10);
		return *end == '\0' && end != text + len && port <= UINT16_MAX
			       ? rr_region_slot(region, a, (uint32_t)port)
			       : RR_SLOT_NONE;
	}
	return RR_SLOT_NONE;
}

static uint32_t find_slot(const struct rr_region *region, const char *text) {
	char *end;
	unsigned long slot = strtoul(text, &end, 10);

	if (end != text && *end == '\0')
		return slot < region->n_flows && rr_region_has_slot(region, (uint32_t)slot)
			       ? (uint32_t)slot
			       : RR_SLOT_NONE;
	return find_local(region, text);
}

static int show_one(const struct rrctl *ctl, const struct rr_region *region, const char *text) {
	uint32_t slot = find_slot(region, text);

	if (slot == RR_SLOT_NONE)
		return rrctl_refuse(
			"flow %s: no slot, and no local address with a media port", text);
	return rrctl_show(ctl, flow_json(region, slot), draw_flow);
}

// ---- all of them

static void draw_flows(const json_t *result) {
	static const struct rrctl_column columns[] = {{"SLOT", "slot"}, {"LOCAL", "local"},
		{"KIND", "kind"}, {"STATE", "state"}, {"OWNER", "owner"}, {"REMOTE", "remote"},
		{"OUT", "out"}, {"PACKETS", "packets"}, {"BYTES", "bytes"}, {"DROPPED", "dropped"},
		{"REJECTED", "rejected"}, {"LOST", "lost"}, {"JITTER TS", "jitter_mean_ts"},
		{"SEEN MS AGO", "last_seen_ms_ago"}};
	json_t *flows = json_object_get(result, "flows");
	size_t i;
	json_t *flow;

	json_array_foreach(flows, i, flow) {
		json_t *rtp = json_object_get(flow, "rtp");

		json_object_set(flow, "lost", json_object_get(rtp, "lost"));
		json_object_set(flow, "jitter_mean_ts", json_object_get(rtp, "jitter_mean_ts"));
	}
	rrctl_table(flows, columns, RR_ARRAY_LEN(columns));
}

static bool is_listed(const struct rr_flow *f, bool all) {
	if (rr_load_relaxed(&f->uid) == 0)
		return false;
	return all || (rr_load_relaxed(&f->flags) & RR_FLOW_INSTALLED) != 0;
}

static int show_all(const struct rrctl *ctl, const struct rr_region *region) {
	json_t *flows = json_array();

	for (uint32_t slot = 0; slot < region->n_flows; slot++) {
		if (rr_region_has_slot(region, slot) && is_listed(&region->flows[slot], ctl->all))
			json_array_append_new(flows, flow_json(region, slot));
	}
	return rrctl_show(ctl, json_pack("{s:o}", "flows", flows), draw_flows);
}

int rrctl_flow_show(struct rrctl *ctl, int argc, char **argv) {
	struct rr_region region;
	int rc = rrctl_attach(ctl, &region, true);

	if (rc != RRCTL_DONE)
		return rc;
	rc = argc > 0 ? show_one(ctl, &region, argv[0]) : show_all(ctl, &region);
	rr_region_detach(&region);
	return rc;
}
