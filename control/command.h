// SPDX-License-Identifier: BSD-2-Clause
// A command being executed: what the handlers of all verbs share.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "control.h"
#include "rtpp_cmd.h"
#include "rtpp_reply.h"
#include "session.h"

RR_BEGIN_DECLS

// One command on its way from the parser to its reply.
struct exec {
	struct control *ctl;
	struct job *job;
	const struct rtpp_cmd *cmd;
	struct rtpp_reply *reply;
};

// Handlers, one file a verb family. Each writes the success reply, or returns the error that is
// written instead.
enum rtpp_error cmd_update(struct exec *x); // U
enum rtpp_error cmd_lookup(struct exec *x); // L
enum rtpp_error cmd_delete(struct exec *x); // D
enum rtpp_error cmd_delete_all(struct exec *x); // X
enum rtpp_error cmd_query(struct exec *x); // Q
enum rtpp_error cmd_info(struct exec *x); // I
enum rtpp_error cmd_version(struct exec *x); // V
enum rtpp_error cmd_capability(struct exec *x); // VF
enum rtpp_error cmd_stats(struct exec *x); // G
enum rtpp_error cmd_play(struct exec *x); // P
enum rtpp_error cmd_stop(struct exec *x); // S
enum rtpp_error cmd_record(struct exec *x); // R
enum rtpp_error cmd_copy(struct exec *x); // C
enum rtpp_error cmd_no_record(struct exec *x); // N

// The session that the command's tags mean.
struct call *exec_call(const struct exec *x);
struct session_match exec_match(const struct exec *x);

// The command changes something: its reply is stored with the effect.
void exec_changes(struct exec *x);

// The command is about to change a session, or has made it: undone when the dataplane does not go
// along. Returns RTPP_OK or RTPP_E_NO_MEMORY.
enum rtpp_error exec_open_change(struct exec *x, struct session *s, bool is_new);

// The dataplane did not go along: undo the job's change and say so in its reply. Returns false when
// there was nothing to undo and the reply stands.
bool command_fail(struct control *ctl, struct job *job);
// The store did not take its effect: say so in its reply.
void command_not_saved(struct job *job);
// The dataplane went along. Returns false when the reply had to be made an error, because an
// earlier change failed.
bool command_succeed(struct control *ctl, struct job *job);

// Delete by tags; protocol reference 7.3. Returns false when no session matched.
bool delete_by_tags(
	struct exec *x, struct call *call, struct slice from, struct slice to, bool weak);

// The command's sub-commands, left to right; forward = the leg that receives from the party whose
// SDP, or tag, the command carries.
void subcommands_run(struct exec *x, struct session *s, unsigned int forward);

RR_END_DECLS
