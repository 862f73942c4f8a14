// SPDX-License-Identifier: BSD-2-Clause
// Clients of a `shm:` command socket: each has a pair of rings with this process, in memory of its
// own (command_shm.h).
//
// A connection that is awake has its commands taken in every turn, a batch of them; one that had
// none says that it waits and is asleep until its client rings the bell. So a system call is for a
// batch, and for none while commands come faster than they are run. Commands of a client that is
// gone are run; only then it is closed. One whose jobs are under way stays as a zombie until the
// last of them is back.
//
// Nobody can make a connection hold more than its two rings and JOBS_MAX jobs: beyond that its
// commands stay where they are. And nobody can make this process wait, or lead it astray:
// - the memory is sealed, so that it cannot be taken away under us;
// - the bell is never read, for it reports each ring as an edge: a client could make it block;
// - clients are woken over the socket and not by an eventfd, for the same reason.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "clock.h"
#include "command_shm.h"
#include "command_socket.h"
#include "job.h"
#include "listener_set.h"
#include "log.h"
#include "retrans.h"

#define ACCEPT_BATCH 16
#define BATCH 32 // commands of a client in a turn
#define TURN_MAX 128 // of all clients: none is begun with when there were as many
#define JOBS_MAX RR_COMMAND_SHM_UNDER_WAY

RR_STATIC_ASSERT(RTPP_MAX_COMMAND == RR_COMMAND_SHM_COMMAND, "a command fits a job");
RR_STATIC_ASSERT(RTPP_MAX_REPLY == RR_COMMAND_SHM_REPLY, "a reply fits what clients keep ready");

struct shm_listener {
	struct listener_set *set;
	struct shm_listener *next;
	struct event *readable;
};

struct shm_conn {
	struct listener_set *set;
	struct shm_conn *prev; // set->shm_conns or set->shm_zombies
	struct shm_conn *next;
	struct shm_conn *unsent_prev; // set->shm_unsent
	struct shm_conn *unsent_next;
	int fd; // -1: a zombie
	uid_t user; // who connected
	int bell;
	struct rr_command_shm *shm;
	struct rr_msg_ring commands;
	struct rr_msg_ring replies;
	struct event *heard; // something on the socket: its end
	struct event *rung;
	struct event *unread; // runs while the replies have no room
	bool awake; // to be looked at in every turn
	bool eof; // the client is gone
	bool is_unsent;
	bool no_room; // its replies wait for it to read some
	unsigned int n_jobs; // taken, and the reply is not in the ring
	struct job *out; // of these, the finished ones, oldest first
};

// ---- closing
// -------------------------------------------------------------------------------------

static void not_unsent(struct shm_conn *c) {
	if (c->is_unsent)
		DL_DELETE2(c->set->shm_unsent, c, unsent_prev, unsent_next);
	c->is_unsent = false;
}

static void free_out(struct shm_conn *c) {
	struct job *job;
	struct job *next;

	DL_FOREACH_SAFE(c->out, job, next) {
		job_free(job);
		c->n_jobs--;
	}
	c->out = NULL;
}

static void free_event(struct event *event) {
	if (event)
		event_free(event);
}

