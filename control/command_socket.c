// SPDX-License-Identifier: BSD-2-Clause
// One command socket of the configuration: what its text means, and the descriptor it is bound to.
//
// While no process reads it, what controllers send waits in the kernel: receive buffer and backlog
// are large enough for several seconds of it.
#include "command_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "operator_channel.h"

#define BACKLOG 1024
#define RECEIVE_BUFFER (4 << 20)
#define TCP_BUFFER (64 << 10)

static int parse_path(struct command_socket *s, const char *path) {
	struct sockaddr_un *sun = (struct sockaddr_un *)&s->addr;

	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(sun->sun_path))
		return -EINVAL;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	s->addr_len = sizeof(*sun);
	return 0;
}

static int parse_inet(struct command_socket *s, const char *host, uint16_t port) {
	struct sockaddr_in *sin = (struct sockaddr_in *)&s->addr;

	if (inet_pton(AF_INET, host, &sin->sin_addr) != 1)
		return -EINVAL;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	s->addr_len = sizeof(*sin);
	return 0;
}

static int parse_inet6(struct command_socket *s, const char *host, uint16_t port) {
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&s->addr;

	if (inet_pton(AF_INET6, host, &sin6->sin6_addr) != 1)
		return -EINVAL;
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	s->addr_len = sizeof(*sin6);
	return 0;
}

// HOST:PORT, numeric; the port stands behind the last colon.
static int parse_host_port(struct command_socket *s, const char *text,
	int (*parse_host)(struct command_socket *s, const char *host, uint16_t port)) {
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	return parse_host(s, host, (uint16_t)port);
}

static bool has_prefix(const char *text, const char *prefix, const char **rest) {
	size_t len = strlen(prefix);

	*rest = text + len;
	return strncmp(text, prefix, len) == 0;
}

int command_socket_parse(struct command_socket *s, const char *text) {
	static const struct {
		const char *prefix;
		enum command_socket_kind kind;
		int (*parse_host)(struct command_socket *s, const char *host, uint16_t port);
	} kinds[] = {
		{"udp:", COMMAND_SOCKET_UDP, parse_inet},
		{"udp6:", COMMAND_SOCKET_UDP, parse_inet6},
		{"tcp:", COMMAND_SOCKET_TCP, parse_inet},
		{"tcp6:", COMMAND_SOCKET_TCP, parse_inet6},
		{"cunix:", COMMAND_SOCKET_CUNIX, NULL},
		{"unix:", COMMAND_SOCKET_UNIX, NULL},
		{"shm:", COMMAND_SOCKET_SHM, NULL},
	};
	const char *rest;
	bool ends_with_input = strcmp(text, "stdioc:") == 0;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (ends_with_input || strcmp(text, "stdio:") == 0) {
		s->kind = COMMAND_SOCKET_STDIO;
		s->ends_with_input = ends_with_input;
		return 0;
	}
	if (strcmp(text, "systemd:") == 0) {
		s->kind = COMMAND_SOCKET_NONE;
		s->by_systemd = true;
		return 0;
	}
	for (size_t i = 0; i < RR_ARRAY_LEN(kinds); i++) {
		if (!has_prefix(text, kinds[i].prefix, &rest))
			continue;
		s->kind = kinds[i].kind;
		return kinds[i].parse_host ? parse_host_port(s, rest, kinds[i].parse_host)
					   : parse_path(s, rest);
	}
	return -EINVAL;
}

int command_socket_operator(struct command_socket *s, const char *run_dir) {
	char path[RR_PATH_LEN + sizeof("/" RR_OPERATOR_SOCKET)];

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->kind = COMMAND_SOCKET_OPERATOR;
	snprintf(path, sizeof(path), "%s/%s", run_dir, RR_OPERATOR_SOCKET);
	return parse_path(s, path);
}

