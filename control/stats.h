// SPDX-License-Identifier: BSD-2-Clause
// The counters of `G`, and those of control itself, as one table.
//
// Counters of ended sessions are added up when their last flow is deleted. Packet totals are the
// dataplane's own counters, added to what earlier regions counted, so that reading them costs the
// same at any number of calls; they never go back. All of it is stored with every commit.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct control;
struct rr_region;
struct session;
struct rr_store_meta;

// X(identifier, `G` knows it, help)
#define STATS(X) \
	X(nsess_created, 1, "sessions made") \
	X(nsess_destroyed, 1, "sessions ended") \
	X(nsess_timeout, 1, "of those, by expiry") \
	X(nsess_complete, 1, "sessions that got ports on both legs") \
	X(nsess_nortp, 1, "complete sessions that ended without any RTP") \
	X(nsess_owrtp, 1, "complete sessions with RTP one way only") \
	X(nsess_nortcp, 1, "complete sessions that ended without any RTCP") \
	X(nsess_owrtcp, 1, "complete sessions with RTCP one way only") \
	X(nplrs_created, 1, "prompt players started") \
	X(nplrs_destroyed, 1, "prompt players ended") \
	X(npkts_rcvd, 1, "datagrams received on complete sessions") \
	X(npkts_played, 1, "datagrams made by players") \
	X(npkts_relayed, 1, "datagrams relayed") \
	X(npkts_resizer_in, 1, "packets taken by the re-packetiser") \
	X(npkts_resizer_out, 1, "packets made by it") \
	X(npkts_resizer_discard, 1, "packets it dropped as late") \
	X(npkts_discard, 1, "datagrams rejected, dropped or drained") \
	X(ncmds_rcvd, 1, "commands run") \
	X(ncmds_rcvd_ndups, 1, "commands answered from the cache") \
	X(ncmds_succd, 1, "commands that succeeded") \
	X(ncmds_errs, 1, "commands that failed") \
	X(ncmds_repld, 1, "replies sent") \
	X(rtpa_nsent, 1, "RTP packets sent, by sequence number, of ended sessions") \
	X(rtpa_nrcvd, 1, "distinct RTP packets received, of ended sessions") \
	X(rtpa_ndups, 1, "duplicates, of ended sessions") \
	X(rtpa_nlost, 1, "lost packets, of ended sessions") \
	X(rtpa_perrs, 1, "datagrams that are no RTP, of ended sessions") \
	X(duration_ns, 0, "length of all ended sessions; total_duration of `G`") \
	X(store_full, 0, "commands refused because the store was full") \
	X(no_ports, 0, "commands refused because no port was left") \
	X(dp_silent, 0, "commands refused because the dataplane did not acknowledge") \
	X(graced, 0, "sessions whose expiry was put off after a restart") \
	X(dp_region, 0, "region whose counters were read last") \
	X(dp_rcvd, 0, "received packets counted by it") \
	X(dp_relayed, 0, "relayed packets counted by it") \
	X(dp_discard, 0, "discarded packets counted by it")

enum stats_counter {
#define STATS_ENUM(id, g, help) STATS_##id,
	STATS(STATS_ENUM)
#undef STATS_ENUM
		STATS_N
};

struct stats {
	uint64_t counter[STATS_N];
	uint64_t ndups_base; // duplicates counted by earlier processes
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

const char *stats_name(enum stats_counter which);

// Bring the dataplane's totals in. Costs a few cache lines a worker.
void stats_read_region(struct stats *st, const struct rr_region *region);
// Once a second: pps_in.
void stats_tick(struct stats *st, uint64_t now_ns);

// The last counters of a session whose flows are gone.
void stats_session_over(struct control *ctl, const struct session *s);

// Value of a `G` counter as text. Returns its length, or -ENOENT for an unknown name.
int stats_format(const struct stats *st, struct slice name, char *buf, size_t size);

RR_END_DECLS
