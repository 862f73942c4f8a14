// SPDX-License-Identifier: BSD-2-Clause
// RTP statistics of one flow: sequence numbers, loss, duplicates, order, jitter, SSRC changes.
//
// For the owner, between rr_flow_write_begin and rr_flow_write_end. What comes out of the state
// kept here is added up in common/flow_totals.c.
#pragma once

#include <stdint.h>

#include "rtp.h"
#include "shm_layout.h"

// A fresh flow: nothing seen yet.
void rtp_stats_init(struct rr_flow *f, struct rr_flow_cold *c);

// A flow that was found half written: make the open run's numbers possible again.
void rtp_stats_repair(struct rr_flow *f, struct rr_flow_cold *c);

// One accepted RTP packet that arrived at now_us (monotonic).
void rtp_stats_update(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_us);

// One accepted datagram on the RTP port that is no RTP.
void rtp_stats_parse_error(struct rr_flow_cold *c);

// Timestamp units a second of a static payload type (RFC 3551 section 6), 0 when it has none.
uint32_t rtp_stats_clock_rate(uint8_t payload_type);
