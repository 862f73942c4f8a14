// SPDX-License-Identifier: BSD-2-Clause
// From where is a flow's media accepted? The two learning modes as tables of state by event.
//
// Nothing here knows a flow or a packet: latch.c names state and event, looks up the cell, and does
// what it says. docs/learning.md shows the tables with their reasons.
#pragma once

#include <stdint.h>

#include "compiler.h"

// What to do, bits.
enum learn_action {
	LEARN_ACCEPT = 1 << 0, // the datagram is relayed
	LEARN_MOVE = 1 << 1, // the remote address becomes its source
	LEARN_LATCH = 1 << 2, // the source is settled; SSRC and sequence number are recorded
	LEARN_LATCH_BLIND = 1 << 3, // the source is settled; there is no SSRC to record
	LEARN_RECORD = 1 << 4, // the sequence number is recorded
	LEARN_REFRESH = 1 << 5, // the same, once a second, when the SSRC is the recorded one
	LEARN_SET = 1 << 6, // the remote address becomes the signalled or guessed one
	LEARN_UNLATCH = 1 << 7, // the source is no longer settled
	LEARN_UPDATED = 1 << 8, // `compat`: the ten seconds after a signalled change begin
	LEARN_BEGIN = 1 << 9, // `safe`: the learning window opens, this is its first packet
	LEARN_COUNT = 1 << 10, // `safe`: one more packet of the same source
	LEARN_RECOUNT = 1 << 11, // `safe`: the first packet of another source
};

// Mode `compat`: as rtpproxy does.

enum compat_state {
	COMPAT_UNKNOWN, // no remote address
	COMPAT_OPEN, // address known, source not settled
	COMPAT_OPEN_UPDATED, // the same, within 10 s of a signalled change
	COMPAT_SSRC, // settled, SSRC recorded
	COMPAT_SSRC_UPDATED,
	COMPAT_BLIND, // settled by something that is no RTP
	COMPAT_BLIND_UPDATED,
	COMPAT_ASYMMETRIC, // address known, and only its host is looked at
	COMPAT_STATES
};

// SAME: from the remote address (asymmetric: from its host). OTHER: from anywhere else.
enum compat_event {
	COMPAT_SAME_OPAQUE, // no RTP, or on the RTCP port
	COMPAT_SAME_SSRC, // RTP that goes on with the stream's SSRC
	COMPAT_SAME_NEW_SSRC, // RTP whose SSRC is not that of the RTP packet before
	COMPAT_SAME_ZERO_SSRC,
	COMPAT_OTHER_OPAQUE,
	COMPAT_OTHER_CONTINUES, // RTP, recorded SSRC, 0..536 ahead of the recorded number
	COMPAT_OTHER_SSRC, // any other RTP
	COMPAT_OTHER_ZERO_SSRC,
	COMPAT_SIGNALLED, // control told an address
	COMPAT_GUESSED, // RTCP port: RTP learned an address at another host
	COMPAT_EVENTS
};

uint32_t learn_compat(enum compat_state state, enum compat_event event);

// Mode `safe`: the default.

// The learning states order the sources: a better one replaces a worse one, never the reverse.
enum safe_state {
	SAFE_UNKNOWN, // no remote address
	SAFE_SIGNALLED, // signalled or guessed, no packet yet
	SAFE_PREVIOUS, // learning; best source so far: the one from before the signalled change
	SAFE_STRANGER, // learning; best source so far: anybody
	SAFE_HOST, // learning; best source so far: signalled host, another port
	SAFE_LOCKED, // settled
	SAFE_ASYMMETRIC, // address known, and only its host is looked at
	SAFE_STATES
};

enum safe_event {
	SAFE_FROM_CURRENT, // from the remote address (asymmetric: from its host)
	SAFE_FROM_EXACT, // from the signalled address, which is not the remote address now
	SAFE_FROM_HOST, // from another port of the signalled host
	SAFE_FROM_STRANGER, // from anywhere else
	SAFE_FROM_PREVIOUS, // from the source before the last signalled change
	SAFE_EXACT_OPAQUE, // from the signalled address, nothing settled, no RTP on the RTP port
	SAFE_CONTINUES, // from elsewhere, same SSRC, 1..536 ahead, and the old source is silent
	SAFE_WINDOW_OVER, // time or packets of the learning window are used up
	SAFE_SIGNALLED_SAME, // control repeated an address
	SAFE_SIGNALLED_CURRENT, // control told another address, and media comes from there already
	SAFE_SIGNALLED_NEW, // control told another address
	SAFE_GUESSED, // RTCP port: RTP learned an address at another host
	SAFE_EVENTS
};

struct learn_step {
	uint16_t actions; // enum learn_action
	uint8_t next; // enum safe_state
};

struct learn_step learn_safe(enum safe_state state, enum safe_event event);
