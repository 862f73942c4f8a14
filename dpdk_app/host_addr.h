// SPDX-License-Identifier: BSD-2-Clause
// Which addresses can be one host's on a network: neither a group nor unspecified nor loopback.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// RFC 1122 3.2.1.3: not "this network" (0/8), not loopback (127/8), not multicast, reserved or
// broadcast (224.0.0.0 and above).
static inline bool ipv4_is_host(const uint8_t a[4]) {
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

// RFC 4291 2.5.2, 2.5.3, 2.7: not ::, not ::1, not multicast.
static inline bool ipv6_is_host(const uint8_t a[16]) {
	static const uint8_t zero[15] = {0};

	return a[0] != 0xff && (memcmp(a, zero, sizeof(zero)) != 0 || a[15] > 1);
}
