// SPDX-License-Identifier: BSD-2-Clause
// Sums of the Internet checksum (RFC 1071): added up in any byte order as long as it is one and the
// same, here that of memory.
#pragma once

#include <stdint.h>

#include "words.h"

// The 16 bits of a sum of words. A half added to the other one, with the carry coming round, is a
// rotation.
static inline uint32_t checksum_fold(uint64_t sum) {
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return half >> 16;
}

// Of an address of 16 bytes, not folded.
static inline uint64_t checksum_addr(const uint8_t addr[16]) {
	uint64_t first = load64(addr), second = load64(addr + 8);

	return (first >> 32) + (first & 0xffffffff) + (second >> 32) + (second & 0xffffffff);
}

// RFC 1624: checksum after `was` became `is`, sums of some addresses and ports, not folded, below
// 2^36 - 2^20. Never 0, which would say that there is none. To subtract is to add the complement: a
// multiple of 0xffff is a zero here.
static inline uint32_t checksum_replace(uint32_t checksum, uint64_t was, uint64_t is) {
	uint64_t sum = (checksum ^ UINT16_MAX) + is + ((UINT64_C(0xffff) << 20) - was);

	checksum = checksum_fold(sum) ^ UINT16_MAX;
	return checksum != 0 ? checksum : UINT16_MAX;
}
