// SPDX-License-Identifier: BSD-2-Clause
// How control's store lies on disk: written by control, read by control and rrctl.
//
// An LMDB environment (a folder) with the databases below. The row of a session is
//
//	fixed part | retired pairs | bases | texts
//
// Addresses are written as such and realms by name, never as indexes, so that a changed
// configuration finds them again. Integers are in host order: the store stays on its host. Times
// are CLOCK_MONOTONIC of the boot that the meta row names.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "flow_totals.h"

RR_BEGIN_DECLS

// Databases. The keys of all but the meta row are uint64_t (MDB_INTEGERKEY) in order of creation.
#define RR_STORE_META "meta" // one row, under the key "meta": struct rr_store_meta
#define RR_STORE_SESSIONS "sessions" // id -> struct rr_session_record
#define RR_STORE_COOKIES "cookies" // number -> struct rr_store_cookie
#define RR_STORE_OUTBOX "outbox" // number -> struct rr_store_notice
#define RR_STORE_ADDRESSES "addresses" // number -> struct rr_store_address, in no order
#define RR_STORE_N_DBS 5

#define RR_STORE_LAYOUT 1
#define RR_STORE_COUNTERS 128 // as control/stats.h counts them; an older row may hold fewer

struct rr_store_meta {
	uint32_t layout; // RR_STORE_LAYOUT
	uint32_t epoch; // of the control that wrote it
	uint8_t boot_id[16];
	uint64_t written_ns;
	uint64_t next_uid; // of legs and sessions
	uint64_t next_notice;
	uint64_t next_cookie;
	uint64_t counters[RR_STORE_COUNTERS];
};

// Cookie and the reply sent for it, both of which follow.
struct rr_store_cookie {
	uint64_t received_ns; // the command
	uint32_t cookie_len;
	uint32_t reply_len;
};

// Copy a meta row; counters that an earlier version did not know are zero. Returns 0, or -EPROTO
// for another layout.
int rr_store_meta_read(struct rr_store_meta *meta, const void *row, size_t size);

// A timeout notice that waits for its delivery; target, its wildcard resolved, and tag follow.
struct rr_store_notice {
	uint64_t created_unix_ms;
	uint32_t local_be; // IPv4 address that its connection leaves from; 0 = any
	uint16_t socket_len;
	uint16_t tag_len;
};

struct rr_text {
	const char *p; // not terminated by zero
	size_t len;
};

enum rr_address_state {
	RR_ADDRESS_FREE = 0, // none
	RR_ADDRESS_ADDING = 1, // the dataplane was asked for it; never in the store
	RR_ADDRESS_ACTIVE = 2,
	RR_ADDRESS_DRAINING = 3, // its calls go on, new ports come from others
	RR_ADDRESS_GONE = 4, // drained, though the file names it
};

// A local address; the name of its realm follows.
struct rr_store_address {
	struct rr_endpoint addr; // port 0
	uint8_t state; // enum rr_address_state
	uint8_t named; // 1: by the file as it was last read
	uint16_t realm_len;
	uint32_t reserved;
};

// Returns 0, or -EPROTO when the row is none.
int rr_store_address_read(
	struct rr_store_address *address, struct rr_text *realm, const void *row, size_t size);

#define RR_SESSION_RECORD_LAYOUT 1

enum rr_session_record_text {
	RR_RECORD_CALLID,
	RR_RECORD_REALM_CALLEE, // by leg
	RR_RECORD_REALM_CALLER,
	RR_RECORD_FROM_TAG, // from here on as control's enum session_text
	RR_RECORD_NOTIFY_SOCKET,
	RR_RECORD_NOTIFY_TAG,
	RR_RECORD_CODECS_CALLEE,
	RR_RECORD_CODECS_CALLER,
	RR_RECORD_N_TEXTS
};

enum rr_session_record_flag {
	RR_RECORD_ENDING = 1 << 0,
	RR_RECORD_STRONG = 1 << 1,
	RR_RECORD_WAS_COMPLETE = 1 << 2,
};

enum rr_session_record_leg_flag {
	RR_RECORD_LEG_ASYMMETRIC = 1 << 0,
	RR_RECORD_LEG_WEAK = 1 << 1,
	RR_RECORD_LEG_ON_HOLD = 1 << 2,
	RR_RECORD_LEG_TTL_TOLD = 1 << 3,
	RR_RECORD_LEG_EXACT = 1 << 4, // local address is one of the pool and no other
	RR_RECORD_LEG_SHOWN = 1 << 5, // and named by address: replies show it in any realm
};

struct rr_session_record_pair {
	struct rr_endpoint local; // address and RTP port; family NONE = no ports
	uint64_t uid;
};

struct rr_session_record_learned {
	struct rr_endpoint remote;
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint16_t flags; // RR_SET_LEARNED and its kin
};

struct rr_session_record_leg {
	struct rr_session_record_pair pair;
	struct rr_endpoint signalled;
	struct rr_session_record_learned learned[2]; // RTP, RTCP
	uint64_t refreshed_ns;
	uint32_t version;
	uint32_t ttl_s;
	uint32_t resize_ms;
	uint32_t n_holds;
	struct rr_endpoint exact; // with RR_RECORD_LEG_EXACT
	uint8_t family;
	uint8_t tos;
	uint16_t flags; // enum rr_session_record_leg_flag
	uint32_t reserved;
};

struct rr_session_record_retired {
	struct rr_session_record_pair pair;
	uint32_t leg;
	uint32_t reserved;
};

struct rr_session_record {
	uint32_t layout; // RR_SESSION_RECORD_LAYOUT
	uint32_t flags; // enum rr_session_record_flag
	uint64_t id;
	uint64_t created_ns;
	uint64_t created_unix_ms;
	uint32_t notify_local_be; // as in struct rr_store_notice
	uint16_t owner_port;
	uint8_t n_retired;
	uint8_t n_bases; // 0, or 4: leg 0 RTP, RTCP, leg 1 RTP, RTCP
	uint16_t text_len[RR_RECORD_N_TEXTS];
	struct rr_session_record_leg leg[2];
};

#define RR_RECORD_MAX_RETIRED UINT8_MAX

// A record with everything in it found and checked. Points into the record.
struct rr_session_record_view {
	const struct rr_session_record *fixed;
	const struct rr_session_record_retired *retired;
	const struct rr_flow_totals *bases;
	struct rr_text text[RR_RECORD_N_TEXTS];
};

// Returns 0, or -EPROTO when the bytes are no record of this layout.
int rr_session_record_view(struct rr_session_record_view *view, const void *record, size_t size);

RR_END_DECLS
