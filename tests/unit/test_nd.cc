// SPDX-License-Identifier: BSD-2-Clause
// Neighbour discovery, byte by byte: messages as another implementation wrote them, each rule of
// RFC 4861 7.1 broken once, and what is sent compared whole, checksum included.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "nd.h"
}

namespace {

using Bytes = std::vector<uint8_t>;

Bytes unhex(const std::string &text) {
	Bytes out;

	for (size_t i = 0; i + 1 < text.size(); i += 2)
		out.push_back((uint8_t)std::stoi(text.substr(i, 2), nullptr, 16));
	return out;
}

// From scapy: 2001:db8::2 asks ff02::1:ff00:10 for 2001:db8::10, source 02:00:00:00:00:09.
const Bytes solicitation = unhex("6000000000203aff20010db8000000000000000000000002"
				 "ff0200000000000000000001ff00001087001c0200000000"
				 "20010db80000000000000000000000100101020000000009");
// From scapy: its answer by 02:00:00:00:00:01, solicited and overriding.
const Bytes answer = unhex("6000000000203aff20010db8000000000000000000000010"
			   "20010db800000000000000000000000288008a5560000000"
			   "20010db80000000000000000000000100201020000000001");
const Bytes announcement = unhex("6000000000203aff20010db8000000000000000000000010"
				 "ff0200000000000000000000000000018800f90c20000000"
				 "20010db80000000000000000000000100201020000000001");
const Bytes question = unhex("6000000000203aff20010db8000000000000000000000010"
			     "ff0200000000000000000001ff00000187001c1a00000000"
			     "20010db80000000000000000000000010101020000000001");
const Bytes unicast_question = unhex("6000000000203aff20010db8000000000000000000000010"
				     "20010db80000000000000000000000018700ec6500000000"
				     "20010db80000000000000000000000010101020000000001");

const rte_ether_addr own = {{2, 0, 0, 0, 0, 1}};
const Bytes address = unhex("20010db8000000000000000000000010");
const Bytes router = unhex("20010db8000000000000000000000001");

// Offsets into a packet.
constexpr size_t HOP_LIMIT = 7, SRC = 8, DST = 24, TYPE = 40, CODE = 41, CHECKSUM = 42, FLAGS = 44,
		 TARGET = 48, OPTION = 64;

// The checksum as RFC 4443 2.3 describes it, written apart from the code under test.
void checksum_set(Bytes &b) {
	uint32_t sum = (uint32_t)(b.size() - 40) + 58;

	b[CHECKSUM] = b[CHECKSUM + 1] = 0;
	for (size_t i = SRC; i < b.size(); i++)
		sum += i % 2 == 0 ? b[i] << 8 : b[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	b[CHECKSUM] = (uint8_t)(~sum >> 8);
	b[CHECKSUM + 1] = (uint8_t)~sum;
}

void length_set(Bytes &b, size_t size) {
	b.resize(size);
	b[5] = (uint8_t)(size - 40);
}

int parse_changed(Bytes b, const std::function<void(Bytes &)> &change) {
	nd_message m;

	change(b);
	checksum_set(b);
	return nd_parse(b.data(), b.size(), &m);
}

TEST(Nd, ReadsASolicitation) {
	nd_message m;

	ASSERT_EQ(0, nd_parse(solicitation.data(), solicitation.size(), &m));
	EXPECT_EQ(ND_SOLICITATION, m.type);
	EXPECT_EQ(0, std::memcmp(m.target, address.data(), 16));
	EXPECT_EQ(0, std::memcmp(m.src, &solicitation[SRC], 16));
	EXPECT_TRUE(m.has_mac);
	EXPECT_EQ(9, m.mac.addr_bytes[5]);
}

TEST(Nd, ReadsAnAdvertisement) {
	nd_message m;

	ASSERT_EQ(0, nd_parse(answer.data(), answer.size(), &m));
	EXPECT_EQ(ND_ADVERTISEMENT, m.type);
	EXPECT_TRUE(m.solicited);
	EXPECT_TRUE(m.override);
	EXPECT_TRUE(m.has_mac);
	EXPECT_EQ(1, m.mac.addr_bytes[5]);
	ASSERT_EQ(0, nd_parse(announcement.data(), announcement.size(), &m));
	EXPECT_FALSE(m.solicited);
}

TEST(Nd, LeavesOtherTypesToOthers) {
	for (int type : {1, 128, 129, 133, 134, 137})
		EXPECT_EQ(-ENOTSUP, parse_changed(solicitation, [&](Bytes &b) {
			b[TYPE] = (uint8_t)type;
		})) << type;
	nd_message m;
	Bytes udp = solicitation;
	udp[6] = 17;
	EXPECT_EQ(-ENOTSUP, nd_parse(udp.data(), udp.size(), &m));
}

TEST(Nd, NoLengthReadsBeyondTheEnd) {
	for (size_t len = 0; len < solicitation.size(); len++) {
		// A heap block of this very size: the sanitizer sees one byte too many.
		Bytes cut(solicitation.begin(), solicitation.begin() + (long)len);
		nd_message m;

		EXPECT_GT(0, nd_parse(cut.data(), cut.size(), &m)) << len;
	}
}

TEST(Nd, WrongChecksumIsRefused) {
	nd_message m;
	Bytes b = solicitation;

	b[CHECKSUM] ^= 1;
	EXPECT_EQ(-EINVAL, nd_parse(b.data(), b.size(), &m));
}

TEST(Nd, BothMessagesRefuse) {
	const struct {
		const char *what;
		std::function<void(Bytes &)> change;
	} cases[] = {
		{"hop limit 254", [](Bytes &b) { b[HOP_LIMIT] = 254; }},
		{"code", [](Bytes &b) { b[CODE] = 1; }},
		{"shorter than 24", [](Bytes &b) { length_set(b, 40 + 23); }},
		{"multicast target", [](Bytes &b) { b[TARGET] = 0xff; }},
		{"multicast source", [](Bytes &b) { b[SRC] = 0xff; }},
		{"option of length 0", [](Bytes &b) { b[OPTION + 1] = 0; }},
		{"option beyond the end", [](Bytes &b) { b[OPTION + 1] = 2; }},
		{"half an option header", [](Bytes &b) { length_set(b, OPTION + 1); }},
		{"group MAC in the option", [](Bytes &b) { b[OPTION + 2] = 1; }},
	};

	for (const auto &c : cases) {
		EXPECT_EQ(-EINVAL, parse_changed(solicitation, c.change)) << c.what;
		EXPECT_EQ(-EINVAL, parse_changed(answer, c.change)) << c.what;
	}
	EXPECT_EQ(0, parse_changed(solicitation, [](Bytes &) {}));
	EXPECT_EQ(0, parse_changed(answer, [](Bytes &) {}));
}

TEST(Nd, UnknownOptionIsSkipped) {
	nd_message m;
	Bytes b = solicitation;

	b[OPTION] = 14; // nonce, RFC 3971
	checksum_set(b);
	ASSERT_EQ(0, nd_parse(b.data(), b.size(), &m));
	EXPECT_FALSE(m.has_mac);
}

TEST(Nd, DetectionAsksTheGroupWithoutOption) {
	auto unspecified = [](Bytes &b) { std::memset(&b[SRC], 0, 16); };
	auto bare = [&](Bytes &b) {
		unspecified(b);
		length_set(b, OPTION);
	};

	EXPECT_EQ(0, parse_changed(solicitation, bare));
	EXPECT_EQ(-EINVAL, parse_changed(solicitation, unspecified));
	EXPECT_EQ(-EINVAL, parse_changed(solicitation, [&](Bytes &b) {
		bare(b);
		std::memcpy(&b[DST], address.data(), 16);
	}));
}

TEST(Nd, AdvertisementToAllIsUnsolicitedAndHasASource) {
	EXPECT_EQ(-EINVAL, parse_changed(announcement, [](Bytes &b) { b[FLAGS] |= 0x40; }));
	EXPECT_EQ(-EINVAL,
		parse_changed(announcement, [](Bytes &b) { std::memset(&b[SRC], 0, 16); }));
}

TEST(Nd, AnswerIsTheExpectedPacket) {
	nd_message m, reply;
	Bytes out(ND_LEN);

	ASSERT_EQ(0, nd_parse(solicitation.data(), solicitation.size(), &m));
	nd_answer(&reply, &m, &own);
	nd_write(out.data(), &reply);
	EXPECT_EQ(answer, out);
}

TEST(Nd, DetectionIsAnsweredToAllNodes) {
	nd_message m = {}, reply;
	Bytes out(ND_LEN);

	m.type = ND_SOLICITATION;
	std::memcpy(m.target, address.data(), 16);
	nd_answer(&reply, &m, &own);
	nd_write(out.data(), &reply);
	EXPECT_EQ(announcement, out);
}

TEST(Nd, AnnouncementAndQuestions) {
	nd_message m;
	Bytes out(ND_LEN);

	nd_announce(&m, address.data(), &own);
	nd_write(out.data(), &m);
	EXPECT_EQ(announcement, out);
	nd_solicit(&m, address.data(), router.data(), &own, false);
	nd_write(out.data(), &m);
	EXPECT_EQ(question, out);
	nd_solicit(&m, address.data(), router.data(), &own, true);
	nd_write(out.data(), &m);
	EXPECT_EQ(unicast_question, out);
}

TEST(Nd, GroupsAndTheirMacs) {
	rte_ether_addr mac;
	uint8_t group[16];
	Bytes addr = unhex("fe800000000000001234567890abcdef");

	nd_solicited_node(addr.data(), group);
	EXPECT_EQ(unhex("ff0200000000000000000001ffabcdef"), Bytes(group, group + 16));
	nd_group_mac(group, &mac);
	EXPECT_EQ(unhex("3333ffabcdef"), Bytes(mac.addr_bytes, mac.addr_bytes + 6));
}

} // namespace
