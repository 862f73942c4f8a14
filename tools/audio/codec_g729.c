// SPDX-License-Identifier: BSD-2-Clause
// G.729 with annexes A and B: 10 bytes for 10 ms, 2 bytes of comfort noise (RFC 3551 4.5.6).
#include "codec.h"

#include <errno.h>

#include <bcg729/decoder.h>
#include <bcg729/encoder.h>

#define FRAME_SAMPLES 80
#define FRAME_BYTES 10
#define NOISE_BYTES 2 // only at the end of a payload

// Without voice activity detection: all frames of a prompt are of one length.
static void *encoder_new(void) {
	return initBcg729EncoderChannel(0);
}

static void encoder_free(void *state) {
	closeBcg729EncoderChannel(state);
}

static int encode(void *state, const int16_t *samples, uint8_t *bytes) {
	uint8_t len;

	bcg729Encoder(state, samples, bytes, &len);
	return len == FRAME_BYTES ? 0 : -EIO;
}

static void *decoder_new(void) {
	return initBcg729DecoderChannel();
}

static void decoder_free(void *state) {
	closeBcg729DecoderChannel(state);
}

static size_t n_samples(const uint8_t *payload, size_t len) {
	(void)payload;
	return (len / FRAME_BYTES + (len % FRAME_BYTES == NOISE_BYTES)) * FRAME_SAMPLES;
}

static size_t decode(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	size_t n = 0;

	for (; len >= FRAME_BYTES; len -= FRAME_BYTES, payload += FRAME_BYTES) {
		bcg729Decoder(state, payload, FRAME_BYTES, 0, 0, 0, samples + n);
		n += FRAME_SAMPLES;
	}
	if (len == NOISE_BYTES) {
		bcg729Decoder(state, payload, NOISE_BYTES, 0, 1, 0, samples + n);
		n += FRAME_SAMPLES;
	}
	return n;
}

const struct codec codec_g729 = {
	.name = "G729",
	.payload_type = 18,
	.clock_hz = 8000,
	.encoded_hz = 8000,
	.frame_samples = FRAME_SAMPLES,
	.frame_bytes = FRAME_BYTES,
	.encoder_new = encoder_new,
	.encoder_free = encoder_free,
	.encode = encode,
	.decoder_new = decoder_new,
	.decoder_free = decoder_free,
	.n_samples = n_samples,
	.decode = decode,
};
