// SPDX-License-Identifier: BSD-2-Clause
// An IPv4 or IPv6 transport address: compare, parse, format.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

enum rr_family {
	RR_FAMILY_NONE = 0, // no address known
	RR_FAMILY_IPV4 = 4,
	RR_FAMILY_IPV6 = 6,
};

// 24 bytes, no padding that varies: unused bytes are zero, so that memcmp compares.
struct rr_endpoint {
	uint8_t addr[16]; // network byte order; IPv4 in the first four bytes, the rest zero
	uint16_t port_be;
	uint8_t family; // enum rr_family
	uint8_t reserved[5];
};

RR_STATIC_ASSERT(sizeof(struct rr_endpoint) == 24, "endpoint crosses the region");

// Longest text that rr_endpoint_format writes, terminating zero included: "[v6]:65535".
#define RR_ENDPOINT_STRLEN 56

bool rr_endpoint_equal(const struct rr_endpoint *a, const struct rr_endpoint *b);
bool rr_endpoint_same_host(const struct rr_endpoint *a, const struct rr_endpoint *b);

// True for 0.0.0.0 and ::, the hold address of RFC 3264 section 8.4 as rtpproxy reads it.
bool rr_endpoint_is_any(const struct rr_endpoint *ep);

// True for a complete address of either family whose unused bytes are zero; any port.
bool rr_endpoint_is_valid(const struct rr_endpoint *ep);

// The host's next address, wrapping round at the end of the space.
void rr_endpoint_step(struct rr_endpoint *ep);

// Parse a numeric address of the given family (RR_FAMILY_NONE: either one); the port becomes 0.
// Returns 0, or -EINVAL when the text is no numeric address of that family.
int rr_endpoint_parse_addr(struct rr_endpoint *ep, const char *text, enum rr_family family);

// Write the address alone ("198.18.0.1", "2001:db8::1") or with its port ("198.18.0.1:4000",
// "[2001:db8::1]:4000"). An endpoint without family is written as "-". Returns buf.
const char *rr_endpoint_format_addr(const struct rr_endpoint *ep, char *buf, size_t size);
const char *rr_endpoint_format(const struct rr_endpoint *ep, char *buf, size_t size);

RR_END_DECLS
