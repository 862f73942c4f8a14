// SPDX-License-Identifier: BSD-2-Clause
// RTP header checks (RFC 3550 section 5.1): total functions of the bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define RR_RTP_HEADER_LEN 12
#define RR_RTP_CSRC_LEN 4
#define RR_RTP_EXTENSION_LEN 4
// No header is read beyond this many bytes: twelve, fifteen CSRCs, the head of an extension.
#define RR_RTP_MAX_READ (RR_RTP_HEADER_LEN + 15 * RR_RTP_CSRC_LEN + RR_RTP_EXTENSION_LEN)

struct rr_rtp {
	uint32_t ssrc;
	uint32_t timestamp;
	uint16_t seq;
	uint8_t payload_type; // 0..127
	bool marker;
};

static inline uint32_t rr_load_be16(const uint8_t *b) {
	return (uint32_t)b[0] << 8 | b[1];
}

static inline uint32_t rr_load_be32(const uint8_t *b) {
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// RTCP packet types share the byte of RTP's marker and payload type (RFC 5761 section 4).
static inline bool rr_rtp_type_is_rtcp(uint8_t second_byte) {
	return second_byte >= 200 && second_byte <= 213;
}

// Length of fixed header, CSRC list and extension, or 0 when it does not fit in len.
static inline size_t rr_rtp_header_len(const uint8_t *data, size_t len) {
	size_t n = RR_RTP_HEADER_LEN + (size_t)(data[0] & 0x0f) * RR_RTP_CSRC_LEN;

	if (data[0] & 0x10) {
		if (n + RR_RTP_EXTENSION_LEN > len)
			return 0;
		n += RR_RTP_EXTENSION_LEN + (size_t)rr_load_be16(data + n + 2) * 4;
	}
	return n <= len ? n : 0;
}

static inline bool rr_rtp_is_padded(const uint8_t *data) {
	return data[0] & 0x20;
}

// True when the datagram is RTP. It is `len` bytes long; `data` holds its first min(len,
// RR_RTP_MAX_READ) bytes or more, and `last` is its last byte, which counts only if it is padded:
// the end of a datagram is a memory access that nobody else makes.
static inline bool rr_rtp_parse_parts(
	const uint8_t *data, size_t len, uint8_t last, struct rr_rtp *rtp) {
	size_t header_len;

	if (len < RR_RTP_HEADER_LEN || data[0] >> 6 != 2 || rr_rtp_type_is_rtcp(data[1]))
		return false;
	// Neither CSRCs, extension nor padding: what nearly every packet looks like.
	if (RR_UNLIKELY(data[0] & 0x3f)) {
		header_len = rr_rtp_header_len(data, len);
		if (header_len == 0)
			return false;
		if (rr_rtp_is_padded(data) && (last == 0 || last > len - header_len))
			return false;
	}
	rtp->marker = data[1] >> 7;
	rtp->payload_type = data[1] & 0x7f;
	rtp->seq = (uint16_t)rr_load_be16(data + 2);
	rtp->timestamp = rr_load_be32(data + 4);
	rtp->ssrc = rr_load_be32(data + 8);
	return true;
}

// The same for a datagram that lies in one piece.
static inline bool rr_rtp_parse(const uint8_t *data, size_t len, struct rr_rtp *rtp) {
	return len != 0 && rr_rtp_parse_parts(data, len, data[len - 1], rtp);
}

RR_END_DECLS
