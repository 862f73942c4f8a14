// SPDX-License-Identifier: BSD-2-Clause
// Names and units of what the generator reports.
#include "report.h"

#include <rte_cycles.h>

#include "compiler.h"

static const struct percentile {
	const char *name;
	double share;
} percentiles[] = {
	{"p50", 0.5},
	{"p99", 0.99},
	{"p99.9", 0.999},
	{"p99.99", 0.9999},
	{"max", 1},
};

static double ns(uint64_t tsc) {
	return (double)tsc * 1e9 / (double)rte_get_tsc_hz();
}

// Without a packet that could be timed there is no figure, rather than a good one.
static json_t *latency(const struct histogram *h) {
	json_t *row = json_object();

	for (size_t i = 0; i < RR_ARRAY_LEN(percentiles); i++) {
		json_t *value = h->n > 0 ? json_real(ns(histogram_at(h, percentiles[i].share)))
					 : json_null();

		json_object_set_new(row, percentiles[i].name, value);
	}
	return row;
}

json_t *report_trial(const struct trial *trial, const struct meter *m) {
	uint64_t late_tsc = rte_get_tsc_hz() / 1000000 * trial->params.late_us;
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = {
		{"sent", trial->n_sent},
		{"refused", trial->n_refused},
		{"received", m->n_received},
		{"lost", trial->n_sent - m->n_received},
		{"reordered", m->n_reordered},
		{"duplicated", m->n_duplicates},
		{"stale", m->n_stale},
		{"foreign", m->n_foreign},
		{"untimed", m->n_untimed},
		{"late", histogram_above(&m->latency, late_tsc)},
		{"slipped", trial->n_slipped},
		{"stalls", trial->n_stalls},
	};
	json_t *row = json_object();

	json_object_set_new(row, "wanted_pps", json_real(trial->params.per_second));
	json_object_set_new(row, "sent_pps", json_real(trial_rate(trial, trial->n_sent)));
	json_object_set_new(row, "received_pps", json_real(trial_rate(trial, m->n_received)));
	json_object_set_new(row, "seconds", json_real(trial->seconds));
	json_object_set_new(row, "stalled_seconds", json_real(trial->stalled_seconds));
	for (size_t i = 0; i < RR_ARRAY_LEN(counts); i++)
		json_object_set_new(row, counts[i].name, json_integer((json_int_t)counts[i].n));
	json_object_set_new(row, "latency_ns", latency(&m->latency));
	return row;
}

const char *report_limit(enum verdict limit) {
	static const char *const names[] = {
		[VERDICT_PASSED] = "max_rate",
		[VERDICT_LOST] = "loss",
		[VERDICT_NOT_OFFERED] = "generator",
		[VERDICT_ABORTED] = "aborted",
	};

	return names[limit];
}
