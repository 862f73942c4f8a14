// SPDX-License-Identifier: BSD-2-Clause
// Operator's command line: noun, verb, and a table for people or JSON for programs.
//
// It reads the shared region and the session store themselves, so it works while the dataplane,
// control or both are down. What is to be done it asks of control (rrctl_operator.c).
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "rrctl.h"

#define DEFAULT_CONFIG "/etc/rtprelay/rtprelay.conf"
#define MAX_WORDS 16

struct command {
	const char *noun;
	const char *verb; // "" for a noun that stands alone
	const char *args; // as help shows them
	int min_args;
	int max_args;
	bool needs_config;
	int (*run)(struct rrctl *ctl, int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{"status", "", "", 0, 0, true, rrctl_status_show, "which process runs, and since when"},
	{"drain", "", "", 0, 0, true, rrctl_drain,
		"take no new calls, and end rtprelayd with the last one; as SIGHUP does"},
	{"pause", "", "", 0, 0, true, rrctl_pause, "take no new calls"},
	{"resume", "", "", 0, 0, true, rrctl_resume, "take new calls again: ends pause and drain"},
	{"stats", "show", "", 0, 0, true, rrctl_stats_show,
		"packets by counter, port and worker, and whether they add up"},
	{"stats", "list", "", 0, 0, false, rrctl_stats_list, "what each counter means"},
	{"flow", "show", "[SLOT|ADDR:PORT]", 0, 1, true, rrctl_flow_show,
		"media flows, or everything about one"},
	{"session", "list", "", 0, 0, true, rrctl_session_list, "calls"},
	{"session", "show", "CALLID", 1, 1, true, rrctl_session_show,
		"the call's sessions, legs and addresses"},
	{"session", "clear", "", 0, 0, true, rrctl_session_clear,
		"end every call, as the command X does"},
	{"address", "list", "", 0, 0, true, rrctl_address_list,
		"local addresses, their state, calls and ports"},
	{"address", "add", "REALM ADDRESS|RANGE", 2, 2, true, rrctl_address_add,
		"take calls on one more, or again on one that drains"},
	{"address", "drain", "ADDRESS|RANGE", 1, 1, true, rrctl_address_drain,
		"no new calls on it; it is gone with its last call"},
	{"port", "list", "", 0, 0, true, rrctl_port_list, "Ethernet ports"},
	{"port", "start", "NAME", 1, 1, true, rrctl_port_start,
		"let a port that started held receive"},
	{"config", "show", "", 0, 0, true, rrctl_config_show, "the configuration in effect"},
	{"config", "reload", "", 0, 0, false, rrctl_config_reload,
		"bring the pools to what the file says; other changes need a restart"},
	{"config", "list", "", 0, 0, false, rrctl_config_list,
		"every option with its range, default and meaning"},
};

struct options {
	const char *script;
	bool stop_at_error;
	bool echo;
};

static void print_help(FILE *out) {
	fputs("usage: rrctl [-c FILE] [--json] [--all] NOUN VERB [ARGUMENTS]\n"
	      "       rrctl [-c FILE] [--json] [--all] [-e] [-x] -f SCRIPT\n\n"
	      "  -c, --config FILE  configuration, " DEFAULT_CONFIG " by default\n"
	      "  -j, --json         for programs\n"
	      "  -a, --all          also counters that are zero and flows that are gone\n"
	      "  -f, --file SCRIPT  run a command a line, - for standard input\n"
	      "  -e, --errexit      end the script at the first command that fails\n"
	      "  -x, --echo         write each command of the script before its result\n"
	      "  -h, --help         this text\n\n",
		out);
	for (size_t i = 0; i < RR_ARRAY_LEN(commands); i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s %s", commands[i].noun,
			commands[i].verb[0] != '\0' ? " " : "", commands[i].verb, commands[i].args);
		fprintf(out, "  %-32s %s\n", left, commands[i].help);
	}
	fputs("\nexit status: 0 done, 1 refused, 2 misuse\n", out);
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, "rrctl: %s: %s, see rrctl --help\n", word, what);
	return RRCTL_MISUSE;
}

static const struct command *find_command(int argc, char **argv, bool *is_noun) {
	*is_noun = false;
	for (size_t i = 0; i < RR_ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (strcmp(argv[0], c->noun) != 0)
			continue;
		*is_noun = true;
		if (c->verb[0] == '\0' || (argc > 1 && strcmp(argv[1], c->verb) == 0))
			return c;
	}
	return NULL;
}

