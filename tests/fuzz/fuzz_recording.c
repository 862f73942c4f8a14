// SPDX-License-Identifier: BSD-2-Clause
// libFuzzer target: any bytes as the file of a recording, through reading, placing and decoding.
//
// The first byte says whether it is one party's or both's, and whether silence is left out.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"
#include "input.h"

#define BLOCK_SAMPLES 800

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Every packet that was read is in a stream, or was there before.
static void check_counts(const struct call *c, const struct call_report *report) {
	uint64_t n = 0;

	for (size_t i = 0; i < CALL_PARTIES; i++)
		for (size_t k = 0; k < c->tracks[i].n_streams; k++)
			n += c->tracks[i].streams[k].counts.n_packets +
			     c->tracks[i].streams[k].counts.n_duplicates;
	check(n == report->n_rtp);
}

// Beginning and end; what lies between is decoded on the way.
static void listen(struct call *c) {
	int16_t samples[BLOCK_SAMPLES];
	int64_t end = call_n_samples(c);

	check(end > 0 && end <= CALL_MAX_SAMPLES);
	for (size_t i = 0; i < CALL_PARTIES; i++) {
		check(track_read(&c->tracks[i], 0, BLOCK_SAMPLES, samples) == 0);
		if (end > 2 * BLOCK_SAMPLES)
			check(track_read(&c->tracks[i], end - BLOCK_SAMPLES, BLOCK_SAMPLES,
				      samples) == 0);
	}
}

static void run(const char *path, uint8_t how) {
	struct call *c = call_new();
	struct call_report report;
	int r;

	check(c);
	c->codec_of[96] = &codec_opus;
	r = how & 1 ? call_load(c, path, CALL_O, &report) : call_load_both(c, path, &report);
	check((r < 0 || report.is_damaged) == (report.fault[0] != '\0'));
	if (r == 0) {
		r = how & 2 ? call_place_tight(c) : call_place(c);
		check_counts(c, &report);
		if (r == 0)
			listen(c);
	}
	call_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static int file = -1;
	char path[64];

	if (size == 0)
		return 0;
	if (file < 0)
		file = memfd_create("recording", MFD_CLOEXEC);
	check(file >= 0 && ftruncate(file, 0) == 0 &&
		pwrite(file, data + 1, size - 1, 0) == (ssize_t)size - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	run(path, data[0]);
	return 0;
}
