// SPDX-License-Identifier: BSD-2-Clause
// What one party of a call said: all its streams.
#pragma once

#include "playout.h"

// SSRCs of one party. A party has a few; a file with more holds no call.
#define TRACK_STREAMS_MAX 256

struct track {
	struct stream streams[TRACK_STREAMS_MAX]; // in the order in which they began
	struct playout playouts[TRACK_STREAMS_MAX];
	size_t n_streams;
	bool plays;
};

// The packet is one of the SSRC. Returns 0, -ENOMEM, or -E2BIG for one SSRC too many.
int track_add(struct track *t, uint32_t ssrc, const struct stream_packet *packet);
void track_clear(struct track *t);

void track_place(struct track *t, int64_t origin_us);
void track_place_tight(struct track *t);
void track_shift(struct track *t, int64_t n_samples);

bool track_is_silent(const struct track *t);
// Places of the first sample and behind the last; only of tracks that are not silent.
int64_t track_begin(const struct track *t);
int64_t track_end(const struct track *t);

// The samples of [place, place + n), streams mixed; a call begins where the last one ended.
// Returns 0, or -ENOMEM.
int track_read(struct track *t, int64_t place, size_t n, int16_t *out);
