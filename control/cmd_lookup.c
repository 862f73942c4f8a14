// SPDX-License-Identifier: BSD-2-Clause
// L: the other party answers; protocol reference 5.2.
#include "command.h"
#include "session_match.h"
#include "session_media.h"

enum rtpp_error cmd_lookup(struct exec *x) {
	struct session_match match = exec_match(x);
	struct session *s = match.session;
	unsigned int selected = match.party;
	struct rtpp_shown_addr shown;
	enum rtpp_error error;

	if (!s) { // no error code, but counted as one
		x->job->error = true;
		rtpp_reply_ok(x->reply);
		return RTPP_OK;
	}
	error = media_apply(x, s, selected, &x->cmd->media);
	if (error != RTPP_OK)
		return error;
	if (x->cmd->media.weak)
		s->leg[selected].weak = true;
	shown = media_shown_addr(x->ctl->cfg, &s->leg[selected]);
	rtpp_reply_port(x->reply, s->leg[selected].pair.port, &shown);
	subcommands_run(x, s, !selected);
	return RTPP_OK;
}
