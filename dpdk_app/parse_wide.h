// SPDX-License-Identifier: BSD-2-Clause
// The short way through the parser, eight frames at a time, on CPUs with AVX-512.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parse.h"

// Whether the CPU has the instructions and gains by them.
bool parse_wide_is_possible(void);

// Takes what is plain as parse_plain does, of IPv4 without a tag; what is left is for parse_plain.
// Returns a bit per packet of the burst: its view is filled and its flow is being prefetched. The
// burst is as it was made, and the parser's alone: live is all of view, in order.
uint64_t parse_wide(const struct parse *c, const struct burst *b);
