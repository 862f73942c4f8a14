// SPDX-License-Identifier: BSD-2-Clause
// Runs one command: parse, look its verb up, execute, format; and turns a reply into an error when
// the dataplane did not go along.
#include "command.h"

#include "job.h"
#include "rtpp_parse.h"
#include "session_match.h"

struct verb {
	enum rtpp_error (*run)(struct exec *x);
	enum rtpp_error on_overflow; // of the reply buffer
};

static const struct verb verbs[RTPP_VERBS] = {
	[RTPP_U] = {cmd_update, RTPP_E_NO_MEMORY},
	[RTPP_L] = {cmd_lookup, RTPP_E_NO_MEMORY},
	[RTPP_D] = {cmd_delete, RTPP_E_NO_MEMORY},
	[RTPP_P] = {cmd_play, RTPP_E_NO_MEMORY},
	[RTPP_S] = {cmd_stop, RTPP_E_NO_MEMORY},
	[RTPP_R] = {cmd_record, RTPP_E_NO_MEMORY},
	[RTPP_C] = {cmd_copy, RTPP_E_NO_MEMORY},
	[RTPP_N] = {cmd_no_record, RTPP_E_NO_MEMORY},
	[RTPP_Q] = {cmd_query, RTPP_E_QUERY_OVERFLOW},
	[RTPP_I] = {cmd_info, RTPP_E_NO_MEMORY},
	[RTPP_G] = {cmd_stats, RTPP_E_GSTATS_OVERFLOW},
	[RTPP_V] = {cmd_version, RTPP_E_NO_MEMORY},
	[RTPP_VF] = {cmd_capability, RTPP_E_NO_MEMORY},
	[RTPP_X] = {cmd_delete_all, RTPP_E_NO_MEMORY},
};

struct session_match exec_match(const struct exec *x) {
	const struct rtpp_cmd *cmd = x->cmd;

	return session_match(
		session_index_call(&x->ctl->index, cmd->callid), cmd->from_tag, cmd->to_tag);
}

void exec_changes(struct exec *x) {
	x->job->stored = true;
	x->ctl->commit_wanted = true;
}

// ---- failure
// -------------------------------------------------------------------------------------

static void reply_error(struct job *job, enum rtpp_error error) {
	struct rtpp_reply reply;

	rtpp_reply_begin(&reply, job->reply, job->cookie);
	rtpp_reply_error(&reply, error);
	job->reply_len = (uint32_t)rtpp_reply_end(&reply, error);
	job->error = true;
	stats_add(&job->control->stats, STATS_dp_silent, 1);
}

static void undo_nothing(struct job *job) {
	reply_error(job, RTPP_E_NO_PORT_LEG);
}

static void undo_new_leg(struct job *job) {
	struct session *s = session_index_id(&job->control->index, job->undo_session);

	if (s && s->state == SESSION_LIVE)
		session_drop_leg(job->control, s, SESSION_CALLER);
	reply_error(job, RTPP_E_NO_PORT_LEG);
}

static void undo_new_session(struct job *job) {
	struct session *s = session_index_id(&job->control->index, job->undo_session);

	if (s)
		session_end(job->control, s, NULL);
	reply_error(job, RTPP_E_NO_PORT_NEW);
}

void exec_on_failure(struct exec *x, enum exec_undo undo, uint64_t session_id) {
	static void (*const undos[])(struct job * job) = {
		[UNDO_ERROR] = undo_nothing,
		[UNDO_NEW_LEG] = undo_new_leg,
		[UNDO_NEW_SESSION] = undo_new_session,
	};
	struct job *job = x->job;

	if (job->undo == undo_new_session || (job->undo == undo_new_leg && undo == UNDO_ERROR))
		return;
	job->undo = undos[undo];
	job->undo_session = session_id;
}

// ---- execution
// -----------------------------------------------------------------------------------

void command_execute(struct control *ctl, struct job *job) {
	enum rtpp_error on_overflow = RTPP_E_SYNTAX;
	struct rtpp_reply reply;
	struct rtpp_cmd cmd;
	struct exec x = {.ctl = ctl, .job = job, .cmd = &cmd, .reply = &reply};
	enum rtpp_error error;

	job->control = ctl;
	ctl->commit_wanted = true;
	stats_add(&ctl->stats, STATS_ncmds_rcvd, 1);
	rtpp_reply_begin(&reply, job->reply, job->cookie);
	error = rtpp_parse(&cmd, job->command, &ctl->env);
	if (error == RTPP_OK) {
		on_overflow = verbs[cmd.verb].on_overflow;
		error = verbs[cmd.verb].run(&x);
	}
	if (error != RTPP_OK) {
		rtpp_reply_error(&reply, error);
		job->error = true;
	}
	job->reply_len = (uint32_t)rtpp_reply_end(&reply, on_overflow);
	job_list_append(&ctl->turn, job);
}
