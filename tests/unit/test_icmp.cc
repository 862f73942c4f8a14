// SPDX-License-Identifier: BSD-2-Clause
// Echo requests of both families and their replies, compared whole with packets of another
// implementation; what is no request to one host; and the token bucket.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "icmp.h"
}

namespace {

using Bytes = std::vector<uint8_t>;
using Reply = int (*)(uint8_t *, size_t);

constexpr uint64_t SECOND = 1000000000;

Bytes unhex(const std::string &text) {
	Bytes out;

	for (size_t i = 0; i + 1 < text.size(); i += 2)
		out.push_back((uint8_t)std::stoi(text.substr(i, 2), nullptr, 16));
	return out;
}

// From scapy: 198.18.0.2 to 198.18.0.12 with five bytes of data, and its answer.
const Bytes echo4 = unhex("45000021004d00000901255dc6120002c612000c0800b41d0007000968656c6c6f");
const Bytes reply4 = unhex("45000021000040004001aea9c612000cc61200020000bc1d0007000968656c6c6f");
const Bytes echo6 = unhex("60000000000d3a0920010db800000000000000000000000220010db8000000000000"
			  "0000000000108000e05e0001000268656c6c6f");
const Bytes reply6 = unhex("60000000000d3a4020010db800000000000000000000001020010db8000000000000"
			   "0000000000028100df5e0001000268656c6c6f");

int changed(Reply reply, Bytes b, const std::function<void(Bytes &)> &change) {
	change(b);
	return reply(b.data(), b.size());
}

// Move `by` from one 16-bit word of the checksummed part to another, so that the sum stays.
void shift(Bytes &b, size_t from, size_t to, uint8_t by) {
	b[from] = (uint8_t)(b[from] - by);
	b[to] = (uint8_t)(b[to] + by);
}

// RFC 4443 2.3, written apart from the code under test.
void checksum6_set(Bytes &b) {
	uint32_t sum = (uint32_t)(b.size() - 40) + 58;

	b[42] = b[43] = 0;
	for (size_t i = 8; i < b.size(); i++)
		sum += i % 2 == 0 ? b[i] << 8 : b[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	b[42] = (uint8_t)(~sum >> 8);
	b[43] = (uint8_t)~sum;
}

TEST(Icmp, EchoBecomesTheExpectedReply) {
	Bytes b4 = echo4, b6 = echo6;

	EXPECT_EQ(0, icmp4_echo_reply(b4.data(), b4.size()));
	EXPECT_EQ(reply4, b4);
	EXPECT_EQ(0, icmp6_echo_reply(b6.data(), b6.size()));
	EXPECT_EQ(reply6, b6);
}

TEST(Icmp, PaddingBehindIsKeptAndNotSummed) {
	Bytes b = echo4;

	b.resize(46, 0xaa);
	EXPECT_EQ(0, icmp4_echo_reply(b.data(), b.size()));
	EXPECT_EQ(reply4, Bytes(b.begin(), b.begin() + (long)reply4.size()));
	EXPECT_EQ(0xaa, b[45]);
}

TEST(Icmp, OptionsAreNotSentBack) {
	Bytes b = echo4;
	const uint8_t options[4] = {0x94, 4, 0, 0}; // router alert

	b.insert(b.begin() + 20, options, options + 4);
	b[0] = 0x46;
	b[3] = (uint8_t)b.size();
	EXPECT_EQ(0, icmp4_echo_reply(b.data(), b.size()));
	EXPECT_EQ(Bytes(4, 0), Bytes(b.begin() + 20, b.begin() + 24));
	uint32_t sum = 0;
	for (size_t i = 0; i < 24; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	EXPECT_EQ(0xffffu, (sum & 0xffff) + (sum >> 16));
}

TEST(Icmp, NoLengthReadsBeyondTheEnd) {
	for (size_t len = 0; len < echo4.size(); len++)
		EXPECT_GT(0, changed(icmp4_echo_reply, echo4, [&](Bytes &b) {
			b = Bytes(b.begin(), b.begin() + (long)len);
		})) << len;
	for (size_t len = 0; len < echo6.size(); len++)
		EXPECT_GT(0, changed(icmp6_echo_reply, echo6, [&](Bytes &b) {
			b = Bytes(b.begin(), b.begin() + (long)len);
		})) << len;
}

TEST(Icmp, RefusesContradictingLengths) {
	EXPECT_EQ(-EINVAL, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[3]++; }));
	EXPECT_EQ(-EINVAL, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[3] = 27; }));
	EXPECT_EQ(-EINVAL, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[0] = 0x44; }));
	EXPECT_EQ(-EINVAL, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[0] = 0x4f; }));
	EXPECT_EQ(-EINVAL, changed(icmp6_echo_reply, echo6, [](Bytes &b) { b[5]++; }));
	EXPECT_EQ(-EINVAL, changed(icmp6_echo_reply, echo6, [](Bytes &b) { b[5] = 7; }));
}

