// SPDX-License-Identifier: BSD-2-Clause
// rrctl stats: every counter by port and by worker, whether the packets add up, and what control
// counts, as it wrote it down last.
//
// Figures are read one after another while workers count, so the accounting equation is exact only
// when no packet is under way. It holds over the sum of all ports and workers: what is sent is
// counted where it leaves and everything else where it arrived.
#include <string.h>

#include "atomic.h"
#include "control_counters.h"
#include "rrctl.h"

#define MAX_BLOCKS (RR_MAX_WORKERS + 1) // the last one is the dataplane's main thread
#define TITLE_SIZE 40
#define MAX_SERIES (MAX_BLOCKS + RR_MAX_PORTS + 1)

struct series {
	uint64_t total[RR_N_COUNTERS];
	uint64_t base[RR_N_COUNTERS]; // at the start of this dataplane generation
};

struct snapshot {
	struct series sum;
	struct series port[RR_MAX_PORTS];
	struct series block[MAX_BLOCKS];
	struct series cell[MAX_BLOCKS][RR_MAX_PORTS];
};

static void add(struct series *to, uint32_t counter, uint64_t total, uint64_t base) {
	to->total[counter] += total;
	to->base[counter] += base;
}

static void take_snapshot(struct snapshot *s, const struct rr_region *region) {
	memset(s, 0, sizeof(*s));
	for (uint32_t b = 0; b <= region->n_workers; b++) {
		const struct rr_shm_worker *w = &region->workers[b];

		for (uint32_t p = 0; p < region->n_ports; p++) {
			for (uint32_t c = 0; c < RR_N_COUNTERS; c++) {
				uint64_t total = rr_load_relaxed(&w->counters[p][c]);
				uint64_t base = rr_load_relaxed(&w->counters_base[p][c]);

				add(&s->sum, c, total, base);
				add(&s->port[p], c, total, base);
				add(&s->block[b], c, total, base);
				add(&s->cell[b][p], c, total, base);
			}
		}
	}
}

// A level is that of this generation: what a killed one held is gone. One thread's share of it may
// be negative, since a packet is put into a ring by one and taken out by another.
static json_t *counters_json(const struct series *s) {
	json_t *o = json_object();

	for (uint32_t c = 0; c < RR_N_COUNTERS; c++) {
		uint64_t value = s->total[c];

		if (rr_counter_info[c].kind == RR_COUNTER_GAUGE)
			value -= s->base[c];
		json_object_set_new(o, rr_counter_info[c].name, json_integer((json_int_t)value));
	}
	return o;
}

static json_t *generation_json(const struct snapshot *s, const struct rr_region *region) {
	uint64_t since[RR_N_COUNTERS];

	for (uint32_t c = 0; c < RR_N_COUNTERS; c++)
		since[c] = s->sum.total[c] - s->sum.base[c];
	return json_pack("{s:I, s:I}", "number",
		(json_int_t)rr_load_relaxed(&region->header->dp_generation), "imbalance",
		(json_int_t)rr_counters_imbalance(since));
}

static json_t *ports_json(const struct series *s, const struct rr_region *region) {
	json_t *rows = json_array();

	for (uint32_t p = 0; p < region->n_ports; p++) {
		char name[RR_PORT_NAME_LEN + 1] = "";

		memcpy(name, region->header->port_name[p], RR_PORT_NAME_LEN);
		json_array_append_new(rows,
			json_pack("{s:s, s:o}", "name", name, "counters", counters_json(&s[p])));
	}
	return rows;
}

static json_t *workers_json(const struct snapshot *s, const struct rr_region *region) {
	json_t *rows = json_array();

	for (uint32_t b = 0; b <= region->n_workers; b++) {
		char name[TITLE_SIZE] = "main";

		if (b < region->n_workers)
			snprintf(name, sizeof(name), "worker%u", b);
		json_array_append_new(rows, json_pack("{s:s, s:o, s:o}", "name", name, "counters",
						    counters_json(&s->block[b]), "ports",
						    ports_json(s->cell[b], region)));
	}
	return rows;
}

// ---- control

static const struct {
	const char *name;
	enum rr_control_counter_kind kind;
	const char *help;
} control_counters[] = {
#define CONTROL_ROW(id, kind, help) {#id, kind, help},
	RR_CONTROL_COUNTERS(CONTROL_ROW)
#undef CONTROL_ROW
};
RR_STATIC_ASSERT(RR_ARRAY_LEN(control_counters) <= RR_STORE_COUNTERS, "the store has them");

// Null when control has no store yet.
static json_t *control_json(const struct rrctl *ctl) {
	struct rr_store_meta meta;
	json_t *o;

	if (!rrctl_try_meta(ctl, &meta))
		return json_null();
	o = json_object();
	for (size_t i = 0; i < RR_ARRAY_LEN(control_counters); i++) {
		if (control_counters[i].kind != RR_CONTROL_HIDDEN)
			json_object_set_new(o, control_counters[i].name,
				json_integer((json_int_t)meta.counters[i]));
	}
	return o;
}

static json_t *stats_json(const struct rrctl *ctl, const struct rr_region *region) {
	static struct snapshot s;

	take_snapshot(&s, region);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "generation",
		generation_json(&s, region), "totals", counters_json(&s.sum), "ports",
		ports_json(s.port, region), "workers", workers_json(&s, region), "control",
		control_json(ctl), "all", ctl->all);
}

