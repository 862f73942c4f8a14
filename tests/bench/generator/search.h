// SPDX-License-Identifier: BSD-2-Clause
// RFC 2544 26.1: the highest rate at which nothing is lost, found by halving.
#pragma once

#include <stdbool.h>

enum verdict {
	VERDICT_PASSED,
	VERDICT_LOST,
	VERDICT_NOT_OFFERED, // the generator itself could not send so fast
	VERDICT_ABORTED,
};

struct search {
	double max_per_second;
	double resolution; // as a share of the rate
	unsigned int n_tries; // of a rate, of which one must pass
	unsigned int n_repeats; // so often must the rate that was found pass again
	enum verdict (*attempt)(void *context, double per_second);
	bool (*is_over)(void *context); // whether to end with what has passed so far
	void *context;
};

struct search_result {
	double per_second; // 0: none was found
	enum verdict limit; // why the next higher rate failed; VERDICT_PASSED: it was the maximum
};

// Returns 0, or -EINTR when a trial was aborted.
int search_run(const struct search *s, struct search_result *result);
