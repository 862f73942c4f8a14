// SPDX-License-Identifier: BSD-2-Clause
// Writing a session as a row of the store, and making one from such a row.
#pragma once

#include <stddef.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct control;
struct rr_config;
struct session;

size_t session_store_size(const struct rr_config *cfg, const struct session *s);
void session_store_write(const struct rr_config *cfg, const struct session *s, void *record);

// Make a session from its row and take its ports again. Returns 0, -EPROTO (row damaged),
// -EADDRNOTAVAIL (an address it uses is no longer configured), -EBUSY (its ports are taken),
// -ENOMEM.
int session_store_load(struct control *ctl, const void *record, size_t size);

RR_END_DECLS
