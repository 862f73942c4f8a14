// SPDX-License-Identifier: BSD-2-Clause
// How a session lies in the store; written by control, read by control and rrctl.
//
// fixed part | retired pairs | bases | texts. Addresses are written as such and realms by name,
// never as indexes, so that a changed configuration finds them again. Within one host: integers in
// host order.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "flow_totals.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct session;
struct rr_config;

#define SESSION_RECORD_LAYOUT 1

enum session_record_text {
	RECORD_CALLID,
	RECORD_REALM_CALLEE, // by leg
	RECORD_REALM_CALLER,
	RECORD_FROM_TAG, // from here on as enum session_text
	RECORD_NOTIFY_SOCKET,
	RECORD_NOTIFY_TAG,
	RECORD_CODECS_CALLEE,
	RECORD_CODECS_CALLER,
	RECORD_N_TEXTS
};

enum session_record_flag {
	RECORD_ENDING = 1 << 0,
	RECORD_STRONG = 1 << 1,
	RECORD_WAS_COMPLETE = 1 << 2,
};

enum session_record_leg_flag {
	RECORD_LEG_ASYMMETRIC = 1 << 0,
	RECORD_LEG_WEAK = 1 << 1,
	RECORD_LEG_ON_HOLD = 1 << 2,
	RECORD_LEG_TTL_TOLD = 1 << 3,
	RECORD_LEG_EXACT = 1 << 4, // local address is one of the pool and no other
};

struct session_record_pair {
	struct rr_endpoint local; // address and RTP port; family NONE = no ports
	uint64_t uid;
};

struct session_record_learned {
	struct rr_endpoint remote;
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint16_t flags; // RR_SET_LEARNED and its kin
};

struct session_record_leg {
	struct session_record_pair pair;
	struct rr_endpoint signalled;
	struct session_record_learned learned[2]; // RTP, RTCP
	uint64_t refreshed_ns;
	uint32_t version;
	uint32_t ttl_s;
	uint32_t resize_ms;
	uint32_t n_holds;
	struct rr_endpoint exact; // with RECORD_LEG_EXACT
	uint8_t family;
	uint8_t tos;
	uint16_t flags; // enum session_record_leg_flag
	uint32_t reserved;
};

struct session_record_retired {
	struct session_record_pair pair;
	uint32_t leg;
	uint32_t reserved;
};

struct session_record {
	uint32_t layout; // SESSION_RECORD_LAYOUT
	uint32_t flags;  // enum session_record_flag
	uint64_t id;
	uint64_t created_ns;
	uint64_t created_unix_ms;
	uint32_t notify_addr;
	uint16_t owner_port;
	uint8_t n_retired;
	uint8_t n_bases; // 0, or 4: leg 0 RTP, RTCP, leg 1 RTP, RTCP
	uint16_t text_len[RECORD_N_TEXTS];
	struct session_record_leg leg[2];
};

#define SESSION_RECORD_MAX_RETIRED UINT8_MAX

// A record with everything in it found and checked. Points into the record.
struct session_record_view {
	const struct session_record *fixed;
	const struct session_record_retired *retired;
	const struct rr_flow_totals *bases;
	struct slice text[RECORD_N_TEXTS];
};

// Returns 0, or -EPROTO when the bytes are no record of this layout.
int session_record_view(struct session_record_view *view, const void *record, size_t size);

size_t session_record_size(const struct rr_config *cfg, const struct session *s);
void session_record_write(const struct rr_config *cfg, const struct session *s, void *record);

RR_END_DECLS
