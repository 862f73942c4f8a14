// SPDX-License-Identifier: BSD-2-Clause
// Which packets of a recording of both parties are whose: by where they went.
#pragma once

#include <stdint.h>

#include "endpoint.h"

#define ROUTES_MAX 1024
#define ROUTES_PARTIES 2

struct route {
	struct rr_endpoint from, to;
	uint32_t ssrc;
	int party; // 0: whose first packet came first
};

struct routes {
	struct route route[ROUTES_MAX];
	size_t n;
};

// Take note of a packet. Returns 0, or -E2BIG where there are more routes than a call can have.
int routes_note(struct routes *r, const struct route *route);

// Once all packets are noted. Returns 0, or -EINVAL where there are more than two parties.
int routes_decide(struct routes *r);

// Of a packet that was noted: its party.
int routes_party(const struct routes *r, const struct route *route);
