// SPDX-License-Identifier: BSD-2-Clause
// SipHash-2-4 under a key that is random in every process: strangers choose the bytes we hash.
//
// A table of uthash is rebuilt in one go when it doubles, and everybody waits meanwhile. What may
// become large stands in many tables, so that none of them does.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define KEYED_HASH_TABLES 256

// Hash under the process's key, which is drawn on first use.
uint64_t keyed_hash(const void *bytes, size_t len);

// Hash under a given key.
uint64_t keyed_hash_with(const uint64_t key[2], const void *bytes, size_t len);

// Which of the tables has a hash as uthash keeps it. Its place there follows from the lower bits.
static inline unsigned int keyed_hash_table(unsigned int hash) {
	return hash >> 24;
}

RR_END_DECLS
