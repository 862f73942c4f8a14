// SPDX-License-Identifier: BSD-2-Clause
// Receive and transmit bursts: the only callers of the ethdev burst functions.
//
// A worker polls the receive queues that are its own and has one transmit queue on every port, with
// a buffer before it that is flushed when a burst is together and at the end of every turn. What
// the device does not take stays in the buffer for a while and is then dropped as drop_tx_full.
#pragma once

#include <stdint.h>

#include "pkt.h"
#include "port.h"

#define IO_TX_BUFFER 256 // packets that may wait for a device
#define IO_TX_PATIENCE_NS (10 * RR_NS_PER_MS) // a device that takes nothing for so long

struct io_rx_queue {
	uint8_t port; // configuration's index
	uint16_t queue;
};

struct io_tx_buffer {
	uint32_t n;
	uint32_t n_held; // as counted under `held`
	uint64_t since_ns; // the oldest one waits since then
	struct rte_mbuf *m[IO_TX_BUFFER];
};

// One a worker.
struct io {
	const struct port_set *ports;
	uint64_t (*counters)[RR_N_COUNTERS]; // of this worker
	uint16_t worker; // number of its transmit queues
	uint32_t n_rx;
	struct io_rx_queue *rx;
	struct io_tx_buffer tx[RR_MAX_PORTS];
};

// Find the receive queues of a worker. Returns 0 or -ENOMEM.
int io_init(struct io *io, const struct port_set *ports, uint16_t worker, uint32_t n_workers,
	uint64_t (*counters)[RR_N_COUNTERS]);

// Free the buffers' packets; they stay counted as held.
void io_fini(struct io *io);

// Fill the burst from the worker's i-th receive queue. Returns the number of packets.
uint32_t io_rx(struct io *io, uint32_t i, struct burst *b);

// Queue what is left of the burst for transmission.
void io_tx(struct io *io, struct burst *b);

// Queue one frame.
void io_tx_frame(struct io *io, uint8_t port, struct rte_mbuf *m, uint64_t now_ns);

// Queue a frame made by the slow path; it was counted as held until now.
void io_tx_generated(struct io *io, struct rte_mbuf *m, uint64_t now_ns);

// Send what waits.
void io_flush(struct io *io, uint64_t now_ns);
