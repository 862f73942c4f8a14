// SPDX-License-Identifier: BSD-2-Clause
// Sets of fragments: which make a datagram, and what each kind of contradiction is called.
//
// Every set of ranges of a small datagram is tried against a map of its bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

extern "C" {
#include "counters.h"
#include "fragment_set.h"
}

namespace {

struct fragment part(uint32_t offset, uint32_t len, bool more) {
	struct fragment f = {(uint16_t)offset, (uint16_t)len, more};

	return f;
}

TEST(FragmentSet, WholeInAnyOrder) {
	std::vector<struct fragment> parts = {
		part(0, 1480, true), part(1480, 1480, true), part(2960, 48, false)};
	std::vector<int> order = {0, 1, 2};

	do {
		struct fragment_set s = {};

		for (int i : order) {
			EXPECT_FALSE(fragment_set_is_whole(&s));
			EXPECT_EQ(0, fragment_set_add(&s, &parts[(size_t)i]));
		}
		EXPECT_TRUE(fragment_set_is_whole(&s));
		EXPECT_EQ(3008u, s.total);
	} while (std::next_permutation(order.begin(), order.end()));
}

TEST(FragmentSet, Validity) {
	for (uint32_t len : {1u, 7u, 9u, 1479u}) {
		struct fragment middle = part(0, len, true), last = part(0, len, false);

		EXPECT_FALSE(fragment_is_valid(&middle)) << len;
		EXPECT_TRUE(fragment_is_valid(&last)) << len;
	}
	struct fragment good = part(0, 8, true), empty = part(8, 0, false);
	EXPECT_TRUE(fragment_is_valid(&good));
	EXPECT_FALSE(fragment_is_valid(&empty));
}

TEST(FragmentSet, Bounds) {
	struct fragment_set s = {};
	struct fragment f = part(FRAGMENT_DATAGRAM_MAX - 8, 8, false);

	EXPECT_EQ(0, fragment_set_add(&s, &f));
	s = {};
	f = part(FRAGMENT_DATAGRAM_MAX, 1, false);
	EXPECT_EQ(RR_C_drop_fragment_large, fragment_set_add(&s, &f));
	f = part(65528, 65535, false);
	EXPECT_EQ(RR_C_drop_fragment_large, fragment_set_add(&s, &f));
	for (uint32_t i = 0; i < FRAGMENT_SET_MAX; i++) {
		f = part(8 * i, 8, true);
		EXPECT_EQ(0, fragment_set_add(&s, &f));
	}
	f = part(8 * FRAGMENT_SET_MAX, 8, false);
	EXPECT_EQ(RR_C_drop_fragment_many, fragment_set_add(&s, &f));
}

// A map of the bytes says what must come of a fragment.
int expected(const std::vector<struct fragment> &taken, const struct fragment &f) {
	uint32_t end = (uint32_t)f.offset + f.len, rearmost = 0, total = 0;
	std::vector<bool> map(256);

	for (const struct fragment &t : taken) {
		if (t.offset == f.offset && t.len == f.len && t.more == f.more)
			return RR_C_drop_fragment_duplicate;
		std::fill_n(map.begin() + t.offset, t.len, true);
		rearmost = std::max(rearmost, (uint32_t)t.offset + t.len);
		if (!t.more)
			total = (uint32_t)t.offset + t.len;
	}
	for (uint32_t i = f.offset; i < end; i++)
		if (map[i])
			return RR_C_drop_fragment_overlap;
	if ((total != 0 && end > total) || (!f.more && end < rearmost))
		return RR_C_drop_fragment_overlap;
	return 0;
}

TEST(FragmentSet, AnyFragmentsAgainstAMap) {
	std::mt19937 random(11);
	uint32_t n_whole = 0;

	for (int round = 0; round < 20000; round++) {
		std::vector<struct fragment> taken;
		struct fragment_set s = {};
		uint32_t n_bytes = 0;

		while (taken.size() < FRAGMENT_SET_MAX && !fragment_set_is_whole(&s)) {
			struct fragment f = part(8 * (random() % 6), 8 * (1 + random() % 3), true);

			f.more = f.offset + f.len < 40 || random() % 8 == 0;
			int want = expected(taken, f);
			ASSERT_EQ(want, fragment_set_add(&s, &f));
			if (want == RR_C_drop_fragment_overlap)
				break;
			if (want != 0)
				continue;
			taken.push_back(f);
			n_bytes += f.len;
			ASSERT_EQ(n_bytes, s.n_bytes);
		}
		n_whole += fragment_set_is_whole(&s);
	}
	EXPECT_GT(n_whole, 100u);
}

} // namespace
