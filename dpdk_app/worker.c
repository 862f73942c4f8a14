// SPDX-License-Identifier: BSD-2-Clause
// The loop of a worker, and what it does when there is nothing to do.
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "clock.h"
#include "log.h"
#include "punt.h"

#define IDLE_TURNS 64 // turns without work before the first nap
#define NAP_FIRST_NS 5000 // doubled from nap to nap
#define NAP_LONGEST_NS 150000 // with the kernel's own delay below 200 us
#define NAPS_BEFORE_QUIET 1000 // a sixth of a second
#define NAP_QUIET_NS 900000 // a nap costs up to 30 us, which is to be less than 5 % of a core
#define INJECT_BURST 32

static void send_fragments(struct worker *w, const struct pkt *p) {
	struct burst *b = &w->burst;
	struct rte_mbuf *frame[FRAGMENTER_MAX];
	uint32_t n = fragmenter_cut(&w->fragmenter, p, frame);

	if (n == 0) {
		pkt_drop(b, p, RR_C_drop_no_buffer);
		return;
	}
	pkt_count(b, p, RR_C_fragmented, 1);
	pkt_count(b, p, RR_C_fragments_made, n - 1);
	for (uint32_t i = 0; i < n; i++)
		io_tx_frame(&w->io, p->out_port, frame[i], b->now_ns);
}

// A burst with large packets among the others: each leaves in its place.
static __rte_noinline void send_with_large(struct worker *w) {
	struct burst *b = &w->burst;
	uint32_t n_large = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = b->live[i];

		if (n_large < b->n_large && b->large[n_large] == p) {
			n_large++;
			send_fragments(w, p);
		} else {
			io_tx_frame(&w->io, p->out_port, p->m, b->now_ns);
		}
	}
	b->n = 0;
}

static void side_doors(struct worker *w) {
	struct burst *b = &w->burst;

	handoff_send(&w->handoff, b);
	handoff_turn(&w->handoff, b);
	punt_send(w->punt, b);
	rte_pktmbuf_free_bulk(b->dropped, b->n_dropped);
}

// One burst down the line. Each stage leaves in it what the next one is to see.
static void line(struct worker *w) {
	struct burst *b = &w->burst;

	parse_burst(w->parse, b);
	forward_burst(&w->forward, b);
	if (RR_UNLIKELY(b->n_large > 0))
		send_with_large(w);
	else
		io_tx(&w->io, b);
	if (RR_UNLIKELY(b->n_fragments > 0))
		reassembly_burst(&w->reassembly, b);
	side_doors(w);
}

// What became whole goes down the line as if it had just come: not yet handed over to anybody.
static __rte_noinline void relay_reassembled(struct worker *w) {
	struct reassembly *r = &w->reassembly;

	burst_reset(&w->burst, w->burst.now_ns, w->counters, false);
	for (uint32_t i = 0; i < r->n_ready; i++)
		pkt_add(&w->burst, r->ready[i], (uint8_t)r->ready[i]->port);
	r->n_ready = 0;
	line(w);
}

static void relay_line(struct worker *w) {
	line(w);
	if (RR_UNLIKELY(w->reassembly.n_ready > 0))
		relay_reassembled(w);
}

static uint32_t receive(struct worker *w, uint64_t now_ns) {
	uint32_t n_all = 0;

	for (uint32_t q = 0; q < w->io.n_rx; q++) {
		burst_reset(&w->burst, now_ns, w->counters, false);
		if (io_rx(&w->io, q, &w->burst) == 0)
			continue;
		n_all += w->burst.n;
		relay_line(w);
	}
	return n_all;
}

static uint32_t take_over(struct worker *w, uint64_t now_ns) {
	uint32_t n_all = 0;

	for (uint32_t from = 0; from < w->n_workers; from++) {
		burst_reset(&w->burst, now_ns, w->counters, true);
		if (handoff_receive(&w->handoff, from, &w->burst) == 0)
			continue;
		n_all += w->burst.n;
		relay_line(w);
	}
	return n_all;
}

// Frames that the slow path made leave through worker 0.
static uint32_t send_injected(struct worker *w, uint64_t now_ns) {
	void *m[INJECT_BURST];
	uint32_t n;

	if (!w->inject)
		return 0;
	n = rte_ring_sc_dequeue_burst(w->inject, m, INJECT_BURST, NULL);
	for (uint32_t i = 0; i < n; i++)
		io_tx_generated(&w->io, m[i], now_ns);
	return n;
}

// Every nap is at most twice the time without work so far, and the first packet ends them all.
static long nap_ns(uint32_t n_naps) {
	if (n_naps < 5)
		return NAP_FIRST_NS << n_naps;
	return n_naps < NAPS_BEFORE_QUIET ? NAP_LONGEST_NS : NAP_QUIET_NS;
}

static void nap(uint32_t n_idle_turns) {
	struct timespec length = {.tv_nsec = nap_ns(n_idle_turns - IDLE_TURNS - 1)};

	nanosleep(&length, NULL);
}

// Where one turn ends another begins, so its clock is read once.
static void turn_begin(struct worker *w, uint64_t now_ns) {
	if (w->n_idle_turns == 0)
		rr_add_relaxed(&w->counters[0][RR_C_busy_ns], now_ns - w->turn_ns);
	w->turn_ns = now_ns;
	// pairs with the acquire in the main thread's workers_turned
	rr_store_release(&w->n_turns, w->n_turns + 1);
}

