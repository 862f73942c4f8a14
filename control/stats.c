// SPDX-License-Identifier: BSD-2-Clause
// The counters of `G`, and those of control itself.
#include "stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "atomic.h"
#include "clock.h"
#include "control.h"
#include "listener.h"
#include "port_alloc.h"
#include "retrans.h"
#include "session_change.h"
#include "session_flow.h"
#include "session_record.h"
#include "shm_region.h"

RR_STATIC_ASSERT((int)STATS_N <= RR_STORE_COUNTERS, "the store has room for them");

static const struct {
	const char *name;
	enum rr_control_counter_kind kind;
} table[STATS_N] = {
#define STATS_ROW(id, kind, help) {#id, kind},
	RR_CONTROL_COUNTERS(STATS_ROW)
#undef STATS_ROW
};

void stats_load(struct stats *st, const struct rr_store_meta *meta) {
	*st = (struct stats){.pps_in = 0};
	memcpy(st->counter, meta->counters, sizeof(st->counter));
	memcpy(st->base, st->counter, sizeof(st->base));
	st->pps_rcvd = st->counter[STATS_npkts_rcvd];
}

void stats_save(const struct stats *st, struct rr_store_meta *meta) {
	memcpy(meta->counters, st->counter, sizeof(st->counter));
}

// ---- the parts of control
// ------------------------------------------------------------------------------------------

// What a part has counted since this process began.
static void count_on(struct stats *st, enum stats_counter which, uint64_t n) {
	st->counter[which] = st->base[which] + n;
}

static void collect_dp_client(struct stats *st, const struct dp_client *dp) {
#define COLLECT(id, help) count_on(st, STATS_dp_##id, dp_client_counter(dp, DP_C_##id));
	DP_CLIENT_COUNTERS(COLLECT)
#undef COLLECT
}

static void collect_listeners(struct stats *st, const struct listener_stats *l) {
	count_on(st, STATS_connections, l->n_connections);
	count_on(st, STATS_connections_refused, l->n_refused);
	count_on(st, STATS_connections_displaced, l->n_displaced);
	count_on(st, STATS_shm_clients, l->n_shm_clients);
	count_on(st, STATS_shm_clients_refused, l->n_shm_refused);
	count_on(st, STATS_shm_clients_broken, l->n_shm_broken);
	count_on(st, STATS_shm_clients_unread, l->n_shm_unread);
	count_on(st, STATS_shm_clients_over_share, l->n_shm_over_share);
	count_on(st, STATS_replies_dropped, l->n_dropped_replies);
	count_on(st, STATS_held_dropped, l->n_dropped_held);
}

static void collect_retrans(struct stats *st, const struct retrans *retrans) {
	struct retrans_stats r;

	retrans_get_stats(retrans, &r);
	count_on(st, STATS_ncmds_rcvd_ndups, r.n_duplicates);
	count_on(st, STATS_cookies_evicted, r.n_evicted);
	st->counter[STATS_cookies] = r.n_entries;
}

static void collect_ports(struct stats *st, const struct port_alloc *ports) {
	struct port_alloc_stats total;

	port_alloc_get_total(ports, &total);
	st->counter[STATS_ports_free] = total.n_free;
	st->counter[STATS_ports_resting] = total.n_resting;
	st->counter[STATS_ports_taken] = total.n_taken;
	count_on(st, STATS_ports_early, total.n_taken_early);
	count_on(st, STATS_ports_refused, total.n_refused);
}

static void collect_outbox(struct stats *st, const struct outbox_stats *o) {
	count_on(st, STATS_notices_sent, o->n_sent);
	count_on(st, STATS_notices_unreachable, o->n_unreachable);
	count_on(st, STATS_notices_broken, o->n_broken);
	count_on(st, STATS_notices_dropped, o->n_dropped);
	count_on(st, STATS_notices_not_permitted, o->n_not_permitted);
	st->counter[STATS_notices_waiting] = o->n_waiting;
}

static void collect_load(struct stats *st, const struct load *load) {
	count_on(st, STATS_overloads, load->n_overloads);
	st->counter[STATS_overloaded] = load->overloaded;
	st->counter[STATS_load_pct] = (uint64_t)(load->mean * 100 + 0.5);
}

void stats_collect(struct control *ctl) {
	collect_dp_client(&ctl->stats, ctl->dp);
	collect_ports(&ctl->stats, ctl->ports);
	collect_outbox(&ctl->stats, &ctl->outbox.stats);
	collect_load(&ctl->stats, &ctl->load);
	if (ctl->retrans)
		collect_retrans(&ctl->stats, ctl->retrans);
	if (ctl->listener_stats)
		collect_listeners(&ctl->stats, ctl->listener_stats);
}

// ---- packets
// -------------------------------------------------------------------------------------

static uint64_t sum_counter(const struct rr_region *r, enum rr_counter which) {
	uint64_t sum = 0;

	for (uint32_t w = 0; w < r->n_workers; w++)
		for (uint32_t p = 0; p < r->n_ports; p++)
			sum += rr_load_relaxed(&r->workers[w].counters[p][which]);
	return sum;
}

