// SPDX-License-Identifier: BSD-2-Clause
// What an earlier control left in the store, brought back at the start: counters, addresses,
// sessions, replies, notices. Functions return 0 or a negative errno.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

struct control;

// Open the store, and begin another epoch of it with the counters that stand there; logged.
int recall_open(struct control *ctl);

// The addresses as an operator left them, and their ports.
int recall_addresses(struct control *ctl);

// Sessions with their ports, replies, notices. A row that cannot be a call is forgotten.
int recall_all(struct control *ctl);

RR_END_DECLS
