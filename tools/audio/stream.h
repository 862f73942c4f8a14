// SPDX-License-Identifier: BSD-2-Clause
// The RTP packets of one SSRC, put in order and given places in time.
//
// Used in that order: stream_add for every packet as it arrived, then stream_place or
// stream_place_tight once. Places are counted in samples of CODEC_DECODED_HZ.
#pragma once

#include <stdbool.h>

#include "codec.h"

struct stream_packet {
	int64_t arrived_us;
	const struct codec *codec; // NULL: not to be heard
	const uint8_t *payload; // the stream keeps a copy
	size_t payload_len;
	uint32_t timestamp;
	uint16_t seq;
	uint8_t payload_type;

	// The stream's own.
	bool late; // came after one that it stands before
	int64_t order; // sequence number, wraps counted
	size_t arrival; // which one it was
	int64_t place; // of its first sample
};

struct stream_counts {
	uint64_t n_packets; // distinct ones
	uint64_t n_duplicates;
	uint64_t n_late;
	uint64_t n_lost;
	uint64_t n_resyncs; // places where timestamps and arrival contradicted each other
	uint64_t of_type[CODEC_PAYLOAD_TYPES];
};

struct stream {
	uint32_t ssrc;
	struct stream_packet *packets;
	size_t n_packets, n_room;
	int64_t order_max;
	struct stream_counts counts;
	int64_t begin, end; // place of the first sample, and behind the last; both 0 where none is
};

// Returns 0, or -ENOMEM.
int stream_add(struct stream *s, const struct stream_packet *packet);
void stream_clear(struct stream *s);

// Put in order, drop duplicates, and give each packet the place that its timestamp says; place 0
// is origin_us.
void stream_place(struct stream *s, int64_t origin_us);

// The same without silence: one packet behind the other, from `place` on.
void stream_place_tight(struct stream *s, int64_t place);

// Put all of it so much later; a negative number: earlier.
void stream_shift(struct stream *s, int64_t n_samples);
