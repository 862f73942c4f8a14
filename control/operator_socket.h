// SPDX-License-Identifier: BSD-2-Clause
// The operator's channel at work: messages in become jobs, their outcomes messages out.
//
// Few are served at a time; others wait in the kernel. One that connects and says nothing is closed
// before long. Nothing here blocks, and nobody can make it hold more than a request.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct event_base;
struct job;
struct operator_socket;

#define OPERATOR_MAX_CLIENTS 8
#define OPERATOR_PATIENCE_MS 2000

struct operator_socket_params {
	struct event_base *base;
	int fd; // bound and listening; stays the caller's
	// Run job->command; the job comes back by its origin.reply, then or later.
	void (*execute)(void *arg, struct job *job);
	void *arg;
	uint32_t patience_ms; // with a client that says nothing
};

// Returns 0 or -ENOMEM.
int operator_socket_new(struct operator_socket **out, const struct operator_socket_params *params);

// Serve nobody any more. Jobs that are under way may still come back; nothing leaves.
void operator_socket_stop(struct operator_socket *os);

// Free it, once every job has come back or was freed by whoever had it.
void operator_socket_free(struct operator_socket *os);

RR_END_DECLS
