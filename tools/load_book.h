// SPDX-License-Identifier: BSD-2-Clause
// The calls of rtppload: what each command says, and whether its reply can be true.
//
// The book believes nothing. A port must be even and lie in an address that parses, no two legs may
// have one pair at the same time, and what is asked for again must be what it was.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "endpoint.h"
#include "load_figures.h"

RR_BEGIN_DECLS

#define LOAD_MAX_COMMAND 1024
#define LOAD_N_COMPLAINTS 8
#define LOAD_CALLS_PER_HOST 25000 // no two calls of a run share a media address and port

enum load_call_state {
	LOAD_DOWN = 1 << 0,
	LOAD_HALF = 1 << 1, // the callee's side has ports
	LOAD_UP = 1 << 2,
};

struct load_call {
	uint16_t addr[2]; // by leg: place in the book's list of addresses
	uint16_t port[2]; // 0: none
	uint8_t state; // enum load_call_state
	bool busy; // a command is under way
};

// Who has which pair of an address.
struct load_addr {
	struct rr_endpoint addr; // family none: replies without an address
	uint32_t *owner; // [32768], by port / 2: 1 + 2 * call + leg; 0 = nobody
};

struct load_book_params {
	uint32_t n_calls;
	uint32_t run; // sets the calls of one run apart from those of another
	const char *modifiers; // of U and L
	struct rr_endpoint caller; // media address of the first calls; a next one behind so many
	struct rr_endpoint callee;
	const char *notify; // target of timeout notices, or NULL
};

struct load_book {
	struct load_book_params params;
	struct load_call *calls;
	struct load_addr *addrs;
	uint32_t n_addrs;
	uint32_t n_pairs; // in use
	uint32_t n_state[LOAD_UP + 1]; // calls by state
	uint32_t n_complaints;
	char complaint[LOAD_N_COMPLAINTS][256];
};

// Returns 0 or -ENOMEM.
int load_book_open(struct load_book *book, const struct load_book_params *params);
void load_book_close(struct load_book *book);

// Write the command that `verb`, one of ULQDXV, stands for. Returns its length.
size_t load_book_command(
	const struct load_book *book, char verb, uint32_t call, char text[LOAD_MAX_COMMAND]);

// Judge a reply, without its line end. *code: of an error.
enum load_outcome load_book_reply(struct load_book *book, char verb, uint32_t call,
	const char *text, size_t len, unsigned int *code);

// Keep the first few sentences about what went wrong.
void load_book_complain(struct load_book *book, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

RR_END_DECLS
