// SPDX-License-Identifier: BSD-2-Clause
// UNIX and TCP stream command sockets: one command a connection, or one a line.
//
// A connection that goes away while its commands are under way stays as a zombie without descriptor
// until the last of its jobs has come back. Nobody can make it hold more than one input buffer,
// JOBS_MAX jobs and OUT_MAX bytes: beyond that it is not read. When all places are taken, a
// newcomer gets one of whoever has most of them, so that nobody can keep others out by taking them
// all.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <utlist.h>

#include "clock.h"
#include "command_socket.h"
#include "job.h"
#include "listener_set.h"
#include "log.h"

#define ACCEPT_BATCH 16
#define LINE_MAX_BYTES (RTPP_MAX_COMMAND + 1) // without its line feed
#define JOBS_MAX 64
#define OUT_MAX 65536

struct stream_listener {
	struct listener_set *set;
	struct stream_listener *next;
	bool one_shot;
	unsigned int n_conns;
	struct event *readable;
};

struct stream_conn {
	struct listener_set *set;
	struct stream_listener *listener; // not for zombies
	struct rr_endpoint local; // as the peer sees us; no family on UNIX sockets
	struct rr_endpoint peer; // family RR_FAMILY_NONE on UNIX sockets
	uint64_t heard_ns; // when it last said something, CLOCK_MONOTONIC
	struct stream_conn *prev; // set->conns or set->zombies
	struct stream_conn *next;
	struct stream_conn *unsent_prev; // set->unsent
	struct stream_conn *unsent_next;
	int fd; // -1: a zombie
	bool one_shot;
	bool eof; // the peer sends no more
	bool paused; // not read, until some of its replies have left
	bool is_unsent;
	bool broken; // a command or reply was lost: those after it would answer the wrong commands
	unsigned int n_jobs; // under way, or early
	uint64_t order_in; // of the next command
	uint64_t order_out; // of the next reply
	struct job *early; // finished before their turn
	struct event *readable;
	struct event *writable;
	struct evbuffer *out;
	size_t in_len;
	char in[LINE_MAX_BYTES + 1];
};

// ---- closing
// -------------------------------------------------------------------------------------

static void drop_early(struct stream_conn *c) {
	struct job *job;
	struct job *next;

	LL_FOREACH_SAFE(c->early, job, next) {
		job_free(job);
		c->n_jobs--;
	}
	c->early = NULL;
}

static void not_unsent(struct stream_conn *c) {
	if (c->is_unsent)
		DL_DELETE2(c->set->unsent, c, unsent_prev, unsent_next);
	c->is_unsent = false;
}

static void conn_close(struct stream_conn *c) {
	struct listener_set *set = c->set;

	not_unsent(c);
	DL_DELETE(set->conns, c);
	set->n_conns--;
	c->listener->n_conns--;
	event_free(c->readable);
	event_free(c->writable);
	evbuffer_free(c->out);
	close(c->fd);
	c->fd = -1;
	drop_early(c);
	if (c->n_jobs == 0)
		free(c);
	else
		DL_APPEND(set->zombies, c);
}

void stream_conn_close_all(struct listener_set *set) {
	struct stream_listener *l;
	struct stream_listener *next;

	while (set->conns)
		conn_close(set->conns);
	LL_FOREACH_SAFE(set->streams, l, next) {
		event_free(l->readable);
		free(l);
	}
	set->streams = NULL;
}

void stream_conn_free_zombies(struct listener_set *set) {
	struct stream_conn *c;
	struct stream_conn *next;

	DL_FOREACH_SAFE(set->zombies, c, next) {
		free(c);
	}
	set->zombies = NULL;
}

static bool has_line(const struct stream_conn *c) {
	return memchr(c->in, '\n', c->in_len) != NULL;
}

// Everything it asked for was answered, and it can ask no more.
static bool conn_done(const struct stream_conn *c) {
	return c->n_jobs == 0 && (c->one_shot || (c->eof && !has_line(c)));
}

// ---- sending
// -------------------------------------------------------------------------------------

static bool conn_full(const struct stream_conn *c) {
	return c->n_jobs >= JOBS_MAX || evbuffer_get_length(c->out) > OUT_MAX;
}

// Returns 0, or -EPIPE when nobody takes it.
static int conn_write(struct stream_conn *c) {
	size_t len = evbuffer_get_length(c->out);
	const unsigned char *bytes = evbuffer_pullup(c->out, -1);
	ssize_t n = send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	evbuffer_drain(c->out, (size_t)n);
	return 0;
}

static void conn_read_lines(struct stream_conn *c);

static struct timeval patience(const struct listener_set *set) {
	return (struct timeval){
		.tv_sec = set->hooks.patience_ms / 1000,
		.tv_usec = set->hooks.patience_ms % 1000 * 1000,
	};
}

