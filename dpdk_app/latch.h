// SPDX-License-Identifier: BSD-2-Clause
// What learning does to a flow: names state and event for the tables of learn.h, does what they
// say.
//
// For the owner, between rr_flow_write_begin and rr_flow_write_end. Whoever calls brings the peer's
// flow in line afterwards when the remote address moved.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp_msg.h"
#include "endpoint.h"
#include "learn.h"
#include "rtp.h"
#include "shm_layout.h"

#define LATCH_UPDATE_WINDOW_NS UINT64_C(10000000000) // protocol reference 9.3
#define LATCH_SEQ_AHEAD_MAX 536
#define LATCH_REFRESH_MS 1000

struct latch_limits {
	uint64_t safe_learn_ns;
	uint64_t safe_silence_ns;
	uint32_t safe_learn_packets;
};

// A datagram as far as learning looks at it. On an RTCP port is_rtp is false.
struct datagram {
	struct rr_endpoint source;
	struct rr_rtp rtp; // when is_rtp
	bool is_rtp;
	bool is_opaque; // no RTP on the RTP port
};

// Run the machine for one datagram. Returns what was done, bits of enum learn_action; the datagram
// is to be relayed when LEARN_ACCEPT is among them.
uint32_t latch_datagram(const struct latch_limits *limits, struct rr_flow *f,
	struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns);

// Control told the address of the flow's party.
void latch_signalled(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *to, uint64_t now_ns);

// RTCP port: RTP learned an address, `guess` is one port above it. True when the remote changed.
bool latch_guess(struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *guess);

// A fresh or torn flow: start from what control knows. `learned` counts when RR_SET_LEARNED is set.
void latch_install(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_request *q, uint64_t now_ns);

// The flow's mode is no longer what it was: the table of the new one goes on from its flags.
void latch_change_mode(struct rr_flow *f, struct rr_flow_cold *c);

// The flow is no longer asymmetric, or is now: what counts is whether its source was settled.
void latch_change_symmetry(struct rr_flow *f);
