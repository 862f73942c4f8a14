// SPDX-License-Identifier: BSD-2-Clause
// Replies and error codes, formatted in one place.
//
//	rtpp_reply_begin -> one of rtpp_reply_{ok,error,number,port} or any number of
//	rtpp_reply_printf -> any number of rtpp_reply_sub_* -> rtpp_reply_end
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "rtpp_cmd.h"

RR_BEGIN_DECLS

struct rtpp_reply {
	char *buf; // RTPP_MAX_REPLY + 1 bytes
	size_t len;
	size_t body; // where the text after the cookie begins
	unsigned int n_silent; // sub-commands that succeeded without saying anything
	bool failed; // a sub-command did; nothing follows
	bool overflow;
};

// Local address as a reply shows it.
struct rtpp_shown_addr {
	const char *text; // advertised or numeric address; NULL = show the port alone
	bool ipv6; // of the socket, not of the text
};

// Start a reply; cookie.p NULL = none. A cookie that leaves no room for a reply is left out.
void rtpp_reply_begin(struct rtpp_reply *r, char *buf, struct slice cookie);

// Drop what was said so far and say E<code> instead.
void rtpp_reply_error(struct rtpp_reply *r, enum rtpp_error error);
void rtpp_reply_ok(struct rtpp_reply *r);
void rtpp_reply_number(struct rtpp_reply *r, uint64_t number);
void rtpp_reply_port(struct rtpp_reply *r, uint16_t port, const struct rtpp_shown_addr *addr);
void rtpp_reply_printf(struct rtpp_reply *r, const char *fmt, ...) RR_PRINTF(2, 3);

// Results of sub-commands, in their order.
void rtpp_reply_sub_silent(struct rtpp_reply *r);
void rtpp_reply_sub_port(struct rtpp_reply *r, uint16_t port, const struct rtpp_shown_addr *addr);
void rtpp_reply_sub_failed(struct rtpp_reply *r);

// Close the reply with its line feed. When it had become longer than RTPP_MAX_REPLY it is replaced
// by on_overflow. Returns its length; buf is terminated by zero after it.
size_t rtpp_reply_end(struct rtpp_reply *r, enum rtpp_error on_overflow);

// Number on the wire of an error.
unsigned int rtpp_error_number(enum rtpp_error error);

RR_END_DECLS
