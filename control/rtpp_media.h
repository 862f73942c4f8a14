// SPDX-License-Identifier: BSD-2-Clause
// Modifiers and media address of U, L and the sub-command L.
#pragma once

#include "compiler.h"
#include "rtpp_cmd.h"
#include "rtpp_parse.h"

RR_BEGIN_DECLS

// Read the modifiers after the command letter; fills all of *media but the remote address.
enum rtpp_error rtpp_media_parse_mods(
	struct rtpp_media *media, struct slice mods, const struct rtpp_env *env);

// Read address and port of the SDP, after the modifiers, which say the family.
enum rtpp_error rtpp_media_parse_remote(
	struct rtpp_media *media, struct slice addr, struct slice port);

RR_END_DECLS
