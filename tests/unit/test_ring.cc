// SPDX-License-Identifier: BSD-2-Clause
// The ring between two processes, one call at a time: order, limits, wrap-around, a lying peer, and
// a side that died and came back. stress_ring.c does the same with two threads.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "ring.h"

namespace {

constexpr uint32_t n_slots = 8;
constexpr uint8_t canary = 0xa5;

struct message {
	uint64_t number;
	uint64_t inverse;
};

message message_of(uint64_t number) {
	return {number, ~number};
}

// One ring with a canary on both sides of its slots.
class Ring : public testing::Test {
      protected:
	static constexpr size_t margin = 256;
	static constexpr size_t slots_size = n_slots * sizeof(message);

	rr_ring_shared shared = {};
	std::vector<uint8_t> memory = std::vector<uint8_t>(slots_size + 2 * margin, canary);
	rr_ring producer = {};
	rr_ring consumer = {};

	void SetUp() override {
		attach_at(0, 0);
	}

	void TearDown() override {
		for (size_t i = 0; i < margin; i++) {
			ASSERT_EQ(memory[i], canary)
				<< "written " << margin - i << " before the slots";
			ASSERT_EQ(memory[margin + slots_size + i], canary)
				<< "written " << i << " behind the slots";
		}
	}

	uint8_t *slots() {
		return memory.data() + margin;
	}

	void attach_at(uint32_t tail, uint32_t head) {
		shared.tail = tail;
		shared.head = head;
		ASSERT_EQ(attach_producer(), 0);
		ASSERT_EQ(attach_consumer(), 0);
	}

	int attach_producer() {
		return rr_ring_attach_producer(
			&producer, &shared, slots(), n_slots, sizeof(message));
	}

	int attach_consumer() {
		return rr_ring_attach_consumer(
			&consumer, &shared, slots(), n_slots, sizeof(message));
	}

	int push(uint64_t number) {
		message m = message_of(number);

		return rr_ring_push(&producer, &m);
	}

