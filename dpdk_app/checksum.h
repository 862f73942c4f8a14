// SPDX-License-Identifier: BSD-2-Clause
// Sums of the Internet checksum (RFC 1071): added up in any byte order as long as it is one and the
// same, here that of memory.
#pragma once

#include <stdint.h>
#include <string.h>

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
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return (half[0] >> 32) + (half[0] & 0xffffffff) + (half[1] >> 32) + (half[1] & 0xffffffff);
}

// Sum of what the UDP checksum covers and a relay changes: addresses (IPv4 in the first four of 16
// bytes, the rest zero), of which the local one was summed up once, and ports. Not folded, below
// 2^36 - 2^20.
static inline uint64_t checksum_sum(
	uint32_t local_sum, const uint8_t remote[16], uint16_t src_port_be, uint16_t dst_port_be) {
	return local_sum + checksum_addr(remote) + src_port_be + dst_port_be;
}

// RFC 1624: checksum after `was` became `is`, both from checksum_sum. Never 0, which would say that
// there is none. To subtract is to add the complement: a multiple of 0xffff is a zero here.
static inline uint16_t checksum_replace(uint16_t checksum, uint64_t was, uint64_t is) {
	uint64_t sum = (uint16_t)~checksum + is + ((UINT64_C(0xffff) << 20) - was);

	checksum = (uint16_t)~checksum_fold(sum);
	return checksum != 0 ? checksum : UINT16_MAX;
}
