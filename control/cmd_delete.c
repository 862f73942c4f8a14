// SPDX-License-Identifier: BSD-2-Clause
// D and X: sessions end; protocol reference 7.3 and 7.4.
#include "command.h"
#include "session_flow.h"
#include "session_match.h"

// Take one reason to live away. Returns whether one is left.
static bool weaken(struct session *s, unsigned int leg, bool weak) {
	if (weak)
		s->leg[leg].weak = false;
	else
		s->strong = false;
	return s->strong || s->leg[0].weak || s->leg[1].weak;
}

bool delete_by_tags(
	struct exec *x, struct call *call, struct slice from, struct slice to, bool weak) {
	bool touched = false;
	struct session *next;

	for (struct session *s = call ? call->first : NULL; s; s = next) {
		unsigned int leg;
		enum session_prefix found = session_match_prefix(s, from, to, &leg);

		next = s->links.next_of_call;
		if (found == SESSION_PREFIX_NONE)
			continue;
		touched = true;
		exec_changes(x);
		session_touch(x->ctl, s);
		if (weaken(s, leg, weak))
			continue;
		session_end(x->ctl, s, x->job);
		// After a longer tag the reference starts over. Those it passed before either do
		// not match or have nothing more to lose, so going on comes to the same.
		if (found == SESSION_PREFIX_EXACT)
			break;
	}
	return touched;
}

enum rtpp_error cmd_delete(struct exec *x) {
	const struct rtpp_cmd *cmd = x->cmd;
	struct call *call = exec_call(x);

	if (!delete_by_tags(x, call, cmd->from_tag, cmd->to_tag, cmd->weak))
		return RTPP_E_NO_SESSION;
	rtpp_reply_ok(x->reply);
	return RTPP_OK;
}

enum rtpp_error cmd_delete_all(struct exec *x) {
	clearance_begin(x->ctl, x->job);
	exec_changes(x);
	rtpp_reply_ok(x->reply);
	return RTPP_OK;
}
