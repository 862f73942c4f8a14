// SPDX-License-Identifier: BSD-2-Clause
// Words to a typed command, or the protocol's error code.
//
// The order of the checks is part of the protocol: controllers see which error comes first.
#include "rtpp_parse.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "config.h"
#include "rtpp_cmds.h"
#include "rtpp_media.h"

// What a parse function reads: the words, with the modifiers taken off the first one.
struct input {
	const struct rtpp_words *words;
	const struct rtpp_env *env;
};

typedef enum rtpp_error (*parse_fn)(struct rtpp_cmd *cmd, const struct input *in);

static bool slice_begins(struct slice s, const char *text) {
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.p, text, len) == 0;
}

static struct slice slice_from(struct slice s, size_t n) {
	return (struct slice){s.p + n, s.len - n};
}

static struct slice word(const struct input *in, unsigned int i) {
	return i < in->words->n_tokens ? in->words->token[i] : (struct slice){NULL, 0};
}

// Decimal with an optional sign, in the range of int.
static bool read_int(struct slice text, int *value) {
	bool negative = text.len > 0 && text.p[0] == '-';
	size_t i = text.len > 0 && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
	int64_t n = 0;

	if (i == text.len)
		return false;
	for (; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		n = n * 10 + (text.p[i] - '0');
		if (n > (int64_t)INT_MAX + 1)
			return false;
	}
	n = negative ? -n : n;
	if (n > INT_MAX)
		return false;
	*value = (int)n;
	return true;
}

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One %XX at the head of text, as a byte; -1 when it is broken.
static int read_escape(struct slice text) {
	int high = text.len >= 3 ? hex_digit(text.p[1]) : -1;
	int low = text.len >= 3 ? hex_digit(text.p[2]) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// Undo %XX and `+`. False for a broken escape or a text longer than the buffer.
static bool url_decode(struct slice text, char *buf, size_t size, size_t *len) {
	*len = 0;
	while (text.len > 0) {
		int c = *text.p == '%' ? read_escape(text) : (unsigned char)*text.p;

		if (c == -1 || *len == size)
			return false;
		buf[(*len)++] = (char)(*text.p == '+' ? ' ' : c);
		text = slice_from(text, *text.p == '%' ? 3 : 1);
	}
	return true;
}

// True when every modifier is one of `known` (upper case); *seen tells which, bit i for known[i].
static bool read_flags(struct slice mods, const char *known, unsigned int *seen) {
	*seen = 0;
	for (size_t i = 0; i < mods.len; i++) {
		const char *at = strchr(known, toupper((unsigned char)mods.p[i]));

		if (!at || mods.p[i] == '\0')
			return false;
		*seen |= 1u << (at - known);
	}
	return true;
}

static enum rtpp_error parse_media(struct rtpp_cmd *cmd, const struct input *in) {
	enum rtpp_error error = rtpp_media_parse_mods(&cmd->media, cmd->mods, in->env);

	cmd->callid = word(in, 1);
	cmd->from_tag = word(in, 4);
	if (error != RTPP_OK)
		return error;
	return rtpp_media_parse_remote(&cmd->media, word(in, 2), word(in, 3));
}

// With 5 words there is no to-tag, with 6 there is, with 7 there is none but a notify pair, with 8
// there is both.
static enum rtpp_error parse_update(struct rtpp_cmd *cmd, const struct input *in) {
	unsigned int n = in->words->n_tokens;

	if (n == 6 || n == 8)
		cmd->to_tag = word(in, 5);
	if (n >= 7) {
		cmd->notify_socket = word(in, n - 2);
		if (!url_decode(word(in, n - 1), cmd->notify_tag, sizeof(cmd->notify_tag),
			    &cmd->notify_tag_len))
			return RTPP_E_NOTIFY_TAG;
	}
	return parse_media(cmd, in);
}

static enum rtpp_error parse_lookup(struct rtpp_cmd *cmd, const struct input *in) {
	cmd->to_tag = word(in, 5);
	return parse_media(cmd, in);
}

// Call-ID and tags where no other argument stands between them.
static void parse_tags(struct rtpp_cmd *cmd, const struct input *in) {
	cmd->callid = word(in, 1);
	cmd->from_tag = word(in, 2);
	cmd->to_tag = word(in, 3);
}

static enum rtpp_error parse_delete(struct rtpp_cmd *cmd, const struct input *in) {
	unsigned int seen;

	parse_tags(cmd, in);
	if (!read_flags(cmd->mods, "W", &seen))
		return RTPP_E_DELETE_MOD;
	cmd->weak = seen != 0;
	return RTPP_OK;
}

static enum rtpp_error parse_play(struct rtpp_cmd *cmd, const struct input *in) {
	cmd->callid = word(in, 1);
	cmd->prompt = word(in, 2);
	cmd->codecs = word(in, 3);
	cmd->from_tag = word(in, 4);
	cmd->to_tag = word(in, 5);
	cmd->play_count = 1;
	if (cmd->mods.len > 0 && !read_int(cmd->mods, &cmd->play_count))
		return RTPP_E_PLAY_COUNT;
	return RTPP_OK;
}

static enum rtpp_error parse_stop(struct rtpp_cmd *cmd, const struct input *in) {
	parse_tags(cmd, in);
	return RTPP_OK;
}

static enum rtpp_error parse_record(struct rtpp_cmd *cmd, const struct input *in) {
	parse_tags(cmd, in);
	for (size_t i = 0; i < cmd->mods.len; i++) {
		int c = toupper((unsigned char)cmd->mods.p[i]);

		if (c == 'P')
			return RTPP_E_RECORD_ARG;
		if (c != 'S')
			return RTPP_E_RECORD_MOD;
		cmd->single_file = true;
	}
	return RTPP_OK;
}

static enum rtpp_error parse_copy(struct rtpp_cmd *cmd, const struct input *in) {
	unsigned int seen;

	cmd->callid = word(in, 1);
	cmd->prompt = word(in, 2);
	cmd->from_tag = word(in, 3);
	cmd->to_tag = word(in, 4);
	if (!read_flags(cmd->mods, "SP", &seen))
		return RTPP_E_RECORD_MOD;
	cmd->single_file = seen & 1;
	cmd->port_reply = seen & 2;
	return RTPP_OK;
}

static enum rtpp_error parse_norecord(struct rtpp_cmd *cmd, const struct input *in) {
	parse_tags(cmd, in);
	if (cmd->mods.len == 0)
		return RTPP_OK;
	if (toupper((unsigned char)cmd->mods.p[0]) != 'A')
		return RTPP_E_RECORD_MOD;
	cmd->all = true;
	return cmd->mods.len == 1 ? RTPP_OK : RTPP_E_RECORD_ARG;
}

static void parse_counters(struct rtpp_cmd *cmd, const struct input *in, unsigned int first) {
	for (unsigned int i = first; i < in->words->n_tokens; i++)
		cmd->counter[cmd->n_counters++] = word(in, i);
}

static enum rtpp_error parse_query(struct rtpp_cmd *cmd, const struct input *in) {
	unsigned int seen;

	parse_tags(cmd, in);
	parse_counters(cmd, in, 4);
	// Told only once the session is found, as rtpproxy does.
	cmd->query_mod_unknown = !read_flags(cmd->mods, "V", &seen);
	cmd->verbose = seen != 0;
	return RTPP_OK;
}

static enum rtpp_error parse_info(struct rtpp_cmd *cmd, const struct input *in RR_UNUSED) {
	unsigned int seen;

	if (!read_flags(cmd->mods, "BL", &seen))
		return RTPP_E_INFO_MOD;
	cmd->load = seen & 2;
	return RTPP_OK;
}

static enum rtpp_error parse_gstats(struct rtpp_cmd *cmd, const struct input *in) {
	unsigned int seen;

	parse_counters(cmd, in, 1);
	if (!read_flags(cmd->mods, "V", &seen))
		return RTPP_E_GSTATS_MOD;
	cmd->verbose = seen != 0;
	return RTPP_OK;
}

static enum rtpp_error parse_feature(struct rtpp_cmd *cmd, const struct input *in) {
	cmd->datestamp = word(in, 1);
	return RTPP_OK;
}

static enum rtpp_error parse_version(
	struct rtpp_cmd *cmd RR_UNUSED, const struct input *in RR_UNUSED) {
	return RTPP_OK;
}

static enum rtpp_error parse_reset(
	struct rtpp_cmd *cmd RR_UNUSED, const struct input *in RR_UNUSED) {
	return RTPP_OK;
}

// ---- sub-commands: whatever is wrong with one is E3
// ----------------------------------------------

typedef bool (*parse_sub_fn)(
	struct rtpp_sub *sub, const struct input *in, const struct rtpp_cmd *cmd);

// S ttl=N, S tos=N; Sr means the reverse direction, any other single modifier nothing.
static bool parse_sub_set(
	struct rtpp_sub *sub, const struct input *in, const struct rtpp_cmd *cmd RR_UNUSED) {
	struct slice mods = slice_from(word(in, 0), 1);
	struct slice arg = word(in, 1);
	int value;

	if (in->words->n_tokens != 2 || mods.len > 1)
		return false;
	if (slice_begins(arg, "ttl="))
		sub->kind = RTPP_SUB_TTL;
	else if (slice_begins(arg, "tos="))
		sub->kind = RTPP_SUB_TOS;
	else
		return false;
	if (!read_int(slice_from(arg, strlen("ttl=")), &value) || value <= 0)
		return false;
	sub->value = (uint32_t)value;
	sub->reverse = mods.len == 1 && toupper((unsigned char)mods.p[0]) == 'R';
	return true;
}

static bool parse_sub_delete(
	struct rtpp_sub *sub, const struct input *in, const struct rtpp_cmd *cmd RR_UNUSED) {
	unsigned int seen;

	if (in->words->n_tokens != 1 || !read_flags(slice_from(word(in, 0), 1), "W", &seen))
		return false;
	sub->kind = RTPP_SUB_DELETE;
	sub->weak = seen != 0;
	return true;
}

// Answers the other party in the same command: only after a U that knows its to-tag.
static bool parse_sub_lookup(
	struct rtpp_sub *sub, const struct input *in, const struct rtpp_cmd *cmd) {
	struct slice mods = slice_from(word(in, 0), 1);

	if (cmd->verb != RTPP_U || !cmd->to_tag.p || in->words->n_tokens != 3)
		return false;
	sub->kind = RTPP_SUB_LOOKUP;
	return rtpp_media_parse_mods(&sub->media, mods, in->env) == RTPP_OK &&
	       rtpp_media_parse_remote(&sub->media, word(in, 1), word(in, 2)) == RTPP_OK;
}

static bool parse_sub_copy(
	struct rtpp_sub *sub, const struct input *in, const struct rtpp_cmd *cmd) {
	if (cmd->verb != RTPP_U || !cmd->to_tag.p || in->words->n_tokens != 4 ||
		word(in, 0).len != 1)
		return false;
	sub->kind = RTPP_SUB_COPY;
	sub->callid = word(in, 1);
	sub->from_tag = word(in, 2);
	sub->to_tag = word(in, 3);
	return true;
}

// By upper-case letter. M addresses a module; there is none, so it is as unknown as the rest.
static const parse_sub_fn sub_parsers[UINT8_MAX + 1] = {
	['S'] = parse_sub_set,
	['D'] = parse_sub_delete,
	['L'] = parse_sub_lookup,
	['C'] = parse_sub_copy,
};

static enum rtpp_error parse_subcommands(
	struct rtpp_cmd *cmd, const struct rtpp_line *line, const struct rtpp_env *env) {
	for (unsigned int i = 0; i < line->n_sub; i++) {
		struct input in = {&line->sub[i], env};
		uint8_t letter = (uint8_t)toupper((unsigned char)*word(&in, 0).p);
		struct rtpp_sub *sub = &cmd->sub[cmd->n_sub++];

		if (!sub_parsers[letter] || !sub_parsers[letter](sub, &in, cmd))
			return RTPP_E_SUBC;
	}
	return RTPP_OK;
}

// ---- commands
// ------------------------------------------------------------------------------------

#define INFO_ROW(name, min, max, mods, subs, parse, help) \
	[RTPP_##name] = {#name, min, max, mods, subs, help},
const struct rtpp_cmd_info rtpp_cmd_info[RTPP_VERBS] = {RTPP_COMMANDS(INFO_ROW)};

#define PARSER_ROW(name, min, max, mods, subs, parse, help) [RTPP_##name] = parse,
static const parse_fn parsers[RTPP_VERBS] = {RTPP_COMMANDS(PARSER_ROW)};

// Command word to verb and modifiers. VF is the one verb of two letters.
static bool find_verb(struct slice text, enum rtpp_verb *verb, struct slice *mods) {
	char letter = (char)toupper((unsigned char)text.p[0]);

	if (letter == 'V' && text.len > 1 && toupper((unsigned char)text.p[1]) == 'F') {
		*verb = RTPP_VF;
		*mods = slice_from(text, 2);
		return true;
	}
	for (unsigned int i = 0; i < RTPP_VERBS; i++) {
		if (rtpp_cmd_info[i].name[0] == letter && rtpp_cmd_info[i].name[1] == '\0') {
			*verb = (enum rtpp_verb)i;
			*mods = slice_from(text, 1);
			return true;
		}
	}
	return false;
}

static enum rtpp_error check_shape(const struct rtpp_cmd *cmd, const struct rtpp_line *line) {
	const struct rtpp_cmd_info *info = &rtpp_cmd_info[cmd->verb];
	unsigned int n = line->main.n_tokens;

	if (n < info->min_words || n > info->max_words)
		return RTPP_E_ARGS;
	if (cmd->mods.len > 0 && !info->takes_modifiers)
		return RTPP_E_MODS;
	if (line->n_sub > 0 && !info->takes_subcommands)
		return RTPP_E_SUBC;
	return RTPP_OK;
}

static enum rtpp_error parse_line(
	struct rtpp_cmd *cmd, const struct rtpp_line *line, const struct rtpp_env *env) {
	struct input in = {&line->main, env};
	enum rtpp_error error;

	if (!find_verb(word(&in, 0), &cmd->verb, &cmd->mods))
		return RTPP_E_UNKNOWN;
	error = check_shape(cmd, line);
	if (error == RTPP_OK)
		error = parsers[cmd->verb](cmd, &in);
	if (error == RTPP_OK)
		error = parse_subcommands(cmd, line, env);
	if (error == RTPP_OK && cmd->notify_socket.p && !env->has_notify)
		error = RTPP_E_NOTIFY_OFF;
	return error;
}

enum rtpp_error rtpp_parse(struct rtpp_cmd *cmd, struct slice text, const struct rtpp_env *env) {
	struct rtpp_line line;
	enum rtpp_error error;

	memset(cmd, 0, sizeof(*cmd));
	error = rtpp_lex(&line, text);
	return error == RTPP_OK ? parse_line(cmd, &line, env) : error;
}

static bool speaks(const struct rr_config *cfg, enum rr_family family) {
	for (uint32_t i = 0; i < cfg->n_realms; i++) {
		const struct rr_realm_config *realm = &cfg->realm[i];

		if ((family == RR_FAMILY_IPV4 ? &realm->ipv4 : &realm->ipv6)->n_pool > 0)
			return true;
	}
	return false;
}

void rtpp_env_init(struct rtpp_env *env, const struct rr_config *cfg, const char **label_store) {
	const struct rr_realm_config *first = &cfg->realm[0];

	*env = (struct rtpp_env){
		.bridge = cfg->bridge_internal >= 0,
		.has_notify = cfg->n_notify > 0,
		.has_ipv4 = speaks(cfg, RR_FAMILY_IPV4),
		.has_ipv6 = speaks(cfg, RR_FAMILY_IPV6),
		.default_family = first->ipv4.n_pool > 0 ? RR_FAMILY_IPV4 : RR_FAMILY_IPV6,
		.n_labels = cfg->n_realms,
		.label = label_store,
	};
	for (uint32_t i = 0; i < cfg->n_realms; i++)
		label_store[i] = cfg->realm[i].name;
}
