// SPDX-License-Identifier: BSD-2-Clause
// RTP statistics against a slow model that remembers every number, and against known figures.
//
// The model follows the rules of sequence analysis word by word, with sets and floating point where
// the code has two ends of a stretch, a bitmap and fixed point. Long random streams with loss,
// duplicates, reordering, jumps, markers and changes of SSRC and payload type go through both.
#include <cmath>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "dp_fixture.h"

extern "C" {
#include "flow_totals.h"
#include "rtp_next.h"
}

using namespace dp;

namespace {

// What a stream amounts to, computed the long way.
class Model {
      public:
	void packet(const struct rr_rtp &p, double arrival_us) {
		enum { FORWARD, LATE, DUPLICATE, RUN, SSRC } place = FORWARD;
		int64_t number;

		if (!any || p.ssrc != ssrc) {
			ssrc_changes += any;
			close();
			open(p);
			place = SSRC;
		} else if (!extend(p, &number)) {
			close();
			open(p);
			place = RUN;
		} else if (seen.count(number)) {
			duplicates++;
			place = DUPLICATE;
		} else {
			place = number < highest ? LATE : FORWARD;
			reordered += place == LATE;
			seen.insert(number);
			highest = std::max(highest, number);
			lowest = std::min(lowest, number);
		}
		if (place == SSRC)
			jitter = 0;
		if (place == SSRC || place == RUN)
			sample = false;
		if (place != DUPLICATE)
			take_jitter(p, arrival_us);
	}

	uint64_t sent() const {
		return sent_closed + (any ? (uint64_t)(highest - lowest + 1) : 0);
	}

	uint64_t received() const {
		return received_closed + seen.size();
	}

	uint64_t duplicates = 0, reordered = 0, ssrc_changes = 0;
	double jitter = 0, jitter_max = 0, jitter_sum = 0;
	uint64_t jitter_steps = 0;

      private:
	void close() {
		if (!any)
			return;
		sent_closed += (uint64_t)(highest - lowest + 1);
		received_closed += seen.size();
	}

	void open(const struct rr_rtp &p) {
		any = true;
		ssrc = p.ssrc;
		seen = {p.seq};
		highest = lowest = p.seq;
	}

	bool extend(const struct rr_rtp &p, int64_t *number) const {
		int64_t low = ((highest % 65536) + 65536) % 65536;

		*number = highest - low + p.seq;
		if (p.marker && *number < highest && low != 65535)
			return false;
		if (low < 536 && p.seq > 65000)
			*number -= 65536;
		else if (low > 65000 && low - p.seq > 65000)
			*number += 65536;
		return std::llabs(*number - highest) <= 536;
	}

	void take_jitter(const struct rr_rtp &p, double arrival_us) {
		double rate = rtp_stats_clock_rate(p.payload_type);
		double arrival = std::floor(arrival_us * rate / 1e6);
		double elapsed = std::max(arrival - last_arrival, 1.0);
		double step = (double)(int32_t)(p.timestamp - last_ts);

		if (rate == 0)
			return;
		if (sample && rate == last_rate) {
			if (p.timestamp == last_ts)
				return;
			if (step >= -50 * elapsed && step <= 1024 * elapsed)
				take_step(std::fabs(arrival - last_arrival - step));
		}
		sample = true;
		last_rate = rate;
		last_arrival = arrival;
		last_ts = p.timestamp;
	}

	void take_step(double d) {
		jitter += (d - jitter) / 16;
		jitter_max = std::max(jitter_max, jitter);
		jitter_sum += jitter;
		jitter_steps++;
	}

	bool any = false, sample = false;
	uint32_t ssrc = 0, last_ts = 0;
	double last_rate = 0, last_arrival = 0;
	int64_t highest = 0, lowest = 0;
	std::set<int64_t> seen;
	uint64_t sent_closed = 0, received_closed = 0;
};

class RtpStats : public testing::Test {
      protected:
	RtpStats() {
		rtp_stats_init(flow.get(), cold.get());
		rtp_stats_init(short_flow.get(), short_cold.get());
	}

	void packet(uint16_t seq, uint32_t timestamp = 0, uint32_t ssrc = 1, uint8_t pt = 0,
		bool marker = false) {
		struct rr_rtp p;

		p.ssrc = ssrc;
		p.timestamp = timestamp;
		p.seq = seq;
		p.payload_type = pt;
		p.marker = marker;
		feed(p);
	}

