// SPDX-License-Identifier: BSD-2-Clause
// When packets are due: a rate in packets a tick, paid in bursts, whose debt is bounded.
#pragma once

#include <stdint.h>

#define PACER_BURST 32
// What could not be sent in time beyond this is not made up for: the device is not to see a burst
// that no wire would bring.
#define PACER_DEBT (4 * PACER_BURST)

struct pacer {
	double per_tick;
	uint64_t start_tsc;
	uint64_t n_done; // sent or slipped
	uint64_t n_slipped;
};

static inline struct pacer pacer_begin(double per_tick, uint64_t start_tsc) {
	struct pacer p = {per_tick, start_tsc, 0, 0};

	return p;
}

// How many packets to send now; the caller sends them all.
static inline uint32_t pacer_take(struct pacer *p, uint64_t now_tsc) {
	uint64_t due = (uint64_t)((double)(now_tsc - p->start_tsc) * p->per_tick);
	uint64_t owed = due > p->n_done ? due - p->n_done : 0;

	if (owed > PACER_DEBT) {
		p->n_slipped += owed - PACER_DEBT;
		p->n_done += owed - PACER_DEBT;
	}
	if (owed > PACER_BURST)
		owed = PACER_BURST;
	p->n_done += owed;
	return (uint32_t)owed;
}
