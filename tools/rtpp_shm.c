// SPDX-License-Identifier: BSD-2-Clause
// The client's side of a `shm:` command socket (command_shm.h).
//
// A command is kept in a slot, with its cookie, until its reply has come: that is what a reconnect
// sends again. The cookie is a random name of the client, the slot and a number, all of the same
// length in hexadecimal digits, so that a reply finds its slot at once, and a late one of an
// earlier command of the slot is recognised.
#include "rtpp_shm.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "command_shm.h"

#define COOKIE_LEN 34 // NAME_SLOT_NUMBER: 16, 2 and 14 digits

RR_STATIC_ASSERT(RTPP_SHM_UNANSWERED == RR_COMMAND_SHM_UNDER_WAY, "as many as are taken");
RR_STATIC_ASSERT(RTPP_SHM_COMMAND + COOKIE_LEN + 1 <= RR_COMMAND_SHM_COMMAND, "cookie included");
RR_STATIC_ASSERT(RTPP_SHM_REPLY > RR_COMMAND_SHM_REPLY, "zero byte included");

struct slot {
	bool unanswered;
	bool sent; // on this connection
	uint64_t tag;
	uint32_t len;
	char text[RR_COMMAND_SHM_COMMAND + 1]; // COOKIE SP COMMAND, and room for a zero byte
};

struct rtpp_shm {
	struct sockaddr_un addr;
	uint64_t name; // random
	uint64_t number; // of the next command
	int fd; // -1: not connected
	int bell;
	struct rr_command_shm *shm;
	struct rr_msg_ring commands;
	struct rr_msg_ring replies;
	bool waiting; // said so, and not woken since
	unsigned int n_unanswered;
	unsigned int n_unsent; // of these, after a reconnect
	struct slot slot[RTPP_SHM_UNANSWERED];
	char in[RR_COMMAND_SHM_REPLY]; // the reply that was taken last
};

// ---- connection
// ----------------------------------------------------------------------------------

static void close_fd(int *fd) {
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void hang_up(struct rtpp_shm *c) {
	close_fd(&c->fd);
	close_fd(&c->bell);
	if (c->shm)
		munmap(c->shm, sizeof(*c->shm));
	c->shm = NULL;
}

// The descriptors that came with a message; -1 where one did not.
static void take_fds(struct msghdr *msg, int fds[RR_COMMAND_SHM_FDS]) {
	struct cmsghdr *head = CMSG_FIRSTHDR(msg);

	if (head && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(RR_COMMAND_SHM_FDS * sizeof(int)))
		memcpy(fds, CMSG_DATA(head), RR_COMMAND_SHM_FDS * sizeof(int));
}

static int map_memory(struct rtpp_shm *c, int fd) {
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || st.st_size != (off_t)sizeof(*c->shm))
		return -EPROTONOSUPPORT;
	at = mmap(NULL, sizeof(*c->shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	c->shm = at;
	rr_msg_ring_producer(&c->commands, &c->shm->command, c->shm->command_bytes,
		sizeof(c->shm->command_bytes));
	rr_msg_ring_consumer(
		&c->replies, &c->shm->reply, c->shm->reply_bytes, sizeof(c->shm->reply_bytes));
	return 0;
}

// Read what the relay says first.
static int take_hello(struct rtpp_shm *c) {
	struct rr_command_shm_hello hello = {.magic = 0};
	int fds[RR_COMMAND_SHM_FDS] = {-1, -1};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int rc = -EPROTONOSUPPORT;

	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&msg, fds);
	if (n == (ssize_t)sizeof(hello) && hello.magic == RR_COMMAND_SHM_MAGIC &&
		hello.version == RR_COMMAND_SHM_VERSION && hello.size == sizeof(*c->shm) &&
		fds[RR_COMMAND_SHM_BELL] >= 0)
		rc = map_memory(c, fds[RR_COMMAND_SHM_MEMORY]);
	close_fd(&fds[RR_COMMAND_SHM_MEMORY]);
	c->bell = fds[RR_COMMAND_SHM_BELL];
	return rc;
}

// Returns 1 when the socket has something to say, 0 when the time is over.
static int wait_for_socket(struct rtpp_shm *c, uint64_t end_ns) {
	uint64_t now_ns = rr_now_ns();
	uint64_t left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
	struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
	struct timespec ts = {
		.tv_sec = (time_t)(left_ns / RR_NS_PER_S),
		.tv_nsec = (long)(left_ns % RR_NS_PER_S),
	};
	int n = ppoll(&poll_fd, 1, end_ns == UINT64_MAX ? NULL : &ts, NULL);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	return n;
}

static uint64_t end_of(int timeout_ms) {
	if (timeout_ms < 0)
		return UINT64_MAX;
	return rr_now_ns() + (uint64_t)timeout_ms * RR_NS_PER_MS;
}

// A relay that takes no connections lets them wait.
static int dial(struct rtpp_shm *c, int timeout_ms) {
	int ms = timeout_ms > 0 ? timeout_ms : timeout_ms == 0; // no time at all is for ever here
	struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 &&
		setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
		connect(c->fd, (struct sockaddr *)&c->addr, sizeof(c->addr)) == 0)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int open_link(struct rtpp_shm *c, int timeout_ms) {
	uint64_t end_ns = end_of(timeout_ms);
	int rc;

	hang_up(c);
	rc = dial(c, timeout_ms);
	while (rc == 0) {
		rc = wait_for_socket(c, end_ns);
		if (rc == 0)
			rc = -ETIMEDOUT;
		if (rc > 0)
			rc = take_hello(c);
		if (rc != -EAGAIN)
			break;
		rc = 0;
	}
	c->waiting = false;
	if (rc < 0)
		hang_up(c);
	return rc;
}

int rtpp_shm_connect(struct rtpp_shm **client, const char *path, int timeout_ms) {
	struct rtpp_shm *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->fd = c->bell = -1;
	c->addr.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(c->addr.sun_path))
		rc = -ENAMETOOLONG;
	else
		memcpy(c->addr.sun_path, path, strlen(path) + 1);
	if (rc == 0 && getrandom(&c->name, sizeof(c->name), 0) != sizeof(c->name))
		rc = -EIO;
	if (rc == 0)
		rc = open_link(c, timeout_ms);
	if (rc < 0) {
		free(c);
		return rc;
	}
	*client = c;
	return 0;
}

