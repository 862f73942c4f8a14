// SPDX-License-Identifier: BSD-2-Clause
// The parent of control: holds the command sockets and starts the worker again when it dies.
//
// It does nothing else but carry the lines of standard input, so that nothing else can kill it. A
// controller never sees a closed socket: what it sends while no worker runs waits in the kernel.
// The worker is this program again, started with the sockets in the way of systemd and behind them
// a copy of the configuration as it was checked at start, so that a file which is being edited when
// the worker dies does no harm. It gets SIGTERM should the parent die.
//
// <run_dir>/rtprelayd.pid holds the supervisor's process id, <run_dir>/rtprelayd-worker.pid the
// worker's. Both are gone after a clean end.
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "log.h"
#include "operator_channel.h"
#include "passed_sockets.h"
#include "privdrop.h"
#include "service_manager.h"
#include "shm_region.h"
#include "stdio_bridge.h"

#define QUICK_DEATH_NS RR_NS_PER_S
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000
#define STOP_PATIENCE_NS (10 * RR_NS_PER_S)

struct supervisor {
	const struct rr_config *cfg;
	struct command_socket socket[RR_MAX_SOCKETS];
	uint32_t n_sockets; // at least those of the configuration, in its order
	struct command_socket operator;
	struct privdrop identity;
	int lock_fd;
	struct stdio_bridge *stdio; // NULL: none is configured
	bool ends_with_input; // the end of standard input begins a slow shutdown
	int config_fd; // memfd with the configuration in effect
	sigset_t signals; // those we wait for, blocked
	int signal_fd;
	pid_t worker; // 0: none runs
	uint64_t started_ns;
	uint64_t deadline_ns; // next start, or end of the patience with a stop; 0 = none
	unsigned int n_quick_deaths; // in a row
	bool proven; // a worker has once lived longer than QUICK_DEATH_NS
	int stop_signal; // 0: not asked to stop
	int hurry_signal; // 0: not asked again
	uint64_t program; // tells this supervisor from others
	bool draining; // asked for a slow shutdown, which is perhaps not in the store yet
	int word_fd[2]; // pipe: what workers say
	bool told_ready; // the service manager was told
	bool over;
	int status; // exit status, once it is over
};

// ---- files
// ---------------------------------------------------------------------------------------

static void pid_path(const struct supervisor *sv, const char *name, char *buf, size_t size) {
	snprintf(buf, size, "%s/%s.pid", sv->cfg->run_dir, name);
}

// Whoever reads it sees the old number or the new one, never half of it.
static void write_pid(const struct supervisor *sv, const char *name, pid_t pid) {
	char path[RR_PATH_LEN + 64];
	char fresh[RR_PATH_LEN + 72];
	FILE *f;
	bool ok;

	pid_path(sv, name, path, sizeof(path));
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	// The folder is the group's as well: what lies there may be a link.
	unlink(fresh);
	f = fopen(fresh, "wxe");
	ok = f && fprintf(f, "%d\n", (int)pid) > 0;
	if (f)
		ok = fclose(f) == 0 && ok;
	if (!ok || rename(fresh, path) < 0)
		rr_warn("supervisor", "pid file not written path=%s error=%s", path,
			strerror(errno));
}

static void remove_pid(const struct supervisor *sv, const char *name) {
	char path[RR_PATH_LEN + 64];

	pid_path(sv, name, path, sizeof(path));
	unlink(path);
}

// What was there stays as it is.
static int make_dir(const char *path, const struct privdrop *identity) {
	int rc = rr_folder_make(path, 0770);

	if (rc == 1 && identity->change_group && lchown(path, identity->uid, identity->gid) < 0)
		return -errno;
	return rc < 0 ? rc : 0;
}

static int make_dirs(struct supervisor *sv) {
	const char *dirs[] = {sv->cfg->run_dir, sv->cfg->store_dir};

	for (size_t i = 0; i < RR_ARRAY_LEN(dirs); i++) {
		int rc = make_dir(dirs[i], &sv->identity);

		if (rc < 0) {
			rr_err("supervisor", "folder not made path=%s error=%s", dirs[i],
				strerror(-rc));
			return rc;
		}
	}
	return 0;
}

