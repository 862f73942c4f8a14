// SPDX-License-Identifier: BSD-2-Clause
// Frames as bytes through the parser: what it accepts, what it punts, and every reason to drop.
//
// The first part calls parse_frame on bytes, and with the same bytes the short ways, which must
// agree with it; the second gives mbufs, also chained ones from a pool, to the stage. A CPU without
// AVX-512 never goes the wide way, so that nothing of it can be seen there. Not covered: a device's
// own verdicts in every combination.
#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include <rte_eal.h>

#include "dp_fixture.h"

extern "C" {
#include "parse_plain.h"
#include "parse_wide.h"
}

using namespace dp;

namespace {

const Bytes to_ext = mac_bytes(ext_mac);
const Bytes to_int = mac_bytes(int_mac);
const Bytes to_all(6, 0xff);
const Bytes media = udp(4000, 20002, rtp(1));
const char *const caller4 = "198.18.5.5";
const char *const caller6 = "2001:db8:1::55";

std::string counter_name(int verdict) {
	return verdict >= 0 ? "counter " + std::to_string(verdict) : std::to_string(verdict);
}

#define EXPECT_VERDICT(want, got) EXPECT_EQ(counter_name(want), counter_name(got))

class Parse : public testing::Test {
      protected:
	Parse() : ordinary(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.2", media))) {
		memset(&parse, 0, sizeof(parse));
		parse.addrs = world.addrs.get();
		parse.flows = world.flows.get();
		parse.media_port_min = PORT_MIN;
		parse.n_media_ports = N_PORTS;
		memcpy(&parse.mac[EXT_PORT], ext_mac, 6);
		memcpy(&parse.mac[INT_PORT], int_mac, 6);
		memset(&frame, 0, sizeof(frame));
		memset(&ordinary_view, 0x5a, sizeof(ordinary_view));
		ordinary_view.m = &ordinary.m;
		ordinary_view.port = EXT_PORT;
		EXPECT_TRUE(parse_plain(&parse, &ordinary_view));
	}

	// The bytes are copied to memory of their exact size, so that a sanitizer sees any overrun.
	int run(const Bytes &bytes, uint8_t port = EXT_PORT) {
		std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);

		std::copy(bytes.begin(), bytes.end(), exact.get());
		frame.data = exact.get();
		frame.n_contiguous = first_buffer != 0 ? first_buffer : (uint32_t)bytes.size();
		frame.len = (uint32_t)bytes.size();
		frame.port = port;
		memset(&view, 0x5a, sizeof(view));
		view.port = port;
		int verdict = parse_frame(&parse, &frame, &view, &ip_end);
		compare_with_plain(exact.get(), verdict);
		if (parse_wide_is_possible())
			compare_with_wide();
		return verdict;
	}

	// What the short way accepts, parse_frame accepts with the same view.
	void compare_with_plain(uint8_t *bytes, int verdict) {
		m = {};
		memset(&plain, 0x5a, sizeof(plain));
		plain.m = &m;
		plain.port = frame.port;
		m.buf_addr = bytes;
		m.nb_segs = frame.n_contiguous == frame.len ? 1 : 2;
		m.data_len = (uint16_t)frame.n_contiguous;
		m.pkt_len = frame.len;
		m.ol_flags = frame.offload;
		m.vlan_tci = frame.vlan;
		was_plain = parse_plain(&parse, &plain);
		if (!was_plain)
			return;
		compare_views(bytes, verdict);
	}

	void compare_views(const uint8_t *bytes, int verdict) {
		struct pkt whole = view;

		EXPECT_VERDICT(PARSE_MEDIA, verdict);
		EXPECT_EQ(bytes + view.l2_len + view.l3_len, plain.udp);
		EXPECT_EQ(view.payload_len, plain.n_contiguous);
		EXPECT_EQ(frame.len, view.l2_len + view.l3_len + 8u + view.payload_len);
		EXPECT_EQ(plain.udp[6] != 0 || plain.udp[7] != 0, plain.is_patchable);
		// These stand outside of the parser.
		whole.m = plain.m;
		whole.udp = plain.udp;
		whole.is_patchable = plain.is_patchable;
		whole.n_contiguous = plain.n_contiguous;
		EXPECT_EQ(0, memcmp(&whole, &plain, sizeof(whole)));
	}

	// One of a group that is read at all: see parse_wide.c.
	bool is_for_wide(uint32_t lane) const {
		const uint8_t *data = (const uint8_t *)m.buf_addr;

		return frame.port == EXT_PORT && m.nb_segs == 1 && m.data_len >= 42 &&
		       (m.ol_flags & PLAIN_NOT) == 0 && (lane > 0 || data[12] == 8);
	}

	// The last frame in a lane, another one each time, among ordinary ones: the wide way takes
	// what is plain, of IPv4 without a tag, with the same view.
	void compare_with_wide() {
		struct burst *b = world.burst.get();
		uint32_t lane = n_runs++ % 8, want = 0;

		memset((void *)b->view, 0x5a, sizeof(b->view));
		world.begin(1000);
		for (uint32_t i = 0; i < 8; i++)
			pkt_add(b, i == lane ? &m : &ordinary.m,
				i == lane ? frame.port : (uint8_t)EXT_PORT);
		if (is_for_wide(lane))
			want = 0xff;
		if (!was_plain || plain.family != RR_FAMILY_IPV4 || plain.l2_len != 14)
			want &= ~(1U << lane);
		ASSERT_EQ(want, parse_wide(&parse, b)) << "lane " << lane;
		for (uint32_t i = 0; i < 8; i++) {
			const struct pkt *same = i == lane ? &plain : &ordinary_view;

			if (want >> i & 1) {
				ASSERT_EQ(0, memcmp(same, &b->view[i], sizeof(*same)))
					<< "lane " << i << " with the frame in lane " << lane;
			}
		}
	}

	int run4(const Bytes &payload, uint8_t protocol = 17, uint16_t fragment = 0,
		const Bytes &options = {}) {
		return run(ether(to_ext, 0x0800,
			ip4(caller4, "198.18.0.1", payload, protocol, fragment, options)));
	}

