// SPDX-License-Identifier: BSD-2-Clause
// A recording, ad-hoc or pcap, as a row of datagrams.
#pragma once

#include <stdio.h>

#include "datagram.h"

struct recording;

struct recorded {
	int64_t arrived_us; // Unix time
	struct datagram datagram; // until the next one is read
};

// Takes the file over, also when it fails. On failure `fault` says why, and returns a negative
// errno.
#define RECORDING_FAULT_LEN 320
int recording_open(struct recording **recording, FILE *file, char fault[RECORDING_FAULT_LEN]);
void recording_close(struct recording *r);

// Returns 1 with a datagram, 0 at the end, or -EIO where the file is damaged: `fault` says where,
// and nothing that comes behind can be found.
int recording_next(struct recording *r, struct recorded *out, char fault[RECORDING_FAULT_LEN]);

// How many frames of a capture were left out, since they are cut short or fragments.
uint64_t recording_n_cut(const struct recording *r);
