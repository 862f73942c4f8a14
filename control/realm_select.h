// SPDX-License-Identifier: BSD-2-Clause
// Which realm, family and address a leg's ports come from.
//
// rtpproxy knows single addresses; a realm here is a label with a pool for each family. Where
// rtpproxy takes an address, we take a realm's pool of the family in question: the family of the
// command (`6` or IPv4) where the realm speaks it, else the one it speaks.
#pragma once

#include <stdint.h>

#include "compiler.h"
#include "config.h"
#include "rtpp_cmd.h"
#include "session.h"

RR_BEGIN_DECLS

// What a command says about local addresses.
struct realm_choice {
	bool named; // `l`, `r` or the family picked it; it counts for a leg being allocated
	struct session_local local; // when named
	uint8_t n_directions; // bridge letters
	uint16_t direction[2]; // realm of each letter
	uint8_t family; // of the command
};

// Index in the configuration of the realm that bears this name, or -1.
int realm_find_label(const struct rr_config *cfg, struct slice label);

// Returns RTPP_OK or RTPP_E_LOCAL_ADDR, RTPP_E_REMOTE_ADDR, RTPP_E_FAMILY, RTPP_E_EXTERNAL,
// RTPP_E_INTERNAL. *unbindable: `l` named an address that is in no pool; ports cannot be had.
enum rtpp_error realm_select(const struct rr_config *cfg, const struct rtpp_media *media,
	struct realm_choice *choice, bool *unbindable);

// Local addresses of a new session's legs.
void realm_for_new(const struct rr_config *cfg, const struct realm_choice *choice,
	struct session_local local[SESSION_N_LEGS]);

// Local address of a leg that is about to get ports; false = it keeps the one it has. new_port: the
// leg has ports already and `n` asks for others.
bool realm_for_leg(const struct rr_config *cfg, const struct realm_choice *choice, bool new_port,
	struct session_local *local);

RR_END_DECLS