	int run6(const Bytes &payload, uint8_t next = 17) {
		return run(ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", payload, next)));
	}

	World world;
	struct parse parse;
	struct parse_frame frame;
	uint32_t first_buffer = 0; // bytes in the first buffer, 0 = all
	struct pkt view;
	uint32_t ip_end;
	struct rte_mbuf m;
	struct pkt plain; // what parse_plain made of it
	bool was_plain;
	Mbuf ordinary;
	struct pkt ordinary_view;
	uint32_t n_runs = 0;
};

TEST_F(Parse, Ipv4MediaFillsTheView) {
	EXPECT_VERDICT(PARSE_MEDIA, run4(media));
	EXPECT_EQ(14, view.l2_len);
	EXPECT_EQ(20, view.l3_len);
	EXPECT_EQ(172, view.payload_len);
	EXPECT_EQ(htons(4000), view.src_port_be);
	EXPECT_EQ(RR_FAMILY_IPV4, view.family);
	EXPECT_EQ(EXT4, view.addr);
	EXPECT_EQ(0, view.vlan);
	EXPECT_EQ(world.slot(EXT4, 20002), view.slot);
	EXPECT_EQ(0, memcmp(view.src, endpoint(caller4, 0).addr, 16));
}

TEST_F(Parse, Ipv6MediaFillsTheView) {
	EXPECT_VERDICT(PARSE_MEDIA, run6(media));
	EXPECT_EQ(40, view.l3_len);
	EXPECT_EQ(172, view.payload_len);
	EXPECT_EQ(RR_FAMILY_IPV6, view.family);
	EXPECT_EQ(world.slot(EXT6, 20002), view.slot);
	EXPECT_EQ(0, memcmp(view.src, endpoint(caller6, 0).addr, 16));
}

TEST_F(Parse, VlanTagInTheFrameOrStripped) {
	Bytes packet = ip4("10.1.0.9", "10.1.0.1", media);

	EXPECT_VERDICT(PARSE_MEDIA, run(vlan(to_int, INT_VLAN, 0x0800, packet), INT_PORT));
	EXPECT_EQ(18, view.l2_len);
	EXPECT_EQ(INT_VLAN, view.vlan);
	EXPECT_EQ(world.slot(INT4, 20002), view.slot);
	frame.offload = RTE_MBUF_F_RX_VLAN_STRIPPED;
	frame.vlan = 0xa000 | INT_VLAN; // priority bits are no part of the number
	EXPECT_VERDICT(PARSE_MEDIA, run(ether(to_int, 0x0800, packet), INT_PORT));
	EXPECT_EQ(14, view.l2_len);
	EXPECT_EQ(INT_VLAN, view.vlan);
	EXPECT_VERDICT(RR_C_drop_eth_type, run(vlan(to_int, INT_VLAN, 0x0800, packet), INT_PORT));
}

TEST_F(Parse, PriorityTagIsUntagged) {
	EXPECT_VERDICT(
		PARSE_MEDIA, run(vlan(to_ext, 0xe000, 0x0800, ip4(caller4, "198.18.0.1", media))));
	EXPECT_EQ(0, view.vlan);
}

TEST_F(Parse, VlanWithoutRealm) {
	Bytes packet = ip4("10.1.0.9", "10.1.0.1", media);

	EXPECT_VERDICT(RR_C_drop_vlan_unknown, run(vlan(to_int, 101, 0x0800, packet), INT_PORT));
	EXPECT_VERDICT(RR_C_drop_vlan_unknown, run(ether(to_int, 0x0800, packet), INT_PORT));
	EXPECT_VERDICT(RR_C_drop_vlan_unknown, run(vlan(to_ext, 100, 0x0800, packet), EXT_PORT));
}

TEST_F(Parse, TwoTags) {
	EXPECT_VERDICT(RR_C_drop_eth_type,
		run(vlan(to_int, INT_VLAN, 0x8100, be16(5) + be16(0x0800)), INT_PORT));
}

TEST_F(Parse, AddressBelongsToItsPortAndVlan) {
	EXPECT_VERDICT(RR_C_drop_ip_dst,
		run(ether(to_ext, 0x0800, ip4(caller4, "10.1.0.1", media)), EXT_PORT));
	EXPECT_VERDICT(RR_C_drop_ip_dst,
		run(vlan(to_int, INT_VLAN, 0x0800, ip4(caller4, "198.18.0.1", media)), INT_PORT));
}

TEST_F(Parse, ShortFrames) {
	EXPECT_VERDICT(RR_C_drop_rx_short, run({}));
	EXPECT_VERDICT(RR_C_drop_rx_short, run(Bytes(13, 0)));
	EXPECT_VERDICT(RR_C_drop_rx_short, run(to_ext + Bytes(6, 0) + be16(0x8100) + be16(0)));
}

TEST_F(Parse, EthernetDestination) {
	Bytes packet = ip4(caller4, "198.18.0.1", media);
	Bytes other = {2, 0, 0, 0, 0, 0x77};

	EXPECT_VERDICT(RR_C_drop_eth_dst, run(ether(other, 0x0800, packet)));
	EXPECT_VERDICT(RR_C_drop_eth_dst, run(ether(to_all, 0x0800, packet)));
	EXPECT_VERDICT(RR_C_drop_eth_dst,
		run(ether(to_all, 0x0800, ip4(caller4, "198.18.0.1", Bytes(8, 0), 1))));
}

TEST_F(Parse, EtherTypes) {
	EXPECT_VERDICT(RR_C_drop_eth_type, run(ether(to_ext, 0x88cc, Bytes(46, 0))));
	EXPECT_VERDICT(RR_C_drop_eth_type, run(ether(to_ext, 100, Bytes(100, 0))));
	EXPECT_VERDICT(RR_C_drop_eth_type, run(ether(to_ext, 0x88a8, Bytes(46, 0))));
}

TEST_F(Parse, ArpIsPunted) {
	EXPECT_VERDICT(PARSE_PUNT, run(ether(to_all, 0x0806, Bytes(28, 0))));
	EXPECT_VERDICT(PARSE_PUNT, run(ether(to_ext, 0x0806, Bytes(28, 0))));
	EXPECT_EQ(14, view.l2_len);
	EXPECT_EQ(0u, ip_end);
}

TEST_F(Parse, IcmpIsPunted) {
	EXPECT_VERDICT(PARSE_PUNT, run4(Bytes(8, 0), 1));
	EXPECT_EQ(34u + 8, ip_end);
	EXPECT_VERDICT(PARSE_PUNT, run6(Bytes(8, 0), 58));
	EXPECT_EQ(40, view.l3_len);
}

TEST_F(Parse, NeighbourDiscoveryGroups) {
	Bytes group = {0x33, 0x33, 0xff, 0, 0, 1};
	Bytes nd = Bytes(24, 0);

	EXPECT_VERDICT(
		PARSE_PUNT, run(ether(group, 0x86dd, ip6(caller6, "ff02::1:ff00:1", nd, 58))));
	EXPECT_VERDICT(PARSE_PUNT, run(ether(group, 0x86dd, ip6(caller6, "ff02::1", nd, 58))));
	EXPECT_VERDICT(PARSE_PUNT, run(ether(group, 0x86dd, ip6("::", "ff02::1:ff00:1", nd, 58))));
	EXPECT_VERDICT(
		RR_C_drop_ip_dst, run(ether(group, 0x86dd, ip6(caller6, "ff02::fb", nd, 58))));
	EXPECT_VERDICT(
		RR_C_drop_ip_dst, run(ether(to_ext, 0x86dd, ip6(caller6, "ff02::1", media))));
}

TEST_F(Parse, Ipv4Header) {
	Bytes good = ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media));
	Bytes bad = good;

	bad[14] = 0x65;
	EXPECT_VERDICT(RR_C_drop_ip4_header, run(bad));
	bad[14] = 0x44;
	EXPECT_VERDICT(RR_C_drop_ip4_header, run(bad));
	bad = good;
	bad[16] = 0;
	bad[17] = 19;
	EXPECT_VERDICT(RR_C_drop_ip4_header, run(bad));
	bad = good;
	bad[24] ^= 1;
	EXPECT_VERDICT(RR_C_drop_ip4_checksum, run(bad));
	frame.offload = RTE_MBUF_F_RX_IP_CKSUM_GOOD; // the device has looked
	EXPECT_VERDICT(PARSE_MEDIA, run(bad));
	frame.offload = RTE_MBUF_F_RX_IP_CKSUM_BAD;
	EXPECT_VERDICT(RR_C_drop_ip4_checksum, run(good));
}

