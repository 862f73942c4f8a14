// SPDX-License-Identifier: BSD-2-Clause
// G.711, both laws: a byte a sample, no state.
#include "codec.h"

#include <stdbool.h>
#include <spandsp/telephony.h>
#include <spandsp/bit_operations.h> // top_bit, which the next one uses
#include <spandsp/g711.h>

static int encode_pcmu(void *state, const int16_t *samples, uint8_t *bytes) {
	(void)state;
	*bytes = linear_to_ulaw(*samples);
	return 0;
}

static int encode_pcma(void *state, const int16_t *samples, uint8_t *bytes) {
	(void)state;
	*bytes = linear_to_alaw(*samples);
	return 0;
}

static size_t n_samples(const uint8_t *payload, size_t len) {
	(void)payload;
	return len;
}

static size_t decode_pcmu(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	(void)state;
	for (size_t i = 0; i < len; i++)
		samples[i] = ulaw_to_linear(payload[i]);
	return len;
}

static size_t decode_pcma(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	(void)state;
	for (size_t i = 0; i < len; i++)
		samples[i] = alaw_to_linear(payload[i]);
	return len;
}

const struct codec codec_pcmu = {
	.name = "PCMU",
	.payload_type = 0,
	.clock_hz = 8000,
	.encoded_hz = 8000,
	.frame_samples = 1,
	.frame_bytes = 1,
	.encode = encode_pcmu,
	.n_samples = n_samples,
	.decode = decode_pcmu,
};

const struct codec codec_pcma = {
	.name = "PCMA",
	.payload_type = 8,
	.clock_hz = 8000,
	.encoded_hz = 8000,
	.frame_samples = 1,
	.frame_bytes = 1,
	.encode = encode_pcma,
	.n_samples = n_samples,
	.decode = decode_pcma,
};
