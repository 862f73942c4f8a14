// SPDX-License-Identifier: BSD-2-Clause
// The UDP datagram of a captured frame: total functions of (link type, bytes, length).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

struct datagram {
	struct rr_endpoint from;
	struct rr_endpoint to; // RR_FAMILY_NONE: not known
	const uint8_t *data; // inside the frame
	size_t len;
};

// Returns 0; -EPROTONOSUPPORT for what is no UDP, -EMSGSIZE for what is cut short or is a fragment.
int datagram_parse(struct datagram *d, int link_type, const uint8_t *frame, size_t len);

// Whether frames of that link type can be parsed.
bool datagram_link_is_known(int link_type);