static void upkeep(struct worker *w, uint32_t n_done) {
	if (n_done > 0) {
		w->n_idle_turns = 0;
		return;
	}
	rr_add_relaxed(&w->counters[0][RR_C_polls_empty], UINT64_C(1));
	if (w->n_idle_turns < UINT32_MAX)
		w->n_idle_turns++;
	if (w->naps && w->n_idle_turns > IDLE_TURNS)
		nap(w->n_idle_turns);
	else
		rte_pause();
}

int worker_run(void *arg) {
	struct worker *w = arg;

	// Naps end on time, not up to the default slack of 50 us later.
	prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	w->turn_ns = rr_now_ns();
	while (!rr_load_relaxed(w->stop)) {
		uint64_t now_ns = rr_now_ns();
		uint32_t n_done;

		turn_begin(w, now_ns);
		n_done = receive(w, now_ns);
		n_done += take_over(w, now_ns);
		n_done += send_injected(w, now_ns);
		n_done += command_burst(&w->command, now_ns, WORKER_COMMANDS);
		n_done += reassembly_expire(&w->reassembly, now_ns);
		io_flush(&w->io, now_ns);
		upkeep(w, n_done);
	}
	return 0;
}

// A broken index is repaired by attaching: the ring is then empty, and counted.
static void rings_attach(struct worker *w, struct rr_shm_worker *shm) {
	int broken = 0;

	broken += rr_ring_attach_consumer(&w->requests, &shm->request_ring, shm->request_slots,
			  RR_REQUEST_RING_SLOTS, sizeof(struct rr_request)) < 0;
	broken += rr_ring_attach_producer(&w->replies, &shm->reply_ring, shm->reply_slots,
			  RR_REPLY_RING_SLOTS, sizeof(struct rr_reply)) < 0;
	broken += rr_ring_attach_producer(&w->events, &shm->event_ring, shm->event_slots,
			  RR_EVENT_RING_SLOTS, sizeof(struct rr_event)) < 0;
	rr_add_relaxed(&w->counters[0][RR_C_ring_broken], (uint64_t)broken);
	if (broken)
		rr_warn("worker", "%u: ring indexes were impossible and are reset n=%d", w->index,
			broken);
}

static void stages_init(struct worker *w, const struct worker_setup *s) {
	const struct rr_config *cfg = s->cfg;

	w->parse = s->parse;
	w->neighbours = neighbour_view_of(s->neighbours, w->index);
	flow_table_init(&w->table, s->region, s->addrs, (uint8_t)w->index);
	w->table.neighbours = &w->neighbours;
	w->relay = (struct relay){
		.table = &w->table,
		.events = &w->events,
		.safe_learn_ns = cfg->safe_learn_ms * RR_NS_PER_MS,
		.safe_silence_ns = cfg->safe_silence_ms * RR_NS_PER_MS,
		.safe_learn_packets = cfg->safe_learn_packets,
	};
	w->rewrite = (struct rewrite){
		.table = &w->table,
		.neighbours = &w->neighbours,
		.turned_flag = s->mesh->turned_flag,
	};
	w->forward = (struct forward){
		.table = &w->table,
		.relay = &w->relay,
		.rewrite = &w->rewrite,
	};
	w->handoff = (struct handoff){.mesh = s->mesh, .counters = w->counters, .self = w->index};
	w->command = (struct command){
		.table = &w->table,
		.requests = &w->requests,
		.replies = &w->replies,
		.counters = w->counters[0],
		.dp_generation = s->region->header->dp_generation,
	};
}

// Half of the buffers stay free for everything else.
static int fragments_init(struct worker *w, const struct worker_setup *s) {
	const struct rr_config *cfg = s->cfg;
	uint32_t n_affordable = cfg->n_mbufs / (2 * FRAGMENT_SET_MAX * cfg->n_workers);
	const struct reassembly_setup setup = {
		.counters = w->counters,
		.worker = w->index,
		.n_workers = cfg->n_workers,
		.seed = s->seed,
		.n_datagrams = RTE_MAX(RTE_MIN(cfg->reassembly_datagrams, n_affordable), 1U),
		.n_per_source = cfg->reassembly_per_source,
		.lifetime_ns = cfg->reassembly_ms * RR_NS_PER_MS,
	};

	fragmenter_init(&w->fragmenter, s->addrs, s->ports->pool, w->index, cfg->n_workers);
	return reassembly_init(&w->reassembly, &setup);
}

int worker_init(struct worker *w, const struct worker_setup *s, uint32_t index) {
	struct rr_shm_worker *shm = &s->region->workers[index];
	int ret;

	*w = (struct worker){
		.index = index,
		.n_workers = s->cfg->n_workers,
		.counters = shm->counters,
		.punt = s->punt[index],
		.inject = index == 0 ? s->inject : NULL,
		.naps = s->cfg->poll == RR_POLL_ADAPTIVE,
		.stop = s->stop,
	};
	rings_attach(w, shm);
	stages_init(w, s);
	ret = fragments_init(w, s);
	if (ret == 0)
		ret = io_init(&w->io, s->ports, (uint16_t)index, s->cfg->n_workers, w->counters);
	return ret;
}

void worker_fini(struct worker *w) {
	io_fini(&w->io);
	reassembly_fini(&w->reassembly);
}
