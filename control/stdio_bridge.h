// SPDX-License-Identifier: BSD-2-Clause
// Standard input and output as a command transport: lines in, replies out in the same order, over
// any number of workers.
//
// Nobody can connect to standard input anew, so that the supervisor holds it, and with it what a
// worker must not take along when it dies: half a line, and lines without a reply. Each line goes
// to the worker as a message under a name of its own, and is kept until its reply has come. A new
// worker is told again what the old one did not answer. The names are cookies to it: what the old
// one has run is answered from the store, and not run twice.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define STDIO_BRIDGE_LINES 64 // without a reply at a time; then input is not read
#define STDIO_BRIDGE_FDS 3

// Before each line and each reply between supervisor and worker. No cookie of a datagram begins
// with a zero byte, so that nobody else can name a line.
struct stdio_line_name {
	uint64_t zero;
	uint64_t stream; // of this supervisor
	uint64_t number; // from 0 on
};

struct stdio_bridge;

// Take over two descriptors, which may be shared with other programs and stay as they are for
// these. Returns 0 or a negative errno.
int stdio_bridge_new(struct stdio_bridge **bridge, int in_fd, int out_fd);
void stdio_bridge_free(struct stdio_bridge *b);

// The worker's end, a socket of messages. Stays the bridge's.
int stdio_bridge_worker_fd(const struct stdio_bridge *b);

// The worker is gone, and another one is about to begin.
void stdio_bridge_restart(struct stdio_bridge *b);

// What the bridge waits for; unused entries have fd -1.
void stdio_bridge_wait(const struct stdio_bridge *b, struct pollfd fds[STDIO_BRIDGE_FDS]);

// Do what can be done without waiting.
void stdio_bridge_run(struct stdio_bridge *b);

// Input has ended and every reply was written, or nobody reads them.
bool stdio_bridge_over(const struct stdio_bridge *b);

RR_END_DECLS
