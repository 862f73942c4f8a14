// SPDX-License-Identifier: BSD-2-Clause
// The counters of control, in the order in which the meta row of its store holds them.
//
// A row's place is its meaning in a store that an earlier version wrote: new ones go to the end.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

enum rr_control_counter_kind {
	RR_CONTROL_G, // command G knows it
	RR_CONTROL_OWN, // about control itself
	RR_CONTROL_HIDDEN, // what control remembers for itself; says nothing to anybody else
};

// X(identifier, enum rr_control_counter_kind, help)
#define RR_CONTROL_COUNTERS(X) \
	X(nsess_created, RR_CONTROL_G, "sessions made") \
	X(nsess_destroyed, RR_CONTROL_G, "sessions ended") \
	X(nsess_timeout, RR_CONTROL_G, "of those, by expiry") \
	X(nsess_complete, RR_CONTROL_G, "sessions that got ports on both legs") \
	X(nsess_nortp, RR_CONTROL_G, "complete sessions that ended without any RTP") \
	X(nsess_owrtp, RR_CONTROL_G, "complete sessions with RTP one way only") \
	X(nsess_nortcp, RR_CONTROL_G, "complete sessions that ended without any RTCP") \
	X(nsess_owrtcp, RR_CONTROL_G, "complete sessions with RTCP one way only") \
	X(nplrs_created, RR_CONTROL_G, "prompt players started") \
	X(nplrs_destroyed, RR_CONTROL_G, "prompt players ended") \
	X(npkts_rcvd, RR_CONTROL_G, "datagrams received on complete sessions") \
	X(npkts_played, RR_CONTROL_G, "datagrams made by players") \
	X(npkts_relayed, RR_CONTROL_G, "datagrams relayed") \
	X(npkts_resizer_in, RR_CONTROL_G, "packets taken by the re-packetiser") \
	X(npkts_resizer_out, RR_CONTROL_G, "packets made by it") \
	X(npkts_resizer_discard, RR_CONTROL_G, "packets it dropped as late") \
	X(npkts_discard, RR_CONTROL_G, "datagrams rejected, dropped or drained") \
	X(ncmds_rcvd, RR_CONTROL_G, "commands run") \
	X(ncmds_rcvd_ndups, RR_CONTROL_G, "commands answered from the cache") \
	X(ncmds_succd, RR_CONTROL_G, "commands that succeeded") \
	X(ncmds_errs, RR_CONTROL_G, "commands that failed") \
	X(ncmds_repld, RR_CONTROL_G, "replies sent") \
	X(rtpa_nsent, RR_CONTROL_G, "RTP packets sent, by sequence number, of ended sessions") \
	X(rtpa_nrcvd, RR_CONTROL_G, "distinct RTP packets received, of ended sessions") \
	X(rtpa_ndups, RR_CONTROL_G, "duplicates, of ended sessions") \
	X(rtpa_nlost, RR_CONTROL_G, "lost packets, of ended sessions") \
	X(rtpa_perrs, RR_CONTROL_G, "datagrams that are no RTP, of ended sessions") \
	X(duration_ns, RR_CONTROL_OWN, "length of all ended sessions; total_duration of `G`") \
	X(store_full, RR_CONTROL_OWN, "commands refused because the store was full") \
	X(no_ports, RR_CONTROL_OWN, "commands refused because no port was left") \
	X(dp_silent, RR_CONTROL_OWN, "commands refused because the dataplane did not acknowledge") \
	X(graced, RR_CONTROL_OWN, "sessions whose expiry was put off after a restart") \
	X(dp_region, RR_CONTROL_HIDDEN, "region whose counters were read last") \
	X(dp_rcvd, RR_CONTROL_HIDDEN, "received packets counted by it") \
	X(dp_relayed, RR_CONTROL_HIDDEN, "relayed packets counted by it") \
	X(dp_discard, RR_CONTROL_HIDDEN, "discarded packets counted by it") \
	X(dp_requests_sent, RR_CONTROL_OWN, "requests put into a ring") \
	X(dp_replies, RR_CONTROL_OWN, "requests answered") \
	X(dp_replies_refused, RR_CONTROL_OWN, "requests answered with an error") \
	X(dp_replies_stale, RR_CONTROL_OWN, "replies to what an earlier control asked") \
	X(dp_events, RR_CONTROL_OWN, "events taken") \
	X(dp_events_unknown, RR_CONTROL_OWN, \
		"events about no flow of ours, or with a field out of range") \
	X(dp_ring_full, RR_CONTROL_OWN, "times that a request ring had no room") \
	X(dp_ring_broken, RR_CONTROL_OWN, "times that a ring index was out of range") \
	X(dp_queue_full, RR_CONTROL_OWN, "requests dropped, too many waited; a resync follows") \
	X(dp_not_attached, RR_CONTROL_OWN, "requests refused because there is no region") \
	X(dp_timeouts, RR_CONTROL_OWN, "commands that were not acknowledged in time") \
	X(dp_generations, RR_CONTROL_OWN, "dataplane generations followed") \
	X(dp_regions, RR_CONTROL_OWN, "regions attached") \
	X(dp_strays, RR_CONTROL_OWN, "flows without a session deleted") \
	X(connections, RR_CONTROL_OWN, "stream connections taken") \
	X(connections_refused, RR_CONTROL_OWN, "stream connections closed at once") \
	X(replies_dropped, RR_CONTROL_OWN, "replies that the kernel would not take") \
	X(held_dropped, RR_CONTROL_OWN, "stored replies dropped, too many waited") \
	X(cookies_evicted, RR_CONTROL_OWN, "replies forgotten before their time") \
	X(ports_early, RR_CONTROL_OWN, "port pairs used again before their rest was over") \
	X(ports_refused, RR_CONTROL_OWN, "port pairs asked of an address that had none left") \
	X(cookies, RR_CONTROL_OWN, "replies kept for repeated commands, now") \
	X(ports_free, RR_CONTROL_OWN, "port pairs free now, of all addresses") \
	X(ports_resting, RR_CONTROL_OWN, "port pairs resting now") \
	X(ports_taken, RR_CONTROL_OWN, "port pairs in use now") \
	X(connections_displaced, RR_CONTROL_OWN, \
		"stream connections closed in favour of a client that had fewer") \
	X(notices_sent, RR_CONTROL_OWN, "timeout notices handed to their target") \
	X(notices_unreachable, RR_CONTROL_OWN, "notices given up, nobody took the connection") \
	X(notices_broken, RR_CONTROL_OWN, "notices given up, too many connections broke off") \
	X(notices_dropped, RR_CONTROL_OWN, "notices given up, too many waited") \
	X(notices_not_permitted, RR_CONTROL_OWN, "notice targets that `notify` does not permit") \
	X(notices_waiting, RR_CONTROL_OWN, "notices on their way now") \
	X(cleared_below, RR_CONTROL_HIDDEN, "sessions with a lower id are over: `X` came") \
	X(admission, RR_CONTROL_HIDDEN, "enum rr_admission") \
	X(program, RR_CONTROL_HIDDEN, "start of the supervisor whose worker wrote this") \
	X(closed_refused, RR_CONTROL_OWN, "new sessions refused by a pause or slow shutdown") \
	X(overload_refused, RR_CONTROL_OWN, "new sessions refused because of overload") \
	X(overloads, RR_CONTROL_OWN, "times that overload began") \
	X(overloaded, RR_CONTROL_OWN, "1 while there is overload, now") \
	X(load_pct, RR_CONTROL_OWN, "percent of its time that the busiest thread works, now") \
	X(shm_clients, RR_CONTROL_OWN, "clients given shared memory") \
	X(shm_clients_refused, RR_CONTROL_OWN, "clients of shared memory closed at once") \
	X(shm_clients_broken, RR_CONTROL_OWN, \
		"clients closed because their shared memory said what cannot be") \
	X(shm_clients_unread, RR_CONTROL_OWN, "clients closed because they left replies unread") \
	X(shm_clients_over_share, RR_CONTROL_OWN, \
		"clients of shared memory closed at once, their user has its share")

// Are new sessions taken?
enum rr_admission {
	RR_ADMISSION_OPEN,
	RR_ADMISSION_PAUSED,
	RR_ADMISSION_DRAINING, // and the program ends with the last session
	RR_ADMISSION_N
};

static inline const char *rr_admission_name(uint64_t admission) {
	static const char *const name[RR_ADMISSION_N] = {"open", "paused", "draining"};

	return admission < RR_ADMISSION_N ? name[admission] : "unknown";
}

RR_END_DECLS
