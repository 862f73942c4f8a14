// SPDX-License-Identifier: BSD-2-Clause
// G.722 at 64 kbit/s. RTP counts 8,000 ticks a second though it samples 16,000 (RFC 3551 4.5.2).
#include "codec.h"

#include <stdbool.h>
#include <spandsp/telephony.h>
#include <spandsp/g722.h>

#define BIT_RATE 64000
#define FRAME_SAMPLES 2

static void *encoder_new(void) {
	return g722_encode_init(NULL, BIT_RATE, 0);
}

static void encoder_free(void *state) {
	g722_encode_free(state);
}

static int encode(void *state, const int16_t *samples, uint8_t *bytes) {
	g722_encode(state, bytes, samples, FRAME_SAMPLES);
	return 0;
}

static void *decoder_new(void) {
	return g722_decode_init(NULL, BIT_RATE, G722_SAMPLE_RATE_8000);
}

static void decoder_free(void *state) {
	g722_decode_free(state);
}

static size_t n_samples(const uint8_t *payload, size_t len) {
	(void)payload;
	return len;
}

static size_t decode(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	return (size_t)g722_decode(state, samples, payload, (int)len);
}

const struct codec codec_g722 = {
	.name = "G722",
	.payload_type = 9,
	.clock_hz = 8000,
	.encoded_hz = 16000,
	.frame_samples = FRAME_SAMPLES,
	.frame_bytes = 1,
	.encoder_new = encoder_new,
	.encoder_free = encoder_free,
	.encode = encode,
	.decoder_new = decoder_new,
	.decoder_free = decoder_free,
	.n_samples = n_samples,
	.decode = decode,
};
