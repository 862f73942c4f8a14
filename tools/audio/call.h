// SPDX-License-Identifier: BSD-2-Clause
// A recorded call: its two parties, loaded from one recording or from one each.
#pragma once

#include "recording.h"
#include "track.h"

// Named as the files are: what the callee said is in `.a.rtp`, what the caller said in `.o.rtp`.
enum call_party {
	CALL_A,
	CALL_O,
	CALL_PARTIES,
};

// Longer than this is no call; the sound would not end.
#define CALL_MAX_SAMPLES ((int64_t)24 * 3600 * CODEC_DECODED_HZ)

struct call {
	const struct codec *codec_of[CODEC_PAYLOAD_TYPES];
	struct track tracks[CALL_PARTIES];
	int64_t origin_us; // when the first packet of all came
};

struct call_report {
	uint64_t n_rtp;
	uint64_t n_other; // datagrams that are no RTP
	uint64_t n_cut; // frames that are cut short or fragments
	bool is_damaged; // was not read to its end
	char fault[RECORDING_FAULT_LEN]; // why, or why it was refused
};

// NULL without memory.
struct call *call_new(void);
void call_free(struct call *c);

// Add a recording of one party, or of both. Returns 0, or a negative errno where nothing of it can
// be used, and then fault says why.
int call_load(struct call *c, const char *path, enum call_party party, struct call_report *report);
int call_load_both(struct call *c, const char *path, struct call_report *report);

// Count the RTP packets only.
int call_scan(const char *path, struct call_report *report);

// Once everything is loaded: give each packet its place; tight: without any silence.
// Returns 0, -ENODATA without any sound, -EFBIG for more than CALL_MAX_SAMPLES.
int call_place(struct call *c);
int call_place_tight(struct call *c);

int64_t call_n_samples(const struct call *c);