// One supervisor a run directory. Whoever it becomes must be able to write there.
static int take_lock(struct supervisor *sv) {
	const char *run_dir = sv->cfg->run_dir;
	int holder = 0;

	sv->lock_fd = rr_region_lock(run_dir, RR_LOCK_SUPERVISOR, &holder);
	if (sv->lock_fd == -EBUSY)
		rr_err("supervisor", "another rtprelayd serves this region run_dir=%s pid=%d",
			run_dir, holder);
	else if (sv->lock_fd < 0)
		rr_err("supervisor", "no lock in the run directory run_dir=%s error=%s", run_dir,
			strerror(-sv->lock_fd));
	if (sv->lock_fd < 0 || !sv->identity.change_group)
		return sv->lock_fd < 0 ? sv->lock_fd : 0;
	if (fchown(sv->lock_fd, (uid_t)-1, sv->identity.gid) < 0 || fchmod(sv->lock_fd, 0660) < 0 ||
		chown(run_dir, (uid_t)-1, sv->identity.gid) < 0 || chmod(run_dir, 0775) < 0)
		rr_warn("supervisor", "run directory not given to the group run_dir=%s error=%s",
			run_dir, strerror(errno));
	return 0;
}

static pid_t find_orphan(const struct supervisor *sv) {
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = RR_LOCK_CONTROL,
		.l_len = 1,
	};

	if (fcntl(sv->lock_fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

// Returns false when it is time to end.
static bool wait_a_little(struct supervisor *sv) {
	struct timespec ts = {.tv_nsec = 10 * RR_NS_PER_MS};
	int signo = sigtimedwait(&sv->signals, NULL, &ts);

	if (signo == SIGHUP)
		sv->draining = true;
	return signo < 0 || signo == SIGHUP || signo == SIGCHLD;
}

// The worker of a supervisor that was killed was told to stop with it. It has the sockets until it
// does.
static int wait_for_orphan(struct supervisor *sv) {
	uint64_t end_ns = rr_now_ns() + STOP_PATIENCE_NS;
	pid_t pid = find_orphan(sv);

	if (pid != 0)
		rr_info("supervisor", "an earlier worker still has the sockets pid=%d", (int)pid);
	while (pid != 0) {
		if (rr_now_ns() > end_ns) {
			rr_err("supervisor",
				"another rtprelayd serves this region run_dir=%s pid=%d",
				sv->cfg->run_dir, (int)pid);
			return -EBUSY;
		}
		// Look first: a process that ends loses its locks a moment before its sockets.
		pid = find_orphan(sv);
		if (!wait_a_little(sv)) {
			sv->status = 0;
			return -EINTR;
		}
	}
	return 0;
}

static int copy_config(struct supervisor *sv) {
	static struct rr_config copy;
	FILE *f;
	int fd = memfd_create("rtprelay.conf", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	sv->config_fd = fd;
	f = fdopen(dup(fd), "w");
	if (!f)
		return -errno;
	// The worker has its identity already. Were it looked up again, a worker could not be
	// replaced while the name service is away.
	copy = *sv->cfg;
	copy.user[0] = '\0';
	copy.group[0] = '\0';
	rr_config_print(&copy, f);
	return fclose(f) == 0 ? 0 : -errno;
}

// ---- sockets
// -------------------------------------------------------------------------------------

// From here on nothing else reads standard input or writes to standard output: a stray line would
// be a reply.
static int take_stdio(struct supervisor *sv, struct command_socket *socket) {
	int rc = stdio_bridge_new(&sv->stdio, STDIN_FILENO, STDOUT_FILENO);
	int nothing;

	if (rc < 0)
		return rc;
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
		return -errno;
	close(nothing);
	socket->fd = fcntl(stdio_bridge_worker_fd(sv->stdio), F_DUPFD_CLOEXEC, 0);
	return socket->fd < 0 ? -errno : 0;
}

// The end of standard input is the end of service, unless datagrams could still come.
static bool input_matters(const struct supervisor *sv, const struct command_socket *socket) {
	bool alone = true;

	for (uint32_t i = 0; i < sv->n_sockets; i++)
		alone = alone && sv->socket[i].kind != COMMAND_SOCKET_UDP;
	return alone || socket->ends_with_input;
}

static int open_stdio(struct supervisor *sv, struct command_socket *socket) {
	int rc = take_stdio(sv, socket);

	if (rc < 0)
		rr_err("supervisor", "standard input or output cannot be used error=%s",
			strerror(-rc));
	sv->ends_with_input = input_matters(sv, socket);
	return rc;
}

static int bind_named(
	struct supervisor *sv, struct command_socket *socket, mode_t mode, const char *name) {
	int rc = command_socket_bind(socket, mode, sv->identity.gid);

	if (rc == -EADDRINUSE)
		rr_err("supervisor", "another server has this socket socket=%s", name);
	else if (rc == -EEXIST)
		rr_err("supervisor", "the path is something else than a socket socket=%s", name);
	else if (rc < 0)
		rr_err("supervisor", "socket not bound socket=%s error=%s", name, strerror(-rc));
	return rc;
}

static int bind_socket(struct supervisor *sv, uint32_t i) {
	const char *name = sv->cfg->socket[i];

	if (sv->socket[i].by_systemd) {
		rr_err("supervisor", "the service manager passed no socket for it socket=%s", name);
		return -ENOENT;
	}
	return bind_named(sv, &sv->socket[i], sv->cfg->socket_mode, name);
}

// For the owner and the group, whatever the configuration says of command sockets.
static int open_operator(struct supervisor *sv) {
	if (command_socket_operator(&sv->operator, sv->cfg->run_dir) < 0)
		return -ENAMETOOLONG;
	return bind_named(sv, &sv->operator, 0660, RR_OPERATOR_SOCKET);
}

static int open_sockets(struct supervisor *sv) {
	int rc = passed_sockets_take(sv->cfg, sv->socket, &sv->n_sockets);

	for (uint32_t i = 0; rc == 0 && i < sv->n_sockets; i++) {
		if (sv->socket[i].kind == COMMAND_SOCKET_STDIO)
			rc = open_stdio(sv, &sv->socket[i]);
		else if (sv->socket[i].fd < 0)
			rc = bind_socket(sv, i);
	}
	return rc;
}

static void close_sockets(struct supervisor *sv) {
	for (uint32_t i = 0; i < sv->n_sockets; i++)
		command_socket_close(&sv->socket[i]);
	command_socket_close(&sv->operator);
}

// ---- worker
// --------------------------------------------------------------------------------------

// Pass a descriptor on, out of the way of the places that the command sockets have.
static bool pass(int fd, char place[16]) {
	int copy = fcntl(fd, F_DUPFD, PASSED_SOCKETS_START + RR_MAX_SOCKETS + 1);

	snprintf(place, 16, "%d", copy);
	return copy >= 0;
}

// Runs in the child; returns only when it failed. Signals stay blocked until the worker has its
// handlers: one that comes earlier must neither kill it nor be lost.
static void become_worker(struct supervisor *sv, pid_t parent) {
	char path[32];
	char program[] = "rtprelayd";
	char option[] = "--" SUPERVISOR_WORKER_OPTION;
	char operator_option[] = "--" SUPERVISOR_OPERATOR_OPTION;
	char word_option[] = "--" SUPERVISOR_WORD_OPTION;
	char program_option[] = "--" SUPERVISOR_PROGRAM_OPTION;
	char user_option[] = "--" SUPERVISOR_USER_OPTION;
	char group_option[] = "--" SUPERVISOR_GROUP_OPTION;
	char user[RR_NAME_LEN], group[RR_NAME_LEN];
	char operator_place[16], word_place[16], number[24];
	char file[] = "-c";
	char *argv[] = {program, option, operator_option, operator_place, word_option, word_place,
		program_option, number, user_option, user, group_option, group, file, path, NULL};
	int config;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); // the parent died before it could be heard of
	if (!pass(sv->operator.fd, operator_place) || !pass(sv->word_fd[1], word_place))
		return;
	config = passed_sockets_give(sv->socket, sv->n_sockets, sv->config_fd);
	if (config < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", config);
	snprintf(user, sizeof(user), "%s", sv->cfg->user);
	snprintf(group, sizeof(group), "%s", sv->cfg->group);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)sv->program);
	execv("/proc/self/exe", argv);
}

// A slow shutdown that is in the store needs no signal to a later worker, and may have been ended
// there since.
static void hear_workers(struct supervisor *sv) {
	char word;

	while (read(sv->word_fd[0], &word, 1) == 1) {
		if (word == SUPERVISOR_WORD_DRAIN_SAVED)
			sv->draining = false;
		if (word != SUPERVISOR_WORD_SERVING || sv->told_ready)
			continue;
		service_manager_tell("READY=1");
		sv->told_ready = true;
	}
}

static void start_worker(struct supervisor *sv) {
	pid_t parent = getpid();
	pid_t pid;

	hear_workers(sv);
	if (sv->stdio)
		stdio_bridge_restart(sv->stdio);
	pid = fork();
	if (pid == 0) {
		become_worker(sv, parent);
		rr_err("supervisor", "worker not started error=%s", strerror(errno));
		_exit(1);
	}
	sv->started_ns = rr_now_ns();
	sv->deadline_ns = 0;
	if (pid < 0) {
		rr_err("supervisor", "fork failed error=%s", strerror(errno));
		sv->deadline_ns = sv->started_ns + BACKOFF_MAX_MS * RR_NS_PER_MS;
		return;
	}
	sv->worker = pid;
	// The worker has its signals blocked until it can hear them.
	if (sv->draining)
		kill(pid, SIGHUP);
	write_pid(sv, "rtprelayd-worker", pid);
}

static void finish(struct supervisor *sv, int status) {
	sv->over = true;
	sv->status = status;
}

// How long to wait before the next start: at once after a long life or the first quick death.
static uint64_t backoff_ns(unsigned int n_quick_deaths) {
	uint64_t ms = BACKOFF_FIRST_MS;

	if (n_quick_deaths < 2)
		return 0;
	for (unsigned int i = 2; i < n_quick_deaths && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return (ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS) * RR_NS_PER_MS;
}

static void restart_later(struct supervisor *sv, uint64_t now_ns) {
	uint64_t delay_ns;

	if (now_ns - sv->started_ns >= QUICK_DEATH_NS) {
		sv->n_quick_deaths = 0;
		sv->proven = true;
	} else {
		sv->n_quick_deaths++;
	}
	delay_ns = backoff_ns(sv->n_quick_deaths);
	sv->deadline_ns = now_ns + delay_ns;
	rr_info("supervisor", "worker is started again in_ms=%llu",
		(unsigned long long)(delay_ns / RR_NS_PER_MS));
	// A test build dies at a crash point once, not in every worker.
	unsetenv("RR_CRASH_POINT");
}

static void log_end(const struct supervisor *sv, int wstatus, bool wanted) {
	if (WIFSIGNALED(wstatus))
		rr_err("supervisor", "worker died pid=%d signal=%d", (int)sv->worker,
			WTERMSIG(wstatus));
	else if (!wanted)
		rr_err("supervisor", "worker ended pid=%d status=%d", (int)sv->worker,
			WEXITSTATUS(wstatus));
}

// As a shell tells of who died by a signal, where one was what made us impatient.
static int status_of_kill(const struct supervisor *sv) {
	return sv->hurry_signal ? 128 + sv->hurry_signal : 1;
}

// What the end of a worker means: it was told to stop or found nothing more to do; it refuses to
// start, having said why; or it died, also when somebody else told it to.
static void worker_ended(struct supervisor *sv, int wstatus) {
	bool drained = WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == SUPERVISOR_WORKER_DRAINED;
	bool refused = WIFEXITED(wstatus) && WEXITSTATUS(wstatus) != 0;

	log_end(sv, wstatus, drained || (!refused && sv->stop_signal));
	sv->worker = 0;
	if (drained)
		finish(sv, 0);
	else if (sv->stop_signal)
		finish(sv, WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : status_of_kill(sv));
	else if (refused && !sv->proven && rr_now_ns() - sv->started_ns < QUICK_DEATH_NS)
		finish(sv, WEXITSTATUS(wstatus));
	else
		restart_later(sv, rr_now_ns());
}

static void reap(struct supervisor *sv) {
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		if (pid == sv->worker)
			worker_ended(sv, wstatus);
	}
}

// ---- signals
// -------------------------------------------------------------------------------------

static void stop(struct supervisor *sv, int signo) {
	if (sv->worker == 0) {
		finish(sv, 0);
	} else if (sv->stop_signal) {
		// Asked twice: whoever asks is in a hurry.
		sv->hurry_signal = signo;
		kill(sv->worker, SIGKILL);
	} else {
		service_manager_tell("STOPPING=1");
		kill(sv->worker, SIGTERM);
		sv->deadline_ns = rr_now_ns() + STOP_PATIENCE_NS;
	}
	sv->stop_signal = signo;
}

static void drain(struct supervisor *sv) {
	hear_workers(sv); // of one before
	sv->draining = true;
	if (sv->worker != 0)
		kill(sv->worker, SIGHUP);
}

static void handle_signal(struct supervisor *sv, int signo) {
	switch (signo) {
	case SIGCHLD:
		reap(sv);
		return;
	case SIGHUP:
		drain(sv);
		return;
	default:
		stop(sv, signo);
	}
}

static void handle_deadline(struct supervisor *sv) {
	if (sv->worker == 0) {
		start_worker(sv);
		return;
	}
	rr_err("supervisor", "worker does not stop, killing it pid=%d", (int)sv->worker);
	kill(sv->worker, SIGKILL);
	sv->deadline_ns = 0;
}

// Lines of standard input go on; their end is that of the service, if it is to be.
static void carry_lines(struct supervisor *sv) {
	if (!sv->stdio)
		return;
	stdio_bridge_run(sv->stdio);
	if (!sv->ends_with_input || !stdio_bridge_over(sv->stdio))
		return;
	rr_info("supervisor", "standard input has ended");
	sv->ends_with_input = false;
	drain(sv);
}

static void wait_until_deadline(const struct supervisor *sv, struct pollfd *fds, nfds_t n) {
	uint64_t now_ns = rr_now_ns();
	uint64_t left_ns = sv->deadline_ns > now_ns ? sv->deadline_ns - now_ns : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(left_ns / RR_NS_PER_S),
		.tv_nsec = (long)(left_ns % RR_NS_PER_S),
	};

	ppoll(fds, n, sv->deadline_ns > 0 ? &ts : NULL, NULL);
}

