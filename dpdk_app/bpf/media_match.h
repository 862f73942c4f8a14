// SPDX-License-Identifier: BSD-2-Clause
// Which frames of a shared port are media: one function for both kernel programs and for the tests.
//
// Whoever includes it brings five functions along: media_has_addr, media_settings_get,
// media_fragment_note, media_fragment_known and media_fragment_forget. Every read is bounded by
// `end`, as the kernel's verifier demands.
//
// A fragment but the first has no ports. It is media when the first one was, within a second: so
// no fragment of anything else is ever taken from the kernel.
#pragma once

#include "media_maps.h"

#define MATCH_ETHER_LEN 14
#define MATCH_IP4_LEN 20
#define MATCH_IP6_LEN 40
#define MATCH_UDP_LEN 8
#define MATCH_FRAGMENT_LEN 8
#define MATCH_HEADERS_MAX (MATCH_ETHER_LEN + 60 + MATCH_UDP_LEN)
#define MATCH_UDP 17
#define MATCH_IP6_FRAGMENT 44

static __always_inline __u32 match_be16(const __u8 *at) {
	return (__u32)at[0] << 8 | at[1];
}

static __always_inline __u32 match_word(const __u8 *at) {
	return (__u32)at[0] | (__u32)at[1] << 8 | (__u32)at[2] << 16 | (__u32)at[3] << 24;
}

static __always_inline int match_port(const __u8 *udp, const __u8 *end) {
	const struct media_settings *s = media_settings_get();
	__u32 port;

	if (!s || udp + MATCH_UDP_LEN > end)
		return 0;
	port = match_be16(udp + 2);
	return s->port_max != 0 && port >= s->port_min && port <= s->port_max;
}

// offset: of the fragment in its datagram, in units of 8 bytes.
static __always_inline int match_fragment(
	const struct media_fragment *f, __u32 offset, const __u8 *udp, const __u8 *end) {
	if (offset != 0)
		return media_fragment_known(f);
	if (match_port(udp, end)) {
		media_fragment_note(f);
		return 1;
	}
	// The identification may be one that media had before.
	media_fragment_forget(f);
	return 0;
}

static __always_inline void fragment_clear(struct media_fragment *f, __u32 family) {
	__builtin_memset(f, 0, sizeof(*f));
	f->dst.family = family;
}

static __always_inline int match_ip4(const __u8 *ip, const __u8 *end) {
	struct media_fragment f;
	__u32 len, fragment;

	if (ip + MATCH_IP4_LEN > end || ip[0] >> 4 != 4 || ip[9] != MATCH_UDP)
		return 0;
	len = (ip[0] & 0x0fU) * 4;
	fragment_clear(&f, 4);
	f.dst.word[0] = match_word(ip + 16);
	if (len < MATCH_IP4_LEN || !media_has_addr(&f.dst))
		return 0;
	fragment = match_be16(ip + 6) & 0x3fff;
	if (!fragment)
		return match_port(ip + len, end);
	f.src[0] = match_word(ip + 12);
	f.id = match_be16(ip + 4);
	return match_fragment(&f, fragment & 0x1fff, ip + len, end);
}

static __always_inline int match_ip6(const __u8 *ip, const __u8 *end) {
	struct media_fragment f;
	const __u8 *next = ip + MATCH_IP6_LEN;

	if (next > end || ip[0] >> 4 != 6)
		return 0;
	if (ip[6] != MATCH_UDP && ip[6] != MATCH_IP6_FRAGMENT)
		return 0;
	fragment_clear(&f, 6);
	for (int i = 0; i < 4; i++) {
		f.src[i] = match_word(ip + 8 + 4 * i);
		f.dst.word[i] = match_word(ip + 24 + 4 * i);
	}
	if (!media_has_addr(&f.dst))
		return 0;
	if (ip[6] == MATCH_UDP)
		return match_port(next, end);
	if (next + MATCH_FRAGMENT_LEN > end || next[0] != MATCH_UDP)
		return 0;
	f.id = match_word(next + 4);
	return match_fragment(&f, match_be16(next + 2) >> 3, next + MATCH_FRAGMENT_LEN, end);
}

// True for a frame that is the dataplane's.
static __always_inline int media_match(const __u8 *frame, const __u8 *end) {
	if (frame + MATCH_ETHER_LEN > end)
		return 0;
	switch (match_be16(frame + 12)) {
	case 0x0800:
		return match_ip4(frame + MATCH_ETHER_LEN, end);
	case 0x86dd:
		return match_ip6(frame + MATCH_ETHER_LEN, end);
	default:
		return 0;
	}
}
