// SPDX-License-Identifier: BSD-2-Clause
// Eight frames in lanes: each check of parse_plain.h is one of eight frames here.
//
// What is looked at of a frame behind its MAC addresses are 32 bytes, from two before its EtherType
// to the end of its UDP header: eight words, see lanes.h. Mbufs come in and views go out in the
// same way. Nothing is read beyond a frame: eight are looked at only when each is as long as the
// headers. Nothing is gathered by index either: microcode makes that slow on many CPUs (gather data
// sampling).
#include "parse_wide.h"

#if defined(RTE_ARCH_X86_64)

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "lanes.h"
#include "parse_plain.h"

#define HEADERS_LEN 42 // Ethernet, IPv4, UDP
#define UDP_AT 34
#define MAC_BITS 0xffffffffffff // of a word at the start of a frame
#define KNOWN_MAX 8 // local addresses that a burst remembers

// Local addresses that frames of a port came to.
struct known {
	uint32_t port;
	uint32_t n;
	uint32_t dst[KNOWN_MAX]; // as in the frame
	uint32_t addr[KNOWN_MAX]; // index in the table
	uint32_t slot[KNOWN_MAX]; // of the first media port
	uint32_t patchable[KNOWN_MAX]; // all ones, or zero: see struct local_addr
};

// A group of eight frames of one port.
struct group {
	struct pkt *p; // the first of eight
	uint32_t port;
	__m512i len; // of the frame; in either lane of a packet
	struct words w;
	__m512i port_offset; // of the destination in the media range; in either lane
	// FIRST alone:
	__m512i addr; // index of the local address
	__m512i slot; // of its first media port
	__mmask16 is_plain;
	__mmask16 is_patchable;
};

// Whether all are of one port, whole in one buffer, as long as the headers, and without a word of
// the device that is for parse_frame to weigh. Nothing of a frame is read before.
WIDE_INLINE bool take_mbufs(struct group *g) {
	const uint8_t *at[ITEMS];
	struct words w;
	__m512i odd;
	__mmask16 fit;

	RR_STATIC_ASSERT(PLAIN_NOT <= UINT32_MAX, "in the first word of ol_flags");
	RR_STATIC_ASSERT(offsetof(struct rte_mbuf, ol_flags) ==
					 offsetof(struct rte_mbuf, nb_segs) + sizeof(uint32_t) &&
				 offsetof(struct rte_mbuf, data_len) ==
					 offsetof(struct rte_mbuf, nb_segs) + 5 * sizeof(uint32_t),
		"words 0, 1, 5");
	g->port = g->p->port;
	EACH_ITEM {
		at[i] = (const uint8_t *)&g->p[i].m->nb_segs;
		if (g->p[i].port != g->port)
			return false;
	}
	w = load_words(at);
	odd = _mm512_ternarylogic_epi32(
		w.at[0], two_words(1, 0), two_words(UINT16_MAX, 0), DIFFERS_UNDER);
	odd = _mm512_ternarylogic_epi32(odd, w.at[1], two_words((uint32_t)PLAIN_NOT, 0), OR_UNDER);
	g->len = _mm512_and_si512(
		_mm512_permutex_epi64(w.at[1], SECOND_TWICE), all_lanes(UINT16_MAX));
	fit = _mm512_testn_epi32_mask(odd, odd);
	fit = _mm512_mask_cmpge_epu32_mask(fit, g->len, all_lanes(HEADERS_LEN));
	return fit == (FIRST | SECOND);
}

WIDE_INLINE __m256i load_four_macs(const struct pkt *p) {
	__m128d pair[2];

	for (uint32_t i = 0; i < 2; i++) {
		const double *a = (const void *)(p[2 * i].udp - UDP_AT);
		const double *b = (const void *)(p[2 * i + 1].udp - UDP_AT);

		pair[i] = _mm_loadh_pd(_mm_load_sd(a), b);
	}
	return _mm256_castpd_si256(_mm256_set_m128d(pair[1], pair[0]));
}

// A bit per frame that is not to the port's MAC address.
WIDE_INLINE uint32_t foreign_macs(const struct parse *c, const struct group *g) {
	__m512i macs = _mm512_inserti64x4(
		_mm512_castsi256_si512(load_four_macs(g->p)), load_four_macs(g->p + 4), 1);
	__m512i own = _mm512_set1_epi64((long long)c->mac[g->port]);

	return _mm512_test_epi64_mask(_mm512_xor_si512(macs, own), _mm512_set1_epi64(MAC_BITS));
}

