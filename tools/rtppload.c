// SPDX-License-Identifier: BSD-2-Clause
// rtppload: many calls for one command socket, every reply checked, and how long it took.
//
// The work is a list of steps, one after the other. A step has tasks, a task is a few commands of
// one call in their order; as many tasks as there are slots are under way at once. With a rate, a
// reply's time counts from when its command was due, so that a server that stalls is not spared.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "load_book.h"
#include "load_figures.h"
#include "load_link.h"

#define PROGRAM "rtppload"
#define EXIT_FAULT 1
#define EXIT_MISUSE 2
#define MAX_STEPS 32
#define NEVER_NS (1000 * RR_NS_PER_MS)

// Which calls a step takes.
enum pick {
	PICK_EACH, // every call in one of the states, once
	PICK_RANDOM, // as many as were asked for
	PICK_NONE, // commands that name no call
};

static const struct step_kind {
	const char *name;
	const char *verbs;
	enum pick pick;
	uint8_t states; // of calls that can be taken
	uint32_t n_default; // 0: the number of calls
	const char *help;
} kinds[] = {
	{"setup", "UL", PICK_EACH, LOAD_DOWN, 0, "U and L of every call that is not up"},
	{"update", "U", PICK_RANDOM, LOAD_UP, 0, "U again, of calls at random"},
	{"lookup", "L", PICK_RANDOM, LOAD_UP, 0, "L again"},
	{"query", "Q", PICK_RANDOM, LOAD_UP, 0, "Q"},
	{"churn", "DUL", PICK_RANDOM, LOAD_UP, 0,
		"D, then U and L: an old call ends, a new one begins"},
	{"delete", "D", PICK_EACH, LOAD_UP | LOAD_HALF, 0, "D of every call"},
	{"clear", "X", PICK_NONE, 0, 1, "X"},
	{"probe", "V", PICK_NONE, 0, 1,
		"V, which costs nothing: how long the server keeps others waiting"},
};

struct step {
	const struct step_kind *kind;
	uint32_t n_wanted; // tasks; of PICK_EACH at most
};

struct task {
	const char *verbs; // what is left of it, the one under way first; NULL: none
	uint32_t call;
	uint64_t due_ns; // of that one
};

struct options {
	struct load_link_params link;
	struct load_book_params book;
	double per_second; // tasks; 0: as fast as they go
	bool json;
	bool errors_are_well;
	struct step step[MAX_STEPS];
	unsigned int n_steps;
};

struct load {
	struct options opt;
	struct load_link *link;
	struct load_book book;
	struct load_figures *figures; // of the step
	struct task task[LOAD_MAX_SLOTS];
	uint32_t idle[LOAD_MAX_SLOTS];
	uint32_t n_idle;
	uint64_t random;
};

// ---- help and options

static void print_help(FILE *out) {
	fputs("usage: " PROGRAM " [OPTIONS] SOCKET STEP...\n"
	      "  SOCKET               unix: cunix: shm: before PATH, udp: udp6: tcp: tcp6: before "
	      "HOST:PORT\n"
	      "  -n, --calls N        calls, 1000 by default\n"
	      "  -w, --in-flight N    commands under way at once, 1..1024, 32 by default\n"
	      "  -r, --rate N         tasks a second; as fast as they go by default\n"
	      "  -t, --timeout MS     until a command is sent again (UDP), 1000 by default\n"
	      "  -R, --retries N      how often it is sent again, 5 by default\n"
	      "  -m, --modifiers TEXT of U and L\n"
	      "  -N, --notify TARGET  of timeout notices\n"
	      "  -a, --caller ADDR    media of the first 25,000 callers, 192.0.2.1 by default; of "
	      "the\n"
	      "                       next ones the address behind it\n"
	      "  -b, --callee ADDR    of the callees, 203.0.113.1 by default\n"
	      "  -e, --errors-allowed error codes do not count as a fault\n"
	      "  -j, --json           for programs\n"
	      "  -h, --help           this text\n\n"
	      "A step is NAME or NAME=COUNT:\n",
		out);
	for (size_t i = 0; i < RR_ARRAY_LEN(kinds); i++)
		fprintf(out, "  %-8s %-3s  %s\n", kinds[i].name, kinds[i].verbs, kinds[i].help);
	fputs("\nEvery reply is checked: its cookie, its form, a port that no other leg has, the "
	      "same\n"
	      "port when a leg is asked for again. Times are in microseconds, from when a command "
	      "was\n"
	      "due. Exit status: 0 all is well, 1 an error, a reply that cannot be right or none, "
	      "2 misuse.\n",
		out);
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, PROGRAM ": %s: %s, see " PROGRAM " --help\n", word, what);
	return -EINVAL;
}

