// SPDX-License-Identifier: BSD-2-Clause
// Addresses are parsed by family, compared as a whole, and formatted the way they are read.
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "endpoint.h"

namespace {

struct rr_endpoint make(const char *addr, uint16_t port = 0) {
	struct rr_endpoint ep;

	EXPECT_EQ(rr_endpoint_parse_addr(&ep, addr, RR_FAMILY_NONE), 0) << addr;
	ep.port_be = htons(port);
	return ep;
}

std::string format(const struct rr_endpoint &ep) {
	char buf[RR_ENDPOINT_STRLEN];

	return rr_endpoint_format(&ep, buf, sizeof(buf));
}

std::string format_addr(const struct rr_endpoint &ep) {
	char buf[RR_ENDPOINT_STRLEN];

	return rr_endpoint_format_addr(&ep, buf, sizeof(buf));
}

} // namespace

TEST(Endpoint, ParsesIntoNetworkOrderAndClearsTheRest) {
	static const uint8_t v4[16] = {198, 18, 0, 1};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t zero[5] = {};
	struct rr_endpoint ep;

	memset(&ep, 0xff, sizeof(ep));
	ASSERT_EQ(rr_endpoint_parse_addr(&ep, "198.18.0.1", RR_FAMILY_IPV4), 0);
	EXPECT_EQ(memcmp(ep.addr, v4, 16), 0);
	EXPECT_EQ(ep.family, RR_FAMILY_IPV4);
	EXPECT_EQ(ep.port_be, 0);
	EXPECT_EQ(memcmp(ep.reserved, zero, sizeof(zero)), 0);

	memset(&ep, 0xff, sizeof(ep));
	ASSERT_EQ(rr_endpoint_parse_addr(&ep, "2001:db8::1", RR_FAMILY_IPV6), 0);
	EXPECT_EQ(memcmp(ep.addr, v6, 16), 0);
	EXPECT_EQ(ep.family, RR_FAMILY_IPV6);
	EXPECT_EQ(ep.port_be, 0);
}

TEST(Endpoint, RefusesTheOtherFamilyAndLeavesTheTargetAlone) {
	struct rr_endpoint ep = make("198.18.0.7", 99);
	struct rr_endpoint before = ep;

	EXPECT_EQ(rr_endpoint_parse_addr(&ep, "198.18.0.1", RR_FAMILY_IPV6), -EINVAL);
	EXPECT_EQ(rr_endpoint_parse_addr(&ep, "2001:db8::1", RR_FAMILY_IPV4), -EINVAL);
	EXPECT_EQ(memcmp(&ep, &before, sizeof(ep)), 0);
}

TEST(Endpoint, RefusesWhatIsNoNumericAddress) {
	static const char *const bad[] = {"", " ", "localhost", "198.18.0", "198.18.0.256",
		"198.18.0.1 ", "198.18.0.1:5", "0x7f.1", "198.18.0.01", "2001:db8::1::2",
		"2001:db8:12345::", "[2001:db8::1]", "fe80::1%eth0", ":", "1:2:3:4:5:6:7"};
	struct rr_endpoint ep;

	for (const char *text : bad)
		EXPECT_EQ(rr_endpoint_parse_addr(&ep, text, RR_FAMILY_NONE), -EINVAL) << text;
}

TEST(Endpoint, EqualMeansFamilyAddressAndPort) {
	struct rr_endpoint a = make("198.18.0.1", 4000);
	struct rr_endpoint same = make("198.18.0.1", 4000);
	struct rr_endpoint other_port = make("198.18.0.1", 4001);
	struct rr_endpoint other_host = make("198.18.0.2", 4000);
	struct rr_endpoint other_family = a;

	other_family.family = RR_FAMILY_IPV6;
	EXPECT_TRUE(rr_endpoint_equal(&a, &same));
	EXPECT_FALSE(rr_endpoint_equal(&a, &other_port));
	EXPECT_FALSE(rr_endpoint_equal(&a, &other_host));
	EXPECT_FALSE(rr_endpoint_equal(&a, &other_family));
	EXPECT_TRUE(rr_endpoint_same_host(&a, &other_port));
	EXPECT_FALSE(rr_endpoint_same_host(&a, &other_host));
	EXPECT_FALSE(rr_endpoint_same_host(&a, &other_family));
}

TEST(Endpoint, LastByteOfIpv6Counts) {
	struct rr_endpoint a = make("2001:db8::1");
	struct rr_endpoint b = make("2001:db8::2");

	EXPECT_FALSE(rr_endpoint_same_host(&a, &b));
}

TEST(Endpoint, AnyIsZeroOfEitherFamily) {
	struct rr_endpoint v4 = make("0.0.0.0", 5);
	struct rr_endpoint v6 = make("::");
	struct rr_endpoint host = make("::1");
	struct rr_endpoint none = {};

	EXPECT_TRUE(rr_endpoint_is_any(&v4));
	EXPECT_TRUE(rr_endpoint_is_any(&v6));
	EXPECT_FALSE(rr_endpoint_is_any(&host));
	EXPECT_FALSE(rr_endpoint_is_any(&none));
}

TEST(Endpoint, FormatsWhatItParses) {
	EXPECT_EQ(format_addr(make("198.18.255.1")), "198.18.255.1");
	EXPECT_EQ(format_addr(make("2001:0db8:0:0::0001")), "2001:db8::1");
	EXPECT_EQ(format(make("198.18.0.1", 4000)), "198.18.0.1:4000");
	EXPECT_EQ(format(make("2001:db8::1", 65535)), "[2001:db8::1]:65535");
	EXPECT_EQ(format(rr_endpoint{}), "-");
	EXPECT_EQ(format_addr(rr_endpoint{}), "-");
}

TEST(Endpoint, LongestTextFitsAndShortBuffersAreCut) {
	struct rr_endpoint ep = make("1111:2222:3333:4444:5555:6666:7777:8888", 65535);
	char small[8];

	EXPECT_EQ(format(ep), "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
	EXPECT_STREQ(rr_endpoint_format(&ep, small, sizeof(small)), "[1111:2");
}

TEST(Endpoint, ValidMeansCompleteAndNothingBehindIt) {
	struct rr_endpoint none = {};
	struct rr_endpoint v4 = make("198.18.0.1");
	struct rr_endpoint v6 = make("2001:db8::1", 4000);

	EXPECT_TRUE(rr_endpoint_is_valid(&v4));
	EXPECT_TRUE(rr_endpoint_is_valid(&v6));
	EXPECT_FALSE(rr_endpoint_is_valid(&none));
	v4.addr[4] = 1;
	EXPECT_FALSE(rr_endpoint_is_valid(&v4));
	v4 = make("0.0.0.0");
	EXPECT_FALSE(rr_endpoint_is_valid(&v4));
	v6.reserved[4] = 1;
	EXPECT_FALSE(rr_endpoint_is_valid(&v6));
	v6 = make("2001:db8::1");
	v6.family = 5;
	EXPECT_FALSE(rr_endpoint_is_valid(&v6));
}
