// SPDX-License-Identifier: BSD-2-Clause
// An input as a story is made of it: bytes taken from its front, and what must hold meanwhile.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "slice.h"

struct input {
	const uint8_t *data; // what is left
	size_t size;
};

static inline void check(bool holds) {
	if (!holds)
		abort();
}

// 0 when nothing is left.
static inline uint8_t next_byte(struct input *in) {
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

// Fewer when fewer are left.
static inline struct slice next_bytes(struct input *in, size_t len) {
	struct slice s = {(const char *)in->data, len < in->size ? len : in->size};

	in->data += s.len;
	in->size -= s.len;
	return s;
}