// Send what there is, then read on or close.
static void conn_flush(struct stream_conn *c) {
	struct timeval tv = patience(c->set);

	not_unsent(c);
	if (c->broken || (evbuffer_get_length(c->out) > 0 && conn_write(c) < 0)) {
		conn_close(c);
		return;
	}
	if (c->paused && !conn_full(c)) {
		c->paused = false;
		if (!c->eof)
			event_add(c->readable, NULL);
		conn_read_lines(c);
	}
	if (evbuffer_get_length(c->out) > 0)
		event_add(c->writable, &tv);
	else if (conn_done(c))
		conn_close(c);
}

void stream_conn_flush(struct listener_set *set) {
	while (set->unsent)
		conn_flush(set->unsent);
}

static void on_writable(evutil_socket_t fd RR_UNUSED, short what, void *arg) {
	struct stream_conn *c = arg;

	if (what & EV_TIMEOUT)
		conn_close(c);
	else
		conn_flush(c);
}

static void mark_unsent(struct stream_conn *c) {
	if (!c->is_unsent)
		DL_APPEND2(c->set->unsent, c, unsent_prev, unsent_next);
	c->is_unsent = true;
}

// Move finished replies to the output, as far as the line of commands allows.
static void send_in_order(struct stream_conn *c) {
	struct job *job;

	for (;;) {
		LL_SEARCH_SCALAR(c->early, job, origin.order, c->order_out);
		if (!job)
			return;
		LL_DELETE(c->early, job);
		c->n_jobs--;
		if (evbuffer_add(c->out, job->reply, job->reply_len) < 0)
			c->broken = true;
		job_free(job);
		c->order_out++;
		mark_unsent(c);
	}
}

// job_origin.reply
static void reply(struct job *job) {
	struct stream_conn *c = job->origin.listener;

	if (c->fd >= 0) {
		LL_PREPEND(c->early, job);
		send_in_order(c);
		return;
	}
	job_free(job);
	c->n_jobs--;
	if (c->n_jobs == 0) {
		DL_DELETE(c->set->zombies, c);
		free(c);
	}
}

// ---- receiving
// -----------------------------------------------------------------------------------

// The peer has sent all it will. What is under way is still answered.
static void conn_eof(struct stream_conn *c) {
	c->eof = true;
	event_del(c->readable);
	mark_unsent(c);
}

static void conn_execute(struct stream_conn *c, const char *bytes, size_t len) {
	struct job *job = job_new();

	if (!job) {
		rr_err("listener", "out of memory, closing a connection");
		c->broken = true;
		mark_unsent(c);
		return;
	}
	memcpy(job->bytes, bytes, len);
	job->command = (struct slice){job->bytes, len};
	job->received_ns = rr_now_ns();
	job->controller = c->peer;
	job->origin.local = c->local;
	job->origin.reply = reply;
	job->origin.listener = c;
	job->origin.order = c->order_in++;
	c->n_jobs++;
	c->set->hooks.execute(c->set->hooks.arg, job);
}

// Run the complete lines of the buffer, as many as may be under way.
static void conn_read_lines(struct stream_conn *c) {
	size_t used = 0;
	const char *end;

	if (c->one_shot || c->set->closing)
		return;
	while (!c->broken && (end = memchr(c->in + used, '\n', c->in_len - used)) != NULL) {
		if (conn_full(c)) {
			c->paused = true;
			event_del(c->readable);
			break;
		}
		conn_execute(c, c->in + used, (size_t)(end - c->in) - used);
		used = (size_t)(end - c->in) + 1;
	}
	memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
}

static void conn_readable(struct stream_conn *c) {
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_close(c);
		return;
	}
	if (n == 0) {
		conn_eof(c);
		return;
	}
	c->in_len += (size_t)n;
	c->heard_ns = rr_now_ns();
	conn_read_lines(c);
	if (c->in_len > LINE_MAX_BYTES && !has_line(c))
		conn_close(c);
}

