// SPDX-License-Identifier: BSD-2-Clause
// Trials as JSON.
#pragma once

#include <jansson.h>

#include "search.h"
#include "trial.h"

// Owned by the caller; NULL without memory.
json_t *report_trial(const struct trial *trial, const struct meter *meter);

const char *report_limit(enum verdict limit);
