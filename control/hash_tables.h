// SPDX-License-Identifier: BSD-2-Clause
// Hash tables for what may become large: uthash, many tables for one set, short chains.
//
// A table is rebuilt in one go when it doubles, and everybody waits meanwhile. So a set stands in
// many tables, which the upper bits of the hash choose; an element's place in its table follows
// from the lower ones. A step along a chain is a miss in the caches, and most look-ups are of what
// is new and find nothing: a table doubles when a chain has five elements, and not with uthash's
// ten.
#pragma once

// A table without memory leaves the element out, whose handle then names no table.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "compiler.h"

RR_BEGIN_DECLS

#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 5U

#define HASH_TABLES 256

static inline unsigned int hash_table_of(unsigned int hash) {
	return hash >> 24;
}

RR_END_DECLS