void rtpp_shm_disconnect(struct rtpp_shm *c) {
	if (!c)
		return;
	hang_up(c);
	free(c);
}

int rtpp_shm_fd(const struct rtpp_shm *c) {
	return c->fd;
}

unsigned int rtpp_shm_unanswered(const struct rtpp_shm *c) {
	return c->n_unanswered;
}

// ---- commands
// ------------------------------------------------------------------------------------

// A bell that is not heard yet, or whose relay is gone, need not be rung.
static void wake_relay(struct rtpp_shm *c) {
	const uint64_t one = 1;

	(void)!write(c->bell, &one, sizeof(one));
}

static int put(struct rtpp_shm *c, struct slot *slot) {
	int rc = rr_msg_ring_put(&c->commands, slot->text, slot->len);

	if (rc == -EAGAIN) {
		rr_msg_ring_wait(&c->commands);
		rc = rr_msg_ring_put(&c->commands, slot->text, slot->len);
	}
	if (rc < 0)
		return rc == -EAGAIN ? rc : -EPIPE;
	slot->sent = true;
	if (rr_msg_ring_must_wake(&c->commands))
		wake_relay(c);
	return 0;
}

// What a reconnect has to send again. Returns 0, or -EAGAIN when there is no room for all.
static int put_unsent(struct rtpp_shm *c) {
	int rc = 0;

	for (unsigned int i = 0; c->n_unsent > 0 && rc == 0 && i < RTPP_SHM_UNANSWERED; i++) {
		struct slot *slot = &c->slot[i];

		if (!slot->unanswered || slot->sent)
			continue;
		rc = put(c, slot);
		c->n_unsent -= rc == 0;
	}
	return rc;
}

static unsigned int free_slot(const struct rtpp_shm *c) {
	unsigned int i = 0;

	while (i < RTPP_SHM_UNANSWERED && c->slot[i].unanswered)
		i++;
	return i;
}

static void write_slot(struct rtpp_shm *c, unsigned int i, const char *command, size_t len) {
	struct slot *slot = &c->slot[i];

	snprintf(slot->text, sizeof(slot->text), "%016llx_%02x_%014llx ",
		(unsigned long long)c->name, i, (unsigned long long)c->number++);
	memcpy(slot->text + COOKIE_LEN + 1, command, len);
	slot->len = (uint32_t)(COOKIE_LEN + 1 + len);
	slot->sent = false;
}

