# SPDX-License-Identifier: BSD-2-Clause
"""What leaves the relay is, field by field, what scapy builds: all pairs of address families and
VLANs, all sizes, every way a sender may dress its datagram, and each way of making UDP checksums.

Not here: what is dropped (drops.py), who may send (learning.py), several workers (workers.py).
"""

import struct

from scapy.layers.inet import IP, UDP, IPOption_NOP, IPOption_RR, IPOption_Router_Alert
from scapy.layers.inet6 import (
    HBHOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    RouterAlert,
)
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

import stories
from calls import CORE, EXT, INT, rtp
from harness import main
from region import wait_until

SIDES = [(EXT, 4), (EXT, 6), (INT, 4), (INT, 6), (CORE, 4), (CORE, 6)]
RTP_AND_ODD_SIZES = [b"", b"1", b"12", b"123", rtp(1), rtp(2, size=159), rtp(3, size=161)]


def udp_sum(packet):
    """Checksum field of the UDP datagram in a packet as scapy builds it."""
    return Ether(bytes(packet))[UDP].chksum


def zero_sum_payload(leg_frame):
    """A payload of two bytes that makes the UDP checksum of the frame come out as zero."""
    word = udp_sum(leg_frame(b"\0\0"))
    return struct.pack("!H", word)


