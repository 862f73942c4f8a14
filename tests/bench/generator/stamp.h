// SPDX-License-Identifier: BSD-2-Clause
// What the generator writes into a payload, behind the RTP header, and finds in what comes back.
#pragma once

#include <assert.h>
#include <stdint.h>

#define STAMP_MAGIC UINT32_C(0x52524247)
#define RTP_LEN 12

// In the byte order of this machine, which is the only reader.
struct stamp {
	uint32_t magic;
	uint32_t run; // number of the trial, so that a latecomer of the last one is told apart
	uint32_t stream;
	uint32_t number; // of the stream's packets, from 0
	uint64_t sent_tsc;
};

static_assert(sizeof(struct stamp) == 24, "no padding goes over the wire");

// The head of a payload, which is all that differs between two packets of a stream.
#define HEAD_LEN (RTP_LEN + sizeof(struct stamp))
