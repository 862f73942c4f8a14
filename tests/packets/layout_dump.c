// SPDX-License-Identifier: BSD-2-Clause
// Prints the layout of the shared region as JSON, so that the packet tests take every offset, size,
// flag and counter from the headers that the programs are built from.
#include <stdio.h>

#include "ring.h"
#include "shm_layout.h"

struct field {
	const char *name;
	size_t offset;
	size_t size;
};

struct number {
	const char *name;
	unsigned long long value;
};

#define FIELD(strct, name) \
	{ #name, offsetof(struct strct, name), sizeof(((struct strct *)0)->name) }
#define NUMBER(name) \
	{ #name, name }

static const struct field endpoint_fields[] = {
	FIELD(rr_endpoint, addr),
	FIELD(rr_endpoint, port_be),
	FIELD(rr_endpoint, family),
	FIELD(rr_endpoint, reserved),
};

static const struct field ring_fields[] = {
	FIELD(rr_ring_shared, tail),
	FIELD(rr_ring_shared, head),
};

static const struct field request_fields[] = {
	FIELD(rr_request, id),
	FIELD(rr_request, uid),
	FIELD(rr_request, op),
	FIELD(rr_request, flags),
	FIELD(rr_request, slot),
	FIELD(rr_request, peer),
	FIELD(rr_request, version),
	FIELD(rr_request, signalled),
	FIELD(rr_request, learned),
	FIELD(rr_request, latch_ssrc),
	FIELD(rr_request, latch_seq),
	FIELD(rr_request, tos),
	FIELD(rr_request, worker),
	FIELD(rr_request, dp_generation),
	FIELD(rr_request, reserved),
};

static const struct field reply_fields[] = {
	FIELD(rr_reply, id),
	FIELD(rr_reply, uid),
	FIELD(rr_reply, slot),
	FIELD(rr_reply, op),
	FIELD(rr_reply, status),
	FIELD(rr_reply, dp_generation),
};

static const struct field event_fields[] = {
	FIELD(rr_event, uid),
	FIELD(rr_event, slot),
	FIELD(rr_event, type),
	FIELD(rr_event, flags),
	FIELD(rr_event, learned),
	FIELD(rr_event, latch_ssrc),
	FIELD(rr_event, latch_seq),
	FIELD(rr_event, version),
};

static const struct field header_fields[] = {
	FIELD(rr_shm_header, magic),
	FIELD(rr_shm_header, version),
	FIELD(rr_shm_header, size),
	FIELD(rr_shm_header, region_id),
	FIELD(rr_shm_header, n_workers),
	FIELD(rr_shm_header, n_ports),
	FIELD(rr_shm_header, n_addrs),
	FIELD(rr_shm_header, media_port_min),
	FIELD(rr_shm_header, n_media_ports),
	FIELD(rr_shm_header, n_flows),
	FIELD(rr_shm_header, addrs_offset),
	FIELD(rr_shm_header, workers_offset),
	FIELD(rr_shm_header, flows_offset),
	FIELD(rr_shm_header, cold_offset),
	FIELD(rr_shm_header, bucket_owner),
	FIELD(rr_shm_header, dp_generation),
	FIELD(rr_shm_header, dp_heartbeat_ns),
	FIELD(rr_shm_header, dp_pid),
	FIELD(rr_shm_header, dp_state),
	FIELD(rr_shm_header, port_held_mask),
	FIELD(rr_shm_header, control_heartbeat_ns),
	FIELD(rr_shm_header, control_epoch),
	FIELD(rr_shm_header, port_release_mask),
};

static const struct field addr_fields[] = {
	FIELD(rr_shm_addr, addr),
	FIELD(rr_shm_addr, realm_key),
	FIELD(rr_shm_addr, family),
	FIELD(rr_shm_addr, realm),
	FIELD(rr_shm_addr, port),
};

static const struct field worker_fields[] = {
	FIELD(rr_shm_worker, request_ring),
	FIELD(rr_shm_worker, request_slots),
	FIELD(rr_shm_worker, reply_ring),
	FIELD(rr_shm_worker, reply_slots),
	FIELD(rr_shm_worker, event_ring),
	FIELD(rr_shm_worker, event_slots),
	FIELD(rr_shm_worker, counters),
	FIELD(rr_shm_worker, counters_base),
};

static const struct field flow_fields[] = {
	FIELD(rr_flow, uid),
	FIELD(rr_flow, remote),
	FIELD(rr_flow, out),
	FIELD(rr_flow, remote_port_be),
	FIELD(rr_flow, out_port_be),
	FIELD(rr_flow, out_src_port_be),
	FIELD(rr_flow, out_addr),
	FIELD(rr_flow, peer),
	FIELD(rr_flow, flags),
	FIELD(rr_flow, owner),
	FIELD(rr_flow, tos),
	FIELD(rr_flow, remote_family),
	FIELD(rr_flow, out_family),
	FIELD(rr_flow, seq),
	FIELD(rr_flow, ssrc),
	FIELD(rr_flow, n_packets),
	FIELD(rr_flow, n_bytes),
	FIELD(rr_flow, last_seen_ns),
	FIELD(rr_flow, ext_seq_max),
	FIELD(rr_flow, contig_lo),
	FIELD(rr_flow, payload_type),
};

static const struct field cold_fields[] = {
	FIELD(rr_flow_cold, n_rejected),
	FIELD(rr_flow_cold, version),
	FIELD(rr_flow_cold, n_dropped),
	FIELD(rr_flow_cold, first_seen_ns),
	FIELD(rr_flow_cold, n_received),
	FIELD(rr_flow_cold, n_duplicates),
	FIELD(rr_flow_cold, n_reordered),
	FIELD(rr_flow_cold, n_parse_errors),
	FIELD(rr_flow_cold, n_ssrc_changes),
};

static const struct {
	const char *name;
	size_t size;
	const struct field *fields;
	size_t n_fields;
} structs[] = {
#define STRUCT(name, fields) \
	{ #name, sizeof(struct name), fields, RR_ARRAY_LEN(fields) }
	STRUCT(rr_endpoint, endpoint_fields),
	STRUCT(rr_ring_shared, ring_fields),
	STRUCT(rr_request, request_fields),
	STRUCT(rr_reply, reply_fields),
	STRUCT(rr_event, event_fields),
	STRUCT(rr_shm_header, header_fields),
	STRUCT(rr_shm_addr, addr_fields),
	STRUCT(rr_shm_worker, worker_fields),
	STRUCT(rr_flow, flow_fields),
	STRUCT(rr_flow_cold, cold_fields),
};

static const struct number numbers[] = {
	NUMBER(RR_SHM_MAGIC),
	NUMBER(RR_SHM_VERSION),
	NUMBER(RR_MAX_PORTS),
	NUMBER(RR_REQUEST_RING_SLOTS),
	NUMBER(RR_REPLY_RING_SLOTS),
	NUMBER(RR_EVENT_RING_SLOTS),
	NUMBER(RR_SLOT_NONE),
	NUMBER(RR_N_COUNTERS),
	NUMBER(RR_FAMILY_NONE),
	NUMBER(RR_FAMILY_IPV4),
	NUMBER(RR_FAMILY_IPV6),
	NUMBER(RR_DP_DOWN),
	NUMBER(RR_DP_STARTING),
	NUMBER(RR_DP_RUNNING),
	NUMBER(RR_DP_STOPPED),
	NUMBER(RR_REQUEST_BARRIER),
	NUMBER(RR_REQUEST_FLOW_SET),
	NUMBER(RR_REQUEST_FLOW_DEL),
	NUMBER(RR_REQUEST_ADDR_SET),
	NUMBER(RR_REQUEST_ADDR_DEL),
	NUMBER(RR_REQUEST_OPS),
	NUMBER(RR_SET_ASYMMETRIC),
	NUMBER(RR_SET_SAFE),
	NUMBER(RR_SET_SIGNALLED),
	NUMBER(RR_SET_LEARNED),
	NUMBER(RR_SET_LATCHED),
	NUMBER(RR_SET_LATCH_SSRC),
	NUMBER(RR_SET_GUESSED),
	NUMBER(RR_SET_FLAGS),
	NUMBER(RR_REPLY_OK),
	NUMBER(RR_REPLY_BAD_OP),
	NUMBER(RR_REPLY_BAD_SLOT),
	NUMBER(RR_REPLY_BAD_PEER),
	NUMBER(RR_REPLY_BAD_ENDPOINT),
	NUMBER(RR_REPLY_BAD_WORKER),
	NUMBER(RR_REPLY_BAD_UID),
	NUMBER(RR_REPLY_BAD_FLAGS),
	NUMBER(RR_REPLY_BAD_REALM),
	NUMBER(RR_REPLY_NO_ROOM),
	NUMBER(RR_REPLY_BUSY),
	NUMBER(RR_REPLY_NO_KERNEL),
	NUMBER(RR_EVENT_LEARNED),
	NUMBER(RR_FLOW_INSTALLED),
	NUMBER(RR_FLOW_HAS_REMOTE),
	NUMBER(RR_FLOW_LATCHED),
	NUMBER(RR_FLOW_COMPLETE),
	NUMBER(RR_FLOW_HAS_OUT),
	NUMBER(RR_FLOW_TORN),
};

static const char *const kind_names[] = {
	[RR_COUNTER_IN] = "in",
	[RR_COUNTER_OUT] = "out",
	[RR_COUNTER_DROP] = "drop",
	[RR_COUNTER_GAUGE] = "gauge",
	[RR_COUNTER_INFO] = "info",
};

static void print_structs(void) {
	printf("\"structs\": {");
	for (size_t s = 0; s < RR_ARRAY_LEN(structs); s++) {
		printf("%s\n\"%s\": {\"size\": %zu, \"fields\": {", s ? "," : "", structs[s].name,
			structs[s].size);
		for (size_t i = 0; i < structs[s].n_fields; i++)
			printf("%s\"%s\": [%zu, %zu]", i ? ", " : "", structs[s].fields[i].name,
				structs[s].fields[i].offset, structs[s].fields[i].size);
		printf("}}");
	}
	printf("},\n");
}

static void print_numbers(void) {
	printf("\"numbers\": {");
	for (size_t i = 0; i < RR_ARRAY_LEN(numbers); i++)
		printf("%s\n\"%s\": %llu", i ? "," : "", numbers[i].name, numbers[i].value);
	printf("},\n");
}

static void print_counters(void) {
	printf("\"counters\": [");
	for (size_t i = 0; i < RR_N_COUNTERS; i++)
		printf("%s\n[\"%s\", \"%s\"]", i ? "," : "", rr_counter_info[i].name,
			kind_names[rr_counter_info[i].kind]);
	printf("]\n");
}

int main(void) {
	printf("{\n");
	print_structs();
	print_numbers();
	print_counters();
	printf("}\n");
	return 0;
}
