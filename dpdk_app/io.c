// SPDX-License-Identifier: BSD-2-Clause
// Bursts from and to the devices, and their accounts.
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "clock.h"

static void count(const struct io *io, uint32_t port, enum rr_counter counter, uint64_t n) {
	rr_add_relaxed(&io->counters[port][counter], n);
}

int io_init(struct io *io, const struct port_set *ports, uint16_t worker, uint32_t n_workers,
	uint64_t (*counters)[RR_N_COUNTERS]) {
	uint32_t n_queues = 0;

	*io = (struct io){.ports = ports, .counters = counters, .worker = worker};
	for (uint32_t p = 0; p < ports->n; p++)
		n_queues += ports->port[p].n_rx;
	io->rx = calloc(n_queues, sizeof(*io->rx));
	if (!io->rx)
		return -ENOMEM;
	for (uint32_t p = 0; p < ports->n; p++)
		for (uint32_t q = worker; q < ports->port[p].n_rx; q += n_workers)
			io->rx[io->n_rx++] =
				(struct io_rx_queue){.port = (uint8_t)p, .queue = (uint16_t)q};
	return 0;
}

void io_fini(struct io *io) {
	for (uint32_t p = 0; io->ports && p < io->ports->n; p++)
		rte_pktmbuf_free_bulk(io->tx[p].m, io->tx[p].n);
	free(io->rx);
	*io = (struct io){0};
}

static void rx_count(const struct io *io, uint32_t port, const struct burst *b, uint64_t n_bytes) {
	count(io, port, RR_C_rx_packets, b->n);
	count(io, port, RR_C_rx_bytes, n_bytes);
	if (b->n == BURST_MAX)
		count(io, port, RR_C_polls_full, 1);
}

uint32_t io_rx(struct io *io, uint32_t i, struct burst *b) {
	const struct io_rx_queue *queue = &io->rx[i];
	const struct port *port = &io->ports->port[queue->port];
	struct rte_mbuf *m[BURST_MAX];
	uint64_t n_bytes = 0;
	uint16_t n;

	if (!port_is_polled(port))
		return 0;
	n = rte_eth_rx_burst(port->id, queue->queue, m, BURST_MAX);
	for (uint16_t k = 0; k < n; k++) {
		n_bytes += rte_pktmbuf_pkt_len(m[k]);
		pkt_add(b, m[k], queue->port);
	}
	if (n > 0)
		rx_count(io, queue->port, b, n_bytes);
	return n;
}

// Free packets that the device will not take.
static void tx_drop(struct io *io, uint32_t port, struct rte_mbuf **m, uint32_t n) {
	count(io, port, RR_C_drop_tx_full, n);
	rte_pktmbuf_free_bulk(m, n);
}

static uint64_t bytes_of(struct rte_mbuf *const *m, uint32_t n) {
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		n_bytes += rte_pktmbuf_pkt_len(m[i]);
	return n_bytes;
}

// Hand packets to the device once. A packet belongs to the driver from then on, so all are measured
// before. Returns how many it took.
static uint32_t tx_burst(struct io *io, uint32_t p, struct rte_mbuf **m, uint32_t n) {
	const struct port *port = &io->ports->port[p];
	uint64_t n_bytes;
	uint16_t n_sent;

	if (!port_is_started(port))
		return 0;
	n_bytes = bytes_of(m, n);
	n_sent = rte_eth_tx_burst(port->id, io->worker, m, (uint16_t)n);
	count(io, p, RR_C_tx_packets, n_sent);
	count(io, p, RR_C_tx_bytes, n_bytes - bytes_of(m + n_sent, n - n_sent));
	return n_sent;
}

// What is left in the buffer at this moment is held.
static void held_settle(struct io *io, uint32_t p) {
	struct io_tx_buffer *tx = &io->tx[p];

	if (tx->n_held == tx->n)
		return;
	count(io, p, RR_C_held, (uint64_t)tx->n - tx->n_held);
	tx->n_held = tx->n;
}

static void tx_flush(struct io *io, uint32_t p, uint64_t now_ns) {
	struct io_tx_buffer *tx = &io->tx[p];
	uint32_t n_sent = tx_burst(io, p, tx->m, tx->n);

	if (n_sent > 0) {
		tx->n -= n_sent;
		tx->since_ns = now_ns;
		memmove(tx->m, tx->m + n_sent, tx->n * sizeof(tx->m[0]));
	} else if (tx->n > 0 && (now_ns - tx->since_ns > IO_TX_PATIENCE_NS ||
					!port_is_started(&io->ports->port[p]))) {
		tx_drop(io, p, tx->m, tx->n);
		tx->n = 0;
	}
}

static __rte_noinline void tx_enqueue(
	struct io *io, uint32_t p, struct rte_mbuf *m, uint64_t now_ns) {
	struct io_tx_buffer *tx = &io->tx[p];

	if (tx->n >= BURST_MAX)
		tx_flush(io, p, now_ns);
	if (tx->n == IO_TX_BUFFER) {
		tx_drop(io, p, &m, 1);
		return;
	}
	if (tx->n == 0)
		tx->since_ns = now_ns;
	tx->m[tx->n++] = m;
}

void io_tx(struct io *io, struct burst *b) {
	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = b->live[i];
		struct io_tx_buffer *tx = &io->tx[p->out_port];

		// neither the first one nor one too many
		if (RR_LIKELY(tx->n - 1 < BURST_MAX - 1))
			tx->m[tx->n++] = p->m;
		else
			tx_enqueue(io, p->out_port, p->m, b->now_ns);
	}
	b->n = 0;
}

void io_tx_frame(struct io *io, uint8_t port, struct rte_mbuf *m, uint64_t now_ns) {
	tx_enqueue(io, port, m, now_ns);
}

void io_tx_generated(struct io *io, struct rte_mbuf *m, uint64_t now_ns) {
	uint32_t port = m->port;

	count(io, port, RR_C_held, (uint64_t)-1);
	tx_enqueue(io, port, m, now_ns);
}

void io_flush(struct io *io, uint64_t now_ns) {
	for (uint32_t p = 0; p < io->ports->n; p++) {
		if (io->tx[p].n > 0)
			tx_flush(io, p, now_ns);
		held_settle(io, p);
	}
}
