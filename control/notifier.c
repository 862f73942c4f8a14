// SPDX-License-Identifier: BSD-2-Clause
// Brings the notices of an outbox to their targets.
#include "notifier.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>
#include <utlist.h>

#include "clock.h"
#include "log.h"
#include "notice_target.h"
#include "outbox.h"

#define BATCH 64 // notices a call of the kernel
#define BACKLOG_PAUSE_MS 50 // a UNIX listener that is behind with accepting
#define KEEPALIVE_S 30 // finds out that a listener's host is gone

static struct rr_log_limit reach_limit = {.burst = 5};

struct connection {
	struct notifier *notifier;
	struct connection *prev;
	struct connection *next;
	struct outbox_target *target;
	int fd; // -1: none
	bool is_up; // somebody took it
	uint64_t since_ns; // when the attempt began
	struct event *timer; // the next attempt
	struct event *readable; // while it is up
	struct event *writable; // while it is not up, or there is something to send
};

struct notifier {
	struct notifier_params params;
	struct connection *connections;
};

static struct timeval in_ms(uint64_t ms) {
	return (struct timeval){
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

// ---- one connection
// -------------------------------------------------------------------------------

static void hang_up(struct connection *c) {
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->fd >= 0)
		close(c->fd);
	c->readable = NULL;
	c->writable = NULL;
	c->fd = -1;
	c->is_up = false;
}

static void try_in_ms(struct connection *c, uint64_t ms) {
	struct timeval tv = in_ms(ms);

	event_add(c->timer, &tv);
}

static void try_again(struct connection *c, uint64_t pause_ns) {
	c->since_ns = rr_now_ns() + pause_ns;
	if (c->target->queue)
		try_in_ms(c, pause_ns / RR_NS_PER_MS);
}

static void unreachable(struct connection *c, int error) {
	struct outbox *ob = c->notifier->params.outbox;
	uint64_t n_lost = ob->stats.n_unreachable;
	uint64_t pause_ns;

	hang_up(c);
	outbox_unreachable(ob, c->target, rr_now_ns(), &pause_ns);
	n_lost = ob->stats.n_unreachable - n_lost;
	if (rr_log_allow(&reach_limit))
		rr_warn("notifier", "cannot reach target=%.*s notices_lost=%llu: %s",
			(int)c->target->text_len, c->target->text, (unsigned long long)n_lost,
			strerror(error));
	try_again(c, pause_ns);
}

// What it had taken of a notice is worth nothing.
static void broken(struct connection *c) {
	hang_up(c);
	outbox_broken(c->notifier->params.outbox, c->target);
	try_again(c, 0);
}

// Returns false when the listener has hung up.
static bool hear(const struct connection *c) {
	char waste[4096];
	ssize_t n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static ssize_t send_batch(const struct connection *c) {
	struct iovec iov[BATCH];
	struct msghdr msg = {.msg_iov = iov};
	size_t skip = c->target->n_sent_bytes;

	for (struct notice *n = c->target->queue; n && msg.msg_iovlen < BATCH; n = n->next) {
		iov[msg.msg_iovlen++] = (struct iovec){n->line + skip, n->len - skip};
		skip = 0;
	}
	return sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// What is written to a listener that has just hung up is lost without an error, so it is heard
// first.
static void send_some(struct connection *c) {
	bool ended;
	ssize_t n;

	if (!c->target->queue)
		return;
	ended = !hear(c);
	n = ended ? 0 : send_batch(c);
	if (ended || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		broken(c);
		return;
	}
	if (n > 0)
		outbox_sent(c->notifier->params.outbox, c->target, (size_t)n);
	if (c->target->queue)
		event_add(c->writable, NULL);
}

static void on_readable(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	struct connection *c = arg;

	if (!hear(c))
		broken(c);
}

// ---- making one
// -----------------------------------------------------------------------------------

static void up(struct connection *c) {
	c->is_up = true;
	outbox_reached(c->target);
	rr_debug("notifier", "connected target=%.*s", (int)c->target->text_len, c->target->text);
	event_add(c->readable, NULL);
	send_some(c);
}

static int socket_error(int fd) {
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
	struct connection *c = arg;
	int error;

	if (c->is_up) {
		send_some(c);
		return;
	}
	error = what & EV_TIMEOUT ? ETIMEDOUT : socket_error(fd);
	if (error)
		unreachable(c, error);
	else
		up(c);
}

static void set_option(int fd, int level, int name, int value) {
	setsockopt(fd, level, name, &value, sizeof(value)); // works without, if less well
}

// A command socket's address that this host no longer has is no reason to tell nobody.
static void prepare_tcp(const struct connection *c) {
	struct sockaddr_in local = {.sin_family = AF_INET};

	local.sin_addr.s_addr = c->target->local_be;
	set_option(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(c->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
	set_option(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S);
	set_option(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (c->target->local_be != 0 &&
		bind(c->fd, (const struct sockaddr *)&local, sizeof(local)) < 0 &&
		rr_log_allow(&reach_limit))
		rr_warn("notifier",
			"cannot leave from the command socket's address target=%.*s: %s",
			(int)c->target->text_len, c->target->text, strerror(errno));
}

// Returns 0 or a positive errno.
static int open_socket(struct connection *c, int family) {
	struct event_base *base = c->notifier->params.base;

	c->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	if (family == AF_INET)
		prepare_tcp(c);
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, c->fd, EV_WRITE, on_writable, c);
	return c->readable && c->writable ? 0 : ENOMEM;
}

// A UNIX listener whose backlog is full does not let anybody wait in line.
static void backlog_full(struct connection *c) {
	uint64_t patience_ns = c->notifier->params.patience_ms * RR_NS_PER_MS;

	if (rr_now_ns() >= c->since_ns + patience_ns) {
		unreachable(c, ETIMEDOUT);
		return;
	}
	hang_up(c);
	try_in_ms(c, BACKLOG_PAUSE_MS);
}

static void make_connection(struct connection *c) {
	struct slice text = {.p = c->target->text, .len = c->target->text_len};
	struct timeval patience = in_ms(c->notifier->params.patience_ms);
	struct sockaddr_storage addr;
	socklen_t len;
	int error = -notice_target_addr(text, &addr, &len);

	if (!error)
		error = open_socket(c, addr.ss_family);
	if (!error && connect(c->fd, (const struct sockaddr *)&addr, len) < 0)
		error = errno;
	if (!error)
		up(c);
	else if (error == EINPROGRESS)
		event_add(c->writable, &patience);
	else if (error == EAGAIN)
		backlog_full(c);
	else
		unreachable(c, error);
}

static void on_timer(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	make_connection((struct connection *)arg);
}

// ---- for the outbox
// -------------------------------------------------------------------------------

static void connection_free(struct connection *c) {
	DL_DELETE(c->notifier->connections, c);
	c->target->connection = NULL;
	hang_up(c);
	event_free(c->timer);
	free(c);
}

static struct connection *connection_new(struct notifier *notifier, struct outbox_target *target) {
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->notifier = notifier;
	c->target = target;
	c->fd = -1;
	c->timer = evtimer_new(notifier->params.base, on_timer, c);
	if (!c->timer) {
		free(c);
		return NULL;
	}
	target->connection = c;
	DL_APPEND(notifier->connections, c);
	return c;
}

// Called from the middle of the outbox: whatever may change a queue is left to the event loop.
static void queued(void *arg, struct outbox_target *target) {
	struct notifier *notifier = arg;
	struct connection *c = target->connection;

	if (!c)
		c = connection_new(notifier, target);
	if (!c)
		return; // the next notice tries it again
	if (c->is_up) {
		event_add(c->writable, NULL);
	} else if (c->fd < 0 && !evtimer_pending(c->timer, NULL)) {
		c->since_ns = rr_now_ns();
		try_in_ms(c, 0);
	}
}

static void forget(void *arg RR_UNUSED, struct outbox_target *target) {
	if (target->connection)
		connection_free(target->connection);
}

int notifier_new(struct notifier **out, const struct notifier_params *params) {
	struct notifier *notifier = calloc(1, sizeof(*notifier));
	struct outbox_hooks hooks = {.arg = notifier, .queued = queued, .forget = forget};

	if (!notifier)
		return -ENOMEM;
	notifier->params = *params;
	outbox_attach(params->outbox, &hooks);
	*out = notifier;
	return 0;
}

void notifier_free(struct notifier *notifier) {
	struct connection *c, *next;

	if (!notifier)
		return;
	outbox_attach(notifier->params.outbox, NULL);
	DL_FOREACH_SAFE(notifier->connections, c, next) {
		connection_free(c);
	}
	free(notifier);
}
