// SPDX-License-Identifier: BSD-2-Clause
// Eight items of 32 bytes, transposed for AVX-512: the same word of all of them beside each other.
//
// The eight words of eight items make four registers of sixteen lanes, each with two words, four
// words apart, of every item:
//
//	lanes 0-3: first word of items 0-3	lanes 4-7: second word of items 0-3
//	lanes 8-11: first word of items 4-7	lanes 12-15: second word of items 4-7
//
// FIRST and SECOND are the masks of these. Functions that use them are WIDE themselves, and are
// called where the CPU was asked before.
#pragma once

#include <stdint.h>

#include <rte_vect.h>

#define ITEMS 8U
#define FIRST 0x0f0f
#define SECOND 0xf0f0

// gcc would otherwise cut loads and stores of 32 bytes in half, as CPUs of long ago wanted it. It
// then inlines nothing here that is not told to be.
#if defined(__clang__)
#define TUNE ""
#else
#define TUNE ",tune=skylake-avx512"
#endif
#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl" TUNE)))
#define WIDE_INLINE static inline __attribute__((always_inline)) WIDE
#define EACH_ITEM _Pragma("GCC unroll 8") for (uint32_t i = 0; i < ITEMS; i++)

// Truth tables of three operands.
#define DIFFERS_UNDER 0x28 // (a ^ b) & c
#define OR_UNDER 0xf8 // a | (b & c)
#define OR_OR 0xfe // a | b | c

// Halves of 64 bits in the order of two words' lanes.
#define SECOND_TWICE _MM_PERM_DCDC
#define SWAPPED _MM_PERM_BADC

// Eight words of each of eight items.
struct words {
	__m512i at[4]; // [i]: words i and i + 4
};

// The lanes of two words.
WIDE_INLINE __m512i two_words(uint32_t first, uint32_t second) {
	int a = (int)first, b = (int)second;

	return _mm512_set_epi32(b, b, b, b, a, a, a, a, b, b, b, b, a, a, a, a);
}

WIDE_INLINE __m512i all_lanes(uint32_t word) {
	return _mm512_set1_epi32((int)word);
}

WIDE_INLINE __m512i load_two(const uint8_t *low, const uint8_t *high) {
	__m256i l = _mm256_loadu_si256((const void *)low);
	__m256i h = _mm256_loadu_si256((const void *)high);

	return _mm512_inserti64x4(_mm512_castsi256_si512(l), h, 1);
}

// Words in rows become words in lanes, and the other way round: `x` is four rows and four rows more
// in the upper halves.
WIDE_INLINE struct words transpose(const __m512i x[4]) {
	__m512i low_01 = _mm512_unpacklo_epi32(x[0], x[1]);
	__m512i low_23 = _mm512_unpacklo_epi32(x[2], x[3]);
	__m512i high_01 = _mm512_unpackhi_epi32(x[0], x[1]);
	__m512i high_23 = _mm512_unpackhi_epi32(x[2], x[3]);

	return (struct words){{
		_mm512_unpacklo_epi64(low_01, low_23),
		_mm512_unpackhi_epi64(low_01, low_23),
		_mm512_unpacklo_epi64(high_01, high_23),
		_mm512_unpackhi_epi64(high_01, high_23),
	}};
}

// 32 bytes from each of eight places.
WIDE_INLINE struct words load_words(const uint8_t *const at[ITEMS]) {
	const __m512i rows[4] = {load_two(at[0], at[4]), load_two(at[1], at[5]),
		load_two(at[2], at[6]), load_two(at[3], at[7])};

	return transpose(rows);
}

// A bit per item of the FIRST lanes that are set.
WIDE_INLINE uint32_t items_of(uint32_t lanes) {
	return (lanes & 0x0f) | (lanes >> 4 & 0xf0);
}

WIDE_INLINE uint32_t item_of(uint32_t lane) {
	return (lane & 3) | (lane >> 1 & 4);
}
