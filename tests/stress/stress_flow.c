// SPDX-License-Identifier: BSD-2-Clause
// A flow written by its owner and read by two others at full speed: every copy that is taken for
// consistent is one, and no access races.
//
// The owner is the real code: requests through command.c, datagrams through the relay stage, which
// learns, counts, keeps RTP statistics and writes the peer's and the RTCP flow. The readers are
// what control and rrctl do. All datagrams have the same size, and a party's port follows from its
// host, so that a mixture of two states shows. No EAL: the mbufs lie on the stack.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "flow_totals.h"
#include "neighbour.h"
#include "relay.h"

#define N_ROUNDS 300000
#define N_READERS 2
#define N_MEDIA_PORTS 8
#define N_FLOWS (2 * N_MEDIA_PORTS)
#define A 2 // leg A, RTP; its RTCP is 3
#define B (N_MEDIA_PORTS + 4) // leg B, RTP
#define FIRST_PORT 4000 // a party 198.18.5.k sends from port 4000 + k, and from 4001 + k RTCP
#define PAYLOAD 172
#define UDP_OFFSET 34
#define MIN_CONSISTENT 1000

struct stress {
	struct rr_region region;
	struct addr_table addrs;
	struct flow_table table;
	struct relay relay;
	struct command command;
	struct rr_ring events;
	struct rr_ring_shared event_indexes;
	uint8_t event_slots[16][sizeof(struct rr_event)];
	uint64_t counters[RR_MAX_PORTS][RR_N_COUNTERS];
	struct burst burst;
	uint8_t frame[UDP_OFFSET + 8 + PAYLOAD];
	uint64_t now_ns;
	uint64_t uid;
	uint32_t version;
	uint32_t random;
	int done;
};

struct reader {
	const struct stress *stress;
	uint64_t n_consistent;
	uint64_t n_torn;
	uint64_t n_wrong;
};

// No next hops here: the flow table of this program has no view of them.
uint32_t neighbour_find(const struct neighbour_view *v, uint32_t realm, enum rr_family family,
	const uint8_t addr[16]) {
	(void)v, (void)realm, (void)family, (void)addr;
	return RR_NEXTHOP_NONE;
}

static uint32_t random_below(struct stress *s, uint32_t n) {
	s->random = s->random * 1664525u + 1013904223u;
	return (s->random >> 8) % n;
}

static struct rr_endpoint party(uint32_t k, uint32_t rtcp) {
	struct rr_endpoint ep = {
		.addr = {198, 18, 5, (uint8_t)k},
		.port_be = htons((uint16_t)(FIRST_PORT + k + rtcp)),
		.family = RR_FAMILY_IPV4,
	};

	return ep;
}

static void request(struct stress *s, uint16_t op, uint32_t slot, uint32_t peer, uint64_t uid) {
	struct rr_request q = {
		.uid = uid,
		.op = op,
		.slot = slot,
		.peer = peer,
		.version = s->version,
		.flags = RR_SET_SIGNALLED,
		.signalled = party(random_below(s, 200) + 1, slot & 1),
	};
	struct rr_reply reply;

	command_apply(&s->command, &q, s->now_ns, &reply);
	if (reply.status != RR_REPLY_OK)
		abort();
}

static void call_set(struct stress *s) {
	s->version++;
	for (uint32_t rtcp = 0; rtcp < 2; rtcp++) {
		request(s, RR_REQUEST_FLOW_SET, A + rtcp, B + rtcp, s->uid);
		request(s, RR_REQUEST_FLOW_SET, B + rtcp, A + rtcp, s->uid);
	}
}

static void call_delete(struct stress *s) {
	for (uint32_t rtcp = 0; rtcp < 2; rtcp++) {
		request(s, RR_REQUEST_FLOW_DEL, A + rtcp, B + rtcp, s->uid);
		request(s, RR_REQUEST_FLOW_DEL, B + rtcp, A + rtcp, s->uid);
	}
	s->uid++;
}

static void datagram(struct stress *s) {
	struct rte_mbuf m = {.buf_addr = s->frame, .nb_segs = 1, .data_len = sizeof(s->frame)};
	struct rr_endpoint from = party(random_below(s, 3) + 1, 0);
	uint16_t seq = htons((uint16_t)(s->now_ns / 20000000 + random_below(s, 4)));
	uint8_t *rtp = s->frame + UDP_OFFSET + 8;
	struct pkt *p;

	rtp[0] = 0x80;
	memcpy(rtp + 2, &seq, sizeof(seq));
	rtp[11] = (uint8_t)(1 + random_below(s, 50) / 49);
	burst_reset(&s->burst, s->now_ns, s->counters, false);
	pkt_add(&s->burst, &m, 0);
	p = s->burst.live[0];
	p->slot = A;
	p->flow = &s->table.flows[A];
	p->family = from.family;
	memcpy(p->src, from.addr, sizeof(p->src));
	p->src_port_be = from.port_be;
	p->udp = s->frame + UDP_OFFSET;
	p->payload_len = p->n_contiguous = PAYLOAD;
	relay_take(&s->relay, &s->burst, p);
}

