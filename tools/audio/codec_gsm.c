// SPDX-License-Identifier: BSD-2-Clause
// GSM 06.10 full rate: 33 bytes for 20 ms (RFC 3551 section 4.5.8).
#include "codec.h"

#include <gsm.h>

#define FRAME_SAMPLES 160
#define FRAME_BYTES 33

static void *coder_new(void) {
	return gsm_create();
}

static void coder_free(void *state) {
	gsm_destroy(state);
}

// The library takes what it only reads without const.
static int encode(void *state, const int16_t *samples, uint8_t *bytes) {
	gsm_encode(state, (gsm_signal *)samples, bytes);
	return 0;
}

static size_t n_samples(const uint8_t *payload, size_t len) {
	(void)payload;
	return len / FRAME_BYTES * FRAME_SAMPLES;
}

static size_t decode(void *state, const uint8_t *payload, size_t len, int16_t *samples) {
	size_t n = 0;

	for (; len >= FRAME_BYTES; len -= FRAME_BYTES, payload += FRAME_BYTES) {
		// Fails where the magic nibble is missing: no GSM frame, and nothing is written.
		if (gsm_decode(state, (gsm_byte *)payload, samples + n) != 0)
			return n;
		n += FRAME_SAMPLES;
	}
	return n;
}

const struct codec codec_gsm = {
	.name = "GSM",
	.payload_type = 3,
	.clock_hz = 8000,
	.encoded_hz = 8000,
	.frame_samples = FRAME_SAMPLES,
	.frame_bytes = FRAME_BYTES,
	.encoder_new = coder_new,
	.encoder_free = coder_free,
	.encode = encode,
	.decoder_new = coder_new,
	.decoder_free = coder_free,
	.n_samples = n_samples,
	.decode = decode,
};
