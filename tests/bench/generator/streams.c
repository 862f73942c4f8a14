// SPDX-License-Identifier: BSD-2-Clause
// Reads captures into streams, and makes their packets.
#include "streams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_memcpy.h>

#include "frame.h"

#define TICKS 160 // 20 ms of 8000 Hz
#define LINE_LEN 64
#define MAX_STREAMS (1U << 22)
#define VERSION_BITS 0xc0 // RFC 3550 5.1
#define MAX_FILES 2

static int complain(const char *path, const char *what) {
	fprintf(stderr, "generator: %s: %s\n", path, what);
	return -EINVAL;
}

// ---- one frame

static uint16_t fold(uint32_t sum) {
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

// RFC 768 and RFC 8200 8.1: pseudo header, ports, lengths and what follows the head.
static uint16_t sum_of_rest(const uint8_t *frame, const struct frame_udp *udp) {
	const uint8_t *ip = frame + udp->ip_at;
	uint32_t addrs_len = udp->is_ipv6 ? 32 : 8;
	uint32_t sum = rte_raw_cksum(ip + (udp->is_ipv6 ? 8 : 12), addrs_len);
	uint32_t rest_at = udp->at + UDP_LEN + HEAD_LEN;

	sum += htons(17) + htons(udp->len);
	sum += rte_raw_cksum(frame + udp->at, UDP_LEN - 2);
	sum += rte_raw_cksum(frame + rest_at, udp->at + udp->len - rest_at);
	return fold(sum);
}

static int stream_init(struct stream *st, const uint8_t *frame, uint32_t len) {
	struct frame_udp udp;
	uint16_t seq;

	if (len > FRAME_MAX || frame_find_udp(frame, len, &udp) < 0)
		return -EINVAL;
	if (udp.len < UDP_LEN + HEAD_LEN)
		return -EMSGSIZE;
	memcpy(&seq, frame + udp.at + UDP_LEN + 2, 2);
	memcpy(&st->first_ticks, frame + udp.at + UDP_LEN + 4, 4);
	st->first_seq = ntohs(seq);
	st->first_ticks = ntohl(st->first_ticks);
	st->len = (uint16_t)len;
	st->udp_at = udp.at;
	st->rest_sum = sum_of_rest(frame, &udp);
	return 0;
}

void streams_make(struct streams *s, uint32_t index, struct stamp *stamp, uint8_t *out) {
	struct stream *st = &s->stream[index];
	uint8_t *payload = out + st->udp_at + UDP_LEN;
	uint16_t seq = htons((uint16_t)(st->first_seq + st->n_made));
	uint32_t ticks = htonl(st->first_ticks + st->n_made * TICKS);
	uint16_t check;

	stamp->stream = index;
	stamp->number = st->n_made++;
	rte_memcpy(out, s->frames + (size_t)index * s->stride, st->len);
	memcpy(payload + 2, &seq, 2);
	memcpy(payload + 4, &ticks, 4);
	memcpy(payload + RTP_LEN, stamp, sizeof(*stamp));
	if (!s->rtp)
		payload[0] &= (uint8_t)~VERSION_BITS;
	check = (uint16_t)~fold((uint32_t)rte_raw_cksum(payload, HEAD_LEN) + st->rest_sum);
	if (check == 0)
		check = 0xffff;
	memcpy(out + st->udp_at + UDP_LEN - 2, &check, 2);
}

// ---- files

struct source {
	pcap_t *pcap;
	const char *path;
	uint8_t port;
	bool at_end;
};

static int room_for_one(struct streams *s, uint32_t *n_room) {
	uint32_t n = *n_room == 0 ? 1024 : *n_room * 2;
	struct stream *stream;
	uint8_t *frames;

	if (s->n < *n_room)
		return 0;
	stream = s->n < MAX_STREAMS ? realloc(s->stream, n * sizeof(*stream)) : NULL;
	if (!stream)
		return -ENOMEM;
	s->stream = stream;
	frames = realloc(s->frames, (size_t)n * s->stride);
	if (!frames)
		return -ENOMEM;
	s->frames = frames;
	*n_room = n;
	return 0;
}

static int take_frame(struct streams *s, struct source *from, uint32_t *n_room) {
	struct pcap_pkthdr *header;
	const u_char *frame;
	int ret = pcap_next_ex(from->pcap, &header, &frame);

	from->at_end = ret == PCAP_ERROR_BREAK;
	if (from->at_end)
		return 0;
	if (ret != 1)
		return complain(from->path, pcap_geterr(from->pcap));
	if (s->stride == 0)
		s->stride = (header->caplen + LINE_LEN - 1) / LINE_LEN * LINE_LEN;
	if (header->caplen > s->stride)
		return complain(from->path, "a frame is longer than the first one");
	if (room_for_one(s, n_room) < 0)
		return complain(from->path, "more frames than memory has room for");
	ret = stream_init(&s->stream[s->n], frame, header->caplen);
	if (ret < 0)
		return complain(from->path, ret == -EMSGSIZE ? "a payload of less than 36 bytes"
							     : "a frame that is no UDP datagram");
	s->stream[s->n].port = from->port;
	s->stream[s->n].n_made = 0;
	memcpy(s->frames + (size_t)s->n * s->stride, frame, header->caplen);
	s->n++;
	return 0;
}

static int take_all(struct streams *s, struct source *from, uint32_t n_sources) {
	uint32_t n_room = 0, n_open = n_sources;
	int ret = 0;

	while (ret == 0 && n_open > 0) {
		n_open = 0;
		for (uint32_t i = 0; ret == 0 && i < n_sources; i++) {
			if (!from[i].at_end)
				ret = take_frame(s, &from[i], &n_room);
			n_open += !from[i].at_end;
		}
	}
	return ret == 0 && s->n == 0 ? complain(from[0].path, "no frames") : ret;
}

int streams_load(struct streams *s, char *const *paths, uint32_t n_paths) {
	struct source from[MAX_FILES] = {0};
	char why[PCAP_ERRBUF_SIZE];
	int ret = n_paths <= MAX_FILES ? 0 : -EINVAL;

	*s = (struct streams){.rtp = true};
	for (uint32_t i = 0; ret == 0 && i < n_paths; i++) {
		from[i] = (struct source){
			pcap_open_offline(paths[i], why), paths[i], (uint8_t)i, false};
		if (!from[i].pcap)
			ret = complain(paths[i], why);
	}
	if (ret == 0)
		ret = take_all(s, from, n_paths);
	for (uint32_t i = 0; i < n_paths && i < MAX_FILES; i++)
		if (from[i].pcap)
			pcap_close(from[i].pcap);
	if (ret < 0)
		streams_free(s);
	return ret;
}

void streams_free(struct streams *s) {
	free(s->stream);
	free(s->frames);
	*s = (struct streams){0};
}