TEST_F(Parse, Ipv4HeaderLongerThanTotal) {
	Bytes bad = ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media));

	bad[14] = 0x4f;
	bad[16] = 0;
	bad[17] = 59;
	EXPECT_VERDICT(RR_C_drop_ip4_header, run(bad));
}

TEST_F(Parse, Truncated) {
	Bytes four = ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media));
	Bytes six = ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", media));

	for (size_t len = 14; len < four.size(); len++)
		EXPECT_VERDICT(
			RR_C_drop_ip_truncated, run(Bytes(four.begin(), four.begin() + len)));
	for (size_t len = 14; len < six.size(); len++)
		EXPECT_VERDICT(RR_C_drop_ip_truncated, run(Bytes(six.begin(), six.begin() + len)));
}

TEST_F(Parse, Ipv4OptionsAreSkipped) {
	EXPECT_VERDICT(PARSE_MEDIA, run4(media, 17, 0, Bytes(40, 1)));
	EXPECT_EQ(60, view.l3_len);
	EXPECT_EQ(172, view.payload_len);
}

TEST_F(Parse, Ipv4Fragments) {
	EXPECT_VERDICT(PARSE_FRAGMENT, run4(media, 17, 0x2000));
	EXPECT_EQ(20, view.l3_len);
	EXPECT_VERDICT(PARSE_FRAGMENT, run4(media, 17, 185));
	EXPECT_VERDICT(PARSE_FRAGMENT, run4(Bytes{}, 17, 0x2000));
	EXPECT_VERDICT(RR_C_drop_fragment_protocol, run4(media, 6, 0x2000));
	EXPECT_VERDICT(RR_C_drop_fragment_protocol, run4(media, 1, 185));
	EXPECT_VERDICT(RR_C_drop_eth_dst,
		run(ether(to_all, 0x0800, ip4(caller4, "198.18.0.1", media, 17, 0x2000))));
	EXPECT_VERDICT(PARSE_MEDIA, run4(media, 17, 0x4000)); // don't fragment
}

