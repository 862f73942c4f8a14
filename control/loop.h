// SPDX-License-Identifier: BSD-2-Clause
// The event loop of control, which works in turns: read a batch of commands and execute them,
// commit, submit, take acknowledgements, send replies.
//
// A turn is one pass of libevent over everything that was ready, followed by control_turn_commit,
// control_poll and the sending of what both produced. While acknowledgements are outstanding and
// come, the next turn begins at once; when none has come for 20 us, a timer ends the wait after
// some tens of microseconds, so that control polls the reply rings. Otherwise it polls every 10 ms.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct event_base;
struct job;
struct listener_set;
struct loop;

// Returns 0 or a negative errno.
int loop_new(struct loop **loop, struct control *ctl);
void loop_free(struct loop *loop);

struct event_base *loop_base(struct loop *loop);

// The listeners that a turn ends with.
void loop_set_listeners(struct loop *loop, struct listener_set *set);

// Run a command in this turn.
void loop_execute(struct loop *loop, struct job *job);

// Run what an operator asks in this turn.
void loop_execute_operator(struct loop *loop, struct job *job);

// Call fn(arg) every `period_ms` milliseconds. Returns 0 or a negative errno.
int loop_every(struct loop *loop, uint32_t period_ms, void (*fn)(void *arg), void *arg);

// Call fn(arg) when a signal comes. Returns 0 or a negative errno.
int loop_on_signal(struct loop *loop, int signo, void (*fn)(void *arg), void *arg);

// Run turns until loop_stop. Returns 0 or a negative errno.
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

RR_END_DECLS
