// SPDX-License-Identifier: BSD-2-Clause
// Writing a session as a row of the store, and making one from such a row.
#include "session_store.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "control.h"
#include "log.h"
#include "port_alloc.h"
#include "session.h"
#include "session_record.h"
#include "store.h"

#define N_BASES (SESSION_N_LEGS * SESSION_N_FLOWS)

static struct slice record_text(
	const struct rr_config *cfg, const struct session *s, unsigned int which) {
	const char *name;

	switch (which) {
	case RR_RECORD_CALLID:
		return session_callid(s);
	case RR_RECORD_REALM_CALLEE:
	case RR_RECORD_REALM_CALLER:
		name = cfg->realm[s->leg[which - RR_RECORD_REALM_CALLEE].local.realm].name;
		return (struct slice){.p = name, .len = strlen(name)};
	default:
		return session_text(s, (enum session_text)(which - RR_RECORD_FROM_TAG));
	}
}

static uint32_t n_retired(const struct session *s) {
	uint32_t n = 0;

	for (const struct session_retired *r = s->retired; r; r = r->next)
		n++;
	return n < RR_RECORD_MAX_RETIRED ? n : RR_RECORD_MAX_RETIRED;
}

// The counters of former ports, or zeros.
static const struct rr_flow_totals *base_of(const struct session *s, unsigned int i) {
	static const struct rr_flow_totals none;
	const struct rr_flow_totals *base = s->leg[i / SESSION_N_FLOWS].base;

	return base ? &base[i % SESSION_N_FLOWS] : &none;
}

// Most calls keep the ports they got, and have none.
static unsigned int n_bases(const struct session *s) {
	static const struct rr_flow_totals none;

	for (unsigned int i = 0; i < N_BASES; i++)
		if (memcmp(base_of(s, i), &none, sizeof(none)) != 0)
			return N_BASES;
	return 0;
}

size_t session_store_size(const struct rr_config *cfg, const struct session *s) {
	size_t size = sizeof(struct rr_session_record) +
		      n_retired(s) * sizeof(struct rr_session_record_retired) +
		      n_bases(s) * sizeof(struct rr_flow_totals);

	for (unsigned int i = 0; i < RR_RECORD_N_TEXTS; i++)
		size += record_text(cfg, s, i).len;
	return size;
}

static void write_pair(const struct rr_config *cfg, const struct session_pair *pair,
	struct rr_session_record_pair *out) {
	const struct rr_shm_addr *addr = &cfg->addr[pair->addr];

	if (pair->uid == 0)
		return;
	out->uid = pair->uid;
	out->local.family = addr->family;
	out->local.port_be = htons(pair->port);
	memcpy(out->local.addr, addr->addr, sizeof(addr->addr));
}

static uint16_t leg_flags(const struct session_leg *leg) {
	return (uint16_t)((leg->asymmetric ? RR_RECORD_LEG_ASYMMETRIC : 0) |
			  (leg->weak ? RR_RECORD_LEG_WEAK : 0) |
			  (leg->on_hold ? RR_RECORD_LEG_ON_HOLD : 0) |
			  (leg->ttl_told ? RR_RECORD_LEG_TTL_TOLD : 0) |
			  (leg->local.exact ? RR_RECORD_LEG_EXACT : 0) |
			  (leg->local.shown ? RR_RECORD_LEG_SHOWN : 0));
}

static void write_leg(const struct rr_config *cfg, const struct session_leg *leg,
	struct rr_session_record_leg *out) {
	*out = (struct rr_session_record_leg){
		.signalled = leg->signalled,
		.refreshed_ns = leg->refreshed_ns,
		.version = leg->version,
		.ttl_s = leg->ttl_s,
		.resize_ms = leg->resize_ms,
		.n_holds = leg->n_holds,
		.family = leg->local.family,
		.tos = leg->tos,
		.flags = leg_flags(leg),
	};
	write_pair(cfg, &leg->pair, &out->pair);
	if (leg->local.exact) {
		out->exact.family = cfg->addr[leg->local.addr].family;
		memcpy(out->exact.addr, cfg->addr[leg->local.addr].addr, sizeof(out->exact.addr));
	}
	for (unsigned int i = 0; i < SESSION_N_FLOWS; i++)
		out->learned[i] = (struct rr_session_record_learned){
			.remote = leg->learned[i].remote,
			.latch_ssrc = leg->learned[i].latch_ssrc,
			.latch_seq = leg->learned[i].latch_seq,
			.flags = leg->learned[i].flags,
		};
}

