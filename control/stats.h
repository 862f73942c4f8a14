// SPDX-License-Identifier: BSD-2-Clause
// The counters of `G`, and those of control itself, by the table in common/control_counters.h.
//
// Counters of ended sessions are added up when their last flow is deleted. Packet totals are the
// dataplane's own counters, added to what earlier regions counted, so that reading them costs the
// same at any number of calls; they never go back. All of it is stored with every commit.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "control_counters.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct control;
struct rr_region;
struct session;
struct rr_store_meta;

enum stats_counter {
#define STATS_ENUM(id, kind, help) STATS_##id,
	RR_CONTROL_COUNTERS(STATS_ENUM)
#undef STATS_ENUM
		STATS_N
};

struct stats {
	uint64_t counter[STATS_N];
	uint64_t base[STATS_N]; // counted by earlier processes
	uint64_t unsettled[STATS_N]; // of counter, what an unacknowledged command may yet take back
	double pps_in;
	uint64_t pps_rcvd; // npkts_rcvd at the last second
	uint64_t pps_ns;
};

static inline void stats_add(struct stats *st, enum stats_counter which, uint64_t n) {
	st->counter[which] += n;
}

// What was counted did not come to be. Counted at once and taken back rather than counted late, so
// that each commit holds figures that fit the sessions in it.
static inline void stats_take_back(struct stats *st, enum stats_counter which) {
	st->counter[which]--;
}

void stats_load(struct stats *st, const struct rr_store_meta *meta);
void stats_save(const struct stats *st, struct rr_store_meta *meta);

// Bring in what the parts of control count for themselves.
void stats_collect(struct control *ctl);

// Look through the commands under way for what they counted and may take back, so that what is
// shown never goes back. Before a value is shown.
void stats_look_for_unsettled(struct control *ctl);

// Bring the dataplane's totals in. Costs a few cache lines a worker.
void stats_read_region(struct stats *st, const struct rr_region *region);
// Once a second: pps_in.
void stats_tick(struct stats *st, uint64_t now_ns);

// The last counters of a session whose flows are gone.
void stats_session_over(struct control *ctl, const struct session *s);

// A counter without what may yet be taken back.
static inline uint64_t stats_settled(const struct stats *st, enum stats_counter which) {
	return st->counter[which] - st->unsettled[which];
}

// Value of a `G` counter as text. Returns its length, or -ENOENT for an unknown name.
int stats_format(const struct stats *st, struct slice name, char *buf, size_t size);

RR_END_DECLS
