// SPDX-License-Identifier: BSD-2-Clause
// One command socket of the configuration: what its text means, and the descriptor it is bound to.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "compiler.h"

RR_BEGIN_DECLS

enum command_socket_kind {
	COMMAND_SOCKET_UNIX, // stream: one command a connection
	COMMAND_SOCKET_CUNIX, // stream: one command a line
	COMMAND_SOCKET_TCP, // stream: one command a line, IPv4 or IPv6
	COMMAND_SOCKET_UDP, // datagrams with cookies, IPv4 or IPv6
	COMMAND_SOCKET_SHM, // shared memory, which its clients are given (command_shm.h)
	COMMAND_SOCKET_STDIO, // messages of the supervisor, which reads standard input
	COMMAND_SOCKET_OPERATOR, // messages of rrctl; in no configuration
	COMMAND_SOCKET_NONE, // `systemd:`, of which nothing is known before it is passed
};

struct command_socket {
	enum command_socket_kind kind;
	int fd; // -1: not open
	bool made_path; // the path is ours to remove
	bool by_systemd; // it is whatever the service manager passed
	bool ends_with_input; // stdioc: the end of standard input always starts a slow shutdown
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

// Read the text of a configuration ("unix:/run/x", "tcp6:::1:22222"). Returns 0 or -EINVAL.
int command_socket_parse(struct command_socket *s, const char *text);

// The operator's, which every instance has in its run_dir. Returns 0 or -EINVAL.
int command_socket_operator(struct command_socket *s, const char *run_dir);

// Open and bind it; a UNIX path gets mode and group (gid -1: as it is). Returns 0, -EADDRINUSE when
// a live server holds the address, -EEXIST when the path is something else than a socket, or
// another negative errno. Not for what is passed on: standard input, `systemd:`.
int command_socket_bind(struct command_socket *s, mode_t mode, gid_t gid);

// True when fd is a socket of this kind and address that was bound by somebody else.
bool command_socket_matches(const struct command_socket *s, int fd);

// Become the socket that fd is, whatever its address: lines over a listening stream socket, cookies
// over a UDP one. Returns 0, -EPROTOTYPE when it is something else, or another negative errno.
int command_socket_adopt(struct command_socket *s, int fd);

// Make fd non-blocking and closed on exec, and ask for what the listeners need of it.
int command_socket_prepare(const struct command_socket *s, int fd);

// Close it, and remove the path that command_socket_bind made.
void command_socket_close(struct command_socket *s);

RR_END_DECLS
