// SPDX-License-Identifier: BSD-2-Clause
// Keeps a party's streams by SSRC, and mixes them.
#include "track.h"

#include <errno.h>
#include <string.h>

static struct stream *find_stream(struct track *t, uint32_t ssrc) {
	struct stream *s;

	for (size_t i = 0; i < t->n_streams; i++)
		if (t->streams[i].ssrc == ssrc)
			return &t->streams[i];
	if (t->n_streams == TRACK_STREAMS_MAX)
		return NULL;
	s = &t->streams[t->n_streams++];
	*s = (struct stream){.ssrc = ssrc};
	return s;
}

int track_add(struct track *t, uint32_t ssrc, const struct stream_packet *packet) {
	struct stream *s = find_stream(t, ssrc);

	return s ? stream_add(s, packet) : -E2BIG;
}

void track_clear(struct track *t) {
	for (size_t i = 0; i < t->n_streams; i++) {
		if (t->plays)
			playout_clear(&t->playouts[i]);
		stream_clear(&t->streams[i]);
	}
	t->n_streams = 0;
	t->plays = false;
}

void track_place(struct track *t, int64_t origin_us) {
	for (size_t i = 0; i < t->n_streams; i++)
		stream_place(&t->streams[i], origin_us);
}

void track_place_tight(struct track *t) {
	int64_t place = 0;

	for (size_t i = 0; i < t->n_streams; i++) {
		stream_place_tight(&t->streams[i], place);
		if (t->streams[i].n_packets)
			place = t->streams[i].end;
	}
}

void track_shift(struct track *t, int64_t n_samples) {
	for (size_t i = 0; i < t->n_streams; i++)
		stream_shift(&t->streams[i], n_samples);
}

bool track_is_silent(const struct track *t) {
	for (size_t i = 0; i < t->n_streams; i++)
		if (t->streams[i].n_packets)
			return false;
	return true;
}

int64_t track_begin(const struct track *t) {
	int64_t begin = INT64_MAX;

	for (size_t i = 0; i < t->n_streams; i++)
		if (t->streams[i].n_packets && t->streams[i].begin < begin)
			begin = t->streams[i].begin;
	return begin;
}

int64_t track_end(const struct track *t) {
	int64_t end = INT64_MIN;

	for (size_t i = 0; i < t->n_streams; i++)
		if (t->streams[i].n_packets && t->streams[i].end > end)
			end = t->streams[i].end;
	return end;
}

int track_read(struct track *t, int64_t place, size_t n, int16_t *out) {
	int r = 0;

	memset(out, 0, n * sizeof(*out));
	for (size_t i = 0; i < t->n_streams && r == 0; i++) {
		if (!t->plays)
			playout_init(&t->playouts[i], &t->streams[i]);
		r = playout_read(&t->playouts[i], place, n, out);
	}
	t->plays = true;
	return r;
}
