// SPDX-License-Identifier: BSD-2-Clause
// The generator's own options, as one table of numbers and a few words.
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler.h"

static const struct number {
	const char *name;
	size_t at; // in struct options
	bool is_double;
	double min;
	double max;
	const char *help;
} numbers[] = {
#define COUNT(name, field, min, max, help) \
	{ name, offsetof(struct options, field), false, min, max, help }
#define AMOUNT(name, field, min, max, help) \
	{ name, offsetof(struct options, field), true, min, max, help }
	AMOUNT("rate", per_second, 1, 1e9, "packets a second; without it the rate is searched for"),
	AMOUNT("max-rate", max_per_second, 1, 1e9, "where the search begins, 20000000"),
	AMOUNT("seconds", seconds, 0.001, 3600, "of sending in each trial, 0.5"),
	AMOUNT("resolution", resolution, 0.0001, 0.5,
		"of the search, as a share of the rate, 0.01"),
	AMOUNT("search-seconds", search_seconds, 0.001, 86400,
		"after which a search ends with what has passed; without end by default"),
	COUNT("packets", n_packets, 1, UINT32_MAX, "with --rate: send no more than so many"),
	COUNT("tries", n_tries, 1, 100, "of a rate, of which one must pass, 2"),
	COUNT("repeats", n_repeats, 1, 100, "so often must the rate that was found pass again, 2"),
	COUNT("warm-up", n_warm_up, 0, 1000, "uncounted packets of each stream at first, 1"),
	COUNT("drain-ms", drain_ms, 1, 600000,
		"of silence, after which what is missing is lost, 200"),
	COUNT("stall-us", stall_us, 1, 1000000,
		"that the generator stands still before packets under way are not timed, 20"),
	COUNT("late-us", late_us, 1, 10000000,
		"that a packet may take before it counts as late, 1000"),
};

enum { OPTION_CAPTURE = 1, OPTION_OPAQUE, OPTION_HELP, OPTION_NUMBERS };

void options_help(void) {
	printf("usage: bench-generator [EAL ARGUMENTS] -- --capture FILE [OPTIONS]\n\n"
	       "Sends the frames of a capture, one for each stream, over and over, and says as "
	       "JSON\n"
	       "what came back. Up to two ports; a second --capture is sent on the second one.\n\n"
	       "  --capture FILE    pcap of UDP datagrams with payloads of at least 36 bytes\n"
	       "  --opaque          not as RTP: the version bits are off\n");
	for (size_t i = 0; i < RR_ARRAY_LEN(numbers); i++)
		printf("  --%-15s %s\n", numbers[i].name, numbers[i].help);
	printf("  --help            this text\n\n"
	       "Exit status: 0 measured, 1 a fault, 2 misuse.\n");
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, "generator: %s: %s, see -- --help\n", word, what);
	return -EINVAL;
}

static int read_number(struct options *opt, const struct number *number, const char *text) {
	char *at = (char *)opt + number->at;
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= number->min && value <= number->max))
		return misuse("no number that can be", text);
	if (number->is_double)
		*(double *)(void *)at = value;
	else
		*(uint32_t *)(void *)at = (uint32_t)value;
	return 0;
}

static int read_option(struct options *opt, int option) {
	switch (option) {
	case OPTION_CAPTURE:
		if (opt->n_captures == MAX_PORTS)
			return misuse("one capture more than there may be ports", optarg);
		opt->capture[opt->n_captures++] = optarg;
		return 0;
	case OPTION_OPAQUE:
		opt->opaque = true;
		return 0;
	case OPTION_HELP:
		opt->help = true;
		return 0;
	case '?':
		return misuse("no such option, or one without its value", "option");
	default:
		return read_number(opt, &numbers[option - OPTION_NUMBERS], optarg);
	}
}

int options_read(struct options *opt, int argc, char **argv) {
	struct option names[RR_ARRAY_LEN(numbers) + 4] = {
		{"capture", required_argument, NULL, OPTION_CAPTURE},
		{"opaque", no_argument, NULL, OPTION_OPAQUE},
		{"help", no_argument, NULL, OPTION_HELP},
	};
	int option, ret = 0;

	for (size_t i = 0; i < RR_ARRAY_LEN(numbers); i++)
		names[3 + i] = (struct option){
			numbers[i].name, required_argument, NULL, OPTION_NUMBERS + (int)i};
	*opt = (struct options){
		.max_per_second = 20e6,
		.seconds = 0.5,
		.resolution = 0.01,
		.n_tries = 2,
		.n_repeats = 2,
		.n_warm_up = 1,
		.drain_ms = 200,
		.stall_us = 20,
		.late_us = 1000,
	};
	opterr = 0;
	optind = 1;
	while (ret == 0 && (option = getopt_long(argc, argv, "", names, NULL)) >= 0)
		ret = read_option(opt, option);
	if (ret < 0 || opt->help)
		return ret;
	if (optind < argc)
		return misuse("one word too many", argv[optind]);
	return opt->n_captures > 0 ? 0 : misuse("missing", "--capture");
}
