// SPDX-License-Identifier: BSD-2-Clause
// Cookie to reply: a command that a controller sends again is answered again and never run twice.
//
// The cookie alone is the key. An entry is pending from the moment its command is taken until its
// reply leaves; a duplicate that comes meanwhile is not run, and the reply goes to its sender. An
// answered entry lives 35 s from the moment of the original command. Memory is bounded: beyond
// RETRANS_MAX_BYTES answered entries of about the oldest go early, and are counted.
//
// The cache dies with the process. The store keeps, with each command's effect, its cookie, reply
// and job->received_ns, and brings back at start what is still young enough.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

#define RETRANS_LIFE_NS (UINT64_C(35) * 1000000000)
#define RETRANS_PURGE_MS 10
#define RETRANS_PURGE_STEPS 512 // of a purge: past all tables, and as many entries again
#define RETRANS_MAX_BYTES (UINT64_C(256) << 20)

struct job;
struct retrans;

enum retrans_verdict {
	RETRANS_NEW, // run it: job->retrans holds the pending entry
	RETRANS_PENDING, // *first is the job that runs it
	RETRANS_ANSWERED, // *reply is what was answered
	RETRANS_RESTORED, // the same, by an earlier process, which perhaps never sent it
	RETRANS_NO_MEMORY,
};

struct retrans_stats {
	uint64_t n_duplicates; // ncmds_rcvd_ndups
	uint64_t n_evicted; // answered entries that went before their time
	uint64_t n_entries;
	uint64_t n_bytes;
};

// on_gone (may be NULL) is told each cookie whose answered entry goes, so that the store can
// follow.
struct retrans *retrans_new(void (*on_gone)(void *arg, struct slice cookie), void *arg);
void retrans_free(struct retrans *r);

// Look a job's cookie up, and enter it as pending when it is new. The reply points into the cache
// and is good until the next call.
enum retrans_verdict retrans_begin(
	struct retrans *r, struct job *job, struct job **first, struct slice *reply);

// Keep job->reply for duplicates to come. Without memory the entry is forgotten.
void retrans_finish(struct retrans *r, struct job *job);

// Enter what the store kept. Returns 0, -ESTALE when it is past its life (or from another boot: in
// the future), -EEXIST when the cookie is known, -ENOMEM.
int retrans_put(struct retrans *r, struct slice cookie, struct slice reply, uint64_t received_ns,
	uint64_t now_ns);

// Drop answered entries that are past their life, a bounded number; so does every new cookie. One
// that is served no more may stay a little longer.
void retrans_purge(struct retrans *r, uint64_t now_ns);

void retrans_get_stats(const struct retrans *r, struct retrans_stats *stats);

RR_END_DECLS