TEST_F(Parse, Ipv4Sources) {
	for (const char *src : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"})
		EXPECT_VERDICT(RR_C_drop_ip_src,
			run(ether(to_ext, 0x0800, ip4(src, "198.18.0.1", media))));
}

TEST_F(Parse, Destinations) {
	for (const char *dst : {"198.18.0.3", "255.255.255.255", "224.0.0.1", "0.0.0.0"})
		EXPECT_VERDICT(
			RR_C_drop_ip_dst, run(ether(to_ext, 0x0800, ip4(caller4, dst, media))));
	EXPECT_VERDICT(
		RR_C_drop_ip_dst, run(ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::2", media))));
}

TEST_F(Parse, Protocols) {
	EXPECT_VERDICT(RR_C_drop_ip_protocol, run4(media, 6));
	EXPECT_VERDICT(RR_C_drop_ip_protocol, run4(media, 58));
	EXPECT_VERDICT(RR_C_drop_ip_protocol, run6(media, 6));
	EXPECT_VERDICT(RR_C_drop_ip_protocol, run6(media, 1));
	EXPECT_VERDICT(RR_C_drop_ip_protocol, run6(media, 59));
}

TEST_F(Parse, Ipv6Version) {
	Bytes bad = ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", media));

	bad[14] = 0x45;
	EXPECT_VERDICT(RR_C_drop_ip6_header, run(bad));
}

TEST_F(Parse, Ipv6Sources) {
	for (const char *src : {"::", "::1", "ff02::1"})
		EXPECT_VERDICT(RR_C_drop_ip_src,
			run(ether(to_ext, 0x86dd, ip6(src, "2001:db8:1::1", media))));
}

TEST_F(Parse, Ipv6ExtensionsAreSkipped) {
	Bytes hop = {60, 0, 1, 4, 0, 0, 0, 0};
	Bytes dst = {43, 1, 0, 5, 2, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0}; // unknown, may be skipped
	Bytes route = {44, 0, 4, 0, 0, 0, 0, 0};
	Bytes atomic = {17, 0, 0, 0, 1, 2, 3, 4};

	EXPECT_VERDICT(PARSE_MEDIA, run6(hop + dst + route + atomic + media, 0));
	EXPECT_EQ(40 + 8 + 16 + 8 + 8, view.l3_len);
	EXPECT_EQ(172, view.payload_len);
	EXPECT_EQ(world.slot(EXT6, 20002), view.slot);
}

TEST_F(Parse, Ipv6OptionActions) {
	for (uint8_t type : {0x40, 0x80, 0xc0, 0xc2})
		for (uint8_t header : {0, 60})
			EXPECT_VERDICT(RR_C_drop_ip6_option,
				run6(Bytes{17, 0, type, 4, 0, 0, 0, 0} + media, header));
	EXPECT_VERDICT(PARSE_MEDIA, run6(Bytes{17, 0, 0x3e, 4, 0, 0, 0, 0} + media, 60));
	EXPECT_VERDICT(PARSE_MEDIA, run6(Bytes{17, 0, 0, 0, 0, 0, 0, 0} + media, 60));
}

TEST_F(Parse, Ipv6BrokenChains) {
	EXPECT_VERDICT(RR_C_drop_ip6_extension, run6(Bytes{17, 0, 1, 5, 0, 0, 0, 0} + media, 60));
	EXPECT_VERDICT(RR_C_drop_ip6_extension, run6(Bytes{17, 0, 1, 3, 0, 0, 0, 1} + media, 60));
	EXPECT_VERDICT(RR_C_drop_ip6_extension, run6(Bytes{17, 9, 1, 4, 0, 0, 0, 0}, 60));
	EXPECT_VERDICT(RR_C_drop_ip6_extension, run6(Bytes{17, 1, 1, 4, 0, 0, 0, 0}, 60));
	EXPECT_VERDICT(RR_C_drop_ip6_extension, run6(Bytes(7, 0), 60));
	// hop-by-hop options behind another header
	EXPECT_VERDICT(RR_C_drop_ip6_extension,
		run6(Bytes{0, 0, 1, 4, 0, 0, 0, 0} + Bytes{17, 0, 1, 4, 0, 0, 0, 0} + media, 60));
}

TEST_F(Parse, Ipv6TooManyExtensions) {
	Bytes chain;

	for (int i = 0; i < 7; i++)
		chain = chain + Bytes{60, 0, 1, 4, 0, 0, 0, 0};
	EXPECT_VERDICT(PARSE_MEDIA, run6(chain + Bytes{17, 0, 1, 4, 0, 0, 0, 0} + media, 60));
	EXPECT_VERDICT(
		RR_C_drop_ip6_extension, run6(chain + Bytes{60, 0, 1, 4, 0, 0, 0, 0} +
							 Bytes{17, 0, 1, 4, 0, 0, 0, 0} + media,
						 60));
}

TEST_F(Parse, Ipv6RoutingAndFragments) {
	EXPECT_VERDICT(RR_C_drop_ip6_routing, run6(Bytes{17, 0, 0, 1, 0, 0, 0, 0} + media, 43));
	EXPECT_VERDICT(PARSE_FRAGMENT, run6(Bytes{17, 0, 0, 1, 0, 0, 0, 9} + media, 44));
	EXPECT_EQ(40, view.l3_len) << "as far as the fragment header";
	EXPECT_VERDICT(PARSE_FRAGMENT, run6(Bytes{17, 0, 0, 8, 0, 0, 0, 9} + media, 44));
	EXPECT_VERDICT(
		RR_C_drop_fragment_protocol, run6(Bytes{58, 0, 0, 8, 0, 0, 0, 9} + media, 44));
	EXPECT_VERDICT(RR_C_drop_eth_dst,
		run(ether(to_all, 0x86dd,
			ip6(caller6, "2001:db8:1::1", Bytes{17, 0, 0, 1, 0, 0, 0, 9}, 44))));
	EXPECT_VERDICT(RR_C_drop_ip_src,
		run(ether(to_ext, 0x86dd,
			ip6("::", "2001:db8:1::1", Bytes{17, 0, 0, 1, 0, 0, 0, 9}, 44))));
	EXPECT_VERDICT(RR_C_drop_ip_dst,
		run(ether(to_ext, 0x86dd,
			ip6(caller6, "ff02::1", Bytes{17, 0, 0, 1, 0, 0, 0, 9}, 44))));
	EXPECT_VERDICT(PARSE_MEDIA, run6(Bytes{17, 0, 0, 6, 0, 0, 0, 9} + media, 44));
	EXPECT_VERDICT(PARSE_MEDIA, run6(Bytes{17, 9, 0, 0, 0, 0, 0, 9} + media, 44)) << "reserved";
}

TEST_F(Parse, UdpHeader) {
	Bytes bad = media;

	EXPECT_VERDICT(RR_C_drop_udp_short, run4(Bytes(7, 0)));
	EXPECT_VERDICT(RR_C_drop_udp_short, run6(Bytes{}));
	bad[4] = 0;
	bad[5] = 7;
	EXPECT_VERDICT(RR_C_drop_udp_length, run4(bad));
	bad[4] = 0x10;
	EXPECT_VERDICT(RR_C_drop_udp_length, run4(bad));
}

TEST_F(Parse, UdpReachesIntoThePadding) {
	Bytes frame_bytes =
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", udp(4000, 20002, {1})));

	frame_bytes[14 + 20 + 5]++;
	EXPECT_VERDICT(RR_C_drop_udp_length, run(frame_bytes + Bytes(17, 0)));
	frame_bytes = ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", udp(4000, 20002, {1})));
	frame_bytes[14 + 40 + 5]++;
	EXPECT_VERDICT(RR_C_drop_udp_length, run(frame_bytes + Bytes(17, 0)));
}

TEST_F(Parse, UdpShorterThanIpIsTrimmed) {
	EXPECT_VERDICT(PARSE_MEDIA, run4(media + Bytes(5, 0xee)));
	EXPECT_EQ(172, view.payload_len);
}

TEST_F(Parse, EmptyDatagram) {
	EXPECT_VERDICT(PARSE_MEDIA, run4(udp(4000, 20002, {})));
	EXPECT_EQ(0, view.payload_len);
}

TEST_F(Parse, UdpChecksum) {
	EXPECT_VERDICT(PARSE_MEDIA, run4(udp(4000, 20002, rtp(1), 0)));
	EXPECT_VERDICT(RR_C_drop_udp_no_checksum, run6(udp(4000, 20002, rtp(1), 0)));
	frame.offload = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	EXPECT_VERDICT(RR_C_drop_udp_checksum, run4(media));
	EXPECT_VERDICT(RR_C_drop_udp_checksum, run6(media));
	// there is none that could be bad
	EXPECT_VERDICT(PARSE_MEDIA, run4(udp(4000, 20002, rtp(1), 0)));
}

TEST_F(Parse, MediaRange) {
	EXPECT_VERDICT(RR_C_drop_udp_port, run4(udp(4000, PORT_MIN - 1, rtp(1))));
	EXPECT_VERDICT(RR_C_drop_udp_port, run4(udp(4000, PORT_MIN + N_PORTS, rtp(1))));
	EXPECT_VERDICT(PARSE_MEDIA, run4(udp(4000, PORT_MIN, rtp(1))));
	EXPECT_EQ(world.slot(EXT4, PORT_MIN), view.slot);
	EXPECT_VERDICT(PARSE_MEDIA, run4(udp(4000, PORT_MIN + N_PORTS - 1, rtp(1))));
}

TEST_F(Parse, HeadersBehindTheFirstBuffer) {
	Bytes four = ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media));
	Bytes six = ether(to_ext, 0x86dd,
		ip6(caller6, "2001:db8:1::1", Bytes{17, 0, 1, 4, 0, 0, 0, 0} + media, 60));

	for (uint32_t n = 1; n < 14 + 20 + 8; n++) {
		first_buffer = n;
		EXPECT_VERDICT(RR_C_drop_rx_segments, run(four));
	}
	for (uint32_t n = 1; n < 14 + 48 + 8; n++) {
		first_buffer = n;
		EXPECT_VERDICT(RR_C_drop_rx_segments, run(six));
	}
	first_buffer = 14 + 20 + 8;
	EXPECT_VERDICT(PARSE_MEDIA, run(four));
}

TEST_F(Parse, SecondAddressOfAPool) {
	EXPECT_VERDICT(PARSE_MEDIA, run(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.2", media))));
	EXPECT_EQ(world.slot(EXT4B, 20002), view.slot);
}

TEST(AddrTable, LargePools) {
	Zeroed<struct rr_config> cfg;
	Zeroed<struct port_set> ports;
	Zeroed<struct addr_table> table;

	ports->n = 1;
	ports->port[0].mtu = 1500;
	cfg->n_realms = 1;
	cfg->n_addrs = RR_MAX_ADDRS;
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		struct rr_endpoint ep = endpoint(i % 2 ? "2001:db8::" : "198.18.0.0", 0);

		ep.addr[i % 2 ? 14 : 2] = (uint8_t)(i >> 8);
		ep.addr[i % 2 ? 15 : 3] = (uint8_t)i;
		memcpy(cfg->addr[i].addr, ep.addr, 16);
		cfg->addr[i].family = ep.family;
	}
	ASSERT_EQ(0, addr_table_build(table.get(), cfg.get(), ports.get()));
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		EXPECT_EQ(i, addr_table_find(table.get(), 0, 0, (enum rr_family)cfg->addr[i].family,
				     cfg->addr[i].addr));
	cfg->addr[1] = cfg->addr[3];
	EXPECT_EQ(-EEXIST, addr_table_build(table.get(), cfg.get(), ports.get()));
	cfg->addr[1].realm = 1;
	EXPECT_EQ(-EINVAL, addr_table_build(table.get(), cfg.get(), ports.get()));
	cfg->addr[1].realm = 0;
	cfg->addr[1].family = 5;
	EXPECT_EQ(-EINVAL, addr_table_build(table.get(), cfg.get(), ports.get()));
}

// Addresses come and go; whoever stays is found all the while, and no slot is lost for good.
TEST(AddrTable, ComeAndGo) {
	const uint32_t n = 64, n_stay = 8;
	Zeroed<struct rr_config> cfg;
	Zeroed<struct port_set> ports;
	Zeroed<struct addr_table> table;
	const struct addr_source from = {cfg.get(), ports.get()};
	struct rr_shm_addr addr[n] = {};

	ports->n = 1;
	cfg->n_realms = 1;
	ports->port[0].mtu = 1500;
	ASSERT_EQ(0, addr_table_init(table.get(), &from, n));
	for (uint32_t turn = 0; turn < 4 * ADDR_TABLE_SLOTS / n; turn++) {
		for (uint32_t i = turn ? n_stay : 0; i < n; i++) {
			addr[i].family = RR_FAMILY_IPV4;
			addr[i].addr[0] = 198;
			addr[i].addr[1] = (uint8_t)turn;
			addr[i].addr[3] = (uint8_t)i;
			ASSERT_EQ(0, addr_table_add(table.get(), &from, i, &addr[i]));
		}
		EXPECT_EQ(-EEXIST, addr_table_add(table.get(), &from, 9, &addr[9]));
		for (uint32_t i = 0; i < n; i++)
			ASSERT_EQ(i,
				addr_table_find(table.get(), 0, 0, RR_FAMILY_IPV4, addr[i].addr));
		for (uint32_t i = n_stay; i < n; i++)
			addr_table_remove(table.get(), i);
		addr_table_remove(table.get(), n - 1); // is gone already
		for (uint32_t i = 0; i < n; i++)
			ASSERT_EQ(i < n_stay ? i : ADDR_NONE,
				addr_table_find(table.get(), 0, 0, RR_FAMILY_IPV4, addr[i].addr));
		EXPECT_FALSE(addr_table_has(table.get(), n_stay));
		// for whoever has found it before
		EXPECT_EQ(RR_FAMILY_IPV4, table->local[n_stay].family);
		EXPECT_EQ(0, memcmp(table->local[n_stay].addr, addr[n_stay].addr, 16));
	}
	EXPECT_EQ(-EINVAL, addr_table_add(table.get(), &from, n, &addr[9]));
	EXPECT_EQ(&table->local[0], addr_table_of_realm(table.get(), 0, RR_FAMILY_IPV4));
	EXPECT_EQ(nullptr, addr_table_of_realm(table.get(), 0, RR_FAMILY_IPV6));
	EXPECT_EQ(nullptr, addr_table_of_realm(table.get(), 1, RR_FAMILY_IPV4));
}

TEST(AddrTable, OneAddressInManyVlans) {
	Zeroed<struct rr_config> cfg;
	Zeroed<struct port_set> ports;
	Zeroed<struct addr_table> table;

	ports->n = RR_MAX_PORTS;
	for (uint32_t i = 0; i < RR_MAX_PORTS; i++)
		ports->port[i].mtu = 1500;
	cfg->n_realms = RR_MAX_REALMS;
	for (uint32_t i = 0; i < RR_MAX_REALMS * RR_MAX_PORTS; i++) {
		struct rr_shm_addr *a = &cfg->addr[cfg->n_addrs++];

		cfg->realm[i % RR_MAX_REALMS].vlan = (uint16_t)(i % RR_MAX_REALMS + 1);
		memcpy(a->addr, endpoint("198.18.0.1", 0).addr, 16);
		a->family = RR_FAMILY_IPV4;
		a->realm = (uint8_t)(i % RR_MAX_REALMS);
		a->port = (uint8_t)(i / RR_MAX_REALMS);
	}
	ASSERT_EQ(0, addr_table_build(table.get(), cfg.get(), ports.get()));
	for (uint32_t i = 0; i < cfg->n_addrs; i++)
		EXPECT_EQ(i, addr_table_find(table.get(), cfg->addr[i].port,
				     cfg->realm[cfg->addr[i].realm].vlan, RR_FAMILY_IPV4,
				     cfg->addr[i].addr));
	cfg->realm[0].vlan = 4096;
	EXPECT_EQ(-EINVAL, addr_table_build(table.get(), cfg.get(), ports.get()));
}

// Of a frame that has an IPv4 header, as long as the frame says that it is, or of `len` bytes.
void mend_ip4_checksum(Bytes &frame, size_t len = 0) {
	size_t at = frame.size() > 18 && frame[12] == 0x81 ? 18 : 14;
	uint32_t sum;

	if (frame.size() < at + 20 || (len == 0 && frame[at] >> 4 != 4))
		return;
	if (len == 0)
		len = std::min((frame[at] & 15U) * 4UL, frame.size() - at);
	frame[at + 10] = frame[at + 11] = 0;
	sum = ones_sum(Bytes(frame.begin() + (long)at, frame.begin() + (long)(at + len)));
	frame[at + 10] = (uint8_t)(~sum >> 8);
	frame[at + 11] = (uint8_t)~sum;
}

// Nearly all of media goes the short way; one changed byte, whichever it is, is no reason for the
// two to differ.
TEST_F(Parse, PlainMediaIsSeenAsTheWholeParserSeesIt) {
	const Bytes frames[] = {
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media)),
		ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", media)),
		vlan(to_int, INT_VLAN, 0x0800, ip4("10.1.0.9", "10.1.0.1", media)),
	};
	const uint8_t ports[] = {EXT_PORT, EXT_PORT, INT_PORT};

	for (size_t i = 0; i < RR_ARRAY_LEN(frames); i++) {
		EXPECT_VERDICT(PARSE_MEDIA, run(frames[i], ports[i])) << i;
		EXPECT_TRUE(was_plain) << i;
		for (size_t at = 0; at < frames[i].size(); at++) {
			for (int value = 0; value < 256; value++) {
				Bytes changed = frames[i];

				changed[at] = (uint8_t)value;
				run(changed, ports[i]);
				mend_ip4_checksum(changed);
				run(changed, ports[i]);
				mend_ip4_checksum(changed, 20);
				run(changed, ports[i]);
			}
			run(Bytes(frames[i].begin(), frames[i].begin() + (long)at), ports[i]);
		}
		run(frames[i] + Bytes(4), ports[i]);
		EXPECT_FALSE(was_plain) << "padding is to be cut";
	}
}

