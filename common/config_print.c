// SPDX-License-Identifier: BSD-2-Clause
// Write a configuration as a file that loads back to the same struct.
#include "config_schema.h"

static void indent(struct rr_config_writer *w) {
	for (int i = 0; i < w->depth; i++)
		fputc('\t', w->out);
}

void rr_config_print_name(struct rr_config_writer *w, const char *name) {
	indent(w);
	fprintf(w->out, "%s = ", name);
}

void rr_config_print_text(struct rr_config_writer *w, const char *text) {
	fputc('"', w->out);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', w->out);
		fputc(*p, w->out);
	}
	fputc('"', w->out);
}

void rr_config_print_end(struct rr_config_writer *w) {
	fputs(";\n", w->out);
}

static void print_rows(
	struct rr_config_writer *w, const struct rr_option_table *table, const void *base) {
	for (size_t i = 0; i < table->n_rows; i++)
		table->rows[i].type->print(w, &table->rows[i], base);
}

void rr_config_print_group(
	struct rr_config_writer *w, const struct rr_option_table *table, const void *base) {
	fputs("{\n", w->out);
	w->depth++;
	print_rows(w, table, base);
	w->depth--;
	indent(w);
	fputs("}", w->out);
}

void rr_config_print(const struct rr_config *cfg, FILE *out) {
	struct rr_config_writer w = {.cfg = cfg, .out = out};

	print_rows(&w, &rr_config_table, cfg);
}
