// SPDX-License-Identifier: BSD-2-Clause
// Ports of calls that ended shortly before control was started: they rest, as if it had lived on.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

struct control;

// Once the sessions are loaded; does nothing without a region.
void port_rest_recall(struct control *ctl);

RR_END_DECLS
