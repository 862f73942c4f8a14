// SPDX-License-Identifier: BSD-2-Clause
// Sessions end when nothing refreshed them; protocol reference 9.5.
//
// The reference counts a session's TTL down at one tick a second. Here the ticks are the whole
// seconds of CLOCK_MONOTONIC, and the remaining TTL is computed: a refresh in second r with TTL t
// leaves t - (now - r), and the session ends at tick r + t + 1. Commands refresh in the session;
// media refreshes in the dataplane's flows, which are read only when the wheel says that a session
// may be due.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct session;

#define EXPIRY_SLOTS 512 // seconds; a later deadline is looked at more than once
#define EXPIRY_GRACE_S 10
#define EXPIRY_SLICE 500 // sessions that one turn looks at

struct expiry {
	struct session *slot[EXPIRY_SLOTS];
	struct session *due; // of the slot of last_tick, to be looked at
	uint64_t last_tick; // its slot was emptied into `due`
	uint64_t resumed_ns; // when control and dataplane were last both there again
	bool dp_was_alive;
};

void expiry_init(struct expiry *ex, uint64_t now_ns);

// Put a session where its deadline belongs, after anything that can shorten it.
void expiry_arm(struct control *ctl, struct session *s);
void expiry_disarm(struct expiry *ex, struct session *s);

// Seconds left as `Q` shows them, media included.
uint32_t expiry_ttl(struct control *ctl, const struct session *s);

// End what is due. While the dataplane is down nobody can send media, so nobody expires; what fell
// due meanwhile has EXPIRY_GRACE_S after its return, and after a restart of control.
// A slice a turn: however many are due, commands go on.
void expiry_run(struct control *ctl);
// True when there is more to look at.
bool expiry_busy(const struct expiry *ex);

RR_END_DECLS
