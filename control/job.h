// SPDX-License-Identifier: BSD-2-Clause
// One command on its way through control, from the bytes that came in to the reply that leaves.
//
// A job is made by a listener, executed in the same turn, and finished when the store has committed
// its effect and the dataplane has acknowledged every request it caused, or when its deadline has
// passed. Its reply then goes back to the listener that made it. Replies of one stream connection
// leave in the order of their commands.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtpp_cmd.h"

struct job;

// How a job's reply finds its way; implemented by the listener.
struct job_origin {
	void (*reply)(struct job *job); // sends job->reply; frees nothing
	void *listener;
};

struct job {
	struct job_origin origin;
	struct rr_endpoint controller; // who sent it; family RR_FAMILY_NONE for UNIX and stdio
	uint8_t peer_addr[128]; // struct sockaddr_storage of a datagram's sender
	uint32_t peer_addr_len;
	uint64_t order; // stream connections: place of the reply in the line

	struct slice cookie; // p NULL: transport without cookies
	uint32_t command_len;
	char command[RTPP_MAX_COMMAND + 1]; // as received, cookie taken off by the listener

	// filled by execution
	uint32_t reply_len;
	char reply[RTPP_MAX_REPLY + 1]; // cookie and line feed included
	uint32_t n_pending; // requests not yet acknowledged
	uint64_t deadline_ns; // of the acknowledgements
	bool failed; // the dataplane refused or was silent: see undo
	void (*undo)(struct job *job); // turns effect and reply into an error; NULL = keep the reply
	uint64_t undo_session; // session id that undo works on

	struct job *next; // list of whoever holds it
};

// Made and freed by job.c; one job is 10 KB, so they come from a free list.
struct job *job_new(void);
void job_free(struct job *job);

// Run the protocol over job->command: lex, parse, execute, format the reply. Queues requests and
// store writes; sends nothing. Implemented by command.c.
struct control;
void command_execute(struct control *ctl, struct job *job);