// What one read gives is the command.
static void conn_readable_once(struct stream_conn *c) {
	ssize_t n = recv(c->fd, c->in, RTPP_MAX_COMMAND, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	event_del(c->readable);
	conn_execute(c, c->in, (size_t)n);
}

static void on_readable(evutil_socket_t fd RR_UNUSED, short what, void *arg) {
	struct stream_conn *c = arg;

	if (what & EV_TIMEOUT)
		conn_close(c);
	else if (c->one_shot)
		conn_readable_once(c);
	else
		conn_readable(c);
}

// ---- places
// --------------------------------------------------------------------------------------

// Are these one client? All of a UNIX socket are; of IPv6 addresses, a host may have a whole /64.
static bool same_client(const struct rr_endpoint *a, const struct rr_endpoint *b) {
	size_t n_bytes = a->family == RR_FAMILY_IPV6 ? 8 : 4;

	return a->family == b->family &&
	       (a->family == RR_FAMILY_NONE || memcmp(a->addr, b->addr, n_bytes) == 0);
}

static unsigned int n_places(const struct stream_listener *l, const struct rr_endpoint *client) {
	const struct stream_conn *c;
	unsigned int n = 0;

	DL_FOREACH(l->set->conns, c) {
		n += c->listener == l && same_client(&c->peer, client);
	}
	return n;
}

// Of the client that has most connections of a socket, the one that has been silent the longest.
static struct stream_conn *greediest(const struct stream_listener *l, unsigned int *n_most) {
	struct stream_conn *found = NULL;
	struct stream_conn *c;

	*n_most = 0;
	DL_FOREACH(l->set->conns, c) {
		unsigned int n = c->listener == l ? n_places(l, &c->peer) : 0;

		if (n > *n_most || (n > 0 && n == *n_most && c->heard_ns < found->heard_ns))
			found = c;
		if (n > *n_most)
			*n_most = n;
	}
	return found;
}

static const struct stream_listener *fullest(const struct listener_set *set) {
	const struct stream_listener *found = set->streams;
	const struct stream_listener *l;

	LL_FOREACH(set->streams, l) {
		if (l->n_conns > found->n_conns)
			found = l;
	}
	return found;
}

// Every place is taken: close a connection of whoever has more than the newcomer would have. First
// the sockets share the places, then the clients of a socket. False when nobody has more.
static bool make_room(struct stream_listener *l, const struct rr_endpoint *newcomer) {
	const struct stream_listener *most = fullest(l->set);
	struct stream_conn *c;
	unsigned int n_most;

	if (l->n_conns + 1 >= most->n_conns)
		most = l;
	c = greediest(most, &n_most);
	if (!c || (most == l && n_places(l, newcomer) + 1 >= n_most))
		return false;
	conn_close(c);
	l->set->stats.n_displaced++;
	return true;
}

// ---- accepting
// -----------------------------------------------------------------------------------

// Undo a half-made connection.
static void conn_discard(struct stream_conn *c) {
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->out)
		evbuffer_free(c->out);
	free(c);
}

static struct rr_endpoint local_of(int fd) {
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);

	getsockname(fd, (struct sockaddr *)&addr, &len);
	return listener_endpoint(&addr);
}

// Takes fd over when it returns true.
static bool conn_open(struct stream_listener *l, int fd, const struct rr_endpoint *peer) {
	struct timeval tv = patience(l->set);
	struct event_base *base = l->set->hooks.base;
	short what = l->one_shot ? EV_READ : EV_READ | EV_PERSIST;
	struct stream_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	c->set = l->set;
	c->listener = l;
	c->peer = *peer;
	c->local = local_of(fd);
	c->heard_ns = rr_now_ns();
	c->fd = fd;
	c->one_shot = l->one_shot;
	c->readable = event_new(base, fd, what, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	c->out = evbuffer_new();
	if (!c->readable || !c->writable || !c->out ||
		event_add(c->readable, l->one_shot ? &tv : NULL) < 0) {
		conn_discard(c);
		return false;
	}
	DL_APPEND(l->set->conns, c);
	l->set->n_conns++;
	l->n_conns++;
	l->set->stats.n_connections++;
	return true;
}

static bool has_room(struct stream_listener *l, const struct rr_endpoint *peer) {
	return l->set->n_conns < LISTENER_MAX_CONNECTIONS || make_room(l, peer);
}

static void on_accept(evutil_socket_t fd, short what RR_UNUSED, void *arg) {
	struct stream_listener *l = arg;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage addr = {0};
		socklen_t len = sizeof(addr);
		int conn =
			accept4(fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct rr_endpoint peer = listener_endpoint(&addr);

		if (conn < 0)
			return;
		if (!has_room(l, &peer) || !conn_open(l, conn, &peer)) {
			l->set->stats.n_refused++;
			close(conn);
		}
	}
}

int stream_listener_add(struct listener_set *set, const struct command_socket *socket) {
	struct stream_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->set = set;
	l->one_shot = socket->kind == COMMAND_SOCKET_UNIX;
	l->readable = event_new(set->hooks.base, socket->fd, EV_READ | EV_PERSIST, on_accept, l);
	if (!l->readable || event_add(l->readable, NULL) < 0) {
		if (l->readable)
			event_free(l->readable);
		free(l);
		return -ENOMEM;
	}
	LL_PREPEND(set->streams, l);
	return 0;
}
