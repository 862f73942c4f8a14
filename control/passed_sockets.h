// SPDX-License-Identifier: BSD-2-Clause
// Command sockets that the parent process opened: taken over and passed on as systemd does.
#pragma once

#include "command_socket.h"
#include "compiler.h"
#include "config.h"

RR_BEGIN_DECLS

#define PASSED_SOCKETS_START 3 // first descriptor

// Read the sockets of a configuration and give each one the passed descriptor that is bound to its
// address; fd stays -1 where none was passed. What else was passed is `systemd:`, and makes *n
// greater than the configuration says. Returns 0, or a negative errno, logged, when the
// configuration names an impossible socket or a descriptor is none that can be served.
int passed_sockets_take(
	const struct rr_config *cfg, struct command_socket sockets[RR_MAX_SOCKETS], uint32_t *n);

// In a child about to exec: put the descriptors where the next program looks for them, `extra`
// behind them, and say so in the environment. Returns the place of `extra` or a negative errno.
int passed_sockets_give(const struct command_socket *sockets, uint32_t n, int extra);

RR_END_DECLS
