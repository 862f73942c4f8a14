// SPDX-License-Identifier: BSD-2-Clause
// Standard input and output as a command transport: lines in, replies out in the same order, over
// any number of workers.
#include "stdio_bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "rtpp_cmd.h"

#define LINE_MAX_BYTES (RTPP_MAX_COMMAND + 1) // without its line feed

struct line {
	bool answered;
	uint32_t len;
	uint32_t reply_len;
	char text[LINE_MAX_BYTES];
	char reply[RTPP_MAX_REPLY];
};

struct stdio_bridge {
	int in_fd; // -1: ended
	int out_fd; // -1: nobody reads
	int fd; // our end
	int worker_fd;
	uint64_t stream;
	// Numbers of lines: n_written <= n_sent <= n_read.
	uint64_t n_read;
	uint64_t n_sent; // to the worker of now, or answered
	uint64_t n_written; // replies that left
	size_t written; // bytes of the next reply that left
	size_t in_len;
	char in[LINE_MAX_BYTES + 1];
	struct line line[STDIO_BRIDGE_LINES]; // by number
};

static struct line *line_of(struct stdio_bridge *b, uint64_t number) {
	return &b->line[number % STDIO_BRIDGE_LINES];
}

static void close_fd(int *fd) {
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

// ---- input
// ---------------------------------------------------------------------------------------

static bool has_room(const struct stdio_bridge *b) {
	return b->n_read - b->n_written < STDIO_BRIDGE_LINES;
}

static void take_line(struct stdio_bridge *b, const char *text, size_t len) {
	struct line *line = line_of(b, b->n_read);

	line->answered = false;
	line->len = (uint32_t)len;
	memcpy(line->text, text, len);
	b->n_read++;
}

// Complete lines, as many as there is room for.
static void take_lines(struct stdio_bridge *b) {
	size_t used = 0;
	const char *end;

	while (has_room(b) && (end = memchr(b->in + used, '\n', b->in_len - used)) != NULL) {
		take_line(b, b->in + used, (size_t)(end - b->in) - used);
		used = (size_t)(end - b->in) + 1;
	}
	memmove(b->in, b->in + used, b->in_len - used);
	b->in_len -= used;
}

static bool would_block(void) {
	return errno == EAGAIN || errno == EINTR;
}

static void read_input(struct stdio_bridge *b) {
	ssize_t n;

	take_lines(b);
	if (b->in_fd < 0 || !has_room(b))
		return;
	n = read(b->in_fd, b->in + b->in_len, sizeof(b->in) - b->in_len);
	if (n < 0 && would_block())
		return;
	if (n <= 0) {
		close_fd(&b->in_fd);
		return;
	}
	b->in_len += (size_t)n;
	take_lines(b);
	// Room is left, and yet no line was found.
	if (b->in_len > LINE_MAX_BYTES && has_room(b)) {
		rr_warn("stdio", "line without end, standard input is not read any more");
		close_fd(&b->in_fd);
	}
}

// ---- worker
// --------------------------------------------------------------------------------------

// Returns false when it has to wait.
static bool send_line(struct stdio_bridge *b, uint64_t number) {
	struct stdio_line_name name = {.stream = b->stream, .number = number};
	struct line *line = line_of(b, number);
	struct iovec iov[2] = {{&name, sizeof(name)}, {line->text, line->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	return line->answered || sendmsg(b->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void send_lines(struct stdio_bridge *b) {
	while (b->n_sent < b->n_read && send_line(b, b->n_sent))
		b->n_sent++;
}

static void take_reply(
	struct stdio_bridge *b, const struct stdio_line_name *name, const char *text, size_t len) {
	struct line *line = line_of(b, name->number);

	// A late one, of a line that two workers answered.
	if (name->stream != b->stream || name->number < b->n_written || name->number >= b->n_read ||
		line->answered)
		return;
	line->answered = true;
	line->reply_len = (uint32_t)len;
	memcpy(line->reply, text, len);
}

static void take_replies(struct stdio_bridge *b) {
	struct stdio_line_name name;
	char text[RTPP_MAX_REPLY];
	struct iovec iov[2] = {{&name, sizeof(name)}, {text, sizeof(text)}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	while ((n = recvmsg(b->fd, &msg, MSG_DONTWAIT)) > 0) {
		if ((size_t)n > sizeof(name))
			take_reply(b, &name, text, (size_t)n - sizeof(name));
	}
}

// ---- output
// --------------------------------------------------------------------------------------

// There is nobody to answer, and so nothing more to ask.
static void give_up(struct stdio_bridge *b) {
	rr_warn("stdio", "nobody reads standard output");
	close_fd(&b->in_fd);
	close_fd(&b->out_fd);
	b->n_sent = b->n_written = b->n_read;
	b->in_len = 0;
}

static bool reply_waits(const struct stdio_bridge *b) {
	return b->out_fd >= 0 && b->n_written < b->n_read &&
	       b->line[b->n_written % STDIO_BRIDGE_LINES].answered;
}

static void write_replies(struct stdio_bridge *b) {
	while (reply_waits(b)) {
		const struct line *line = line_of(b, b->n_written);
		ssize_t n =
			write(b->out_fd, line->reply + b->written, line->reply_len - b->written);

		if (n < 0 && would_block())
			return;
		if (n < 0) {
			give_up(b);
			return;
		}
		b->written += (size_t)n;
		if (b->written < line->reply_len)
			return;
		b->written = 0;
		b->n_written++;
		if (b->n_sent < b->n_written)
			b->n_sent = b->n_written;
	}
}

// ---- turns
// ---------------------------------------------------------------------------------------

int stdio_bridge_worker_fd(const struct stdio_bridge *b) {
	return b->worker_fd;
}

void stdio_bridge_restart(struct stdio_bridge *b) {
	char nothing;

	take_replies(b);
	while (recv(b->worker_fd, &nothing, sizeof(nothing), MSG_DONTWAIT) >= 0)
		; // what the old one did not read is sent again
	b->n_sent = b->n_written;
	send_lines(b);
}

void stdio_bridge_wait(const struct stdio_bridge *b, struct pollfd fds[STDIO_BRIDGE_FDS]) {
	short ours = b->n_sent < b->n_read ? POLLIN | POLLOUT : POLLIN;

	fds[0] = (struct pollfd){.fd = has_room(b) ? b->in_fd : -1, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = b->fd, .events = ours};
	fds[2] = (struct pollfd){.fd = reply_waits(b) ? b->out_fd : -1, .events = POLLOUT};
}

void stdio_bridge_run(struct stdio_bridge *b) {
	take_replies(b);
	write_replies(b);
	read_input(b);
	send_lines(b);
}

bool stdio_bridge_over(const struct stdio_bridge *b) {
	return b->in_fd < 0 && b->n_written == b->n_read && !memchr(b->in, '\n', b->in_len);
}

// ---- life
// ----------------------------------------------------------------------------------------

// Pipes and terminals can be opened again, so that whoever else has them does not see them become
// non-blocking. Of a file the place to go on at would be lost.
static int open_again(int fd, int flags) {
	char path[32];
	struct stat st;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static int own_descriptor(int fd, int flags) {
	int own = open_again(fd, flags);

	if (own >= 0)
		return own;
	own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (own < 0 || fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	return own;
}

static int open_all(struct stdio_bridge *b, int in_fd, int out_fd) {
	int pair[2];

	b->in_fd = own_descriptor(in_fd, O_RDONLY);
	if (b->in_fd < 0)
		return b->in_fd;
	b->out_fd = own_descriptor(out_fd, O_WRONLY);
	if (b->out_fd < 0)
		return b->out_fd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	b->fd = pair[0];
	b->worker_fd = pair[1];
	return 0;
}

int stdio_bridge_new(struct stdio_bridge **out, int in_fd, int out_fd) {
	struct stdio_bridge *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	b->in_fd = b->out_fd = b->fd = b->worker_fd = -1;
	b->stream = rr_now_ns();
	rc = open_all(b, in_fd, out_fd);
	if (rc < 0) {
		stdio_bridge_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void stdio_bridge_free(struct stdio_bridge *b) {
	if (!b)
		return;
	close_fd(&b->in_fd);
	close_fd(&b->out_fd);
	close_fd(&b->fd);
	close_fd(&b->worker_fd);
	free(b);
}
