// SPDX-License-Identifier: BSD-2-Clause
// A prompt file: headerless frames of one codec, at TEMPLATE.PT.
#pragma once

#include "codec.h"
#include "source.h"

#define PROMPT_PATH_LEN 4096
#define PROMPT_FAULT_LEN (SOURCE_FAULT_LEN + PROMPT_PATH_LEN)

struct prompt {
	const struct codec *codec;
	unsigned int payload_type; // ending of the name
	const char *name; // all before it
	uint64_t max_samples; // at SOURCE_RAW_HZ; 0: as many as there are
	uint64_t n_bytes; // written
};

// Written beside its place first: a relay that plays the old one never sees half of the new one.
// Returns 0, or a negative errno and why, with nothing left behind.
int prompt_write(struct prompt *p, const struct source_params *sound, char fault[PROMPT_FAULT_LEN]);

// Put what was written into its place, or remove it. Returns 0 or a negative errno.
int prompt_publish(const struct prompt *p);
void prompt_drop(const struct prompt *p);
