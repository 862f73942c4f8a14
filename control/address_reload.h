// SPDX-License-Identifier: BSD-2-Clause
// A reload of the configuration: what its pools change is carried out as one change of addresses,
// and anything else that differs is refused.
//
// The file comes from rrctl, read, checked and printed, in a sealed memfd: reading it cannot block,
// it cannot change underneath, and neither its place nor who may read it matters here.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct job;

// Verb of the operator: USER GROUP as the file has them, which the passed text has not, so that
// reading it asks no name service.
void address_reload(struct control *ctl, struct job *job, int argc, char **argv);

// The dataplane has taken all of it: carry it out and answer.
void address_reload_end(struct control *ctl, struct job *job);

RR_END_DECLS
