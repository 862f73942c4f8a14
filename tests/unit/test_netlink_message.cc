// SPDX-License-Identifier: BSD-2-Clause
// What the kernel says of neighbours and routes, from messages recorded of Linux 6.18, and the same
// cut short and altered.
//
// The recording host: pool address 198.18.0.16 on interface 2, next to 198.18.0.1, behind which
// 198.18.128.1 lies; IPv6 alike. Not covered: the sockets (the smoke test shared_test).
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

extern "C" {
#include "netlink_message.h"
}

namespace {

const char far4[] =
	"7000000018000000070000001054000002202000fe0000010002000008000f00fe000000"
	"08000100c612800108000200c6120010080004000200000008000500c612000108001900"
	"0000000024000c000200000000000000000000000000000000000000000000000000000000000000";
const char near4[] =
	"6800000018000000070000001054000002202000fe0000010002000008000f00fe000000"
	"08000100c612000108000200c6120010080004000200000008001900"
	"0000000024000c000200000000000000000000000000000000000000000000000000000000000000";
const char own4[] =
	"6800000018000000070000001054000002202000fe0000020002008008000f00fe000000"
	"08000100c612001108000200c6120010080004000100000008001900"
	"0000000024000c000100000000000000000000000000000000000000000000000000000000000000";
const char nowhere4[] = "400000000200000007000000105400009bffffff2c0000001a000100070000000000000002"
			"202000000000000000000008000100cb00710108000200c6120010";
const char far6[] =
	"b00000001800000007000000105400000a808000fe0300010000000008000f00fe0000001400010020010db8"
	"000000fe00000000000000011400020020010db80000000e00000000000000101400070020010db80000000e"
	"000000000000001f08000600000400001400050020010db80000000e00000000000000010800040002000000"
	"24000c0002000000000000000000000000000000000000000000000000000000000000000500140000000000";
const char known4[] =
	"4c0000001c000000070000001054000002000000020000000400000108000100c61200010a000200"
	"42e7d36caef60000080004000100000014000300a11d0000a11d0000d40c000001000000";
const char known6[] =
	"580000001c00000007000000105400000a000000020000000400000114000100"
	"20010db80000000e00000000000000010a00020042e7d36caef60000080004000400000014000300"
	"a41d0000a41d0000d410000001000000";
const char created4[] =
	"4c0000001c000000000000002454000002000000020000000400000108000100c61200090a000200"
	"020000000009000008000400000000001400030070170000000000000000000001000000";
const char failed4[] =
	"400000001c000000000000002554000002000000020000002000000108000100c6120009080004"
	"00000000001400030070170000000000000000000001000000";
const char deleted4[] =
	"400000001d000000000000000000000002000000020000002000000108000100c6120009080004"
	"00000000001400030070170000000000000000000000000000";

// A message in memory of its exact size, so that a sanitizer sees any overrun.
class Message {
      public:
	explicit Message(const std::string &hex) : words_(hex.size() / 8) {
		for (size_t i = 0; i < hex.size() / 2; i++)
			bytes()[i] = (uint8_t)std::stoul(hex.substr(2 * i, 2), nullptr, 16);
	}
	uint8_t *bytes() {
		return reinterpret_cast<uint8_t *>(words_.data());
	}
	struct nlmsghdr *operator*() {
		return reinterpret_cast<struct nlmsghdr *>(words_.data());
	}
	void cut(size_t len) {
		words_.resize((len + 3) / 4);
		words_.shrink_to_fit();
		(**this)->nlmsg_len = (uint32_t)len;
	}