// Add what a total of the region has grown by since it was read last.
static void follow(
	struct stats *st, enum stats_counter total, enum stats_counter seen, uint64_t now) {
	if (now > st->counter[seen])
		st->counter[total] += now - st->counter[seen];
	st->counter[seen] = now;
}

void stats_read_region(struct stats *st, const struct rr_region *r) {
	uint64_t relayed = sum_counter(r, RR_C_relayed_packets);
	uint64_t rejected = sum_counter(r, RR_C_drop_source_rejected);
	uint64_t no_remote = sum_counter(r, RR_C_drop_flow_no_remote);
	uint64_t drained = sum_counter(r, RR_C_drop_flow_incomplete);

	if (st->counter[STATS_dp_region] != r->region_id) {
		st->counter[STATS_dp_region] = r->region_id;
		st->counter[STATS_dp_rcvd] = 0;
		st->counter[STATS_dp_relayed] = 0;
		st->counter[STATS_dp_discard] = 0;
	}
	// Drained datagrams are discarded without having been received; protocol reference 9.1.
	follow(st, STATS_npkts_rcvd, STATS_dp_rcvd, relayed + rejected + no_remote);
	follow(st, STATS_npkts_relayed, STATS_dp_relayed, relayed);
	follow(st, STATS_npkts_discard, STATS_dp_discard, rejected + no_remote + drained);
}

void stats_tick(struct stats *st, uint64_t now_ns) {
	uint64_t rcvd = st->counter[STATS_npkts_rcvd];

	if (st->pps_ns != 0 && now_ns > st->pps_ns)
		st->pps_in = (double)(rcvd - st->pps_rcvd) * (double)RR_NS_PER_S /
			     (double)(now_ns - st->pps_ns);
	st->pps_rcvd = rcvd;
	st->pps_ns = now_ns;
}

// ---- sessions
// ------------------------------------------------------------------------------------

static void count_silence(struct stats *st, const uint64_t n_packets[SESSION_N_LEGS],
	enum stats_counter none, enum stats_counter one_way) {
	unsigned int n_silent = (n_packets[0] == 0) + (n_packets[1] == 0);

	if (n_silent == 2)
		stats_add(st, none, 1);
	else if (n_silent == 1)
		stats_add(st, one_way, 1);
}

void stats_session_over(struct control *ctl, const struct session *s) {
	struct stats *st = &ctl->stats;
	uint64_t n_rtp[SESSION_N_LEGS];
	uint64_t n_rtcp[SESSION_N_LEGS];

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++) {
		struct rr_flow_totals t;

		session_flow_totals(ctl, s, i, SESSION_RTCP, &t);
		n_rtcp[i] = t.n_packets;
		session_flow_totals(ctl, s, i, SESSION_RTP, &t);
		n_rtp[i] = t.n_packets;
		stats_add(st, STATS_rtpa_nsent, t.n_sent);
		stats_add(st, STATS_rtpa_nrcvd, t.n_received);
		stats_add(st, STATS_rtpa_ndups, t.n_duplicates);
		stats_add(st, STATS_rtpa_nlost, t.n_lost);
		stats_add(st, STATS_rtpa_perrs, t.n_parse_errors);
	}
	if (!s->was_complete)
		return;
	count_silence(st, n_rtp, STATS_nsess_nortp, STATS_nsess_owrtp);
	count_silence(st, n_rtcp, STATS_nsess_nortcp, STATS_nsess_owrtcp);
}

// ---- what a command under way may take back

static bool completes(const struct session_change *change) {
	bool after = change->sealed ? change->after.was_complete : change->session->was_complete;

	return after && !change->before.was_complete;
}

static void count_unsettled(struct stats *st, const struct job_list *jobs) {
	for (const struct job *job = jobs->first; job; job = job->next) {
		if (!job->change || job->change->state != CHANGE_OPEN)
			continue;
		st->unsettled[STATS_nsess_created] += job->change->is_new;
		st->unsettled[STATS_nsess_complete] += completes(job->change);
	}
}

void stats_look_for_unsettled(struct control *ctl) {
	struct stats *st = &ctl->stats;

	memset(st->unsettled, 0, sizeof(st->unsettled));
	count_unsettled(st, &ctl->turn);
	count_unsettled(st, &ctl->waiting);
	count_unsettled(st, &ctl->held);
	// The other way round: over, and not yet counted.
	st->unsettled[STATS_nsess_destroyed] -= ctl->clearance.n_left;
}

// ---- `G`
// -----------------------------------------------------------------------------------------

int stats_format(const struct stats *st, struct slice name, char *buf, size_t size) {
	if (slice_is(name, "total_duration"))
		return snprintf(buf, size, "%f",
			(double)st->counter[STATS_duration_ns] / (double)RR_NS_PER_S);
	if (slice_is(name, "pps_in"))
		return snprintf(buf, size, "%f", st->pps_in);
	for (unsigned int i = 0; i < STATS_N; i++)
		if (table[i].kind == RR_CONTROL_G && slice_is(name, table[i].name))
			return snprintf(buf, size, "%llu",
				(unsigned long long)stats_settled(st, (enum stats_counter)i));
	return -ENOENT;
}
