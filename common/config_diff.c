// SPDX-License-Identifier: BSD-2-Clause
// What differs between two configurations: options are equal that print alike.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

#define PATH_TEXT 96

struct diff {
	const struct rr_config *a;
	const struct rr_config *b;
	FILE *out;
	int n; // found so far; a negative errno ends it
};

// One option, or a group of them, on both sides.
struct pair {
	const struct rr_option *opt;
	const void *a;
	const void *b;
	const char *path;
};

// To be freed; NULL when memory is short. Of a group that is left out the text is empty.
static char *print_option(
	const struct rr_config *cfg, const struct rr_option *opt, const void *base) {
	struct rr_config_writer w = {.cfg = cfg};
	char *text = NULL;
	size_t size;

	w.out = open_memstream(&text, &size);
	if (w.out == NULL)
		return NULL;
	opt->type->print(&w, opt, base);
	if (fclose(w.out) == 0)
		return text;
	free(text);
	return NULL;
}

static uint32_t count_of(const struct rr_option *opt, const void *base) {
	uint32_t n = 1;

	if (opt->type == &rr_type_groups)
		memcpy(&n, (const uint8_t *)base + opt->n_offset, sizeof(n));
	return n;
}

static void diff_table(struct diff *d, const struct rr_option_table *table, const void *a,
	const void *b, const char *prefix);

static void diff_groups(struct diff *d, const struct pair *pair, uint32_t n) {
	const struct rr_option *opt = pair->opt;
	bool is_list = opt->type == &rr_type_groups;

	for (uint32_t i = 0; d->n >= 0 && i < n; i++) {
		size_t offset = opt->offset + i * opt->size;
		char index[16] = "";
		char prefix[PATH_TEXT];

		if (is_list)
			snprintf(index, sizeof(index), "[%u]", i);
		snprintf(prefix, sizeof(prefix), "%.60s%s.", pair->path, index);
		diff_table(d, opt->table, (const uint8_t *)pair->a + offset,
			(const uint8_t *)pair->b + offset, prefix);
	}
}

static void name(struct diff *d, const char *path) {
	fprintf(d->out, "%s%s", d->n > 0 ? ", " : "", path);
	d->n++;
}

// Of groups that are on both sides the options are named, else they themselves.
static void diff_texts(struct diff *d, const struct pair *pair, const char *a, const char *b) {
	uint32_t n = count_of(pair->opt, pair->a);

	if (strcmp(a, b) == 0)
		return;
	if (pair->opt->table != NULL && a[0] != '\0' && b[0] != '\0' &&
		n == count_of(pair->opt, pair->b))
		diff_groups(d, pair, n);
	else
		name(d, pair->path);
}

static void diff_option(struct diff *d, const struct pair *pair) {
	char *a = print_option(d->a, pair->opt, pair->a);
	char *b = print_option(d->b, pair->opt, pair->b);

	if (a != NULL && b != NULL)
		diff_texts(d, pair, a, b);
	else
		d->n = -ENOMEM;
	free(a);
	free(b);
}

static void diff_table(struct diff *d, const struct rr_option_table *table, const void *a,
	const void *b, const char *prefix) {
	for (size_t i = 0; d->n >= 0 && i < table->n_rows; i++) {
		char path[PATH_TEXT];
		struct pair pair = {.opt = &table->rows[i], .a = a, .b = b, .path = path};

		if (pair.opt->type == &rr_type_pool)
			continue;
		snprintf(path, sizeof(path), "%s%s", prefix, pair.opt->name);
		diff_option(d, &pair);
	}
}

int rr_config_diff(const struct rr_config *a, const struct rr_config *b, FILE *out) {
	struct diff d = {.a = a, .b = b, .out = out};

	diff_table(&d, &rr_config_table, a, b, "");
	return d.n;
}
