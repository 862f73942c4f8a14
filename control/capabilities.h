// SPDX-License-Identifier: BSD-2-Clause
// The protocol extensions that VF answers for, by their date stamp.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

#define CAPABILITY_BASE 20040107 // the answer of V

// True when the extension is known; timeout notification only where a target is configured.
bool capability_known(struct slice datestamp, bool has_notify);

RR_END_DECLS
