// SPDX-License-Identifier: BSD-2-Clause
// What an operator asks of control over its channel: verbs by table, and their answers.
//
// A request is a job as a command is one: it runs in a turn, what it changes is committed with that
// turn, and its answer leaves when that is done and what was submitted with the job is
// acknowledged. It is counted as no command. common/operator_channel.h says how it looks on the
// socket.
#pragma once

#include <stdbool.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct job;

// A row of the table in operator.c. `run` ends with operator_answer or operator_refuse; or it keeps
// the job, says one of them in a later turn, once, and frees the job when control closes before
// that. It sets job->stored when it changes what the store holds. argv is good until it returns,
// the words themselves as long as the job.
struct operator_verb {
	const char *name;
	int min_args;
	int max_args;
	void (*run)(struct control *ctl, struct job *job, int argc, char **argv);
	const char *args; // as an error shows them
};

// Run job->command, in this turn.
void operator_execute(struct control *ctl, struct job *job);

// Done: the answer, as JSON.
void operator_answer(struct control *ctl, struct job *job, const char *fmt, ...) RR_PRINTF(3, 4);
// Not done, or not wholly: why, in a sentence for people.
void operator_refuse(struct control *ctl, struct job *job, const char *fmt, ...) RR_PRINTF(3, 4);

// What a job that came back has to say; good as long as the job.
const char *operator_outcome(const struct job *job);
bool operator_has_done(const struct job *job); // it is no refusal

RR_END_DECLS
