// SPDX-License-Identifier: BSD-2-Clause
// Sound files that are written, in every format of libsndfile, by the names that rtpproxy gives
// them.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sound_file;

struct sound_format {
	const char *container; // NULL: wav
	const char *encoding; // NULL: 16 bit where the container has that, else its first one
	int n_channels;
	int hz;
};

#define SOUND_FAULT_LEN 256

// Replaces the file. Returns 0, or a negative errno and why: -EINVAL for a format that is not
// known, or a container that cannot hold the encoding.
int sound_file_create(struct sound_file **file, const char *path, const struct sound_format *format,
	char fault[SOUND_FAULT_LEN]);

// Returns 0, or -EIO. A frame is a sample of every channel.
int sound_file_write(struct sound_file *f, const int16_t *samples, size_t n_frames);

// Returns 0, or -EIO if what was written did not arrive. On failure the file is removed; so is one
// that is dropped.
int sound_file_close(struct sound_file *f);
void sound_file_drop(struct sound_file *f);

// Every name, with what libsndfile says of it.
void sound_file_list(FILE *out);
