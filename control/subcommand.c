// SPDX-License-Identifier: BSD-2-Clause
// What follows `&&`: effects on the session that the command found; protocol reference 6.
#include "command.h"
#include "session_flow.h"
#include "session_match.h"
#include "session_media.h"

// The session and its current direction.
struct target {
	struct session *session;
	unsigned int forward;
};

static bool run_ttl(struct exec *x, struct target *t, const struct rtpp_sub *sub) {
	unsigned int leg = sub->reverse ? !t->forward : t->forward;
	struct session *s = t->session;

	for (unsigned int i = 0; i < SESSION_N_LEGS; i++) {
		if (x->ctl->cfg->independent_ttl && i != leg)
			continue;
		s->leg[i].ttl_s = sub->value;
		s->leg[i].ttl_told = true;
		s->leg[i].refreshed_ns = x->ctl->now_ns;
	}
	expiry_arm(x->ctl, s);
	rtpp_reply_sub_silent(x->reply);
	return true;
}

static bool run_tos(struct exec *x, struct target *t, const struct rtpp_sub *sub) {
	unsigned int leg = sub->reverse ? !t->forward : t->forward;
	struct session *s = t->session;

	if (s->leg[leg].local.family == RR_FAMILY_IPV6)
		return false;
	if (exec_open_change(x, s, false) != RTPP_OK)
		return false;
	s->leg[leg].tos = (uint8_t)sub->value; // as the socket option takes it
	if (session_tell_leg(x->ctl, s, leg, x->job) < 0)
		x->job->failed = true;
	rtpp_reply_sub_silent(x->reply);
	return true;
}

static bool run_delete(struct exec *x, struct target *t, const struct rtpp_sub *sub) {
	static const struct slice none;

	delete_by_tags(x, t->session->links.call, session_text(t->session, SESSION_FROM_TAG), none,
		sub->weak);
	rtpp_reply_sub_silent(x->reply);
	return true;
}

static bool run_lookup(struct exec *x, struct target *t, const struct rtpp_sub *sub) {
	struct session *s = t->session;
	unsigned int selected = t->forward;
	struct rtpp_shown_addr shown;

	if (media_apply(x, s, selected, &sub->media) != RTPP_OK)
		return false;
	if (sub->media.weak)
		s->leg[selected].weak = true;
	shown = media_shown_addr(x->ctl->cfg, &s->leg[selected]);
	rtpp_reply_sub_port(x->reply, s->leg[selected].pair.port, &shown);
	t->forward = !t->forward;
	return true;
}

// Copying between sessions is not offered; nothing here says that it happened.
static bool run_copy(struct exec *x, struct target *t, const struct rtpp_sub *sub) {
	(void)x;
	(void)t;
	(void)sub;
	return false;
}

static bool (*const runners[])(struct exec *x, struct target *t, const struct rtpp_sub *sub) = {
	[RTPP_SUB_TTL] = run_ttl,
	[RTPP_SUB_TOS] = run_tos,
	[RTPP_SUB_DELETE] = run_delete,
	[RTPP_SUB_LOOKUP] = run_lookup,
	[RTPP_SUB_COPY] = run_copy,
};

void subcommands_run(struct exec *x, struct session *s, unsigned int forward) {
	struct target t = {.session = s, .forward = forward};

	for (unsigned int i = 0; i < x->cmd->n_sub; i++) {
		const struct rtpp_sub *sub = &x->cmd->sub[i];

		exec_changes(x);
		session_touch(x->ctl, s);
		// After a D there is nothing left to change.
		if (s->state == SESSION_LIVE && runners[sub->kind](x, &t, sub))
			continue;
		if (s->state != SESSION_LIVE && sub->kind != RTPP_SUB_LOOKUP) {
			rtpp_reply_sub_silent(x->reply);
			continue;
		}
		rtpp_reply_sub_failed(x->reply);
		return;
	}
}
