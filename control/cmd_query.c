// SPDX-License-Identifier: BSD-2-Clause
// Q: counters of one session; protocol reference 5.7.
#include "command.h"
#include "rtpp_parse.h"
#include "session_flow.h"
#include "session_match.h"

// What the counters are computed from. "ina" is the leg that the tags select, "ino" the other one.
struct figures {
	uint32_t ttl_s;
	struct rr_flow_totals in;
	struct rr_flow_totals out;
};

static void show_ttl(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->ttl_s);
}

static void show_npkts_ina(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_packets);
}

static void show_npkts_ino(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->out.n_packets);
}

static void show_nrelayed(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(
		r, f->in.n_packets - f->in.n_dropped + f->out.n_packets - f->out.n_dropped);
}

static void show_ndropped(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_dropped + f->out.n_dropped);
}

static void show_longest_ipi(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_printf(r, "%f", f->in.longest_gap_s);
}

static void show_nsent(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_sent);
}

static void show_nrcvd(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_received);
}

static void show_ndups(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_duplicates);
}

static void show_nlost(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_lost);
}

static void show_perrs(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_number(r, f->in.n_parse_errors);
}

static void show_jlast(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_printf(r, "%f", f->in.jitter_last);
}

static void show_jmax(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_printf(r, "%f", f->in.jitter_max);
}

static void show_javg(struct rtpp_reply *r, const struct figures *f) {
	rtpp_reply_printf(r, "%f", f->in.jitter_mean);
}

struct counter {
	const char *name;
	void (*show)(struct rtpp_reply *r, const struct figures *f);
};

// The first five are what a query without names answers.
#define N_BRIEF 5
static const struct counter counters[] = {
	{"ttl", show_ttl},
	{"npkts_ina", show_npkts_ina},
	{"npkts_ino", show_npkts_ino},
	{"nrelayed", show_nrelayed},
	{"ndropped", show_ndropped},
	{"longest_ipi", show_longest_ipi},
	{"rtpa_nsent", show_nsent},
	{"rtpa_nrcvd", show_nrcvd},
	{"rtpa_ndups", show_ndups},
	{"rtpa_nlost", show_nlost},
	{"rtpa_perrs", show_perrs},
	{"rtpa_jlast", show_jlast},
	{"rtpa_jmax", show_jmax},
	{"rtpa_javg", show_javg},
};

static const struct counter *find_counter(struct slice name) {
	for (unsigned int i = 0; i < RR_ARRAY_LEN(counters); i++)
		if (slice_is(name, counters[i].name))
			return &counters[i];
	return NULL;
}

static void show(struct exec *x, unsigned int index, const struct counter *counter,
	const struct figures *f) {
	if (index > 0)
		rtpp_reply_printf(x->reply, " ");
	if (x->cmd->verbose)
		rtpp_reply_printf(x->reply, "%s=", counter->name);
	counter->show(x->reply, f);
}

static enum rtpp_error show_all(struct exec *x, const struct figures *f) {
	if (x->cmd->n_counters == 0) {
		for (unsigned int i = 0; i < N_BRIEF; i++)
			show(x, i, &counters[i], f);
		return RTPP_OK;
	}
	for (unsigned int i = 0; i < x->cmd->n_counters; i++) {
		const struct counter *counter = find_counter(x->cmd->counter[i]);

		if (!counter)
			return RTPP_E_QUERY_COUNTER;
		show(x, i, counter, f);
	}
	return RTPP_OK;
}

enum rtpp_error cmd_query(struct exec *x) {
	struct session_match match = exec_match(x);
	struct session *s = match.session;
	struct figures f;
	enum rtpp_error error;

	if (!s)
		return RTPP_E_NO_SESSION;
	if (x->cmd->query_mod_unknown)
		return RTPP_E_QUERY_MOD;
	f.ttl_s = expiry_ttl(x->ctl, s);
	session_flow_totals(x->ctl, s, match.party, SESSION_RTP, &f.in);
	session_flow_totals(x->ctl, s, !match.party, SESSION_RTP, &f.out);
	error = show_all(x, &f);
	if (error != RTPP_OK)
		return error;
	subcommands_run(x, s, match.party);
	return RTPP_OK;
}
