// SPDX-License-Identifier: BSD-2-Clause
// Whether the store of an earlier boot can be believed: only one that was synced and closed.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define STORE_BOOT_ID_LEN 16

// Before the store is opened: remove one that an earlier boot left open, and write down that this
// boot has it open. Returns 0 or a negative errno.
int store_boot_enter(const char *dir, const uint8_t boot_id[STORE_BOOT_ID_LEN]);

// After the store was synced and closed. Returns 0 or a negative errno; then the store is good for
// this boot alone.
int store_boot_leave(const char *dir, const uint8_t boot_id[STORE_BOOT_ID_LEN]);

RR_END_DECLS
