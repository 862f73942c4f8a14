// SPDX-License-Identifier: BSD-2-Clause
// Streams of a recording: which packet stands where, and what is heard at a place.
//
// Packets carry one G.711 code each repeated, so that a sample says which packet it is of. What
// whole files become is tested with extractaudio.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

extern "C" {
#include "audio/playout.h"
#include "audio/track.h"
}

namespace {

const size_t SIZE = 160;
const int64_t PACKET_US = 20000;

class Stream : public testing::Test {
      protected:
	void add(uint16_t seq, uint32_t timestamp, int64_t arrived_us, uint8_t code = 0) {
		std::vector<uint8_t> payload(SIZE, code);
		struct stream_packet p = {};

		p.arrived_us = arrived_us;
		p.codec = &codec_pcma;
		p.payload = payload.data();
		p.payload_len = payload.size();
		p.timestamp = timestamp;
		p.seq = seq;
		ASSERT_EQ(0, stream_add(&s, &p));
	}

	// The i-th packet of a stream that begins at those numbers, so much later than it should.
	void add_nth(int i, int64_t delay_us = 0) {
		add((uint16_t)(first_seq + i), first_timestamp + (uint32_t)i * (uint32_t)SIZE,
			i * PACKET_US + delay_us, (uint8_t)i);
	}

	std::vector<int64_t> places() {
		std::vector<int64_t> found;

		for (size_t i = 0; i < s.n_packets; i++)
			found.push_back(s.packets[i].place);
		return found;
	}

	void TearDown() override {
		stream_clear(&s);
	}

