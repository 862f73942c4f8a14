# SPDX-License-Identifier: BSD-2-Clause
"""Every drop has a name, a counter and a test: frames that must not be relayed, and why.

The drops that one frame brings about share a run; those that need a dataplane in trouble (a full
ring, a starved thread, a crash) have one each. What no device here can bring about is tested by
calling the code, and the last test checks that nothing is missing.
"""

import os
import unittest

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptSrcLLAddr,
    HBHOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import fragments
import stories
from calls import CORE, EXT, INT, LOST, Calls, realms_conf, rtp
from harness import Dataplane, Port, Thread, WirePort, main
from region import DROPS, N, wait_until

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What no virtual device brings about, and the test that calls the code instead.
ELSEWHERE = {
    "drop_headroom": "unit/test_rewrite.cc",
}

BROADCAST = "ff:ff:ff:ff:ff:ff"
STRANGER = "198.18.0.77"
STRANGER6 = "2001:db8:0:1::77"
PORT = 35999  # in the media range, no call


def udp4(dst=None, dport=PORT, payload=b"x" * 20, **fields):
    fields.setdefault("src", STRANGER)
    return IP(dst=dst or EXT.pool(4), **fields) / UDP(sport=4000, dport=dport) / Raw(payload)


def udp6(dst=None, dport=PORT, payload=b"x" * 20, **fields):
    fields.setdefault("src", STRANGER6)
    return IPv6(dst=dst or EXT.pool(6), **fields) / UDP(sport=4000, dport=dport) / Raw(payload)


def udp6_behind(*extensions, dport=PORT):
    """A datagram behind extension headers; scapy sums its checksum over the last next header."""
    packet = IPv6(src=STRANGER6, dst=EXT.pool(6))
    for extension in extensions:
        packet = packet / extension
    return packet / UDP(sport=4000, dport=dport) / Raw(b"x" * 20)


