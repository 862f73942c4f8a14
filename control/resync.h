// SPDX-License-Identifier: BSD-2-Clause
// Every path by which control and dataplane agree again: after a restart of either, and after
// requests were dropped.
//
// Step by step, between commands: each session says what its flows shall be (and takes over what a
// surviving region learned), then the flow table is searched for flows that no session knows. A
// step submits a bounded number of requests, so that commands never wait behind a whole replay.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct session;

#define RESYNC_SCAN 16384 // slots looked at in one step

enum resync_phase {
	RESYNC_IDLE,
	RESYNC_SESSIONS,
	RESYNC_STRAYS,
	RESYNC_LAST_ACKS,
};

struct resync {
	enum resync_phase phase;
	bool done_once; // since this process started
	struct session *cursor; // next to say
	uint32_t slot; // next to look at
	uint64_t n_sessions; // said in this run
	uint64_t n_strays;
	uint64_t start_ns;
};

void resync_start(struct control *ctl);
// Search the flow table alone, from its begin; a resync under way does that anyhow.
void resync_find_strays(struct control *ctl);
void resync_step(struct control *ctl);
bool resync_running(const struct resync *rs);

// A session is about to be freed.
void resync_session_gone(struct control *ctl, const struct session *s);

RR_END_DECLS
