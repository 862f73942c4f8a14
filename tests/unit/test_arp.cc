// SPDX-License-Identifier: BSD-2-Clause
// ARP messages, byte by byte: a request as RFC 826 draws it, everything that makes one unsound, and
// the answers and questions that are sent.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

extern "C" {
#include "arp.h"
#include "frame.h"
}

namespace {

using Bytes = std::array<uint8_t, 28>;

const Bytes request = {
	0,
	1,
	8,
	0,
	6,
	4,
	0,
	1, // Ethernet, IPv4, lengths, request
	2,
	0,
	0,
	0,
	0,
	9, // sender
	198,
	18,
	0,
	2, //
	0,
	0,
	0,
	0,
	0,
	0, // target
	198,
	18,
	0,
	10,
};
const rte_ether_addr own = {{2, 0, 0, 0, 0, 1}};

TEST(Arp, ReadsARequest) {
	arp_message m;

	ASSERT_EQ(0, arp_parse(request.data(), request.size(), &m));
	EXPECT_EQ(RTE_ARP_OP_REQUEST, m.op);
	EXPECT_EQ(0, std::memcmp(m.sender_mac.addr_bytes, &request[8], 6));
	EXPECT_EQ(0, std::memcmp(m.sender_ip, &request[14], 4));
	EXPECT_EQ(0, std::memcmp(m.target_ip, &request[24], 4));
}

TEST(Arp, ReadsAReply) {
	Bytes bytes = request;
	arp_message m;

	bytes[7] = RTE_ARP_OP_REPLY;
	ASSERT_EQ(0, arp_parse(bytes.data(), bytes.size(), &m));
	EXPECT_EQ(RTE_ARP_OP_REPLY, m.op);
}

TEST(Arp, PaddingBehindIsNoHarm) {
	uint8_t frame[46] = {};
	arp_message m;

	std::memcpy(frame, request.data(), request.size());
	EXPECT_EQ(0, arp_parse(frame, sizeof(frame), &m));
}

TEST(Arp, RefusesEveryShorterLength) {
	arp_message m;

	for (size_t len = 0; len < request.size(); len++)
		EXPECT_EQ(-EINVAL, arp_parse(request.data(), len, &m)) << len;
}

TEST(Arp, RefusesUnsoundFields) {
	const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} changes[] = {
		{"hardware", 1, 6},
		{"protocol", 2, 0x86},
		{"hlen", 4, 8},
		{"plen", 5, 16},
		{"op 0", 7, 0},
		{"op 3", 7, 3},
		{"sender MAC group", 8, 1},
		{"sender IP group", 14, 224},
		{"this network", 14, 0},
		{"loopback", 14, 127},
		{"broadcast", 14, 255},
	};
	arp_message m;

	for (const auto &c : changes) {
		Bytes bytes = request;

		bytes[c.at] = c.value;
		EXPECT_EQ(-EINVAL, arp_parse(bytes.data(), bytes.size(), &m)) << c.what;
	}
}

TEST(Arp, RefusesSenderWithoutMac) {
	Bytes bytes = request;
	arp_message m;

	std::memset(&bytes[8], 0, 6);
	EXPECT_EQ(-EINVAL, arp_parse(bytes.data(), bytes.size(), &m));
}

TEST(Arp, OnlyAProbeMayHideItsAddress) {
	Bytes bytes = request;
	arp_message m;

	std::memset(&bytes[14], 0, 4);
	EXPECT_EQ(0, arp_parse(bytes.data(), bytes.size(), &m));
	bytes[7] = RTE_ARP_OP_REPLY;
	EXPECT_EQ(-EINVAL, arp_parse(bytes.data(), bytes.size(), &m));
}

TEST(Arp, ReplyTurnsTheRequestRound) {
	const Bytes expected = {
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		2, //
		2,
		0,
		0,
		0,
		0,
		1,
		198,
		18,
		0,
		10, //
		2,
		0,
		0,
		0,
		0,
		9,
		198,
		18,
		0,
		2,
	};
	arp_message m, reply;
	Bytes bytes;

	ASSERT_EQ(0, arp_parse(request.data(), request.size(), &m));
	arp_reply(&reply, &m, &own);
	arp_write(bytes.data(), &reply);
	EXPECT_EQ(expected, bytes);
}

TEST(Arp, AnnouncementAsksForItself) {
	const uint8_t ip[4] = {198, 18, 0, 10};
	const Bytes expected = {
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		1, //
		2,
		0,
		0,
		0,
		0,
		1,
		198,
		18,
		0,
		10, //
		0,
		0,
		0,
		0,
		0,
		0,
		198,
		18,
		0,
		10,
	};
	arp_message m;
	Bytes bytes;

	arp_request(&m, &own, ip, ip);
	arp_write(bytes.data(), &m);
	EXPECT_EQ(expected, bytes);
}

TEST(Frame, HeaderWithAndWithoutTag) {
	frame_l2 l2 = {};
	uint8_t bytes[FRAME_L2_MAX];

	l2.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	l2.src = own;
	l2.ether_type = RTE_ETHER_TYPE_ARP;
	EXPECT_EQ(14u, frame_l2_write(bytes, &l2));
	EXPECT_EQ(0x08, bytes[12]);
	EXPECT_EQ(0x06, bytes[13]);
	l2.vlan = 0x123;
	EXPECT_EQ(18u, frame_l2_write(bytes, &l2));
	const uint8_t tail[] = {0x81, 0x00, 0x01, 0x23, 0x08, 0x06};
	EXPECT_EQ(0, std::memcmp(bytes + 12, tail, sizeof(tail)));
	EXPECT_EQ(0, std::memcmp(bytes + 6, own.addr_bytes, 6));
}

} // namespace
