// SPDX-License-Identifier: BSD-2-Clause
// Encodes a sound into a prompt file.
#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// 20 ms of the fastest codec: whole frames of all of them.
#define MAX_BLOCK_SAMPLES 960
#define BLOCKS_A_SECOND 50
#define UNPUBLISHED ".new"

struct encoder {
	const struct codec *codec;
	void *state;
	struct source *source;
	FILE *out;
	uint64_t n_left; // samples; UINT64_MAX: all
	uint64_t n_bytes;
};

static int fail(char *fault, int error, const char *path, const char *why) {
	snprintf(fault, PROMPT_FAULT_LEN, "%s: %s", path, why);
	return error;
}

static void name_prompt(const struct prompt *p, const char *ending, char path[PROMPT_PATH_LEN]) {
	snprintf(path, PROMPT_PATH_LEN, "%s.%u%s", p->name, p->payload_type, ending);
}

static int read_failed(char *fault, const struct source_params *sound) {
	return fail(fault, -EIO, sound->path, "cannot be read to its end");
}

// A last frame that is not full ends in silence. Returns how many samples were encoded, 0 at the
// end.
static long encode_block(struct encoder *e) {
	int16_t samples[MAX_BLOCK_SAMPLES];
	uint8_t bytes[MAX_BLOCK_SAMPLES];
	size_t n = e->codec->encoded_hz / BLOCKS_A_SECOND, n_frames;
	long got;

	n = n < e->n_left ? n : (size_t)e->n_left;
	got = source_read(e->source, samples, n);
	if (got <= 0)
		return got;
	n_frames = ((size_t)got + e->codec->frame_samples - 1) / e->codec->frame_samples;
	memset(samples + got, 0, (MAX_BLOCK_SAMPLES - (size_t)got) * sizeof(*samples));
	if (codec_encode(e->codec, e->state, samples, n_frames, bytes) < 0)
		return -EIO;
	n = n_frames * e->codec->frame_bytes;
	if (fwrite(bytes, 1, n, e->out) < n)
		return -ENOSPC;
	e->n_bytes += n;
	e->n_left -= e->n_left == UINT64_MAX ? 0 : (uint64_t)got;
	return got;
}

static int encode_all(struct encoder *e) {
	long got;

	do {
		got = encode_block(e);
	} while (got > 0);
	return (int)got;
}

// Opens the sound anew for every codec: each wants a rate of its own.
static int encode_sound(
	struct encoder *e, const struct source_params *sound, char fault[PROMPT_FAULT_LEN]) {
	char why[SOURCE_FAULT_LEN];
	int r = source_open(&e->source, sound, why);

	if (r < 0)
		return fail(fault, r, sound->path, why);
	if (e->codec->encoder_new && !(e->state = e->codec->encoder_new()))
		r = fail(fault, -ENOMEM, e->codec->name, "no encoder");
	else
		r = encode_all(e);
	if (e->state)
		e->codec->encoder_free(e->state);
	source_close(e->source);
	if (r == -EIO)
		return read_failed(fault, sound);
	if (r == 0 && e->n_bytes == 0)
		return fail(fault, -ENODATA, sound->path, "holds no sound");
	return r;
}

int prompt_write(
	struct prompt *p, const struct source_params *sound, char fault[PROMPT_FAULT_LEN]) {
	struct source_params params = *sound;
	struct encoder e = {.codec = p->codec, .n_left = UINT64_MAX};
	char path[PROMPT_PATH_LEN];
	int r;

	name_prompt(p, UNPUBLISHED, path);
	params.hz = (int)p->codec->encoded_hz;
	if (p->max_samples)
		e.n_left = p->max_samples * (p->codec->encoded_hz / SOURCE_RAW_HZ);
	e.out = fopen(path, "wbe");
	if (!e.out)
		return fail(fault, -errno, path, strerror(errno));
	r = encode_sound(&e, &params, fault);
	if (fclose(e.out) != 0 || r == -ENOSPC)
		r = fail(fault, -ENOSPC, path, "cannot be written to its end");
	if (r < 0)
		unlink(path);
	p->n_bytes = e.n_bytes;
	return r;
}

int prompt_publish(const struct prompt *p) {
	char unpublished[PROMPT_PATH_LEN], path[PROMPT_PATH_LEN];

	name_prompt(p, UNPUBLISHED, unpublished);
	name_prompt(p, "", path);
	return rename(unpublished, path) < 0 ? -errno : 0;
}

void prompt_drop(const struct prompt *p) {
	char path[PROMPT_PATH_LEN];

	name_prompt(p, UNPUBLISHED, path);
	unlink(path);
}
