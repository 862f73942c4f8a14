// SPDX-License-Identifier: BSD-2-Clause
// libFuzzer target: any bytes as datagrams on an RTP port, through header checks and statistics.
//
// The input is a row of datagrams: one byte of length, one byte of waiting time, then the bytes.
#include <stdlib.h>
#include <string.h>

#include "flow_totals.h"
#include "rtp_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_totals(const struct rr_flow *f, const struct rr_flow_cold *c, uint64_t n_rtp) {
	struct rr_flow_totals t;

	rr_flow_totals(&t, f, c);
	if (t.n_received + t.n_duplicates != n_rtp || t.n_received > t.n_sent ||
		t.n_sent > t.n_received * 537 || t.n_lost != t.n_sent - t.n_received)
		abort();
	if (t.jitter_last > t.jitter_max || t.jitter_mean > t.jitter_max)
		abort();
}

// True when the datagram was counted as RTP. It is given in memory of its exact size.
static bool feed(struct rr_flow *f, struct rr_flow_cold *c, const uint8_t *data, size_t len,
	uint64_t now_us) {
	uint8_t *copy = malloc(len ? len : 1);
	struct rr_rtp rtp;
	bool is_rtp;

	if (!copy)
		abort();
	memcpy(copy, data, len);
	is_rtp = rr_rtp_parse(copy, len, &rtp);
	free(copy);
	if (is_rtp)
		rtp_stats_update(f, c, &rtp, now_us);
	else
		rtp_stats_parse_error(c);
	return is_rtp;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct rr_flow f = {0};
	struct rr_flow_cold c = {0};
	uint64_t now_us = 1000000, n_rtp = 0;

	rtp_stats_init(&f, &c);
	while (size >= 2) {
		size_t len = data[0] < size - 2 ? data[0] : size - 2;

		now_us += (uint64_t)data[1] * data[1] * 100;
		n_rtp += feed(&f, &c, data + 2, len, now_us);
		data += 2 + len;
		size -= 2 + len;
		check_totals(&f, &c, n_rtp);
	}
	return 0;
}
