// SPDX-License-Identifier: BSD-2-Clause
// Words of a packet: read and written as they lie in memory, at any alignment.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t load16(const uint8_t *at) {
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t load32(const uint8_t *at) {
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t load64(const uint8_t *at) {
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void store16(uint8_t *at, uint16_t word) {
	memcpy(at, &word, sizeof(word));
}

static inline void store32(uint8_t *at, uint32_t word) {
	memcpy(at, &word, sizeof(word));
}

static inline void store64(uint8_t *at, uint64_t word) {
	memcpy(at, &word, sizeof(word));
}