TEST(AddrTable, EthernetHeader) {
	World world;
	const struct local_addr &ext = world.addrs->local[EXT4];
	const struct local_addr &in = world.addrs->local[INT6];

	EXPECT_EQ(14, ext.l2_len);
	EXPECT_EQ(mac_bytes(ext_mac) + be16(0x0800), Bytes(ext.l2_tail, ext.l2_tail + 8));
	EXPECT_EQ(18, in.l2_len);
	EXPECT_EQ(mac_bytes(int_mac) + be16(0x8100) + be16(INT_VLAN) + be16(0x86dd),
		Bytes(in.l2_tail, in.l2_tail + 12));
}

class Eal : public testing::Environment {
	void SetUp() override {
		const char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "-m", "64",
			"--log-level=error", "--no-telemetry"};

		ASSERT_LE(0, rte_eal_init(RR_ARRAY_LEN(args), const_cast<char **>(args)));
	}

	void TearDown() override {
		rte_eal_cleanup();
	}
};

testing::Environment *const eal = testing::AddGlobalTestEnvironment(new Eal);

// The stage, on mbufs.
class ParseBurst : public Parse {
      protected:
	static void SetUpTestSuite() {
		pool = rte_pktmbuf_pool_create("test", 255, 0, 0, 128 + 700, 0);
		ASSERT_NE(nullptr, pool);
	}

