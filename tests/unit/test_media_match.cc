// SPDX-License-Identifier: BSD-2-Clause
// Which frames a shared port takes from the kernel: the function of both kernel programs, compiled
// for this host, with sets in the place of the kernel's maps.
//
// Not covered: what the kernel's verifier says, the programs' verdicts, the age of fragments (the
// smoke test shared_test).
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "dp_fixture.h"

#include "bpf/media_maps.h"

namespace {

std::set<std::string> addrs, fragments;
media_settings settings;

template <typename T> std::string bytes_of(const T *t) {
	return std::string(reinterpret_cast<const char *>(t), sizeof(*t));
}

int media_has_addr(const media_addr *a) {
	return addrs.count(bytes_of(a));
}

const media_settings *media_settings_get() {
	return &settings;
}

void media_fragment_note(const media_fragment *f) {
	fragments.insert(bytes_of(f));
}

int media_fragment_known(const media_fragment *f) {
	return fragments.count(bytes_of(f));
}

void media_fragment_forget(const media_fragment *f) {
	fragments.erase(bytes_of(f));
}

#include "bpf/media_match.h"

using namespace dp;

const Bytes mac = mac_bytes(ext_mac);
const Bytes sip = udp(4000, 5060, Bytes(20));
const Bytes first_port = udp(4000, 20000, Bytes(20));
const Bytes last_port = udp(4000, 20099, Bytes(20));
const char *const far4 = "203.0.113.1";
const char *const far6 = "2001:db8:9::1";

// In memory of its exact size, so that a sanitizer sees any overrun.
bool matches(const Bytes &frame) {
	std::unique_ptr<uint8_t[]> exact(new uint8_t[frame.size()]);

	std::copy(frame.begin(), frame.end(), exact.get());
	return media_match(exact.get(), exact.get() + frame.size()) != 0;
}

void addr_add(const std::string &text) {
	struct rr_endpoint ep = endpoint(text, 0);
	media_addr a = {};

	memcpy(a.word, ep.addr, sizeof(a.word));
	a.family = ep.family == RR_FAMILY_IPV6 ? 6 : 4;
	addrs.insert(bytes_of(&a));
}

class MediaMatch : public testing::Test {
      protected:
	void SetUp() override {
		addrs.clear();
		fragments.clear();
		settings = {};
		settings.port_min = PORT_MIN;
		settings.port_max = PORT_MIN + N_PORTS - 1;
		addr_add("198.18.0.1");
		addr_add("2001:db8:1::1");
	}
};

Bytes frame4(const Bytes &payload, uint8_t protocol = 17, uint16_t fragment = 0,
	const Bytes &options = {}, const char *to = "198.18.0.1") {
	return ether(mac, 0x0800, ip4(far4, to, payload, protocol, fragment, options));
}

Bytes frame6(const Bytes &payload, uint8_t next = 17, const char *to = "2001:db8:1::1") {
	return ether(mac, 0x86dd, ip6(far6, to, payload, next));
}

// A fragment header in front of a part of a datagram.
Bytes fragment6(uint32_t offset, bool more, uint8_t id, const Bytes &part, uint8_t next = 17) {
	Bytes b = {next, 0, (uint8_t)(offset >> 5), (uint8_t)(offset << 3 | more), 0, 0, 0, id};

	b.insert(b.end(), part.begin(), part.end());
	return frame6(b, 44);
}

TEST_F(MediaMatch, UdpToThePoolAndTheRangeIsTaken) {
	EXPECT_TRUE(matches(frame4(first_port)));
	EXPECT_TRUE(matches(frame4(last_port)));
	EXPECT_TRUE(matches(frame6(first_port)));
	EXPECT_TRUE(matches(frame4(first_port, 17, 0, Bytes(40, 1))));
	EXPECT_TRUE(matches(frame4(first_port, 17, 0x4000))); // may not be fragmented
}

TEST_F(MediaMatch, EverythingElseIsLeft) {
	EXPECT_FALSE(matches(frame4(sip)));
	EXPECT_FALSE(matches(frame4(udp(4000, 19999, Bytes(20)))));
	EXPECT_FALSE(matches(frame4(udp(4000, 20100, Bytes(20)))));
	EXPECT_FALSE(matches(frame4(udp(20000, 5060, Bytes(20))))); // from a media port
	EXPECT_FALSE(matches(frame4(first_port, 17, 0, {}, "198.18.0.2")));
	EXPECT_FALSE(matches(frame6(first_port, 17, "2001:db8:1::2")));
	EXPECT_FALSE(matches(frame4(first_port, 6))); // TCP
	EXPECT_FALSE(matches(frame4(first_port, 1)));
	EXPECT_FALSE(matches(frame6(first_port, 6)));
	EXPECT_FALSE(matches(frame6(first_port, 58)));
	EXPECT_FALSE(matches(frame6(first_port, 0))); // hop-by-hop options
	EXPECT_FALSE(matches(ether(mac, 0x0806, Bytes(46))));
	EXPECT_FALSE(matches(ether(mac, 0x8100, Bytes(46))));
}

// An address of one family is none of the other, though it begin with the same bytes.
TEST_F(MediaMatch, FamiliesAreApart) {
	EXPECT_FALSE(matches(frame6(first_port, 17, "c612:1::")));
}

TEST_F(MediaMatch, NothingIsTakenBeforeThePortsAreSet) {
	settings = {};
	EXPECT_FALSE(matches(frame4(first_port)));
	EXPECT_FALSE(matches(frame4(udp(4000, 0, Bytes(20)))));
}

TEST_F(MediaMatch, CutAndOddHeadersAreLeft) {
	for (const Bytes &whole : {frame4(first_port, 17, 0, Bytes(8, 1)), frame6(first_port)}) {
		size_t headers = whole.size() - 20;

		for (size_t len = 0; len < whole.size(); len++)
			EXPECT_EQ(matches(Bytes(whole.begin(), whole.begin() + (long)len)),
				len >= headers)
				<< len;
	}
	Bytes odd = frame4(first_port);
	odd[14] = 0x44; // a header of 16 bytes
	EXPECT_FALSE(matches(odd));
	odd[14] = 0x65; // another version
	EXPECT_FALSE(matches(odd));
}

TEST_F(MediaMatch, FragmentsGoWhereTheFirstOneWent) {
	const Bytes rest(32);

	EXPECT_FALSE(matches(frame4(rest, 17, 0x0002))); // its first one was not seen
	EXPECT_TRUE(matches(frame4(first_port, 17, 0x2000)));
	EXPECT_TRUE(matches(frame4(rest, 17, 0x2002)));
	EXPECT_TRUE(matches(frame4(rest, 17, 0x0004)));
	EXPECT_FALSE(matches(frame4(rest, 17, 0x0004, {}, "198.18.0.2")));
	EXPECT_FALSE(matches(frame4(rest, 6, 0x0004)));
	// The same identification, and no media.
	EXPECT_FALSE(matches(frame4(sip, 17, 0x2000)));
	EXPECT_FALSE(matches(frame4(rest, 17, 0x0002)));

	EXPECT_FALSE(matches(fragment6(2, false, 7, rest)));
	EXPECT_TRUE(matches(fragment6(0, true, 7, first_port)));
	EXPECT_TRUE(matches(fragment6(2, false, 7, rest)));
	EXPECT_FALSE(matches(fragment6(2, false, 8, rest)));
	EXPECT_FALSE(matches(fragment6(0, true, 9, first_port, 6)));
	EXPECT_FALSE(matches(fragment6(0, true, 7, sip)));
	EXPECT_FALSE(matches(fragment6(2, false, 7, rest)));
}

} // namespace
