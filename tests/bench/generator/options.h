// SPDX-License-Identifier: BSD-2-Clause
// What the generator was asked for, behind the arguments of the EAL.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MAX_PORTS 2

struct options {
	char *capture[MAX_PORTS];
	uint32_t n_captures;
	double per_second; // 0: search
	double max_per_second;
	double seconds;
	double resolution;
	double search_seconds; // 0: without end
	uint32_t n_packets;
	uint32_t n_tries;
	uint32_t n_repeats;
	uint32_t n_warm_up; // packets of each stream
	uint32_t drain_ms;
	uint32_t stall_us;
	uint32_t late_us;
	bool opaque;
	bool help;
};

// Returns 0, or -EINVAL, having said on stderr what is wrong.
int options_read(struct options *opt, int argc, char **argv);

void options_help(void);