      private:
	std::vector<uint32_t> words_;
};

std::string text4(const uint8_t *addr) {
	char text[INET_ADDRSTRLEN];

	return inet_ntop(AF_INET, addr, text, sizeof(text));
}

TEST(NetlinkRoute, BehindAGateway) {
	Message m(far4);
	netlink_route r;

	ASSERT_EQ(netlink_read_route(*m, &r), 0);
	EXPECT_EQ(r.ifindex, 2);
	EXPECT_TRUE(r.is_unicast);
	EXPECT_TRUE(r.has_gateway);
	EXPECT_EQ(text4(r.gateway), "198.18.0.1");

	Message six(far6);
	ASSERT_EQ(netlink_read_route(*six, &r), 0);
	EXPECT_EQ(r.ifindex, 2);
	EXPECT_TRUE(r.has_gateway);
	EXPECT_EQ(r.gateway[0], 0x20);
	EXPECT_EQ(r.gateway[15], 1);
}

TEST(NetlinkRoute, OnTheLink) {
	Message m(near4);
	netlink_route r;

	ASSERT_EQ(netlink_read_route(*m, &r), 0);
	EXPECT_TRUE(r.is_unicast);
	EXPECT_FALSE(r.is_local);
	EXPECT_FALSE(r.has_gateway);
}

TEST(NetlinkRoute, ToThisHostIsNoUnicast) {
	Message m(own4);
	netlink_route r;

	ASSERT_EQ(netlink_read_route(*m, &r), 0);
	EXPECT_FALSE(r.is_unicast);
	EXPECT_TRUE(r.is_local);
	EXPECT_EQ(r.ifindex, 1);
}

TEST(NetlinkRoute, OtherMessagesAreNoRoutes) {
	Message error(nowhere4), neighbour(known4);
	netlink_route r;

	EXPECT_EQ(netlink_read_route(*error, &r), -EINVAL);
	EXPECT_EQ(netlink_read_route(*neighbour, &r), -EINVAL);
}

TEST(NetlinkRoute, GatewayOfTheOtherFamilyIsRefused) {
	Message m(far4);
	netlink_route r;

	m.bytes()[70] = RTA_VIA; // was RTA_GATEWAY
	EXPECT_EQ(netlink_read_route(*m, &r), -EINVAL);
}

TEST(NetlinkNeighbour, KnownOnesAreUsable) {
	const uint8_t mac[6] = {0x42, 0xe7, 0xd3, 0x6c, 0xae, 0xf6};
	netlink_neighbour n;

	for (const char *hex : {known4, known6}) {
		Message m(hex);

		ASSERT_EQ(netlink_read_neighbour(*m, &n), 0);
		EXPECT_EQ(n.ifindex, 2);
		EXPECT_TRUE(n.usable);
		EXPECT_TRUE(n.stale); // both were recorded in this state
		EXPECT_EQ(memcmp(n.mac, mac, sizeof(mac)), 0);
	}
	EXPECT_EQ(n.family, RR_FAMILY_IPV6);
	EXPECT_EQ(n.addr[15], 1);
}

struct State {
	uint16_t state;
	bool usable;
	bool stale;
};

TEST(NetlinkNeighbour, StatesInWhichTheKernelWouldSend) {
	static const State states[] = {{NUD_INCOMPLETE, false, true}, {NUD_REACHABLE, true, false},
		{NUD_STALE, true, true}, {NUD_DELAY, true, false}, {NUD_PROBE, true, false},
		{NUD_FAILED, false, true}, {NUD_NOARP, true, false}, {NUD_PERMANENT, true, false},
		{NUD_NONE, false, true}};
	netlink_neighbour n;

	for (const State &s : states) {
		Message m(known4);

		memcpy(m.bytes() + 24, &s.state, sizeof(s.state));
		ASSERT_EQ(netlink_read_neighbour(*m, &n), 0);
		EXPECT_EQ(n.usable, s.usable) << s.state;
		EXPECT_EQ(n.stale, s.stale) << s.state;
	}
}

TEST(NetlinkNeighbour, ComesFailsAndGoes) {
	netlink_neighbour n;
	Message created(created4), failed(failed4), deleted(deleted4);

	ASSERT_EQ(netlink_read_neighbour(*created, &n), 0);
	EXPECT_TRUE(n.usable);
	EXPECT_EQ(text4(n.addr), "198.18.0.9");
	EXPECT_EQ(n.mac[5], 9);
	ASSERT_EQ(netlink_read_neighbour(*failed, &n), 0);
	EXPECT_FALSE(n.usable);
	ASSERT_EQ(netlink_read_neighbour(*deleted, &n), 0);
	EXPECT_FALSE(n.usable);
	EXPECT_EQ(text4(n.addr), "198.18.0.9");
}

TEST(NetlinkNeighbour, DeletedOneIsNotUsableWhateverItsState) {
	Message m(known4);
	netlink_neighbour n;

	(*m)->nlmsg_type = RTM_DELNEIGH;
	ASSERT_EQ(netlink_read_neighbour(*m, &n), 0);
	EXPECT_FALSE(n.usable);
}

TEST(NetlinkNeighbour, AttributesOfAnotherLengthDoNotCount) {
	netlink_neighbour n;
	Message no_mac(known4), no_addr(known4), bridge(known4);

	no_mac.bytes()[36] = 9; // of 10: an address of five bytes
	ASSERT_EQ(netlink_read_neighbour(*no_mac, &n), 0);
	EXPECT_FALSE(n.usable);
	no_mac.bytes()[36] = 11;
	ASSERT_EQ(netlink_read_neighbour(*no_mac, &n), 0);
	EXPECT_FALSE(n.usable);
	no_addr.bytes()[28] = 7; // of 8
	EXPECT_EQ(netlink_read_neighbour(*no_addr, &n), -EINVAL);
	bridge.bytes()[16] = 7; // AF_BRIDGE, whose messages come to the same group
	EXPECT_EQ(netlink_read_neighbour(*bridge, &n), -EINVAL);
}

// A bridge tells of every MAC address that it learns.
TEST(Netlink, NoNeighbourChangesTheWay) {
	Message route(far4), neighbour(known4), bridge(known4), error(nowhere4);

	bridge.bytes()[16] = 7; // AF_BRIDGE
	EXPECT_TRUE(netlink_is_of_ways(*route));
	EXPECT_FALSE(netlink_is_of_ways(*neighbour));
	EXPECT_FALSE(netlink_is_of_ways(*bridge));
	EXPECT_FALSE(netlink_is_of_ways(*error));
	for (uint16_t type : {RTM_NEWLINK, RTM_DELLINK, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE}) {
		(*route)->nlmsg_type = type;
		EXPECT_TRUE(netlink_is_of_ways(*route));
	}
}

TEST(Netlink, CutMessagesAreReadWithinTheirEnd) {
	for (const char *hex : {far4, far6, known4, known6, failed4}) {
		size_t whole = strlen(hex) / 2;

		for (size_t len = NLMSG_HDRLEN; len < whole; len++) {
			Message m(hex);
			netlink_neighbour n;
			netlink_route r;

			m.cut(len);
			netlink_read_neighbour(*m, &n);
			netlink_read_route(*m, &r);
			if (len < NLMSG_HDRLEN + sizeof(struct rtmsg)) {
				EXPECT_EQ(netlink_read_neighbour(*m, &n), -EINVAL);
				EXPECT_EQ(netlink_read_route(*m, &r), -EINVAL);
			}
		}
	}
}

// Types, lengths and addresses as rtnetlink(7) has them.
TEST(NetlinkRequest, NameWhatIsAskedFor) {
	uint8_t to[16] = {198, 18, 128, 1}, from[16] = {198, 18, 0, 16};
	uint64_t buf[NETLINK_REQUEST_MAX / 8];
	struct nlmsghdr *h = netlink_ask_route(buf, RR_FAMILY_IPV4, to, from);

	EXPECT_EQ(h->nlmsg_type, RTM_GETROUTE);
	EXPECT_EQ(h->nlmsg_len, NLMSG_HDRLEN + sizeof(struct rtmsg) + 2 * 8);
	const struct rtmsg *r = (const struct rtmsg *)NLMSG_DATA(h);
	EXPECT_EQ(r->rtm_dst_len, 32);
	EXPECT_EQ(r->rtm_src_len, 32);

	h = netlink_use_neighbour(buf, RR_FAMILY_IPV6, 5, to);
	EXPECT_EQ(h->nlmsg_type, RTM_NEWNEIGH);
	EXPECT_EQ(h->nlmsg_len, NLMSG_HDRLEN + sizeof(struct ndmsg) + 20);
	const struct ndmsg *n = (const struct ndmsg *)NLMSG_DATA(h);
	EXPECT_EQ(n->ndm_flags, NTF_USE);
	EXPECT_EQ(n->ndm_state, 0);
	EXPECT_EQ(n->ndm_ifindex, 5);
	EXPECT_EQ(n->ndm_family, AF_INET6);

	h = netlink_ask_neighbour(buf, RR_FAMILY_IPV4, 5, to);
	EXPECT_EQ(h->nlmsg_type, RTM_GETNEIGH);
	EXPECT_EQ(h->nlmsg_flags & NLM_F_DUMP, 0);
}

} // namespace