static char *write_retired(const struct rr_config *cfg, const struct session *s, char *p) {
	uint32_t n = n_retired(s);
	const struct session_retired *r = s->retired;

	for (uint32_t i = 0; i < n; i++, r = r->next) {
		struct rr_session_record_retired out = {.leg = r->leg};

		write_pair(cfg, &r->pair, &out.pair);
		memcpy(p, &out, sizeof(out));
		p += sizeof(out);
	}
	return p;
}

static char *write_bases(const struct session *s, unsigned int n, char *p) {
	for (unsigned int i = 0; i < n; i++) {
		memcpy(p, base_of(s, i), sizeof(struct rr_flow_totals));
		p += sizeof(struct rr_flow_totals);
	}
	return p;
}

void session_store_write(const struct rr_config *cfg, const struct session *s, void *record) {
	struct rr_session_record fixed = {
		.layout = RR_SESSION_RECORD_LAYOUT,
		.flags = (s->state == SESSION_LIVE ? 0 : RR_RECORD_ENDING) |
			 (s->strong ? RR_RECORD_STRONG : 0) |
			 (s->was_complete ? RR_RECORD_WAS_COMPLETE : 0),
		.id = s->id,
		.created_ns = s->created_ns,
		.created_unix_ms = s->created_unix_ms,
		.notify_local_be = s->notify_local_be,
		.owner_port = s->owner_port,
		.n_retired = (uint8_t)n_retired(s),
		.n_bases = (uint8_t)n_bases(s),
	};
	char *p = (char *)record + sizeof(fixed);

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		write_leg(cfg, &s->leg[i], &fixed.leg[i]);
	p = write_retired(cfg, s, p);
	p = write_bases(s, fixed.n_bases, p);
	for (unsigned int i = 0; i < RR_RECORD_N_TEXTS; i++) {
		struct slice text = record_text(cfg, s, i);

		fixed.text_len[i] = (uint16_t)text.len;
		if (text.len > 0)
			memcpy(p, text.p, text.len);
		p += text.len;
	}
	memcpy(record, &fixed, sizeof(fixed));
}

// ---- from the store
// ------------------------------------------------------------------------------

static struct slice slice_of(const struct rr_text *text) {
	return (struct slice){.p = text->p, .len = text->len};
}

// Ports of a stored pair, taken again for s.
static int load_pair(struct control *ctl, struct session *s,
	const struct rr_session_record_pair *in, struct session_pair *pair) {
	uint16_t port = ntohs(in->local.port_be);
	int addr, ret;

	*pair = (struct session_pair){.uid = 0};
	if (in->local.family == RR_FAMILY_NONE)
		return 0;
	if (in->uid == 0)
		return -EPROTO;
	addr = rr_config_find_addr(ctl->cfg, &in->local);
	if (addr < 0)
		return -EADDRNOTAVAIL;
	ret = port_alloc_take_specific(ctl->ports, (uint32_t)addr, port);
	if (ret == -ERANGE)
		return -EADDRNOTAVAIL;
	if (ret < 0)
		return ret;
	*pair = (struct session_pair){.uid = in->uid, .addr = (uint16_t)addr, .port = port};
	return session_index_set_pair(&ctl->index, pair->addr, port, s);
}

// The realm of that name, else the one that the leg's ports belong to, else the first.
static uint16_t find_realm(
	const struct rr_config *cfg, const struct rr_text *name, const struct session_pair *pair) {
	int known = realm_find_label(cfg, slice_of(name));

	if (known >= 0)
		return (uint16_t)known;
	return pair->uid != 0 ? cfg->addr[pair->addr].realm : 0;
}

static void load_local(const struct rr_config *cfg, const struct rr_session_record_leg *in,
	const struct rr_text *realm, struct session_leg *leg) {
	int exact = in->flags & RR_RECORD_LEG_EXACT ? rr_config_find_addr(cfg, &in->exact) : -1;

	leg->local = (struct session_local){
		.realm = find_realm(cfg, realm, &leg->pair),
		.family = in->family,
		.exact = exact >= 0,
		.shown = in->flags & RR_RECORD_LEG_SHOWN,
		.addr = exact >= 0 ? (uint16_t)exact : 0,
	};
}

// A time of another boot is moved so that as much of it is past as was then.
static uint64_t load_time(const struct control *ctl, uint64_t ns) {
	uint64_t moved_ns = ns + store_rebase_ns(ctl->store);

	return moved_ns < ctl->now_ns || moved_ns > UINT64_MAX / 2 ? moved_ns : ctl->now_ns;
}

