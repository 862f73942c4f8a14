// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a datagram: cookie, words and command are read under every kind of configuration,
// and nothing that comes out may point outside the input or exceed its bounds.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "rtpp_lex.h"
#include "rtpp_parse.h"
#include "rtpp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
	if (!holds)
		abort();
}

static void check_slice(struct slice s, struct slice input) {
	if (s.p)
		check(s.p >= input.p && s.len <= input.len &&
			(size_t)(s.p - input.p) <= input.len - s.len);
}

static void check_media(const struct rtpp_media *m, struct slice input) {
	check(m->n_directions <= 2);
	check(m->resize_ms <= 999);
	check(m->remote.family == RR_FAMILY_NONE || m->remote.family == RR_FAMILY_IPV4 ||
		m->remote.family == RR_FAMILY_IPV6);
	check(m->local_kind != RTPP_LOCAL_LABEL || m->label.len > 0);
	check_slice(m->codecs, input);
	if (m->local_kind == RTPP_LOCAL_LABEL)
		check_slice(m->label, input);
}

static void check_cmd(const struct rtpp_cmd *cmd, struct slice input) {
	const struct slice slices[] = {cmd->mods, cmd->callid, cmd->from_tag, cmd->to_tag,
		cmd->notify_socket, cmd->prompt, cmd->codecs, cmd->datestamp};

	for (size_t i = 0; i < RR_ARRAY_LEN(slices); i++)
		check_slice(slices[i], input);
	check((unsigned int)cmd->verb < RTPP_VERBS);
	check(cmd->n_counters <= RTPP_MAX_COUNTERS);
	check(cmd->n_sub <= RTPP_MAX_SUBCOMMANDS);
	check(cmd->notify_tag_len <= RTPP_NOTIFY_TAG_MAX);
	for (unsigned int i = 0; i < cmd->n_counters; i++)
		check_slice(cmd->counter[i], input);
	check_media(&cmd->media, input);
	for (unsigned int i = 0; i < cmd->n_sub; i++) {
		check_slice(cmd->sub[i].callid, input);
		check_media(&cmd->sub[i].media, input);
		check(cmd->sub[i].kind > RTPP_SUB_TOS || cmd->sub[i].value > 0);
	}
}

// The first byte chooses what is configured.
static struct rtpp_env make_env(uint8_t bits) {
	static const char *const labels[] = {"lab1", "lab2"};

	return (struct rtpp_env){
		.bridge = bits & 1,
		.has_notify = bits & 2,
		.has_ipv4 = !(bits & 4),
		.has_ipv6 = !(bits & 8),
		.default_family = bits & 16 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4,
		.n_labels = 2,
		.label = labels,
	};
}

static void check_reply(struct slice cookie, enum rtpp_error error) {
	char buf[RTPP_MAX_REPLY + 1];
	struct rtpp_reply reply;
	size_t len;

	rtpp_reply_begin(&reply, buf, cookie);
	rtpp_reply_error(&reply, error);
	len = rtpp_reply_end(&reply, RTPP_E_QUERY_OVERFLOW);
	check(len <= RTPP_MAX_REPLY && buf[len - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct rtpp_env env = make_env(size > 0 ? data[0] : 0);
	struct slice cookie, text;
	struct slice input;
	struct rtpp_cmd cmd;
	enum rtpp_error error;
	char *copy;

	if (size == 0 || size > RTPP_MAX_COMMAND)
		return 0;
	// A copy of exactly this size, so that the address sanitizer sees every byte too many.
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	input = (struct slice){copy + 1, size - 1};
	rtpp_lex_cookie(input, &cookie, &text);
	check_slice(cookie, input);
	check_slice(text, input);
	error = rtpp_parse(&cmd, text, &env);
	if (error == RTPP_OK)
		check_cmd(&cmd, text);
	check_reply(cookie, error == RTPP_OK ? RTPP_E_NO_SESSION : error);
	free(copy);
	return 0;
}
