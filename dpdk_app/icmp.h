// SPDX-License-Identifier: BSD-2-Clause
// Echo requests turned into their replies (RFC 792, RFC 4443 4.2), under a rate limit. No ICMP
// error is ever made.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Turn the IPv4 or IPv6 packet at bytes into the answer to it, in place; its length stays. Returns
// 0, -ENOTSUP when it is no echo request to a single host, -EINVAL when its length or checksum is
// wrong.
int icmp4_echo_reply(uint8_t *bytes, size_t len);
int icmp6_echo_reply(uint8_t *bytes, size_t len);

// Tokens come at rate_per_s and are kept up to burst.
struct token_bucket {
	uint32_t rate_per_s;
	uint32_t burst;
	uint64_t tokens_ns; // worth of nanoseconds of the rate
	uint64_t last_ns;
};

void token_bucket_init(
	struct token_bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_ns);

// 1 when a token was taken, 0 when there is none.
int token_bucket_take(struct token_bucket *b, uint64_t now_ns);
