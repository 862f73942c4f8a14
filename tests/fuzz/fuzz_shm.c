// SPDX-License-Identifier: BSD-2-Clause
// A client of shared memory that does anything to its rings, its bell and its socket, beside one
// that behaves: the one that behaves is answered whatever the other does, and at the end nothing is
// left.
//
// The input is a script: a byte says what is done next, those after it with what.
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command_shm.h"
#include "command_socket.h"
#include "input.h"
#include "job.h"
#include "listener.h"
#include "log.h"
#include "retrans.h"

#define WAITING_MAX 512
#define TURNS 4 // until a client that behaves is answered

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	const uint8_t *at;
	size_t left;
};

struct client {
	int fd;
	int bell;
	struct rr_command_shm *shm;
	struct rr_msg_ring commands;
	struct rr_msg_ring replies;
};

static struct event_base *base;
static struct command_socket listening = {.kind = COMMAND_SOCKET_SHM, .fd = -1};
static struct listener_set *set;
static struct job *waiting[WAITING_MAX];
static unsigned int n_waiting;

// ---- the server's side
// -------------------------------------------------------------------------------

static void finish(struct job *job) {
	static const char text[] = " a reply of some length, so that the ring is full one day\n";
	size_t len = job->cookie.p ? job->cookie.len : 0;

	memcpy(job->reply, job->cookie.p ? job->cookie.p : "", len);
	memcpy(job->reply + len, text, sizeof(text));
	job->reply_len = (uint32_t)(len + sizeof(text) - 1);
	job_reply(job);
}

// What begins with ` w` waits for the script.
static void execute(void *arg, struct job *job) {
	(void)arg;
	check(job->command.len <= RTPP_MAX_COMMAND);
	if (job->command.len >= 2 && memcmp(job->command.p, " w", 2) == 0 &&
		n_waiting < WAITING_MAX)
		waiting[n_waiting++] = job;
	else
		finish(job);
}

static bool settled(void *arg) {
	(void)arg;
	return true;
}

static void turn(void) {
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	listener_poll(set);
	listener_flush(set);
}

