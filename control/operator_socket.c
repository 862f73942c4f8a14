// SPDX-License-Identifier: BSD-2-Clause
// The operator's channel at work: messages in become jobs, their outcomes messages out.
#include "operator_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <utlist.h>

#include "job.h"
#include "log.h"
#include "operator.h"
#include "operator_channel.h"

RR_STATIC_ASSERT(RR_OPERATOR_MAX_REQUEST <= RTPP_MAX_COMMAND, "a request fits a job");

// Waits for its request, or for the job that was made of it.
struct operator_client {
	struct operator_socket *os;
	struct operator_client *prev;
	struct operator_client *next;
	int fd;
	struct event *readable;
};

struct operator_socket {
	struct operator_socket_params params;
	struct event *acceptable;
	struct operator_client *clients;
	unsigned int n_clients;
	bool stopped;
};

static void client_free(struct operator_client *c) {
	DL_DELETE(c->os->clients, c);
	c->os->n_clients--;
	event_free(c->readable);
	close(c->fd);
	free(c);
}

// There is room for one more.
static void client_close(struct operator_client *c) {
	struct operator_socket *os = c->os;

	client_free(c);
	if (!os->stopped)
		event_add(os->acceptable, NULL);
}

// ---- answer
// --------------------------------------------------------------------------------------

// One that is gone has no use for it.
static void send_text(const struct operator_client *c, const char *text) {
	if (!c->os->stopped)
		(void)!send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// job_origin.reply
static void reply(struct job *job) {
	struct operator_client *c = job->origin.listener;

	send_text(c, operator_outcome(job));
	job_free(job);
	client_close(c);
}

// ---- request
// -------------------------------------------------------------------------------------

static void log_request(int fd, const char *verb) {
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	// the verb last: it is the asker's to choose, and may look like the rest of the line
	rr_info("operator", "asked uid=%u pid=%d verb=%.32s", peer.uid, (int)peer.pid, verb);
}

static void execute(struct operator_client *c, struct job *job, size_t len) {
	job->bytes[len] = '\0';
	job->command = (struct slice){job->bytes, len};
	job->origin.reply = reply;
	job->origin.listener = c;
	log_request(c->fd, job->bytes);
	c->os->params.execute(c->os->params.arg, job);
}

// The request, and a descriptor where one comes with it; the kernel closes those that find no room.
static ssize_t receive(int fd, struct job *job) {
	union {
		struct cmsghdr header; // aligns it
		char bytes[CMSG_SPACE(sizeof(int))];
	} passed;
	struct iovec text = {.iov_base = job->bytes, .iov_len = RR_OPERATOR_MAX_REQUEST};
	struct msghdr msg = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = passed.bytes,
		.msg_controllen = CMSG_LEN(sizeof(int))}; // the padding would take another one
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	job->has_fd = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		      c->cmsg_len == CMSG_LEN(sizeof(int));
	if (job->has_fd)
		memcpy(&job->fd, CMSG_DATA(c), sizeof(job->fd));
	return n;
}

static void read_request(struct operator_client *c) {
	struct job *job = job_new();
	ssize_t n;

	if (!job) {
		send_text(c, RR_OPERATOR_ERROR "control is out of memory");
		client_close(c);
		return;
	}
	n = receive(c->fd, job);
	if (n > 0 && n <= RR_OPERATOR_MAX_REQUEST) {
		execute(c, job, (size_t)n);
		return;
	}
	if (n > 0)
		send_text(c, RR_OPERATOR_ERROR "the request is too long");
	job_free(job);
	client_close(c);
}

static void on_readable(evutil_socket_t fd RR_UNUSED, short what, void *arg) {
	struct operator_client *c = arg;

	if (what & EV_TIMEOUT)
		client_close(c);
	else
		read_request(c);
}

// ---- clients
// -------------------------------------------------------------------------------------

// Takes fd over when it returns true.
static bool client_open(struct operator_socket *os, int fd) {
	struct operator_client *c = calloc(1, sizeof(*c));
	struct timeval patience = {
		.tv_sec = os->params.patience_ms / 1000,
		.tv_usec = os->params.patience_ms % 1000 * 1000,
	};

	if (!c)
		return false;
	c->os = os;
	c->fd = fd;
	c->readable = event_new(os->params.base, fd, EV_READ, on_readable, c);
	if (!c->readable || event_add(c->readable, &patience) < 0) {
		if (c->readable)
			event_free(c->readable);
		free(c);
		return false;
	}
	DL_APPEND(os->clients, c);
	os->n_clients++;
	return true;
}

static void on_acceptable(evutil_socket_t fd, short what RR_UNUSED, void *arg) {
	struct operator_socket *os = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (conn >= 0 && !client_open(os, conn))
		close(conn);
	if (os->n_clients == OPERATOR_MAX_CLIENTS)
		event_del(os->acceptable);
}

int operator_socket_new(struct operator_socket **out, const struct operator_socket_params *params) {
	struct operator_socket *os = calloc(1, sizeof(*os));

	if (!os)
		return -ENOMEM;
	os->params = *params;
	os->acceptable =
		event_new(params->base, params->fd, EV_READ | EV_PERSIST, on_acceptable, os);
	if (!os->acceptable || event_add(os->acceptable, NULL) < 0) {
		operator_socket_free(os);
		return -ENOMEM;
	}
	*out = os;
	return 0;
}

void operator_socket_stop(struct operator_socket *os) {
	struct operator_client *c;

	os->stopped = true;
	if (os->acceptable)
		event_del(os->acceptable);
	DL_FOREACH(os->clients, c) {
		event_del(c->readable);
	}
}

void operator_socket_free(struct operator_socket *os) {
	if (!os)
		return;
	operator_socket_stop(os);
	while (os->clients)
		client_free(os->clients);
	if (os->acceptable)
		event_free(os->acceptable);
	free(os);
}
