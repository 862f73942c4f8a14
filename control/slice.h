// SPDX-License-Identifier: BSD-2-Clause
// A piece of text that stands in somebody else's memory and does not end in a zero.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct slice {
	const char *p;
	size_t len;
};

static inline bool slice_equal(struct slice a, struct slice b) {
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

// True when a slice holds exactly this text.
static inline bool slice_is(struct slice s, const char *text) {
	return slice_equal(s, (struct slice){text, strlen(text)});
}

RR_END_DECLS