static int socket_type(const struct command_socket *s) {
	if (s->kind == COMMAND_SOCKET_STDIO || s->kind == COMMAND_SOCKET_OPERATOR ||
		s->kind == COMMAND_SOCKET_SHM)
		return SOCK_SEQPACKET;
	return s->kind == COMMAND_SOCKET_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static const char *socket_path(const struct command_socket *s) {
	return ((const struct sockaddr_un *)&s->addr)->sun_path;
}

static int set_option(int fd, int level, int name, int value) {
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

// Is somebody accepting on the path? A full backlog is somebody, too, and so is a socket of another
// type.
static bool path_is_live(const struct command_socket *s) {
	int fd = socket(AF_UNIX, socket_type(s) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool live;

	if (fd < 0)
		return true;
	live = connect(fd, (const struct sockaddr *)&s->addr, s->addr_len) == 0 ||
	       errno == EAGAIN || errno == EPROTOTYPE;
	close(fd);
	return live;
}

// Take a socket away that a killed server left behind; anything else is not ours to remove.
static int clear_path(const struct command_socket *s) {
	struct stat st;

	if (lstat(socket_path(s), &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (path_is_live(s))
		return -EADDRINUSE;
	return unlink(socket_path(s)) < 0 ? -errno : 0;
}

static int open_path(struct command_socket *s, int fd, mode_t mode, gid_t gid) {
	mode_t old_mask;
	int rc = clear_path(s);

	if (rc < 0)
		return rc;
	// Nobody gets in between bind and chmod, and no link that is put there is followed.
	old_mask = umask(0777);
	rc = bind(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0 ? -errno : 0;
	umask(old_mask);
	if (rc < 0)
		return rc;
	s->made_path = true;
	if (gid != (gid_t)-1 && lchown(socket_path(s), (uid_t)-1, gid) < 0)
		return -errno;
	if (fchmodat(AT_FDCWD, socket_path(s), mode, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static int bind_inet(const struct command_socket *s, int fd) {
	if (s->addr.ss_family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0 ? -errno : 0;
}

static int open_udp(const struct command_socket *s, int fd) {
	// Beyond net.core.rmem_max only with CAP_NET_ADMIN; else as much as the kernel grants.
	if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) < 0)
		set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	return bind_inet(s, fd);
}

static int open_tcp(const struct command_socket *s, int fd) {
	// Connections of an earlier process that are not quite over are no reason to refuse.
	int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc == 0)
		rc = bind_inet(s, fd);
	if (rc == 0)
		rc = listen(fd, BACKLOG) < 0 ? -errno : 0;
	return rc;
}

static int open_socket(struct command_socket *s, mode_t mode, gid_t gid) {
	switch (s->kind) {
	case COMMAND_SOCKET_UDP:
		return open_udp(s, s->fd);
	case COMMAND_SOCKET_TCP:
		return open_tcp(s, s->fd);
	default:
		return open_path(s, s->fd, mode, gid);
	}
}

int command_socket_bind(struct command_socket *s, mode_t mode, gid_t gid) {
	int fd = socket(s->addr.ss_family, socket_type(s) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	s->fd = fd;
	rc = open_socket(s, mode, gid);
	if (rc == 0)
		rc = command_socket_prepare(s, fd);
	if (rc < 0)
		command_socket_close(s);
	return rc;
}

static bool same_address(const struct command_socket *s, const struct sockaddr_storage *addr) {
	const struct sockaddr_in *in4[2] = {(const void *)&s->addr, (const void *)addr};
	const struct sockaddr_in6 *in6[2] = {(const void *)&s->addr, (const void *)addr};

	switch (addr->ss_family) {
	case AF_UNIX:
		return strcmp(socket_path(s), ((const struct sockaddr_un *)addr)->sun_path) == 0;
	case AF_INET:
		return in4[0]->sin_port == in4[1]->sin_port &&
		       in4[0]->sin_addr.s_addr == in4[1]->sin_addr.s_addr;
	case AF_INET6:
		return in6[0]->sin6_port == in6[1]->sin6_port &&
		       memcmp(&in6[0]->sin6_addr, &in6[1]->sin6_addr, 16) == 0;
	default:
		return false;
	}
}

bool command_socket_matches(const struct command_socket *s, int fd) {
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int type = -1;
	socklen_t type_len = sizeof(type);

	if (s->kind == COMMAND_SOCKET_NONE)
		return false;
	memset(&addr, 0, sizeof(addr));
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != socket_type(s))
		return false;
	// The one end of a pair: connected, and without a name.
	if (s->kind == COMMAND_SOCKET_STDIO)
		return getpeername(fd, (struct sockaddr *)&addr, &len) == 0;
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return false;
	return addr.ss_family == s->addr.ss_family && same_address(s, &addr);
}

// Connections have them from the socket that accepts them. What a peer can make the kernel keep is
// bounded, and one that is gone without a word is missed within two minutes.
static int set_tcp_options(int fd) {
	static const struct {
		int level;
		int name;
		int value;
	} options[] = {
		{SOL_SOCKET, SO_RCVBUF, TCP_BUFFER}, {SOL_SOCKET, SO_SNDBUF, TCP_BUFFER},
		{SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60}, // s
		{IPPROTO_TCP, TCP_KEEPINTVL, 10}, // s
		{IPPROTO_TCP, TCP_KEEPCNT, 6}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000}, // ms
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < RR_ARRAY_LEN(options); i++)
		rc = set_option(fd, options[i].level, options[i].name, options[i].value);
	return rc;
}

int command_socket_prepare(const struct command_socket *s, int fd) {
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (s->kind == COMMAND_SOCKET_TCP)
		return set_tcp_options(fd);
	if (s->kind != COMMAND_SOCKET_UDP)
		return 0;
	// A reply leaves from the address that the command was sent to.
	if (s->addr.ss_family == AF_INET)
		return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	return set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static int int_option(int fd, int name) {
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

int command_socket_adopt(struct command_socket *s, int fd) {
	static const struct {
		int domain;
		int type;
		bool listening;
		enum command_socket_kind kind;
	} kinds[] = {
		{AF_UNIX, SOCK_STREAM, true, COMMAND_SOCKET_CUNIX},
		{AF_UNIX, SOCK_SEQPACKET, true, COMMAND_SOCKET_SHM},
		{AF_INET, SOCK_STREAM, true, COMMAND_SOCKET_TCP},
		{AF_INET6, SOCK_STREAM, true, COMMAND_SOCKET_TCP},
		{AF_INET, SOCK_DGRAM, false, COMMAND_SOCKET_UDP},
		{AF_INET6, SOCK_DGRAM, false, COMMAND_SOCKET_UDP},
	};
	int domain = int_option(fd, SO_DOMAIN);
	int type = int_option(fd, SO_TYPE);
	bool listening = int_option(fd, SO_ACCEPTCONN) > 0;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->by_systemd = true;
	s->addr_len = sizeof(s->addr);
	if (getsockname(fd, (struct sockaddr *)&s->addr, &s->addr_len) < 0)
		return -errno;
	for (size_t i = 0; i < RR_ARRAY_LEN(kinds); i++) {
		if (kinds[i].domain != domain || kinds[i].type != type ||
			kinds[i].listening != listening)
			continue;
		s->kind = kinds[i].kind;
		return command_socket_prepare(s, fd);
	}
	return -EPROTOTYPE;
}

void command_socket_close(struct command_socket *s) {
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->made_path)
		unlink(socket_path(s));
	s->made_path = false;
}
