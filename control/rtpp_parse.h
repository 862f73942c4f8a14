// SPDX-License-Identifier: BSD-2-Clause
// Words to a typed command, or the protocol's error code; everything that can be told without
// looking at a session.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "rtpp_cmd.h"
#include "rtpp_lex.h"

RR_BEGIN_DECLS

struct rr_config;

// What parsing has to know of the configuration.
struct rtpp_env {
	bool bridge; // bridge mode: modifiers e and i exist
	bool has_notify; // at least one notification target is permitted
	bool has_ipv4; // some realm has a local address of the family
	bool has_ipv6;
	enum rr_family default_family; // of the address that is used when a command names none
	unsigned int n_labels;
	const char *const *label; // realm names
};

// Fill env from a configuration; label_store holds RR_MAX_REALMS pointers and, like cfg, outlives
// env.
void rtpp_env_init(struct rtpp_env *env, const struct rr_config *cfg, const char **label_store);

// Lex and parse one command. The checks come in the order of the protocol: E5, E0, E1, E2, E3,
// errors of the command's own options, E3 of sub-commands, E75. cmd is complete only on RTPP_OK;
// cmd->verb is valid from the check of the argument count on. Slices in cmd point into text.
enum rtpp_error rtpp_parse(struct rtpp_cmd *cmd, struct slice text, const struct rtpp_env *env);

RR_END_DECLS
