// SPDX-License-Identifier: BSD-2-Clause
// The protocol extensions that VF answers for, by their date stamp.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

#define CAPABILITY_BASE 20040107 // the answer of V

// True when the extension is known; timeout notification only where a target is configured.
bool capability_known(struct slice datestamp, bool has_notify);
// What rtpproxy -v says: a line each, with its meaning.
void capability_print(FILE *out);

RR_END_DECLS