// Undo what a connection has besides its jobs.
static void conn_release(struct shm_conn *c) {
	free_event(c->heard);
	free_event(c->rung);
	free_event(c->unread);
	if (c->shm)
		munmap(c->shm, sizeof(*c->shm));
	if (c->bell >= 0)
		close(c->bell);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void conn_close(struct shm_conn *c) {
	struct listener_set *set = c->set;

	not_unsent(c);
	free_out(c);
	DL_DELETE(set->shm_conns, c);
	set->n_shm_conns--;
	conn_release(c);
	if (c->n_jobs == 0)
		free(c);
	else
		DL_APPEND(set->shm_zombies, c);
}

// The rings say what cannot be.
static void conn_close_broken(struct shm_conn *c) {
	static struct rr_log_limit limit = {.burst = 5};

	c->set->stats.n_shm_broken++;
	if (rr_log_allow(&limit))
		rr_warn("listener", "client broke its shared memory, closed");
	conn_close(c);
}

void shm_conn_close_all(struct listener_set *set) {
	struct shm_listener *l;
	struct shm_listener *next;

	while (set->shm_conns)
		conn_close(set->shm_conns);
	LL_FOREACH_SAFE(set->shm_listeners, l, next) {
		event_free(l->readable);
		free(l);
	}
	set->shm_listeners = NULL;
	job_free(set->shm_spare);
	set->shm_spare = NULL;
}

void shm_conn_free_zombies(struct listener_set *set) {
	struct shm_conn *c;
	struct shm_conn *next;

	DL_FOREACH_SAFE(set->shm_zombies, c, next) {
		free(c);
	}
	set->shm_zombies = NULL;
}

// ---- sending
// -------------------------------------------------------------------------------------

// What is not taken need not be: bytes that wake the client are there already, or it is gone.
static void wake_client(struct shm_conn *c) {
	(void)!send(c->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Returns how many replies went into the ring, or -EPROTO.
static int put_replies(struct shm_conn *c) {
	int n = 0;
	int rc = 0;

	while (c->out && rc == 0) {
		struct job *job = c->out;

		rc = rr_msg_ring_put(&c->replies, job->reply, job->reply_len);
		if (rc < 0)
			break;
		DL_DELETE(c->out, job);
		job_free(job);
		c->n_jobs--;
		n++;
	}
	return rc == -EPROTO ? rc : n;
}

static struct timeval patience(const struct listener_set *set) {
	return (struct timeval){
		.tv_sec = set->hooks.patience_ms / 1000,
		.tv_usec = set->hooks.patience_ms % 1000 * 1000,
	};
}

// Replies wait for room until the client has read some and rings, but not for ever.
static void wait_for_room(struct shm_conn *c, bool moved) {
	struct timeval tv = patience(c->set);

	if (moved || !event_pending(c->unread, EV_TIMEOUT, NULL))
		event_add(c->unread, &tv);
	c->no_room = true;
	c->awake = false;
}

static void conn_flush(struct shm_conn *c) {
	int n = put_replies(c);
	int more = 0;

	not_unsent(c);
	if (n >= 0 && c->out) {
		rr_msg_ring_wait(&c->replies);
		more = put_replies(c);
	}
	if (n < 0 || more < 0) {
		conn_close_broken(c);
		return;
	}
	if (n + more > 0 && rr_msg_ring_must_wake(&c->replies))
		wake_client(c);
	if (c->out && c->eof) {
		conn_close(c); // nobody will read them
	} else if (c->out) {
		wait_for_room(c, n + more > 0);
	} else {
		event_del(c->unread);
		c->no_room = false;
		c->awake = true;
	}
}

void shm_conn_flush(struct listener_set *set) {
	while (set->shm_unsent)
		conn_flush(set->shm_unsent);
}

static void mark_unsent(struct shm_conn *c) {
	if (!c->is_unsent)
		DL_APPEND2(c->set->shm_unsent, c, unsent_prev, unsent_next);
	c->is_unsent = true;
}

static void zombie_lost_a_job(struct shm_conn *c) {
	if (c->n_jobs > 0)
		return;
	DL_DELETE(c->set->shm_zombies, c);
	free(c);
}

// job_origin.drop
static void drop(struct job *job) {
	struct shm_conn *c = job->origin.listener;

	job_free(job);
	c->n_jobs--;
	if (c->fd >= 0)
		mark_unsent(c); // it may have slept until there is room for a job
	else
		zombie_lost_a_job(c);
}

// job_origin.reply
static void reply(struct job *job) {
	struct shm_conn *c = job->origin.listener;

	retrans_finish(c->set->hooks.retrans, job);
	if (c->fd < 0) {
		drop(job);
		return;
	}
	DL_APPEND(c->out, job);
	mark_unsent(c);
}

static void on_unread(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	struct shm_conn *c = arg;

	c->set->stats.n_shm_unread++;
	conn_close(c);
}

// ---- receiving
// -----------------------------------------------------------------------------------

static bool conn_full(const struct shm_conn *c) {
	return c->n_jobs >= JOBS_MAX || c->no_room;
}

static void conn_execute(struct shm_conn *c, struct job *job, size_t len) {
	job->received_ns = rr_now_ns();
	job->origin.reply = reply;
	job->origin.drop = drop;
	job->origin.listener = c;
	job->origin.asks_once = true;
	c->n_jobs++;
	cookies_take_message(c->set, job, len);
}

// Take one command. Returns 1, 0 when there is none, -EPROTO or -ENOMEM.
static int conn_take(struct shm_conn *c) {
	struct listener_set *set = c->set;
	struct job *job = set->shm_spare ? set->shm_spare : job_new();
	int n;

	set->shm_spare = job;
	if (!job)
		return -ENOMEM;
	n = rr_msg_ring_take(&c->commands, job->bytes, RTPP_MAX_COMMAND);
	if (n < 0)
		return n == -EAGAIN ? 0 : n;
	set->shm_spare = NULL;
	conn_execute(c, job, (size_t)n);
	return 1;
}

// Returns how many were taken, or what is wrong.
static int conn_take_batch(struct shm_conn *c) {
	int n = 0;
	int rc = 1;

	while (n < BATCH && !conn_full(c) && rc > 0) {
		rc = conn_take(c);
		n += rc > 0;
	}
	return rc < 0 ? rc : n;
}

// Nothing is there: say so, and look once more.
static int conn_fall_asleep(struct shm_conn *c) {
	rr_msg_ring_wait(&c->commands);
	c->awake = false;
	return conn_take_batch(c);
}

static void conn_fail(struct shm_conn *c, int error) {
	if (error == -EPROTO) {
		conn_close_broken(c);
		return;
	}
	rr_err("listener", "out of memory, closing a connection");
	conn_close(c);
}

// Returns how many commands it took.
static unsigned int conn_poll(struct shm_conn *c) {
	int n = conn_take_batch(c);

	if (n == 0 && conn_full(c)) {
		c->awake = false; // until replies have left
		return 0;
	}
	if (n == 0 && !c->eof)
		n = conn_fall_asleep(c);
	if (n < 0) {
		conn_fail(c, n);
		return 0;
	}
	if (n > 0) {
		c->awake = true;
		if (rr_msg_ring_must_wake(&c->commands))
			wake_client(c);
	} else if (c->eof) {
		conn_close(c);
	}
	return (unsigned int)n;
}

// The first in line goes behind all others, so that the next turn begins where this one ends.
static struct shm_conn *next_in_line(struct listener_set *set) {
	struct shm_conn *c = set->shm_conns;

	DL_DELETE(set->shm_conns, c);
	DL_APPEND(set->shm_conns, c);
	return c;
}

unsigned int shm_conn_poll(struct listener_set *set) {
	unsigned int n_taken = 0;

	for (unsigned int n = set->n_shm_conns; n > 0 && n_taken < TURN_MAX; n--) {
		struct shm_conn *c = next_in_line(set);

		if (c->awake)
			n_taken += conn_poll(c);
	}
	return n_taken;
}

bool shm_conn_awake(const struct listener_set *set) {
	const struct shm_conn *c;

	DL_FOREACH(set->shm_conns, c) {
		if (c->awake)
			return true;
	}
	return false;
}

static void on_rung(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	struct shm_conn *c = arg;

	c->awake = true;
	if (c->out)
		mark_unsent(c);
}

// Clients say nothing here; their end is all that there is to hear.
static void on_heard(evutil_socket_t fd, short what RR_UNUSED, void *arg) {
	struct shm_conn *c = arg;
	char byte;
	ssize_t n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		conn_close_broken(c);
		return;
	}
	c->eof = true;
	event_del(c->heard);
	c->awake = true;
	if (c->out)
		mark_unsent(c);
}

// ---- accepting
// -----------------------------------------------------------------------------------

// Returns the descriptor of memory that keeps its size, or a negative errno.
static int make_memory(struct shm_conn *c) {
	int fd = memfd_create("rtprelay-commands", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at = MAP_FAILED;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(*c->shm)) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		at = mmap(NULL, sizeof(*c->shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			fd, 0);
	if (at == MAP_FAILED) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	c->shm = at;
	rr_msg_ring_consumer(&c->commands, &c->shm->command, c->shm->command_bytes,
		sizeof(c->shm->command_bytes));
	rr_msg_ring_producer(
		&c->replies, &c->shm->reply, c->shm->reply_bytes, sizeof(c->shm->reply_bytes));
	return fd;
}

static int send_hello(const struct shm_conn *c, int memory) {
	struct rr_command_shm_hello hello = {
		.magic = RR_COMMAND_SHM_MAGIC,
		.version = RR_COMMAND_SHM_VERSION,
		.size = sizeof(*c->shm),
	};
	int fds[RR_COMMAND_SHM_FDS] = {
		[RR_COMMAND_SHM_MEMORY] = memory, [RR_COMMAND_SHM_BELL] = c->bell};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(fds))];
	} control = {.space = {0}};
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	return sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int give_memory(struct shm_conn *c) {
	int memory = make_memory(c);
	int rc;

	if (memory < 0)
		return memory;
	c->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rc = c->bell < 0 ? -errno : send_hello(c, memory);
	close(memory);
	return rc;
}

static int watch(struct shm_conn *c) {
	struct event_base *base = c->set->hooks.base;

	c->heard = event_new(base, c->fd, EV_READ | EV_PERSIST, on_heard, c);
	c->rung = event_new(base, c->bell, EV_READ | EV_ET | EV_PERSIST, on_rung, c);
	c->unread = event_new(base, -1, 0, on_unread, c);
	if (!c->heard || !c->rung || !c->unread || event_add(c->heard, NULL) < 0 ||
		event_add(c->rung, NULL) < 0)
		return -ENOMEM;
	return 0;
}

// Nobody's when the kernel does not say, which is then bounded as a user is.
static uid_t user_of(int fd) {
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return peer.uid;
}

static bool has_share(const struct listener_set *set, uid_t user) {
	static struct rr_log_limit limit = {.burst = 5};
	const struct shm_conn *c;
	unsigned int n = 0;

	DL_FOREACH(set->shm_conns, c) {
		n += c->user == user;
	}
	if (n < LISTENER_MAX_OF_USER)
		return false;
	if (rr_log_allow(&limit))
		rr_warn("listener", "client of shared memory refused, its user has %u uid=%u", n,
			(unsigned int)user);
	return true;
}

// Takes fd over when it returns 0.
static int conn_open(struct listener_set *set, int fd, uid_t user) {
	struct shm_conn *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->set = set;
	c->fd = fd;
	c->user = user;
	c->bell = -1;
	rc = give_memory(c);
	if (rc == 0)
		rc = watch(c);
	if (rc < 0) {
		c->fd = -1; // still the caller's
		conn_release(c);
		free(c);
		return rc;
	}
	c->awake = true;
	DL_APPEND(set->shm_conns, c);
	set->n_shm_conns++;
	set->stats.n_shm_clients++;
	return 0;
}

// Takes fd over when it returns true.
static bool admit(struct listener_set *set, int fd) {
	uid_t user = user_of(fd);

	if (has_share(set, user)) {
		set->stats.n_shm_over_share++;
		return false;
	}
	if (set->n_shm_conns >= LISTENER_MAX_CONNECTIONS || conn_open(set, fd, user) < 0) {
		set->stats.n_shm_refused++;
		return false;
	}
	return true;
}

static void on_accept(evutil_socket_t fd, short what RR_UNUSED, void *arg) {
	struct shm_listener *l = arg;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (conn < 0)
			return;
		if (!admit(l->set, conn))
			close(conn);
	}
}

int shm_listener_add(struct listener_set *set, const struct command_socket *socket) {
	struct shm_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->set = set;
	l->readable = event_new(set->hooks.base, socket->fd, EV_READ | EV_PERSIST, on_accept, l);
	if (!l->readable || event_add(l->readable, NULL) < 0) {
		free_event(l->readable);
		free(l);
		return -ENOMEM;
	}
	LL_PREPEND(set->shm_listeners, l);
	return 0;
}
