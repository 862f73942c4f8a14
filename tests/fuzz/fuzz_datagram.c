// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as datagrams of several clients and as lines of the supervisor's standard input:
// cookies old and new, duplicates while a command waits and after, answers that an earlier process
// stored, commands that are answered in any order. A cookie is run once, and every datagram is
// answered but for duplicates that came while the command waited.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "command_socket.h"
#include "input.h"
#include "job.h"
#include "listener.h"
#include "log.h"
#include "retrans.h"
#include "rtpp_parse.h"
#include "stdio_bridge.h"

#define N_CLIENTS 3 // the last one is the supervisor
#define STDIO N_CLIENTS - 1
#define WAITING_MAX 1024
#define ROUND 8 // datagrams before a turn: a UNIX socket queues no more than ten

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	struct input in;
	struct event_base *base;
	struct retrans *retrans;
	struct listener_set *set;
	struct command_socket socket[2]; // datagrams, standard input
	int client[N_CLIENTS];
	struct job *waiting[WAITING_MAX];
	unsigned int n_waiting;
	unsigned int n_unread; // said since the last turn
	uint64_t n_said;
	uint64_t n_heard;
	bool settled;
};

// ---- the commands' side

// Cookie, length of the command, its error code, and as many dots as there is room for at most.
static void make_reply(struct job *job) {
	static const struct rtpp_env env = {.has_ipv4 = true, .default_family = RR_FAMILY_IPV4};
	bool has_room = job->cookie.len <= LISTENER_MAX_COOKIE && !job->cookie_silent;
	size_t len = job->cookie.p && has_room ? job->cookie.len : 0;
	size_t n_dots = job->command.len % 100;
	struct rtpp_cmd cmd;

	if (len > 0)
		memcpy(job->reply, job->cookie.p, len);
	len += (size_t)sprintf(job->reply + len, " %zu %d", job->command.len,
		(int)rtpp_parse(&cmd, job->command, &env));
	memset(job->reply + len, '.', n_dots);
	job->reply[len + n_dots] = '\n';
	job->reply_len = (uint32_t)(len + n_dots + 1);
	check(job->reply_len <= RTPP_MAX_REPLY);
}

static void finish(struct job *job) {
	make_reply(job);
	job_reply(job);
}

// A cookie whose command waits is not run once more.
static void check_new(const struct play *p, struct slice cookie) {
	for (unsigned int i = 0; i < p->n_waiting; i++) {
		struct slice other = p->waiting[i]->cookie;

		check(cookie.len != other.len || memcmp(cookie.p, other.p, cookie.len) != 0);
	}
}

// What has a `w` for its first word waits.
static void execute(void *arg, struct job *job) {
	struct play *p = arg;
	const char *end = job->bytes + RTPP_MAX_COMMAND + 1;
	struct slice s = job->command;

	check(s.len == 0 || (s.p >= job->bytes && s.p + s.len <= end));
	check(s.len == 0 || job->cookie.len <= LISTENER_MAX_COOKIE);
	if (s.len > 0)
		check_new(p, job->cookie);
	while (s.len > 0 && *s.p == ' ')
		s = (struct slice){s.p + 1, s.len - 1};
	if (s.len > 0 && *s.p == 'w' && p->n_waiting < WAITING_MAX)
		p->waiting[p->n_waiting++] = job;
	else
		finish(job);
}

