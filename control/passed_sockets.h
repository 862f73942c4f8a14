// SPDX-License-Identifier: BSD-2-Clause
// Command sockets that the parent process opened: taken over and passed on as systemd does.
#pragma once

#include "command_socket.h"
#include "compiler.h"
#include "config.h"

RR_BEGIN_DECLS

#define PASSED_SOCKETS_START 3 // first descriptor

// Read the sockets of a configuration and give each one the passed descriptor that is bound to its
// address; fd stays -1 where none was passed. Returns 0, or -EINVAL, logged, when the configuration
// names an impossible socket or a descriptor was passed that it does not name.
int passed_sockets_take(const struct rr_config *cfg, struct command_socket *sockets);

// In a child about to exec: put the descriptors where the next program looks for them, `extra`
// behind them, and say so in the environment. Returns the place of `extra` or a negative errno.
int passed_sockets_give(const struct command_socket *sockets, uint32_t n, int extra);

RR_END_DECLS