class FrameDrops(stories.Stories):
    """Frames that are dropped for what is in them, or for the state of their call."""

    def drop(self, run, reason, *packets, ether=None, port="outer"):
        run.send(port, *[(ether or EXT.ether()) / packet for packet in packets], drop=reason)

    # ---- Ethernet

    def test_drop_rx_short(self, run):
        frame = bytes(EXT.ether() / udp4())
        tagged = bytes(LOST.ether() / udp4())
        run.send("outer", frame[:1], frame[:13], tagged[:14], tagged[:17], drop="drop_rx_short")
        yield

    def test_drop_rx_segments(self, run):
        # the third header lies beyond the first buffer, and all of them together in none
        big = [PadN(optdata=b"\0" * 253)] * 7
        chain = [IPv6ExtHdrDestOpt(options=big) for _ in range(3)]
        self.drop(run, "drop_rx_segments", udp6_behind(*chain))
        yield

    def test_drop_eth_dst(self, run):
        self.drop(run, "drop_eth_dst", udp4(), udp6(), ether=EXT.ether(dst="02:aa:aa:aa:aa:aa"))
        # RFC 1122 3.3.6: a datagram for one host that came to many
        self.drop(run, "drop_eth_dst", udp4(), ether=EXT.ether(dst=BROADCAST))
        self.drop(run, "drop_eth_dst", udp6(), ether=EXT.ether(dst="33:33:00:00:00:01"))
        yield

    def test_drop_eth_type(self, run):
        for ether_type in (0x88CC, 0x8847, 0x0026, 0x88A8, 0x0000, 0xFFFF):
            run.send(
                "outer", Ether(dst=EXT.mac, type=ether_type) / Raw(b"x" * 46), drop="drop_eth_type"
            )
        # a tag inside a tag
        double = LOST.ether() / Dot1Q(vlan=5) / udp4()
        run.send("outer", double, drop="drop_eth_type")
        yield

    def test_drop_vlan_unknown(self, run):
        for vlan in (1, 100, 201, 4095):
            run.send(
                "outer", Ether(dst=EXT.mac) / Dot1Q(vlan=vlan) / udp4(), drop="drop_vlan_unknown"
            )
        yield

    # ---- IP

    def test_drop_ip4_header(self, run):
        self.drop(
            run, "drop_ip4_header", udp4(version=5), udp4(version=6), udp4(ihl=4), udp4(ihl=0)
        )
        self.drop(run, "drop_ip4_header", udp4(len=19), udp4(len=0), udp4(ihl=7, len=24))
        yield

    def test_drop_ip4_checksum(self, run):
        good = IP(bytes(udp4())).chksum
        self.drop(
            run,
            "drop_ip4_checksum",
            udp4(chksum=good ^ 1),
            udp4(chksum=0),
            udp4(chksum=good ^ 0x8000),
        )
        options = udp4(options=[IPOption_NOP()] * 4)
        options.chksum = IP(bytes(options)).chksum ^ 0x0100
        self.drop(run, "drop_ip4_checksum", options)
        yield

    def test_drop_ip6_header(self, run):
        self.drop(run, "drop_ip6_header", udp6(version=4), udp6(version=0), udp6(version=15))
        yield

    def test_drop_ip6_extension(self, run):
        pad = IPv6ExtHdrDestOpt()
        hop = IPv6ExtHdrHopByHop()
        self.drop(run, "drop_ip6_extension", udp6_behind(pad, hop), udp6_behind(hop, hop))
        self.drop(run, "drop_ip6_extension", udp6_behind(*[pad] * 9))
        # longer than the packet, and options longer than their header
        self.drop(run, "drop_ip6_extension", udp6_behind(IPv6ExtHdrDestOpt(len=20)))
        self.drop(run, "drop_ip6_extension", udp6_behind(IPv6ExtHdrHopByHop(len=255)))
        overlong = HBHOptUnknown(otype=0x1E, optlen=5, optdata=b"\0\0")
        self.drop(
            run,
            "drop_ip6_extension",
            udp6_behind(IPv6ExtHdrDestOpt(options=[overlong], autopad=0, len=0)),
        )
        # announced, and not there
        self.drop(run, "drop_ip6_extension", IPv6(src=STRANGER6, dst=EXT.pool(6), nh=60))
        yield

    def test_drop_ip6_option(self, run):
        for option_type in (0x5E, 0x9E, 0xDE):
            option = HBHOptUnknown(otype=option_type, optdata=b"\0\0\0\0")
            for header in (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt):
                self.drop(run, "drop_ip6_option", udp6_behind(header(options=[option])))
        yield

    def test_drop_ip6_routing(self, run):
        for kind in (0, 3, 253):
            routing = IPv6ExtHdrRouting(type=kind, segleft=1, addresses=["2001:db8::1"])
            self.drop(run, "drop_ip6_routing", udp6_behind(routing))
        yield

    def test_drop_ip_truncated(self, run):
        for packet in (udp4(), udp6()):
            frame = bytes(EXT.ether() / packet)
            header = 34 if IP in packet else 54
            for end in (14, 20, header - 1, header, len(frame) - 1):
                run.send("outer", frame[:end], drop="drop_ip_truncated")
        yield

    def test_drop_ip_src(self, run):
        for src in ("224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.0", "240.0.0.1"):
            self.drop(run, "drop_ip_src", udp4(src=src))
        for src in ("ff02::1", "ff0e::77", "::1", "::"):
            self.drop(run, "drop_ip_src", udp6(src=src))
        yield

    def test_drop_ip_dst(self, run):
        # nobody's, another realm's, the network's own and its broadcast address, groups
        for dst in (
            "198.18.0.99", INT.pool(4), "198.18.0.0", "198.18.0.255", "224.0.0.1", "255.255.255.255"
        ):
            self.drop(run, "drop_ip_dst", udp4(dst=dst))
        for dst in ("2001:db8:0:1::99", INT.pool(6), LOST.pool(6), "ff02::2", "ff0e::1"):
            self.drop(run, "drop_ip_dst", udp6(dst=dst))
        # the right address on the wrong VLAN and the wrong port
        self.drop(run, "drop_ip_dst", udp4(), udp6(), ether=LOST.ether())
        self.drop(run, "drop_ip_dst", udp4(), udp6(), ether=CORE.ether(), port="inner")
        yield

    def test_drop_ip_protocol(self, run):
        for number in (6, 2, 47, 132, 255):
            self.drop(
                run,
                "drop_ip_protocol",
                IP(src=STRANGER, dst=EXT.pool(4), proto=number) / Raw(b"x" * 20),
            )
            self.drop(
                run,
                "drop_ip_protocol",
                IPv6(src=STRANGER6, dst=EXT.pool(6), nh=number) / Raw(b"x" * 20),
            )
        self.drop(run, "drop_ip_protocol", IP(src=STRANGER, dst=EXT.pool(4)) / TCP(dport=PORT))
        self.drop(run, "drop_ip_protocol", IPv6(src=STRANGER6, dst=EXT.pool(6), nh=59))
        # each family's ICMP is no ICMP in the other
        self.drop(
            run, "drop_ip_protocol", IP(src=STRANGER, dst=EXT.pool(4), proto=58) / Raw(b"x" * 20)
        )
        self.drop(
            run, "drop_ip_protocol", IPv6(src=STRANGER6, dst=EXT.pool(6), nh=1) / Raw(b"x" * 20)
        )
        yield

    # ---- UDP

    def test_drop_udp_short(self, run):
        for n in (0, 1, 7):
            self.drop(
                run, "drop_udp_short", IP(src=STRANGER, dst=EXT.pool(4), proto=17) / Raw(b"x" * n)
            )
            self.drop(
                run, "drop_udp_short", IPv6(src=STRANGER6, dst=EXT.pool(6), nh=17) / Raw(b"x" * n)
            )
        # Ethernet padding does not make up for what is missing
        for packet in (
            IP(src=STRANGER, dst=EXT.pool(4), proto=17) / Raw(b"x" * 7),
            IPv6(src=STRANGER6, dst=EXT.pool(6), nh=17) / Raw(b"x" * 7),
        ):
            padded = bytes(EXT.ether() / packet).ljust(90, b"\0")
            run.send("outer", padded, drop="drop_udp_short")
        yield

    def test_drop_udp_length(self, run):
        for packet in (udp4(), udp6()):
            for length in (0, 7, 29, 65535):
                wrong = packet.copy()
                wrong[UDP].len = length
                self.drop(run, "drop_udp_length", wrong)
        # Ethernet padding is no part of the datagram
        for packet in (udp4(payload=b""), udp6(payload=b"")):
            packet[UDP].len = 9
            padded = bytes(EXT.ether() / packet).ljust(90, b"\0")
            run.send("outer", padded, drop="drop_udp_length")
        yield

    def test_drop_udp_no_checksum(self, run):
        packet = udp6()
        packet[UDP].chksum = 0
        self.drop(run, "drop_udp_no_checksum", packet)
        yield

    def test_drop_udp_port(self, run):
        for dport in (0, 5060, 34999, 36000, 65535):
            self.drop(run, "drop_udp_port", udp4(dport=dport), udp6(dport=dport))
        yield

    # ---- calls

    def test_drop_flow_none(self, run):
        self.drop(run, "drop_flow_none", udp4(), udp6())
        yield

    def test_drop_flow_incomplete(self, run):
        call = run.calls.call((EXT, 4), None)
        run.arrive(call.a, rtp(1), drop="drop_flow_incomplete")
        run.arrive(call.a, b"rtcp", rtcp=True, drop="drop_flow_incomplete")
        yield
        # protocol reference 9.1: discarded, and not counted as received
        self.assertEqual(
            run.region.flow(run.region.slot(call.a.local, call.a.port))["n_packets"], 0
        )

    def test_drop_flow_no_remote(self, run):
        call = run.calls.call((EXT, 4), run.calls.leg(CORE, 4, remote=None))
        run.arrive(call.a, rtp(1), rtp(2), drop="drop_flow_no_remote")
        yield
        flow = run.region.flow(run.region.slot(call.a.local, call.a.port))
        self.assertEqual((flow["n_packets"], flow["n_dropped"]), (2, 2))

    def test_drop_source_rejected(self, run):
        call = run.calls.call((EXT, 4), (CORE, 4))
        other_port = (call.a.remote[0], call.a.remote[1] + 1)
        run.arrive(call.a, rtp(1))
        run.arrive(call.a, rtp(2, ssrc=99), src=(STRANGER, 4000), drop="drop_source_rejected")
        run.arrive(call.a, rtp(3, ssrc=99), src=other_port, drop="drop_source_rejected")
        run.arrive(call.a, rtp(4))
        run.arrive(call.b, rtp(1))
        yield
        flow = run.region.flow(run.region.slot(call.a.local, call.a.port))
        self.assertEqual((flow["n_packets"], flow["n_rejected"]), (2, 2))
        run.expect(call.b, rtp(1), rtp(4))
        run.expect(call.a, rtp(1))

    # ---- slow path

    def test_drop_punt_unhandled(self, run):
        host = IP(src=STRANGER, dst=EXT.pool(4))
        for message in (ICMP(type=0), ICMP(type=3, code=3), ICMP(type=13), ICMP(type=8, code=1)):
            frame = EXT.ether() / host / message / Raw(b"x" * 28)
            run.send("outer", frame, drop="drop_punt_unhandled", slow=True)
        host = IPv6(src=STRANGER6, dst=EXT.pool(6), hlim=255)
        for message in (ICMPv6EchoReply(), ICMPv6ND_RS()):
            run.send("outer", EXT.ether() / host / message, drop="drop_punt_unhandled", slow=True)
        yield

    def test_drop_arp_invalid(self, run):
        good = dict(psrc=EXT.host(4), pdst=EXT.pool(4), hwsrc=EXT.host_mac, op=1)
        for wrong in (
            {"hwtype": 6},
            {"ptype": 0x86DD},
            {"hwlen": 8},
            {"plen": 16},
            {"op": 3},
            {"op": 0},
            {"hwsrc": "00:00:00:00:00:00"},
            {"hwsrc": "01:00:5e:00:00:01"},
            {"psrc": "224.0.0.1"},
            {"psrc": "127.0.0.1"},
            {"op": 2, "psrc": "0.0.0.0"},
        ):
            # scapy sizes addresses by these fields, so that they are set in the bytes
            fields = {**good, **wrong}
            packet = bytearray(bytes(ARP(**{k: v for k, v in fields.items() if k in good})))
            for name, at, size in (
                ("hwtype", 0, 2), ("ptype", 2, 2), ("hwlen", 4, 1), ("plen", 5, 1)
            ):
                if name in wrong:
                    packet[at : at + size] = wrong[name].to_bytes(size, "big")
            frame = Ether(src=EXT.host_mac, dst=BROADCAST, type=0x0806) / Raw(bytes(packet))
            run.send("outer", frame, drop="drop_arp_invalid", slow=True)
        short = bytes(Ether(src=EXT.host_mac, dst=BROADCAST) / ARP(**good))[:41]
        not_ours = Ether(src=EXT.host_mac, dst=BROADCAST) / ARP(**{**good, "pdst": EXT.host(4)})
        run.send("outer", short, not_ours, drop="drop_arp_invalid", slow=True)
        yield

    def test_drop_nd_invalid(self, run):
        def solicitation(hlim=255, code=0, target=EXT.pool(6), src=EXT.host(6), **fields):
            dst = "ff02::1:ff00:10"
            packet = IPv6(src=src, dst=dst, hlim=hlim) / ICMPv6ND_NS(
                code=code, tgt=target, **fields
            )
            return packet / ICMPv6NDOptSrcLLAddr(lladdr=EXT.host_mac)

        no_length = solicitation()
        no_length[ICMPv6NDOptSrcLLAddr].len = 0
        short = IPv6(src=EXT.host(6), dst="ff02::1:ff00:10", hlim=255, nh=58) / Raw(
            bytes(ICMPv6ND_NS())[:20]
        )
        group = {"dst": "33:33:ff:00:00:10"}
        for packet in (
            solicitation(hlim=254),
            solicitation(code=1),
            solicitation(target="ff02::1"),
            solicitation(src="::"),  # with a link-layer address
            solicitation(cksum=1),
            solicitation(target="2001:db8:0:1::99"),  # nobody's
            no_length,
            short,
        ):
            run.send("outer", EXT.ether(**group) / packet, drop="drop_nd_invalid", slow=True)
        # RFC 4861 7.1.2: an answer to many cannot be a solicited one
        answer = IPv6(src=EXT.host(6), dst="ff02::1", hlim=255) / ICMPv6ND_NA(S=1, tgt=EXT.host(6))
        run.send(
            "outer", EXT.ether(dst="33:33:00:00:00:01") / answer, drop="drop_nd_invalid", slow=True
        )
        yield

    def test_drop_icmp_invalid(self, run):
        host = IP(src=STRANGER, dst=EXT.pool(4))
        for message in (
            ICMP(chksum=1) / Raw(b"x" * 8), Raw(b"\x08"), Raw(b"\x08\x00\xf7\xff\x00\x00\x00")
        ):
            packet = host.copy()
            packet.proto = 1
            run.send("outer", EXT.ether() / packet / message, drop="drop_icmp_invalid", slow=True)
        host = IPv6(src=STRANGER6, dst=EXT.pool(6), nh=58)
        for message in (
            ICMPv6EchoRequest(cksum=1), Raw(b"\x80\x00"), Raw(b"\x80\x00\x7f\x00\x00\x00\x00")
        ):
            run.send("outer", EXT.ether() / host / message, drop="drop_icmp_invalid", slow=True)
        yield