	void feed(const struct rr_rtp &p) {
		rtp_stats_update(flow.get(), cold.get(), &p, now_us);
		feed_the_short_way(p);
		model.packet(p, (double)now_us);
	}

	// As the packet path does. It leaves what the long way leaves.
	void feed_the_short_way(const struct rr_rtp &p) {
		if (rtp_is_next(short_flow.get(), &p)) {
			rtp_take_next(short_flow.get(), short_cold.get(), &p, now_us);
			n_short++;
		} else {
			rtp_stats_update(short_flow.get(), short_cold.get(), &p, now_us);
		}
		ASSERT_EQ(0, memcmp(flow.get(), short_flow.get(), sizeof(struct rr_flow)));
		ASSERT_EQ(0, memcmp(cold.get(), short_cold.get(), sizeof(struct rr_flow_cold)));
	}

	struct rr_flow_totals totals() {
		struct rr_flow_totals t;

		rr_flow_totals(&t, flow.get(), cold.get());
		return t;
	}

	void expect_model() {
		struct rr_flow_totals t = totals();

		ASSERT_EQ(model.sent(), t.n_sent);
		ASSERT_EQ(model.received(), t.n_received);
		ASSERT_EQ(model.sent() - model.received(), t.n_lost);
		ASSERT_EQ(model.duplicates, t.n_duplicates);
		ASSERT_EQ(model.reordered, t.n_reordered);
		ASSERT_EQ(model.ssrc_changes, t.n_ssrc_changes);
		// Fixed point rounds each step by less than a sixteenth, which adds up to one unit.
		ASSERT_NEAR(model.jitter, t.jitter_last, 1.0);
		ASSERT_NEAR(model.jitter_max, t.jitter_max, 1.0);
		ASSERT_NEAR(model.jitter_steps ? model.jitter_sum / (double)model.jitter_steps : 0,
			t.jitter_mean, 1.0);
		ASSERT_EQ(
			model.jitter_steps, cold->jitter_steps + (flow->jitter_part_steps & 0x7fU));
	}

