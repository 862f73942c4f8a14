// SPDX-License-Identifier: BSD-2-Clause
// A stream as samples, from front to back: its packets decoded, silence where there are none.
#pragma once

#include "stream.h"

struct playout {
	const struct stream *stream; // placed
	size_t next; // packet
	const struct codec *codec; // of the decoder; NULL: none yet
	void *decoder;
	int16_t *samples; // of the packet under way
	size_t n_samples, room;
	int64_t place; // of the first of them
	int64_t played; // what lies before has been given out
};

void playout_init(struct playout *p, const struct stream *stream);
void playout_clear(struct playout *p);

// Add the samples of [place, place + n) to out, clipping; a call begins where the last one ended.
// Returns 0, or -ENOMEM.
int playout_read(struct playout *p, int64_t place, size_t n, int16_t *out);
