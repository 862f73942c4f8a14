// SPDX-License-Identifier: BSD-2-Clause
// SipHash-2-4 under a key that is random in every process: strangers choose the bytes we hash.
#include "keyed_hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned int n) {
	return x << n | x >> (64 - n);
}

static void sip_rounds(struct sip *s, unsigned int n) {
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static void sip_word(struct sip *s, uint64_t word) {
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

// Up to eight bytes, little endian.
static uint64_t load(const uint8_t *p, size_t n) {
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

uint64_t keyed_hash_with(const uint64_t key[2], const void *bytes, size_t len) {
	const uint8_t *p = bytes;
	struct sip s = {
		.v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
		.v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = key[1] ^ UINT64_C(0x7465646279746573),
	};
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(&s, load(p, 8));
	sip_word(&s, load(p, left) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t keyed_hash(const void *bytes, size_t len) {
	static uint64_t key[2];
	static bool drawn;

	if (!drawn) {
		// A known key would let strangers aim at one hash chain.
		if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
			abort();
		drawn = true;
	}
	return keyed_hash_with(key, bytes, len);
}
