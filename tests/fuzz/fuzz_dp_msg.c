// SPDX-License-Identifier: BSD-2-Clause
// libFuzzer target: any bytes as requests from control to a worker.
//
// The input is a row of requests of 128 bytes, the last one filled up with zeros. Odd requests have
// slot and peer brought into range, so that the parts behind the first checks are reached.
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "neighbour.h"

#define N_ADDRS 4
#define N_MEDIA_PORTS 8
#define N_FLOWS (N_ADDRS * N_MEDIA_PORTS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rr_flow flows[N_FLOWS];
static struct rr_flow_cold cold[N_FLOWS];
static struct addr_table addrs;

uint32_t neighbour_find(const struct neighbour_view *v, uint32_t realm, enum rr_family family,
	const uint8_t addr[16]) {
	(void)v, (void)realm, (void)family, (void)addr;
	return RR_NEXTHOP_NONE;
}

static void reset(void) {
	memset(flows, 0, sizeof(flows));
	memset(cold, 0, sizeof(cold));
	for (uint32_t i = 0; i < N_FLOWS; i++)
		flows[i].peer = RR_SLOT_NONE;
	addrs.n_addrs = N_ADDRS;
	for (uint32_t i = 0; i < N_ADDRS; i++)
		addrs.local[i].family = i % 2 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4;
}

// What must hold of every flow after every request.
static void check_flows(const struct flow_table *t) {
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		const struct rr_flow *f = &flows[i];

		if (f->seq & 1)
			abort();
		if (f->peer != RR_SLOT_NONE && (f->peer >= N_FLOWS || f->peer == i))
			abort();
		if ((f->flags & RR_FLOW_HAS_OUT) &&
			(flow_peer(t, i) == RR_SLOT_NONE || f->out_addr >= N_ADDRS ||
				f->out_family != addrs.local[f->out_addr].family))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static uint64_t counters[RR_N_COUNTERS];
	struct flow_table table = {
		.flows = flows,
		.cold = cold,
		.addrs = &addrs,
		.n_flows = N_FLOWS,
		.n_media_ports = N_MEDIA_PORTS,
		.media_port_min = 20000,
	};
	struct command command = {.table = &table, .counters = counters};

	reset();
	for (uint32_t n = 0; size != 0; n++) {
		struct rr_request q = {0};
		struct rr_reply reply;
		size_t len = size < sizeof(q) ? size : sizeof(q);

		memcpy(&q, data, len);
		if (n & 1) {
			q.slot %= N_FLOWS;
			q.peer %= N_FLOWS;
			memset(q.reserved, 0, sizeof(q.reserved));
		}
		command_apply(&command, &q, (uint64_t)n << 30, &reply);
		if (reply.id != q.id || reply.status > RR_REPLY_BAD_FLAGS)
			abort();
		check_flows(&table);
		data += len;
		size -= len;
	}
	return 0;
}
