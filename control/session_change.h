// SPDX-License-Identifier: BSD-2-Clause
// Changes that the dataplane has not acknowledged: what a session was before, to be put back.
//
// A command that ends in an error must leave the call as it was. So whoever changes a session for a
// command opens a change first, and seals it when the command has run; it holds what the session
// was before and after. When the dataplane acknowledges, the change is closed and the ports it
// replaced are given up; when it refuses or is silent, what the command set is put back, and the
// later changes, which were built on this one, fail with it. What other commands and packets
// changed meanwhile, and were not undone, stands.
//
// The order of the ring is what makes this safe: the delete of replaced ports goes out behind the
// requests that replace them, and what puts them back goes out behind both. So a delete that was
// acknowledged belongs to a change that is closed.
//
// Changes live in memory only. After a restart of control what was committed is the truth: its
// reply was stored with it, and a controller that asks again gets that one.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "session.h"

RR_BEGIN_DECLS

enum session_change_state {
	CHANGE_OPEN,
	CHANGE_VOID, // one before it was undone
	CHANGE_MOOT, // the session ended meanwhile, which nothing brings back
};

// What a command may set in a session.
struct session_view {
	struct session_leg leg[SESSION_N_LEGS]; // base is not looked at
	struct session_texts *texts; // a reference of its own
	uint32_t notify_local_be;
	bool strong;
	bool was_complete;
};

struct session_change {
	struct session_change *next; // of the session, in the order of the commands
	struct session *session;
	uint8_t state; // enum session_change_state
	bool is_new; // the session itself is the change
	bool sealed;
	struct session_view before, after; // after: of a sealed one
};

// Before the session is touched; is_new: it was just made. Returns 0 or -ENOMEM.
int session_change_open(struct session *s, bool is_new, struct session_change **out);

// The command has run: what differs now is its doing.
void session_change_seal(struct session_change *change);

// The dataplane acknowledged, or did not. Both free the change. close returns whether the change
// holds: false when it was undone together with an earlier one.
bool session_change_close(struct control *ctl, struct session_change *change);
void session_change_undo(struct control *ctl, struct session_change *change);
// The job that made it is dropped, at the end of the process.
void session_change_forget(struct session_change *change);

// The session ends by other means.
void session_change_end_all(struct session *s);

RR_END_DECLS
