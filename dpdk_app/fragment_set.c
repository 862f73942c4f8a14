// SPDX-License-Identifier: BSD-2-Clause
// What a new fragment does to a set: complete it, repeat it, or contradict it.
#include "fragment_set.h"

#include "counters.h"

static uint32_t end_of(const struct fragment *f) {
	return (uint32_t)f->offset + f->len;
}

// RFC 8200 4.5: exact duplicates may be ignored. RFC 5722: any other overlap makes the datagram
// void, and so does a part behind its end.
static int clash(const struct fragment_set *s, const struct fragment *f) {
	for (uint32_t i = 0; i < s->n; i++) {
		const struct fragment *part = &s->part[i];

		if (part->offset == f->offset && part->len == f->len && part->more == f->more)
			return RR_C_drop_fragment_duplicate;
		if (part->offset < end_of(f) && f->offset < end_of(part))
			return RR_C_drop_fragment_overlap;
	}
	if ((s->total != 0 && end_of(f) > s->total) || (!f->more && end_of(f) < s->end))
		return RR_C_drop_fragment_overlap;
	return 0;
}

int fragment_set_add(struct fragment_set *s, const struct fragment *f) {
	int reason = clash(s, f);

	if (reason != 0)
		return reason;
	if (end_of(f) > FRAGMENT_DATAGRAM_MAX)
		return RR_C_drop_fragment_large;
	if (s->n == FRAGMENT_SET_MAX)
		return RR_C_drop_fragment_many;
	s->part[s->n++] = *f;
	s->n_bytes += f->len;
	if (end_of(f) > s->end)
		s->end = end_of(f);
	if (!f->more)
		s->total = end_of(f);
	return 0;
}
