// SPDX-License-Identifier: BSD-2-Clause
// What the generator of the benchmarks makes and counts: packets with right numbers and checksums,
// every loss, duplicate and reordering on its way back, percentiles, pace and the rate search.
// No packet leaves the process; tests/packets/generator.py has the program at work.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "bench/generator/frame.h"
#include "bench/generator/histogram.h"
#include "bench/generator/meter.h"
#include "bench/generator/pacer.h"
#include "bench/generator/search.h"
#include "bench/generator/streams.h"
}

namespace {

using Frame = std::vector<uint8_t>;

constexpr uint32_t kRun = 7;
constexpr uint64_t kSentTsc = 1000;
constexpr uint64_t kTookTsc = 100;

void Put16(Frame *f, size_t at, unsigned v) {
	(*f)[at] = (uint8_t)(v >> 8);
	(*f)[at + 1] = (uint8_t)v;
}

unsigned Get16(const Frame &f, size_t at) {
	return (unsigned)(f[at] << 8 | f[at + 1]);
}

// Ethernet, optional VLAN tag, IP, UDP and `len` bytes of payload.
Frame MakeFrame(bool ipv6, bool vlan, unsigned len) {
	size_t ip = vlan ? 18 : 14, udp = ip + (ipv6 ? 40 : 20);
	Frame f(udp + 8 + len, 0x5a);

	if (vlan)
		Put16(&f, 12, 0x8100);
	Put16(&f, ip - 2, ipv6 ? 0x86dd : 0x0800);
	f[ip] = ipv6 ? 0x60 : 0x45;
	if (!ipv6)
		Put16(&f, ip + 6, 0x4000);
	f[ip + (ipv6 ? 6 : 9)] = 17;
	Put16(&f, udp + 4, 8 + len);
	if (len >= 12) {
		Put16(&f, udp + 8, 0x8000);
		Put16(&f, udp + 10, 65535);
	}
	return f;
}

// Sum over pseudo header and datagram, which is 0xffff when its checksum is right.
unsigned DatagramSum(const Frame &f) {
	struct frame_udp u;
	unsigned long sum = 17;

	EXPECT_EQ(frame_find_udp(f.data(), (uint32_t)f.size(), &u), 0);
	sum += u.len;
	for (size_t at = u.ip_at + (u.is_ipv6 ? 8 : 12); at < u.at; at += 2)
		sum += Get16(f, at);
	for (size_t at = u.at; at + 1 < (size_t)u.at + u.len; at += 2)
		sum += Get16(f, at);
	if (u.len & 1)
		sum += (unsigned long)f[u.at + u.len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

std::string WriteCapture(const std::vector<Frame> &frames) {
	std::string path = testing::TempDir() + "generator." + std::to_string(getpid()) + ".pcap";
	const uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
	FILE *file = fopen(path.c_str(), "wb");

	fwrite(header, sizeof(header), 1, file);
	for (const Frame &f : frames) {
		const uint32_t record[4] = {0, 0, (uint32_t)f.size(), (uint32_t)f.size()};
		fwrite(record, sizeof(record), 1, file);
		fwrite(f.data(), f.size(), 1, file);
	}
	fclose(file);
	return path;
}

int Load(struct streams *s, const std::vector<Frame> &frames) {
	std::string path = WriteCapture(frames);
	char *paths[] = {&path[0]};
	int ret = streams_load(s, paths, 1);

	remove(path.c_str());
	return ret;
}

class Generator : public testing::Test {
      protected:
	void Begin(const std::vector<Frame> &frames) {
		ASSERT_EQ(Load(&streams, frames), 0);
		ASSERT_EQ(meter_init(&meter, streams.n), 0);
		meter_reset(&meter, kRun);
		for (uint32_t i = 0; i < streams.n; i++)
			meter_expect(&meter, i, 0);
	}
	void TearDown() override {
		meter_fini(&meter);
		streams_free(&streams);
	}
	Frame Make(uint32_t stream, uint32_t run = kRun) {
		struct stamp stamp = {STAMP_MAGIC, run, 0, 0, kSentTsc};
		Frame f(streams.stream[stream].len);

		streams_make(&streams, stream, &stamp, f.data());
		return f;
	}
	std::vector<Frame> MakeMany(uint32_t stream, unsigned n) {
		std::vector<Frame> all;

		for (unsigned i = 0; i < n; i++)
			all.push_back(Make(stream));
		return all;
	}
	void Take(const Frame &f) {
		meter_take(&meter, f.data(), (uint32_t)f.size(), kSentTsc + kTookTsc);
	}

	struct streams streams = {};
	struct meter meter = {};
};

TEST_F(Generator, PacketsAdvanceAndTheirChecksumsAreRight) {
	for (bool ipv6 : {false, true}) {
		for (bool vlan : {false, true}) {
			for (unsigned len : {36U, 37U, 172U}) {
				Begin({MakeFrame(ipv6, vlan, len)});
				size_t payload = streams.stream[0].udp_at + 8;
				Frame first = Make(0), second = Make(0);
				EXPECT_EQ(Get16(first, payload + 2), 65535U);
				EXPECT_EQ(Get16(second, payload + 2), 0U);
				EXPECT_EQ(Get16(second, payload + 6) - Get16(first, payload + 6),
					160U);
				EXPECT_EQ(first[payload], 0x80);
				EXPECT_EQ(DatagramSum(first), 0xffffU);
				EXPECT_EQ(DatagramSum(second), 0xffffU);
				streams.rtp = false;
				Frame opaque = Make(0);
				EXPECT_EQ(opaque[payload], 0);
				EXPECT_EQ(DatagramSum(opaque), 0xffffU);
				TearDown();
			}
		}
	}
}

TEST_F(Generator, RefusesCapturesThatItCannotStamp) {
	Frame tcp = MakeFrame(false, false, 172), cut = tcp, fragment = tcp;

	tcp[14 + 9] = 6;
	cut.resize(100);
	Put16(&fragment, 14 + 6, 0x2000);
	for (const Frame &f : {tcp, cut, fragment, MakeFrame(true, false, 35), Frame(60)})
		EXPECT_LT(Load(&streams, {f}), 0);
	EXPECT_LT(Load(&streams, {}), 0);
	EXPECT_LT(Load(&streams, {MakeFrame(false, false, 36), MakeFrame(false, false, 172)}), 0);
}

TEST_F(Generator, NothingIsMissing) {
	Begin({MakeFrame(false, false, 172), MakeFrame(true, true, 172)});
	for (int i = 0; i < 100; i++) {
		Take(Make(0));
		Take(Make(1));
	}
	EXPECT_EQ(meter.n_received, 200U);
	EXPECT_EQ(meter.n_reordered + meter.n_duplicates + meter.n_stale + meter.n_foreign, 0U);
	EXPECT_EQ(meter.latency.n, 200U);
	EXPECT_EQ(meter.latency.max, kTookTsc);
}

TEST_F(Generator, CountsLossDuplicatesAndReordering) {
	Begin({MakeFrame(false, false, 172)});
	std::vector<Frame> f = MakeMany(0, 100);

	for (int i : {0, 1, 4, 2, 4, 1, 0, 5})
		Take(f[i]);
	EXPECT_EQ(meter.n_received, 5U); // 3 is lost
	EXPECT_EQ(meter.n_reordered, 1U);
	EXPECT_EQ(meter.n_duplicates, 3U);
	Take(f[68]);
	Take(f[5]); // the oldest of the window
	Take(f[4]); // behind it
	EXPECT_EQ(meter.n_received, 6U);
	EXPECT_EQ(meter.n_duplicates, 4U);
	EXPECT_EQ(meter.n_stale, 1U);
	Take(f[6]);
	EXPECT_EQ(meter.n_reordered, 2U);
}

TEST_F(Generator, KnowsWhatIsNotOfThisTrial) {
	Begin({MakeFrame(false, false, 172)});
	Frame late = Make(0, kRun - 1), broken = Make(0), short_one = Make(0);

	broken[14 + 20 + 8 + 12] ^= 1;
	short_one.resize(60);
	Frame arp(60);
	for (const Frame &f : {late, broken, short_one, arp})
		Take(f);
	EXPECT_EQ(meter.n_foreign, 4U);
	EXPECT_EQ(meter.n_received, 0U);
}

TEST_F(Generator, DoesNotTimeWhatWasUnderWayInAStall) {
	Begin({MakeFrame(false, false, 172)});
	meter.stall_end_tsc = kSentTsc;
	Take(Make(0));
	meter.stall_end_tsc = kSentTsc - 1;
	Take(Make(0));
	EXPECT_EQ(meter.n_received, 2U);
	EXPECT_EQ(meter.n_untimed, 1U);
	EXPECT_EQ(meter.latency.n, 1U);
}

TEST(Histogram, CountsWhatIsGreater) {
	static struct histogram h;

	EXPECT_EQ(histogram_above(&h, 0), 0U);
	for (uint64_t v : {1, 1000, 1001, 1100, 5000, 1000000})
		histogram_add(&h, v, 1);
	EXPECT_EQ(histogram_above(&h, 0), 6U);
	EXPECT_EQ(histogram_above(&h, 1000), 3U); // 1001 is in one bucket with it
	EXPECT_EQ(histogram_above(&h, 1000000), 0U);
	EXPECT_EQ(histogram_above(&h, UINT64_MAX), 0U);
}

TEST(Histogram, PercentilesAreWithinABucket) {
	static struct histogram h;

	EXPECT_EQ(histogram_at(&h, 0.5), 0U);
	for (uint64_t v = 1; v <= 100000; v++)
		histogram_add(&h, v, 1);
	for (double share : {0.5, 0.99, 0.999, 0.9999}) {
		EXPECT_GE((double)histogram_at(&h, share), share * 100000);
		EXPECT_LE((double)histogram_at(&h, share), share * 100000 * 1.016);
	}
	EXPECT_EQ(histogram_at(&h, 1), 100000U);
	histogram_add(&h, UINT64_MAX, 1);
	EXPECT_EQ(histogram_at(&h, 1), UINT64_MAX);
	EXPECT_EQ(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

TEST(Histogram, BucketsFollowEachOther) {
	uint32_t last = 0;

	for (uint64_t v = 0; v < 100000; v++) {
		uint32_t bucket = histogram_bucket(v);
		ASSERT_TRUE(bucket == last || bucket == last + 1) << v;
		last = bucket;
	}
}

TEST(Pacer, SendsAtTheRateInBursts) {
	struct pacer p = pacer_begin(0.5, 100);

	EXPECT_EQ(pacer_take(&p, 100), 0U);
	EXPECT_EQ(pacer_take(&p, 101), 0U);
	EXPECT_EQ(pacer_take(&p, 102), 1U);
	EXPECT_EQ(pacer_take(&p, 102), 0U);
	EXPECT_EQ(pacer_take(&p, 102 + 100), (uint32_t)PACER_BURST);
	EXPECT_EQ(pacer_take(&p, 102 + 100), 50U - PACER_BURST);
	EXPECT_EQ(p.n_slipped, 0U);
}

TEST(Pacer, OwesNoMoreThanAFewBursts) {
	struct pacer p = pacer_begin(1, 0);
	uint32_t n = 0;

	for (int i = 0; i < 100; i++)
		n += pacer_take(&p, 1000);
	EXPECT_EQ(n, (uint32_t)PACER_DEBT);
	EXPECT_EQ(p.n_slipped, 1000U - PACER_DEBT);
}

// A device that loses packets above a rate, and sometimes below it.
struct Device {
	double loses_above;
	double generator_above;
	std::vector<int> bad; // trials that lose something at any rate
	int n = 0;
	double highest_kept = 0;
	int patience = 1000000; // trials after which the search is over
};

enum verdict TryDevice(void *context, double per_second) {
	Device *d = static_cast<Device *>(context);

	d->n++;
	for (int bad : d->bad)
		if (bad == d->n)
			return VERDICT_LOST;
	if (per_second > d->generator_above)
		return VERDICT_NOT_OFFERED;
	return per_second > d->loses_above ? VERDICT_LOST : VERDICT_PASSED;
}

bool IsOver(void *context) {
	Device *d = static_cast<Device *>(context);

	return d->n >= d->patience;
}

struct search_result Search(Device *d, unsigned n_tries = 1, unsigned n_repeats = 2) {
	struct search s = {1e7, 0.01, n_tries, n_repeats, TryDevice, IsOver, d};
	struct search_result result = {};

	EXPECT_EQ(search_run(&s, &result), 0);
	return result;
}

TEST(Search, FindsTheEdge) {
	Device d = {3210987, 1e9, {}};
	struct search_result r = Search(&d);

	EXPECT_LE(r.per_second, 3210987);
	EXPECT_GE(r.per_second, 3210987 * 0.985);
	EXPECT_EQ(r.limit, VERDICT_LOST);
	EXPECT_LT(d.n, 16);
}

TEST(Search, SaysWhatSetTheLimit) {
	Device fast = {1e9, 1e9, {}}, slow_generator = {1e9, 4e6, {}}, deaf = {-1, 1e9, {}};

	EXPECT_EQ(Search(&fast).per_second, 1e7);
	EXPECT_EQ(Search(&fast).limit, VERDICT_PASSED);
	EXPECT_EQ(Search(&slow_generator).limit, VERDICT_NOT_OFFERED);
	EXPECT_EQ(Search(&deaf).per_second, 0);
}

TEST(Search, TriesAgainWhatOneDisturbanceSpoilt) {
	Device d = {3210987, 1e9, {3, 8}};

	EXPECT_GE(Search(&d, 2).per_second, 3210987 * 0.985);
}

TEST(Search, GoesDownFromARateThatDoesNotHold) {
	Device d = {3210987, 1e9, {}};
	double edge = Search(&d).per_second;
	int n = d.n;

	d = {3210987, 1e9, {n}}; // its last repeat
	double lower = Search(&d).per_second;
	EXPECT_LT(lower, edge);
	EXPECT_GT(lower, edge * 0.95);
	EXPECT_LT(d.n, n + 6); // what passed below it needs no search again
}

TEST(Search, EndsWithWhatHasPassedWhenItIsOver) {
	Device d = {3210987, 1e9, {}}, deaf = {-1, 1e9, {}}, never_again = {3210987, 1e9, {}};

	d.patience = 5;
	EXPECT_EQ(Search(&d).per_second, 1e7 * 5 / 16); // 10, 5, 2.5, 3.75, 3.125
	EXPECT_EQ(d.n, 5);
	deaf.patience = 6;
	EXPECT_EQ(Search(&deaf, 2).per_second, 0);
	EXPECT_EQ(deaf.n, 6);
	for (int i = 12; i < 1000; i++)
		never_again.bad.push_back(i);
	never_again.patience = 20;
	EXPECT_EQ(Search(&never_again).limit, VERDICT_LOST);
	EXPECT_EQ(never_again.n, 20);
}

TEST(Search, EndsWhenATrialIsAborted) {
	auto abort = [](void *, double) { return VERDICT_ABORTED; };
	auto never = [](void *) { return false; };
	struct search s = {1e7, 0.01, 2, 2, abort, never, nullptr};
	struct search_result result;

	EXPECT_LT(search_run(&s, &result), 0);
}

} // namespace
