// SPDX-License-Identifier: BSD-2-Clause
// Option types: numbers, texts, choices, and groups and lists of options.
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libconfig.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

#define MAX_CORE 1023

static void *field_of(const struct rr_option *opt, void *base) {
	return (uint8_t *)base + opt->offset;
}

static const void *const_field_of(const struct rr_option *opt, const void *base) {
	return (const uint8_t *)base + opt->offset;
}

static uint32_t *count_of(const struct rr_option *opt, void *base) {
	return (uint32_t *)((uint8_t *)base + opt->n_offset);
}

static uint32_t const_count_of(const struct rr_option *opt, const void *base) {
	return *(const uint32_t *)((const uint8_t *)base + opt->n_offset);
}

static void store_number(const struct rr_option *opt, void *base, uint32_t value) {
	uint8_t narrow = (uint8_t)value;
	uint16_t half = (uint16_t)value;
	const void *from = &value;

	if (opt->size == sizeof(narrow))
		from = &narrow;
	else if (opt->size == sizeof(half))
		from = &half;
	memcpy(field_of(opt, base), from, opt->size);
}

static uint32_t load_number(const struct rr_option *opt, const void *base) {
	const void *from = const_field_of(opt, base);

	if (opt->size == sizeof(uint8_t))
		return *(const uint8_t *)from;
	if (opt->size == sizeof(uint16_t))
		return *(const uint16_t *)from;
	return *(const uint32_t *)from;
}

static int refuse_type(
	struct rr_config_reader *r, const struct rr_option *opt, const config_setting_t *s) {
	return rr_config_fail(r, s, "is of the wrong type, expected %s", opt->type->expected);
}

static bool is_whole_number(const config_setting_t *s) {
	return config_setting_type(s) == CONFIG_TYPE_INT ||
	       config_setting_type(s) == CONFIG_TYPE_INT64;
}

// ---- numbers

static int read_uint(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	long long value;

	if (!is_whole_number(s))
		return refuse_type(r, opt, s);
	value = config_setting_get_int64(s);
	if (value < opt->min || value > opt->max)
		return rr_config_fail(r, s, "is %lld, expected %" PRId64 "..%" PRId64 "%s%s", value,
			opt->min, opt->max, opt->unit != NULL ? " " : "",
			opt->unit != NULL ? opt->unit : "");
	store_number(opt, base, (uint32_t)value);
	return 0;
}

