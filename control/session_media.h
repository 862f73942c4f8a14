// SPDX-License-Identifier: BSD-2-Clause
// What U, L and the L sub-command change in a session; protocol reference 5.2.3.
#pragma once

#include "command.h"
#include "compiler.h"
#include "realm_select.h"
#include "rtpp_reply.h"

RR_BEGIN_DECLS

// The leg whose port is replied with is `selected`; the other one belongs to the party whose SDP
// the command carries. Returns RTPP_OK, RTPP_E_NO_PORT_LEG, RTPP_E_NO_MEMORY, or an error of
// realm_select.
enum rtpp_error media_apply(
	struct exec *x, struct session *s, unsigned int selected, const struct rtpp_media *media);

// The same for a session that is about to be made: it is made.
enum rtpp_error media_new_session(struct exec *x, struct session **out);

// How replies show the local address of a leg with ports; text is good until the next call.
struct rtpp_shown_addr media_shown_addr(const struct rr_config *cfg, const struct session_leg *leg);

RR_END_DECLS
