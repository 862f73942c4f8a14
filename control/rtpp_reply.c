// SPDX-License-Identifier: BSD-2-Clause
// Replies and error codes, formatted in one place.
#include "rtpp_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_ROOM (sizeof("E99\n") - 1)
#define BODY_MAX (RTPP_MAX_REPLY - 1) // the line feed follows

unsigned int rtpp_error_number(enum rtpp_error error) {
	return error == RTPP_E_UNKNOWN ? 0 : (unsigned int)error;
}

void rtpp_reply_begin(struct rtpp_reply *r, char *buf, struct slice cookie) {
	*r = (struct rtpp_reply){.buf = buf};
	if (cookie.p && cookie.len + 1 + ERROR_ROOM <= RTPP_MAX_REPLY) {
		memcpy(buf, cookie.p, cookie.len);
		buf[cookie.len] = ' ';
		r->len = r->body = cookie.len + 1;
	}
	buf[r->len] = '\0';
}

void rtpp_reply_printf(struct rtpp_reply *r, const char *fmt, ...) {
	size_t room = BODY_MAX - r->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(r->buf + r->len, room + 1, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n > room) {
		r->overflow = true;
		r->buf[r->len] = '\0';
	} else {
		r->len += (size_t)n;
	}
}

void rtpp_reply_error(struct rtpp_reply *r, enum rtpp_error error) {
	r->len = r->body;
	r->n_silent = 0;
	r->failed = true;
	r->overflow = false;
	rtpp_reply_printf(r, "E%u", rtpp_error_number(error));
}

void rtpp_reply_ok(struct rtpp_reply *r) {
	rtpp_reply_printf(r, "0");
}

void rtpp_reply_number(struct rtpp_reply *r, uint64_t number) {
	rtpp_reply_printf(r, "%llu", (unsigned long long)number);
}

void rtpp_reply_port(struct rtpp_reply *r, uint16_t port, const struct rtpp_shown_addr *addr) {
	rtpp_reply_printf(r, "%u", port);
	if (addr->text)
		rtpp_reply_printf(r, " %s%s", addr->text, addr->ipv6 ? " 6" : "");
}

void rtpp_reply_sub_silent(struct rtpp_reply *r) {
	r->n_silent++;
}

// Successes that said nothing are shown once something after them has to be.
static void show_silent(struct rtpp_reply *r) {
	for (; r->n_silent > 0; r->n_silent--)
		rtpp_reply_printf(r, " && 0");
}

void rtpp_reply_sub_port(struct rtpp_reply *r, uint16_t port, const struct rtpp_shown_addr *addr) {
	if (r->failed)
		return;
	show_silent(r);
	rtpp_reply_printf(r, " && ");
	rtpp_reply_port(r, port, addr);
}

void rtpp_reply_sub_failed(struct rtpp_reply *r) {
	if (r->failed)
		return;
	show_silent(r);
	rtpp_reply_printf(r, " && -1");
	r->failed = true;
}

size_t rtpp_reply_end(struct rtpp_reply *r, enum rtpp_error on_overflow) {
	if (r->overflow)
		rtpp_reply_error(r, on_overflow);
	r->buf[r->len++] = '\n';
	r->buf[r->len] = '\0';
	return r->len;
}
