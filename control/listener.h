// SPDX-License-Identifier: BSD-2-Clause
// The command sockets at work: bytes in become jobs, finished jobs become bytes out.
//
// One set serves every socket. Replies are gathered and leave at the end of a turn, so that a burst
// of datagrams costs two system calls.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct command_socket;
struct event_base;
struct job;
struct listener_set;
struct retrans;

// Open stream connections, and as many clients of shared memory; more are accepted and closed at
// once, unless somebody has more than his share.
#define LISTENER_MAX_CONNECTIONS 99
#define LISTENER_MAX_OF_USER 66 // of clients of shared memory

#define LISTENER_PATIENCE_MS 10000

// A cookie longer than this leaves too little room for a reply: its command is refused.
#define LISTENER_MAX_COOKIE 900

// What the set works with.
struct listener_hooks {
	struct event_base *base;
	struct retrans *retrans;
	// Run job->command; job_reply comes later, or at once.
	void (*execute)(void *arg, struct job *job);
	// May replies leave that an earlier process stored?
	bool (*settled)(void *arg);
	void *arg;
	// How long a one-command connection may be silent, and any one leave replies unread.
	uint32_t patience_ms;
	// How long a reply that an earlier process stored waits for `settled` at most.
	uint32_t hold_ms;
};

struct listener_stats {
	uint64_t n_connections; // accepted
	uint64_t n_refused; // closed at once, too many
	uint64_t n_displaced; // closed in favour of a client that had fewer
	uint64_t n_shm_clients; // given shared memory
	uint64_t n_shm_refused; // closed at once, too many
	uint64_t n_shm_broken; // closed, their memory said what cannot be
	uint64_t n_shm_unread; // closed, they left replies unread
	uint64_t n_shm_over_share; // closed at once, too many of one user
	uint64_t n_dropped_replies; // the kernel would not take them
	uint64_t n_dropped_held; // answers of an earlier process, too many waited already
};

// Returns 0 or -ENOMEM.
int listener_set_new(struct listener_set **set, const struct listener_hooks *hooks);

// Serve a bound socket, whose descriptor stays the caller's. Returns 0 or a negative errno.
int listener_add(struct listener_set *set, const struct command_socket *socket);

// Run the commands that are in shared memory, a batch of each client that is awake. Returns how
// many there were.
unsigned int listener_poll(struct listener_set *set);

// Must that be done again before the loop may sleep?
bool listener_awake(const struct listener_set *set);

// Send what the turn has to say.
void listener_flush(struct listener_set *set);

// Serve nobody any more. Jobs that are still under way may be replied to; nothing leaves.
void listener_set_stop(struct listener_set *set);

// Free the set, once every job has come back or was freed by whoever had it.
void listener_set_free(struct listener_set *set);

// Good as long as the set is.
const struct listener_stats *listener_stats(const struct listener_set *set);

RR_END_DECLS
