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
struct session_match exec_match(const struct exec *x);

// The command changes something: its reply is stored with the effect.
void exec_changes(struct exec *x);

// Submitting failed, or may still fail: what becomes of the reply.
enum exec_undo {
	UNDO_ERROR, // E71; the truth stays and is brought over by a resync
	UNDO_NEW_LEG, // E71; leg 1's ports are taken back
	UNDO_NEW_SESSION, // E72; the session ends
};
// The stronger one of several stands.
void exec_on_failure(struct exec *x, enum exec_undo undo, uint64_t session_id);

// Delete by tags; protocol reference 7.3. Returns false when no session matched.
bool delete_by_tags(
	struct exec *x, struct call *call, struct slice from, struct slice to, bool weak);

// The command's sub-commands, left to right; forward = the leg that receives from the party whose
// SDP, or tag, the command carries.
void subcommands_run(struct exec *x, struct session *s, unsigned int forward);

RR_END_DECLS
