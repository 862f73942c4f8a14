// SPDX-License-Identifier: BSD-2-Clause
// The commands of the protocol, one line each.
//
//	ROW(name, min, max, modifiers, sub-commands, parse, help)
//
// min and max count words, the command word included. `parse` is a function of rtpp_parse.c.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

// clang-format off
#define RTPP_COMMANDS(ROW) \
	ROW(U,  5,  8, true,  true,  parse_update,   "create or update a session") \
	ROW(L,  5,  6, true,  true,  parse_lookup,   "look a session up and answer it") \
	ROW(D,  3,  4, true,  false, parse_delete,   "delete a session") \
	ROW(P,  5,  6, true,  false, parse_play,     "play a prompt") \
	ROW(S,  3,  4, false, false, parse_stop,     "stop playing") \
	ROW(R,  3,  4, true,  false, parse_record,   "record what a party sends") \
	ROW(C,  4,  5, true,  false, parse_copy,     "copy what a party sends") \
	ROW(N,  3,  4, true,  false, parse_norecord, "stop recording") \
	ROW(Q,  3, 15, true,  true,  parse_query,    "figures of one session") \
	ROW(I,  1,  1, true,  false, parse_info,     "summary of all sessions") \
	ROW(G,  1, 30, true,  false, parse_gstats,   "global counters") \
	ROW(V,  1,  1, false, false, parse_version,  "base version of the protocol") \
	ROW(VF, 2,  2, false, false, parse_feature,  "is a capability known") \
	ROW(X,  1,  1, false, false, parse_reset,    "delete every session")
// clang-format on

struct rtpp_cmd_info {
	const char *name;
	unsigned int min_words;
	unsigned int max_words;
	bool takes_modifiers;
	bool takes_subcommands;
	const char *help;
};

// By enum rtpp_verb.
extern const struct rtpp_cmd_info rtpp_cmd_info[RTPP_VERBS];

RR_END_DECLS
