// SPDX-License-Identifier: BSD-2-Clause
// What U, L and the L sub-command change in a session; protocol reference 5.2.3.
#include "session_media.h"

#include <errno.h>
#include <string.h>

#include "admission.h"
#include "session_flow.h"
#include "store.h"

// Legs are asymmetric by default where the configuration says so, and in bridge mode (7.5).
static bool is_asymmetric(const struct rr_config *cfg, const struct rtpp_media *media) {
	if (media->asymmetric >= 0)
		return media->asymmetric != 0;
	return cfg->asymmetric || (cfg->bridge_internal >= 0 && !cfg->bridge_symmetric);
}

// What the SDP says of its own party's leg.
static enum rtpp_error set_party(
	struct exec *x, struct session *s, unsigned int party, const struct rtpp_media *media) {
	enum session_text codecs =
		party == SESSION_CALLER ? SESSION_CODECS_CALLER : SESSION_CODECS_CALLEE;
	struct slice list = media->codecs;

	if (!list.p)
		list = (struct slice){.p = "", .len = 0};
	if (session_set_text(s, codecs, list) < 0)
		return RTPP_E_NO_MEMORY;
	session_prefill(x->ctl, s, party, media);
	s->leg[party].asymmetric = is_asymmetric(x->ctl->cfg, media);
	s->leg[party].resize_ms = media->resize_ms;
	return RTPP_OK;
}

static enum rtpp_error ports_error(struct exec *x, int ret, enum rtpp_error error) {
	if (ret == -ENOMEM)
		return RTPP_E_NO_MEMORY;
	stats_add(&x->ctl->stats, STATS_no_ports, 1);
	return error;
}

// Give the selected leg its first ports, or with `n` others. *changed: it did.
static enum rtpp_error select_ports(struct exec *x, struct session *s, unsigned int selected,
	const struct rtpp_media *media, bool *changed) {
	struct session_leg *leg = &s->leg[selected];
	struct session_local before = leg->local;
	struct realm_choice choice;
	bool unbindable;
	enum rtpp_error error = realm_select(x->ctl->cfg, media, &choice, &unbindable);
	int ret;

	*changed = false;
	if (error != RTPP_OK)
		return error;
	if (leg->pair.uid != 0 && !media->new_port)
		return RTPP_OK;
	if (unbindable)
		return ports_error(x, -EADDRNOTAVAIL, RTPP_E_NO_PORT_LEG);
	realm_for_leg(x->ctl->cfg, &choice, leg->pair.uid != 0, &leg->local);
	ret = session_take_ports(x->ctl, s, selected);
	if (ret < 0) {
		leg->local = before;
		return ports_error(x, ret, RTPP_E_NO_PORT_LEG);
	}
	*changed = true;
	return RTPP_OK;
}

static void tell(struct exec *x, struct session *s, unsigned int party, bool ports_changed) {
	int ret = ports_changed ? session_tell(x->ctl, s, x->job)
				: session_tell_leg(x->ctl, s, party, x->job);

	if (ret < 0)
		x->job->failed = true;
}

enum rtpp_error media_apply(
	struct exec *x, struct session *s, unsigned int selected, const struct rtpp_media *media) {
	unsigned int party = !selected;
	bool ports_changed;
	enum rtpp_error error = exec_open_change(x, s, false);

	if (error == RTPP_OK)
		error = select_ports(x, s, selected, media, &ports_changed);
	if (error != RTPP_OK)
		return error;
	exec_changes(x);
	session_touch(x->ctl, s);
	error = set_party(x, s, party, media);
	if (error != RTPP_OK) {
		x->job->failed = true;
		return error;
	}
	session_refresh(x->ctl, s);
	tell(x, s, party, ports_changed);
	return RTPP_OK;
}

static enum rtpp_error check_new(struct exec *x) {
	struct control *ctl = x->ctl;
	enum rtpp_error error = admission_ask(ctl);

	if (error != RTPP_OK)
		return error;
	if (!store_has_room(ctl->store)) {
		stats_add(&ctl->stats, STATS_store_full, 1);
		return RTPP_E_NO_PORT_NEW;
	}
	// Those that are over do not count, even while their flows and ports are still there.
	if (control_n_live(ctl) >= ctl->cfg->max_sessions)
		return ports_error(x, -ENOSPC, RTPP_E_NO_PORT_NEW);
	return RTPP_OK;
}

enum rtpp_error media_new_session(struct exec *x, struct session **out) {
	const struct rtpp_media *media = &x->cmd->media;
	struct session_params params = {
		.callid = x->cmd->callid,
		.from_tag = x->cmd->from_tag,
	};
	struct realm_choice choice;
	bool unbindable;
	enum rtpp_error error = realm_select(x->ctl->cfg, media, &choice, &unbindable);
	int ret;

	if (error == RTPP_OK)
		error = check_new(x);
	if (error != RTPP_OK)
		return error;
	if (unbindable)
		return ports_error(x, -EADDRNOTAVAIL, RTPP_E_NO_PORT_NEW);
	realm_for_new(x->ctl->cfg, &choice, params.local);
	ret = session_new(x->ctl, &params, out);
	if (ret < 0)
		return ports_error(x, ret, RTPP_E_NO_PORT_NEW);
	exec_changes(x);
	// The daemon's default holds for the callee's side until its own SDP comes.
	(*out)->leg[SESSION_CALLEE].asymmetric =
		is_asymmetric(x->ctl->cfg, &(struct rtpp_media){.asymmetric = -1});
	error = exec_open_change(x, *out, true);
	if (error != RTPP_OK) {
		session_revoke(x->ctl, *out);
		return error;
	}
	error = set_party(x, *out, SESSION_CALLER, media);
	if (error != RTPP_OK)
		x->job->failed = true;
	else
		tell(x, *out, SESSION_CALLEE, false);
	return error;
}

struct rtpp_shown_addr media_shown_addr(
	const struct rr_config *cfg, const struct session_leg *leg) {
	static char text[RR_ENDPOINT_STRLEN];
	const struct rr_shm_addr *addr = &cfg->addr[leg->pair.addr];
	const struct rr_realm_config *realm = &cfg->realm[addr->realm];
	const struct rr_net_config *net = rr_realm_net(realm, (enum rr_family)addr->family);
	struct rtpp_shown_addr shown = {.text = text, .ipv6 = addr->family == RR_FAMILY_IPV6};
	struct rr_endpoint endpoint = {.family = addr->family};

	if (realm->hide_address && !leg->local.shown) {
		shown.text = NULL;
	} else if (net->advertised[0] != '\0') {
		shown.text = net->advertised;
	} else {
		memcpy(endpoint.addr, addr->addr, sizeof(addr->addr));
		rr_endpoint_format_addr(&endpoint, text, sizeof(text));
	}
	return shown;
}
