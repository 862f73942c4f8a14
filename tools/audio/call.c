// SPDX-License-Identifier: BSD-2-Clause
// Loads recordings into the tracks of two parties, and sets both on one time.
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "routes.h"
#include "rtp.h"

// Given every RTP packet of a recording. Returns 0 or a negative errno, which ends the reading.
typedef int (*packet_fn)(void *context, const struct recorded *in, const struct rr_rtp *rtp);

struct call *call_new(void) {
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->origin_us = INT64_MAX;
	for (unsigned int type = 0; type < CODEC_PAYLOAD_TYPES; type++)
		c->codec_of[type] = codec_by_type(type);
	return c;
}

void call_free(struct call *c) {
	for (size_t i = 0; i < CALL_PARTIES; i++)
		track_clear(&c->tracks[i]);
	free(c);
}

static int fail(struct call_report *report, int error, const char *what) {
	snprintf(report->fault, sizeof(report->fault), "%s", what);
	return error;
}

static int open_regular(FILE **file, const char *path, struct call_report *report) {
	struct stat st;

	*file = fopen(path, "rbe");
	if (!*file)
		return fail(report, -errno, strerror(errno));
	if (fstat(fileno(*file), &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	fclose(*file);
	return fail(report, -EINVAL, "not a file");
}

// What a damaged recording holds before the damage is used.
static int read_packets(
	struct recording *r, packet_fn take, void *context, struct call_report *report) {
	struct recorded in;
	struct rr_rtp rtp;
	int more, result = 0;

	while (result == 0 && (more = recording_next(r, &in, report->fault)) != 0) {
		if (more < 0) {
			report->is_damaged = true;
			break;
		}
		if (!rr_rtp_parse(in.datagram.data, in.datagram.len, &rtp)) {
			report->n_other++;
			continue;
		}
		report->n_rtp++;
		result = take(context, &in, &rtp);
	}
	report->n_cut = recording_n_cut(r);
	return result;
}

static int read_file(const char *path, packet_fn take, void *context, struct call_report *report) {
	struct recording *r;
	FILE *file;
	int result;

	*report = (struct call_report){0};
	result = open_regular(&file, path, report);
	if (result < 0)
		return result;
	result = recording_open(&r, file, report->fault);
	if (result < 0)
		return result;
	result = read_packets(r, take, context, report);
	recording_close(r);
	return result;
}

static struct route route_of(const struct recorded *in, const struct rr_rtp *rtp) {
	return (struct route){
		.from = in->datagram.from,
		.to = in->datagram.to,
		.ssrc = rtp->ssrc,
	};
}

// Header and padding are known to fit: it was parsed.
static struct stream_packet packet_of(
	const struct call *c, const struct recorded *in, const struct rr_rtp *rtp) {
	const struct datagram *d = &in->datagram;
	size_t header_len = rr_rtp_header_len(d->data, d->len);
	size_t padding = rr_rtp_is_padded(d->data) ? d->data[d->len - 1] : 0;

	return (struct stream_packet){
		.arrived_us = in->arrived_us,
		.codec = c->codec_of[rtp->payload_type],
		.payload = d->data + header_len,
		.payload_len = d->len - header_len - padding,
		.timestamp = rtp->timestamp,
		.seq = rtp->seq,
		.payload_type = rtp->payload_type,
	};
}

struct loading {
	struct call *call;
	const struct routes *routes; // NULL: all is one party's
	enum call_party party;
};

static int load_packet(void *context, const struct recorded *in, const struct rr_rtp *rtp) {
	const struct loading *l = context;
	const struct stream_packet packet = packet_of(l->call, in, rtp);
	const struct route route = route_of(in, rtp);
	int party = l->routes ? routes_party(l->routes, &route) : (int)l->party;

	if (in->arrived_us < l->call->origin_us)
		l->call->origin_us = in->arrived_us;
	return track_add(&l->call->tracks[party], rtp->ssrc, &packet);
}

static int load(const char *path, struct loading *loading, struct call_report *report) {
	int result = read_file(path, load_packet, loading, report);

	if (result == -ENOMEM)
		return fail(report, result, "no memory");
	if (result == -E2BIG)
		return fail(report, result, "more RTP sources than a call can have");
	return result;
}

int call_load(struct call *c, const char *path, enum call_party party, struct call_report *report) {
	struct loading loading = {.call = c, .party = party};

	return load(path, &loading, report);
}

static int note_packet(void *context, const struct recorded *in, const struct rr_rtp *rtp) {
	const struct route route = route_of(in, rtp);

	return routes_note(context, &route);
}

int call_load_both(struct call *c, const char *path, struct call_report *report) {
	struct routes *routes = calloc(1, sizeof(*routes));
	struct loading loading = {.call = c, .routes = routes};
	int result;

	if (!routes)
		return fail(report, -ENOMEM, "no memory");
	result = read_file(path, note_packet, routes, report);
	if (result == -E2BIG || (result == 0 && routes_decide(routes) < 0))
		result = fail(report, -EINVAL,
			"holds RTP of more than two parties: make a capture of each, for -A and "
			"-B");
	if (result == 0)
		result = load(path, &loading, report);
	free(routes);
	return result;
}

static int pass_over(void *context, const struct recorded *in, const struct rr_rtp *rtp) {
	(void)context;
	(void)in;
	(void)rtp;
	return 0;
}

int call_scan(const char *path, struct call_report *report) {
	return read_file(path, pass_over, NULL, report);
}

static bool call_is_silent(const struct call *c) {
	return track_is_silent(&c->tracks[CALL_A]) && track_is_silent(&c->tracks[CALL_O]);
}

int64_t call_n_samples(const struct call *c) {
	int64_t a = track_end(&c->tracks[CALL_A]), o = track_end(&c->tracks[CALL_O]);

	return a > o ? a : o;
}

// The recording begins with its first sound.
static int begin_at_zero(struct call *c) {
	int64_t a, o;

	if (call_is_silent(c))
		return -ENODATA;
	a = track_begin(&c->tracks[CALL_A]);
	o = track_begin(&c->tracks[CALL_O]);
	for (size_t i = 0; i < CALL_PARTIES; i++)
		track_shift(&c->tracks[i], a < o ? -a : -o);
	return call_n_samples(c) > CALL_MAX_SAMPLES ? -EFBIG : 0;
}

int call_place(struct call *c) {
	for (size_t i = 0; i < CALL_PARTIES; i++)
		track_place(&c->tracks[i], c->origin_us);
	return begin_at_zero(c);
}

int call_place_tight(struct call *c) {
	for (size_t i = 0; i < CALL_PARTIES; i++)
		track_place_tight(&c->tracks[i]);
	return begin_at_zero(c);
}
