// SPDX-License-Identifier: BSD-2-Clause
// The one context of control, and the turn that carries commands from execution to reply.
//
// A turn: command_execute for every command that came in, then control_turn_commit, which commits
// what they changed in one transaction and submits their requests, and control_poll, which takes
// acknowledgements and replies. Jobs are replied to from both.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "address_pool.h"
#include "clearance.h"
#include "compiler.h"
#include "config.h"
#include "dp_client.h"
#include "expiry.h"
#include "job_list.h"
#include "load.h"
#include "outbox.h"
#include "realm_select.h"
#include "resync.h"
#include "rtpp_parse.h"
#include "session.h"
#include "session_index.h"
#include "stats.h"

RR_BEGIN_DECLS

// Sessions of which one turn reads all that a region knows, before it is left for another.
#define CONTROL_CAPTURE_SLICE 500

struct listener_stats;
struct port_alloc;
struct retrans;
struct store;

struct control {
	const struct rr_config *cfg; // as it was read, and the list of addresses as it is now
	struct rr_config live; // what cfg points to
	struct address_pool addresses;
	struct address_change address_change;
	struct rtpp_env env;
	const char *labels[RR_MAX_REALMS];

	struct retrans *retrans; // the listeners'; NULL = none
	const struct listener_stats *listener_stats; // NULL = none
	struct store *store;
	struct dp_client *dp;
	struct port_alloc *ports;

	struct session_index index;
	struct session *dirty; // by links.next_dirty, in the order in which they became so
	struct session *last_dirty; // of those
	struct session *capture; // the next one of which the region is read before it is left
	bool leaves_region;
	struct session *rewrite; // from this one on all become dirty, a slice a commit
	bool refused; // the last commit failed
	struct stats stats;
	struct load load;
	struct expiry expiry;
	struct outbox outbox;
	struct resync resync;
	struct clearance clearance;
	uint32_t spread; // where in a pool the next pair is looked for

	uint64_t program; // start of the supervisor; 0: none
	uint64_t next_uid;
	uint64_t now_ns; // CLOCK_MONOTONIC, of this turn
	uint64_t last_second;
	bool commit_wanted; // a command ran in this turn

	struct job_list turn; // executed, not committed
	struct job_list held; // executed, the commit failed; by deadline
	struct job_list waiting; // committed, not acknowledged; by deadline
};

// Open the store, bring its sessions and cookies back, attach to the dataplane where there is one.
// retrans may be NULL; `program` tells the supervisor from others. Returns 0 or a negative errno,
// logged.
int control_open(struct control *ctl, const struct rr_config *cfg, struct retrans *retrans,
	uint64_t program);
// The same at a given time.
int control_open_at(struct control *ctl, const struct rr_config *cfg, struct retrans *retrans,
	uint64_t program, uint64_t now_ns);

// Commit what is left and let go; calls stay in the store and in the dataplane.
void control_close(struct control *ctl);

// Start of a turn: the time that its commands see.
void control_turn_begin(struct control *ctl, uint64_t now_ns);

// Commit, submit, reply to those that wait for nobody.
void control_turn_commit(struct control *ctl);

// Take acknowledgements and events, end waits that are over, go on with a resync, expire sessions
// once a second. Returns how much the dataplane said.
unsigned int control_poll(struct control *ctl, uint64_t now_ns);

// This turn's time.
struct outbox_time control_time(const struct control *ctl);

// Until when the dataplane may take its time over what it is asked now.
uint64_t control_wait_end_ns(const struct control *ctl);

// True while an acknowledgement is outstanding: poll again within tens of microseconds.
bool control_waiting(const struct control *ctl);

// True once the dataplane confirmed what the store held at start; replies that an earlier process
// committed but perhaps never sent may leave from then on.
bool control_settled(const struct control *ctl);

// Sessions that live.
size_t control_n_live(const struct control *ctl);

// Slow shutdown is over: no session is left, and no answer is due. A dataplane that is dead is not
// waited for: what it has yet to delete stays in the store, and it is told when it is back.
bool control_empty(const struct control *ctl);

RR_END_DECLS
