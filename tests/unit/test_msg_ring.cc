// SPDX-License-Identifier: BSD-2-Clause
// The message ring from one thread: messages of any length round the end, full and empty, who is
// woken when, and a peer that lies about its index or a length.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "msg_ring.h"

static const uint32_t SIZE = 64;

class MsgRing : public ::testing::Test {
      protected:
	struct rr_msg_ring_shared shared = {};
	// To the byte, so that a sanitizer sees every step outside.
	std::unique_ptr<uint8_t[]> bytes{new uint8_t[SIZE]()};
	struct rr_msg_ring producer, consumer;

	void SetUp() override {
		rr_msg_ring_producer(&producer, &shared, bytes.get(), SIZE);
		rr_msg_ring_consumer(&consumer, &shared, bytes.get(), SIZE);
	}
	int put(const std::string &text) {
		return rr_msg_ring_put(&producer, text.data(), (uint32_t)text.size());
	}
	// The message, or the error in words.
	std::string take(uint32_t size = SIZE) {
		std::vector<char> text(size);
		int n = rr_msg_ring_take(&consumer, text.data(), size);

		return n >= 0         ? std::string(text.data(), (size_t)n)
		       : n == -EAGAIN ? "nothing"
		       : n == -EPROTO ? "nonsense"
				      : std::to_string(n);
	}
	void lie(struct rr_msg_ring_side *side, uint32_t index) {
		rr_store_release(&side->index, index);
	}
};

TEST_F(MsgRing, MessagesComeInTheirOrder) {
	EXPECT_EQ(take(), "nothing");
	EXPECT_EQ(put("one"), 0);
	EXPECT_EQ(put(""), 0);
	EXPECT_EQ(put("three"), 0);
	EXPECT_EQ(take(), "one");
	EXPECT_EQ(take(), "");
	EXPECT_EQ(take(), "three");
	EXPECT_EQ(take(), "nothing");
}

TEST_F(MsgRing, EveryLengthGoesRoundTheEndAtEveryPlace) {
	for (unsigned int i = 0; i < 10 * SIZE; i++) {
		std::string text(i % (SIZE - 3), (char)('a' + i % 26));

		ASSERT_EQ(put(text), 0) << i;
		ASSERT_EQ(take(), text) << i;
	}
}

TEST_F(MsgRing, FullIsNotTooLong) {
	EXPECT_EQ(put(std::string(SIZE - 3, 'x')), -EMSGSIZE);
	EXPECT_EQ(put(std::string(SIZE - 4, 'x')), 0);
	EXPECT_EQ(put(""), -EAGAIN);
	EXPECT_EQ(take(), std::string(SIZE - 4, 'x'));
	EXPECT_EQ(put("room again"), 0);
	EXPECT_EQ(take(), "room again");
}

TEST_F(MsgRing, IndexesRunRoundTheirEnd) {
	lie(&shared.producer, UINT32_MAX - 15);
	lie(&shared.consumer, UINT32_MAX - 15);
	for (struct rr_msg_ring *r : {&producer, &consumer})
		r->own = r->peer = UINT32_MAX - 15;
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(put("twenty bytes of text"), 0) << i;
		ASSERT_EQ(put("and more"), 0) << i;
		ASSERT_EQ(take(), "twenty bytes of text") << i;
		ASSERT_EQ(take(), "and more") << i;
	}
}

TEST_F(MsgRing, LongerThanTheReaderTakesIsNonsense) {
	EXPECT_EQ(put("12345"), 0);
	EXPECT_EQ(take(4), "nonsense");
}

TEST_F(MsgRing, IndexOfTheProducerThatCannotBeIsNonsense) {
	for (uint32_t index : {SIZE + 8, UINT32_MAX - 7, UINT32_C(1) << 31, 4u, 7u, SIZE - 1}) {
		lie(&shared.producer, index);
		EXPECT_EQ(take(), "nonsense") << index;
		EXPECT_EQ(shared.consumer.index, 0u);
	}
	lie(&shared.producer, 0);
	EXPECT_EQ(take(), "nothing");
}

TEST_F(MsgRing, IndexOfTheConsumerThatCannotBeIsNonsense) {
	ASSERT_EQ(put(std::string(SIZE - 4, 'x')), 0);
	for (uint32_t index : {SIZE + 8, UINT32_MAX - 7, 4u, SIZE - 1}) {
		lie(&shared.consumer, index);
		EXPECT_EQ(put("x"), -EPROTO) << index;
	}
}

TEST_F(MsgRing, LengthThatCannotBeIsNonsense) {
	for (uint32_t len :
		{21u, 61u, SIZE, SIZE + 1, UINT32_C(1) << 31, UINT32_MAX - 3, UINT32_MAX}) {
		memcpy(bytes.get(), &len, sizeof(len));
		lie(&shared.producer, 24); // room for 20 bytes
		EXPECT_EQ(take(), "nonsense") << len;
	}
}

TEST_F(MsgRing, WhoWaitsIsWokenOnce) {
	ASSERT_EQ(put("while it is awake"), 0);
	EXPECT_FALSE(rr_msg_ring_must_wake(&producer));
	EXPECT_EQ(take(), "while it is awake");
	rr_msg_ring_wait(&consumer);
	EXPECT_EQ(take(), "nothing");
	ASSERT_EQ(put("one"), 0);
	EXPECT_TRUE(rr_msg_ring_must_wake(&producer));
	ASSERT_EQ(put("two"), 0);
	EXPECT_FALSE(rr_msg_ring_must_wake(&producer));
	EXPECT_EQ(take(), "one");
	EXPECT_EQ(take(), "two");
	ASSERT_EQ(put("it waits no more"), 0);
	EXPECT_FALSE(rr_msg_ring_must_wake(&producer));
}

TEST_F(MsgRing, WhoWasWokenForNothingIsWokenAgain) {
	rr_msg_ring_wait(&consumer);
	EXPECT_TRUE(rr_msg_ring_must_wake(&producer));
	rr_msg_ring_wait(&consumer);
	EXPECT_TRUE(rr_msg_ring_must_wake(&producer));
	EXPECT_FALSE(rr_msg_ring_must_wake(&producer));
}

TEST_F(MsgRing, ProducerIsWokenWhenThereIsRoom) {
	ASSERT_EQ(put(std::string(SIZE - 4, 'x')), 0);
	EXPECT_EQ(put("more"), -EAGAIN);
	rr_msg_ring_wait(&producer);
	EXPECT_EQ(put("more"), -EAGAIN);
	take();
	EXPECT_TRUE(rr_msg_ring_must_wake(&consumer));
	EXPECT_EQ(put("more"), 0);
	take();
	EXPECT_FALSE(rr_msg_ring_must_wake(&consumer));
}