	static void TearDownTestSuite() {
		EXPECT_EQ(255u, rte_mempool_avail_count(pool));
		rte_mempool_free(pool);
	}

	// A chain whose buffers hold `part` bytes each.
	struct rte_mbuf *chain(const Bytes &bytes, size_t part) {
		struct rte_mbuf *head = nullptr;

		for (size_t at = 0; at < bytes.size(); at += part) {
			size_t n = std::min(part, bytes.size() - at);
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes.data() + at, n);
			if (head == nullptr)
				head = m;
			else
				rte_pktmbuf_chain(head, m);
		}
		return head;
	}

	uint32_t take(struct rte_mbuf *m) {
		world.begin(1000);
		pkt_add(world.burst.get(), m, EXT_PORT);
		return parse_burst(&parse, world.burst.get());
	}

	static struct rte_mempool *pool;
};

struct rte_mempool *ParseBurst::pool;

Bytes big_media(size_t payload) {
	return ether(to_ext, 0x0800,
		ip4(caller4, "198.18.0.1", udp(4000, 20002, rtp(1) + Bytes(payload, 1))));
}

TEST_F(ParseBurst, PaddingIsTrimmed) {
	Bytes frame_bytes =
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", udp(4000, 20002, {1})));
	struct rte_mbuf *m = chain(frame_bytes + Bytes(17, 0), 500);

	EXPECT_EQ(1u, take(m));
	EXPECT_EQ(frame_bytes.size(), m->pkt_len);
	EXPECT_EQ(frame_bytes.size(), m->data_len);
	EXPECT_EQ(rte_pktmbuf_mtod_offset(m, uint8_t *, 34), world.burst->live[0]->udp);
	EXPECT_EQ(1, world.burst->live[0]->n_contiguous);
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, ShortChainIsGathered) {
	struct rte_mbuf *m = chain(big_media(0), 20);

	EXPECT_EQ(1u, take(m));
	EXPECT_EQ(1, m->nb_segs);
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, LongChainStays) {
	struct rte_mbuf *m = chain(big_media(1000), 300);

	EXPECT_EQ(1u, take(m));
	EXPECT_LT(1, m->nb_segs);
	EXPECT_EQ(1172, world.burst->live[0]->payload_len);
	EXPECT_EQ(300 - 42, world.burst->live[0]->n_contiguous);
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, LongChainWithHeadersApart) {
	for (size_t part : {30, 100}) {
		struct rte_mbuf *m = chain(big_media(1000), part);

		EXPECT_EQ(0u, take(m));
		ASSERT_EQ(1u, world.burst->n_dropped);
		EXPECT_EQ(m, world.burst->dropped[0]);
		rte_pktmbuf_free(m);
	}
	EXPECT_EQ(2u, world.counters[EXT_PORT][RR_C_drop_rx_segments]);
}

