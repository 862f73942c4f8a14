// SPDX-License-Identifier: BSD-2-Clause
// Opus (RFC 7587), mono; prompts at a constant 32 kbit/s, so that 80 bytes are always 20 ms.
#include "codec.h"

#include <errno.h>

#include <opus.h>

#define ENCODED_HZ 48000
#define BIT_RATE 32000
#define FRAME_SAMPLES (ENCODED_HZ / 50)
#define FRAME_BYTES (BIT_RATE / 8 / 50)

static void encoder_free(void *state) {
	opus_encoder_destroy(state);
}

static void *encoder_new(void) {
	int error;
	OpusEncoder *encoder = opus_encoder_create(ENCODED_HZ, 1, OPUS_APPLICATION_AUDIO, &error);

	if (encoder && (opus_encoder_ctl(encoder, OPUS_SET_BITRATE(BIT_RATE)) != OPUS_OK ||
			       opus_encoder_ctl(encoder, OPUS_SET_VBR(0)) != OPUS_OK)) {
		encoder_free(encoder);
		return NULL;
	}
	return encoder;
}

static int encode(void *state, const int16_t *samples, uint8_t *bytes) {
	return opus_encode(state, samples, FRAME_SAMPLES, bytes, FRAME_BYTES) == FRAME_BYTES ? 0
											     : -EIO;
}

static void *decoder_new(void) {
	int error;

	return opus_decoder_create(CODEC_DECODED_HZ, 1, &error);
}

static void decoder_free(void *state) {
	opus_decoder_destroy(state);
}

static size_t n_samples(const uint8_t *payload, size_t len) {
	int n = opus_packet_get_nb_samples(payload, (opus_int32)len, CODEC_DECODED_HZ);

	return n > 0 ? (size_t)n : 0;
}

static size_t decode(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	int n = opus_decode(
		state, payload, (opus_int32)len, samples, (int)n_samples(payload, len), 0);

	return n > 0 ? (size_t)n : 0;
}

const struct codec codec_opus = {
	.name = "opus",
	.payload_type = -1,
	.clock_hz = 48000,
	.encoded_hz = ENCODED_HZ,
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
