// SPDX-License-Identifier: BSD-2-Clause
// Reads sound with libsndfile, mixes its channels and, where the rate is another, resamples it.
//
// 16 bit samples of one channel at the rate that is asked for come out as they are in the file.
#include "source.h"

#include <errno.h>
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_FRAMES 1024

struct source {
	SNDFILE *sf;
	SRC_STATE *resampler; // NULL: the rates are one
	double ratio; // of rates, asked for to the file's
	int n_channels;
	bool loops;
	bool failed;
	float *frames; // BLOCK_FRAMES of all channels
	float mono[BLOCK_FRAMES];
	float block[BLOCK_FRAMES];
};

static int fail(char *fault, int error, const char *why) {
	snprintf(fault, SOURCE_FAULT_LEN, "%s", why);
	return error;
}

// At the end from the front again, if it loops; an empty file ends all the same.
static sf_count_t read_frames(struct source *s, sf_count_t n) {
	sf_count_t got = sf_readf_float(s->sf, s->frames, n);

	if (got == 0 && s->loops && sf_seek(s->sf, 0, SEEK_SET) == 0)
		got = sf_readf_float(s->sf, s->frames, n);
	if (sf_error(s->sf) != SF_ERR_NO_ERROR)
		s->failed = true;
	return got;
}

static long read_mono(struct source *s, sf_count_t n) {
	sf_count_t got = read_frames(s, n);

	for (sf_count_t i = 0; i < got; i++) {
		float sum = 0;

		for (int c = 0; c < s->n_channels; c++)
			sum += s->frames[i * s->n_channels + c];
		s->mono[i] = sum / (float)s->n_channels;
	}
	return (long)got;
}

// What the resampler calls when it wants more.
static long feed(void *source, float **samples) {
	struct source *s = source;

	*samples = s->mono;
	return read_mono(s, BLOCK_FRAMES);
}

static int open_resampler(struct source *s, int from_hz, int to_hz, char *fault) {
	int error;

	if (from_hz == to_hz)
		return 0;
	s->ratio = (double)to_hz / from_hz;
	if (!src_is_valid_ratio(s->ratio))
		return fail(fault, -EINVAL, "its sample rate is too far from that of speech");
	s->resampler = src_callback_new(feed, SRC_SINC_MEDIUM_QUALITY, 1, &error, s);
	return s->resampler ? 0 : fail(fault, -ENOMEM, "no memory");
}

static int open_file(
	struct source *s, const struct source_params *params, SF_INFO *info, char *fault) {
	if (params->is_raw)
		*info = (SF_INFO){
			.samplerate = SOURCE_RAW_HZ,
			.channels = 1,
			.format = SF_FORMAT_RAW | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE,
		};
	s->sf = sf_open(params->path, SFM_READ, info);
	if (!s->sf)
		return fail(fault, sf_error(NULL) == SF_ERR_UNRECOGNISED_FORMAT ? -ENOMSG : -EIO,
			sf_strerror(NULL));
	s->n_channels = info->channels;
	s->frames = calloc(BLOCK_FRAMES, (size_t)info->channels * sizeof(*s->frames));
	return s->frames ? 0 : fail(fault, -ENOMEM, "no memory");
}

int source_open(
	struct source **source, const struct source_params *params, char fault[SOURCE_FAULT_LEN]) {
	struct source *s = calloc(1, sizeof(*s));
	SF_INFO info = {0};
	int r;

	if (!s)
		return fail(fault, -ENOMEM, "no memory");
	s->loops = params->loops;
	r = open_file(s, params, &info, fault);
	if (r == 0)
		r = open_resampler(s, info.samplerate, params->hz, fault);
	if (r < 0) {
		source_close(s);
		return r;
	}
	*source = s;
	return 0;
}

void source_close(struct source *s) {
	if (s->resampler)
		src_delete(s->resampler);
	if (s->sf)
		sf_close(s->sf);
	free(s->frames);
	free(s);
}

static int16_t to_int16(float sample) {
	float scaled = rintf(sample * 32768.0f);

	if (!(scaled > INT16_MIN))
		return INT16_MIN;
	return (int16_t)(scaled < INT16_MAX ? scaled : INT16_MAX);
}

// Up to BLOCK_FRAMES samples.
static long read_block(struct source *s, size_t n, const float **block) {
	if (s->resampler) {
		*block = s->block;
		return src_callback_read(s->resampler, s->ratio, (long)n, s->block);
	}
	*block = s->mono;
	return read_mono(s, (sf_count_t)n);
}

long source_read(struct source *s, int16_t *samples, size_t n) {
	size_t n_read = 0;

	while (n_read < n) {
		const float *block;
		size_t wanted = n - n_read < BLOCK_FRAMES ? n - n_read : BLOCK_FRAMES;
		long got = read_block(s, wanted, &block);

		if (got < 0 || s->failed)
			return -EIO;
		if (got == 0)
			break;
		for (long i = 0; i < got; i++)
			samples[n_read++] = to_int16(block[i]);
	}
	return (long)n_read;
}
