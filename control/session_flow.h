// SPDX-License-Identifier: BSD-2-Clause
// A session's flows: what the dataplane is told of them, and what it says.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "dp_client.h"
#include "session.h"

RR_BEGIN_DECLS

// Submit what the dataplane shall know of both legs, or of one. The job waits for the
// acknowledgements; NULL = nobody does. Returns 0 or the error of dp_client_submit; the truth stays
// as it is, and a later resync carries it over.
int session_tell(struct control *ctl, struct session *s, struct job *job);
int session_tell_leg(struct control *ctl, struct session *s, unsigned int leg, struct job *job);
// The same for a resync, with the deletes of retired pairs sent again.
int session_tell_again(struct control *ctl, struct session *s);
// The deletes of retired pairs that were not submitted yet.
int session_tell_retired(struct control *ctl, struct session *s, struct job *job);

// Counters of one flow of a leg since the session was made: base, retired pairs and current ports.
void session_flow_totals(struct control *ctl, const struct session *s, unsigned int leg,
	unsigned int flow, struct rr_flow_totals *totals);

// Read what the region knows about a session's sources; with `keep_counters` the counters, too, are
// added to the base, because the region is about to be left; marking the session is the caller's
// then.
void session_capture(struct control *ctl, struct session *s, bool keep_counters);

// The dataplane says what a flow learned.
void session_learn(struct control *ctl, const struct dp_local *local, const struct rr_event *event);

// Add the counters of a pair that is about to be given up to the leg's base.
void session_add_to_base(
	struct control *ctl, struct session *s, unsigned int leg, const struct session_pair *pair);

RR_END_DECLS
