// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as clients of a `unix:` and a `cunix:` command socket: what they write and how it is
// cut, when they read, hang up or close half, and when commands are answered. Every line is
// answered once, in its order, and nobody loses a connection but by the rules. TCP and `systemd:`
// sockets are read by the same code as `cunix:`.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "command_socket.h"
#include "input.h"
#include "job.h"
#include "listener.h"
#include "log.h"
#include "rtpp_parse.h"

#define N_CLIENTS 4
#define ONE_SHOT_CLIENT 3 // the others speak in lines
#define SAID_MAX (1 << 16) // by all clients together: what takes seconds tells nothing more
#define LINE_MAX_BYTES (RTPP_MAX_COMMAND + 1)
#define WAITING_MAX 4096
#define CROWD_MAX 128
#define BACKLOG 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	int fd; // -1: hung up
	bool one_shot;
	bool half_closed;
	bool closed; // by the other side
	size_t n_said;
	size_t n_answered; // bytes of what was said whose replies have come
	size_t reply_len;
	char reply[RTPP_MAX_REPLY];
	char said[SAID_MAX];
};

struct play {
	struct input in;
	struct event_base *base;
	struct listener_set *set;
	struct command_socket socket[2]; // lines, one-shot
	struct job *waiting[WAITING_MAX];
	unsigned int n_waiting;
	unsigned int n_executed;
	size_t n_said; // by all clients
	int crowd[CROWD_MAX];
	unsigned int n_crowd;
};

static struct client clients[N_CLIENTS];

// ---- the commands' side

// What a command is answered: its length and error code, and as many dots as its first byte says.
static size_t make_reply(char *reply, const char *command, size_t len) {
	static const struct rtpp_env env = {.has_ipv4 = true, .default_family = RR_FAMILY_IPV4};
	struct slice text = {command, len};
	size_t n_dots = len > 0 ? (size_t)(uint8_t)command[0] * 3 : 0;
	struct rtpp_cmd cmd;
	int n = sprintf(reply, "%zu %d ", len, (int)rtpp_parse(&cmd, text, &env));

	memset(reply + n, '.', n_dots);
	reply[(size_t)n + n_dots] = '\n';
	return (size_t)n + n_dots + 1;
}

static void finish(struct job *job) {
	job->reply_len = (uint32_t)make_reply(job->reply, job->command.p, job->command.len);
	job_reply(job);
}

// What begins with a `w` waits.
static void execute(void *arg, struct job *job) {
	struct play *p = arg;

	p->n_executed++;
	check(job->command.len <= LINE_MAX_BYTES && job->controller.family == RR_FAMILY_NONE);
	if (job->command.len > 0 && job->command.p[0] == 'w' && p->n_waiting < WAITING_MAX)
		p->waiting[p->n_waiting++] = job;
	else
		finish(job);
}

static bool settled(void *arg RR_UNUSED) {
	return true;
}

static void finish_one(struct play *p, unsigned int which) {
	struct job *job;

	if (p->n_waiting == 0)
		return;
	which %= p->n_waiting;
	job = p->waiting[which];
	p->waiting[which] = p->waiting[--p->n_waiting];
	finish(job);
}