static int read_number(const char *text, unsigned long max, uint32_t *out) {
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n == 0 || n > max)
		return misuse("no number that can be", text);
	*out = (uint32_t)n;
	return 0;
}

static int read_step(const char *text, struct options *opt) {
	size_t len = strcspn(text, "=");
	struct step *step = &opt->step[opt->n_steps];

	if (opt->n_steps == MAX_STEPS)
		return misuse("too many steps", text);
	for (size_t i = 0; i < RR_ARRAY_LEN(kinds); i++) {
		if (strlen(kinds[i].name) != len || strncmp(text, kinds[i].name, len) != 0)
			continue;
		*step = (struct step){&kinds[i], kinds[i].n_default};
		if (text[len] == '=' &&
			read_number(text + len + 1, UINT32_MAX, &step->n_wanted) < 0)
			return -EINVAL;
		opt->n_steps++;
		return 0;
	}
	return misuse("no step", text);
}

static int read_party(const char *text, struct rr_endpoint *party) {
	if (rr_endpoint_parse_addr(party, text, RR_FAMILY_NONE) < 0)
		return misuse("no address", text);
	return 0;
}

static int read_option(int letter, const char *arg, struct options *opt) {
	uint32_t n;
	int ret = 0;

	switch (letter) {
	case 'n':
		return read_number(arg, 10000000, &opt->book.n_calls);
	case 'w':
		return read_number(arg, LOAD_MAX_SLOTS, &opt->link.n_slots);
	case 'r':
		ret = read_number(arg, 10000000, &n);
		opt->per_second = ret < 0 ? 0 : n;
		return ret;
	case 't':
		ret = read_number(arg, 600000, &n);
		opt->link.timeout_ns = ret < 0 ? 0 : n * RR_NS_PER_MS;
		return ret;
	case 'R':
		return read_number(arg, 1000, &opt->link.n_retries);
	case 'm':
	case 'N':
		if (strlen(arg) > LOAD_MAX_COMMAND / 4)
			return misuse("too long", arg);
		*(letter == 'm' ? &opt->book.modifiers : &opt->book.notify) = arg;
		return 0;
	case 'a':
	case 'b':
		return read_party(arg, letter == 'a' ? &opt->book.caller : &opt->book.callee);
	case 'e':
		opt->errors_are_well = true;
		return 0;
	case 'j':
		opt->json = true;
		return 0;
	case 'h':
		print_help(stdout);
		exit(0);
	default:
		return misuse("no such option, or one without its value", "option");
	}
}

