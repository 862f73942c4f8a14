// SPDX-License-Identifier: BSD-2-Clause
// The command line of extractaudio, which is that of rtpproxy's.
#include "extract_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PROGRAM "extractaudio"

enum {
	OPTION_CODEC = 256,
};

static void print_help(FILE *out) {
	fputs("usage: " PROGRAM " [OPTIONS] RECORDING OUTPUT [LINK...]\n"
	      "       " PROGRAM " [OPTIONS] [-A FILE] [-B FILE] OUTPUT [LINK...]\n"
	      "       " PROGRAM " -S RECORDING | -S [-A FILE] [-B FILE]\n"
	      "  RECORDING       a name without its ending, for RECORDING.a.rtp and "
	      "RECORDING.o.rtp\n"
	      "                  or RECORDING.pcap; or one file of both parties\n"
	      "  -A FILE         what the callee said (a), ad-hoc or pcap\n"
	      "  -B FILE         what the caller said (o)\n"
	      "  -s              stereo: a left, o right; mixed by default\n"
	      "  -F CONTAINER    of OUTPUT, wav by default; see below\n"
	      "  -D ENCODING     of OUTPUT, pcm_16 by default\n"
	      "  --codec PT=NAME what a payload type holds that RFC 3551 leaves open, as 96=opus;\n"
	      "                  NAME is one of",
		out);
	for (const struct codec *const *c = codecs; *c; c++)
		fprintf(out, " %s", (*c)->name);
	fputs("\n"
	      "  -n              without the silence between packets and parties\n"
	      "  -e              every recording must be there and whole; by default what can be\n"
	      "                  read is used\n"
	      "  -d              delete the recordings that were read whole, when OUTPUT is "
	      "written\n"
	      "  -i              when nobody else wants the processor\n"
	      "  -S              count the RTP packets of each recording, write nothing\n"
	      "  -h, --help      this text\n"
	      "LINKs are hard links made to OUTPUT. Exit status: 0 done, 1 refused, 2 misuse.\n",
		out);
	sound_file_list(out);
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, PROGRAM ": %s: %s, see " PROGRAM " --help\n", word, what);
	return -EINVAL;
}

static int read_codec(struct call *call, const char *text) {
	char *end;
	unsigned long type = strtoul(text, &end, 10);
	const struct codec *codec = *end == '=' ? codec_by_name(end + 1) : NULL;

	if (text[0] < '0' || text[0] > '9' || type >= CODEC_PAYLOAD_TYPES || !codec)
		return misuse("no PT=NAME of a payload type below 128 and a codec", text);
	call->codec_of[type] = codec;
	return 0;
}

// Switches that are on or off.
static bool *find_switch(struct extract_options *opt, int option) {
	const struct {
		int option;
		bool *is_on;
	} switches[] = {
		{'d', &opt->deletes},
		{'s', &opt->is_stereo},
		{'i', &opt->is_idle},
		{'n', &opt->is_tight},
		{'e', &opt->is_strict},
		{'S', &opt->only_scans},
	};

	for (size_t i = 0; i < RR_ARRAY_LEN(switches); i++)
		if (switches[i].option == option)
			return switches[i].is_on;
	return NULL;
}

static const char **find_word(struct extract_options *opt, int option) {
	const struct {
		int option;
		const char **word;
	} words[] = {
		{'F', &opt->format.container},
		{'D', &opt->format.encoding},
		{'A', &opt->party[CALL_A]},
		{'B', &opt->party[CALL_O]},
	};

	for (size_t i = 0; i < RR_ARRAY_LEN(words); i++)
		if (words[i].option == option)
			return words[i].word;
	return NULL;
}

static int read_option(struct extract_options *opt, struct call *call, int option) {
	bool *is_on = find_switch(opt, option);
	const char **word = find_word(opt, option);

	if (option == 'h') {
		print_help(stdout);
		exit(EXIT_SUCCESS);
	}
	if (option == OPTION_CODEC)
		return read_codec(call, optarg);
	if (is_on)
		*is_on = true;
	else if (word)
		*word = optarg;
	else
		return -EINVAL; // getopt has said why
	return 0;
}

static int not_there(const char *path, const char *why) {
	fprintf(stderr, PROGRAM ": %s: %s\n", path, why);
	return -ENOENT;
}

static bool is_file(const char *path) {
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *with_ending(char *room, const char *name, const char *ending) {
	int n = snprintf(room, EXTRACT_PATH_ROOM, "%s%s", name, ending);

	return n < EXTRACT_PATH_ROOM && is_file(room) ? room : NULL;
}

// What the name of a recording stands for, from what lies there.
static int find_recording(struct extract_options *opt, const char *name) {
	opt->party[CALL_A] = with_ending(opt->found[CALL_A], name, ".a.rtp");
	opt->party[CALL_O] = with_ending(opt->found[CALL_O], name, ".o.rtp");
	if (opt->party[CALL_A] && opt->party[CALL_O])
		return 0;
	if (opt->party[CALL_A] || opt->party[CALL_O]) {
		if (opt->is_strict)
			return not_there(
				opt->found[opt->party[CALL_A] ? CALL_O : CALL_A], "not there");
		return 0;
	}
	opt->both = with_ending(opt->found[CALL_A], name, ".pcap");
	if (!opt->both)
		opt->both = with_ending(opt->found[CALL_A], name, "");
	if (opt->both)
		return 0;
	return not_there(name,
		"neither a recording nor, with .a.rtp, .o.rtp or .pcap behind it, the "
		"name of one");
}

static int read_words(struct extract_options *opt, int argc, char **argv) {
	bool named = opt->party[CALL_A] || opt->party[CALL_O];
	int n_least = (named ? 0 : 1) + (opt->only_scans ? 0 : 1);

	if (argc < n_least)
		return misuse("a word is missing", argc ? argv[argc - 1] : "arguments");
	if (opt->only_scans && argc > n_least)
		return misuse("one word too many for -S", argv[argc - 1]);
	if (!named && find_recording(opt, *argv++) != 0)
		return -ENOENT;
	if (opt->only_scans)
		return 0;
	opt->output = *argv++;
	opt->links = argv;
	opt->n_links = argc - n_least;
	return 0;
}

int extract_options_read(struct extract_options *opt, struct call *call, int argc, char **argv) {
	static const struct option long_options[] = {
		{"codec", required_argument, NULL, OPTION_CODEC},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, r;

	while ((option = getopt_long(argc, argv, "dsSineF:D:A:B:h", long_options, NULL)) != -1)
		if (read_option(opt, call, option) < 0)
			return -EINVAL;
	r = read_words(opt, argc - optind, argv + optind);
	opt->format.n_channels = opt->is_stereo ? 2 : 1;
	opt->format.hz = CODEC_DECODED_HZ;
	return r;
}
