// SPDX-License-Identifier: BSD-2-Clause
// Whether new sessions are taken, and what of that outlives a process.
//
// A pause holds until it is ended, also over a restart of the program: whoever ordered it need not
// know of the restart. A slow shutdown ends with its program, which is the supervisor and all its
// workers: whoever starts it again wants it to serve. Both are in the store, in two rows of the
// counters.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "control_counters.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct control;

// What an earlier process left, once the store is open. `program` tells this one from others.
void admission_begin(struct control *ctl, uint64_t program);

void admission_set(struct control *ctl, enum rr_admission to);
enum rr_admission admission_of(const struct control *ctl);

// May a command make a session? Counts a refusal.
enum rtpp_error admission_ask(struct control *ctl);

RR_END_DECLS
