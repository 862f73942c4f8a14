// SPDX-License-Identifier: BSD-2-Clause
// The sound that a prompt is made of: any file that libsndfile reads, in one channel and any rate.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Headerless files are 16 bit samples, low byte first, one channel, so many a second.
#define SOURCE_RAW_HZ 8000
#define SOURCE_FAULT_LEN 256

struct source;

struct source_params {
	const char *path;
	bool is_raw; // headerless, whatever its name says
	bool loops; // begins anew at its end
	int hz; // of the samples that are read
};

// Returns 0, or a negative errno and why; -ENOMSG for a file of a form that is not known.
int source_open(
	struct source **source, const struct source_params *params, char fault[SOURCE_FAULT_LEN]);
void source_close(struct source *s);

// Returns how many samples were read, fewer than n at the end only, or -EIO.
long source_read(struct source *s, int16_t *samples, size_t n);
