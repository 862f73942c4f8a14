// SPDX-License-Identifier: BSD-2-Clause
// Folders that the configuration names and nobody has made yet.
#pragma once

#include <sys/types.h>

#include "compiler.h"

RR_BEGIN_DECLS

// Make a folder, and its parents for everybody to pass through. Returns 1 when it was made, 0 when
// it was there, which leaves it as it is, or a negative errno.
int rr_folder_make(const char *path, mode_t mode);

RR_END_DECLS