def relay_conf(*frames, **options):
    """A dataplane of one worker whose outer port receives these frames."""
    return Dataplane([Port("outer", [frames]), Port("inner")], realms_conf(), **options)


def wired(**options):
    """A dataplane whose outer port is the test's own wire; its inner one goes nowhere."""
    return Dataplane([WirePort("outer"), Port("inner", start="now")], realms_conf(), **options)


def spend(dp, n, *ways):
    """Wait until n packets came in and went one of these ways; returns the counters."""

    def spent():
        counters = dp.region.counters()
        gone = sum(counters[name] for name in ways)
        return counters if counters["rx_packets"] == n == gone else None

    return wait_until(spent, f"{n} packets in {ways}", dp.check_alive)


class Trouble(unittest.TestCase):
    """Drops that need a dataplane in trouble, each with its own."""

    def test_drop_tx_full(self):
        # the frames leave by a port that nobody has started
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        with relay_conf(*[call.a.frame(rtp(i)) for i in range(20)]) as dp:
            calls.install(dp.region)
            counters = dp.run("outer")
            self.assertEqual(counters["drop_tx_full"], 20)
            self.assertEqual(dp.sent("inner"), [])

    def test_drop_tx_full_of_a_device_that_stands_still(self):
        # nobody fetches what leaves: the device's ring fills, then the worker's buffer
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        n = 3000
        with Dataplane([WirePort("outer"), WirePort("inner")], realms_conf()) as dp:
            calls.install(dp.region)
            dp.wire("outer").send(*[call.a.frame(rtp(0))] * n)
            dp.wait_received("outer", n)
            counters = dp.settle()
            self.assertGreater(counters["drop_tx_full"], 0)
            self.assertEqual(counters["relayed_packets"], n)
            dp.wire("inner").receive()
            dp.wire("outer").send(call.a.frame(rtp(1)))
            dp.wait_received("outer", n + 1)
            dp.settle()
            got = [f for f in dp.wire("inner").receive() if f.endswith(rtp(1))]
            self.assertEqual(len(got), 1, "it sends again when the device takes again")

    def test_drop_neighbour(self):
        # a host that nobody has seen, and one for which there is no gateway
        calls = Calls()
        unseen = calls.call((EXT, 4), calls.leg(LOST, 4, remote=("198.18.200.99", 4000)))
        unseen6 = calls.call((EXT, 6), calls.leg(LOST, 6, remote=("2001:db8:0:c8::99", 4000)))
        no_way = calls.call((EXT, 4), (LOST, 4))
        frames = [call.a.frame(rtp(i)) for call in (unseen, unseen6, no_way) for i in range(5)]
        with relay_conf(*frames) as dp:
            calls.install(dp.region)
            counters = dp.run("outer")
            self.assertEqual(counters["drop_neighbour"], 15)
            self.assertEqual(counters["relayed_packets"], 0)

    def test_drop_loop(self):
        # a call whose legs are each other's party, and two calls that lead to each other
        calls = Calls()
        ring = calls.call((EXT, 4), (EXT, 4))
        ring.a.remote, ring.b.remote = (ring.b.local, ring.b.port), (ring.a.local, ring.a.port)
        pair = [calls.call((EXT, 6), (EXT, 6)) for _ in range(2)]
        for call, other in (pair, reversed(pair)):
            call.b.remote = (other.a.local, other.a.port)
            call.a.remote = (other.b.local, other.b.port)
        frames = [ring.a.frame(rtp(1)), pair[0].a.frame(rtp(1))]
        with relay_conf(*frames) as dp:
            calls.install(dp.region)
            counters = dp.run("outer")
            self.assertEqual(counters["drop_loop"], 2)
            self.assertEqual(counters["turned"], 2 * 8)
            self.assertEqual(counters["relayed_packets"], 2 * 8)

    def test_drop_flow_torn(self):
        calls = Calls()
        torn = calls.call((EXT, 4), (CORE, 4))
        whole = calls.call((EXT, 4), (CORE, 4))
        frames = [torn.a.frame(rtp(1)), whole.a.frame(rtp(1)), torn.a.frame(rtp(2))]
        with relay_conf(*frames) as dp:
            calls.install(dp.region)
            slot = dp.region.slot(torn.a.local, torn.a.port)
            dp.kill_mid_write(slot)
            dp.start()
            counters = dp.run("outer", "inner")
            self.assertEqual(counters["drop_flow_torn"], 2)
            self.assertEqual(counters["relayed_packets"], 1)
            self.assertTrue(dp.region.flow(slot)["flags"] & N["RR_FLOW_TORN"])
            calls.install(dp.region, [torn])
            self.assertFalse(dp.region.flow(slot)["flags"] & N["RR_FLOW_TORN"])

    def test_drop_punt_full(self):
        n = 3000
        ask = Ether(src=EXT.host_mac, dst=BROADCAST) / ARP(psrc=EXT.host(4), pdst=EXT.pool(4))
        with wired() as dp:
            outer = dp.wire("outer")
            with Thread(dp):  # the slow path stands still
                outer.send(*[bytes(ask)] * n)
                dp.wait_received("outer", n)
                counters = spend(dp, n, "punted", "drop_punt_full")
                self.assertGreater(counters["drop_punt_full"], 0)
            counters = dp.settle()
            self.assertEqual(counters["delivered"], counters["punted"])

    def test_drop_icmp_rate(self):
        n = 1500
        ask = bytes(EXT.ether() / IP(src=STRANGER, dst=EXT.pool(4)) / ICMP() / Raw(b"x" * 28))
        with relay_conf(*[ask] * n) as dp:
            counters = dp.run("outer", "inner")
            self.assertGreater(counters["drop_icmp_rate"], 0)
            self.assertGreaterEqual(counters["delivered"], 200)
            answered = [f for f in dp.sent("outer") if ICMP in Ether(f)]
            self.assertEqual(len(answered), counters["delivered"])
            # what the slow path had no room for is counted as that
            self.assertEqual(
                sum(counters[name] for name in ("drop_icmp_rate", "delivered", "drop_punt_full")), n
            )

    def test_drop_no_buffer(self):
        # more announcements than buffers, and the worker that sends them stands still
        net = {"prefix": "198.18.0.0/16", "pool": ["198.18.1.0-198.18.2.255"]}
        realm = {"name": "ext", "port": "outer", "ipv4": net}
        media = {"port_min": 35000, "port_max": 35001}
        with Dataplane([Port("outer")], [realm], media=media, dataplane={"mbufs": 512}) as dp:
            with Thread(dp, worker=0):
                dp.release("outer")
                wait_until(
                    lambda: dp.region.counters()["drop_no_buffer"], "an empty pool", dp.check_alive
                )
            counters = dp.settle()
            self.assertEqual(
                counters["tx_packets"] + counters["drop_no_buffer"], counters["generated"]
            )

    def test_drop_handoff_full(self):
        calls = Calls(port_min=35002)  # the second worker's bucket
        call = calls.call((EXT, 4), (CORE, 4))
        n = 3000
        with wired(n_workers=2) as dp:
            calls.install(dp.region)
            self.assertEqual(dp.region.owner_of_port(call.a.port), 1)
            outer = dp.wire("outer")
            with Thread(dp, worker=1):
                for first in range(0, n, 500):
                    outer.send(*[call.a.frame(rtp(i)) for i in range(first, first + 500)])
                counters = spend(dp, n, "handoff_out", "drop_handoff_full")
                self.assertGreater(counters["drop_handoff_full"], 0)
            counters = dp.settle()
            self.assertEqual(counters["handoff_in"], counters["handoff_out"])
            self.assertEqual(counters["relayed_packets"], counters["handoff_in"])

    def test_drop_handoff_stale(self):
        # the flow changes hands while its packets wait for the old owner
        calls = Calls(port_min=35002)
        call = calls.call((EXT, 4), (CORE, 4))
        with wired(n_workers=2) as dp:
            calls.install(dp.region)
            with Thread(dp, worker=1):
                dp.wire("outer").send(*[call.a.frame(rtp(i)) for i in range(7)])
                wait_until(
                    lambda: dp.region.counters()["handoff_out"] == 7, "handed over", dp.check_alive
                )
                dp.region.store_flow(dp.region.slot(call.a.local, call.a.port), "owner", 0)
            counters = dp.settle()
            self.assertEqual(counters["drop_handoff_stale"], 7)
            self.assertEqual(counters["relayed_packets"], 0)


class Table(unittest.TestCase):
    """The list of drops and the tests agree."""

    def test_every_drop_has_a_test(self):
        tests = [
            name
            for case in (FrameDrops, Trouble, fragments.Drops, fragments.Incomplete)
            for name in dir(case) if name.startswith("test_drop_")
        ]
        here = {drop for drop in DROPS if f"test_{drop}" in tests}
        self.assertEqual(sorted(set(DROPS) - here), sorted(ELSEWHERE))

    def test_drops_tested_elsewhere_are(self):
        for drop, path in ELSEWHERE.items():
            with open(os.path.join(TESTS, path), encoding="utf-8") as f:
                self.assertIn(f"RR_C_{drop}", f.read(), f"{path} has no test of {drop}")


if __name__ == "__main__":
    main()
