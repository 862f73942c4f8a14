// SPDX-License-Identifier: BSD-2-Clause
// Which sessions of a Call-ID a command's tags mean; protocol reference 7.1 to 7.3.
#pragma once

#include <stdbool.h>

#include "compiler.h"
#include "rtpp_cmd.h"
#include "session.h"

RR_BEGIN_DECLS

// The first session in creation order that U, L, P, S, Q and C mean. call may be NULL.
struct session_match session_match(const struct call *call, struct slice from, struct slice to);

// How D, R and N see one session.
enum session_prefix {
	SESSION_PREFIX_NONE,
	SESSION_PREFIX_LONGER, // stored tag is the command's and a media number
	SESSION_PREFIX_EXACT,
};

// *leg: leg 1 when the from-tag matched, leg 0 when the to-tag did.
enum session_prefix session_match_prefix(
	const struct session *s, struct slice from, struct slice to, unsigned int *leg);

RR_END_DECLS
