// SPDX-License-Identifier: BSD-2-Clause
// One command on its way through control, from the bytes that came in to the reply that leaves.
//
// A job is made by a listener, executed in the same turn, and finished when the store has committed
// its effect and the dataplane has acknowledged every request it caused, or when its deadline has
// passed. Then job_reply hands it back to the listener that made it, which sends the reply and
// frees the job. Replies of one stream connection leave in the order of their commands, whatever
// the order in which their jobs finish.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct job;
struct dp_wait;
struct retrans_entry;
struct session_change;

// How a job's reply finds its way; implemented by the listener.
struct job_origin {
	void (*reply)(struct job *job); // takes the job over: sends job->reply, then frees the job
	void (*drop)(struct job *job); // the same without a reply; NULL where none is ever dropped
	void *listener; // socket or connection
	uint8_t peer_addr[28]; // datagrams: who sent it, a sockaddr_in or sockaddr_in6; lines of
			       // standard input: their name
	uint32_t peer_addr_len;
	struct rr_endpoint local; // the address it was sent to; replies leave from there
	uint32_t local_ifindex; // and its interface, which a link-local address needs
	uint64_t order; // stream connections: place of the reply in the line
	bool asks_once; // whoever sent it does not ask again for a reply that is lost
};

struct job {
	struct job_origin origin;
	struct rr_endpoint controller; // who sent it; family RR_FAMILY_NONE for UNIX sockets
	uint64_t received_ns; // CLOCK_MONOTONIC, of the turn that read it

	// what came in: slices of bytes
	struct slice cookie; // p NULL: transport without cookies, or a datagram that has none
	bool cookie_silent; // it is none of the controller's: the reply does not begin with it
	struct slice command;
	struct retrans_entry *retrans; // listener's: cache entry that waits for this reply

	// filled by execution
	uint32_t reply_len;
	uint32_t n_pending; // requests not yet acknowledged
	uint64_t deadline_ns; // of the acknowledgements
	bool failed; // the dataplane refused or was silent

	// of command.c and control.c
	struct session_change
		*change; // to be undone when it failed; NULL = the reply stands anyhow
	struct dp_wait *wait; // its requests in dp_client; NULL = none outstanding
	bool error; // counts as a failed command
	bool stored; // it changed something: reply and cookie go into the store with that
	bool saved; // its effect is in the store
	bool held; // waits for a commit that succeeds
	uint64_t clears_below; // of an `X`: waits for the end of all sessions with a lower id
	bool has_fd;
	int fd; // operator: came with the request; closed with the job
	bool of_operator; // no command of a controller, and counted as none
	char *answer; // operator.c: what it says, instead of `reply`; freed with the job
	uint64_t cookie_row; // where they are there; 0 = nowhere yet
	struct job *prev; // list of control, which unlinks from the middle

	struct job *next; // list of whoever holds it

	char reply[RTPP_MAX_REPLY + 1]; // cookie and line feed included
	char bytes[RTPP_MAX_COMMAND + 1]; // as received
};

// Made and freed by job.c; one job is 10 KB, so they come from a free list. A new job is zero but
// for reply and bytes. Returns NULL without memory.
struct job *job_new(void);
void job_free(struct job *job);

// Give a finished job back to its listener.
static inline void job_reply(struct job *job) {
	job->origin.reply(job);
}

// The same when nobody waits for its reply any more.
static inline void job_drop(struct job *job) {
	job->origin.drop(job);
}

// Give memory of the free list back; for the end of the process.
void job_drain_free_list(void);

// Run the protocol over job->command: lex, parse, execute, format the reply. Queues requests and
// store writes and keeps the job until control_poll or control_turn_commit replies to it; sends
// nothing itself. Implemented by command.c.
struct control;
void command_execute(struct control *ctl, struct job *job);

RR_END_DECLS
