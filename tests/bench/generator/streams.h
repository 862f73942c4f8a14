// SPDX-License-Identifier: BSD-2-Clause
// The streams of a capture: one frame each, from which every packet of the stream is made.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stamp.h"

#define FRAME_MAX 1500

struct stream {
	uint16_t len; // of the frame
	uint16_t udp_at;
	uint16_t first_seq; // of RTP
	uint16_t rest_sum; // checksum of all of the datagram that is the same in every packet
	uint32_t first_ticks;
	uint32_t n_made;
	uint8_t port;
};

struct streams {
	struct stream *stream;
	uint8_t *frames; // of `stride` bytes each, in the order of the streams
	uint32_t stride;
	uint32_t n;
	bool rtp; // false: the version bits are off, so that no relay takes it for RTP
};

// Takes the frames of a capture file as they come, those of one file for each port, alternating
// between the files. Returns 0 or -EINVAL, having said on stderr what is wrong.
int streams_load(struct streams *s, char *const *paths, uint32_t n_paths);

void streams_free(struct streams *s);

// The next packet of a stream, at `out` with room for the stream's `len`: RTP sequence number and
// timestamp advance by one packet of 20 ms, the stamp is `stamp` with stream and number filled in,
// the UDP checksum is right.
void streams_make(struct streams *s, uint32_t index, struct stamp *stamp, uint8_t *out);
