// SPDX-License-Identifier: BSD-2-Clause
// What extractaudio was asked to do.
#pragma once

#include "call.h"
#include "sound_file.h"

#define EXTRACT_PATH_ROOM 4096

struct extract_options {
	bool deletes;
	bool is_stereo;
	bool is_idle;
	bool is_tight;
	bool is_strict;
	bool only_scans;
	struct sound_format format;
	const char *party[CALL_PARTIES]; // recordings; NULL: none
	const char *both; // one of both parties, then the only one
	const char *output;
	char **links;
	int n_links;
	char found[CALL_PARTIES][EXTRACT_PATH_ROOM]; // what a name stands for
};

// Codecs that are named go to the call. Returns 0; -EINVAL for misuse, -ENOENT for no such
// recording, which has then been said.
int extract_options_read(struct extract_options *opt, struct call *call, int argc, char **argv);