// The words of the frames, from EtherType to the UDP checksum, each as it lies in memory:
//
//	0 _ _ EtherType	1 version, _, length	2 _ _ fragment	3 _, protocol, checksum
//	4 source	5 destination		6 ports		7 length, checksum
WIDE_INLINE void load_frames(struct group *g) {
	const uint8_t *at[ITEMS];

	EACH_ITEM {
		at[i] = g->p[i].udp - UDP_AT + 10;
	}
	g->w = load_words(at);
}

// Bits that are not as they are in a plain frame.
WIDE_INLINE __m512i odd_constants(const struct words *w) {
	__m512i type =
		_mm512_ternarylogic_epi32(w->at[0], two_words((uint32_t)PLAIN_TYPE_IP4 << 16, 0),
			two_words(0xffff0000, 0), DIFFERS_UNDER);
	__m512i version = _mm512_ternarylogic_epi32(
		w->at[1], two_words(RTE_IPV4_VHL_DEF, 0), two_words(0xff, 0), DIFFERS_UNDER);
	__m512i protocol = _mm512_ternarylogic_epi32(
		w->at[3], two_words(IPPROTO_UDP << 8, 0), two_words(0xff00, 0), DIFFERS_UNDER);
	__m512i odd = _mm512_ternarylogic_epi32(
		type, w->at[2], two_words((uint32_t)PLAIN_FRAGMENT << 16, 0), OR_UNDER);

	return _mm512_ternarylogic_epi32(odd, version, protocol, OR_OR);
}

// Lengths of IP and UDP that are not what is left of the frame: first and second word.
WIDE_INLINE __m512i odd_lengths(const struct group *g) {
	const __m256i to_host = _mm256_set_epi8(-1, -1, 12, 13, -1, -1, 8, 9, -1, -1, 4, 5, -1, -1,
		0, 1, -1, -1, 14, 15, -1, -1, 10, 11, -1, -1, 6, 7, -1, -1, 2, 3);
	__m512i both = _mm512_mask_mov_epi32(g->w.at[3], FIRST, g->w.at[1]);
	__m512i len = _mm512_shuffle_epi8(both, _mm512_broadcast_i64x4(to_host));

	return _mm512_xor_si512(
		_mm512_add_epi32(len, two_words(RTE_ETHER_HDR_LEN, UDP_AT)), g->len);
}

// Zero where the ones' complement sum of the IPv4 header, words 1 to 5, is all ones (RFC 1071). Ten
// halves make less than 2^20: folded once, they may leave a carry, but then next to nothing below.
WIDE_INLINE __m512i odd_checksum(const struct words *w) {
	__m512i half = all_lanes(UINT16_MAX);
	__m512i w15 = w->at[1];
	__m512i w24 = _mm512_mask_mov_epi32(w->at[2], SECOND, w->at[0]);
	__m512i w3 = _mm512_maskz_mov_epi32(FIRST, w->at[3]);
	__m512i low = _mm512_add_epi32(_mm512_and_si512(w15, half), _mm512_and_si512(w24, half));
	__m512i high = _mm512_add_epi32(_mm512_srli_epi32(w15, 16), _mm512_srli_epi32(w24, 16));
	__m512i sum = _mm512_add_epi32(low, high);

	sum = _mm512_add_epi32(
		sum, _mm512_add_epi32(_mm512_and_si512(w3, half), _mm512_srli_epi32(w3, 16)));
	sum = _mm512_add_epi32(sum, _mm512_permutex_epi64(sum, SWAPPED));
	sum = _mm512_add_epi32(_mm512_and_si512(sum, half), _mm512_srli_epi32(sum, 16));
	return _mm512_xor_si512(sum, half);
}

WIDE_INLINE __m512i media_port_offset(const struct parse *c, const struct words *w) {
	const __m128i to_host =
		_mm_set_epi8(-1, -1, 14, 15, -1, -1, 10, 11, -1, -1, 6, 7, -1, -1, 2, 3);
	__m512i ports = _mm512_permutex_epi64(w->at[2], SECOND_TWICE);
	__m512i port = _mm512_shuffle_epi8(ports, _mm512_broadcast_i32x4(to_host));

	return _mm512_sub_epi32(port, all_lanes(c->media_port_min));
}

