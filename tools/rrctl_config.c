// SPDX-License-Identifier: BSD-2-Clause
// rrctl config: the configuration in effect, and the table of options.
#include <stdlib.h>

#include "config_schema.h"
#include "rrctl.h"

#define PATH_TEXT 96

int rrctl_config_show(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	if (ctl->json)
		rr_config_print_json(&ctl->cfg, stdout);
	else
		rr_config_print(&ctl->cfg, stdout);
	return RRCTL_DONE;
}

// A list's entries stand under its name with [].
static void list_table(json_t *rows, const struct rr_option_table *table, const char *prefix) {
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct rr_option *opt = &table->rows[i];
		bool is_list = opt->type == &rr_type_groups;
		char path[PATH_TEXT];
		char what[256];

		snprintf(path, sizeof(path), "%s%s%s", prefix, opt->name, is_list ? "[]" : "");
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s}", "option", path, "value",
				rr_option_describe(opt, what, sizeof(what)), "help", opt->help));
		if (opt->table != NULL) {
			snprintf(path, sizeof(path), "%s%s%s.", prefix, opt->name,
				is_list ? "[]" : "");
			list_table(rows, opt->table, path);
		}
	}
}

static void draw_options(const json_t *result) {
	static const struct rrctl_column columns[] = {
		{"OPTION", "option"}, {"VALUE", "value"}, {"MEANING", "help"}};

	rrctl_table(json_object_get(result, "options"), columns, RR_ARRAY_LEN(columns));
}

int rrctl_config_list(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	json_t *rows = json_array();

	list_table(rows, &rr_config_table, "");
	return rrctl_show(ctl, json_pack("{s:o}", "options", rows), draw_options);
}
