// SPDX-License-Identifier: BSD-2-Clause
// Orders and places the packets of one SSRC.
//
// A packet belongs where its timestamp says, counted from an earlier one, so that what was lost
// leaves a silence of its exact length. But timestamps may jump, stand still through a hold or
// start anew: a place that is more than RESYNC_SAMPLES away from when the packet came is not
// believed, and the stream goes on where the packet came.
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A sequence number that is further behind is not late, its sender has started anew; and one that
// is further ahead tells of no loss. The same bound as in the counters of a call.
#define JUMP_MAX 536
#define RESYNC_SAMPLES (CODEC_DECODED_HZ / 5)
// How many packets are looked at to tell how late the first of them came.
#define LATENESS_PACKETS 250
#define FIRST_ROOM 256

// What a timestamp means in samples.
struct clock {
	uint32_t hz; // 0: none yet
	int64_t place; // of the first one
	int64_t first, last; // timestamps, wraps counted
};

static int grow(struct stream *s) {
	size_t room = s->n_room ? s->n_room * 2 : FIRST_ROOM;
	struct stream_packet *packets = reallocarray(s->packets, room, sizeof(*packets));

	if (!packets)
		return -ENOMEM;
	s->packets = packets;
	s->n_room = room;
	return 0;
}

static int64_t order_of(const struct stream *s, uint16_t seq) {
	uint16_t ahead = (uint16_t)(seq - (uint16_t)s->order_max);

	if (s->n_packets == 0)
		return seq;
	return s->order_max + ((int16_t)ahead >= -JUMP_MAX ? (int16_t)ahead : (int64_t)ahead);
}

int stream_add(struct stream *s, const struct stream_packet *packet) {
	struct stream_packet *p;
	uint8_t *payload;

	if (s->n_packets == s->n_room && grow(s) < 0)
		return -ENOMEM;
	// One byte more, for a payload may be empty.
	payload = malloc(packet->payload_len + 1);
	if (!payload)
		return -ENOMEM;
	memcpy(payload, packet->payload, packet->payload_len);
	p = &s->packets[s->n_packets];
	*p = *packet;
	p->payload = payload;
	p->order = order_of(s, p->seq);
	p->arrival = s->n_packets;
	p->late = s->n_packets != 0 && p->order < s->order_max;
	if (!p->late)
		s->order_max = p->order;
	s->n_packets++;
	return 0;
}

void stream_clear(struct stream *s) {
	for (size_t i = 0; i < s->n_packets; i++)
		free((void *)s->packets[i].payload);
	free(s->packets);
	*s = (struct stream){0};
}

static int compare(const void *a, const void *b) {
	const struct stream_packet *p = a, *q = b;

	if (p->order != q->order)
		return p->order < q->order ? -1 : 1;
	return p->arrival < q->arrival ? -1 : 1;
}

static void drop_duplicates(struct stream *s) {
	size_t kept = 0;

	for (size_t i = 0; i < s->n_packets; i++) {
		if (kept && s->packets[kept - 1].order == s->packets[i].order) {
			free((void *)s->packets[i].payload);
			s->counts.n_duplicates++;
			continue;
		}
		s->packets[kept++] = s->packets[i];
	}
	s->n_packets = kept;
}

static void count(struct stream *s) {
	s->counts.n_packets = s->n_packets;
	for (size_t i = 0; i < s->n_packets; i++) {
		int64_t gap = i ? s->packets[i].order - s->packets[i - 1].order : 1;

		s->counts.n_lost += gap <= JUMP_MAX ? (uint64_t)gap - 1 : 0;
		s->counts.n_late += s->packets[i].late;
		s->counts.of_type[s->packets[i].payload_type]++;
	}
}

// Packets that hold no sound leave what there is.
static void drop_silent(struct stream *s) {
	size_t kept = 0;

	for (size_t i = 0; i < s->n_packets; i++) {
		struct stream_packet *p = &s->packets[i];

		if (p->codec && p->codec->n_samples(p->payload, p->payload_len) != 0)
			s->packets[kept++] = *p;
		else
			free((void *)p->payload);
	}
	s->n_packets = kept;
}

