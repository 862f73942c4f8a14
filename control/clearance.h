// SPDX-License-Identifier: BSD-2-Clause
// `X`: every session that there is ends, a slice a turn, while other commands go on.
//
// All of them are over at the moment of the command. What says so is one number, stored with the
// command: sessions with a lower id are over. Whoever meets one that has not been ended yet ends it
// first, and a restart knows them for what they are. Ports and flows follow in slices; the reply
// leaves when the last one is gone, or when the time of a wait has passed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "job_list.h"

RR_BEGIN_DECLS

#define CLEARANCE_SLICE 250 // sessions that one turn ends

struct call;
struct control;
struct session;

struct clearance {
	uint64_t below; // sessions with a lower id are over
	uint64_t at_ns; // since when
	uint64_t n_left; // of those, not ended
	struct session *cursor; // the next one to end; NULL = nothing to do
	struct job_list jobs; // commands that wait for it, by deadline
};

// End them all. `job` waits for that. Returns how many there were.
size_t clearance_begin(struct control *ctl, struct job *job);
// Go on; does nothing when there is nothing to do.
void clearance_step(struct control *ctl);

// True for a session that is over, whether it was ended or not.
bool clearance_covers(const struct control *ctl, const struct session *s);
// End what a command must not find.
void clearance_end_call(struct control *ctl, struct call *call);

// True when no session is left that was there when the command ran: it can be answered.
bool clearance_is_over(const struct control *ctl, const struct job *job);

// A session ends, or is about to be freed.
void clearance_session_ends(struct control *ctl, const struct session *s);
void clearance_session_gone(struct control *ctl, const struct session *s);

RR_END_DECLS