static void turn(struct play *p) {
	event_base_loop(p->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	listener_flush(p->set);
	job_drain_free_list(); // whoever still uses a freed job is found out
}

// ---- the clients' side

static int connect_to(struct play *p, bool one_shot) {
	struct command_socket *s = &p->socket[one_shot];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	while (connect(fd, (struct sockaddr *)&s->addr, s->addr_len) < 0) {
		check(errno == EAGAIN); // the backlog is full
		turn(p);
	}
	return fd;
}

static void hang_up(struct client *c) {
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void come_again(struct play *p, struct client *c) {
	hang_up(c);
	c->one_shot = c == &clients[ONE_SHOT_CLIENT];
	c->half_closed = c->closed = false;
	c->n_said = c->n_answered = c->reply_len = 0;
	c->fd = connect_to(p, c->one_shot);
}

static void say(struct play *p, struct client *c) {
	size_t n_times = (size_t)next_byte(&p->in) + 1;
	struct slice text = next_bytes(&p->in, next_byte(&p->in));

	while (n_times-- > 0 && text.len > 0 && p->n_said + text.len <= SAID_MAX) {
		ssize_t n = send(c->fd, text.p, text.len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		memcpy(c->said + c->n_said, text.p, (size_t)n);
		c->n_said += (size_t)n;
		p->n_said += (size_t)n;
	}
}

// Length of the next command of a client that has no reply yet; false when there is none.
static bool next_command(const struct client *c, size_t *len) {
	const char *start = c->said + c->n_answered;
	const char *end = memchr(start, '\n', c->n_said - c->n_answered);

	if (!end || end - start > LINE_MAX_BYTES)
		return false;
	*len = (size_t)(end - start);
	return true;
}

// A line without end costs the connection, whatever is under way.
static bool has_endless_line(const struct client *c) {
	size_t len = 0;

	for (size_t i = c->n_answered; i < c->n_said && len <= LINE_MAX_BYTES; i++)
		len = c->said[i] == '\n' ? 0 : len + 1;
	return len > LINE_MAX_BYTES;
}

static void check_reply(struct client *c) {
	char want[RTPP_MAX_REPLY];
	size_t len;

	if (c->one_shot) {
		// What one read gave: how much that is says the reply itself.
		len = strtoul(c->reply, NULL, 10);
		check(c->n_answered == 0 && len > 0 && len <= c->n_said);
	} else {
		check(next_command(c, &len));
	}
	check(make_reply(want, c->said + c->n_answered, len) == c->reply_len);
	check(memcmp(want, c->reply, c->reply_len) == 0);
	c->n_answered += len + 1;
	c->reply_len = 0;
}

// Returns how many bytes it was.
static size_t listen_to(struct client *c, size_t most) {
	char bytes[65536];
	ssize_t n = recv(c->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);

	c->closed = c->closed || n == 0 || (n < 0 && errno == ECONNRESET);
	for (ssize_t i = 0; i < n; i++) {
		check(c->reply_len < sizeof(c->reply));
		c->reply[c->reply_len++] = bytes[i];
		if (bytes[i] == '\n')
			check_reply(c);
	}
	return n > 0 ? (size_t)n : 0;
}

static void crowd_in(struct play *p, unsigned int n) {
	while (n-- > 0 && p->n_crowd < CROWD_MAX) {
		p->crowd[p->n_crowd++] = connect_to(p, n & 1);
		turn(p);
	}
}

// ---- the story

static void act(struct play *p) {
	uint8_t choice = next_byte(&p->in);
	struct client *c = &clients[choice >> 4 & 3];

	if ((choice & 15) < 6 && c->fd < 0)
		come_again(p, c);
	switch (choice & 15) {
	case 0:
	case 1:
	case 2:
		say(p, c);
		break;
	case 3:
		shutdown(c->fd, SHUT_WR);
		c->half_closed = true;
		break;
	case 4:
		hang_up(c);
		break;
	case 5:
		listen_to(c, (size_t)next_byte(&p->in) * 64 + 1);
		break;
	case 6:
		finish_one(p, next_byte(&p->in));
		break;
	case 7:
		crowd_in(p, next_byte(&p->in));
		break;
	default:
		turn(p);
	}
}

// Until nothing happens any more, and whoever waited to be accepted was heard.
static void settle(struct play *p) {
	unsigned int n_quiet = 0;

	while (n_quiet < BACKLOG / 8) {
		unsigned int n_executed = p->n_executed;
		size_t n_heard = 0;

		while (p->n_waiting > 0)
			finish_one(p, 0);
		turn(p);
		for (unsigned int i = 0; i < N_CLIENTS; i++)
			n_heard += clients[i].fd >= 0 ? listen_to(&clients[i], SIZE_MAX) : 0;
		n_quiet = n_heard > 0 || n_executed != p->n_executed ? 0 : n_quiet + 1;
	}
}

// Who stayed until everything was still has all his answers.
static void check_client(const struct play *p, const struct client *c) {
	bool displaced = p->n_crowd > 0 && c->closed;
	size_t len;

	if (c->fd < 0 || displaced)
		return;
	if (c->one_shot) {
		check(c->closed == (c->n_said > 0 || c->half_closed));
		check((c->n_answered > 0) == (c->n_said > 0));
	} else if (has_endless_line(c)) {
		check(c->closed);
	} else {
		check(c->reply_len == 0 && !next_command(c, &len));
		check(c->closed == c->half_closed);
	}
}

static void open_socket(struct play *p, unsigned int which, enum command_socket_kind kind) {
	struct command_socket *s = &p->socket[which];

	// An address of the kernel's choice, in no file system.
	*s = (struct command_socket){.kind = kind};
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	s->addr.ss_family = AF_UNIX;
	check(bind(s->fd, (struct sockaddr *)&s->addr, sizeof(sa_family_t)) == 0);
	check(listen(s->fd, BACKLOG) == 0);
	s->addr_len = sizeof(s->addr);
	check(getsockname(s->fd, (struct sockaddr *)&s->addr, &s->addr_len) == 0);
	check(listener_add(p->set, s) == 0);
}

static void open_all(struct play *p) {
	struct listener_hooks hooks = {
		.execute = execute,
		.settled = settled,
		.arg = p,
		.patience_ms = UINT32_MAX,
	};

	p->base = hooks.base = event_base_new();
	check(p->base && listener_set_new(&p->set, &hooks) == 0);
	open_socket(p, 0, COMMAND_SOCKET_CUNIX);
	open_socket(p, 1, COMMAND_SOCKET_UNIX);
	for (unsigned int i = 0; i < N_CLIENTS; i++) {
		clients[i].fd = -1;
		come_again(p, &clients[i]);
	}
}

static void close_all(struct play *p) {
	listener_set_stop(p->set);
	while (p->n_waiting > 0)
		finish_one(p, 0);
	listener_set_free(p->set);
	job_drain_free_list();
	event_base_free(p->base);
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		hang_up(&clients[i]);
	while (p->n_crowd > 0)
		close(p->crowd[--p->n_crowd]);
	close(p->socket[0].fd);
	close(p->socket[1].fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct play p;
	bool to_the_end;

	if (size < 2 || size > 20000)
		return 0;
	memset(&p, 0, sizeof(p));
	rr_log_init("fuzz", RR_LOG_ERROR);
	p.in = (struct input){data + 1, size - 1};
	open_all(&p);
	while (p.in.size > 0)
		act(&p);
	// Else the relay ends with commands under way.
	to_the_end = data[0] & 1;
	if (to_the_end)
		settle(&p);
	for (unsigned int i = 0; to_the_end && i < N_CLIENTS; i++)
		check_client(&p, &clients[i]);
	close_all(&p);
	return 0;
}
