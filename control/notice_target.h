// SPDX-License-Identifier: BSD-2-Clause
// Where a timeout notice goes: what a U asks for, what the configuration permits, the address.
//
// A target is kept as one text, "unix:PATH" or "tcp:A.B.C.D:PORT", in which the wildcard
// %%CC_SELF%% is resolved already; protocol reference 10.2.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct rr_config;

#define NOTICE_TARGET_MAX 128 // longest text

struct notice_target {
	char text[NOTICE_TARGET_MAX]; // without zero
	size_t len;
	uint32_t local_be; // IPv4 address that its connection leaves from; 0 = any
};

// The two ends of the command that asks; family other than RR_FAMILY_IPV4 = no such address.
struct notice_ends {
	struct rr_endpoint controller;
	struct rr_endpoint local;
};

// Resolve what a U asks for. Returns 0, or -EACCES when the configuration permits no such target.
int notice_target_resolve(struct notice_target *target, const struct rr_config *cfg,
	struct slice asked, const struct notice_ends *ends);

// Does the configuration, which may have changed since, permit a target that was resolved?
bool notice_target_permitted(const struct rr_config *cfg, struct slice text);

// Returns 0, or -EINVAL for what is no target's text.
int notice_target_addr(struct slice text, struct sockaddr_storage *addr, socklen_t *len);

RR_END_DECLS