class Common:
    """Stories that hold under every checksum mode."""

    def test_all_pairs_of_families_and_vlans(self, run):
        calls = [run.calls.call(a, b) for a in SIDES for b in SIDES]
        for call in calls:
            run.arrive(call.a, *RTP_AND_ODD_SIZES)
            run.arrive(call.b, *RTP_AND_ODD_SIZES)
        yield
        for call in calls:
            run.expect(call.b, *RTP_AND_ODD_SIZES)
            run.expect(call.a, *RTP_AND_ODD_SIZES)

    def test_rtcp_has_a_flow_of_its_own(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        report = b"\x80\xc8\x00\x06" + b"report-" * 4
        for call in calls:
            run.arrive(call.a, report, rtcp=True)
            run.arrive(call.b, report + b"....", rtcp=True)
        yield
        for call in calls:
            run.expect(call.b, report, rtcp=True)
            run.expect(call.a, report + b"....", rtcp=True)
            run.expect(call.a)

    def test_sizes_up_to_the_mtu(self, run):
        sizes = [*range(0, 65), *range(65, 1440, 97), *range(1440, 1453)]
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        payloads = {n: bytes(i * 7 + n & 0xFF for i in range(n)) for n in sizes}
        wider = {n: bytes(i * 5 + n & 0xFF for i in range(n)) for n in range(1453, 1473)}
        for call in calls:
            run.arrive(call.a, *payloads.values())
            if call.a.version == 4 and call.b.version == 4:
                run.arrive(call.a, *wider.values())
        yield
        for call in calls:
            more = wider.values() if call.a.version == 4 and call.b.version == 4 else ()
            run.expect(call.b, *payloads.values(), *more)

    def test_content_is_opaque(self, run):
        call = run.calls.call((EXT, 4), (INT, 6))
        contents = [
            b"\0" * 100, b"\xff" * 100, b"not rtp", bytes(range(256)), b"\x80", b"\0", b"STUN" * 5
        ]
        run.arrive(call.a, *contents)
        yield
        run.expect(call.b, *contents)

    def test_on_link_party_is_reached_without_the_gateway(self, run):
        calls = []
        for version in (4, 6):
            here = run.calls.leg(EXT, version, on_link=True)
            there = run.calls.leg(INT, version, on_link=True)
            calls.append(run.calls.call(here, there))
            run.arrive(here, rtp(1))
            run.arrive(there, rtp(1))
        yield
        for call in calls:
            run.expect(call.b, rtp(1))
            run.expect(call.a, rtp(1))

    def test_every_pool_address_relays(self, run):
        legs = [run.calls.leg(EXT, version, pool=i) for version in (4, 6) for i in (0, 1)]
        calls = [run.calls.call(leg, run.calls.leg(INT, leg.version, pool=1)) for leg in legs]
        for call in calls:
            run.arrive(call.a, rtp(1))
            run.arrive(call.b, rtp(1))
        yield
        for call in calls:
            run.expect(call.a, rtp(1))
            run.expect(call.b, rtp(1))

    def test_same_port_on_two_addresses_is_two_calls(self, run):
        first = run.calls.leg(EXT, 4, port=35980, pool=0)
        second = run.calls.leg(EXT, 4, port=35980, pool=1)
        a = run.calls.call(first, run.calls.leg(INT, 4, port=35980, pool=0))
        b = run.calls.call(second, run.calls.leg(INT, 6, port=35980, pool=0))
        run.arrive(a.a, rtp(1, ssrc=1))
        run.arrive(b.a, rtp(1, ssrc=2))
        yield
        run.expect(a.b, rtp(1, ssrc=1))
        run.expect(b.b, rtp(1, ssrc=2))

    def test_last_port_of_the_range(self, run):
        call = run.calls.call(run.calls.leg(EXT, 4, port=35998), run.calls.leg(INT, 4, port=35998))
        run.arrive(call.a, rtp(1))
        run.arrive(call.a, b"rtcp", rtcp=True)
        yield
        run.expect(call.b, rtp(1))
        run.expect(call.b, b"rtcp", rtcp=True)

    # ---- headers that do not travel

    def test_ttl_and_tos_are_our_own(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        for call in calls:
            for ttl, tos in ((1, 0), (0, 0xFF), (255, 0x2E), (64, 3)):
                run.arrive(call.a, rtp(ttl), l3={"ttl": ttl, "tos": tos})
        yield
        for call in calls:
            run.expect(call.b, *[rtp(ttl) for ttl in (1, 0, 255, 64)])

    def test_tos_is_that_of_the_party_it_goes_to(self, run):
        calls = [run.calls.call((EXT, v), (INT, v)) for v in (4, 6)]
        for call in calls:
            call.a.tos, call.b.tos = 0x28, 0
            run.arrive(call.a, rtp(1))
            run.arrive(call.b, rtp(1))
        yield
        for call in calls:
            run.expect(call.a, rtp(1))
            run.expect(call.b, rtp(1))

    def test_ip4_identification_and_flags(self, run):
        call = run.calls.call((EXT, 4), (INT, 4))
        for fields in ({"id": 0x1234}, {"id": 7, "flags": "DF"}, {"id": 0xFFFF, "flags": "evil"}):
            run.arrive(call.a, rtp(1), l3=fields)
        yield
        run.expect(call.b, rtp(1), rtp(1), rtp(1))

    def test_ip4_options_end_here(self, run):
        calls = [run.calls.call((EXT, 4), (INT, w)) for w in (4, 6)]
        option_sets = [
            [IPOption_NOP()],
            [IPOption_NOP()] * 40,
            [IPOption_RR(routers=["1.2.3.4"])],
            [IPOption_Router_Alert()],
        ]
        for call in calls:
            for i, options in enumerate(option_sets):
                run.arrive(call.a, rtp(i), l3={"options": options})
        yield
        for call in calls:
            run.expect(call.b, *[rtp(i) for i in range(len(option_sets))])

    def test_ip6_extension_headers_end_here(self, run):
        calls = [run.calls.call((EXT, 6), (INT, w)) for w in (4, 6)]
        skip = HBHOptUnknown(otype=0x1E, optdata=b"skip")
        chains = [
            [IPv6ExtHdrHopByHop()],
            [IPv6ExtHdrHopByHop(options=[RouterAlert()])],
            [IPv6ExtHdrHopByHop(options=[skip])],
            [IPv6ExtHdrDestOpt(options=[skip])],
            [
                IPv6ExtHdrHopByHop(),
                IPv6ExtHdrDestOpt(),
                IPv6ExtHdrRouting(type=253, segleft=0),
                IPv6ExtHdrDestOpt(),
            ],
            [IPv6ExtHdrFragment(id=99)],  # atomic, RFC 6946
            [IPv6ExtHdrDestOpt()] * 8,
        ]
        for call in calls:
            for i, chain in enumerate(chains):
                run.send("outer", behind(call.a, chain, rtp(i)))
        yield
        for call in calls:
            run.expect(call.b, *[rtp(i) for i in range(len(chains))])

    def test_ip6_flow_label_and_class_end_here(self, run):
        call = run.calls.call((EXT, 6), (INT, 6))
        for label in (1, 0xFFFFF):
            run.arrive(call.a, rtp(1), l3={"fl": label, "tos": 0xFF})
        yield
        run.expect(call.b, rtp(1), rtp(1))

    def test_ethernet_padding_ends_here(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        for call in calls:
            for n in (0, 1, 10):
                run.send("outer", bytes(call.a.frame(b"p" * n)).ljust(90, b"\xaa"))
        yield
        for call in calls:
            run.expect(call.b, b"", b"p", b"p" * 10)

    def test_bytes_behind_the_udp_length_end_here(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        for call in calls:
            run.send("outer", trailing(call.a, b"payload", b"surplus"))
        yield
        for call in calls:
            run.expect(call.b, b"payload")

    def test_vlan_priority_ends_here(self, run):
        call = run.calls.call((INT, 4), (EXT, 4))
        for priority in range(1, 8):
            frame = call.a.frame(rtp(priority))
            frame[Dot1Q].prio = priority
            frame[Dot1Q].id = priority & 1
            run.send("inner", frame)
        yield
        run.expect(call.b, *[rtp(priority) for priority in range(1, 8)])

    def test_priority_tag_is_untagged(self, run):
        call = run.calls.call((EXT, 4), (CORE, 4))
        frame = call.a.frame(rtp(1))
        run.send(
            "outer", Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=0, prio=5) / frame.payload
        )
        yield
        run.expect(call.b, rtp(1))

    # ---- checksums

    def test_checksum_that_comes_out_as_zero_is_sent_as_ffff(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        payloads = {}
        for call in calls:
            payload = payloads[call] = zero_sum_payload(call.b.expected)
            self.assertEqual(udp_sum(call.b.expected(payload)), 0xFFFF)
            run.arrive(call.a, payload)
        yield
        for call in calls:
            run.expect(call.b, payloads[call])

    def test_checksum_ffff_is_no_missing_checksum(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        payloads = {}
        for call in calls:
            payload = payloads[call] = zero_sum_payload(call.a.frame)
            self.assertEqual(udp_sum(call.a.frame(payload)), 0xFFFF)
            run.arrive(call.a, payload)
        yield
        for call in calls:
            run.expect(call.b, payloads[call])

    def test_missing_checksum_is_made_for_ip6(self, run):
        call = run.calls.call((EXT, 4), (INT, 6))
        run.arrive(call.a, rtp(1), b"", b"odd", udp={"chksum": 0})
        yield
        run.expect(call.b, rtp(1), b"", b"odd")

    # ---- what control and rrctl read

    def test_counters_of_a_flow(self, run):
        call = run.calls.call((EXT, 4), (INT, 4))
        run.arrive(call.a, *[rtp(i, ssrc=5) for i in (1, 2, 4, 3, 3)], b"no rtp")
        yield
        flow = run.region.flow(run.region.slot(call.a.local, call.a.port))
        self.assertEqual((flow["n_packets"], flow["n_bytes"]), (6, 5 * 172 + 6))
        self.assertEqual(
            (flow["n_duplicates"], flow["n_reordered"], flow["n_parse_errors"]), (1, 1, 1)
        )
        self.assertEqual(
            (flow["ssrc"], flow["ext_seq_max"] & 0xFFFF, flow["payload_type"]), (5, 4, 0)
        )
        self.assertEqual(flow["n_rejected"], 0)
        self.assertTrue(flow["last_seen_ns"] >= flow["first_seen_ns"] > 0)
        back = run.region.flow(run.region.slot(call.b.local, call.b.port))
        self.assertEqual((back["n_packets"], back["last_seen_ns"]), (0, 0))

    def test_bytes_are_counted(self, run):
        yield
        for name in ("outer", "inner"):
            counters = run.region.counters(port=run.dp.index(name))
            frames = run.arriving[name]
            self.assertEqual(
                (counters["rx_packets"], counters["rx_bytes"]), (len(frames), sum(map(len, frames)))
            )

            def tx_agrees(name=name):
                # announcements go on meanwhile
                counted = run.region.counters(port=run.dp.index(name))
                sent = run.dp.sent(name)
                return (counted["tx_packets"], counted["tx_bytes"]) == (
                    len(sent), sum(map(len, sent))
                )

            wait_until(tx_agrees, "as many packets and bytes counted as sent", run.dp.check_alive)


def behind(leg, chain, payload):
    """A datagram behind IPv6 extension headers, its checksum as without them."""
    plain = IPv6(bytes(leg.frame(payload).getlayer(IPv6)))
    packet = IPv6(src=plain.src, dst=plain.dst)
    for header in chain:
        packet = packet / header.copy()
    return leg.realm.ether() / packet / plain[UDP]


def trailing(leg, payload, surplus):
    """A datagram whose UDP length ends before its IP length."""
    frame = Ether(bytes(leg.frame(payload)))
    l3 = frame.getlayer(IP) or frame.getlayer(IPv6)
    for field in ("len", "chksum", "plen"):
        if field in l3.fields:
            del l3.fields[field]
    return leg.realm.ether() / (l3 / Raw(surplus))


class Full(Common, stories.Stories):
    """Checksums computed anew, as on devices whose input carries unfinished ones."""

    port_options = {"checksum": "full"}

    def test_wrong_checksum_is_made_right(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        for call in calls:
            run.arrive(call.a, rtp(1), rtp(2), udp={"chksum": 0x1234})
        yield
        for call in calls:
            run.expect(call.b, rtp(1), rtp(2))

    def test_missing_checksum_is_made(self, run):
        call = run.calls.call((EXT, 4), (INT, 4))
        run.arrive(call.a, rtp(1), udp={"chksum": 0})
        yield
        run.expect(call.b, rtp(1))


class Incremental(Common, stories.Stories):
    """Checksums brought in line with the new addresses: damage stays visible to the receiver."""

    port_options = {"checksum": "incremental"}

    def test_wrong_checksum_stays_wrong(self, run):
        calls = [run.calls.call((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        for call in calls:
            right = udp_sum(call.a.frame(rtp(1)))
            run.arrive(call.a, rtp(1), udp={"chksum": right ^ 0x0101})
        yield
        for call in calls:
            (got,) = run.to(call.b)
            self.assertNotEqual(udp_sum(got), udp_sum(call.b.expected(rtp(1))))
            off = (udp_sum(got) - udp_sum(call.b.expected(rtp(1)))) % 0xFFFF
            wrong = udp_sum(call.a.frame(rtp(1)))
            self.assertEqual(off, ((wrong ^ 0x0101) - wrong) % 0xFFFF, "off by as much as it came")

    def test_missing_checksum_stays_missing(self, run):
        call = run.calls.call((EXT, 4), (INT, 4))
        run.arrive(call.a, rtp(1), udp={"chksum": 0})
        yield
        want = call.b.expected(rtp(1))
        want[UDP].chksum = 0
        self.assertEqual([bytes(frame) for frame in run.to(call.b)], [bytes(want)])


class Portable(Incremental):
    """The same without the instructions that only some processors have."""

    dataplane = {"simd": "off"}


if __name__ == "__main__":
    main()
