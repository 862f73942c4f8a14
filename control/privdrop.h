// SPDX-License-Identifier: BSD-2-Clause
// Who control runs as once its sockets are open: user, groups, no capability, no way back.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct privdrop {
	bool change_user;
	bool change_group;
	uid_t uid;
	gid_t gid; // -1: none was named
	char user[64]; // for its supplementary groups
};

// Look user and group up ("" = stay). Returns 0 or -ENOENT, logged.
int privdrop_find(struct privdrop *p, const char *user, const char *group);

// Become that user, give up every capability, and never gain any by exec. Returns 0 or a negative
// errno, logged. Started without privileges it changes nothing but the last.
int privdrop_apply(const struct privdrop *p);

RR_END_DECLS
