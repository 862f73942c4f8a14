// SPDX-License-Identifier: BSD-2-Clause
// rtprelayd: the control process. Reads its arguments and becomes the supervisor, or its worker.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admission.h"
#include "capabilities.h"
#include "clock.h"
#include "control.h"
#include "job.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "notifier.h"
#include "operator.h"
#include "operator_socket.h"
#include "passed_sockets.h"
#include "retrans.h"
#include "shm_region.h"
#include "supervisor.h"

#define LOOK_MS 100 // for the end of a drain
#define LAST_NOTICES_LOOKS 20

enum mode {
	MODE_SUPERVISOR,
	MODE_WORKER,
	MODE_CHECK,
	MODE_PRINT,
};

struct worker {
	struct rr_config cfg;
	struct command_socket socket[RR_MAX_SOCKETS];
	uint32_t n_sockets;
	int operator_fd; // as it was passed; -1: it was not
	int word_fd; // what the supervisor reads; -1: nobody does
	uint64_t program; // start of the supervisor
	bool drained; // the slow shutdown is over
	struct operator_socket *channel;
	struct loop *loop;
	struct retrans *retrans;
	struct listener_set *listeners;
	struct control control;
	struct notifier *notifier;
	unsigned int n_last_looks; // at the notices of a drain
};

// Both are held until the process ends.
static int init_locks(struct worker *w) {
	int holder = 0;
	int fd = rr_region_lock(w->cfg.run_dir, RR_LOCK_CONTROL, &holder);

	if (fd == -EBUSY)
		rr_err("main", "another rtprelayd serves this region run_dir=%s pid=%d",
			w->cfg.run_dir, holder);
	if (fd < 0)
		return fd;
	fd = rr_region_lock(w->cfg.store_dir, RR_LOCK_CONTROL, &holder);
	if (fd == -EBUSY)
		rr_err("main", "another rtprelayd has this store store_dir=%s pid=%d",
			w->cfg.store_dir, holder);
	return fd < 0 ? fd : 0;
}

static int init_sockets(struct worker *w) {
	int rc = passed_sockets_take(&w->cfg, w->socket, &w->n_sockets);

	for (uint32_t i = 0; rc == 0 && i < w->cfg.n_sockets; i++) {
		if (w->socket[i].fd < 0) {
			rr_err("main", "socket was not passed on socket=%s", w->cfg.socket[i]);
			rc = -ENOENT;
		}
	}
	return rc;
}

static int init_operator(struct worker *w) {
	struct command_socket socket = {.kind = COMMAND_SOCKET_OPERATOR};
	int rc = w->operator_fd < 0 ? -ENOENT : command_socket_prepare(&socket, w->operator_fd);

	if (rc < 0)
		rr_err("main", "the operator's socket was not passed on");
	return rc;
}

static int init_loop(struct worker *w) {
	return loop_new(&w->loop, &w->control);
}

static void fini_loop(struct worker *w) {
	loop_free(w->loop);
}

static void purge(void *arg) {
	retrans_purge(arg, rr_now_ns());
}

static int init_retrans(struct worker *w) {
	w->retrans = retrans_new(NULL, NULL);
	if (!w->retrans)
		return -ENOMEM;
	return loop_every(w->loop, RETRANS_PURGE_MS, purge, w->retrans);
}

static void fini_retrans(struct worker *w) {
	retrans_free(w->retrans);
}

static void execute(void *arg, struct job *job) {
	struct worker *w = arg;

	loop_execute(w->loop, job);
}

static bool settled(void *arg) {
	const struct worker *w = arg;

	return control_settled(&w->control);
}

static int init_listeners(struct worker *w) {
	struct listener_hooks hooks = {
		.base = loop_base(w->loop),
		.retrans = w->retrans,
		.execute = execute,
		.settled = settled,
		.arg = w,
		.patience_ms = LISTENER_PATIENCE_MS,
		.hold_ms = w->cfg.ack_timeout_ms,
	};

	return listener_set_new(&w->listeners, &hooks);
}

static void fini_listeners(struct worker *w) {
	listener_set_free(w->listeners);
	job_drain_free_list();
}

static void execute_operator(void *arg, struct job *job) {
	struct worker *w = arg;

	loop_execute_operator(w->loop, job);
}

static int init_channel(struct worker *w) {
	struct operator_socket_params params = {
		.base = loop_base(w->loop),
		.fd = w->operator_fd,
		.execute = execute_operator,
		.arg = w,
		.patience_ms = OPERATOR_PATIENCE_MS,
	};

	return operator_socket_new(&w->channel, &params);
}

