// SPDX-License-Identifier: BSD-2-Clause
// Write a configuration as a file that loads back to the same struct, or the same as JSON.
#include "config_schema.h"

static void indent(struct rr_config_writer *w) {
	for (int i = 0; i < w->depth; i++)
		fputc('\t', w->out);
}

void rr_config_print_name(struct rr_config_writer *w, const char *name) {
	if (!w->json) {
		indent(w);
		fprintf(w->out, "%s = ", name);
		return;
	}
	fputs(w->first ? "" : ",\n", w->out);
	w->first = false;
	indent(w);
	fprintf(w->out, "\"%s\": ", name);
}

// The escapes are the same in both languages, and control characters do not occur.
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
	fputs(w->json ? "" : ";\n", w->out);
}

// An array of scalars and a list of groups are told apart in libconfig and not in JSON.
void rr_config_print_open(struct rr_config_writer *w, char bracket) {
	fprintf(w->out, "%c ", w->json ? '[' : bracket);
}

void rr_config_print_close(struct rr_config_writer *w, char bracket) {
	fprintf(w->out, " %c", w->json ? ']' : bracket);
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
	w->first = true;
	print_rows(w, table, base);
	w->depth--;
	fputs(w->json ? "\n" : "", w->out);
	w->first = false;
	indent(w);
	fputs("}", w->out);
}

void rr_config_print(const struct rr_config *cfg, FILE *out) {
	struct rr_config_writer w = {.cfg = cfg, .out = out};

	print_rows(&w, &rr_config_table, cfg);
}

void rr_config_print_json(const struct rr_config *cfg, FILE *out) {
	struct rr_config_writer w = {.cfg = cfg, .out = out, .json = true};

	rr_config_print_group(&w, &rr_config_table, cfg);
	fputc('\n', out);
}
