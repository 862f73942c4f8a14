// SPDX-License-Identifier: BSD-2-Clause
// Command sockets that the parent process opened: taken over and passed on as systemd does.
//
// Descriptors stand from 3 on; LISTEN_FDS says how many, LISTEN_PID for which process. Which socket
// of the configuration a descriptor is, its bound address tells; the others are what `systemd:`
// stands for. The worker finds the same, since it is passed the same.
#include "passed_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static int n_passed(void) {
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	long n;

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid())
		return 0;
	n = strtol(fds, NULL, 10);
	return n <= 0 ? 0 : n <= RR_MAX_SOCKETS ? (int)n : RR_MAX_SOCKETS + 1;
}

// Give a descriptor to the socket that it is. Returns -ENOENT when it is none of them.
static int assign(struct command_socket *sockets, uint32_t n, int fd) {
	for (uint32_t i = 0; i < n; i++) {
		if (sockets[i].fd >= 0 || !command_socket_matches(&sockets[i], fd))
			continue;
		sockets[i].fd = fd;
		return command_socket_prepare(&sockets[i], fd);
	}
	return -ENOENT;
}

// The place of `systemd:` is that of the first one; further ones stand behind what is configured.
static int adopt(struct command_socket *sockets, uint32_t *n, int fd) {
	uint32_t i = 0;

	while (i < *n && !sockets[i].by_systemd)
		i++;
	if (i == *n)
		return -ENOENT;
	if (sockets[i].fd >= 0) {
		if (*n == RR_MAX_SOCKETS)
			return -E2BIG;
		i = (*n)++;
	}
	return command_socket_adopt(&sockets[i], fd);
}

static int take_one(struct command_socket *sockets, uint32_t *n, int fd) {
	int rc = assign(sockets, *n, fd);

	if (rc == -ENOENT)
		rc = adopt(sockets, n, fd);
	if (rc == -ENOENT)
		rr_err("sockets", "passed descriptor is no socket of control.sockets fd=%d", fd);
	else if (rc == -EPROTOTYPE)
		rr_err("sockets",
			"passed descriptor is neither a listening stream or packet socket nor a "
			"UDP "
			"one, see Accept= and ListenStream= of its unit fd=%d",
			fd);
	else if (rc < 0)
		rr_err("sockets", "passed descriptor not usable fd=%d error=%s", fd, strerror(-rc));
	return rc < 0 ? -EINVAL : 0;
}

static int parse_all(const struct rr_config *cfg, struct command_socket *sockets) {
	for (uint32_t i = 0; i < cfg->n_sockets; i++) {
		if (command_socket_parse(&sockets[i], cfg->socket[i]) < 0) {
			rr_err("sockets", "no such kind of socket socket=%s", cfg->socket[i]);
			return -EINVAL;
		}
	}
	return 0;
}

int passed_sockets_take(
	const struct rr_config *cfg, struct command_socket sockets[RR_MAX_SOCKETS], uint32_t *n) {
	int end = PASSED_SOCKETS_START + n_passed();
	int rc = parse_all(cfg, sockets);

	*n = cfg->n_sockets;
	if (rc == 0 && end > PASSED_SOCKETS_START + RR_MAX_SOCKETS) {
		rr_err("sockets", "too many descriptors passed, at most %d are taken",
			RR_MAX_SOCKETS);
		rc = -E2BIG;
	}
	for (int fd = PASSED_SOCKETS_START; rc == 0 && fd < end; fd++)
		rc = take_one(sockets, n, fd);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return rc;
}

// Move a copy out of the way of the places that are about to be filled.
static int copy_above(int fd, int floor) {
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, floor);

	return copy < 0 ? -errno : copy;
}

static int place(int fd, int where) {
	return dup2(fd, where) < 0 ? -errno : 0;
}

static int set_number(const char *name, long value) {
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return setenv(name, text, 1) < 0 ? -errno : 0;
}

int passed_sockets_give(const struct command_socket *sockets, uint32_t n, int extra) {
	int end = PASSED_SOCKETS_START + (int)n;
	int copy[RR_MAX_SOCKETS + 1];
	int rc;

	for (uint32_t i = 0; i <= n; i++) {
		copy[i] = copy_above(i < n ? sockets[i].fd : extra, end + 1);
		if (copy[i] < 0)
			return copy[i];
	}
	for (uint32_t i = 0; i <= n; i++) {
		rc = place(copy[i], PASSED_SOCKETS_START + (int)i);
		if (rc < 0)
			return rc;
	}
	rc = set_number("LISTEN_FDS", (long)n);
	if (rc == 0)
		rc = set_number("LISTEN_PID", getpid());
	return rc < 0 ? rc : end;
}