	struct stream s = {};
	uint16_t first_seq = 0xfffe;
	uint32_t first_timestamp = 0xffffff80;
};

using Places = std::vector<int64_t>;

TEST_F(Stream, WrapsAreNoJumps) {
	for (int i = 0; i < 5; i++)
		add_nth(i);
	stream_place(&s, 0);
	EXPECT_EQ((Places{0, 160, 320, 480, 640}), places());
	EXPECT_EQ(0, s.begin);
	EXPECT_EQ(800, s.end);
	EXPECT_EQ(0u, s.counts.n_lost + s.counts.n_late + s.counts.n_resyncs);
}

TEST_F(Stream, AnyOrderGivesTheSamePlaces) {
	std::vector<int> order = {0, 1, 2, 3, 4, 5, 6, 7};
	std::mt19937 random(1);

	for (int round = 0; round < 200; round++) {
		std::shuffle(order.begin(), order.end(), random);
		stream_clear(&s);
		for (int i : order)
			add_nth(i);
		stream_place(&s, 0);
		ASSERT_EQ((Places{0, 160, 320, 480, 640, 800, 960, 1120}), places());
	}
}

TEST_F(Stream, FirstOfTwinsStays) {
	add(1, 0, 0, 1);
	add(2, 160, 20000, 2);
	add(1, 0, 21000, 3);
	add(2, 160, 22000, 4);
	stream_place(&s, 0);
	ASSERT_EQ(2u, s.n_packets);
	EXPECT_EQ(1, s.packets[0].payload[0]);
	EXPECT_EQ(2, s.packets[1].payload[0]);
	EXPECT_EQ(2u, s.counts.n_duplicates);
}

TEST_F(Stream, LossIsCountedAsFarAsItCanBe) {
	add(0, 0, 0);
	add(536, 536 * 160, 536 * PACKET_US); // 535 are missing
	add(1073, 1073 * 160, 1073 * PACKET_US); // too far to be loss
	stream_place(&s, 0);
	EXPECT_EQ(535u, s.counts.n_lost);
	EXPECT_EQ((Places{0, 536 * 160, 1073 * 160}), places());
}

TEST_F(Stream, LateIsNotAnew) {
	add(1000, 536 * 160, 536 * PACKET_US);
	add(464, 0, 537 * PACKET_US); // 536 behind: late
	stream_place(&s, 0);
	EXPECT_EQ(464, s.packets[0].seq);
	EXPECT_EQ(1u, s.counts.n_late);

	stream_clear(&s);
	add(1000, 536 * 160, 0);
	add(463, 0, PACKET_US); // one more: its sender has started anew
	stream_place(&s, 0);
	EXPECT_EQ(1000, s.packets[0].seq);
	EXPECT_EQ((Places{0, 160}), places());
	EXPECT_EQ(1u, s.counts.n_resyncs);
	EXPECT_EQ(0u, s.counts.n_late);
}

TEST_F(Stream, FirstOnTimeSaysWhenAllBegan) {
	add_nth(0, 15000);
	add_nth(1, 8000);
	add_nth(2, 2000);
	add_nth(3, 9000);
	stream_place(&s, 0);
	EXPECT_EQ((Places{16, 176, 336, 496}), places());
}

TEST_F(Stream, SilenceUpToTheBoundIsTheTimestamps) {
	for (int64_t pause_us : {200000, 200125}) { // 1,600 and 1,601 samples
		stream_clear(&s);
		add(0, 0, 0);
		add(1, 160, PACKET_US + pause_us);
		stream_place(&s, 0);
		EXPECT_EQ(pause_us == 200000 ? 160 : 160 + 1601, s.packets[1].place);
		EXPECT_EQ(pause_us == 200000 ? 0u : 1u, s.counts.n_resyncs);
	}
}

TEST_F(Stream, NothingIsPutBeforeWhatWasHeard) {
	add(0, 0, 0);
	add(1, 160, 1000); // so the first one was late
	add(2, 0x80000000, 2000); // came at once, with another clock
	stream_place(&s, 0);
	EXPECT_EQ((Places{-152, 8, 168}), places());
}

TEST_F(Stream, FastClockIsNoResync) {
	for (int i = 0; i < 1000; i++)
		add_nth(i, -i * 1000);
	stream_place(&s, 0);
	EXPECT_EQ(0u, s.counts.n_resyncs);
	EXPECT_EQ(1000 * 160, s.end - s.begin);
}

TEST_F(Stream, TightLeavesOutSilence) {
	add_nth(0);
	add_nth(9);
	add_nth(100);
	stream_place_tight(&s, 50);
	EXPECT_EQ((Places{50, 210, 370}), places());
	stream_shift(&s, -50);
	EXPECT_EQ((Places{0, 160, 320}), places());
	EXPECT_EQ(480, s.end);
}

TEST_F(Stream, UnheardPacketsCountAndAreGone) {
	struct stream_packet p = {};

	add_nth(0);
	p.payload = (const uint8_t *)"";
	p.seq = (uint16_t)(first_seq + 1);
	p.payload_type = 101;
	ASSERT_EQ(0, stream_add(&s, &p));
	add_nth(2);
	stream_place(&s, 0);
	EXPECT_EQ((Places{0, 320}), places());
	EXPECT_EQ(0u, s.counts.n_lost);
	EXPECT_EQ(1u, s.counts.of_type[101]);
}

// In pieces of every size the same is heard: three packets, the third of them after a gap, and
// overlapped by a fourth.
TEST_F(Stream, HeardInPieces) {
	std::vector<int16_t> whole(900);
	struct playout p;

	add(0, 0, 0, 1);
	add(1, 160, 20000, 2);
	add(3, 480, 60000, 3);
	add(4, 560, 70000, 4);
	stream_place(&s, 0);
	playout_init(&p, &s);
	ASSERT_EQ(0, playout_read(&p, 0, whole.size(), whole.data()));
	playout_clear(&p);
	EXPECT_EQ(whole[0], whole[159]);
	EXPECT_EQ(0, whole[320]);
	EXPECT_EQ(0, whole[479]);
	EXPECT_EQ(whole[480], whole[639]) << "what overlaps comes after what it overlaps";
	EXPECT_NE(whole[639], whole[640]);
	EXPECT_NE(0, whole[719]);
	EXPECT_EQ(0, whole[720]);
	for (size_t size : {1, 7, 160, 161, 500}) {
		std::vector<int16_t> pieces(900 + size);

		playout_init(&p, &s);
		for (size_t at = 0; at < 900; at += size)
			ASSERT_EQ(0, playout_read(&p, (int64_t)at, size, &pieces[at]));
		playout_clear(&p);
		pieces.resize(900);
		EXPECT_EQ(whole, pieces) << size;
	}
}

TEST(Track, OneSourceTooMany) {
	struct track *t = new struct track();
	struct stream_packet p = {};

	p.payload = (const uint8_t *)"";
	for (uint32_t ssrc = 0; ssrc < TRACK_STREAMS_MAX; ssrc++)
		ASSERT_EQ(0, track_add(t, ssrc, &p));
	EXPECT_EQ(0, track_add(t, 0, &p));
	EXPECT_EQ(-E2BIG, track_add(t, TRACK_STREAMS_MAX, &p));
	EXPECT_TRUE(track_is_silent(t) == false);
	track_clear(t);
	delete t;
}

} // namespace
