// SPDX-License-Identifier: BSD-2-Clause
// The command sockets at work: the set, and the end of a turn.
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "command_socket.h"
#include "crash_point.h"
#include "listener_set.h"

int listener_set_new(struct listener_set **out, const struct listener_hooks *hooks) {
	struct listener_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->hooks = *hooks;
	*out = set;
	return 0;
}

int listener_add(struct listener_set *set, const struct command_socket *socket) {
	if (socket->kind == COMMAND_SOCKET_UDP || socket->kind == COMMAND_SOCKET_STDIO)
		return datagram_socket_add(set, socket);
	if (socket->kind == COMMAND_SOCKET_SHM)
		return shm_listener_add(set, socket);
	return stream_listener_add(set, socket);
}

unsigned int listener_poll(struct listener_set *set) {
	return set->closing ? 0 : shm_conn_poll(set);
}

bool listener_awake(const struct listener_set *set) {
	return shm_conn_awake(set);
}

struct rr_endpoint listener_endpoint(const void *sockaddr) {
	const struct sockaddr_in *sin = sockaddr;
	const struct sockaddr_in6 *sin6 = sockaddr;
	struct rr_endpoint ep = {0};

	if (sin->sin_family == AF_INET) {
		ep.family = RR_FAMILY_IPV4;
		ep.port_be = sin->sin_port;
		memcpy(ep.addr, &sin->sin_addr, sizeof(sin->sin_addr));
	} else if (sin->sin_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
		// A socket of both families, which a service manager may have made.
		ep.family = RR_FAMILY_IPV4;
		ep.port_be = sin6->sin6_port;
		memcpy(ep.addr, &sin6->sin6_addr.s6_addr[12], 4);
	} else if (sin->sin_family == AF_INET6) {
		ep.family = RR_FAMILY_IPV6;
		ep.port_be = sin6->sin6_port;
		memcpy(ep.addr, &sin6->sin6_addr, sizeof(sin6->sin6_addr));
	}
	return ep;
}

void listener_flush(struct listener_set *set) {
	if (set->stopped)
		return;
	cookies_release_held(set);
	if (!set->unsent && !set->shm_unsent && !datagram_socket_has_output(set))
		return;
	rr_crash_point(RR_CRASH_reply_before);
	datagram_socket_flush(set);
	stream_conn_flush(set);
	shm_conn_flush(set);
	rr_crash_point(RR_CRASH_reply_after);
}

void listener_set_stop(struct listener_set *set) {
	if (set->stopped)
		return;
	set->closing = true;
	listener_flush(set);
	set->stopped = true;
	stream_conn_close_all(set);
	shm_conn_close_all(set);
}

void listener_set_free(struct listener_set *set) {
	if (!set)
		return;
	listener_set_stop(set);
	cookies_free_held(set);
	datagram_socket_free_all(set);
	stream_conn_free_zombies(set);
	shm_conn_free_zombies(set);
	free(set);
}

const struct listener_stats *listener_stats(const struct listener_set *set) {
	return &set->stats;
}