static int load_leg(struct control *ctl, struct session *s, const struct rr_session_record_leg *in,
	const struct rr_text *realm, struct session_leg *leg) {
	int ret = load_pair(ctl, s, &in->pair, &leg->pair);

	if (ret < 0)
		return ret;
	load_local(ctl->cfg, in, realm, leg);
	leg->signalled = in->signalled;
	leg->refreshed_ns = load_time(ctl, in->refreshed_ns);
	leg->version = in->version;
	leg->ttl_s = in->ttl_s;
	leg->resize_ms = in->resize_ms;
	leg->n_holds = in->n_holds;
	leg->tos = in->tos;
	leg->asymmetric = in->flags & RR_RECORD_LEG_ASYMMETRIC;
	leg->weak = in->flags & RR_RECORD_LEG_WEAK;
	leg->on_hold = in->flags & RR_RECORD_LEG_ON_HOLD;
	leg->ttl_told = in->flags & RR_RECORD_LEG_TTL_TOLD;
	for (unsigned int i = 0; i < SESSION_N_FLOWS; i++)
		leg->learned[i] = (struct session_learned){
			.remote = in->learned[i].remote,
			.latch_ssrc = in->learned[i].latch_ssrc,
			.latch_seq = in->learned[i].latch_seq,
			.flags = in->learned[i].flags,
		};
	return 0;
}

static int load_retired(
	struct control *ctl, struct session *s, const struct rr_session_record_view *view) {
	for (unsigned int i = 0; i < view->fixed->n_retired; i++) {
		const struct rr_session_record_retired *in = &view->retired[i];
		struct session_retired *r = (struct session_retired *)calloc(1, sizeof(*r));
		int ret;

		if (!r)
			return -ENOMEM;
		r->leg = in->leg & 1;
		r->next = s->retired;
		s->retired = r;
		ret = load_pair(ctl, s, &in->pair, &r->pair);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int load_bases(struct session *s, const struct rr_session_record_view *view) {
	static const struct rr_flow_totals none[SESSION_N_FLOWS];
	size_t size = sizeof(none);

	for (unsigned int i = 0; i < view->fixed->n_bases / SESSION_N_FLOWS; i++) {
		const struct rr_flow_totals *in = view->bases + (size_t)i * SESSION_N_FLOWS;

		if (memcmp(in, none, size) == 0)
			continue;
		s->leg[i].base = (struct rr_flow_totals *)malloc(size);
		if (!s->leg[i].base)
			return -ENOMEM;
		memcpy(s->leg[i].base, in, size);
	}
	return 0;
}

static int load_texts(struct session *s, const struct rr_session_record_view *view) {
	struct slice text[SESSION_N_TEXTS];

	for (unsigned int i = 0; i < SESSION_N_TEXTS; i++)
		text[i] = slice_of(&view->text[RR_RECORD_FROM_TAG + i]);
	return session_set_texts(s, text);
}

static int load_all(
	struct control *ctl, struct session *s, const struct rr_session_record_view *view) {
	int ret = load_texts(s, view);

	if (ret == 0)
		ret = session_index_add(&ctl->index, s, slice_of(&view->text[RR_RECORD_CALLID]));
	for (unsigned int i = 0; ret == 0 && i < SESSION_N_LEGS; i++)
		ret = load_leg(ctl, s, &view->fixed->leg[i],
			&view->text[RR_RECORD_REALM_CALLEE + i], &s->leg[i]);
	if (ret == 0)
		ret = load_retired(ctl, s, view);
	if (ret == 0)
		ret = load_bases(s, view);
	return ret;
}

static void undo_load(struct control *ctl, struct session *s) {
	for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
		session_give_back(ctl, &s->leg[i].pair);
	for (struct session_retired *r = s->retired; r; r = r->next)
		session_give_back(ctl, &r->pair);
	session_free(ctl, s);
}

int session_store_load(struct control *ctl, const void *record, size_t size) {
	struct rr_session_record_view view;
	const struct rr_session_record *fixed;
	struct session *s;
	int ret = rr_session_record_view(&view, record, size);

	if (ret < 0)
		return ret;
	fixed = view.fixed;
	s = (struct session *)calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->id = fixed->id;
	s->created_ns = load_time(ctl, fixed->created_ns);
	s->created_unix_ms = fixed->created_unix_ms;
	s->notify_local_be = fixed->notify_local_be;
	s->owner_port = fixed->owner_port;
	s->strong = fixed->flags & RR_RECORD_STRONG;
	s->was_complete = fixed->flags & RR_RECORD_WAS_COMPLETE;
	ret = load_all(ctl, s, &view);
	if (ret < 0) {
		undo_load(ctl, s);
		return ret;
	}
	if (fixed->flags & RR_RECORD_ENDING) {
		s->state = SESSION_ENDING;
		session_index_hide(&ctl->index, s);
	} else if (s->id < ctl->stats.counter[STATS_cleared_below]) {
		session_end_untold(ctl, s); // by an `X` that was not brought to its end
	} else {
		expiry_arm(ctl, s);
	}
	return 0;
}