// Whether a frame is plain but for its MAC and local addresses. The source is a host: see
// ipv4_is_host; in FIRST lanes there is none, but a 1.
WIDE_INLINE __mmask16 headers_are_plain(const struct parse *c, struct group *g) {
	__m512i odd = _mm512_ternarylogic_epi32(
		odd_constants(&g->w), odd_lengths(g), odd_checksum(&g->w), OR_OR);
	__m512i net = _mm512_ternarylogic_epi32(
		two_words(1, 0), g->w.at[0], two_words(0, 0xff), OR_UNDER);
	__mmask16 good = _mm512_testn_epi32_mask(odd, odd);

	g->port_offset = media_port_offset(c, &g->w);
	good = _mm512_mask_cmplt_epu32_mask(good, g->port_offset, all_lanes(c->n_media_ports));
	good = _mm512_mask_cmplt_epu32_mask(good, net, all_lanes(224));
	good = _mm512_mask_cmpneq_epu32_mask(good, net, all_lanes(127));
	return _mm512_mask_test_epi32_mask(good, net, net);
}

// The table's word on an address: its place in *k, or KNOWN_MAX.
static uint32_t learn(const struct parse *c, struct known *k, uint32_t dst) {
	const uint64_t addr[2] = {dst, 0};
	uint32_t index = addr_table_find(
		c->addrs, (uint8_t)k->port, 0, RR_FAMILY_IPV4, (const uint8_t *)addr);
	uint32_t at = RTE_MIN(k->n, KNOWN_MAX - 1U);

	if (index == ADDR_NONE)
		return KNOWN_MAX;
	k->dst[at] = dst;
	k->addr[at] = index;
	k->slot[at] = index * c->n_media_ports;
	k->patchable[at] = c->addrs->local[index].partial_checksums ? 0 : UINT32_MAX;
	k->n = at + 1;
	return at;
}

// Frames to the address at a place in *k. Returns the lanes.
WIDE_INLINE __mmask16 take_local(struct group *g, const struct known *k, uint32_t at, __m512i dst) {
	__mmask16 lanes = _mm512_mask_cmpeq_epi32_mask(FIRST, dst, all_lanes(k->dst[at]));

	g->addr = _mm512_mask_mov_epi32(g->addr, lanes, all_lanes(k->addr[at]));
	g->slot = _mm512_mask_mov_epi32(g->slot, lanes, all_lanes(k->slot[at]));
	g->is_patchable |= (__mmask16)(lanes & k->patchable[at]);
	return lanes;
}

// The FIRST lanes of frames to an address of ours. Each such address is looked up once, as long as
// it is known: as a rule a burst has few.
WIDE_INLINE __mmask16 find_local(const struct parse *c, struct group *g, struct known *k) {
	__m512i dst = _mm512_permutex_epi64(g->w.at[1], SWAPPED);
	uint32_t left = FIRST, strange = 0;

	if (k->port != g->port) {
		k->port = g->port;
		k->n = 0;
	}
	g->addr = g->slot = _mm512_setzero_si512();
	g->is_patchable = 0;
	for (uint32_t at = 0; at < k->n; at++)
		left &= ~(uint32_t)take_local(g, k, at, dst);
	while (left & ~strange) {
		uint32_t lane = (uint32_t)__builtin_ctz(left & ~strange);
		uint32_t at = learn(c, k, load32(g->p[item_of(lane)].udp - 4));

		if (at < KNOWN_MAX)
			left &= ~(uint32_t)take_local(g, k, at, dst);
		else
			strange |= 1U << lane;
	}
	return (__mmask16)(FIRST & ~left);
}