static void fini_channel(struct worker *w) {
	operator_socket_free(w->channel);
}

static int init_control(struct worker *w) {
	int rc = control_open(&w->control, &w->cfg, w->retrans, w->program);

	if (rc == 0)
		admission_begin(&w->control, w->program);
	return rc;
}

static void fini_control(struct worker *w) {
	control_close(&w->control);
}

static int init_notifier(struct worker *w) {
	struct notifier_params params = {
		.base = loop_base(w->loop),
		.outbox = &w->control.outbox,
		.patience_ms = NOTIFIER_PATIENCE_MS,
	};

	return notifier_new(&w->notifier, &params);
}

static void fini_notifier(struct worker *w) {
	notifier_free(w->notifier);
}

static int init_service(struct worker *w) {
	for (uint32_t i = 0; i < w->n_sockets; i++) {
		int rc = listener_add(w->listeners, &w->socket[i]);

		if (rc < 0)
			return rc;
	}
	loop_set_listeners(w->loop, w->listeners);
	w->control.listener_stats = listener_stats(w->listeners);
	return 0;
}

static void fini_service(struct worker *w) {
	operator_socket_stop(w->channel);
	listener_set_stop(w->listeners);
}

static void on_stop(void *arg) {
	loop_stop(((struct worker *)arg)->loop);
}

static void tell_supervisor(const struct worker *w, char word) {
	if (w->word_fd >= 0 && write(w->word_fd, &word, 1) < 0)
		rr_warn("main", "the supervisor is not told: %s", strerror(errno));
}

// job_origin.reply
static void drain_saved(struct job *job) {
	if (operator_has_done(job))
		tell_supervisor(job->origin.listener, SUPERVISOR_WORD_DRAIN_SAVED);
	job_free(job);
}

// As if an operator had asked. Without memory it is asked again by whoever means it.
static void on_drain(void *arg) {
	static const char request[] = "drain";
	struct worker *w = arg;
	struct job *job = job_new();

	if (!job)
		return;
	memcpy(job->bytes, request, sizeof(request));
	job->command = (struct slice){job->bytes, sizeof(request)};
	job->origin.reply = drain_saved;
	job->origin.listener = w;
	loop_execute_operator(w->loop, job);
}

// Slow shutdown is over once the last session is. Its notice has a moment to leave; one that nobody
// takes stays in the store.
static void look_for_end(void *arg) {
	struct worker *w = arg;

	if (admission_of(&w->control) != RR_ADMISSION_DRAINING || !control_empty(&w->control)) {
		w->n_last_looks = 0;
		return;
	}
	if (w->control.outbox.stats.n_waiting > 0 && ++w->n_last_looks <= LAST_NOTICES_LOOKS)
		return;
	w->drained = true;
	loop_stop(w->loop);
}

static int init_signals(struct worker *w) {
	int rc = loop_on_signal(w->loop, SIGTERM, on_stop, w);
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t none;

	sigaction(SIGPIPE, &ignore, NULL);
	if (rc == 0)
		rc = loop_on_signal(w->loop, SIGINT, on_stop, w);
	if (rc == 0)
		rc = loop_on_signal(w->loop, SIGHUP, on_drain, w);
	if (rc == 0)
		rc = loop_every(w->loop, LOOK_MS, look_for_end, w);
	// The supervisor started us with all of them blocked.
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return rc;
}

// Start-up order of the worker; torn down in reverse.
static const struct step {
	const char *name;
	int (*init)(struct worker *w);
	void (*fini)(struct worker *w);
} steps[] = {
	{"locks", init_locks, NULL},
	{"sockets", init_sockets, NULL},
	{"operator socket", init_operator, NULL},
	{"loop", init_loop, fini_loop},
	{"signals", init_signals, NULL},
	{"cookie cache", init_retrans, fini_retrans},
	{"listeners", init_listeners, fini_listeners},
	{"operator channel", init_channel, fini_channel},
	{"control", init_control, fini_control},
	{"notices", init_notifier, fini_notifier},
	{"service", init_service, fini_service},
};

static void tear_down(struct worker *w, size_t n_steps) {
	while (n_steps-- > 0) {
		if (steps[n_steps].fini)
			steps[n_steps].fini(w);
	}
}

