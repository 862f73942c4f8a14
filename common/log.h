// SPDX-License-Identifier: BSD-2-Clause
// Log lines of the form `topic: what happened key=value`, on stderr, by level, rate-limited where a
// peer can provoke them. Never called on the packet path.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

enum rr_log_level {
	RR_LOG_ERROR,
	RR_LOG_WARNING,
	RR_LOG_INFO,
	RR_LOG_DEBUG,
};

// Allows `burst` lines a second and says how many were held back.
struct rr_log_limit {
	uint32_t burst;
	uint32_t n_this_second;
	uint32_t n_held_back;
	uint64_t second;
};

// Program name in front of every line; lines above level are not written.
void rr_log_init(const char *program, enum rr_log_level level);

// "error", "warning", "info", "debug" -> level. Returns 0 or -EINVAL.
int rr_log_parse_level(const char *text, enum rr_log_level *level);
const char *rr_log_level_name(enum rr_log_level level);

void rr_log_write(enum rr_log_level level, const char *topic, const char *fmt, ...) RR_PRINTF(3, 4);

// True when a line may be written now.
bool rr_log_allow(struct rr_log_limit *limit);
// The same at a given second.
bool rr_log_allow_at(struct rr_log_limit *limit, uint64_t second);

#define rr_err(topic, ...) rr_log_write(RR_LOG_ERROR, topic, __VA_ARGS__)
#define rr_warn(topic, ...) rr_log_write(RR_LOG_WARNING, topic, __VA_ARGS__)
#define rr_info(topic, ...) rr_log_write(RR_LOG_INFO, topic, __VA_ARGS__)
#define rr_debug(topic, ...) rr_log_write(RR_LOG_DEBUG, topic, __VA_ARGS__)

RR_END_DECLS
