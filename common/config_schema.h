// SPDX-License-Identifier: BSD-2-Clause
// The table of options: reading, printing, help and the test of the sample file all walk it.
//
// Inside common/ and the tests only; programs use config.h, and rrctl the table's texts.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler.h"
#include "config.h"

RR_BEGIN_DECLS

struct config_t;
struct config_setting_t;
struct rr_option;

struct rr_option_table {
	const struct rr_option *rows;
	size_t n_rows;
};

// The file that is being read.
struct rr_config_reader {
	struct rr_config *cfg;
	const struct config_t *file;
	const char *path;
	FILE *err;
	enum rr_family family; // of the realm's part that is being read
};

struct rr_config_writer {
	const struct rr_config *cfg;
	FILE *out;
	int depth;
	bool json;
	bool first; // JSON: the next name is its group's first
};

// How a value looks in the file. `base` is the struct that holds the option's field.
struct rr_option_type {
	const char *name;
	const char *expected; // as in "expected ..."
	int (*read)(struct rr_config_reader *r, const struct rr_option *opt,
		const struct config_setting_t *s, void *base);
	void (*print)(struct rr_config_writer *w, const struct rr_option *opt, const void *base);
};

struct rr_option_choice {
	const char *name;
	int value;
};

struct rr_option {
	const char *name;
	const struct rr_option_type *type;
	size_t offset; // of the field in its struct
	size_t size; // of the field, or of one element of a list
	size_t n_offset; // list: of the uint32_t that counts the elements
	// default as it would be written in the file; NULL: the option must be given; "": may be
	// left out and then has no value
	const char *fallback;
	int64_t min; // number: lowest value; text: shortest length; list: fewest elements
	int64_t max; // number: highest value; text: greatest length; list: most elements
	const char *unit;
	const char *help;
	const struct rr_option_choice *choices; // NULL at the end
	const struct rr_option_table *table; // group, list of groups
};

extern const struct rr_option_table rr_config_table; // the whole file
extern const struct rr_option_table rr_config_net_table; // a realm's ipv4 or ipv6

// What may stand there and what does when nothing does: "ms, 1..60000, default 500". Returns buf.
const char *rr_option_describe(const struct rr_option *opt, char *buf, size_t size);

// config_value.c: numbers, texts, groups and lists of them
extern const struct rr_option_type rr_type_uint;
extern const struct rr_option_type rr_type_bool;
extern const struct rr_option_type rr_type_choice;
extern const struct rr_option_type rr_type_mode;
extern const struct rr_option_type rr_type_text;
extern const struct rr_option_type rr_type_word;
extern const struct rr_option_type rr_type_user;
extern const struct rr_option_type rr_type_user_group;
extern const struct rr_option_type rr_type_path;
extern const struct rr_option_type rr_type_name;
extern const struct rr_option_type rr_type_cores;
extern const struct rr_option_type rr_type_texts;
extern const struct rr_option_type rr_type_group;
extern const struct rr_option_type rr_type_groups;

// config_net.c: addresses and what refers to ports and realms
extern const struct rr_option_type rr_type_mac;
extern const struct rr_option_type rr_type_prefix;
extern const struct rr_option_type rr_type_gateway;
extern const struct rr_option_type rr_type_pool;
extern const struct rr_option_type rr_type_neighbour;
extern const struct rr_option_type rr_type_ipv4;
extern const struct rr_option_type rr_type_ipv6;
extern const struct rr_option_type rr_type_port;
extern const struct rr_option_type rr_type_realm;

// config_socket.c: control sockets and notification targets
extern const struct rr_option_type rr_type_sockets;
extern const struct rr_option_type rr_type_targets;

// config.c
//
// Write "FILE:LINE: OPTION message" to r->err and return -EINVAL. The first takes the value that is
// wrong, the second a path such as "realms.[1].vlan", of which the longest part that the file
// holds gives the line.
int rr_config_fail(struct rr_config_reader *r, const struct config_setting_t *s, const char *fmt,
	...) RR_PRINTF(3, 4);
int rr_config_fail_at(struct rr_config_reader *r, const char *path, const char *fmt, ...)
	RR_PRINTF(3, 4);
int rr_config_read_group(struct rr_config_reader *r, const struct rr_option_table *table,
	const struct config_setting_t *s, void *base);

// config_number.c
//
// Look for numbers that the parser would mutilate, from where `in` stands. Returns 0, or -EINVAL
// after one line on err.
int rr_config_check_numbers(FILE *in, const char *path, FILE *err);

// config_value.c
//
// The text of a value, or NULL after a complaint when it is of another type.
const char *rr_config_text(
	struct rr_config_reader *r, const struct rr_option *opt, const struct config_setting_t *s);
// Check that a value is a list or array with a permitted number of elements.
int rr_config_check_list(
	struct rr_config_reader *r, const struct rr_option *opt, const struct config_setting_t *s);

// config_check.c: what no option can tell alone.
int rr_config_check(struct rr_config_reader *r);

// config_print.c
void rr_config_print_name(struct rr_config_writer *w, const char *name);
void rr_config_print_text(struct rr_config_writer *w, const char *text);
void rr_config_print_end(struct rr_config_writer *w);
void rr_config_print_open(struct rr_config_writer *w, char bracket);
void rr_config_print_close(struct rr_config_writer *w, char bracket);
void rr_config_print_group(
	struct rr_config_writer *w, const struct rr_option_table *table, const void *base);

RR_END_DECLS