int rtpp_shm_send(struct rtpp_shm *c, uint64_t tag, const char *command, size_t len) {
	unsigned int i = free_slot(c);
	int rc;

	if (c->fd < 0)
		return -EPIPE;
	if (len > RTPP_SHM_COMMAND)
		return -EMSGSIZE;
	if (i == RTPP_SHM_UNANSWERED)
		return -EAGAIN;
	rc = put_unsent(c);
	if (rc < 0)
		return rc;
	write_slot(c, i, command, len);
	rc = put(c, &c->slot[i]);
	if (rc < 0)
		return rc;
	c->slot[i].tag = tag;
	c->slot[i].unanswered = true;
	c->n_unanswered++;
	return 0;
}

// ---- replies
// -------------------------------------------------------------------------------------

// The slot that a reply answers, or NULL.
static struct slot *slot_of(struct rtpp_shm *c, const char *text, size_t len) {
	unsigned long i;

	if (len <= COOKIE_LEN + 1)
		return NULL;
	i = strtoul((char[]){text[17], text[18], '\0'}, NULL, 16);
	if (i >= RTPP_SHM_UNANSWERED || !c->slot[i].unanswered ||
		memcmp(c->slot[i].text, text, COOKIE_LEN + 1) != 0)
		return NULL;
	return &c->slot[i];
}

static void give(
	struct rtpp_shm_reply *reply, const struct slot *slot, const char *text, size_t len) {
	reply->tag = slot->tag;
	reply->len = len - (len > 0 && text[len - 1] == '\n');
	memcpy(reply->text, text, reply->len);
	reply->text[reply->len] = '\0';
}

// Take what is there. Returns 1 with a reply, 0 when none is there, -EPIPE.
static int look(struct rtpp_shm *c, struct rtpp_shm_reply *reply) {
	struct slot *slot = NULL;
	int n;

	if (put_unsent(c) == -EPIPE)
		return -EPIPE;
	while (!slot) {
		n = rr_msg_ring_take(&c->replies, c->in, sizeof(c->in));
		if (n < 0)
			return n == -EAGAIN ? 0 : -EPIPE;
		c->waiting = false;
		if (rr_msg_ring_must_wake(&c->replies))
			wake_relay(c);
		slot = slot_of(c, c->in, (size_t)n); // else a late one, answered already
	}
	give(reply, slot, c->in + COOKIE_LEN + 1, (size_t)n - COOKIE_LEN - 1);
	slot->unanswered = false;
	c->n_unanswered--;
	return 1;
}

// The same, having said that we are about to sleep; a late reply that is taken then makes it
// unsaid.
static int look_once_more(struct rtpp_shm *c, struct rtpp_shm_reply *reply) {
	int rc;

	do {
		if (!c->waiting)
			rr_msg_ring_wait(&c->replies);
		c->waiting = true;
		rc = look(c, reply);
	} while (rc == 0 && !c->waiting);
	return rc;
}

// Take what the socket says. Returns 0, or -EPIPE at its end.
static int hear(struct rtpp_shm *c) {
	char bytes[64];
	ssize_t n;

	while ((n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		c->waiting = false;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

int rtpp_shm_receive(struct rtpp_shm *c, struct rtpp_shm_reply *reply, int timeout_ms) {
	uint64_t end_ns = end_of(timeout_ms);
	int rc;

	if (c->fd < 0)
		return -EPIPE;
	rc = look(c, reply);
	while (rc == 0) {
		rc = look_once_more(c, reply);
		if (rc != 0)
			break;
		rc = wait_for_socket(c, end_ns);
		if (rc <= 0)
			break;
		rc = hear(c);
		if (rc == 0)
			rc = look(c, reply);
	}
	return rc;
}

int rtpp_shm_reconnect(struct rtpp_shm *c, int timeout_ms) {
	int rc = open_link(c, timeout_ms);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < RTPP_SHM_UNANSWERED; i++)
		c->slot[i].sent = false;
	c->n_unsent = c->n_unanswered;
	rc = put_unsent(c);
	return rc == -EPIPE ? rc : 0; // what has no room follows with the replies
}
