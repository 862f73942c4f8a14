// SPDX-License-Identifier: BSD-2-Clause
// SipHash-2-4 under a key that is random in every process: strangers choose the bytes we hash.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

// Hash under the process's key, which is drawn on first use.
uint64_t keyed_hash(const void *bytes, size_t len);

// Hash under a given key.
uint64_t keyed_hash_with(const uint64_t key[2], const void *bytes, size_t len);

RR_END_DECLS
