// SPDX-License-Identifier: BSD-2-Clause
// P, S, R, C and N, as an rtpproxy answers them that has neither prompts nor a recording folder.
//
// Nothing is played, recorded or copied, and no answer says that it was.
#include "command.h"
#include "rtpp_parse.h"
#include "session_match.h"

enum rtpp_error cmd_play(struct exec *x) {
	const struct rtpp_cmd *cmd = x->cmd;
	struct session_match match = exec_match(x);
	enum session_text codecs;

	if (!match.session)
		return RTPP_E_NO_SESSION;
	codecs = match.party == SESSION_CALLER ? SESSION_CODECS_CALLER : SESSION_CODECS_CALLEE;
	if (cmd->play_count == 0) { // only stops what is playing
		rtpp_reply_ok(x->reply);
		return RTPP_OK;
	}
	if (slice_is(cmd->codecs, "session") && session_text(match.session, codecs).len == 0)
		return RTPP_E_UPDATE_MOD;
	return RTPP_E_PLAYER;
}

enum rtpp_error cmd_stop(struct exec *x) {
	if (!exec_match(x).session)
		return RTPP_E_NO_SESSION;
	rtpp_reply_ok(x->reply);
	return RTPP_OK;
}

// Without a recording folder the answer is the same whether there is a session or not.
enum rtpp_error cmd_record(struct exec *x) {
	(void)x;
	return RTPP_E_NO_SESSION;
}

enum rtpp_error cmd_copy(struct exec *x) {
	return exec_match(x).session ? RTPP_E_COPY : RTPP_E_NO_SESSION;
}

// Nothing is ever being recorded.
enum rtpp_error cmd_no_record(struct exec *x) {
	(void)x;
	return RTPP_E_NO_SESSION;
}