static void print_uint(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_config_print_name(w, opt->name);
	fprintf(w->out, "%u", load_number(opt, base));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_uint = {"number", "a whole number", read_uint, print_uint};

static int read_bool(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	if (config_setting_type(s) != CONFIG_TYPE_BOOL)
		return refuse_type(r, opt, s);
	*(bool *)field_of(opt, base) = config_setting_get_bool(s) == CONFIG_TRUE;
	return 0;
}

static void print_bool(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_config_print_name(w, opt->name);
	fputs(*(const bool *)const_field_of(opt, base) ? "true" : "false", w->out);
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_bool = {"boolean", "true or false", read_bool, print_bool};

static int read_cores(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	uint32_t *cores = field_of(opt, base);
	int rc = rr_config_check_list(r, opt, s);

	for (int i = 0; rc == 0 && i < config_setting_length(s); i++) {
		const config_setting_t *elem = config_setting_get_elem(s, (unsigned int)i);
		long long core = config_setting_get_int64(elem);

		if (!is_whole_number(elem))
			rc = refuse_type(r, opt, elem);
		else if (core < 0 || core > MAX_CORE)
			rc = rr_config_fail(r, elem, "is %lld, expected 0..%d", core, MAX_CORE);
		cores[(*count_of(opt, base))++] = (uint32_t)core;
	}
	return rc;
}

static void print_cores(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const uint32_t *cores = const_field_of(opt, base);

	rr_config_print_name(w, opt->name);
	rr_config_print_open(w, '[');
	for (uint32_t i = 0; i < const_count_of(opt, base); i++)
		fprintf(w->out, "%s%u", i > 0 ? ", " : "", cores[i]);
	rr_config_print_close(w, ']');
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_cores = {
	"cores", "an array of whole numbers [ 1, 2 ]", read_cores, print_cores};

// ---- texts

const char *rr_config_text(
	struct rr_config_reader *r, const struct rr_option *opt, const config_setting_t *s) {
	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return config_setting_get_string(s);
	refuse_type(r, opt, s);
	return NULL;
}

static int store_text(struct rr_config_reader *r, const struct rr_option *opt,
	const config_setting_t *s, void *base) {
	const char *text = rr_config_text(r, opt, s);
	size_t len;

	if (text == NULL)
		return -EINVAL;
	len = strlen(text);
	if (len < (size_t)opt->min || len > (size_t)opt->max)
		return rr_config_fail(r, s, "has %zu characters, expected %" PRId64 "..%" PRId64,
			len, opt->min, opt->max);
	memcpy(field_of(opt, base), text, len + 1);
	return 0;
}

static bool is_name_character(unsigned char c) {
	return isalnum(c) || strchr(".-_", c) != NULL;
}

static bool is_word_character(unsigned char c) {
	return c > ' ' && c < 0x7f;
}

static bool is_text_character(unsigned char c) {
	return c >= ' ' && c != 0x7f;
}

static int check_characters(struct rr_config_reader *r, const config_setting_t *s,
	bool (*permitted)(unsigned char c), const char *expected) {
	const char *text = config_setting_get_string(s);

	for (size_t i = 0; text[i] != '\0'; i++) {
		if (!permitted((unsigned char)text[i]))
			return rr_config_fail(
				r, s, "has character %zu wrong, expected %s", i + 1, expected);
	}
	return 0;
}

static int read_text(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = store_text(r, opt, s, base);

	return rc == 0 ? check_characters(r, s, is_text_character, "printable ones") : rc;
}

static int read_word(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = store_text(r, opt, s, base);

	return rc == 0 ? check_characters(r, s, is_word_character, "ASCII without blanks") : rc;
}

static int read_name(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = store_text(r, opt, s, base);

	return rc == 0 ? check_characters(r, s, is_name_character, "letters, digits, . - _") : rc;
}

static int read_path(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = read_text(r, opt, s, base);
	const char *path = field_of(opt, base);

	if (rc == 0 && path[0] != '\0' && path[0] != '/')
		return rr_config_fail(r, s, "is \"%s\", expected an absolute path", path);
	return rc;
}

static int read_user(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = read_word(r, opt, s, base);
	const char *name = field_of(opt, base);

	if (rc == 0 && name[0] != '\0' && getpwnam(name) == NULL)
		return rr_config_fail(r, s, "is \"%s\", expected a user of this machine", name);
	return rc;
}

static int read_user_group(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int rc = read_word(r, opt, s, base);
	const char *name = field_of(opt, base);

	if (rc == 0 && name[0] != '\0' && getgrnam(name) == NULL)
		return rr_config_fail(r, s, "is \"%s\", expected a group of this machine", name);
	return rc;
}

static void print_text(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, const_field_of(opt, base));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_text = {"text", "a text \"...\"", read_text, print_text};
const struct rr_option_type rr_type_word = {"word", "a text \"...\"", read_word, print_text};
const struct rr_option_type rr_type_user = {"user", "a text \"...\"", read_user, print_text};
const struct rr_option_type rr_type_user_group = {
	"user group", "a text \"...\"", read_user_group, print_text};
const struct rr_option_type rr_type_name = {"name", "a name \"...\"", read_name, print_text};
const struct rr_option_type rr_type_path = {"path", "a path \"/...\"", read_path, print_text};

static int read_texts(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_option elem = *opt;
	int rc = rr_config_check_list(r, opt, s);

	elem.min = 1;
	elem.max = (int64_t)opt->size - 1;
	for (int i = 0; rc == 0 && i < config_setting_length(s); i++) {
		rc = read_text(r, &elem, config_setting_get_elem(s, (unsigned int)i), base);
		elem.offset += opt->size;
		*count_of(opt, base) += 1;
	}
	return rc;
}

static void print_texts(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const char *text = const_field_of(opt, base);

	rr_config_print_name(w, opt->name);
	rr_config_print_open(w, '[');
	for (uint32_t i = 0; i < const_count_of(opt, base); i++, text += opt->size) {
		fputs(i > 0 ? ", " : "", w->out);
		rr_config_print_text(w, text);
	}
	rr_config_print_close(w, ']');
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_texts = {
	"texts", "an array of texts [ \"...\", \"...\" ]", read_texts, print_texts};

// ---- choices

static int refuse_choice(struct rr_config_reader *r, const struct rr_option *opt,
	const config_setting_t *s, const char *text) {
	char names[128] = "";
	size_t len = 0;

	for (const struct rr_option_choice *c = opt->choices; c->name != NULL; c++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
			c > opt->choices ? ", " : "", c->name);
	return rr_config_fail(r, s, "is \"%s\", expected one of %s", text, names);
}

static int read_choice(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	const char *text = rr_config_text(r, opt, s);

	if (text == NULL)
		return -EINVAL;
	for (const struct rr_option_choice *c = opt->choices; c->name != NULL; c++) {
		if (strcmp(c->name, text) == 0) {
			store_number(opt, base, (uint32_t)c->value);
			return 0;
		}
	}
	return refuse_choice(r, opt, s, text);
}

static void print_choice(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	uint32_t value = load_number(opt, base);

	for (const struct rr_option_choice *c = opt->choices; c->name != NULL; c++) {
		if ((uint32_t)c->value != value)
			continue;
		rr_config_print_name(w, opt->name);
		rr_config_print_text(w, c->name);
		rr_config_print_end(w);
	}
}

const struct rr_option_type rr_type_choice = {
	"choice", "a text \"...\"", read_choice, print_choice};

// File permissions are a text because libconfig has no octal numbers.
static int read_mode(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	const char *text = rr_config_text(r, opt, s);
	unsigned long mode;
	char *end;

	if (text == NULL)
		return -EINVAL;
	mode = strtoul(text, &end, 8);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || mode > (unsigned long)opt->max)
		return rr_config_fail(r, s, "is \"%s\", expected octal permissions up to %04lo",
			text, (unsigned long)opt->max);
	store_number(opt, base, (uint32_t)mode);
	return 0;
}

static void print_mode(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_config_print_name(w, opt->name);
	fprintf(w->out, "\"%04o\"", load_number(opt, base));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_mode = {
	"permissions", "an octal text \"0660\"", read_mode, print_mode};

// ---- groups and lists

int rr_config_check_list(
	struct rr_config_reader *r, const struct rr_option *opt, const config_setting_t *s) {
	int n;

	if (!config_setting_is_list(s) && !config_setting_is_array(s))
		return refuse_type(r, opt, s);
	n = config_setting_length(s);
	if (n < opt->min || n > opt->max)
		return rr_config_fail(r, s, "has %d entries, expected %" PRId64 "..%" PRId64, n,
			opt->min, opt->max);
	return 0;
}

static int read_group(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	return rr_config_read_group(r, opt->table, s, field_of(opt, base));
}

static void print_group(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_config_print_name(w, opt->name);
	rr_config_print_group(w, opt->table, const_field_of(opt, base));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_group = {"group", "a group { ... }", read_group, print_group};

// The count includes an entry only when it is complete: what reads an entry may take the count for
// the entry's own index.
static int read_groups(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	uint8_t *elem = field_of(opt, base);
	int rc = rr_config_check_list(r, opt, s);

	for (int i = 0; rc == 0 && i < config_setting_length(s); i++) {
		rc = rr_config_read_group(
			r, opt->table, config_setting_get_elem(s, (unsigned int)i), elem);
		elem += opt->size;
		*count_of(opt, base) += 1;
	}
	return rc;
}

static void print_groups(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const uint8_t *elem = const_field_of(opt, base);

	rr_config_print_name(w, opt->name);
	rr_config_print_open(w, '(');
	for (uint32_t i = 0; i < const_count_of(opt, base); i++, elem += opt->size) {
		fputs(i > 0 ? ", " : "", w->out);
		rr_config_print_group(w, opt->table, elem);
	}
	rr_config_print_close(w, ')');
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_groups = {
	"list of groups", "a list ( { ... }, { ... } )", read_groups, print_groups};
