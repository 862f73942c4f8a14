// SPDX-License-Identifier: BSD-2-Clause
// makeprompt: prompt files of every codec from one sound file; run as makeann, with its ways.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "compiler.h"
#include "prompt.h"

#define EXIT_REFUSED 1
#define EXIT_MISUSE 2
// Room in a name for its ending, as ".127.new".
#define ENDING_ROOM 16
#define MAX_PROMPTS 8
#define OPUS_TYPE_MIN 96 // RFC 3551 section 3: given out call by call
#define OPUS_TYPE_MAX 127

struct options {
	struct source_params sound;
	const char *name;
	uint64_t max_samples;
	int opus_type; // -1: none
	bool raw_if_unknown;
};

static const char *program = "makeprompt";

static void print_help(FILE *out) {
	fprintf(out,
		"usage: %s [OPTIONS] SOUND [NAME]\n"
		"  SOUND        any file that libsndfile reads: WAV, AIFF, FLAC, Ogg, MP3, ...\n"
		"  NAME         the files are NAME.PT, PT being the payload type; SOUND by "
		"default\n"
		"  -l SAMPLES   not more than so many, 8,000 a second\n"
		"  -L           begin anew at the end of SOUND until there are so many\n"
		"  -r, --raw    SOUND has no header: 16 bit, low byte first, one channel, %d Hz.\n"
		"               So are files that end in .raw, .sln, .slin and .pcm, and for\n"
		"               makeann whatever is no other sound\n"
		"  --opus PT    an Opus file as well, 80 bytes for each 20 ms; PT is 96 to 127\n"
		"  -h, --help   this text\n"
		"Exit status: 0 done, 1 refused, 2 misuse. Writes:\n",
		program, SOURCE_RAW_HZ);
	for (const struct codec *const *c = codecs; *c; c++)
		if ((*c)->payload_type >= 0)
			fprintf(out, "  NAME.%-3d     %s\n", (*c)->payload_type, (*c)->name);
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, "%s: %s: %s, see %s --help\n", program, word, what, program);
	return -EINVAL;
}

static int read_number(const char *text, unsigned long min, unsigned long max, uint64_t *out) {
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno || *out < min || *out > max) {
		fprintf(stderr, "%s: %s: no number from %lu to %lu\n", program, text, min, max);
		return -EINVAL;
	}
	return 0;
}

static int read_opus_type(struct options *opt, const char *text) {
	uint64_t type;

	if (read_number(text, OPUS_TYPE_MIN, OPUS_TYPE_MAX, &type) < 0)
		return -EINVAL;
	opt->opus_type = (int)type;
	return 0;
}

static int read_option(struct options *opt, int option) {
	switch (option) {
	case 'l':
		return read_number(optarg, 1, UINT32_MAX, &opt->max_samples);
	case 'L':
		opt->sound.loops = true;
		return 0;
	case 'r':
		opt->sound.is_raw = true;
		return 0;
	case 'o':
		return read_opus_type(opt, optarg);
	case 'h':
		print_help(stdout);
		exit(EXIT_SUCCESS);
	default:
		return -EINVAL; // getopt has said why
	}
}

static bool is_raw_name(const char *path) {
	static const char *const endings[] = {".raw", ".sln", ".slin", ".pcm"};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < RR_ARRAY_LEN(endings); i++)
		if (strcasecmp(dot, endings[i]) == 0)
			return true;
	return false;
}

static int read_options(struct options *opt, int argc, char **argv) {
	static const struct option long_options[] = {
		{"raw", no_argument, NULL, 'r'},
		{"opus", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "l:Lrh", long_options, NULL)) != -1)
		if (read_option(opt, option) < 0)
			return -EINVAL;
	if (argc - optind < 1 || argc - optind > 2)
		return misuse("one sound and one name are wanted",
			argc > optind ? argv[argc - 1] : "arguments");
	if (opt->sound.loops && opt->max_samples == 0)
		return misuse("-l is wanted as well, or it never ends", "-L");
	opt->sound.path = argv[optind];
	opt->name = argv[argc - 1];
	if (strlen(opt->name) + ENDING_ROOM > PROMPT_PATH_LEN)
		return misuse("too long", opt->name);
	opt->sound.is_raw = opt->sound.is_raw || is_raw_name(opt->sound.path);
	return 0;
}

static size_t list_prompts(const struct options *opt, struct prompt prompts[MAX_PROMPTS]) {
	size_t n = 0;

	for (const struct codec *const *c = codecs; *c; c++) {
		int type = (*c)->payload_type >= 0 ? (*c)->payload_type : opt->opus_type;

		if (type >= 0)
			prompts[n++] = (struct prompt){
				.codec = *c,
				.payload_type = (unsigned int)type,
				.name = opt->name,
				.max_samples = opt->max_samples,
			};
	}
	return n;
}

static int write_prompt(struct options *opt, struct prompt *p) {
	char fault[PROMPT_FAULT_LEN];
	int r = prompt_write(p, &opt->sound, fault);

	if (r == -ENOMSG && opt->raw_if_unknown && !opt->sound.is_raw) {
		opt->sound.is_raw = true;
		r = prompt_write(p, &opt->sound, fault);
	}
	if (r < 0)
		fprintf(stderr, "%s: %s%s\n", program, fault,
			r == -ENOMSG ? " (--raw if it has no header)" : "");
	return r;
}

// All of them or none.
static int make_prompts(struct options *opt) {
	struct prompt prompts[MAX_PROMPTS];
	size_t n = list_prompts(opt, prompts);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = write_prompt(opt, &prompts[i]);
		for (size_t k = 0; r < 0 && k < i; k++)
			prompt_drop(&prompts[k]);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		r = prompt_publish(&prompts[i]);
		if (r < 0)
			fprintf(stderr, "%s: %s.%u: %s\n", program, opt->name,
				prompts[i].payload_type, strerror(-r));
		else
			printf("%s.%u %s %llu bytes\n", opt->name, prompts[i].payload_type,
				prompts[i].codec->name, (unsigned long long)prompts[i].n_bytes);
	}
	return r < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
	struct options opt = {.opus_type = -1};
	const char *slash = strrchr(argv[0], '/');

	if (strcmp(slash ? slash + 1 : argv[0], "makeann") == 0) {
		program = "makeann";
		opt.raw_if_unknown = true;
	}
	if (read_options(&opt, argc, argv) < 0)
		return EXIT_MISUSE;
	return make_prompts(&opt);
}
