// SPDX-License-Identifier: BSD-2-Clause
// A recording in rtpproxy's ad-hoc format: datagrams as they arrived, each behind this header.
//
// A file has no head, no magic number, no version and no end: it is a row of records, and whoever
// died while writing leaves the last one short. The form has been one and the same up to rtpproxy
// 3.2, whose files were compared byte for byte. Numbers are in the byte order of the host that
// wrote them, address and port in network order, as sockaddr has them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

// Linux's AF_INET and AF_INET6; a file from another system may have other numbers.
#define RR_ADHOC_FAMILY_IPV4 2
#define RR_ADHOC_FAMILY_IPV6 10

// Where the datagram came from is said, where it went to is not: that is in the file's name,
// `CALLID=TAG.o.rtp` for what the caller sent and `CALLID=TAG.a.rtp` for what the callee sent.
struct rr_adhoc_record {
	uint16_t family;
	uint16_t port_be;
	uint8_t addr[16]; // of IPv4 the first four bytes, the rest zero
	double arrived_s; // Unix time
	uint16_t datagram_len; // of what follows: RTP or RTCP, whole
} RR_PACKED;

RR_STATIC_ASSERT(offsetof(struct rr_adhoc_record, port_be) == 2, "record form");
RR_STATIC_ASSERT(offsetof(struct rr_adhoc_record, addr) == 4, "record form");
RR_STATIC_ASSERT(offsetof(struct rr_adhoc_record, arrived_s) == 20, "record form");
RR_STATIC_ASSERT(offsetof(struct rr_adhoc_record, datagram_len) == 28, "record form");
RR_STATIC_ASSERT(sizeof(struct rr_adhoc_record) == 30, "record form");

RR_END_DECLS
