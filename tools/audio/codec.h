// SPDX-License-Identifier: BSD-2-Clause
// The codecs that prompts are written in and recordings are read in, as one table.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Recordings are decoded to this rate whatever the codec's own is.
#define CODEC_DECODED_HZ 8000
#define CODEC_PAYLOAD_TYPES 128

struct codec {
	const char *name;
	int payload_type; // of RFC 3551; -1: agreed on call by call
	uint32_t clock_hz; // of RTP timestamps
	uint32_t encoded_hz; // of the samples that the encoder takes
	size_t frame_samples; // of which it takes whole frames only
	size_t frame_bytes; // of each frame, always as many: a prompt has no headers

	// NULL: keeps no state, which is then NULL.
	void *(*encoder_new)(void);
	void (*encoder_free)(void *state);
	// One frame. Returns 0 or a negative errno.
	int (*encode)(void *state, const int16_t *samples, uint8_t *bytes);

	void *(*decoder_new)(void);
	void (*decoder_free)(void *state);
	// How many samples a payload decodes to, broken ones none.
	size_t (*n_samples)(const uint8_t *payload, size_t len);
	// Writes n_samples() samples at the most. Returns how many.
	size_t (*decode)(void *state, const uint8_t *payload, size_t len, int16_t *samples);
};

extern const struct codec codec_pcmu, codec_pcma, codec_gsm, codec_g722, codec_g729, codec_opus;

// In the order of their payload types, Opus last; ends with NULL.
extern const struct codec *const codecs[];

// NULL where there is none of that name; upper and lower case are one.
const struct codec *codec_by_name(const char *name);
// NULL where RFC 3551 gives the type to no codec of the table.
const struct codec *codec_by_type(unsigned int payload_type);

// Encode whole frames. Returns 0 or a negative errno.
int codec_encode(const struct codec *codec, void *state, const int16_t *samples, size_t n_frames,
	uint8_t *bytes);
