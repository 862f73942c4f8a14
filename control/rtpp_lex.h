// SPDX-License-Identifier: BSD-2-Clause
// Cuts the bytes of one command into words: slices of the input, nothing copied or allocated.
#pragma once

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

// One command or sub-command: its word first, then its arguments. Never empty.
struct rtpp_words {
	unsigned int n_tokens;
	struct slice token[RTPP_MAX_TOKENS];
};

struct rtpp_line {
	struct rtpp_words main;
	unsigned int n_sub;
	struct rtpp_words sub[RTPP_MAX_SUBCOMMANDS];
};

// Returns RTPP_OK, or RTPP_E_SYNTAX for: no token at all, more than RTPP_MAX_TOKENS of them in one
// command, more than RTPP_MAX_SUBCOMMANDS, a command without words, a byte 0.
enum rtpp_error rtpp_lex(struct rtpp_line *line, struct slice text);

// Take the first word off a datagram. A datagram without any leaves cookie->p NULL, rest empty.
void rtpp_lex_cookie(struct slice datagram, struct slice *cookie, struct slice *rest);

RR_END_DECLS
