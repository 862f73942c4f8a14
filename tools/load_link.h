// SPDX-License-Identifier: BSD-2-Clause
// A controller's end of a command socket with many commands under way: rtppload's way to a server.
//
// A slot carries one command at a time. Over UDP all slots share a socket, a command has a cookie
// and is sent again with it until the reply comes, as controllers do. Over shared memory they share
// a client of the library for controllers, which takes 64 commands at a time; the others wait.
// Elsewhere a slot is a connection of its own, kept (cunix, tcp) or made anew for each command
// (unix).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define LOAD_MAX_SLOTS 1024

struct load_link;

struct load_link_params {
	const char *socket; // unix: cunix: shm: before PATH, udp: udp6: tcp: tcp6: before HOST:PORT
	uint32_t n_slots; // at most LOAD_MAX_SLOTS
	uint32_t run; // a part of all cookies
	uint64_t timeout_ns; // until a command is sent again, or given up where that is not done
	uint32_t n_retries;
	void *arg;
	// The reply of a slot, without cookie and line end; text NULL: there will be none.
	void (*done)(void *arg, uint32_t slot, const char *text, size_t len);
};

struct load_link_counts {
	uint64_t n_retransmits;
	uint64_t n_strays; // datagrams and messages that no slot waited for
};

// Returns 0 or a negative errno; -EINVAL: no socket that this program knows.
int load_link_open(struct load_link **link, const struct load_link_params *params);
void load_link_close(struct load_link *link);

// Send the command of a slot that has none under way. `done` is called from load_link_wait only.
void load_link_send(struct load_link *link, uint32_t slot, const char *text, size_t len);

// Send what is to be sent, take replies, for at most so long.
void load_link_wait(struct load_link *link, uint64_t patience_ns);

struct load_link_counts load_link_get_counts(const struct load_link *link);

RR_END_DECLS
