// SPDX-License-Identifier: BSD-2-Clause
// Decodes a placed stream piece by piece.
//
// Where packets overlap, since they hold more than their timestamps say, the earlier one is heard.
#include "playout.h"

#include <errno.h>
#include <stdlib.h>

void playout_init(struct playout *p, const struct stream *stream) {
	*p = (struct playout){.stream = stream, .played = INT64_MIN};
}

static void close_decoder(struct playout *p) {
	if (p->decoder)
		p->codec->decoder_free(p->decoder);
	p->decoder = NULL;
	p->codec = NULL;
}

void playout_clear(struct playout *p) {
	close_decoder(p);
	free(p->samples);
	*p = (struct playout){0};
}

// A change of codec begins with a fresh decoder, as the sender does with a fresh encoder.
static int open_decoder(struct playout *p, const struct codec *codec) {
	if (p->codec == codec)
		return 0;
	close_decoder(p);
	if (codec->decoder_new) {
		p->decoder = codec->decoder_new();
		if (!p->decoder)
			return -ENOMEM;
	}
	p->codec = codec;
	return 0;
}

static int make_room(struct playout *p, size_t n) {
	int16_t *samples;

	if (n <= p->room)
		return 0;
	samples = reallocarray(p->samples, n, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	p->samples = samples;
	p->room = n;
	return 0;
}

static int decode_next(struct playout *p) {
	const struct stream_packet *packet = &p->stream->packets[p->next];
	const struct codec *codec = packet->codec;

	if (open_decoder(p, codec) < 0 ||
		make_room(p, codec->n_samples(packet->payload, packet->payload_len)) < 0)
		return -ENOMEM;
	p->n_samples = codec->decode(p->decoder, packet->payload, packet->payload_len, p->samples);
	p->place = packet->place;
	p->next++;
	return 0;
}

static int16_t clip(int32_t sample) {
	return (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : sample);
}

// What of the decoded samples falls into [from, to); out is the sample at `from`.
static void add_samples(struct playout *p, int64_t from, int64_t to, int16_t *out) {
	int64_t begin = p->place > p->played ? p->place : p->played;
	int64_t end = p->place + (int64_t)p->n_samples;

	if (p->n_samples == 0)
		return;
	begin = begin > from ? begin : from;
	end = end < to ? end : to;
	for (int64_t at = begin; at < end; at++)
		out[at - from] = clip(out[at - from] + p->samples[at - p->place]);
	if (end > p->played)
		p->played = end;
}

int playout_read(struct playout *p, int64_t place, size_t n, int16_t *out) {
	int64_t to = place + (int64_t)n;

	for (;;) {
		add_samples(p, place, to, out);
		if (p->place + (int64_t)p->n_samples > to)
			return 0;
		p->n_samples = 0;
		if (p->next == p->stream->n_packets || p->stream->packets[p->next].place >= to)
			return 0;
		if (decode_next(p) < 0)
			return -ENOMEM;
	}
}