TEST_F(ParseBurst, PaddingOverSeveralBuffers) {
	Bytes frame_bytes = big_media(600);
	struct rte_mbuf *m = chain(frame_bytes + Bytes(450, 0), 200);

	EXPECT_EQ(1u, take(m));
	EXPECT_EQ(frame_bytes.size(), m->pkt_len);
	EXPECT_EQ((frame_bytes.size() + 199) / 200, m->nb_segs);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, SideDoors) {
	struct rte_mbuf *good = chain(big_media(0), 500);
	struct rte_mbuf *arp = chain(ether(to_all, 0x0806, Bytes(28, 0)), 500);
	struct rte_mbuf *fragment =
		chain(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media, 17, 0x2000)), 500);
	struct burst *b = world.burst.get();

	world.begin(1000);
	pkt_add(b, fragment, EXT_PORT);
	pkt_add(b, arp, EXT_PORT);
	pkt_add(b, good, EXT_PORT);
	EXPECT_EQ(1u, parse_burst(&parse, b));
	EXPECT_EQ(good, b->live[0]->m);
	ASSERT_EQ(1u, b->n_punted);
	EXPECT_EQ(arp, b->punted[0]->m);
	EXPECT_EQ(14, arp->l2_len);
	EXPECT_EQ(0u, b->n_dropped);
	ASSERT_EQ(1u, b->n_fragments);
	EXPECT_EQ(fragment, b->fragment[0]->m);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_ip_fragments]);
	rte_pktmbuf_free(good);
	rte_pktmbuf_free(arp);
	rte_pktmbuf_free(fragment);
}

// On a shared port the kernel sees to what is no media; what is wrong with media keeps its name.
TEST_F(ParseBurst, SharedPortLeavesTheRestToTheKernel) {
	const Bytes left[] = {ether(to_all, 0x0806, Bytes(28, 0)), ether(to_ext, 0x88cc, Bytes(46)),
		ether(to_int, 0x0800, ip4("198.18.0.1", caller4, media)), // sent by the kernel
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", Bytes(8), 1)),
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", Bytes(20), 6)),
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", Bytes(20), 6, 0x2000)),
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", udp(5060, 5060, rtp(1)))),
		ether(to_ext, 0x0800, ip4(caller4, "198.18.0.99", media)),
		ether(to_all, 0x0800, ip4("0.0.0.0", "255.255.255.255", media)),
		ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", Bytes(20), 6))};
	const Bytes bad[] = {ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", Bytes(4))),
		ether(to_all, 0x0800, ip4(caller4, "198.18.0.1", media)), [] {
			Bytes cut = ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media));

			cut.pop_back();
			return cut;
		}()};
	uint64_t n = 0;

	parse.shared[EXT_PORT] = true;
	for (const Bytes &frame : left) {
		struct rte_mbuf *m = chain(frame, 500);

		EXPECT_EQ(0u, take(m));
		EXPECT_EQ(0u, world.burst->n_punted);
		EXPECT_EQ(1u, world.burst->n_dropped);
		EXPECT_EQ(++n, world.counters[EXT_PORT][RR_C_left_to_kernel]);
		rte_pktmbuf_free(m);
	}
	for (const Bytes &frame : bad) {
		struct rte_mbuf *m = chain(frame, 500);

		EXPECT_EQ(0u, take(m));
		rte_pktmbuf_free(m);
	}
	EXPECT_EQ(n, world.counters[EXT_PORT][RR_C_left_to_kernel]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_udp_short]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_eth_dst]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_ip_truncated]);
}

TEST_F(ParseBurst, PuntedPacketCarriesItsLength) {
	Bytes echo =
		ip6(caller6, "2001:db8:1::1", Bytes{58, 0, 1, 4, 0, 0, 0, 0} + Bytes(8, 0), 60);
	struct rte_mbuf *m = chain(ether(to_ext, 0x86dd, echo + Bytes(6, 0)), 500);

	EXPECT_EQ(0u, take(m));
	ASSERT_EQ(1u, world.burst->n_punted);
	EXPECT_EQ(14, m->l2_len);
	EXPECT_EQ(14u + 40 + 16, m->pkt_len);
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, StrippedTag) {
	struct rte_mbuf *m = chain(ether(to_int, 0x0800, ip4("10.1.0.9", "10.1.0.1", media)), 500);

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = INT_VLAN;
	world.begin(1000);
	pkt_add(world.burst.get(), m, INT_PORT);
	EXPECT_EQ(1u, parse_burst(&parse, world.burst.get()));
	rte_pktmbuf_free(m);
}

TEST_F(ParseBurst, DeviceVerdicts) {
	struct rte_mbuf *m = chain(big_media(0), 500);

	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	EXPECT_EQ(0u, take(m));
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
	EXPECT_EQ(0u, take(m));
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	EXPECT_EQ(1u, take(m));
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_udp_checksum]);
	EXPECT_EQ(1u, world.counters[EXT_PORT][RR_C_drop_ip4_checksum]);
	rte_pktmbuf_free(m);
}

// One frame of a mixture.
struct Kind {
	Bytes bytes;
	uint8_t port;
	size_t part; // bytes in each buffer
	uint64_t offload;
};

