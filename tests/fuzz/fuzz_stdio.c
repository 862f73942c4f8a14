// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as standard input, in pieces of any length, with workers that die anywhere: each line
// is answered once, in its order, and nothing else is written.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "rtpp_cmd.h"
#include "stdio_bridge.h"

#define LINE_MAX_BYTES (RTPP_MAX_COMMAND + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	struct stdio_bridge *bridge;
	int in;
	int out;
	const uint8_t *data; // what is said
	size_t size;
	size_t seen; // of it, in replies
};

static void check(bool holds) {
	if (!holds)
		abort();
}

// A worker answers a line with the length and the first byte of it.
static size_t make_reply(char *reply, const char *line, size_t len) {
	char first = len > 0 ? line[0] : '-'; // the reply may stand in the place of the line

	reply[0] = (char)('0' + len % 10);
	reply[1] = first;
	reply[2] = '\n';
	return 3;
}

static void serve(struct play *p, unsigned int n_lines) {
	static char message[sizeof(struct stdio_line_name) + LINE_MAX_BYTES];
	const size_t head = sizeof(struct stdio_line_name);
	int fd = stdio_bridge_worker_fd(p->bridge);

	while (n_lines-- > 0) {
		ssize_t n = recv(fd, message, sizeof(message), MSG_DONTWAIT);

		if (n < 0)
			return;
		check((size_t)n >= head);
		n = (ssize_t)(head + make_reply(message + head, message + head, (size_t)n - head));
		check(send(fd, message, (size_t)n, MSG_DONTWAIT) == n);
	}
}

static void check_output(struct play *p) {
	char got[3];
	char want[3];

	while (read(p->out, got, sizeof(got)) == (ssize_t)sizeof(got)) {
		const char *line = (const char *)p->data + p->seen;
		const char *end = memchr(line, '\n', p->size - p->seen);

		check(end != NULL);
		make_reply(want, line, (size_t)(end - line));
		check(memcmp(got, want, sizeof(got)) == 0);
		p->seen += (size_t)(end - line) + 1;
	}
}

static void turn(struct play *p, uint8_t choice) {
	stdio_bridge_run(p->bridge);
	serve(p, choice % 8);
	if (choice >= 200)
		stdio_bridge_restart(p->bridge);
	stdio_bridge_run(p->bridge);
	check_output(p);
}

// Each byte that chooses how a piece of input is cut also chooses what the worker does then.
static void say_all(struct play *p, const uint8_t *choices, size_t n_choices) {
	size_t said = 0;

	for (size_t i = 0; said < p->size; i++) {
		size_t n = 1 + choices[i % n_choices] * (size_t)16;

		n = n < p->size - said ? n : p->size - said;
		check(write(p->in, p->data + said, n) == (ssize_t)n);
		said += n;
		turn(p, choices[i % n_choices]);
	}
	close(p->in);
	for (unsigned int i = 0; i < 10000 && !stdio_bridge_over(p->bridge); i++)
		turn(p, 7);
	check(stdio_bridge_over(p->bridge));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const size_t n_choices = 8;
	int in[2], out[2];
	struct play p = {.data = data + n_choices, .size = size - n_choices};

	if (size <= n_choices || size > 60000)
		return 0;
	rr_log_init("fuzz", RR_LOG_ERROR);
	check(pipe(in) == 0 && pipe2(out, O_NONBLOCK) == 0);
	check(stdio_bridge_new(&p.bridge, in[0], out[1]) == 0);
	p.in = in[1];
	p.out = out[0];
	say_all(&p, data, n_choices);
	// Nothing that ends in a line feed is left, but what came after a line without end.
	check(!memchr(p.data + p.seen, '\n', p.size - p.seen) || p.size - p.seen > LINE_MAX_BYTES);
	stdio_bridge_free(p.bridge);
	close(in[0]);
	close(out[0]);
	close(out[1]);
	return 0;
}
