// SPDX-License-Identifier: BSD-2-Clause
// What rtppload counts of one step.
#include "load_figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

static const char *const outcome_names[LOAD_N_OUTCOMES] = {
	[LOAD_OK] = "ok",
	[LOAD_ERROR] = "errors",
	[LOAD_MISSED] = "missed",
	[LOAD_WRONG] = "wrong",
	[LOAD_LOST] = "lost",
};

static const struct {
	const char *name;
	double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

// Classes grow with the value: an octave has as many as any other.
static unsigned int class_of(uint64_t ns) {
	unsigned int shift;

	if (ns < 1U << LOAD_SUB_BITS)
		return (unsigned int)ns;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - LOAD_SUB_BITS;
	return ((shift + 1) << LOAD_SUB_BITS) + (unsigned int)(ns >> shift) - (1U << LOAD_SUB_BITS);
}

// The largest value of a class.
static uint64_t class_end(unsigned int class) {
	unsigned int octave = class >> LOAD_SUB_BITS;
	uint64_t place = class & ((1U << LOAD_SUB_BITS) - 1);

	if (octave == 0)
		return place;
	return ((place + (1U << LOAD_SUB_BITS) + 1) << (octave - 1)) - 1;
}

void load_figures_add(
	struct load_figures *f, enum load_outcome outcome, unsigned int code, uint64_t took_ns) {
	f->n[outcome]++;
	if (outcome == LOAD_ERROR)
		f->n_code[code <= LOAD_MAX_CODE ? code : LOAD_MAX_CODE]++;
	if (outcome == LOAD_LOST)
		return;
	f->n_took[class_of(took_ns)]++;
	if (took_ns > f->max_ns)
		f->max_ns = took_ns;
}

uint64_t load_figures_n_commands(const struct load_figures *f) {
	uint64_t n = 0;

	for (unsigned int i = 0; i < LOAD_N_OUTCOMES; i++)
		n += f->n[i];
	return n;
}

uint64_t load_figures_quantile_ns(const struct load_figures *f, double share) {
	uint64_t n_replies = load_figures_n_commands(f) - f->n[LOAD_LOST];
	double wanted = share * (double)n_replies;
	uint64_t n = 0;

	for (unsigned int i = 0; n_replies > 0 && i < LOAD_N_CLASSES; i++) {
		n += f->n_took[i];
		if ((double)n >= wanted)
			return class_end(i) < f->max_ns ? class_end(i) : f->max_ns;
	}
	return 0;
}

static double seconds(const struct load_figures *f) {
	return (double)(f->end_ns - f->begin_ns) / (double)RR_NS_PER_S;
}

static double rate(const struct load_figures *f) {
	double s = seconds(f);

	return s > 0 ? (double)load_figures_n_commands(f) / s : 0;
}

static double us(uint64_t ns) {
	return (double)ns / 1000;
}

static json_t *codes_json(const struct load_figures *f) {
	json_t *codes = json_object();
	char name[8];

	for (unsigned int i = 0; i <= LOAD_MAX_CODE; i++) {
		if (f->n_code[i] == 0)
			continue;
		snprintf(name, sizeof(name), "E%u", i);
		json_object_set_new(codes, name, json_integer((json_int_t)f->n_code[i]));
	}
	return codes;
}

static json_t *times_json(const struct load_figures *f) {
	json_t *times = json_object();

	for (size_t i = 0; i < RR_ARRAY_LEN(quantiles); i++)
		json_object_set_new(times, quantiles[i].name,
			json_real(us(load_figures_quantile_ns(f, quantiles[i].share))));
	json_object_set_new(times, "max", json_real(us(f->max_ns)));
	return times;
}

json_t *load_figures_json(const struct load_figures *f) {
	json_t *row = json_pack("{s:s, s:I, s:f, s:f}", "step", f->step, "commands",
		(json_int_t)load_figures_n_commands(f), "seconds", seconds(f), "per_second",
		rate(f));

	for (unsigned int i = 0; i < LOAD_N_OUTCOMES; i++)
		json_object_set_new(row, outcome_names[i], json_integer((json_int_t)f->n[i]));
	json_object_set_new(row, "codes", codes_json(f));
	json_object_set_new(row, "retransmits", json_integer((json_int_t)f->n_retransmits));
	json_object_set_new(row, "strays", json_integer((json_int_t)f->n_strays));
	json_object_set_new(row, "reply_us", times_json(f));
	return row;
}

void load_figures_print_head(void) {
	printf("%-8s %9s %9s %7s %7s %6s %6s %6s %8s %8s", "step", "commands", "ok", "errors",
		"missed", "wrong", "lost", "again", "s", "per s");
	for (size_t i = 0; i < RR_ARRAY_LEN(quantiles); i++)
		printf(" %8s", quantiles[i].name);
	printf(" %8s us\n", "max");
}

void load_figures_print(const struct load_figures *f) {
	printf("%-8s %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64 " %6" PRIu64 " %6" PRIu64
	       " %6" PRIu64 " %8.3f %8.0f",
		f->step, load_figures_n_commands(f), f->n[LOAD_OK], f->n[LOAD_ERROR],
		f->n[LOAD_MISSED], f->n[LOAD_WRONG], f->n[LOAD_LOST], f->n_retransmits, seconds(f),
		rate(f));
	for (size_t i = 0; i < RR_ARRAY_LEN(quantiles); i++)
		printf(" %8.0f", us(load_figures_quantile_ns(f, quantiles[i].share)));
	printf(" %8.0f\n", us(f->max_ns));
	for (unsigned int i = 0; i <= LOAD_MAX_CODE; i++)
		if (f->n_code[i] > 0)
			printf("  E%u: %" PRIu64 "\n", i, f->n_code[i]);
}
