// SPDX-License-Identifier: BSD-2-Clause
// Captured frames: the datagram in them, and that no length makes the parser read beyond.
//
// Each frame is given in memory of its exact size. Every kind of frame is tested with scapy's
// frames and extractaudio.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <pcap/dlt.h>

#include <random>
#include <string>
#include <vector>

extern "C" {
#include "audio/datagram.h"
#include "audio/routes.h"
}

namespace {

using Bytes = std::vector<uint8_t>;

// Ethernet, one tag, IPv6 with a header of options, UDP, four bytes.
Bytes tagged() {
	Bytes f(12, 2);
	const uint8_t ip[] = {0x81, 0, 0, 7, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 28, 60, 64};
	const uint8_t rest[] = {17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0, 0x88,
		0xb8, 0, 12, 0, 0, 'd', 'a', 't', 'a'};

	f.insert(f.end(), ip, ip + sizeof(ip));
	f.insert(f.end(), 16, 0xaa);
	f.insert(f.end(), 16, 0xbb);
	f.insert(f.end(), rest, rest + sizeof(rest));
	return f;
}

// IPv4 with one word of options, UDP, four bytes; no link layer.
Bytes bare() {
	return {0x46, 0, 0, 36, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 2, 198, 18, 1, 1, 1, 1, 1,
		0, 0x0f, 0xa0, 0x88, 0xb8, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
}

int parse(struct datagram *d, int link_type, const Bytes &frame, size_t len) {
	Bytes exact(frame.begin(), frame.begin() + (long)len);

	exact.shrink_to_fit();
	return datagram_parse(d, link_type, exact.data(), exact.size());
}

TEST(Datagram, EveryPrefixIsCutShort) {
	struct datagram d;

	for (auto &[type, frame] : {std::pair<int, Bytes>(DLT_EN10MB, tagged()),
		     std::pair<int, Bytes>(DLT_RAW, bare())}) {
		for (size_t len = 0; len < frame.size(); len++)
			EXPECT_EQ(-EMSGSIZE, parse(&d, type, frame, len)) << len;
		ASSERT_EQ(0, datagram_parse(&d, type, frame.data(), frame.size()));
		EXPECT_EQ("data", std::string((const char *)d.data, d.len));
		EXPECT_EQ(htons(4000), d.from.port_be);
		EXPECT_EQ(htons(35000), d.to.port_be);
		EXPECT_TRUE(rr_endpoint_is_valid(&d.from));
	}
}

TEST(Datagram, PaddingOfTheLinkIsNotTheDatagrams) {
	Bytes frame = bare();
	struct datagram d;

	frame.resize(60);
	ASSERT_EQ(0, datagram_parse(&d, DLT_RAW, frame.data(), frame.size()));
	EXPECT_EQ(4u, d.len);
}

TEST(Datagram, WhatItIsNot) {
	struct change {
		size_t at;
		uint8_t value;
		int expected;
	} changes[] = {
		{0, 0x56, -EPROTONOSUPPORT}, // no version of IP
		{0, 0x44, -EMSGSIZE}, // a header shorter than its least
		{6, 0x20, -EMSGSIZE}, // more fragments
		{7, 0x01, -EMSGSIZE}, // a later fragment
		{9, 6, -EPROTONOSUPPORT}, // TCP
		{3, 37, -EMSGSIZE}, // longer than the frame
		{3, 23, -EMSGSIZE}, // shorter than its header
		{29, 7, -EMSGSIZE}, // shorter than a UDP header
		{29, 13, -EMSGSIZE}, // longer than the packet
	};
	struct datagram d;

	for (const auto &c : changes) {
		Bytes frame = bare();

		frame[c.at] = c.value;
		EXPECT_EQ(c.expected, parse(&d, DLT_RAW, frame, frame.size())) << c.at;
	}
	EXPECT_EQ(-EPROTONOSUPPORT, parse(&d, 220, bare(), 36));
	EXPECT_FALSE(datagram_link_is_known(220));
}

TEST(Datagram, AnyBytes) {
	std::mt19937 random(1);
	struct datagram d;

	for (int round = 0; round < 20000; round++) {
		Bytes frame = round % 2 ? tagged() : bare();

		for (int i = 0; i < 3; i++)
			frame[random() % frame.size()] = (uint8_t)random();
		size_t len = random() % (frame.size() + 1);
		int link_type = round % 2 ? DLT_EN10MB : DLT_RAW;
		bool parsed = parse(&d, link_type, frame, len) == 0;

		EXPECT_TRUE(!parsed || d.len <= len);
	}
}

struct route route(uint8_t from, uint8_t to, uint32_t ssrc) {
	struct route r = {};

	r.from.family = r.to.family = RR_FAMILY_IPV4;
	r.from.addr[0] = from;
	r.to.addr[0] = to;
	r.ssrc = ssrc;
	return r;
}

class Routes : public testing::Test {
      protected:
	// The parties of routes in the order in which they are first seen, "" if there are too
	// many.
	std::string parties(const std::vector<struct route> &seen) {
		std::string found;

		r = {};
		for (int twice = 0; twice < 2; twice++)
			for (const auto &s : seen)
				EXPECT_EQ(0, routes_note(&r, &s));
		EXPECT_EQ(seen.size(), r.n);
		if (routes_decide(&r) < 0)
			return "";
		for (const auto &s : seen)
			found += (char)('0' + routes_party(&r, &s));
		return found;
	}

	struct routes r;
};

TEST_F(Routes, ADestinationIsAParty) {
	EXPECT_EQ("0", parties({route(1, 10, 1)}));
	EXPECT_EQ("01", parties({route(1, 10, 1), route(2, 20, 2)}));
	// one moves, one has a new source, and both say they are one and the same
	EXPECT_EQ("0101",
		parties({route(1, 10, 1), route(2, 20, 1), route(3, 10, 3), route(2, 20, 4)}));
}

TEST_F(Routes, WhatGoesOutIsTheSpeakers) {
	// 1 and 2 are the parties, 10 and 20 the relay
	EXPECT_EQ("0011",
		parties({route(1, 10, 1), route(20, 2, 1), route(2, 20, 2), route(10, 1, 2)}));
	EXPECT_EQ("0101",
		parties({route(1, 10, 1), route(2, 20, 2), route(20, 2, 1), route(10, 1, 2)}));
	// a port of the relay that is another one later
	EXPECT_EQ("010", parties({route(1, 10, 1), route(2, 20, 2), route(1, 30, 3)}));
}

TEST_F(Routes, MoreThanTwoParties) {
	EXPECT_EQ("", parties({route(1, 10, 1), route(2, 20, 2), route(3, 30, 3)}));
}

TEST_F(Routes, MoreRoutesThanACallHas) {
	r = {};
	for (uint32_t ssrc = 0; ssrc < ROUTES_MAX; ssrc++) {
		struct route one = route(1, 10, ssrc);

		ASSERT_EQ(0, routes_note(&r, &one));
	}
	struct route last = route(1, 10, ROUTES_MAX);
	EXPECT_EQ(-E2BIG, routes_note(&r, &last));
}

} // namespace
