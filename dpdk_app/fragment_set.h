// SPDX-License-Identifier: BSD-2-Clause
// Which parts of one datagram are there: fragments in any order, and what makes a set of them void.
//
// Pure bookkeeping of ranges. A set that was accepted so far can still be completed, so that what
// puts a whole set together has no reason to refuse it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_config.h>

#define FRAGMENT_SET_MAX RTE_LIBRTE_IP_FRAG_MAX_FRAG // fragments that rte_ip_frag joins
#define FRAGMENT_DATAGRAM_MAX (8 + 8192) // UDP header, and as much as rtpproxy relays

// A part of the IP payload.
struct fragment {
	uint16_t offset;
	uint16_t len; // bytes
	bool more; // false: it ends the datagram
};

struct fragment_set {
	uint32_t n;
	uint32_t n_bytes;
	uint32_t end; // of the rearmost one so far
	uint32_t total; // bytes of the datagram; 0 until its last fragment is there
	struct fragment part[FRAGMENT_SET_MAX];
};

// Whether it can be a fragment at all (RFC 8200 4.5: all but the last are multiples of 8 bytes).
static inline bool fragment_is_valid(const struct fragment *f) {
	return f->len > 0 && (!f->more || f->len % 8 == 0);
}

// Add a valid fragment. Returns 0, RR_C_drop_fragment_duplicate when it is there already, or the
// counter of the reason why the whole datagram is void.
int fragment_set_add(struct fragment_set *s, const struct fragment *f);

static inline bool fragment_set_is_whole(const struct fragment_set *s) {
	return s->total != 0 && s->n_bytes == s->total;
}