static void *owner_run(void *arg) {
	struct stress *s = arg;

	call_set(s);
	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		s->now_ns += 20000000;
		if (random_below(s, 1000) == 0)
			call_delete(s);
		if (random_below(s, 50) == 0)
			call_set(s);
		if (s->table.flows[A].flags & RR_FLOW_INSTALLED)
			datagram(s);
	}
	rr_store_release(&s->done, 1); // pairs with the acquire in reader_run
	return NULL;
}

// A port fits its host, or there is no address.
static bool endpoint_is_whole(const uint8_t *addr, uint16_t port_be, uint32_t rtcp) {
	return ntohs(port_be) == FIRST_PORT + addr[3] + rtcp;
}

static bool flow_is_whole(uint32_t slot, const struct rr_flow *f, const struct rr_flow_cold *c) {
	uint32_t rtcp = slot & 1;
	struct rr_flow_totals t;

	if ((f->flags & RR_FLOW_HAS_REMOTE) &&
		!endpoint_is_whole(f->remote, f->remote_port_be, rtcp))
		return false;
	if ((f->flags & RR_FLOW_HAS_OUT) && !endpoint_is_whole(f->out, f->out_port_be, rtcp))
		return false;
	rr_flow_totals(&t, f, c);
	return t.n_bytes == t.n_packets * PAYLOAD &&
	       t.n_received + t.n_duplicates == (rtcp ? 0 : t.n_packets) &&
	       t.n_lost == t.n_sent - t.n_received;
}

static void *reader_run(void *arg) {
	static const uint32_t slots[] = {A, A + 1, B, B + 1};
	struct reader *r = arg;
	uint32_t at = 0;

	// pairs with the release in owner_run
	while (!rr_load_acquire(&r->stress->done)) {
		uint32_t slot = slots[at++ % RR_ARRAY_LEN(slots)];
		struct rr_flow flow;
		struct rr_flow_cold cold;

		if (rr_flow_read(&r->stress->region, slot, &flow, &cold) < 0)
			r->n_torn++;
		else if (flow_is_whole(slot, &flow, &cold))
			r->n_consistent++;
		else
			r->n_wrong++;
	}
	return NULL;
}

static void *zeroed(size_t n, size_t size) {
	size_t whole = (n * size + 127) / 128 * 128;
	void *p = aligned_alloc(128, whole);

	if (!p)
		abort();
	return memset(p, 0, whole);
}

static void stress_init(struct stress *s) {
	s->region.flows = zeroed(N_FLOWS, sizeof(struct rr_flow));
	s->region.cold = zeroed(N_FLOWS, sizeof(struct rr_flow_cold));
	s->region.n_flows = N_FLOWS;
	s->region.n_addrs = 2;
	s->region.addrs = zeroed(2, sizeof(struct rr_shm_addr));
	s->region.addrs[0].family = s->region.addrs[1].family = RR_FAMILY_IPV4;
	s->region.n_media_ports = N_MEDIA_PORTS;
	s->region.media_port_min = 20000;
	s->addrs.n_addrs = 2;
	s->addrs.local[0].family = s->addrs.local[1].family = RR_FAMILY_IPV4;
	s->addrs.local[0].mtu = s->addrs.local[1].mtu = 1500;
	for (uint32_t i = 0; i < N_FLOWS; i++)
		s->region.flows[i].peer = RR_SLOT_NONE;
	flow_table_init(&s->table, &s->region, &s->addrs, 0);
	if (rr_ring_attach_producer(
		    &s->events, &s->event_indexes, s->event_slots, 16, sizeof(struct rr_event)) < 0)
		abort();
	s->relay = (struct relay){.table = &s->table, .events = &s->events};
	s->command = (struct command){.table = &s->table, .counters = s->counters[0]};
	s->now_ns = UINT64_C(1000000000000);
	s->uid = 1;
	s->random = 1;
}

static void stress_fini(struct stress *s) {
	free(s->region.flows);
	free(s->region.cold);
	free(s->region.addrs);
	free(s);
}

int main(void) {
	struct stress *s = zeroed(1, sizeof(*s));
	struct reader readers[N_READERS];
	pthread_t owner, threads[N_READERS];
	int failed = 0;

	stress_init(s);
	for (uint32_t i = 0; i < N_READERS; i++) {
		readers[i] = (struct reader){.stress = s};
		pthread_create(&threads[i], NULL, reader_run, &readers[i]);
	}
	pthread_create(&owner, NULL, owner_run, s);
	pthread_join(owner, NULL);
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_join(threads[i], NULL);
		printf("reader %u: consistent=%llu gave_up=%llu wrong=%llu\n", i,
			(unsigned long long)readers[i].n_consistent,
			(unsigned long long)readers[i].n_torn,
			(unsigned long long)readers[i].n_wrong);
		failed += readers[i].n_wrong != 0 || readers[i].n_consistent < MIN_CONSISTENT;
	}
	printf("owner: moved=%llu rejected=%llu\n",
		(unsigned long long)s->counters[0][RR_C_relatched],
		(unsigned long long)s->counters[0][RR_C_drop_source_rejected]);
	failed += s->counters[0][RR_C_relatched] == 0;
	stress_fini(s);
	printf("%d passed, %d failed\n", failed ? 0 : 1, failed ? 1 : 0);
	return failed != 0;
}
