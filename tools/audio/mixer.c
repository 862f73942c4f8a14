// SPDX-License-Identifier: BSD-2-Clause
// Reads both tracks side by side and writes what becomes of them, a second at a time.
#include "mixer.h"

#define BLOCK_SAMPLES CODEC_DECODED_HZ
#define MAX_CHANNELS 2

struct block {
	int16_t a[BLOCK_SAMPLES], o[BLOCK_SAMPLES];
	int16_t out[BLOCK_SAMPLES * MAX_CHANNELS];
};

typedef void (*mix_fn)(struct block *b, size_t n);

static void mix_stereo(struct block *b, size_t n) {
	for (size_t i = 0; i < n; i++) {
		b->out[2 * i] = b->a[i];
		b->out[2 * i + 1] = b->o[i];
	}
}

static void mix_mean(struct block *b, size_t n) {
	for (size_t i = 0; i < n; i++)
		b->out[i] = (int16_t)((b->a[i] + b->o[i]) / 2);
}

// Of two tracks of which one is silent throughout.
static void mix_sum(struct block *b, size_t n) {
	for (size_t i = 0; i < n; i++)
		b->out[i] = (int16_t)(b->a[i] + b->o[i]);
}

static int write_all(struct call *c, struct sound_file *out, mix_fn mix) {
	static struct block b;
	int64_t end = call_n_samples(c);
	int r = 0;

	for (int64_t place = 0; place < end && r == 0; place += BLOCK_SAMPLES) {
		size_t n = end - place < BLOCK_SAMPLES ? (size_t)(end - place) : BLOCK_SAMPLES;

		r = track_read(&c->tracks[CALL_A], place, n, b.a);
		if (r == 0)
			r = track_read(&c->tracks[CALL_O], place, n, b.o);
		if (r == 0) {
			mix(&b, n);
			r = sound_file_write(out, b.out, n);
		}
	}
	return r;
}

int mixer_write_mono(struct call *c, struct sound_file *out) {
	bool is_alone = track_is_silent(&c->tracks[CALL_A]) || track_is_silent(&c->tracks[CALL_O]);

	return write_all(c, out, is_alone ? mix_sum : mix_mean);
}

int mixer_write_stereo(struct call *c, struct sound_file *out) {
	return write_all(c, out, mix_stereo);
}
