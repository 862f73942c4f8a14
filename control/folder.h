// SPDX-License-Identifier: BSD-2-Clause
// Folders that the configuration names and nobody has made yet.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

// Make a folder and its parents. Returns 1 when it was made, 0 when it was there, which leaves it
// as it is, or a negative errno.
int folder_make(const char *path);

RR_END_DECLS
