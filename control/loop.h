// SPDX-License-Identifier: BSD-2-Clause
// The event loop of control, which works in turns: read a batch of commands and execute them,
// commit, submit, take acknowledgements, send replies.
//
// A turn is one pass of libevent over everything that was ready, followed by control_turn_commit,
// control_poll and the sending of the datagrams that both produced. While acknowledgements are
// outstanding a timer ends the wait after a few tens of microseconds, so that control polls the
// reply rings; otherwise it polls every 10 ms.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct event_base;
struct loop;

// Returns 0 or a negative errno.
int loop_new(struct loop **loop, struct control *ctl);
void loop_free(struct loop *loop);

// For those who wait for descriptors of their own.
struct event_base *loop_base(struct loop *loop);

// Call fn(arg) every `period_ms` milliseconds, in a turn. Returns 0 or a negative errno.
int loop_every(struct loop *loop, uint32_t period_ms, void (*fn)(void *arg), void *arg);

// Call fn(arg) at the end of every turn, after control_poll. There is room for a few.
int loop_at_turn_end(struct loop *loop, void (*fn)(void *arg), void *arg);

// Call fn(signo, arg) in a turn when a signal comes.
int loop_on_signal(struct loop *loop, int signo, void (*fn)(int signo, void *arg), void *arg);

// Run turns until loop_stop. Returns 0 or a negative errno.
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

RR_END_DECLS
