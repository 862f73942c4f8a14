// SPDX-License-Identifier: BSD-2-Clause
// Counts the packets of each stream by their numbers.
#include "meter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "stamp.h"

int meter_init(struct meter *m, uint32_t n_streams) {
	*m = (struct meter){.n_streams = n_streams};
	m->stream = calloc(n_streams, sizeof(*m->stream));
	return m->stream ? 0 : -ENOMEM;
}

void meter_fini(struct meter *m) {
	free(m->stream);
	m->stream = NULL;
}

void meter_reset(struct meter *m, uint32_t run) {
	struct meter_stream *stream = m->stream;

	*m = (struct meter){.stream = stream, .n_streams = m->n_streams, .run = run};
}

void meter_expect(struct meter *m, uint32_t stream, uint32_t number) {
	m->stream[stream] = (struct meter_stream){.next = number, .first = number};
}

static bool stamp_read(const struct meter *m, const uint8_t *frame, uint32_t len, struct stamp *s) {
	struct frame_udp udp;

	if (frame_find_udp(frame, len, &udp) < 0 || udp.len < UDP_LEN + HEAD_LEN)
		return false;
	memcpy(s, frame + udp.at + UDP_LEN + RTP_LEN, sizeof(*s));
	return s->magic == STAMP_MAGIC && s->run == m->run && s->stream < m->n_streams &&
	       s->number - m->stream[s->stream].first < UINT32_MAX / 2;
}

// At or above `next`: the numbers between are missing until they come.
static void advance(struct meter_stream *st, uint32_t n_ahead) {
	st->seen = n_ahead < METER_WINDOW - 1 ? st->seen << (n_ahead + 1) | 1 : 1;
	st->next += n_ahead + 1;
}

// Returns whether it is received for the first time.
static bool take_late(struct meter *m, struct meter_stream *st, uint32_t n_behind) {
	if (n_behind >= METER_WINDOW) {
		m->n_stale++;
		return false;
	}
	if (st->seen >> n_behind & 1) {
		m->n_duplicates++;
		return false;
	}
	st->seen |= UINT64_C(1) << n_behind;
	m->n_reordered++;
	return true;
}

void meter_take(struct meter *m, const uint8_t *frame, uint32_t len, uint64_t now_tsc) {
	struct meter_stream *st;
	struct stamp s;

	if (!stamp_read(m, frame, len, &s)) {
		m->n_foreign++;
		return;
	}
	st = &m->stream[s.stream];
	if ((int32_t)(s.number - st->next) >= 0)
		advance(st, s.number - st->next);
	else if (!take_late(m, st, st->next - 1 - s.number))
		return;
	m->n_received++;
	if (s.sent_tsc <= m->stall_end_tsc)
		m->n_untimed++;
	else
		histogram_add(&m->latency, now_tsc - s.sent_tsc, 1);
}