// The last 32 bytes of each view, and what is the same in all of them. The slot of what is not
// plain is 0, for prefetch_flows.
WIDE_INLINE void fill_views(struct group *g) {
	__m512i ports = _mm512_permutex_epi64(g->w.at[2], SECOND_TWICE);
	__m512i payload = _mm512_sub_epi32(g->len, all_lanes(HEADERS_LEN));
	__m512i slot = _mm512_maskz_add_epi32(g->is_plain, g->slot, g->port_offset);
	const __m512i words[4] = {
		_mm512_mask_mov_epi32(g->w.at[0], FIRST, slot), // slot | src
		_mm512_maskz_ternarylogic_epi32(FIRST, _mm512_slli_epi32(payload, 16), ports,
			all_lanes(UINT16_MAX), OR_UNDER), // src_port_be, payload_len | 0
		_mm512_maskz_or_epi32(
			FIRST, payload, _mm512_slli_epi32(g->addr, 16)), // n_contiguous, addr | 0
		two_words((uint32_t)sizeof(struct rte_ipv4_hdr) << 16, 0), // vlan, l3_len | 0
	};
	struct words rows = transpose(words);

	RR_STATIC_ASSERT(
		offsetof(struct pkt, slot) == 32 && offsetof(struct pkt, payload_len) == 38 &&
			offsetof(struct pkt, addr) == 42 && offsetof(struct pkt, l3_len) == 46 &&
			offsetof(struct pkt, src) == 48,
		"eight words");
	EACH_ITEM {
		struct pkt *p = &g->p[i];
		__m512i row = rows.at[i & 3];
		__m256i half =
			i < 4 ? _mm512_castsi512_si256(row) : _mm512_extracti64x4_epi64(row, 1);

		p->l2_len = RTE_ETHER_HDR_LEN;
		p->family = RR_FAMILY_IPV4;
		p->is_patchable = true;
		_mm256_storeu_si256((void *)((uint8_t *)p + offsetof(struct pkt, slot)), half);
	}
}

// Few leave without a checksum.
WIDE_INLINE void mark_patchable(struct group *g) {
	__mmask16 has_sum = _mm512_test_epi32_mask(g->w.at[3], two_words(0, 0xffff0000));
	uint32_t patchable = items_of(g->is_patchable & has_sum >> 4);

	if (likely(patchable == 0xff))
		return;
	for (uint32_t i = 0; i < ITEMS; i++)
		g->p[i].is_patchable = patchable >> i & 1;
}

WIDE_INLINE void prefetch_flows(const struct parse *c, const struct group *g) {
	EACH_ITEM {
		const struct rr_flow *f = &c->flows[g->p[i].slot];

		__builtin_prefetch(&f->uid);
		__builtin_prefetch(&f->seq);
	}
}

// The next group's frames. Their views have the place already: nobody reads it before.
WIDE_INLINE void prefetch_frames(struct pkt *p) {
	EACH_ITEM {
		uint8_t *data = rte_pktmbuf_mtod(p[i].m, uint8_t *);

		p[i].udp = data + UDP_AT;
		__builtin_prefetch(data);
	}
}

// A bit per frame.
WIDE_INLINE uint32_t take_group(const struct parse *c, struct pkt *p, struct known *k) {
	struct group g = {.p = p};
	__mmask16 good;
	uint32_t foreign;

	// IPv6 and tags come in whole bursts as a rule, to no use here.
	if (p->m->data_len < HEADERS_LEN || *(p->udp - UDP_AT + 12) != 0x08 || !take_mbufs(&g))
		return 0;
	foreign = foreign_macs(c, &g);
	load_frames(&g);
	good = headers_are_plain(c, &g);
	g.is_plain = (__mmask16)(find_local(c, &g, k) & good & good >> 4);
	fill_views(&g);
	mark_patchable(&g);
	prefetch_flows(c, &g);
	return items_of(g.is_plain) & ~foreign;
}

// The last is not used. It tells CPUs whose clock does not suffer by 512 bits from those before
// them, for whose sake DPDK's drivers keep to 256 unless told otherwise.
bool parse_wide_is_possible(void) {
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vbmi2");
}

WIDE uint64_t parse_wide(const struct parse *c, const struct burst *b) {
	struct pkt *p = b->n > 0 ? b->live[0] : NULL;
	uint32_t n = b->n / ITEMS * ITEMS;
	struct known known = {0};
	uint64_t taken = 0;

	if (n > 0)
		prefetch_frames(p);
	for (uint32_t i = 0; i < n; i += ITEMS) {
		if (i + ITEMS < n)
			prefetch_frames(p + i + ITEMS);
		taken |= (uint64_t)take_group(c, p + i, &known) << i;
	}
	return taken;
}

#else

bool parse_wide_is_possible(void) {
	return false;
}

uint64_t parse_wide(const struct parse *c, const struct burst *b) {
	(void)c;
	(void)b;
	return 0;
}

#endif
