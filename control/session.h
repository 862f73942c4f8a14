// SPDX-License-Identifier: BSD-2-Clause
// A session: two legs of one media stream, their ports, their remote addresses, their life.
//
// Leg 0 faces the callee and is made with the session; leg 1 faces the caller and gets its ports
// when the other side answers. A leg has one pair of local ports, RTP on the even one and RTCP on
// the odd one: two flows of the dataplane under one uid. A leg that gets other ports gets another
// uid, and the old pair is retired: its flows are deleted, and when that is acknowledged their last
// counters are added to the leg's base and the ports are given back. A session ends the same way:
// its pairs are retired, and it is gone when the last one is.
//
// Truth. What stands here is what the calls shall be; the dataplane is told of every change and is
// told everything again when it was restarted. Whoever changes a session marks it dirty, so that
// the next commit writes it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "flow_totals.h"
#include "rtpp_cmd.h"
#include "session_index.h"

RR_BEGIN_DECLS

#define SESSION_N_LEGS 2
#define SESSION_N_FLOWS 2
#define SESSION_CALLEE 0 // leg 0
#define SESSION_CALLER 1 // leg 1: the owner of the stored from-tag
#define SESSION_RTP 0
#define SESSION_RTCP 1

struct control;
struct dp_request;
struct job;
struct session_change;

enum session_text {
	SESSION_FROM_TAG,
	SESSION_NOTIFY_SOCKET, // as notice_target.h writes it; none for one that is not permitted
	SESSION_NOTIFY_TAG,
	SESSION_CODECS_CALLEE, // by leg
	SESSION_CODECS_CALLER,
	SESSION_N_TEXTS
};

// All strings of a session in one allocation, one after the other, without zeros.
struct session_texts {
	uint32_t n_refs; // the session, and changes that may want it back
	uint16_t len[SESSION_N_TEXTS];
	char bytes[];
};

// Where a leg's local address comes from, decided when the session is made.
struct session_local {
	uint16_t realm; // index in the configuration
	uint8_t family; // enum rr_family
	bool exact; // `addr` and no other of the pool
	bool shown; // named by address: replies show it even where the realm hides its addresses
	uint16_t addr; // index in the configuration
};

// Ports of a leg. uid 0: none.
struct session_pair {
	uint64_t uid;
	uint16_t addr; // index in the configuration
	uint16_t port; // RTP, even, host order
};

// What packets taught about the source of one flow; struct rr_event says it.
struct session_learned {
	struct rr_endpoint remote;
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint16_t flags; // RR_SET_LEARNED and its kin
};

struct session_leg {
	struct session_pair pair;
	struct session_local local;
	struct rr_endpoint signalled; // of RTP; family RR_FAMILY_NONE = never told
	struct session_learned learned[SESSION_N_FLOWS];
	struct rr_flow_totals *base; // [SESSION_N_FLOWS], of former ports and regions; NULL = none
	uint64_t refreshed_ns; // last U or L; media of a region that is gone
	uint32_t version; // of `signalled`
	uint32_t ttl_s; // what a refresh sets
	uint32_t resize_ms; // `z`
	uint32_t n_holds;
	uint8_t tos; // of what is sent to this leg's party
	bool ttl_told; // S ttl= was given: completing the session leaves ttl_s alone
	bool asymmetric;
	bool weak;
	bool on_hold;
};

// A pair whose flows are being deleted.
struct session_retired {
	struct session_retired *next;
	struct session_pair pair;
	uint8_t leg;
	uint8_t waiting; // bit per flow whose delete is not acknowledged
	bool submitted; // the deletes are on their way
	bool resync; // by a resync
};

enum session_state {
	SESSION_LIVE,
	SESSION_ENDING, // found by nobody; waits for the last counters of its flows
	SESSION_GONE, // nothing left but its row in the store; freed by the next commit
};

struct session {
	uint64_t id; // grows with every session, never reused
	struct session_links links;
	struct session_texts *texts;
	struct session_retired *retired;
	struct session_retired last[SESSION_N_LEGS]; // for the end, which must not fail
	struct session_change *changes; // not acknowledged; in the order of the commands
	uint64_t created_ns; // CLOCK_MONOTONIC
	uint64_t created_unix_ms; // for people
	struct session_leg leg[SESSION_N_LEGS];
	uint64_t due_tick; // expiry.c: when to look next
	uint64_t captured; // number of the region whose counters were added to the bases; 0 = none
	uint32_t notify_local_be; // IPv4 address that the notice leaves from; 0 = any
	uint16_t owner_port; // of leg 0 when the session was made: names the owner of all its flows
	uint8_t state; // enum session_state
	bool strong;
	bool was_complete; // both legs had ports
	bool dirty;
};

// A leg as a command selects it, and how it was found.
struct session_match {
	struct session *session; // NULL = none
	uint8_t party; // leg that receives from the party of the command's from-tag
};

struct slice session_text(const struct session *s, enum session_text which);
// Returns 0 or -ENOMEM, which leaves the text as it was.
int session_set_text(struct session *s, enum session_text which, struct slice text);

static inline bool session_complete(const struct session *s) {
	return s->leg[0].pair.uid != 0 && s->leg[1].pair.uid != 0;
}

// All at once; the old texts may be among them.
int session_set_texts(struct session *s, const struct slice text[SESSION_N_TEXTS]);

struct slice session_texts_get(const struct session_texts *texts, enum session_text which);
struct session_texts *session_texts_ref(struct session_texts *texts);
void session_texts_unref(struct session_texts *texts);

// What a new session starts with.
struct session_params {
	struct slice callid;
	struct slice from_tag;
	struct session_local local[SESSION_N_LEGS];
};

// Make a session with ports on leg 0, dirty, not yet told to the dataplane. Returns 0, -ENOSPC (no
// ports), -EADDRNOTAVAIL (local address in no pool), -ENOMEM.
int session_new(struct control *ctl, const struct session_params *params, struct session **out);

// Give a leg its first ports, or others. An old pair is retired; who closes the change deletes it.
// Errors as session_new.
int session_take_ports(struct control *ctl, struct session *s, unsigned int leg);

// The party's address as signalled; see protocol reference 5.2.2 and 9.2.
void session_prefill(
	struct control *ctl, struct session *s, unsigned int leg, const struct rtpp_media *media);

// A command refreshes both legs; protocol reference 9.5.
void session_refresh(struct control *ctl, struct session *s);

// End a session: nobody finds it any more, its flows are deleted, its final counters are kept.
void session_end(struct control *ctl, struct session *s, struct job *job);

// The same for a live one, but for its flows: a resync deletes them.
void session_end_untold(struct control *ctl, struct session *s);

// End a session that never was: the command that made it is answered with an error.
void session_revoke(struct control *ctl, struct session *s);

// Retire a leg's pair, and take a retired pair off that list. Returns 0 or -ENOMEM.
int session_retire(struct session *s, unsigned int leg);
void session_unretire(struct session *s, uint64_t uid);

// The dataplane acknowledged the delete of one flow.
void session_flow_deleted(struct control *ctl, const struct dp_request *req);
// Free the retired pairs whose flows are gone, and the session when it is ending and none is left.
void session_drop_deleted(struct control *ctl, struct session *s);

// Ports that nothing uses any more are free again. Does nothing when there are none.
void session_give_back(struct control *ctl, const struct session_pair *pair);

// Mark for the next commit.
void session_touch(struct control *ctl, struct session *s);

// Free a session's memory and unlink it; ports and dataplane are not told.
void session_free(struct control *ctl, struct session *s);

RR_END_DECLS