static int read_options(int argc, char **argv, struct options *opt) {
	static const struct option names[] = {
		{"calls", required_argument, NULL, 'n'},
		{"in-flight", required_argument, NULL, 'w'},
		{"rate", required_argument, NULL, 'r'},
		{"timeout", required_argument, NULL, 't'},
		{"retries", required_argument, NULL, 'R'},
		{"modifiers", required_argument, NULL, 'm'},
		{"notify", required_argument, NULL, 'N'},
		{"caller", required_argument, NULL, 'a'},
		{"callee", required_argument, NULL, 'b'},
		{"errors-allowed", no_argument, NULL, 'e'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int letter, ret = 0;

	opterr = 0;
	while (ret == 0 &&
		(letter = getopt_long(argc, argv, "n:w:r:t:R:m:N:a:b:ejh", names, NULL)) >= 0)
		ret = read_option(letter, optarg, opt);
	if (ret < 0)
		return ret;
	if (argc - optind < 2)
		return misuse("at least a socket and a step", "arguments");
	opt->link.socket = argv[optind++];
	for (; ret == 0 && optind < argc; optind++)
		ret = read_step(argv[optind], opt);
	return ret;
}

// ---- which call is next

// xorshift64*: the choice needs no secret, only speed.
static uint32_t below(struct load *load, uint32_t n) {
	load->random ^= load->random >> 12;
	load->random ^= load->random << 25;
	load->random ^= load->random >> 27;
	return (uint32_t)((load->random * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n >> 32);
}

static bool can_take(const struct load *load, uint32_t call, uint8_t states) {
	const struct load_call *c = &load->book.calls[call];

	return !c->busy && (c->state & states);
}

// Tasks of a step, as they begin.
struct supply {
	const struct step *step;
	uint32_t n_left;
	uint32_t cursor; // PICK_EACH
	uint64_t due_ns;
	uint64_t period_ns;
};

// The first one from `from` on, all around unless it is PICK_EACH; -1: none.
static int64_t find_call(struct load *load, const struct step_kind *kind, uint32_t from) {
	uint32_t n = load->book.params.n_calls;
	uint32_t end = kind->pick == PICK_EACH ? n - from : n;

	for (uint32_t i = 0; i < end; i++)
		if (can_take(load, (from + i) % n, kind->states))
			return (from + i) % n;
	return -1;
}

static int64_t next_call(struct load *load, struct supply *supply) {
	const struct step_kind *kind = supply->step->kind;
	int64_t call;

	if (kind->pick == PICK_NONE)
		return 0;
	if (kind->pick == PICK_RANDOM)
		return find_call(load, kind, below(load, load->book.params.n_calls));
	call = find_call(load, kind, supply->cursor);
	supply->cursor = call < 0 ? load->book.params.n_calls : (uint32_t)call + 1;
	return call;
}

// ---- tasks

static void send_command(struct load *load, uint32_t slot) {
	const struct task *task = &load->task[slot];
	char text[LOAD_MAX_COMMAND];
	size_t len = load_book_command(&load->book, task->verbs[0], task->call, text);

	load_link_send(load->link, slot, text, len);
}

static void end_task(struct load *load, uint32_t slot) {
	load->book.calls[load->task[slot].call].busy = false;
	load->task[slot].verbs = NULL;
	load->idle[load->n_idle++] = slot;
}

static void on_done(void *arg, uint32_t slot, const char *text, size_t len) {
	struct load *load = arg;
	struct task *task = &load->task[slot];
	enum load_outcome outcome = LOAD_LOST;
	uint64_t now_ns = rr_now_ns();
	unsigned int code = 0;

	if (text)
		outcome =
			load_book_reply(&load->book, task->verbs[0], task->call, text, len, &code);
	else
		load_book_complain(
			&load->book, "call %u: %c: no reply", task->call, task->verbs[0]);
	load_figures_add(load->figures, outcome, code, now_ns - task->due_ns);
	if (outcome != LOAD_OK || task->verbs[1] == '\0') {
		end_task(load, slot);
		return;
	}
	task->verbs++;
	task->due_ns = now_ns;
	send_command(load, slot);
}

// Returns false when there is no call to begin with.
static bool begin_task(struct load *load, struct supply *supply, uint64_t due_ns) {
	int64_t call = next_call(load, supply);
	uint32_t slot;

	if (call < 0)
		return false;
	slot = load->idle[--load->n_idle];
	load->task[slot] = (struct task){supply->step->kind->verbs, (uint32_t)call, due_ns};
	load->book.calls[call].busy = supply->step->kind->pick != PICK_NONE;
	send_command(load, slot);
	return true;
}

static void begin_tasks(struct load *load, struct supply *supply) {
	uint64_t now_ns = rr_now_ns();

	while (supply->n_left > 0 && load->n_idle > 0 && supply->due_ns <= now_ns) {
		if (!begin_task(load, supply, supply->period_ns ? supply->due_ns : now_ns)) {
			// Those under way are the last, unless one of them can be taken again.
			if (supply->step->kind->pick == PICK_EACH ||
				load->n_idle == load->opt.link.n_slots)
				supply->n_left = 0;
			return;
		}
		supply->n_left--;
		supply->due_ns += supply->period_ns;
	}
}

static uint64_t patience_ns(const struct load *load, const struct supply *supply) {
	uint64_t now_ns = rr_now_ns();

	if (supply->n_left == 0 || load->n_idle == 0)
		return NEVER_NS;
	return supply->due_ns > now_ns ? supply->due_ns - now_ns : 0;
}

static void run_step(struct load *load, const struct step *step, struct load_figures *figures) {
	struct load_link_counts before = load_link_get_counts(load->link);
	struct load_link_counts after;
	struct supply supply = {
		.step = step,
		.n_left = step->n_wanted > 0 ? step->n_wanted : load->book.params.n_calls,
		.due_ns = rr_now_ns(),
	};

	if (load->opt.per_second > 0)
		supply.period_ns = (uint64_t)((double)RR_NS_PER_S / load->opt.per_second);
	figures->step = step->kind->name;
	figures->begin_ns = rr_now_ns();
	load->figures = figures;
	while (supply.n_left > 0 || load->n_idle < load->opt.link.n_slots) {
		begin_tasks(load, &supply);
		if (supply.n_left > 0 || load->n_idle < load->opt.link.n_slots)
			load_link_wait(load->link, patience_ns(load, &supply));
	}
	figures->end_ns = rr_now_ns();
	after = load_link_get_counts(load->link);
	figures->n_retransmits = after.n_retransmits - before.n_retransmits;
	figures->n_strays = after.n_strays - before.n_strays;
}

// ---- results

static bool is_well(const struct load *load, const struct load_figures *f) {
	uint64_t n_errors = f->n[LOAD_ERROR] + f->n[LOAD_MISSED];

	return f->n[LOAD_WRONG] + f->n[LOAD_LOST] == 0 &&
	       (n_errors == 0 || load->opt.errors_are_well);
}

static json_t *result_json(const struct load *load, json_t *rows) {
	const struct load_book *book = &load->book;
	json_t *complaints = json_array();

	for (uint32_t i = 0; i < book->n_complaints; i++)
		json_array_append_new(complaints, json_string(book->complaint[i]));
	return json_pack("{s:o, s:i, s:i, s:i, s:i, s:o}", "steps", rows, "calls_up",
		(int)book->n_state[LOAD_UP], "calls_half", (int)book->n_state[LOAD_HALF], "pairs",
		(int)book->n_pairs, "addresses", (int)book->n_addrs, "complaints", complaints);
}

static void show_result(const struct load *load, json_t *rows) {
	const struct load_book *book = &load->book;
	json_t *result;

	if (load->opt.json) {
		result = result_json(load, rows);
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(result);
		return;
	}
	printf("calls up %u, half %u; port pairs in use %u, on %u addresses\n",
		book->n_state[LOAD_UP], book->n_state[LOAD_HALF], book->n_pairs, book->n_addrs);
	for (uint32_t i = 0; i < book->n_complaints; i++)
		printf("%s\n", book->complaint[i]);
	json_decref(rows);
}

static int run_steps(struct load *load) {
	json_t *rows = json_array();
	bool well = true;

	if (!load->opt.json)
		load_figures_print_head();
	for (unsigned int i = 0; i < load->opt.n_steps; i++) {
		struct load_figures *figures = calloc(1, sizeof(*figures));

		if (!figures)
			return -ENOMEM;
		run_step(load, &load->opt.step[i], figures);
		well = well && is_well(load, figures);
		if (load->opt.json)
			json_array_append_new(rows, load_figures_json(figures));
		else
			load_figures_print(figures);
		fflush(stdout);
		free(figures);
	}
	show_result(load, rows);
	return well ? 0 : EXIT_FAULT;
}

static int open_all(struct load *load) {
	uint32_t run;
	int ret;

	if (getrandom(&run, sizeof(run), 0) != (ssize_t)sizeof(run))
		return -EIO;
	load->random = run + UINT64_C(0x9e3779b97f4a7c15);
	load->opt.link.run = load->opt.book.run = run;
	load->opt.link.arg = load;
	load->opt.link.done = on_done;
	for (uint32_t i = 0; i < load->opt.link.n_slots; i++)
		load->idle[load->n_idle++] = i;
	ret = load_book_open(&load->book, &load->opt.book);
	if (ret < 0)
		return ret;
	ret = load_link_open(&load->link, &load->opt.link);
	if (ret < 0)
		load_book_close(&load->book);
	return ret;
}

int main(int argc, char **argv) {
	static struct load load = {
		.opt =
			{
				.book = {.n_calls = 1000,
					.modifiers = "",
					.caller = {{192, 0, 2, 1}, .family = RR_FAMILY_IPV4},
					.callee = {{203, 0, 113, 1}, .family = RR_FAMILY_IPV4}},
				.link = {.n_slots = 32, .timeout_ns = RR_NS_PER_S, .n_retries = 5},
			},
	};
	int ret = read_options(argc, argv, &load.opt);

	if (ret < 0)
		return EXIT_MISUSE;
	ret = open_all(&load);
	if (ret < 0) {
		fprintf(stderr, PROGRAM ": cannot use %s: %s\n", load.opt.link.socket,
			strerror(-ret));
		return EXIT_MISUSE;
	}
	ret = run_steps(&load);
	load_link_close(load.link);
	load_book_close(&load.book);
	return ret < 0 ? EXIT_FAULT : ret;
}