	// The number of the next message, or a negative value: -1 when empty, else the errno.
	int64_t pop() {
		message m = {};
		int ret = rr_ring_pop(&consumer, &m);

		if (ret <= 0)
			return ret == 0 ? -1 : ret;
		EXPECT_EQ(ret, 1);
		EXPECT_EQ(m.inverse, ~m.number);
		return (int64_t)m.number;
	}
};

TEST_F(Ring, RefusesSizesThatCannotBeMasked) {
	for (uint32_t bad : {0u, 3u, 6u, 4095u, UINT32_MAX}) {
		EXPECT_EQ(rr_ring_attach_producer(&producer, &shared, slots(), bad, 16), -EINVAL);
		EXPECT_EQ(rr_ring_attach_consumer(&consumer, &shared, slots(), bad, 16), -EINVAL);
	}
	EXPECT_EQ(rr_ring_attach_producer(&producer, &shared, slots(), 8, 0), -EINVAL);
	EXPECT_EQ(rr_ring_attach_consumer(&consumer, &shared, slots(), 8, 0), -EINVAL);
}

TEST_F(Ring, IsEmptyAtFirst) {
	EXPECT_EQ(pop(), -1);
	EXPECT_EQ(rr_ring_room(&producer), (int)n_slots);
}

TEST_F(Ring, KeepsOrderAndContents) {
	for (uint64_t i = 0; i < n_slots; i++)
		ASSERT_EQ(push(100 + i), 0);
	for (uint64_t i = 0; i < n_slots; i++)
		ASSERT_EQ(pop(), (int64_t)(100 + i));
	EXPECT_EQ(pop(), -1);
}

TEST_F(Ring, HoldsExactlyItsSlots) {
	for (uint64_t i = 0; i < n_slots; i++) {
		EXPECT_EQ(rr_ring_room(&producer), (int)(n_slots - i));
		ASSERT_EQ(push(i), 0);
	}
	EXPECT_EQ(rr_ring_room(&producer), 0);
	EXPECT_EQ(push(n_slots), -ENOSPC);
	EXPECT_EQ(pop(), 0);
	EXPECT_EQ(push(n_slots), 0);
	EXPECT_EQ(push(n_slots + 1), -ENOSPC);
	for (uint64_t i = 1; i <= n_slots; i++)
		EXPECT_EQ(pop(), (int64_t)i);
	EXPECT_EQ(pop(), -1);
}

TEST_F(Ring, IndexesRunThroughZero) {
	// the 32-bit indexes wrap while the ring is empty, half full and full
	attach_at(UINT32_MAX - 20, UINT32_MAX - 20);
	uint64_t in = 0;
	uint64_t out = 0;
	for (uint32_t level : {1u, n_slots / 2, n_slots, n_slots, n_slots}) {
		for (uint32_t i = 0; i < level; i++)
			ASSERT_EQ(push(in++), 0);
		if (level == n_slots) {
			ASSERT_EQ(push(in), -ENOSPC);
		}
		for (uint32_t i = 0; i < level; i++)
			ASSERT_EQ(pop(), (int64_t)out++);
		ASSERT_EQ(pop(), -1);
	}
	EXPECT_EQ(shared.tail, (uint32_t)(UINT32_MAX - 20 + in));
	EXPECT_EQ(shared.head, shared.tail);
}

TEST_F(Ring, ConsumerRefusesAnImpossibleTail) {
	ASSERT_EQ(push(1), 0);
	ASSERT_EQ(pop(), 1);
	const uint32_t good = shared.tail;
	for (uint32_t wrong : {good + n_slots + 1, good - 1, good + 0x80000000u, good - n_slots}) {
		shared.tail = wrong;
		EXPECT_EQ(pop(), -EPROTO) << wrong;
		EXPECT_EQ(pop(), -EPROTO) << "it stays refused while it stays wrong";
		EXPECT_EQ(shared.head, good) << "nothing is released";
	}
	// a peer that comes to its senses is served again
	shared.tail = good;
	EXPECT_EQ(pop(), -1);
	EXPECT_EQ(push(2), 0);
	EXPECT_EQ(pop(), 2);
}

TEST_F(Ring, ConsumerTakesNoMoreThanTheRingHolds) {
	// the greatest tail that can be right: as many messages as slots, then empty
	shared.tail = n_slots;
	for (uint32_t i = 0; i < n_slots; i++) {
		message m = {};

		EXPECT_EQ(rr_ring_pop(&consumer, &m), 1);
	}
	EXPECT_EQ(pop(), -1);
}

TEST_F(Ring, ProducerRefusesAnImpossibleHead) {
	for (uint64_t i = 0; i < n_slots; i++)
		ASSERT_EQ(push(i), 0);
	const uint32_t tail = shared.tail;
	for (uint32_t wrong : {tail + 1, tail - n_slots - 1, tail + 0x80000000u}) {
		shared.head = wrong;
		EXPECT_EQ(push(99), -EPROTO) << wrong;
		EXPECT_EQ(rr_ring_room(&producer), -EPROTO) << wrong;
		EXPECT_EQ(push(99), -EPROTO) << "it stays refused while it stays wrong";
		EXPECT_EQ(shared.tail, tail) << "nothing is published";
	}
	shared.head = tail;
	EXPECT_EQ(push(99), 0);
	EXPECT_EQ(rr_ring_room(&producer), (int)n_slots - 1);
}

TEST_F(Ring, ProducerGoesOnWhereADeadOneStopped) {
	ASSERT_EQ(push(1), 0);
	ASSERT_EQ(push(2), 0);
	producer = {};
	ASSERT_EQ(attach_producer(), 0);
	ASSERT_EQ(push(3), 0);
	for (int64_t i = 1; i <= 3; i++)
		EXPECT_EQ(pop(), i);
	EXPECT_EQ(pop(), -1);
}

TEST_F(Ring, ProducerKilledBeforeThePublishLosesOnlyThatMessage) {
	ASSERT_EQ(push(1), 0);
	// what remains of a push whose writer died between slot and index
	message half = message_of(77);
	memcpy(slots() + sizeof(message), &half, sizeof(half));
	ASSERT_EQ(attach_producer(), 0);
	EXPECT_EQ(pop(), 1);
	EXPECT_EQ(pop(), -1);
	ASSERT_EQ(push(2), 0);
	EXPECT_EQ(pop(), 2);
}

TEST_F(Ring, ConsumerGoesOnWhereADeadOneStopped) {
	for (uint64_t i = 1; i <= 3; i++)
		ASSERT_EQ(push(i), 0);
	ASSERT_EQ(pop(), 1);
	consumer = {};
	ASSERT_EQ(attach_consumer(), 0);
	EXPECT_EQ(pop(), 2);
	EXPECT_EQ(pop(), 3);
	EXPECT_EQ(pop(), -1);
}

TEST_F(Ring, ConsumerKilledBeforeTheReleaseIsServedTheMessageAgain) {
	ASSERT_EQ(push(1), 0);
	ASSERT_EQ(push(2), 0);
	// its release went nowhere
	rr_ring_shared lost = shared;
	message m = {};
	consumer.shared = &lost;
	ASSERT_EQ(rr_ring_pop(&consumer, &m), 1);
	ASSERT_EQ(m.number, 1u);
	ASSERT_EQ(attach_consumer(), 0);
	EXPECT_EQ(pop(), 1);
	EXPECT_EQ(pop(), 2);
}

TEST_F(Ring, AttachToBrokenIndexesLeavesAnEmptyRing) {
	for (uint32_t tail : {n_slots + 1, 0x80000000u, UINT32_MAX}) {
		shared.tail = tail;
		shared.head = 0;
		EXPECT_EQ(attach_producer(), -EPROTO) << tail;
		EXPECT_EQ(attach_consumer(), 0) << "the producer repaired its index";
		EXPECT_EQ(pop(), -1);
		EXPECT_EQ(push(5), 0);
		EXPECT_EQ(pop(), 5);

		shared.tail = tail;
		shared.head = 0;
		EXPECT_EQ(attach_consumer(), -EPROTO) << tail;
		EXPECT_EQ(attach_producer(), 0) << "the consumer repaired its index";
		EXPECT_EQ(pop(), -1);
		EXPECT_EQ(push(6), 0);
		EXPECT_EQ(pop(), 6);
	}
}

TEST_F(Ring, SlotsOfAnySizeAreCopiedWhole) {
	for (uint32_t size : {1u, 7u, 32u, 64u, 128u}) {
		std::vector<uint8_t> store(n_slots * size);
		std::vector<uint8_t> in(size);
		std::vector<uint8_t> out(size);

		std::iota(in.begin(), in.end(), (uint8_t)1);
		shared = {};
		ASSERT_EQ(rr_ring_attach_producer(&producer, &shared, store.data(), n_slots, size),
			0);
		ASSERT_EQ(rr_ring_attach_consumer(&consumer, &shared, store.data(), n_slots, size),
			0);
		for (uint32_t i = 0; i < 3 * n_slots; i++) {
			ASSERT_EQ(rr_ring_push(&producer, in.data()), 0);
			ASSERT_EQ(rr_ring_pop(&consumer, out.data()), 1);
			ASSERT_EQ(in, out);
			std::rotate(in.begin(), in.begin() + 1, in.end());
		}
	}
}

} // namespace
