// SPDX-License-Identifier: BSD-2-Clause
// A reload of the configuration: what its pools change is carried out as one change of addresses,
// and anything else that differs is refused.
#include "address_reload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "job.h"
#include "operator.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

// ---- the file

static bool is_sealed(const struct job *job) {
	int seals = job->has_fd ? fcntl(job->fd, F_GET_SEALS) : -1;

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static bool read_text(
	struct control *ctl, struct job *job, const char *path, struct rr_config *file) {
	char *text = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&text, &size);
	int ret;

	if (!err) {
		operator_refuse(ctl, job, "control is out of memory");
		return false;
	}
	ret = rr_config_load(file, path, err);
	fclose(err);
	if (ret < 0)
		operator_refuse(ctl, job, "control cannot read it, is it older than rrctl? %s",
			text ? text : "");
	free(text);
	return ret == 0;
}

static bool read_file(struct control *ctl, struct job *job, char **names, struct rr_config *file) {
	char path[32];

	if (!is_sealed(job)) {
		operator_refuse(ctl, job, "no file came with it");
		return false;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", job->fd);
	if (!read_text(ctl, job, path, file))
		return false;
	snprintf(file->user, sizeof(file->user), "%s", names[0]);
	snprintf(file->group, sizeof(file->group), "%s", names[1]);
	return true;
}

// ---- what may not change

static bool differs_elsewhere(struct control *ctl, struct job *job, const struct rr_config *file) {
	char *names = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&names, &size);
	int n = out ? rr_config_diff(ctl->cfg, file, out) : -1;

	if (out)
		fclose(out);
	if (n < 0)
		operator_refuse(ctl, job, "control is out of memory");
	else if (n > 0)
		operator_refuse(
			ctl, job, "%s %s a restart of rtprelayd", names, n > 1 ? "need" : "needs");
	free(names);
	return n != 0;
}

static bool all_possible(struct control *ctl, struct job *job, const struct rr_config *file) {
	char text[RR_ENDPOINT_STRLEN];

	for (uint32_t i = 0; i < file->n_addrs; i++) {
		struct rr_endpoint ep = rr_addr_endpoint(&file->addr[i]);
		const char *why = address_refuses(ctl, file->addr[i].realm, &ep);

		if (!why)
			continue;
		operator_refuse(
			ctl, job, "%s %s", rr_endpoint_format_addr(&ep, text, sizeof(text)), why);
		return false;
	}
	return true;
}

// ---- the change

// One that is drained by hand and named by the file is wanted; one that was added by hand and is
// not named stays.
static void change_to(struct control *ctl, const struct rr_config *file) {
	struct address_change *change = &ctl->address_change;

	change->by_file = true;
	for (uint32_t i = 0; i < file->n_addrs && !change->refusal; i++) {
		struct rr_endpoint ep = rr_addr_endpoint(&file->addr[i]);
		int index;

		address_change_want(ctl, file->addr[i].realm, &ep);
		index = address_pool_find(&ctl->addresses, &ep);
		if (index >= 0)
			change->in_file[index] = true;
	}
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		if (ctl->addresses.named[i] && !change->in_file[i] &&
			address_pool_is_wanted(&ctl->addresses, i))
			change->target[i] = RR_ADDRESS_DRAINING;
}

static void reload_from(
	struct control *ctl, struct job *job, char **names, struct rr_config *file) {
	if (!read_file(ctl, job, names, file) || differs_elsewhere(ctl, job, file) ||
		!all_possible(ctl, job, file) || !address_change_begin(ctl, job))
		return;
	change_to(ctl, file);
	address_change_end_when_answered(ctl);
}

void address_reload(struct control *ctl, struct job *job, RR_UNUSED int argc, char **argv) {
	struct rr_config *file = (struct rr_config *)malloc(sizeof(*file));

	if (file)
		reload_from(ctl, job, argv, file);
	else
		operator_refuse(ctl, job, "control is out of memory");
	free(file);
}

// ---- the answer

static void say_changed(const struct control *ctl, FILE *out, enum rr_address_state from,
	enum rr_address_state to) {
	char text[RR_ENDPOINT_STRLEN];
	const char *separator = "";

	fputc('[', out);
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		struct rr_endpoint ep = address_pool_endpoint(&ctl->addresses, i);

		if (ctl->addresses.state[i] != from || ctl->address_change.target[i] != to)
			continue;
		fprintf(out, "%s\"%s\"", separator,
			rr_endpoint_format_addr(&ep, text, sizeof(text)));
		separator = ", ";
	}
	fputc(']', out);
}

static char *describe(const struct control *ctl) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs("{\"added\": ", out);
	say_changed(ctl, out, RR_ADDRESS_ADDING, RR_ADDRESS_ACTIVE);
	fputs(", \"activated\": ", out);
	say_changed(ctl, out, RR_ADDRESS_DRAINING, RR_ADDRESS_ACTIVE);
	fputs(", \"drained\": ", out);
	say_changed(ctl, out, RR_ADDRESS_ACTIVE, RR_ADDRESS_DRAINING);
	fputc('}', out);
	fclose(out);
	return text;
}

void address_reload_end(struct control *ctl, struct job *job) {
	char *text = describe(ctl);

	address_change_carry_out(ctl);
	address_pool_name(&ctl->addresses, ctl->address_change.in_file);
	if (text)
		operator_answer(ctl, job, "%s", text);
	else
		operator_refuse(ctl, job, "it is done, but control is out of memory to say what");
	free(text);
}
