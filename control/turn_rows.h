// SPDX-License-Identifier: BSD-2-Clause
// What changed since the last commit, as rows of the store: sessions, replies under their cookies,
// notices, addresses, counters.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

struct control;

// Write all of it in one transaction. Returns 0 or a negative errno; then nothing is written.
int turn_rows_write(struct control *ctl);

// It is in the store: nothing is changed any more, and sessions that are gone are freed.
void turn_rows_written(struct control *ctl);

RR_END_DECLS