class ParseMixture : public ParseBurst {
      protected:
	// More addresses than a burst remembers.
	ParseMixture() {
		for (uint32_t i = 0; i < 12; i++) {
			struct rr_shm_addr *a = &world.cfg->addr[world.cfg->n_addrs++];

			*a = world.cfg->addr[EXT4];
			a->addr[3] = (uint8_t)(100 + i);
			add(ether(to_ext, 0x0800,
				ip4(caller4, "198.18.0." + std::to_string(100 + i), media)));
		}
		world.fill_ports(RR_CHECKSUM_FULL);
		n_plain = kinds.size();
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", udp(4, 20099, rtp(9), 0))));
		add(ether(to_ext, 0x0800, ip4("198.18.255.1", "198.18.0.2", udp(5, 20000, {}))));
		add(ether(to_ext, 0x86dd, ip6(caller6, "2001:db8:1::1", media)));
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media)) + Bytes(5));
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.99", media)));
		add(ether(to_ext, 0x0800, ip4("127.0.0.1", "198.18.0.1", media)));
		add(ether(to_int, 0x0800, ip4(caller4, "198.18.0.1", media)));
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", udp(4, 5060, rtp(1)))));
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", media, 17, 0x2000)));
		add(ether(to_ext, 0x0800, ip4(caller4, "198.18.0.1", Bytes(8), 1)));
		add(ether(to_all, 0x0806, Bytes(28)));
		add(Bytes(13));
		kinds.push_back({vlan(to_int, INT_VLAN, 0x0800, ip4("10.1.0.9", "10.1.0.1", media)),
			INT_PORT, 500, 0});
		kinds.push_back({big_media(0), EXT_PORT, 100, 0});
		kinds.push_back({big_media(0), EXT_PORT, 500, RTE_MBUF_F_RX_L4_CKSUM_BAD});
	}

	void add(const Bytes &bytes) {
		kinds.push_back({bytes, EXT_PORT, 500, 0});
	}

	// What is left of a burst: the packets on every list, as numbers, and the counters.
	void note(std::vector<uint64_t> &to, const struct pkt *p) {
		const struct rte_mbuf *head = p->m;

		to.insert(to.end(),
			{(uint64_t)(p - world.burst->view), p->l2_len, p->family, p->port,
				p->l3_len, p->vlan, head->pkt_len, head->data_len, head->nb_segs});
	}

	void note_media(std::vector<uint64_t> &to, const struct pkt *p) {
		to.insert(to.end(),
			{(uint64_t)(p->udp - rte_pktmbuf_mtod(p->m, uint8_t *)), p->slot, p->addr,
				p->src_port_be, p->payload_len, p->n_contiguous, p->is_patchable});
		to.insert(to.end(), p->src, p->src + 16);
		note(to, p);
	}

	std::vector<uint64_t> outcome() {
		const struct burst *b = world.burst.get();
		std::vector<uint64_t> all = {b->n, b->n_dropped, b->n_punted, b->n_fragments};

		for (uint32_t i = 0; i < b->n; i++)
			note_media(all, b->live[i]);
		for (uint32_t i = 0; i < b->n_punted; i++)
			note(all, b->punted[i]);
		for (uint32_t i = 0; i < b->n_fragments; i++)
			note(all, b->fragment[i]);
		for (uint32_t i = 0; i < b->n_dropped; i++)
			all.push_back(
				(uint64_t)(std::find(sent.begin(), sent.end(), b->dropped[i]) -
					   sent.begin()));
		for (const auto &port : world.counters)
			all.insert(all.end(), port, port + RR_N_COUNTERS);
		return all;
	}

	std::vector<uint64_t> take_all(const std::vector<size_t> &which, bool is_wide) {
		std::vector<uint64_t> all;

		memset(world.counters, 0, sizeof(world.counters));
		memset((void *)world.burst->view, 0x5a, sizeof(world.burst->view));
		world.begin(1000);
		sent.clear();
		for (size_t kind : which) {
			struct rte_mbuf *head = chain(kinds[kind].bytes, kinds[kind].part);

			head->ol_flags |= kinds[kind].offload;
			sent.push_back(head);
			pkt_add(world.burst.get(), head, kinds[kind].port);
		}
		parse.is_wide = is_wide;
		parse_burst(&parse, world.burst.get());
		all = outcome();
		for (struct rte_mbuf *head : sent)
			rte_pktmbuf_free(head);
		return all;
	}

	void compare(const std::vector<size_t> &which) {
		ASSERT_EQ(take_all(which, false), take_all(which, parse_wide_is_possible()));
	}

	std::vector<Kind> kinds; // the plain ones first
	size_t n_plain;
	std::vector<struct rte_mbuf *> sent;
};

TEST_F(ParseMixture, OddFrameAtEveryPlace) {
	for (size_t odd = n_plain; odd < kinds.size(); odd++)
		for (size_t at = 0; at < BURST_MAX; at++) {
			std::vector<size_t> which(BURST_MAX);

			for (size_t i = 0; i < BURST_MAX; i++)
				which[i] = i % 3;
			which[at] = odd;
			compare(which);
		}
}

TEST_F(ParseMixture, AnythingAtAnyLength) {
	uint32_t random = 1;

	for (size_t n = 0; n <= BURST_MAX; n++)
		for (uint32_t turn = 0; turn < 20; turn++) {
			std::vector<size_t> which(n);

			for (size_t &kind : which) {
				random = random * 1664525 + 1013904223;
				// odd ones are few in some bursts, and many in others
				kind = (random >> 24) % 20 < turn ? (random >> 8) % kinds.size()
								  : (random >> 8) % n_plain;
			}
			compare(which);
		}
}

// An address of one port is nobody's on another one.
TEST_F(ParseMixture, PortsTakeTurns) {
	std::vector<size_t> which(24);

	kinds.push_back(
		{ether(to_int, 0x0800, ip4(caller4, "198.18.0.100", media)), INT_PORT, 500, 0});
	std::fill(which.begin() + 8, which.begin() + 16, kinds.size() - 1);
	compare(which);
	EXPECT_EQ(16u, world.burst->n);
}

// Received sums are not to be trusted on some ports.
TEST_F(ParseMixture, PartialChecksums) {
	world.ports->port[EXT_PORT].partial_checksums = true;
	world.fill_ports(RR_CHECKSUM_FULL);
	compare({0, 1, 2, 3, 4, 5, 6, n_plain, 8});
	ASSERT_EQ(9u, world.burst->n);
	for (uint32_t i = 0; i < 9; i++)
		EXPECT_FALSE(world.burst->live[i]->is_patchable);
}

} // namespace