TEST(Icmp, RefusesAWrongChecksum) {
	EXPECT_EQ(-EINVAL, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[30] ^= 1; }));
	EXPECT_EQ(-EINVAL, changed(icmp6_echo_reply, echo6, [](Bytes &b) { b[50] ^= 1; }));
}

TEST(Icmp, LeavesAloneWhatIsNoEchoRequest) {
	// A reply, with the sum kept right: type 8 to 0 takes 8 from a high byte.
	EXPECT_EQ(
		-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { shift(b, 20, 28, 8); }));
	EXPECT_EQ(-ENOTSUP, changed(icmp6_echo_reply, reply6, [](Bytes &) {}));
	EXPECT_EQ(-ENOTSUP,
		changed(icmp4_echo_reply, echo4, [](Bytes &b) { shift(b, 33 - 4, 21, 1); }));
	EXPECT_EQ(-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[9] = 17; }));
	EXPECT_EQ(-ENOTSUP, changed(icmp6_echo_reply, echo6, [](Bytes &b) { b[6] = 17; }));
}

TEST(Icmp, AnswersOneHostOnly) {
	EXPECT_EQ(-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[16] = 224; }));
	EXPECT_EQ(-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[12] = 224; }));
	EXPECT_EQ(-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[12] = 127; }));
	EXPECT_EQ(-ENOTSUP, changed(icmp4_echo_reply, echo4, [](Bytes &b) { b[12] = 0; }));
	EXPECT_EQ(-ENOTSUP,
		changed(icmp4_echo_reply, echo4, [](Bytes &b) { std::memset(&b[12], 0, 4); }));
	EXPECT_EQ(-ENOTSUP,
		changed(icmp4_echo_reply, echo4, [](Bytes &b) { std::memset(&b[16], 0xff, 4); }));
	EXPECT_EQ(-ENOTSUP, changed(icmp6_echo_reply, echo6, [](Bytes &b) {
		b[24] = 0xff;
		checksum6_set(b);
	}));
	for (uint8_t last : {0, 1})
		EXPECT_EQ(-ENOTSUP, changed(icmp6_echo_reply, echo6, [&](Bytes &b) {
			std::memset(&b[8], 0, 16);
			b[23] = last;
			checksum6_set(b);
		}));
}

TEST(TokenBucket, GivesABurstThenTheRate) {
	token_bucket b;
	int n = 0;

	token_bucket_init(&b, 10, 5, SECOND);
	while (token_bucket_take(&b, SECOND))
		n++;
	EXPECT_EQ(5, n);
	EXPECT_EQ(0, token_bucket_take(&b, SECOND + SECOND / 10 - 1));
	EXPECT_EQ(1, token_bucket_take(&b, SECOND + SECOND / 10));
	EXPECT_EQ(0, token_bucket_take(&b, SECOND + SECOND / 10));
}

TEST(TokenBucket, NeverHoldsMoreThanTheBurst) {
	token_bucket b;
	int n = 0;

	token_bucket_init(&b, 1000, 5, 0);
	for (uint64_t at : {UINT64_C(0), 1000 * SECOND, UINT64_MAX / 2}) {
		for (n = 0; token_bucket_take(&b, at); n++)
			;
		EXPECT_EQ(5, n) << at;
	}
}

} // namespace