static void put_in_order(struct stream *s) {
	qsort(s->packets, s->n_packets, sizeof(*s->packets), compare);
	drop_duplicates(s);
	count(s);
	drop_silent(s);
}

static int64_t place_of_arrival(const struct stream_packet *p, int64_t origin_us) {
	return ((p->arrived_us - origin_us) * (CODEC_DECODED_HZ / 1000) + 500) / 1000;
}

static int64_t samples_between(uint32_t earlier, uint32_t later, uint32_t clock_hz) {
	return (int64_t)(int32_t)(later - earlier) * CODEC_DECODED_HZ / clock_hz;
}

// Where a packet would have come had it come as fast as the fastest of the next ones. The network
// makes a packet late, never early.
static int64_t place_without_delay(const struct stream *s, size_t i, int64_t origin_us) {
	const struct stream_packet *p = &s->packets[i];
	int64_t best = place_of_arrival(p, origin_us);

	for (size_t j = i + 1; j < s->n_packets && j < i + LATENESS_PACKETS; j++) {
		const struct stream_packet *q = &s->packets[j];
		int64_t place;

		if (q->codec->clock_hz != p->codec->clock_hz)
			break;
		place = place_of_arrival(q, origin_us) -
			samples_between(p->timestamp, q->timestamp, p->codec->clock_hz);
		if (llabs(place - best) > RESYNC_SAMPLES)
			break;
		best = place < best ? place : best;
	}
	return best;
}

static void clock_start(struct clock *c, const struct stream_packet *p, int64_t place) {
	*c = (struct clock){
		.hz = p->codec->clock_hz,
		.place = place,
		.first = p->timestamp,
		.last = p->timestamp,
	};
}

static int64_t clock_place(struct clock *c, uint32_t timestamp) {
	c->last += (int32_t)(timestamp - (uint32_t)c->last);
	return c->place + (c->last - c->first) * CODEC_DECODED_HZ / c->hz;
}

// Whether the clock gives packet i a place that agrees with its arrival. A sender whose clock is
// fast is always ahead; its packets follow one another all the same.
static bool clock_is_right(const struct stream *s, size_t i, int64_t place, int64_t origin_us) {
	int64_t arrival = place_of_arrival(&s->packets[i], origin_us);

	return llabs(place - arrival) <= RESYNC_SAMPLES || (place > arrival && place <= s->end) ||
	       llabs(place - place_without_delay(s, i, origin_us)) <= RESYNC_SAMPLES;
}

// Where the clock says or, where it is not right, behind everything so far.
static int64_t find_place(struct stream *s, size_t i, struct clock *c, int64_t origin_us) {
	const struct stream_packet *p = &s->packets[i];
	int64_t place;

	if (c->hz == p->codec->clock_hz) {
		place = clock_place(c, p->timestamp);
		if (clock_is_right(s, i, place, origin_us))
			return place;
		s->counts.n_resyncs++;
	}
	place = place_without_delay(s, i, origin_us);
	if (i > 0 && place < s->end)
		place = s->end;
	clock_start(c, p, place);
	return place;
}

static void set_place(struct stream *s, size_t i, int64_t place) {
	struct stream_packet *p = &s->packets[i];
	int64_t end = place + (int64_t)p->codec->n_samples(p->payload, p->payload_len);

	p->place = place;
	s->begin = i == 0 || place < s->begin ? place : s->begin;
	s->end = i == 0 || end > s->end ? end : s->end;
}

void stream_place(struct stream *s, int64_t origin_us) {
	struct clock c = {0};

	put_in_order(s);
	for (size_t i = 0; i < s->n_packets; i++)
		set_place(s, i, find_place(s, i, &c, origin_us));
}

void stream_place_tight(struct stream *s, int64_t place) {
	put_in_order(s);
	for (size_t i = 0; i < s->n_packets; i++) {
		set_place(s, i, place);
		place = s->end;
	}
}

void stream_shift(struct stream *s, int64_t n_samples) {
	for (size_t i = 0; i < s->n_packets; i++)
		s->packets[i].place += n_samples;
	s->begin += n_samples;
	s->end += n_samples;
}
