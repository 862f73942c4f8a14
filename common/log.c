// SPDX-License-Identifier: BSD-2-Clause
// Log lines on stderr, each one write so that lines of several threads do not mix.
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define LINE_SIZE 1024

static const char *program_name = "rtprelay";
static enum rr_log_level highest_level = RR_LOG_INFO;
static _Thread_local uint32_t n_lost; // lines since one was taken

static const char *const level_names[] = {
	[RR_LOG_ERROR] = "error",
	[RR_LOG_WARNING] = "warning",
	[RR_LOG_INFO] = "info",
	[RR_LOG_DEBUG] = "debug",
};

void rr_log_init(const char *program, enum rr_log_level level) {
	program_name = program;
	highest_level = level;
}

int rr_log_parse_level(const char *text, enum rr_log_level *level) {
	for (size_t i = 0; i < RR_ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum rr_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *rr_log_level_name(enum rr_log_level level) {
	return (size_t)level < RR_ARRAY_LEN(level_names) ? level_names[level] : "unknown";
}

// Time of day in UTC, to the millisecond.
static void format_now(char *buf, size_t size) {
	char date[32];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, size, "%s.%03ldZ", date, ts.tv_nsec / 1000000);
}

// A peer's bytes in a message must not forge a second line or reach the terminal as commands.
static void mask_control_characters(char *text, size_t len) {
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f)
			text[i] = '?';
	}
}

// Characters that snprintf put there, when it returned n and had room for size.
static size_t written(int n, size_t size) {
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

// Where standard error does not block, a reader that is slow costs lines, and holds nobody up.
static void write_line(const char *line, size_t len) {
	if (write(STDERR_FILENO, line, len) < 0 && errno == EAGAIN)
		n_lost++;
	// Nobody is left to tell when it fails in another way.
}

static void tell_lost(void) {
	uint32_t n = n_lost;

	n_lost = 0;
	if (n == 0)
		return;
	rr_warn("log", "lines lost, nobody read them in time n=%u", n);
	if (n_lost > 0)
		n_lost = n; // nor this one
}

void rr_log_write(enum rr_log_level level, const char *topic, const char *fmt, ...) {
	char line[LINE_SIZE];
	char now[64];
	va_list args;
	size_t len;
	int saved_errno = errno;

	if (level > highest_level)
		return;
	tell_lost();
	format_now(now, sizeof(now));
	len = written(snprintf(line, sizeof(line) - 1, "%s %s %s %s: ", program_name, now,
			      rr_log_level_name(level), topic),
		sizeof(line) - 1);
	va_start(args, fmt);
	len += written(
		vsnprintf(line + len, sizeof(line) - 1 - len, fmt, args), sizeof(line) - 1 - len);
	va_end(args);
	mask_control_characters(line, len);
	line[len++] = '\n';
	write_line(line, len);
	errno = saved_errno;
}

bool rr_log_allow_at(struct rr_log_limit *limit, uint64_t second) {
	if (limit->second != second) {
		uint32_t n_held_back = limit->n_held_back;

		limit->second = second;
		limit->n_this_second = 0;
		limit->n_held_back = 0;
		if (n_held_back > 0)
			rr_warn("log", "repeated lines held back n=%u", n_held_back);
	}
	if (limit->n_this_second >= limit->burst) {
		limit->n_held_back++;
		return false;
	}
	limit->n_this_second++;
	return true;
}

bool rr_log_allow(struct rr_log_limit *limit) {
	return rr_log_allow_at(limit, rr_now_ns() / RR_NS_PER_S);
}
