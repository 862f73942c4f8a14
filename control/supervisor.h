// SPDX-License-Identifier: BSD-2-Clause
// The parent of control: holds the command sockets and starts the worker again when it dies.
#pragma once

#include "compiler.h"
#include "config.h"

RR_BEGIN_DECLS

// Option by which the program knows that it is the worker.
#define SUPERVISOR_WORKER_OPTION "worker"
// And what else a worker is told: which descriptor the operator's socket is; which one takes its
// words; a number that tells this supervisor from others; the names of
// instance.user and group, which its file has not.
#define SUPERVISOR_OPERATOR_OPTION "operator"
#define SUPERVISOR_WORD_OPTION "word"
#define SUPERVISOR_PROGRAM_OPTION "program"
#define SUPERVISOR_USER_OPTION "user"
#define SUPERVISOR_GROUP_OPTION "group"

// What a worker tells its supervisor, in a byte each.
#define SUPERVISOR_WORD_SERVING 's'
#define SUPERVISOR_WORD_DRAIN_SAVED 'd' // the slow shutdown of a SIGHUP is in the store

// Exit status of a worker whose slow shutdown is over: no other one is started.
#define SUPERVISOR_WORKER_DRAINED 3

// Bind the sockets (or take those that a service manager passed), drop privileges, and run the
// worker until it or a signal ends it. Returns the exit status.
int supervisor_run(const struct rr_config *cfg);

RR_END_DECLS
