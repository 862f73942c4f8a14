// SPDX-License-Identifier: BSD-2-Clause
// What an operator asks of control over its channel: verbs by table, and their answers.
#include "operator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "address_reload.h"
#include "admission.h"
#include "control.h"
#include "job.h"
#include "operator_channel.h"

// ---- answers
// -------------------------------------------------------------------------------------

static void say(struct job *job, const char *prefix, const char *fmt, va_list args) {
	char *text = (char *)malloc(RR_OPERATOR_MAX_ANSWER);
	int len;

	if (!text)
		return;
	len = snprintf(text, RR_OPERATOR_MAX_ANSWER, "%s", prefix);
	vsnprintf(text + len, RR_OPERATOR_MAX_ANSWER - (size_t)len, fmt, args);
	job->answer = text;
}

void operator_answer(struct control *ctl, struct job *job, const char *fmt, ...) {
	va_list args;

	va_start(args, fmt);
	say(job, "", fmt, args);
	va_end(args);
	ctl->commit_wanted |= job->stored;
	job_list_append(&ctl->turn, job);
}

void operator_refuse(struct control *ctl, struct job *job, const char *fmt, ...) {
	va_list args;

	va_start(args, fmt);
	say(job, RR_OPERATOR_ERROR, fmt, args);
	va_end(args);
	ctl->commit_wanted |= job->stored;
	job_list_append(&ctl->turn, job);
}

static bool is_refusal(const char *text) {
	return strncmp(text, RR_OPERATOR_ERROR, strlen(RR_OPERATOR_ERROR)) == 0;
}

const char *operator_outcome(const struct job *job) {
	if (!job->answer && !job->stored) // nothing was done, else it would be stored
		return RR_OPERATOR_ERROR "control is out of memory";
	if (job->answer && is_refusal(job->answer))
		return job->answer;
	if (job->stored && !job->saved)
		return RR_OPERATOR_ERROR "it is done, but not saved: the store does not take it, "
					 "see the log of rtprelayd";
	if (job->failed)
		return RR_OPERATOR_ERROR "it is done, but the dataplane has not acknowledged all "
					 "of it yet; what is missing is told again";
	if (!job->answer)
		return RR_OPERATOR_ERROR "it is done, but control is out of memory to say what";
	return job->answer;
}

bool operator_has_done(const struct job *job) {
	return !is_refusal(operator_outcome(job));
}

// ---- verbs
// ---------------------------------------------------------------------------------------

// As X of the protocol.
static void clear_sessions(
	struct control *ctl, struct job *job, RR_UNUSED int argc, RR_UNUSED char **argv) {
	job->stored = true;
	operator_answer(ctl, job, "{\"sessions\": %zu}", clearance_begin(ctl, job));
}

static void change_admission(struct control *ctl, struct job *job, enum rr_admission to) {
	admission_set(ctl, to);
	job->stored = true;
	operator_answer(ctl, job, "{\"admission\": \"%s\", \"sessions\": %zu}",
		rr_admission_name(to), control_n_live(ctl));
}

static void drain(struct control *ctl, struct job *job, RR_UNUSED int argc, RR_UNUSED char **argv) {
	change_admission(ctl, job, RR_ADMISSION_DRAINING);
}

static void take_no_more(
	struct control *ctl, struct job *job, RR_UNUSED int argc, RR_UNUSED char **argv) {
	change_admission(ctl, job, RR_ADMISSION_PAUSED);
}

static void resume(
	struct control *ctl, struct job *job, RR_UNUSED int argc, RR_UNUSED char **argv) {
	change_admission(ctl, job, RR_ADMISSION_OPEN);
}

static const struct operator_verb verbs[] = {
	{"drain", 0, 0, drain, ""},
	{"pause", 0, 0, take_no_more, ""},
	{"resume", 0, 0, resume, ""},
	{"session-clear", 0, 0, clear_sessions, ""},
	{"address-add", 2, 2, address_add, "REALM ADDRESS|RANGE"},
	{"address-drain", 1, 1, address_drain, "ADDRESS|RANGE"},
	{"config-reload", 2, 2, address_reload, "USER GROUP"},
};

// ---- execution
// -----------------------------------------------------------------------------------

// Words in place. Returns their number, -EBADMSG, or -E2BIG.
static int split(struct slice request, char **words) {
	char *p = (char *)request.p;
	char *end = p + request.len;
	int n = 0;

	if (request.len == 0 || end[-1] != '\0')
		return -EBADMSG;
	for (; p < end; p += strlen(p) + 1) {
		if (n == RR_OPERATOR_MAX_WORDS)
			return -E2BIG;
		words[n++] = p;
	}
	return n;
}

static const struct operator_verb *find_verb(const char *name) {
	for (size_t i = 0; i < RR_ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void execute_words(struct control *ctl, struct job *job, int n, char **words) {
	const struct operator_verb *verb = find_verb(words[0]);

	if (!verb)
		operator_refuse(ctl, job, "control does not know it, is it older than rrctl?");
	else if (n - 1 < verb->min_args || n - 1 > verb->max_args)
		operator_refuse(ctl, job, "expected the arguments \"%s\"", verb->args);
	else
		verb->run(ctl, job, n - 1, words + 1);
}

void operator_execute(struct control *ctl, struct job *job) {
	char *words[RR_OPERATOR_MAX_WORDS] = {NULL};
	int n = split(job->command, words);

	job->of_operator = true;
	if (n > 0)
		execute_words(ctl, job, n, words);
	else
		operator_refuse(ctl, job, "the request cannot be read");
}
