// SPDX-License-Identifier: BSD-2-Clause
// What the files of the listener share.
#pragma once

#include <event2/event.h>

#include "endpoint.h"
#include "listener.h"
#include "rtpp_cmd.h"

struct datagram_socket;
struct shm_conn;
struct shm_listener;
struct stream_conn;
struct stream_listener;

struct listener_set {
	struct listener_hooks hooks;
	struct datagram_socket *datagrams; // every UDP socket
	struct stream_listener *streams; // every listening UNIX or TCP socket
	struct stream_conn *conns; // open connections
	struct stream_conn *unsent; // those with something to send
	unsigned int n_conns;
	struct stream_conn *zombies; // closed connections whose jobs are under way
	struct shm_listener *shm_listeners; // every listening socket for shared memory
	struct shm_conn *shm_conns; // clients
	struct shm_conn *shm_unsent; // those with something to send
	unsigned int n_shm_conns;
	struct shm_conn *shm_zombies; // clients that are gone, whose jobs are under way
	struct job *shm_spare; // where the next command goes; NULL = to be made
	struct job *held; // answers of an earlier process, oldest first, doubly linked
	unsigned int n_held;
	bool closing; // no command is taken any more
	bool stopped;
	struct listener_stats stats;
};

// listener.c: of a sockaddr, IPv4 in IPv6 as IPv4; family RR_FAMILY_NONE for UNIX sockets
struct rr_endpoint listener_endpoint(const void *sockaddr);

// cookies.c: of a job that has its cookie
void cookies_take(struct listener_set *set, struct job *job);
// of one whose first `len` bytes are a message: a cookie, then a command. Without a usable cookie
// it is run as an empty command, which answers E5.
void cookies_take_message(struct listener_set *set, struct job *job, size_t len);
void cookies_release_held(struct listener_set *set);
void cookies_free_held(struct listener_set *set);

// datagram_socket.c
int datagram_socket_add(struct listener_set *set, const struct command_socket *socket);
bool datagram_socket_has_output(const struct listener_set *set);
void datagram_socket_flush(struct listener_set *set);
void datagram_socket_free_all(struct listener_set *set);

// shm_conn.c
int shm_listener_add(struct listener_set *set, const struct command_socket *socket);
unsigned int shm_conn_poll(struct listener_set *set);
bool shm_conn_awake(const struct listener_set *set);
void shm_conn_flush(struct listener_set *set);
void shm_conn_close_all(struct listener_set *set);
void shm_conn_free_zombies(struct listener_set *set);

// stream_conn.c
int stream_listener_add(struct listener_set *set, const struct command_socket *socket);
void stream_conn_flush(struct listener_set *set);
void stream_conn_close_all(struct listener_set *set);
void stream_conn_free_zombies(struct listener_set *set);
