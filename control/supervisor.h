// SPDX-License-Identifier: BSD-2-Clause
// The parent of control: holds the command sockets and starts the worker again when it dies.
#pragma once

#include "compiler.h"
#include "config.h"

RR_BEGIN_DECLS

// Option by which the program knows that it is the worker.
#define SUPERVISOR_WORKER_OPTION "worker"
// And which descriptor the operator's socket is.
#define SUPERVISOR_OPERATOR_OPTION "operator"

// Bind the sockets (or take those that a service manager passed), drop privileges, and run the
// worker until it or a signal ends it. Returns the exit status.
int supervisor_run(const struct rr_config *cfg);

RR_END_DECLS