static int worker_run(struct worker *w) {
	int rc;

	for (size_t i = 0; i < RR_ARRAY_LEN(steps); i++) {
		rc = steps[i].init(w);
		if (rc < 0) {
			rr_err("main", "start failed step=\"%s\" error=%s", steps[i].name,
				strerror(-rc));
			tear_down(w, i);
			return EXIT_FAILURE;
		}
	}
	rr_info("main", "serving sockets=%u", w->n_sockets);
	tell_supervisor(w, SUPERVISOR_WORD_SERVING);
	rc = loop_run(w->loop);
	rr_info("main", "stopping");
	tear_down(w, RR_ARRAY_LEN(steps));
	if (rc < 0)
		return EXIT_FAILURE;
	return w->drained ? SUPERVISOR_WORKER_DRAINED : EXIT_SUCCESS;
}

static void usage(FILE *out) {
	fputs("usage: rtprelayd -c FILE [--check | --print]\n"
	      "       rtprelayd --capabilities\n"
	      "\n"
	      "  -c, --config FILE  configuration\n"
	      "      --check        read and check the configuration, and exit\n"
	      "      --print        write what is in effect, and exit\n"
	      "      --capabilities list the protocol's extensions, and exit\n"
	      "  -h, --help         this text\n"
	      "\n"
	      "Runs in the foreground and logs to stderr. SIGTERM stops it and keeps the calls;\n"
	      "SIGHUP refuses new sessions and ends with the last one.\n",
		out);
}

struct arguments {
	enum mode mode;
	const char *path;
	int operator_fd;
	int word_fd;
	uint64_t program;
	const char *user;
	const char *group;
};

// Returns false when the arguments are wrong or ask for a text; *status is what to exit with.
static bool read_arguments(int argc, char **argv, struct arguments *args, int *status) {
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"print", no_argument, NULL, 'p'},
		{"capabilities", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{SUPERVISOR_WORKER_OPTION, no_argument, NULL, 'w'},
		{SUPERVISOR_OPERATOR_OPTION, required_argument, NULL, 'o'},
		{SUPERVISOR_WORD_OPTION, required_argument, NULL, 'd'},
		{SUPERVISOR_PROGRAM_OPTION, required_argument, NULL, 'g'},
		{SUPERVISOR_USER_OPTION, required_argument, NULL, 'u'},
		{SUPERVISOR_GROUP_OPTION, required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (c == 'c') {
			args->path = optarg;
		} else if (c == 'o') {
			args->operator_fd = (int)strtol(optarg, NULL, 10);
		} else if (c == 'd') {
			args->word_fd = (int)strtol(optarg, NULL, 10);
		} else if (c == 'g') {
			args->program = strtoull(optarg, NULL, 10);
		} else if (c == 'u') {
			args->user = optarg;
		} else if (c == 'r') {
			args->group = optarg;
		} else if (c == 'k' || c == 'p' || c == 'w') {
			args->mode = c == 'k' ? MODE_CHECK : c == 'p' ? MODE_PRINT : MODE_WORKER;
		} else if (c == 'v') {
			capability_print(stdout);
			return false;
		} else {
			usage(c == 'h' ? stdout : stderr);
			*status = c == 'h' ? EXIT_SUCCESS : 2;
			return false;
		}
	}
	if (optind < argc || !args->path) {
		usage(stderr);
		*status = 2;
		return false;
	}
	return true;
}

// A reload compares them.
static void set_names(struct rr_config *cfg, const struct arguments *args) {
	if (args->user)
		snprintf(cfg->user, sizeof(cfg->user), "%s", args->user);
	if (args->group)
		snprintf(cfg->group, sizeof(cfg->group), "%s", args->group);
}

int main(int argc, char **argv) {
	static struct worker w;
	struct arguments args = {.mode = MODE_SUPERVISOR, .operator_fd = -1, .word_fd = -1};
	int status = EXIT_SUCCESS;

	if (!read_arguments(argc, argv, &args, &status))
		return status;
	if (rr_config_load(&w.cfg, args.path, stderr) < 0)
		return EXIT_FAILURE;
	rr_log_init("rtprelayd", (enum rr_log_level)w.cfg.log_level);
	w.operator_fd = args.operator_fd;
	w.word_fd = args.word_fd;
	w.program = args.program;
	set_names(&w.cfg, &args);
	switch (args.mode) {
	case MODE_CHECK:
		printf("%s: ok\n", args.path);
		return EXIT_SUCCESS;
	case MODE_PRINT:
		rr_config_print(&w.cfg, stdout);
		return EXIT_SUCCESS;
	case MODE_WORKER:
		return worker_run(&w);
	default:
		return supervisor_run(&w.cfg);
	}
}