static int load_config(struct rrctl *ctl) {
	if (ctl->cfg.path[0] != '\0')
		return RRCTL_DONE;
	if (rr_config_load(&ctl->cfg, ctl->config_path, stderr) == 0)
		return RRCTL_DONE;
	ctl->cfg.path[0] = '\0';
	return RRCTL_REFUSED;
}

static int run_words(struct rrctl *ctl, int argc, char **argv) {
	const struct command *c;
	bool is_noun;
	int skip;

	c = find_command(argc, argv, &is_noun);
	if (c == NULL && is_noun)
		return argc > 1 ? misuse("no such verb", argv[1]) : misuse("verb missing", argv[0]);
	if (c == NULL)
		return misuse("no such command", argv[0]);
	skip = c->verb[0] == '\0' ? 1 : 2;
	if (argc - skip < c->min_args)
		return misuse("argument missing", argv[skip - 1]);
	if (argc - skip > c->max_args)
		return misuse("more arguments than expected", argv[argc - 1]);
	if (c->needs_config && load_config(ctl) != RRCTL_DONE)
		return RRCTL_REFUSED;
	return c->run(ctl, argc - skip, argv + skip);
}

// Words of a line, in place. Returns their number, or -E2BIG.
static int split(char *line, char **words) {
	char *state;
	int n = 0;

	for (char *word = strtok_r(line, " \t\r\n", &state); word != NULL;
		word = strtok_r(NULL, " \t\r\n", &state)) {
		if (word[0] == '#')
			break;
		if (n == MAX_WORDS)
			return -E2BIG;
		words[n++] = word;
	}
	return n;
}

static int run_line(struct rrctl *ctl, const struct options *opts, char *line) {
	char *words[MAX_WORDS];
	int n;

	if (opts->echo)
		fputs(line, stdout);
	n = split(line, words);
	if (n < 0)
		return misuse("more words than expected", line);
	return n > 0 ? run_words(ctl, n, words) : RRCTL_DONE;
}

// The first failure is the status of the whole.
static int run_script(struct rrctl *ctl, const struct options *opts) {
	bool is_stdin = strcmp(opts->script, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(opts->script, "re");
	char *line = NULL;
	size_t size = 0;
	int status = RRCTL_DONE;

	if (in == NULL)
		return rrctl_refuse("%s: %s", opts->script, strerror(errno));
	while (getline(&line, &size, in) >= 0) {
		int rc = run_line(ctl, opts, line);

		if (status == RRCTL_DONE)
			status = rc;
		if (rc != RRCTL_DONE && opts->stop_at_error)
			break;
	}
	free(line);
	if (!is_stdin)
		fclose(in);
	return status;
}

// Returns a status to end with, or -1 to go on.
static int parse_options(struct rrctl *ctl, struct options *opts, int argc, char **argv) {
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},
		{"file", required_argument, NULL, 'f'},
		{"errexit", no_argument, NULL, 'e'},
		{"echo", no_argument, NULL, 'x'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:jaf:exh", longs, NULL)) >= 0) {
		switch (c) {
		case 'c':
			ctl->config_path = optarg;
			break;
		case 'j':
			ctl->json = true;
			break;
		case 'a':
			ctl->all = true;
			break;
		case 'f':
			opts->script = optarg;
			break;
		case 'e':
			opts->stop_at_error = true;
			break;
		case 'x':
			opts->echo = true;
			break;
		case 'h':
			print_help(stdout);
			return RRCTL_DONE;
		default:
			return RRCTL_MISUSE;
		}
	}
	return -1;
}

int main(int argc, char **argv) {
	static struct rrctl ctl = {.config_path = DEFAULT_CONFIG};
	struct options opts = {0};
	int status = parse_options(&ctl, &opts, argc, argv);

	if (status >= 0)
		return status;
	if (opts.script != NULL)
		return optind < argc ? misuse("stands beside a script", argv[optind])
				     : run_script(&ctl, &opts);
	if (optind == argc) {
		print_help(stderr);
		return RRCTL_MISUSE;
	}
	return run_words(&ctl, argc - optind, argv + optind);
}