// Wait for a signal, the deadline, a worker's word or standard input, whichever comes first.
// Returns the signal or 0.
static int wait_for_signal(struct supervisor *sv) {
	struct pollfd fds[2 + STDIO_BRIDGE_FDS] = {
		{.fd = sv->signal_fd, .events = POLLIN},
		{.fd = sv->word_fd[0], .events = POLLIN},
	};
	struct signalfd_siginfo info;

	if (sv->stdio)
		stdio_bridge_wait(sv->stdio, fds + 2);
	wait_until_deadline(sv, fds, sv->stdio ? RR_ARRAY_LEN(fds) : 2);
	hear_workers(sv);
	carry_lines(sv);
	return read(sv->signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static void supervise(struct supervisor *sv) {
	start_worker(sv);
	while (!sv->over) {
		int signo = wait_for_signal(sv);

		if (signo > 0)
			handle_signal(sv, signo);
		else if (sv->deadline_ns > 0 && rr_now_ns() >= sv->deadline_ns)
			handle_deadline(sv);
	}
}

// None of them interrupts us; we ask for them.
static int block_signals(struct supervisor *sv) {
	static const int signals[] = {SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU,
		SIGXFSZ, SIGVTALRM, SIGPROF};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigemptyset(&sv->signals);
	for (size_t i = 0; i < RR_ARRAY_LEN(signals); i++)
		sigaddset(&sv->signals, signals[i]);
	sigprocmask(SIG_BLOCK, &sv->signals, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sv->signal_fd = signalfd(-1, &sv->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sv->signal_fd < 0 || pipe2(sv->word_fd, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

// ---- start
// ---------------------------------------------------------------------------------------

static int prepare(struct supervisor *sv) {
	int rc = block_signals(sv);

	if (rc == 0)
		rc = privdrop_find(&sv->identity, sv->cfg->user, sv->cfg->group);
	if (rc == 0)
		rc = make_dirs(sv);
	if (rc == 0)
		rc = take_lock(sv);
	if (rc == 0)
		rc = wait_for_orphan(sv);
	if (rc == 0)
		rc = open_sockets(sv);
	if (rc == 0)
		rc = open_operator(sv);
	if (rc == 0)
		rc = privdrop_apply(&sv->identity);
	if (rc == 0)
		rc = copy_config(sv);
	return rc;
}

int supervisor_run(const struct rr_config *cfg) {
	struct supervisor sv = {.cfg = cfg,
		.program = rr_now_ns(),
		.config_fd = -1,
		.lock_fd = -1,
		.signal_fd = -1,
		.word_fd = {-1, -1},
		.status = 1};

	for (uint32_t i = 0; i < RR_MAX_SOCKETS; i++)
		sv.socket[i].fd = -1;
	sv.operator.fd = - 1;
	if (prepare(&sv) == 0) {
		write_pid(&sv, "rtprelayd", getpid());
		supervise(&sv);
		carry_lines(&sv); // the last words of the worker
		remove_pid(&sv, "rtprelayd-worker");
		remove_pid(&sv, "rtprelayd");
	}
	close_sockets(&sv);
	stdio_bridge_free(sv.stdio);
	if (sv.signal_fd >= 0)
		close(sv.signal_fd);
	for (size_t i = 0; i < RR_ARRAY_LEN(sv.word_fd); i++)
		if (sv.word_fd[i] >= 0)
			close(sv.word_fd[i]);
	if (sv.config_fd >= 0)
		close(sv.config_fd);
	if (sv.lock_fd >= 0)
		close(sv.lock_fd);
	return sv.status;
}
