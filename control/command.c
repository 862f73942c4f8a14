// SPDX-License-Identifier: BSD-2-Clause
// Runs one command: parse, look its verb up, execute, format; and turns a reply into an error when
// the dataplane did not go along.
#include "command.h"

#include "job.h"
#include "rtpp_parse.h"
#include "session_change.h"
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

struct call *exec_call(const struct exec *x) {
	struct call *call = session_index_call(&x->ctl->index, x->cmd->callid);

	clearance_end_call(x->ctl, call);
	return call;
}

struct session_match exec_match(const struct exec *x) {
	return session_match(exec_call(x), x->cmd->from_tag, x->cmd->to_tag);
}

void exec_changes(struct exec *x) {
	x->job->stored = true;
	x->ctl->commit_wanted = true;
}

enum rtpp_error exec_open_change(struct exec *x, struct session *s, bool is_new) {
	if (x->job->change)
		return RTPP_OK;
	return session_change_open(s, is_new, &x->job->change) == 0 ? RTPP_OK : RTPP_E_NO_MEMORY;
}

// ---- acknowledged or not

static void begin_reply(struct rtpp_reply *reply, struct job *job) {
	rtpp_reply_begin(reply, job->reply, job->cookie_silent ? (struct slice){0} : job->cookie);
}

static void write_error(struct job *job, enum rtpp_error error) {
	struct rtpp_reply reply;

	begin_reply(&reply, job);
	rtpp_reply_error(&reply, error);
	job->reply_len = (uint32_t)rtpp_reply_end(&reply, error);
	job->error = true;
}

void command_not_saved(struct job *job) {
	if (!job->error)
		write_error(job, RTPP_E_NO_MEMORY);
}

static void reply_error(struct control *ctl, struct job *job, bool is_new) {
	write_error(job, is_new ? RTPP_E_NO_PORT_NEW : RTPP_E_NO_PORT_LEG);
	stats_add(&ctl->stats, STATS_dp_silent, 1);
}

bool command_fail(struct control *ctl, struct job *job) {
	bool is_new;

	if (!job->change)
		return false;
	is_new = job->change->is_new;
	session_change_undo(ctl, job->change);
	job->change = NULL;
	if (!job->error) // else it says already what was wrong
		reply_error(ctl, job, is_new);
	return true;
}

bool command_succeed(struct control *ctl, struct job *job) {
	bool is_new, holds;

	if (!job->change)
		return true;
	is_new = job->change->is_new;
	holds = session_change_close(ctl, job->change);
	job->change = NULL;
	if (!holds)
		reply_error(ctl, job, is_new);
	return holds;
}

// ---- execution
// -----------------------------------------------------------------------------------

void command_execute(struct control *ctl, struct job *job) {
	enum rtpp_error on_overflow = RTPP_E_SYNTAX;
	struct rtpp_reply reply;
	struct rtpp_cmd cmd;
	struct exec x = {.ctl = ctl, .job = job, .cmd = &cmd, .reply = &reply};
	enum rtpp_error error;

	ctl->commit_wanted = true;
	stats_add(&ctl->stats, STATS_ncmds_rcvd, 1);
	begin_reply(&reply, job);
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
	if (job->change)
		session_change_seal(job->change);
	job_list_append(&ctl->turn, job);
}