// ---- for people: one row a counter, one column a port or worker

struct series_list {
	size_t n;
	struct rrctl_column column[MAX_SERIES];
	const json_t *counters[MAX_SERIES];
};

static void append_named(struct series_list *list, const json_t *array) {
	size_t i;
	const json_t *elem;

	json_array_foreach((json_t *)array, i, elem) {
		const char *name = json_string_value(json_object_get(elem, "name"));

		if (list->n == MAX_SERIES)
			return;
		list->column[list->n] = (struct rrctl_column){name, name};
		list->counters[list->n++] = json_object_get(elem, "counters");
	}
}

static bool is_zero(const struct series_list *list, const char *counter) {
	for (size_t i = 0; i < list->n; i++) {
		if (json_integer_value(json_object_get(list->counters[i], counter)) != 0)
			return false;
	}
	return true;
}

static json_t *counter_row(const struct series_list *list, const char *counter) {
	json_t *row = json_pack("{s:s}", "counter", counter);

	// a copy, since the same integer stands in two documents
	for (size_t i = 0; i < list->n; i++)
		json_object_set_new(row, list->column[i].key,
			json_integer(
				json_integer_value(json_object_get(list->counters[i], counter))));
	return row;
}

static void draw_series(const struct series_list *list, bool all) {
	struct rrctl_column columns[MAX_SERIES + 1] = {{"COUNTER", "counter"}};
	json_t *rows = json_array();

	memcpy(columns + 1, list->column, list->n * sizeof(columns[0]));
	for (uint32_t c = 0; c < RR_N_COUNTERS; c++) {
		const char *name = rr_counter_info[c].name;

		if (all || !is_zero(list, name))
			json_array_append_new(rows, counter_row(list, name));
	}
	rrctl_table(rows, columns, list->n + 1);
	json_decref(rows);
}

static void draw_control(const json_t *control, bool all) {
	static const struct rrctl_column columns[] = {{"COUNTER", "counter"}, {"CONTROL", "value"}};
	json_t *rows = json_array();
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)control, name, value) {
		if (all || json_integer_value(value) != 0)
			json_array_append_new(
				rows, json_pack("{s:s, s:O}", "counter", name, "value", value));
	}
	rrctl_table(rows, columns, RR_ARRAY_LEN(columns));
	json_decref(rows);
}

static void draw_stats(const json_t *result) {
	bool all = json_is_true(json_object_get(result, "all"));
	const json_t *generation = json_object_get(result, "generation");
	struct series_list ports = {.n = 1, .column = {{"TOTAL", "total"}}};
	struct series_list workers = {.n = 0};

	ports.counters[0] = json_object_get(result, "totals");
	append_named(&ports, json_object_get(result, "ports"));
	append_named(&workers, json_object_get(result, "workers"));
	printf("generation %" JSON_INTEGER_FORMAT ", packets unaccounted for %" JSON_INTEGER_FORMAT
	       "\n\n",
		json_integer_value(json_object_get(generation, "number")),
		json_integer_value(json_object_get(generation, "imbalance")));
	draw_series(&ports, all);
	putchar('\n');
	draw_series(&workers, all);
	if (json_is_object(json_object_get(result, "control"))) {
		putchar('\n');
		draw_control(json_object_get(result, "control"), all);
	}
}

int rrctl_stats_show(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	struct rr_region region;
	json_t *result;
	int rc = rrctl_attach(ctl, &region, true);

	if (rc != RRCTL_DONE)
		return rc;
	result = stats_json(ctl, &region);
	rr_region_detach(&region);
	return rrctl_show(ctl, result, draw_stats);
}

static void draw_list(const json_t *result) {
	static const struct rrctl_column columns[] = {
		{"COUNTER", "name"}, {"SIDE", "side"}, {"UNIT", "unit"}, {"MEANING", "help"}};

	static const struct rrctl_column of_control[] = {{"CONTROL", "name"}, {"MEANING", "help"}};

	rrctl_table(json_object_get(result, "counters"), columns, RR_ARRAY_LEN(columns));
	putchar('\n');
	rrctl_table(json_object_get(result, "control"), of_control, RR_ARRAY_LEN(of_control));
}

// Side of the accounting equation.
static const char *side_of(enum rr_counter_kind kind) {
	static const char *const names[] = {
		[RR_COUNTER_IN] = "in",
		[RR_COUNTER_OUT] = "out",
		[RR_COUNTER_DROP] = "drop",
		[RR_COUNTER_GAUGE] = "held",
		[RR_COUNTER_INFO] = "none",
	};

	return names[kind];
}

int rrctl_stats_list(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	json_t *rows = json_array();
	json_t *control = json_array();

	for (uint32_t c = 0; c < RR_N_COUNTERS; c++) {
		const struct rr_counter_info *info = &rr_counter_info[c];

		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:s}", "name", info->name, "side",
				      side_of(info->kind), "unit", info->unit, "help", info->help));
	}
	for (size_t i = 0; i < RR_ARRAY_LEN(control_counters); i++) {
		if (control_counters[i].kind != RR_CONTROL_HIDDEN)
			json_array_append_new(
				control, json_pack("{s:s, s:s}", "name", control_counters[i].name,
						 "help", control_counters[i].help));
	}
	return rrctl_show(
		ctl, json_pack("{s:o, s:o}", "counters", rows, "control", control), draw_list);
}
