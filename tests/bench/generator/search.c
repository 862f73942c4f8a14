// SPDX-License-Identifier: BSD-2-Clause
// Binary search for the loss-free rate, with repeats at its edge.
#include "search.h"

#include <errno.h>

struct bounds {
	double lo; // passed, or 0
	double below; // passed before that, or 0: where to begin again when `lo` does not hold
	double hi; // failed, or the maximum
	enum verdict limit; // of `hi`
};

static enum verdict try_rate(const struct search *s, double per_second) {
	enum verdict verdict = VERDICT_ABORTED;

	for (unsigned int i = 0; i < s->n_tries; i++) {
		verdict = s->attempt(s->context, per_second);
		if (verdict == VERDICT_PASSED || verdict == VERDICT_ABORTED)
			break;
	}
	return verdict;
}

// Halve until the rates that passed and failed are a step apart.
static void narrow(const struct search *s, struct bounds *b) {
	while (b->hi - b->lo > s->resolution * b->hi && b->hi > 1 && !s->is_over(s->context)) {
		double mid = (b->lo + b->hi) / 2;
		enum verdict verdict = try_rate(s, mid);

		if (verdict == VERDICT_PASSED) {
			b->below = b->lo;
			b->lo = mid;
			continue;
		}
		b->limit = verdict;
		if (verdict == VERDICT_ABORTED)
			return;
		b->hi = mid;
	}
}

// The lower bound must pass again, or becomes the upper one. Returns whether the search is over.
static bool confirm(const struct search *s, struct bounds *b) {
	enum verdict verdict = VERDICT_PASSED;

	for (unsigned int i = 0;
		verdict == VERDICT_PASSED && i < s->n_repeats && !s->is_over(s->context); i++)
		verdict = try_rate(s, b->lo);
	if (verdict == VERDICT_PASSED)
		return true;
	*b = (struct bounds){b->below, 0, b->lo, verdict};
	return false;
}

int search_run(const struct search *s, struct search_result *result) {
	struct bounds b = {.hi = s->max_per_second};

	b.limit = try_rate(s, b.hi);
	if (b.limit == VERDICT_PASSED)
		b.lo = b.hi;
	while (b.limit != VERDICT_ABORTED) {
		narrow(s, &b);
		if (b.limit == VERDICT_ABORTED || b.lo <= 0 || confirm(s, &b) ||
			s->is_over(s->context))
			break;
	}
	if (b.limit == VERDICT_ABORTED)
		return -EINTR;
	*result = (struct search_result){b.lo, b.limit};
	return 0;
}
