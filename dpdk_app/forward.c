// SPDX-License-Identifier: BSD-2-Clause
// The loop over the stages behind the parser.
#include "forward.h"

static bool take_any(const struct forward *f, struct burst *b, struct pkt *p) {
	return flow_table_take(f->table, b, p) && relay_take(f->relay, b, p) &&
	       rewrite_take(f->rewrite, b, p);
}

void forward_burst(const struct forward *f, struct burst *b) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = b->live[i];

		if (take_any(f, b, p))
			b->live[n++] = p;
	}
	b->n = n;
}