static void listen_once(void) {
	struct sockaddr_un any = {.sun_family = AF_UNIX};

	if (base)
		return;
	rr_log_init("fuzz", RR_LOG_ERROR);
	base = event_base_new();
	listening.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	// Of that length, the kernel finds a name that is no path.
	check(bind(listening.fd, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
	check(listen(listening.fd, 16) == 0);
}

// ---- clients
// -----------------------------------------------------------------------------------------

static void take_hello(struct client *c) {
	struct rr_command_shm_hello hello;
	int fds[RR_COMMAND_SHM_FDS];
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};

	check(recvmsg(c->fd, &msg, MSG_DONTWAIT) == (ssize_t)sizeof(hello));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	c->bell = fds[RR_COMMAND_SHM_BELL];
	c->shm = mmap(NULL, hello.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		fds[RR_COMMAND_SHM_MEMORY], 0);
	check(c->shm != MAP_FAILED);
	close(fds[RR_COMMAND_SHM_MEMORY]);
}

static void join(struct client *c) {
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	check(getsockname(listening.fd, (struct sockaddr *)&addr, &len) == 0);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	check(connect(c->fd, (struct sockaddr *)&addr, len) == 0);
	turn();
	take_hello(c);
	rr_msg_ring_producer(&c->commands, &c->shm->command, c->shm->command_bytes,
		sizeof(c->shm->command_bytes));
	rr_msg_ring_consumer(
		&c->replies, &c->shm->reply, c->shm->reply_bytes, sizeof(c->shm->reply_bytes));
}

static void leave(struct client *c) {
	close(c->fd);
	close(c->bell);
	munmap(c->shm, sizeof(*c->shm));
}

static void ring(struct client *c) {
	const uint64_t one = 1;

	(void)!write(c->bell, &one, sizeof(one));
}

static void behave(struct client *c) {
	static unsigned int number;
	char text[32], reply[RR_COMMAND_SHM_REPLY];
	int len = snprintf(text, sizeof(text), "good%u V", number++);
	int n = -EAGAIN;

	check(rr_msg_ring_put(&c->commands, text, (uint32_t)len) == 0);
	if (rr_msg_ring_must_wake(&c->commands))
		ring(c);
	for (int i = 0; i < TURNS && n == -EAGAIN; i++) {
		turn();
		n = rr_msg_ring_take(&c->replies, reply, sizeof(reply));
	}
	check(n > len && memcmp(reply, text, (size_t)len - 1) == 0);
}

// ---- the script
// --------------------------------------------------------------------------------------

static const uint8_t *next(struct script *s, size_t n) {
	const uint8_t *at = s->at;

	if (s->left < n) {
		s->left = 0;
		return NULL;
	}
	s->at += n;
	s->left -= n;
	return at;
}

// One of the words that both sides look at.
static void spoil_word(struct client *c, struct script *s) {
	struct rr_msg_ring_side *sides[] = {&c->shm->command.producer, &c->shm->command.consumer,
		&c->shm->reply.producer, &c->shm->reply.consumer};
	const uint8_t *arg = next(s, 5);
	uint32_t value;

	if (!arg)
		return;
	memcpy(&value, arg + 1, sizeof(value));
	if (arg[0] & 8)
		value &= ~7u;
	rr_store_release(
		arg[0] & 4 ? &sides[arg[0] % 4]->n_waits : &sides[arg[0] % 4]->index, value);
}

// What the server reads next, length and all.
static void spoil_bytes(struct client *c, struct script *s) {
	const uint8_t *len = next(s, 1);
	const uint8_t *bytes = len ? next(s, *len) : NULL;
	uint32_t at = c->shm->command.consumer.index;

	for (uint32_t i = 0; bytes && i < *len; i++)
		c->shm->command_bytes[(at + i) % RR_COMMAND_SHM_RING] = bytes[i];
}

// Several messages of one text.
static void say(struct client *c, struct script *s) {
	const uint8_t *arg = next(s, 2);
	const uint8_t *text = arg ? next(s, arg[0] % 64) : NULL;

	for (int i = 0; text && i <= arg[1]; i++)
		rr_msg_ring_put(&c->commands, text, arg[0] % 64);
}

static void hear(struct client *c) {
	char reply[RR_COMMAND_SHM_REPLY];

	while (rr_msg_ring_take(&c->replies, reply, sizeof(reply)) >= 0)
		;
}

static void step(struct client *c, struct script *s) {
	switch (*next(s, 1) % 10) {
	case 0:
		spoil_word(c, s);
		return;
	case 1:
		spoil_bytes(c, s);
		return;
	case 2:
		say(c, s);
		return;
	case 3:
		ring(c);
		return;
	case 4:
		hear(c);
		return;
	case 5:
		turn();
		return;
	case 6:
		leave(c);
		join(c);
		return;
	case 7:
		(void)!send(c->fd, "V", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	case 8:
		rr_msg_ring_wait(&c->replies);
		return;
	default:
		if (n_waiting > 0)
			finish(waiting[--n_waiting]);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct script script = {data, size};
	struct client good, bad;
	struct listener_hooks hooks = {.execute = execute,
		.settled = settled,
		.patience_ms = LISTENER_PATIENCE_MS,
		.hold_ms = 1000};

	listen_once();
	hooks.base = base;
	hooks.retrans = retrans_new(NULL, NULL);
	check(hooks.retrans && listener_set_new(&set, &hooks) == 0);
	check(listener_add(set, &listening) == 0);
	join(&good);
	join(&bad);
	for (unsigned int i = 0; script.left > 0 && i < 1000; i++) {
		step(&bad, &script);
		if (i % 4 == 0)
			behave(&good);
	}
	behave(&good);
	leave(&bad);
	turn();
	behave(&good);
	leave(&good);
	listener_set_stop(set);
	while (n_waiting > 0)
		finish(waiting[--n_waiting]);
	listener_set_free(set);
	retrans_free(hooks.retrans);
	return 0;
}
