// SPDX-License-Identifier: BSD-2-Clause
// The messages that cross the rings between control and a worker, or the dataplane's main thread,
// which is the one that adds and removes local addresses.
//
// A request is absolute and idempotent: it says what shall be, never how it shall change, so
// that it can be sent again after either side died. It is meant for one generation of the
// dataplane, which answers it by exactly one reply; a later one that finds it in the ring drops it,
// since what it asks for may have been given up meanwhile. Events are hints: what they tell can be
// read from the flow itself, and a full event ring drops them under a counter.
#pragma once

#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"

RR_BEGIN_DECLS

enum rr_request_op {
	RR_REQUEST_BARRIER = 1, // answered when everything before it was; starts a control's epoch
	RR_REQUEST_FLOW_SET = 2,
	RR_REQUEST_FLOW_DEL = 3, // status 0 also when the uid is already gone
	RR_REQUEST_ADDR_SET = 4, // main thread: `signalled` is a local address of realm `uid`
	RR_REQUEST_ADDR_DEL = 5, // main thread: it is none; refused while a flow of it is installed
	RR_REQUEST_OPS // number past the last
};

enum rr_request_flag {
	RR_SET_ASYMMETRIC = 1 << 0,
	RR_SET_SAFE = 1 << 1,
	RR_SET_SIGNALLED = 1 << 2, // `signalled` holds an address (else: hold, or never told)
	RR_SET_LEARNED = 1 << 3, // replay: `learned` holds the address that packets taught
	RR_SET_LATCHED = 1 << 4, // replay: the source was settled
	RR_SET_LATCH_SSRC = 1 << 5, // replay: latch_ssrc and latch_seq are valid
	RR_SET_GUESSED =
		1 << 6, // replay: `learned` was guessed for RTCP, a signalled one replaces it
	RR_SET_FLAGS = (1 << 7) - 1
};

struct rr_request {
	uint64_t id; // control epoch << 32 | number; echoed in the reply
	uint64_t uid; // FLOW_*: incarnation of the leg, never 0; ADDR_SET: rr_realm_key
	uint16_t op; // enum rr_request_op
	uint16_t flags; // enum rr_request_flag
	uint32_t slot; // FLOW_*: the flow
	uint32_t peer; // FLOW_SET: flow of the other leg or RR_SLOT_NONE
	uint32_t version; // FLOW_SET: grows with every signalled change of this flow's remote
	struct rr_endpoint signalled; // FLOW_SET: remote address as signalled (RTCP: port + 1);
				      // ADDR_*: local address, port 0
	struct rr_endpoint learned; // FLOW_SET: remote address as learned, for a fresh slot only
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint8_t tos; // FLOW_SET: of what is sent to this flow's remote
	uint8_t worker; // that takes the request, the owner of a flow; the main thread is the last
	uint64_t dp_generation; // for which it is meant
	uint64_t reserved[4];
};
RR_STATIC_ASSERT(sizeof(struct rr_request) == 128, "ABI");

enum rr_reply_status {
	RR_REPLY_OK = 0,
	RR_REPLY_BAD_OP = 1,
	RR_REPLY_BAD_SLOT = 2,
	RR_REPLY_BAD_PEER = 3,
	RR_REPLY_BAD_ENDPOINT = 4,
	RR_REPLY_BAD_WORKER = 5,
	RR_REPLY_BAD_UID = 6,
	RR_REPLY_BAD_FLAGS = 7,
	RR_REPLY_BAD_REALM = 8, // no such realm, or one that cannot have the address
	RR_REPLY_NO_ROOM = 9, // the region is laid out for no more addresses
	RR_REPLY_NO_MEMORY = 10, // for the flows of the address
	RR_REPLY_BUSY = 11, // the address has flows
	RR_REPLY_NO_KERNEL = 12, // the kernel of a shared port goes on as before with its packets
	RR_REPLY_STATUSES // number past the last
};

struct rr_reply {
	uint64_t id;
	uint64_t uid;
	uint32_t slot;
	uint16_t op;
	uint16_t status; // enum rr_reply_status
	uint64_t dp_generation;
};
RR_STATIC_ASSERT(sizeof(struct rr_reply) == 32, "ABI");

enum rr_event_type {
	RR_EVENT_LEARNED = 1, // the flow's remote or its latch changed
};

struct rr_event {
	uint64_t uid;
	uint32_t slot;
	uint16_t type; // enum rr_event_type
	uint16_t flags; // RR_SET_LEARNED, _LATCHED, _LATCH_SSRC, _GUESSED as of now: replay as they
			// are
	struct rr_endpoint learned;
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint16_t reserved;
	uint32_t version; // of the signalled address under which this was learned
	uint32_t reserved2;
	uint64_t reserved3;
};
RR_STATIC_ASSERT(sizeof(struct rr_event) == 64, "ABI");

RR_END_DECLS
