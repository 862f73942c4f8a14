// SPDX-License-Identifier: BSD-2-Clause
// The loop over the stages behind the parser.
#include "forward.h"

#include "steady.h"

// Packets that came in by one port and are not yet in its counters.
struct tally {
	uint32_t port;
	uint32_t n_packets;
	uint64_t n_bytes;
};

static inline void tally_settle(const struct burst *b, const struct tally *t) {
	rr_add_relaxed(&b->counters[t->port][RR_C_relayed_packets], t->n_packets);
	rr_add_relaxed(&b->counters[t->port][RR_C_relayed_bytes], t->n_bytes);
}

static inline void tally_add(const struct burst *b, struct tally *t, const struct pkt *p) {
	if (RR_UNLIKELY(p->port != t->port)) {
		tally_settle(b, t);
		*t = (struct tally){.port = p->port};
	}
	t->n_packets++;
	t->n_bytes += p->payload_len;
}

// Whatever is not steady.
static __rte_noinline bool take_any(const struct forward *f, struct burst *b, struct pkt *p) {
	return flow_table_take(f->table, b, p) && relay_take(f->relay, b, p) &&
	       rewrite_take(f->rewrite, b, p);
}

void forward_burst(const struct forward *f, struct burst *b) {
	const struct steady s = steady_begin(f->table, f->rewrite->neighbours, b->now_ns);
	struct tally tally = {.port = b->n > 0 ? b->live[0]->port : 0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = b->live[i];

		if (RR_LIKELY(steady_take(&s, p)))
			tally_add(b, &tally, p);
		else if (!take_any(f, b, p))
			continue;
		b->live[n++] = p;
	}
	tally_settle(b, &tally);
	b->n = n;
}