static bool is_settled(void *arg) {
	return ((struct play *)arg)->settled;
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

// ---- the clients' side

static void hear(struct play *p, unsigned int which) {
	char reply[RTPP_MAX_REPLY + sizeof(struct stdio_line_name) + 1];
	ssize_t n;

	while ((n = recv(p->client[which], reply, sizeof(reply), MSG_DONTWAIT)) >= 0) {
		check(n > (which == STDIO ? (ssize_t)sizeof(struct stdio_line_name) : 0));
		check((size_t)n < sizeof(reply) && reply[n - 1] == '\n');
		p->n_heard++;
	}
}

static void turn(struct play *p) {
	p->n_unread = 0;
	event_base_loop(p->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	listener_flush(p->set);
	job_drain_free_list(); // whoever still uses a freed job is found out
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		hear(p, i);
}

// A line has a name; the supervisor says one again after the worker's death.
static void say(struct play *p, unsigned int which, struct slice text) {
	struct stdio_line_name name = {.stream = 1, .number = text.len > 0 ? (uint8_t)*text.p : 0};
	struct iovec iov[2] = {{&name, sizeof(name)}, {(void *)(uintptr_t)text.p, text.len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (which != STDIO) {
		msg.msg_iov = iov + 1;
		msg.msg_iovlen = 1;
	}
	if (p->n_unread == ROUND)
		turn(p);
	p->n_unread++;
	check(sendmsg(p->client[which], &msg, MSG_DONTWAIT) >= 0);
	p->n_said++;
}

// The same text again and again, at its end a number of its own where `each_new`.
static void say_many(struct play *p, unsigned int which, bool each_new) {
	unsigned int n_times = next_byte(&p->in) + 1U;
	struct slice text = next_bytes(&p->in, next_byte(&p->in));
	char bytes[300];

	memcpy(bytes + 12, text.p, text.len);
	for (unsigned int i = 0; i < n_times; i++) {
		int n = each_new ? sprintf(bytes, "%u.", i) : 0;

		memmove(bytes + n, bytes + 12, text.len);
		say(p, which, (struct slice){bytes, (size_t)n + text.len});
		memcpy(bytes + 12, text.p, text.len);
	}
}

// One long datagram of few bytes.
static void say_long(struct play *p, unsigned int which) {
	static char bytes[RTPP_MAX_COMMAND + 100];
	size_t len = (size_t)next_byte(&p->in) * 33;
	size_t n_cookie = (size_t)next_byte(&p->in) * 4;

	memset(bytes, next_byte(&p->in), sizeof(bytes));
	bytes[n_cookie] = ' ';
	say(p, which, (struct slice){bytes, len < sizeof(bytes) ? len : sizeof(bytes)});
}

// ---- the story

static void restore(struct play *p) {
	struct slice cookie = next_bytes(&p->in, next_byte(&p->in) % 8U + 1);
	uint64_t now_ns = rr_now_ns();

	if (cookie.len > 0)
		retrans_put(p->retrans, cookie, (struct slice){"restored\n", 9}, now_ns, now_ns);
}

static void act(struct play *p) {
	uint8_t choice = next_byte(&p->in);
	unsigned int which = (choice >> 4) % N_CLIENTS;

	switch (choice & 15) {
	case 0:
	case 1:
		say(p, which, next_bytes(&p->in, next_byte(&p->in)));
		break;
	case 2:
		say_many(p, which, choice & 128);
		break;
	case 3:
		say_long(p, which);
		break;
	case 4:
	case 5:
		finish_one(p, next_byte(&p->in));
		break;
	case 6:
		restore(p);
		break;
	case 7:
		p->settled = choice & 128;
		break;
	default:
		turn(p);
	}
}

// Every answer has come that will.
static void settle(struct play *p) {
	struct retrans_stats stats;
	const struct listener_stats *lost = listener_stats(p->set);

	p->settled = true;
	turn(p);
	while (p->n_waiting > 0) {
		finish_one(p, 0);
		turn(p);
	}
	turn(p);
	retrans_get_stats(p->retrans, &stats);
	check(p->n_heard <= p->n_said);
	check(p->n_heard + stats.n_duplicates + lost->n_dropped_replies + lost->n_dropped_held >=
		p->n_said);
}

// An address of the kernel's choice, in no file system.
static int open_unix(struct sockaddr_storage *addr, socklen_t *len) {
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_storage){.ss_family = AF_UNIX};
	*len = sizeof(*addr);
	check(fd >= 0 && bind(fd, (struct sockaddr *)addr, sizeof(sa_family_t)) == 0);
	check(getsockname(fd, (struct sockaddr *)addr, len) == 0);
	return fd;
}

static void open_clients(struct play *p) {
	struct command_socket *s = &p->socket[0];
	struct sockaddr_storage own;
	socklen_t len;
	int pair[2];

	s->kind = COMMAND_SOCKET_UDP;
	s->fd = open_unix(&s->addr, &s->addr_len);
	for (unsigned int i = 0; i < STDIO; i++) {
		p->client[i] = open_unix(&own, &len);
		check(connect(p->client[i], (struct sockaddr *)&s->addr, s->addr_len) == 0);
	}
	// The listener asks whether its address is a wildcard; it is not.
	memset(&s->addr, 0xff, sizeof(s->addr));
	s->addr.ss_family = AF_UNIX;
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	p->socket[1] = (struct command_socket){.kind = COMMAND_SOCKET_STDIO, .fd = pair[0]};
	p->client[STDIO] = pair[1];
}

static void open_all(struct play *p) {
	struct listener_hooks hooks = {
		.execute = execute,
		.settled = is_settled,
		.arg = p,
		.patience_ms = UINT32_MAX,
		.hold_ms = UINT32_MAX,
	};

	open_clients(p);
	p->base = hooks.base = event_base_new();
	p->retrans = hooks.retrans = retrans_new(NULL, NULL);
	check(p->base && p->retrans && listener_set_new(&p->set, &hooks) == 0);
	check(listener_add(p->set, &p->socket[0]) == 0);
	check(listener_add(p->set, &p->socket[1]) == 0);
}

static void close_all(struct play *p) {
	listener_set_stop(p->set);
	while (p->n_waiting > 0)
		finish_one(p, 0);
	listener_set_free(p->set);
	retrans_free(p->retrans);
	job_drain_free_list();
	event_base_free(p->base);
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		close(p->client[i]);
	close(p->socket[0].fd);
	close(p->socket[1].fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct play p;

	if (size < 2 || size > 20000)
		return 0;
	memset(&p, 0, sizeof(p));
	rr_log_init("fuzz", RR_LOG_ERROR);
	p.in = (struct input){data + 1, size - 1};
	open_all(&p);
	while (p.in.size > 0)
		act(&p);
	// Else the relay ends with commands under way.
	if (data[0] & 1)
		settle(&p);
	close_all(&p);
	return 0;
}
