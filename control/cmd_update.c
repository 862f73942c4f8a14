// SPDX-License-Identifier: BSD-2-Clause
// U: make a session or change one; protocol reference 5.2.
#include "command.h"
#include "notice_target.h"
#include "session_match.h"
#include "session_media.h"

// The target of the last U stands; one without arguments takes it away, and so does one that names
// what is not permitted.
static enum rtpp_error set_notify(struct exec *x, struct session *s) {
	const struct rtpp_cmd *cmd = x->cmd;
	struct notice_ends ends = {x->job->controller, x->job->origin.local};
	struct notice_target target = {.len = 0};
	struct slice socket, tag;

	if (cmd->notify_socket.p &&
		notice_target_resolve(&target, x->ctl->cfg, cmd->notify_socket, &ends) < 0)
		x->ctl->outbox.stats.n_not_permitted++;
	socket = (struct slice){.p = target.text, .len = target.len};
	tag = (struct slice){.p = cmd->notify_tag, .len = target.len > 0 ? cmd->notify_tag_len : 0};
	s->notify_local_be = target.local_be;
	if (session_set_text(s, SESSION_NOTIFY_SOCKET, socket) < 0 ||
		session_set_text(s, SESSION_NOTIFY_TAG, tag) < 0)
		return RTPP_E_NO_MEMORY;
	return RTPP_OK;
}

static void set_strength(struct exec *x, struct session *s, unsigned int selected) {
	if (x->cmd->media.weak)
		s->leg[selected].weak = true;
	else
		s->strong = true;
}

enum rtpp_error cmd_update(struct exec *x) {
	struct session_match match = exec_match(x);
	struct session *s = match.session;
	unsigned int selected = s ? !match.party : SESSION_CALLEE;
	struct rtpp_shown_addr shown;
	enum rtpp_error error;

	if (s)
		error = media_apply(x, s, selected, &x->cmd->media);
	else
		error = media_new_session(x, &s);
	if (error == RTPP_OK)
		error = set_notify(x, s);
	if (error != RTPP_OK) {
		x->job->failed = true;
		return error;
	}
	set_strength(x, s, selected);
	shown = media_shown_addr(x->ctl->cfg, &s->leg[selected]);
	rtpp_reply_port(x->reply, s->leg[selected].pair.port, &shown);
	subcommands_run(x, s, !selected);
	return RTPP_OK;
}
