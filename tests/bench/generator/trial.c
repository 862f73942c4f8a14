// SPDX-License-Identifier: BSD-2-Clause
// The loop that sends and receives on one core.
#include "trial.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "atomic.h"
#include "pacer.h"

#define RX_BURST 64
#define PREFETCH_AHEAD 4
#define LINE_LEN 64
#define STALLED_FACTOR 4

struct run {
	struct rig *rig;
	struct trial *trial;
	struct pacer pacer;
	uint64_t n_packets; // UINT64_MAX: as many as there is time for
	uint64_t now_tsc;
	uint64_t stall_tsc;
	uint64_t stalled_tsc;
	uint64_t heard_tsc; // last packet, or the end of sending
};

// Looks at the clock. A long time since the last look is one in which nothing was sent or received:
// it counts for neither the rate nor the packets that were under way.
static uint64_t look(struct run *run) {
	uint64_t now_tsc = rte_rdtsc();
	uint64_t gap_tsc = now_tsc - run->now_tsc;

	if (gap_tsc > run->stall_tsc) {
		run->rig->meter.stall_end_tsc = now_tsc;
		run->stalled_tsc += gap_tsc;
		run->pacer.start_tsc += gap_tsc;
		run->trial->n_stalls++;
	}
	run->now_tsc = now_tsc;
	return now_tsc;
}

static bool is_stopped(const struct run *run) {
	return rr_load_relaxed(&run->rig->stop);
}

// ---- sending

static void give(struct run *run, uint16_t port, struct rte_mbuf **frames, uint16_t n) {
	uint16_t n_given = n > 0 ? rte_eth_tx_burst(port, 0, frames, n) : 0;

	run->trial->n_refused += n - n_given;
	rte_pktmbuf_free_bulk(frames + n_given, n - n_given);
}

static uint32_t next_stream(struct rig *rig) {
	uint32_t index = rig->next_stream++;

	if (rig->next_stream == rig->streams.n)
		rig->next_stream = 0;
	return index;
}

static void send_burst(struct run *run, uint32_t n) {
	struct rte_mbuf *fresh[PACER_BURST], *out[2][PACER_BURST];
	struct streams *s = &run->rig->streams;
	struct stamp stamp = {.magic = STAMP_MAGIC, .run = run->rig->n_runs};
	uint16_t n_out[2] = {0};

	run->trial->n_sent += n;
	if (rte_pktmbuf_alloc_bulk(run->rig->pool, fresh, n) != 0) {
		run->trial->n_refused += n;
		return;
	}
	stamp.sent_tsc = look(run);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = next_stream(run->rig);
		const struct stream *st = &s->stream[index];

		fresh[i]->data_len = st->len;
		fresh[i]->pkt_len = st->len;
		streams_make(s, index, &stamp, rte_pktmbuf_mtod(fresh[i], uint8_t *));
		out[st->port][n_out[st->port]++] = fresh[i];
	}
	for (uint16_t p = 0; p < run->rig->n_ports; p++)
		give(run, p, out[p], n_out[p]);
}

// ---- receiving

static void prefetch(const struct rte_mbuf *m) {
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	rte_prefetch0(frame);
	rte_prefetch0(frame + LINE_LEN);
}

static uint16_t receive_from(struct run *run, uint16_t port) {
	struct rte_mbuf *in[RX_BURST];
	uint16_t n = rte_eth_rx_burst(port, 0, in, RX_BURST);
	uint64_t now_tsc = look(run);

	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		prefetch(in[i]);
	for (uint16_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			prefetch(in[i + PREFETCH_AHEAD]);
		meter_take(&run->rig->meter, rte_pktmbuf_mtod(in[i], const uint8_t *),
			in[i]->data_len, now_tsc);
	}
	rte_pktmbuf_free_bulk(in, n);
	if (n > 0)
		run->heard_tsc = now_tsc;
	return n;
}

static uint32_t receive(struct run *run) {
	uint32_t n = 0;

	for (uint16_t p = 0; p < run->rig->n_ports; p++)
		n += receive_from(run, p);
	return n;
}

// ---- the trial

// Until it has run for so long, or far more time than that has passed.
static bool is_time_over(const struct run *run, uint64_t begin_tsc, double seconds) {
	uint64_t len_tsc = (uint64_t)(seconds * (double)rte_get_tsc_hz());

	return run->now_tsc - run->pacer.start_tsc >= len_tsc ||
	       run->now_tsc - begin_tsc >= STALLED_FACTOR * len_tsc;
}

static void send_all(struct run *run, double seconds) {
	uint64_t begin_tsc = run->now_tsc;
	struct trial *trial = run->trial;

	while (trial->n_sent < run->n_packets && !is_time_over(run, begin_tsc, seconds) &&
		!is_stopped(run)) {
		uint32_t n = pacer_take(&run->pacer, look(run));

		if (n > run->n_packets - trial->n_sent)
			n = (uint32_t)(run->n_packets - trial->n_sent);
		if (n > 0)
			send_burst(run, n);
		receive(run);
	}
	trial->seconds = (double)(run->now_tsc - begin_tsc) / (double)rte_get_tsc_hz();
	trial->stalled_seconds = (double)run->stalled_tsc / (double)rte_get_tsc_hz();
	trial->n_slipped = run->pacer.n_slipped;
}

static bool is_complete(const struct run *run) {
	return run->rig->meter.n_received == run->trial->n_sent - run->trial->n_refused;
}

static void drain(struct run *run, uint32_t drain_ms) {
	uint64_t silence_tsc = rte_get_tsc_hz() / 1000 * drain_ms;

	run->heard_tsc = look(run);
	while (!is_complete(run) && !is_stopped(run) && run->now_tsc - run->heard_tsc < silence_tsc)
		receive(run);
	while (receive(run) > 0)
		continue;
}

int trial_run(struct rig *rig, const struct trial_params *params, struct trial *trial) {
	struct run run = {.rig = rig, .trial = trial};

	*trial = (struct trial){.params = *params};
	meter_reset(&rig->meter, ++rig->n_runs);
	for (uint32_t i = 0; i < rig->streams.n; i++)
		meter_expect(&rig->meter, i, rig->streams.stream[i].n_made);
	run.n_packets = params->n_packets > 0 ? params->n_packets : UINT64_MAX;
	run.stall_tsc = rte_get_tsc_hz() / 1000000 * params->stall_us;
	run.now_tsc = rte_rdtsc();
	run.pacer = pacer_begin(params->per_second / (double)rte_get_tsc_hz(), run.now_tsc);
	send_all(&run, params->seconds);
	drain(&run, params->drain_ms);
	return is_stopped(&run) ? -EINTR : 0;
}