	Zeroed<struct rr_flow> flow;
	Zeroed<struct rr_flow_cold> cold;
	Zeroed<struct rr_flow> short_flow;
	Zeroed<struct rr_flow_cold> short_cold;
	uint32_t n_short = 0; // packets that took the short way
	Model model;
	uint64_t now_us = 1000000;
};

TEST_F(RtpStats, EveryPacketInOrderButTheFirstTakesTheShortWay) {
	for (uint8_t pt : {0, 111}) // with a clock rate of its own, and without
		for (uint16_t i = 0; i < 10; i++, now_us += 20000)
			packet((uint16_t)(100 * pt + i), 160U * i, 1U + pt, pt);
	EXPECT_EQ(18u, n_short);
}

TEST_F(RtpStats, NothingYet) {
	struct rr_flow_totals t = totals();

	EXPECT_EQ(0u, t.n_sent);
	EXPECT_EQ(0u, t.n_received);
	EXPECT_EQ(0.0, t.jitter_last);
	EXPECT_EQ(0.0, t.jitter_mean);
}

TEST_F(RtpStats, NeverInstalled) {
	struct rr_flow_totals t;
	Zeroed<struct rr_flow> f;
	Zeroed<struct rr_flow_cold> c;

	rr_flow_totals(&t, f.get(), c.get());
	EXPECT_EQ(0u, t.n_sent);
	EXPECT_EQ(0u, t.n_received);
}

// The worked example of the protocol reference, section 13.
TEST_F(RtpStats, ReferenceExample) {
	for (uint16_t seq : {10, 11, 12, 12, 15, 14})
		packet(seq, seq * 160U);
	struct rr_flow_totals t = totals();
	EXPECT_EQ(6u, t.n_sent);
	EXPECT_EQ(5u, t.n_received);
	EXPECT_EQ(1u, t.n_duplicates);
	EXPECT_EQ(1u, t.n_lost);
	EXPECT_EQ(1u, t.n_reordered);
	expect_model();
}

TEST_F(RtpStats, Wrap) {
	for (uint32_t i = 65000; i < 65536 + 1000; i++)
		packet((uint16_t)i);
	EXPECT_EQ(1536u, totals().n_sent);
	EXPECT_EQ(0u, totals().n_lost);
	expect_model();
}

TEST_F(RtpStats, LatePacketAcrossTheWrap) {
	for (uint16_t seq : {65533, 65534, 0, 1, 65535, 65535})
		packet(seq);
	EXPECT_EQ(5u, totals().n_sent);
	EXPECT_EQ(5u, totals().n_received);
	EXPECT_EQ(1u, totals().n_reordered);
	EXPECT_EQ(1u, totals().n_duplicates);
	expect_model();
}

TEST_F(RtpStats, LostAcrossTheWrapWithMarker) {
	packet(65535);
	packet(5, 0, 1, 0, true);
	EXPECT_EQ(7u, totals().n_sent);
	expect_model();
}

TEST_F(RtpStats, LostAcrossTheWrap) {
	for (uint16_t seq : {65300, 200})
		packet(seq);
	EXPECT_EQ(437u, totals().n_sent);
	EXPECT_EQ(2u, totals().n_received);
	expect_model();
}

TEST_F(RtpStats, BelowTheFirst) {
	for (uint16_t seq : {5, 4, 65535, 3})
		packet(seq);
	EXPECT_EQ(7u, totals().n_sent);
	EXPECT_EQ(4u, totals().n_received);
	expect_model();
}

TEST_F(RtpStats, JumpsOf536And537) {
	packet(1000);
	packet(1536);
	EXPECT_EQ(537u, totals().n_sent);
	packet(1000);
	EXPECT_EQ(1u, totals().n_duplicates);
	packet(2073); // 537: another run
	EXPECT_EQ(538u, totals().n_sent);
	packet(1537);
	EXPECT_EQ(1074u, totals().n_sent);
	packet(1536 - 1); // 538 back
	EXPECT_EQ(1075u, totals().n_sent);
	expect_model();
}

TEST_F(RtpStats, MarkerBelowTheHighestBeginsARun) {
	packet(100);
	packet(99, 0, 1, 0, true);
	EXPECT_EQ(2u, totals().n_sent);
	EXPECT_EQ(0u, totals().n_reordered);
	packet(65535, 0, 2);
	packet(0, 0, 2, 0, true); // right behind 65535: no reset
	EXPECT_EQ(4u, totals().n_sent);
	packet(100, 0, 3);
	packet(150, 0, 3, 0, true); // above: none either
	EXPECT_EQ(4u + 51, totals().n_sent);
	expect_model();
}

TEST_F(RtpStats, SsrcChange) {
	packet(10, 0, 1);
	packet(11, 0, 2);
	packet(12, 0, 2);
	packet(11, 0, 1);
	EXPECT_EQ(2u, totals().n_ssrc_changes);
	EXPECT_EQ(4u, totals().n_sent);
	EXPECT_EQ(4u, totals().n_received);
	expect_model();
}

TEST_F(RtpStats, LongStretchThenGap) {
	for (uint32_t seq = 0; seq < 5000; seq++)
		packet((uint16_t)seq);
	packet(5500);
	for (uint16_t seq : {4999, 4964, 5499, 5499, 5000})
		packet(seq);
	EXPECT_EQ(5501u, totals().n_sent);
	EXPECT_EQ(5003u, totals().n_received);
	EXPECT_EQ(3u, totals().n_duplicates);
	expect_model();
}

TEST_F(RtpStats, DuplicatesFarBelowAGap) {
	for (uint32_t seq = 0; seq < 5000; seq++)
		packet((uint16_t)seq);
	packet(5001);
	for (uint16_t seq = 4600; seq < 5000; seq++)
		packet(seq);
	EXPECT_EQ(400u, totals().n_duplicates);
	expect_model();
}

TEST_F(RtpStats, ParseErrors) {
	rtp_stats_parse_error(cold.get());
	rtp_stats_parse_error(cold.get());
	EXPECT_EQ(2u, totals().n_parse_errors);
}

TEST_F(RtpStats, InOrderPacketLeavesTheColdPartAlone) {
	packet(1, 160);
	packet(2, 320);
	now_us += 20000;
	packet(3, 480);
	Bytes before((uint8_t *)cold.get(), (uint8_t *)(cold.get() + 1));
	for (uint16_t seq = 4; seq < 40; seq++) {
		now_us += 20000;
		packet(seq, seq * 160U);
	}
	EXPECT_EQ(before, Bytes((uint8_t *)cold.get(), (uint8_t *)(cold.get() + 1)));
	expect_model();
}

TEST_F(RtpStats, SteadyStreamHasNoJitter) {
	for (uint16_t seq = 0; seq < 200; seq++) {
		packet(seq, seq * 160U);
		now_us += 20000;
	}
	EXPECT_EQ(0.0, totals().jitter_max);
	EXPECT_EQ(199u, model.jitter_steps);
	expect_model();
}

TEST_F(RtpStats, JitterStep) {
	packet(0, 0);
	now_us += 20000;
	packet(1, 160);
	now_us += 36000; // 16 ms late: 128 units of 1/8000 s
	packet(2, 320);
	EXPECT_EQ(8.0, totals().jitter_last);
	EXPECT_EQ(8.0, totals().jitter_max);
	EXPECT_EQ(4.0, totals().jitter_mean);
}

// The estimate is that of the code in RFC 3550 A.8, bit for bit.
TEST_F(RtpStats, JitterRoundsAsTheRfcDoes) {
	std::mt19937 random(3);
	uint32_t transit = 0, estimate = 0;

	for (uint32_t seq = 0; seq < 2000; seq++) {
		uint32_t last = transit;

		now_us += 20000 + random() % 32 * 125; // whole units of 1/8000 s
		packet((uint16_t)seq, seq * 160U);
		transit = (uint32_t)(now_us / 125) - seq * 160U;
		if (seq > 0)
			estimate += (uint32_t)std::abs((int32_t)(transit - last)) -
				    ((estimate + 8) >> 4);
		ASSERT_EQ(estimate / 16.0, totals().jitter_last);
	}
	expect_model();
}

TEST_F(RtpStats, RepeatedTimestampIsSkipped) {
	packet(0, 0);
	now_us += 20000;
	packet(1, 160);
	now_us += 7000;
	packet(2, 160);
	now_us += 13000;
	packet(3, 320);
	EXPECT_EQ(0.0, totals().jitter_max);
	expect_model();
}

TEST_F(RtpStats, LateDuplicateIsNoSample) {
	packet(0, 0);
	now_us += 20000;
	packet(1, 160);
	now_us += 20000;
	packet(2, 320);
	now_us += 5000;
	packet(1, 160);
	EXPECT_EQ(0.0, totals().jitter_max);
	expect_model();
}

// The maximum is kept to the last bit, also where its short form on the hot line is rounded.
TEST_F(RtpStats, MaximumIsExact) {
	std::mt19937 random(1);
	double highest = 0;

	for (uint32_t seq = 0; seq < 20000; seq++) {
		now_us += 20000 + (random() % 8 == 0) * (random() % 3000000);
		packet((uint16_t)seq, seq * 160U);
		highest = std::max(highest, totals().jitter_last);
		ASSERT_EQ(highest, totals().jitter_max);
	}
	EXPECT_LT(2048.0, highest);
}

// An estimate between the rounded and the exact maximum changes neither.
TEST_F(RtpStats, EstimateJustBelowTheMaximum) {
	double highest = 0;

	for (uint32_t seq = 0; seq < 1000; seq++) {
		uint32_t late_us = seq < 500 ? 1250000 : 1248750; // 10000 units, then 9990

		now_us += 2000000;
		packet((uint16_t)seq, seq * 16000U + (seq % 2 ? 0 : late_us / 125));
		highest = std::max(highest, totals().jitter_last);
		ASSERT_EQ(highest, totals().jitter_max);
	}
	EXPECT_NEAR(10000, highest, 1);
	EXPECT_NEAR(9990, totals().jitter_last, 1);
}

TEST_F(RtpStats, TimestampResets) {
	packet(0, 0);
	now_us += 20000;
	packet(1, 160 * 1024); // forward by exactly 1024 times what went by
	EXPECT_LT(0.0, totals().jitter_last);
	now_us += 20000;
	packet(2, 160 * 1024 + 160 * 1024 + 1);
	EXPECT_EQ(1u, model.jitter_steps);
	now_us += 20000;
	packet(3, 160 * 2048 + 1 - 160 * 50);
	EXPECT_EQ(2u, model.jitter_steps);
	now_us += 20000;
	packet(4, 160 * 2048 - 160 * 100);
	EXPECT_EQ(2u, model.jitter_steps);
	expect_model();
}

TEST_F(RtpStats, DynamicPayloadTypesHaveNoClock) {
	packet(0, 0, 1, 96);
	now_us += 30000;
	packet(1, 160, 1, 96);
	EXPECT_EQ(0.0, totals().jitter_max);
	expect_model();
}

// A telephone event in a G.711 stream has no clock of its own; the stream goes on behind it.
TEST_F(RtpStats, PayloadTypeChanges) {
	packet(0, 0, 1, 0);
	packet(1, 160, 1, 101);
	now_us += 56000;
	packet(2, 320, 1, 8); // same clock: compared with number 0
	EXPECT_EQ(1u, model.jitter_steps);
	packet(3, 330, 1, 6); // another clock
	EXPECT_EQ(1u, model.jitter_steps);
	packet(4, 340, 1, 101);
	packet(5, 350, 1, 0);
	EXPECT_EQ(1u, model.jitter_steps);
	expect_model();
}

TEST_F(RtpStats, SsrcChangeUnderADynamicType) {
	packet(0, 0, 1, 0);
	packet(1, 160, 2, 101);
	now_us += 56000;
	packet(2, 320, 2, 0);
	EXPECT_EQ(0u, model.jitter_steps);
	expect_model();
}

TEST_F(RtpStats, ClockRates) {
	const uint32_t want[] = {8000, 0, 0, 8000, 8000, 8000, 16000, 8000, 8000, 8000, 44100,
		44100, 8000, 8000, 90000, 8000, 11025, 22050, 8000};

	for (uint32_t pt = 0; pt < 128; pt++)
		EXPECT_EQ(
			pt < RR_ARRAY_LEN(want) ? want[pt] : 0, rtp_stats_clock_rate((uint8_t)pt));
}

// The largest differences that fit: nothing overflows, and the estimate comes down again.
TEST_F(RtpStats, HugeDelays) {
	for (uint16_t seq = 0; seq < 300; seq++) {
		now_us += UINT64_C(3600) * 1000000 * 24 * (seq < 100);
		now_us += 20000;
		packet(seq, seq * 160U);
	}
	struct rr_flow_totals t = totals();
	EXPECT_LT(t.jitter_last, 1000.0);
	EXPECT_GT(t.jitter_max, 1e8);
	EXPECT_LT(t.jitter_max, 134217728.0);
	EXPECT_LE(t.jitter_mean, t.jitter_max);
	EXPECT_GT(t.jitter_mean, 3e7);
}

TEST_F(RtpStats, HalfWrittenNumbersAreRepaired) {
	for (uint16_t seq : {10, 11, 15, 16})
		packet(seq);
	flow->contig_lo = flow->ext_seq_max + 4;
	cold->run_min = flow->ext_seq_max + 9;
	rtp_stats_repair(flow.get(), cold.get());
	EXPECT_EQ(1u, totals().n_sent);
	EXPECT_EQ(1u, totals().n_received);
	EXPECT_EQ(0u, totals().n_lost);
}

// Killed when a gap had been written down and before its end had moved: the stretch before it must
// not count twice.
TEST_F(RtpStats, StretchThatWasWrittenDownCountsOnce) {
	for (uint16_t seq : {10, 11, 12, 14, 15, 16})
		packet(seq);
	cold->n_received += flow->ext_seq_max - flow->contig_lo + 1;
	rtp_stats_repair(flow.get(), cold.get());
	EXPECT_EQ(7u, totals().n_sent);
	EXPECT_EQ(7u, totals().n_received);
	cold->n_received = 90000;
	rtp_stats_repair(flow.get(), cold.get());
	EXPECT_EQ(7u, totals().n_received);
	*short_flow.get() = *flow.get();
	*short_cold.get() = *cold.get();
	packet(18);
	EXPECT_EQ(9u, totals().n_sent);
	EXPECT_EQ(8u, totals().n_received);
}

// A random stream. Each figure is the chance of an event in 1000 packets.
struct Mix {
	int loss, duplicate, reorder, jump, marker, ssrc, type;
};

class RtpStatsRandom : public RtpStats, public testing::WithParamInterface<Mix> {};

TEST_P(RtpStatsRandom, MatchesTheModel) {
	const Mix &mix = GetParam();
	std::mt19937 random(12345);
	auto chance = [&](int per_mille) { return (int)(random() % 1000) < per_mille; };
	std::vector<struct rr_rtp> waiting;
	uint32_t ssrc = 1, sent = 65000;
	uint8_t type = 0;

	for (uint32_t i = 0; i < 30000; i++, sent++) {
		struct rr_rtp p;

		if (chance(mix.ssrc))
			ssrc = random() % 3;
		if (chance(mix.jump))
			sent += random() % 1200;
		if (chance(mix.type))
			type = (uint8_t)(random() % 20);
		now_us += 20000 + random() % 3000;
		p.ssrc = ssrc;
		p.seq = (uint16_t)sent;
		p.timestamp = sent * 160U;
		p.payload_type = type;
		p.marker = chance(mix.marker);
		if (chance(mix.loss))
			continue;
		if (chance(mix.reorder)) {
			waiting.push_back(p);
			continue;
		}
		feed(p);
		if (chance(mix.duplicate))
			feed(p);
		if (!waiting.empty() && chance(50)) {
			feed(waiting.back());
			waiting.pop_back();
		}
		if (i % 500 == 0) {
			ASSERT_NO_FATAL_FAILURE(expect_model()) << "packet " << i;
		}
	}
	expect_model();
}

INSTANTIATE_TEST_SUITE_P(Mixes, RtpStatsRandom,
	testing::Values(Mix{0, 0, 0, 0, 0, 0, 0}, Mix{20, 0, 0, 0, 0, 0, 0},
		Mix{20, 20, 20, 0, 0, 0, 0}, Mix{300, 100, 200, 0, 0, 0, 0},
		Mix{10, 10, 10, 5, 0, 0, 0}, Mix{10, 10, 30, 5, 100, 5, 0},
		Mix{10, 10, 10, 2, 5, 2, 50}, Mix{500, 300, 300, 50, 50, 50, 50}));

// RTP header checks.
bool parses(const Bytes &b) {
	struct rr_rtp p;

	return rr_rtp_parse(b.data(), b.size(), &p);
}

TEST(Rtp, Fields) {
	Bytes b = {0x80, 0x88, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8};
	struct rr_rtp p;

	ASSERT_TRUE(rr_rtp_parse(b.data(), b.size(), &p));
	EXPECT_EQ(0x1234, p.seq);
	EXPECT_EQ(0x01020304u, p.timestamp);
	EXPECT_EQ(0x05060708u, p.ssrc);
	EXPECT_EQ(8, p.payload_type);
	EXPECT_TRUE(p.marker);
}

TEST(Rtp, LengthAndVersion) {
	Bytes b(12, 0);

	EXPECT_FALSE(parses({}));
	EXPECT_FALSE(parses(b));
	b[0] = 0x80;
	EXPECT_TRUE(parses(b));
	b.pop_back();
	EXPECT_FALSE(parses(b));
	for (uint8_t version : {0x00, 0x40, 0xc0})
		EXPECT_FALSE(parses(Bytes{version} + Bytes(11, 0)));
}

TEST(Rtp, RtcpTypes) {
	for (uint32_t second = 0; second < 256; second++)
		EXPECT_EQ(second < 200 || second > 213,
			parses(Bytes{0x80, (uint8_t)second} + Bytes(10, 0)))
			<< second;
}

TEST(Rtp, Csrcs) {
	EXPECT_FALSE(parses(Bytes{0x8f} + Bytes(11 + 59, 0)));
	EXPECT_TRUE(parses(Bytes{0x8f} + Bytes(11 + 60, 0)));
}

TEST(Rtp, Extension) {
	Bytes head = Bytes{0x90} + Bytes(11, 0);

	EXPECT_FALSE(parses(head));
	EXPECT_FALSE(parses(head + Bytes(3, 0)));
	EXPECT_TRUE(parses(head + Bytes(4, 0)));
	EXPECT_FALSE(parses(head + Bytes{0, 0, 0, 1}));
	EXPECT_TRUE(parses(head + Bytes{0, 0, 0, 1, 9, 9, 9, 9}));
	EXPECT_FALSE(parses(head + Bytes{0, 0, 0xff, 0xff, 9, 9, 9, 9}));
}

TEST(Rtp, Padding) {
	Bytes head = Bytes{0xa0} + Bytes(11, 0);

	EXPECT_FALSE(parses(head));
	EXPECT_FALSE(parses(head + Bytes{0}));
	EXPECT_TRUE(parses(head + Bytes{1}));
	EXPECT_FALSE(parses(head + Bytes{0, 3}));
	EXPECT_TRUE(parses(head + Bytes{0, 2}));
}

} // namespace
