# SPDX-License-Identifier: BSD-2-Clause
"""IP fragments: put together on arrival, made when a datagram is larger than the outgoing MTU.

    outer: IPv4 and IPv6, MTU 1500    relay    inner: IPv4 and IPv6, MTU 1500

What leaves in fragments is put together here, by other code than the relay's, and must then be what
scapy builds. Workers take fragments from queues of their own, as no device here steers.
"""

import itertools
import random
import struct
import unittest

from scapy.layers.inet import IP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import stories
from calls import CORE, EXT, INT, Calls, difference, realms_conf, rtp
from harness import Dataplane, Port, main
from region import imbalance_of, wait_until

SEED = 5
MTU = 1500
SIDES = [((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
PATIENT = {"reassembly_ms": 60000}  # no machine is so slow
HASTY = {"reassembly_ms": 20}


def content(n, seed=0):
    """n bytes that differ from place to place and from one datagram to the next."""
    return random.Random(n * 1000 + seed).randbytes(n)


def ranges(total, step=1480):
    """(offset, length) of a datagram's fragments as a sender makes them."""
    return [(at, min(step, total - at)) for at in range(0, total, step)]


class Cut:
    """A datagram from a leg's party, to be sent in pieces."""

    idents = itertools.count(1)

    def __init__(self, leg, payload, ident=None, surplus=b"", rtcp=False, src=None, udp=None):
        frame = Ether(bytes(leg.frame(payload, src=src, rtcp=rtcp, udp=udp)))
        self.l3 = frame.getlayer(IP) or frame.getlayer(IPv6)
        self.l4 = bytes(self.l3.payload) + surplus
        self.ether = leg.realm.ether()
        self.ident = next(Cut.idents) if ident is None else ident

    def piece(self, at, n, more=None, proto=17, **fields):
        """One fragment. `more` is told by where it ends if it is not said."""
        more = at + n < len(self.l4) if more is None else more
        data = Raw(self.l4[at : at + n])
        if self.l3.version == 4:
            place = {"id": self.ident, "frag": at // 8, "flags": "MF" if more else 0}
            l3 = IP(src=self.l3.src, dst=self.l3.dst, proto=proto, **place, **fields)
            return bytes(self.ether / l3 / data)
        chain = fields.pop("chain", [])
        packet = IPv6(src=self.l3.src, dst=self.l3.dst, **fields)
        for header in chain:
            packet = packet / header
        ext = IPv6ExtHdrFragment(nh=proto, offset=at // 8, m=int(more), id=self.ident)
        return bytes(self.ether / (packet / ext / data))

    def pieces(self, step=1480, **fields):
        if self.l3.version == 6:
            step = min(step, 1448)
        return [self.piece(at, n, **fields) for at, n in ranges(len(self.l4), step)]


def ident_of(frame):
    """What the fragments of a datagram share, None of a whole datagram."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    if frame[at] >> 4 == 4:
        ident, bits = struct.unpack_from("!HH", frame, at + 4)
        return (frame[at + 12 : at + 20], ident) if bits & 0x3FFF else None
    if frame[at + 6] == 44:
        return frame[at + 8 : at + 40], struct.unpack_from("!I", frame, at + 44)[0]
    return None


def port_of(frame):
    """UDP destination port of a datagram or its first fragment, None of anything else."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    kind = frame[at - 2 : at]
    if kind == b"\x08\x00" and frame[at + 9] == 17:
        udp = at + 20
    elif kind == b"\x86\xdd" and 17 in (frame[at + 6], frame[at + 40]):
        udp = at + (40 if frame[at + 6] == 17 else 48)
    else:
        return None
    return struct.unpack_from("!H", frame, udp + 2)[0]


def gather(frames):
    """Lists of the frames that each datagram left in, in the order of the datagrams."""
    groups = {}
    for i, frame in enumerate(frames):
        groups.setdefault(ident_of(frame) or i, []).append(frame)
    return list(groups.values())


def expected_frames(leg, payload, ident, mtu=MTU, rtcp=False):
    """The frames that carry a payload to a leg's party, made of the frame that scapy builds."""
    whole = leg.expected(payload, rtcp=rtcp)
    built = Ether(bytes(whole))
    l3 = built.getlayer(IP) or built.getlayer(IPv6)
    l4 = bytes(l3.payload)
    head = 20 if leg.version == 4 else 40
    if head + len(l4) <= mtu:
        return [bytes(whole)]
    head += 0 if leg.version == 4 else 8
    out = []
    for at, n in ranges(len(l4), (mtu - head) // 8 * 8):
        data, more = Raw(l4[at : at + n]), at + n < len(l4)
        ether = leg.realm.ether(src=leg.realm.mac, dst=leg.mac)
        if leg.version == 4:
            place = {"id": ident, "frag": at // 8, "flags": "MF" if more else 0}
            packet = IP(src=l3.src, dst=l3.dst, tos=l3.tos, ttl=l3.ttl, proto=17, **place)
        else:
            packet = IPv6(src=l3.src, dst=l3.dst, tc=l3.tc, hlim=l3.hlim)
            packet /= IPv6ExtHdrFragment(nh=17, offset=at // 8, m=int(more), id=ident)
        out.append(bytes(ether / packet / data))
    return out


def check_sent(test, frames, leg, *payloads, mtu=MTU, rtcp=False):
    """The party of a leg got these payloads in this order, each in the frames that it takes."""
    port = leg.remote[1] + rtcp
    groups = [group for group in gather(frames) if port_of(group[0]) == port]
    test.assertEqual(len(groups), len(payloads))
    for group, payload in zip(groups, payloads):
        ident = ident_of(group[0])
        want = expected_frames(leg, payload, ident and ident[1], mtu, rtcp)
        test.assertEqual(len(group), len(want), f"frames of {len(payload)} bytes")
        for got, frame in zip(group, want):
            test.assertIsNone(difference(got, frame))
    idents = [ident_of(group[0]) for group in groups if len(group) > 1]
    test.assertEqual(len(set(idents)), len(idents), "identifications of their own")


class Common(stories.Stories):
    """Stories of the two ways to make checksums; one worker."""

    dataplane = PATIENT

    @classmethod
    def setUpClass(cls):
        cls.frames = {}  # that left, by port
        super().setUpClass()

    def bring(self, run, leg, frames, n_relayed=1):
        """Frames of which so many datagrams become."""
        run.arriving[leg.realm.port] += frames
        run.declared["relayed_packets"] += n_relayed

    def arrive(self, run, leg, *payloads, **fields):
        for payload in payloads:
            self.bring(run, leg, Cut(leg, payload).pieces(**fields))

    def drop(self, run, reason, leg, *frames):
        run.arriving[leg.realm.port] += frames
        run.declared[reason] += len(frames)

    def expect(self, run, leg, *payloads, **options):
        name = leg.realm.port
        if name not in self.frames:
            self.frames[name] = run.dp.sent(name)
        check_sent(self, self.frames[name], leg, *payloads, **options)


class Reassembly(Common):
    """What arrives in fragments."""

    port_options = {"checksum": "incremental"}

    def test_sizes_and_families_both_ways(self, run):
        calls = [run.calls.call(a, b) for a, b in SIDES]
        sizes = [1473, 1474, 1475, 1479, 2000, 2952, 2953, 2960, 4096, 8185, 8191, 8192]
        payloads = [content(n) for n in sizes]
        for call in calls:
            self.arrive(run, call.a, *payloads)
            self.arrive(run, call.b, *payloads)
        yield
        for call in calls:
            self.expect(run, call.b, *payloads)
            self.expect(run, call.a, *payloads)

    def test_what_fits_again_leaves_in_one_frame(self, run):
        calls = [run.calls.call(a, b) for a, b in SIDES]
        for call in calls:
            self.arrive(run, call.a, rtp(1), rtp(2, size=1000), content(1440), step=64 * 3)
            self.arrive(run, call.a, b"x", b"12345678", b"123456789", step=8)
        yield
        small = [rtp(1), rtp(2, size=1000), content(1440), b"x", b"12345678", b"123456789"]
        for call in calls:
            self.expect(run, call.b, *small)
            flow = run.region.flow(run.region.slot(call.a.local, call.a.port))
            self.assertEqual((flow["n_packets"], flow["n_bytes"]), (6, sum(map(len, small))))

    def test_any_order(self, run):
        rng = random.Random(SEED)
        calls = [run.calls.call(a, b) for a, b in SIDES]
        payloads = [content(6000, i) for i in range(8)]
        for call in calls:
            for payload in payloads:
                pieces = Cut(call.a, payload).pieces()
                rng.shuffle(pieces)
                self.bring(run, call.a, pieces)
        yield
        for call in calls:
            self.expect(run, call.b, *payloads)

    def test_datagrams_in_between_each_other(self, run):
        calls = [run.calls.call(a, b) for a, b in SIDES]
        frames = []
        for ident, call in enumerate(calls):
            # the same identification of each source, and of RTP and RTCP another
            frames.append(Cut(call.a, content(5000, ident), ident=77).pieces())
            frames.append(Cut(call.a, content(4990, ident), ident=78, rtcp=True).pieces())
        for row in itertools.zip_longest(*frames):
            run.arriving["outer"] += [frame for frame in row if frame]
        run.declared["relayed_packets"] += len(frames)
        yield
        for ident, call in enumerate(calls):
            self.expect(run, call.b, content(5000, ident))
            self.expect(run, call.b, content(4990, ident), rtcp=True)

    def test_a_source_may_send_any_number(self, run):
        call = run.calls.call((EXT, 6), (INT, 4))
        payloads = [content(1500, i) for i in range(100)]
        self.arrive(run, call.a, *payloads)
        yield
        self.expect(run, call.b, *payloads)

    def test_a_fragment_that_comes_twice(self, run):
        calls = [run.calls.call(a, b) for a, b in SIDES]
        for call in calls:
            pieces = Cut(call.a, content(5000)).pieces()
            last = pieces.pop()
            run.arriving["outer"] += [piece for piece in pieces for _ in (0, 1)]
            run.declared["drop_fragment_duplicate"] += len(pieces)
            self.bring(run, call.a, [last])
        yield
        for call in calls:
            self.expect(run, call.b, content(5000))

    def test_headers_of_fragments_end_here(self, run):
        v4, v6 = run.calls.call((EXT, 4), (INT, 6)), run.calls.call((EXT, 6), (INT, 4))
        for n in (1, 40):
            self.arrive(run, v4.a, content(3000, n), step=1400, options=[IPOption_NOP()] * n)
        chains = [
            [IPv6ExtHdrHopByHop()],
            [IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(type=253, segleft=0)],
            [IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(60))])],
            [IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(68))])],
        ]
        for i, chain in enumerate(chains[:3]):
            self.arrive(run, v6.a, content(3000, i), step=1360, chain=chain)
        # 64 bytes of them are as many as there may be
        self.drop(
            run,
            "drop_ip6_extension",
            v6.a,
            *Cut(v6.a, content(1500)).pieces(step=1360, chain=chains[3]),
        )
        yield
        self.expect(run, v4.b, content(3000, 1), content(3000, 40))
        self.expect(run, v6.b, *[content(3000, i) for i in range(3)])

    def test_padding_and_surplus_end_here(self, run):
        calls = [run.calls.call(a, b) for a, b in SIDES]
        for call in calls:
            cut = Cut(call.a, content(1500))
            pieces = [cut.piece(0, 1440), cut.piece(1440, 68)]
            self.bring(run, call.a, [pieces[0], pieces[1].ljust(200, b"\xaa")])
            self.bring(run, call.a, Cut(call.a, content(1600), surplus=b"surplus").pieces())
        yield
        for call in calls:
            self.expect(run, call.b, content(1500), content(1600))

    def test_missing_checksum(self, run):
        v4, v6 = run.calls.call((EXT, 4), (INT, 6)), run.calls.call((EXT, 6), (INT, 4))
        self.bring(run, v4.a, Cut(v4.a, content(3001), udp={"chksum": 0}).pieces())
        pieces = Cut(v6.a, content(3001), udp={"chksum": 0}).pieces()
        run.arriving["outer"] += pieces
        run.declared["drop_udp_no_checksum"] += 1
        yield
        self.expect(run, v4.b, content(3001))

    def test_what_a_datagram_is_dropped_for(self, run):
        """A reassembled datagram is parsed as any other."""
        run.arriving["outer"] += Cut(run.calls.leg(EXT, 4, port=34000), content(2000)).pieces()
        run.declared["drop_udp_port"] += 1
        leg = run.calls.leg(EXT, 6)
        run.arriving["outer"] += Cut(leg, content(2000)).pieces()
        run.declared["drop_flow_none"] += 1
        for length in (7, 2009 + 8):
            for version in (4, 6):
                leg = run.calls.leg(EXT, version)
                run.arriving["outer"] += Cut(leg, content(2000), udp={"len": length}).pieces()
                run.declared["drop_udp_length"] += 1
        group = Cut(leg, content(2000))
        group.ether.dst = "ff:ff:ff:ff:ff:ff"
        self.drop(run, "drop_eth_dst", leg, *group.pieces())
        yield

    def test_turned_datagrams_stay_whole(self, run):
        there = run.calls.call((EXT, 4), (INT, 6))
        on = run.calls.call((INT, 6), (EXT, 4))
        there.b.remote, on.a.remote = (on.a.local, on.a.port), (there.b.local, there.b.port)
        self.bring(run, there.a, Cut(there.a, content(8192)).pieces(), 2)
        yield
        self.expect(run, on.b, content(8192))

    def test_counters(self, run):
        yield
        counters = run.region.counters()
        n_pieces = counters["ip_fragments"] - sum(
            n for name, n in run.declared.items() if name.startswith("drop_fragment_")
        )
        # of each datagram one remains
        self.assertEqual(counters["fragments_joined"], n_pieces - counters["reassembled"])
        self.assertGreater(counters["reassembled"], 100)


class Growth(Common):
    """Datagrams that came whole and leave in fragments."""

    def sizes(self, run):
        calls = [run.calls.call((EXT, 4), (side, 6)) for side in (INT, CORE)]
        calls.append(run.calls.call((INT, 4), (EXT, 6)))
        payloads = [content(n) for n in range(1450, 1473)]
        for call in calls:
            run.arrive(call.a, *payloads)
            run.arrive(call.b, *payloads[:3])
        yield
        for call in calls:
            self.expect(run, call.b, *payloads)
            self.expect(run, call.a, *payloads[:3])

    def test_from_ip4_to_ip6(self, run):
        yield from self.sizes(run)

    def test_dont_fragment_does_not_travel(self, run):
        call = run.calls.call((EXT, 4), (INT, 6))
        run.arrive(call.a, content(1460), l3={"flags": "DF"})
        yield
        self.expect(run, call.b, content(1460))

    def test_order_and_places(self, run):
        call = run.calls.call((EXT, 4), (INT, 6))
        payloads = [content(1472 if i % 2 else 100, i) for i in range(200)]
        run.arrive(call.a, *payloads)
        yield
        self.expect(run, call.b, *payloads)
        # no later datagram overtakes the pieces of an earlier one
        sent = [f for f in run.dp.sent("inner") if f[14 + 4 + 24 : 14 + 4 + 40] == f[42:58]]
        keys = [ident_of(frame) for frame in sent]
        for i, key in enumerate(keys):
            if key and keys.count(key) == 2 and keys.index(key) == i:
                self.assertEqual(keys[i + 1], key)

    def test_turned_datagrams_stay_whole(self, run):
        there = run.calls.call((EXT, 4), (INT, 6))
        on = run.calls.call((INT, 6), (EXT, 4))
        there.b.remote, on.a.remote = (on.a.local, on.a.port), (there.b.local, there.b.port)
        run.arrive(there.a, content(1472))
        run.declared["relayed_packets"] += 1
        yield
        self.expect(run, on.b, content(1472))

    def test_counters(self, run):
        yield
        counters = run.region.counters()
        self.assertEqual(counters["fragments_made"], counters["fragmented"], "two pieces each")
        self.assertEqual(counters["reassembled"], 0)


class GrowthIncremental(Growth):
    port_options = {"checksum": "incremental"}


class GrowthFull(Growth):
    port_options = {"checksum": "full"}


del Growth


class Drops(stories.Stories):
    """Fragments that end here, each under its name. What voids a datagram voids all of it."""

    dataplane = PATIENT

    def void(self, run, reason, *frames):
        run.send("outer", *frames, drop=reason)

    def legs(self, run):
        return [run.calls.call((EXT, v), (CORE, 4)).a for v in (4, 6)]

    def test_drop_fragment_protocol(self, run):
        for leg in self.legs(run):
            cut = Cut(leg, content(3000))
            for proto in (6, 1 if leg.version == 4 else 58, 50):
                self.void(run, "drop_fragment_protocol", *cut.pieces(proto=proto))
        yield

    def test_drop_fragment_invalid(self, run):
        for leg in self.legs(run):
            cut = Cut(leg, content(3000))
            wrong = [cut.piece(0, n, more=True) for n in (0, 1, 7, 9, 1001)]
            self.void(run, "drop_fragment_invalid", *wrong, cut.piece(1480, 0, more=False))
            # the datagram that they pretend to be part of is none the worse
            run.arriving["outer"] += cut.pieces()
            run.declared["relayed_packets"] += 1
        yield

    def test_drop_fragment_overlap(self, run):
        for leg in self.legs(run):
            for second in (
                [(792, 800)], [(0, 808)], [(0, 8)], [(400, 8)], [(1600, 800), (1592, 808)]
            ):
                cut = Cut(leg, content(3000))
                frames = [cut.piece(0, 800), cut.piece(800, 800)]
                frames += [cut.piece(at, n) for at, n in second]
                # and what comes later
                frames += [cut.piece(2400, 608), cut.piece(1600, 800)]
                self.void(run, "drop_fragment_overlap", *frames)
            # behind the end, and an end before what is there
            for parts in ([(2400, 608), (3008, 8)], [(2400, 600), (1600, 8)]):
                cut = Cut(leg, content(3200))
                ends = [(2400, 608), (1600, 8)]
                frames = [cut.piece(*part, more=part not in ends) for part in parts]
                self.void(run, "drop_fragment_overlap", *frames, cut.piece(0, 800))
            # the same place with and without an end
            cut = Cut(leg, content(3000))
            self.void(
                run,
                "drop_fragment_overlap",
                cut.piece(800, 800, more=True),
                cut.piece(800, 800, more=False),
            )
        yield

    def test_drop_fragment_many(self, run):
        for leg in self.legs(run):
            self.void(run, "drop_fragment_many", *Cut(leg, content(8 * 64)).pieces(step=64))
            run.arriving["outer"] += Cut(leg, content(8 * 64 - 8)).pieces(step=64)
            run.declared["relayed_packets"] += 1
        yield

    def test_drop_fragment_large(self, run):
        for leg in self.legs(run):
            self.void(run, "drop_fragment_large", *Cut(leg, content(8193)).pieces())
            # the largest that can be said, and past 65,535 (RFC 8200 4.5)
            cut = Cut(leg, content(1000))
            cut.l4 = bytes(65600)
            self.void(run, "drop_fragment_large", cut.piece(65528, 8, more=False))
            cut.ident += 1 << 12
            self.void(run, "drop_fragment_large", cut.piece(65528, 64, more=True), cut.piece(0, 8))
        yield

    def test_drop_fragment_duplicate(self, run):
        for leg in self.legs(run):
            pieces = Cut(leg, content(3000)).pieces()
            run.arriving["outer"] += [pieces[0]] * 4 + pieces[1:]
            run.declared["drop_fragment_duplicate"] += 3
            run.declared["relayed_packets"] += 1
        yield

    def test_drop_oversize(self, run):
        # virtual devices take frames of any size
        for leg in self.legs(run):
            for n in (9601, 40000):
                run.send("outer", leg.frame(content(n)), drop="drop_oversize")
            run.send("outer", leg.frame(content(9600)))
        yield

    def test_drop_udp_checksum(self, run):
        # RFC 4963: an identification came back, and two datagrams make one
        for leg in self.legs(run):
            one, two = [Cut(leg, content(3000, i), ident=4000).pieces() for i in (0, 1)]
            run.arriving["outer"] += one[:2] + two[2:]
            run.declared["drop_udp_checksum"] += 1
        yield


class Incomplete(unittest.TestCase):
    """Fragments whose datagram never gets whole, and floods of them."""

    def relay(self, frames, calls, n_held=0, **dataplane):
        """Counters and what left, when all but n_held fragments came to their end."""
        ports = [Port("outer", [frames]), Port("inner")]
        dp = Dataplane(ports, realms_conf(), dataplane={**HASTY, **dataplane})

        def at_rest():
            counters = dp.region.counters()
            even = counters["held"] == n_held and imbalance_of(counters) == 0
            return counters if even else None

        with dp:
            calls.install(dp.region)
            dp.release("outer", "inner")
            dp.wait_received("outer", len(frames))
            counters = wait_until(at_rest, f"{n_held} fragments held", dp.check_alive)
            return counters, dp.sent("inner")

    def test_drop_fragment_timeout(self):
        calls = Calls()
        frames = []
        for version in (4, 6):
            leg = calls.call((EXT, version), (CORE, 4)).a
            for missing in (0, 1, 2):
                pieces = Cut(leg, content(4000)).pieces()
                frames += pieces[:missing] + pieces[missing + 1 :]
            frames += Cut(leg, content(4000)).pieces()[:1]
        counters, sent = self.relay(frames, calls)
        self.assertEqual(counters["drop_fragment_timeout"], len(frames))
        self.assertEqual((counters["relayed_packets"], counters["reassembled"]), (0, 0))
        self.assertEqual([frame for frame in sent if port_of(frame)], [])

    def flood(self, n, version, calls, src=None):
        """First fragments of n datagrams, from as many sources or from one."""
        leg = calls.leg(EXT, version)
        near, far = "203.0.113.7", "10.{}.{}.1"
        if version == 6:
            near, far = "2001:db8::7", "2001:db8:{:x}:{:x}::1"
        for i in range(n):
            source = near if src else far.format(i >> 8, i & 255)
            cut = Cut(leg, content(64), ident=i, src=(source, 5000))
            yield cut.piece(0, 64)

    def test_drop_fragment_full(self):
        for version in (4, 6):
            calls = Calls()
            call = calls.call((EXT, version), (CORE, 4))
            pieces = Cut(call.a, content(4000)).pieces()
            flood = [*self.flood(500, version, calls)]
            frames = flood[:490] + pieces[:1] + flood[490:] + pieces[1:]
            few = {"reassembly_datagrams": 16, **PATIENT}
            counters, sent = self.relay(frames, calls, 15, **few)
            # the newest stay, so that what comes within a moment passes
            self.assertEqual(counters["drop_fragment_full"], 500 - 15)
            check_sent(self, sent, call.b, content(4000))

    def test_drop_fragment_source(self):
        for version in (4, 6):
            calls = Calls()
            call = calls.call((EXT, version), (CORE, 4))
            frames = [*self.flood(500, version, calls, src=1), *Cut(call.a, content(4000)).pieces()]
            few = {"reassembly_per_source": 4, **PATIENT}
            counters, sent = self.relay(frames, calls, 4, **few)
            self.assertEqual(counters["drop_fragment_source"], 496)
            check_sent(self, sent, call.b, content(4000))

    def test_a_flood_leaves_buffers_for_media(self):
        # 4,000 fragments for a pool of 1,024 buffers, and media among them
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        leg = calls.leg(EXT, 4)
        frames = []
        for i in range(500):
            source = (f"10.1.{i >> 8}.{i & 255}", 5000)
            frames += Cut(leg, content(568), ident=i, src=source).pieces(step=64)[:8]
            frames.append(bytes(call.a.frame(rtp(i))))
        small = {"mbufs": 1024, **PATIENT}
        counters, sent = self.relay(frames, calls, 64 * 8, **small)
        self.assertEqual(counters["relayed_packets"], 500)
        self.assertEqual(counters["drop_no_buffer"], 0)
        self.assertEqual(counters["dev_rx_nombuf"], 0)
        self.assertEqual(counters["drop_fragment_full"], 4000 - 64 * 8)
        check_sent(self, sent, call.b, *[rtp(i) for i in range(500)])

    def test_stopping_with_fragments_that_wait(self):
        calls = Calls()
        leg = calls.call((EXT, 4), (CORE, 4)).a
        frames = Cut(leg, content(8000)).pieces()[1:]
        ports = [Port("outer", [frames]), Port("inner")]
        with Dataplane(ports, realms_conf(), dataplane=PATIENT) as dp:
            calls.install(dp.region)
            dp.release("outer", "inner")
            dp.wait_received("outer", len(frames))


class Jumbo(unittest.TestCase):
    """Ports of different MTUs."""

    def pass_on(self, outer_mtu, inner_mtu, sizes, queue_of):
        calls = Calls()
        sides = [((EXT, v), (INT, w)) for v in (4, 6) for w in (4, 6)]
        if min(outer_mtu, inner_mtu) < 1280:
            sides = [((EXT, 4), (INT, 4))]
        made = [calls.call(*pair) for pair in sides]
        payloads = [content(n) for n in sizes]
        frames = [f for call in made for p in payloads for f in queue_of(call.a, p)]
        ports = [
            Port("outer", [frames], mtu=outer_mtu), Port("inner", mtu=inner_mtu)
        ]
        realms = realms_conf()
        if len(sides) == 1:
            for realm in realms:
                del realm["ipv6"]
        with Dataplane(ports, realms, dataplane={"mbufs": 2048, **PATIENT}) as dp:
            calls.install(dp.region)
            counters = dp.run("outer", "inner")
            self.assertEqual(counters["relayed_packets"], len(made) * len(payloads))
            for call in made:
                check_sent(self, dp.sent("inner"), call.b, *payloads, mtu=inner_mtu)

    def test_large_frames_into_a_small_network(self):
        sizes = (8192, 8900, 8952, 1453, 100)
        self.pass_on(9000, 1500, sizes, lambda leg, p: [bytes(leg.frame(p))])

    def test_fragments_into_a_large_network(self):
        self.pass_on(1500, 9000, (1473, 4000, 8192), lambda leg, p: Cut(leg, p).pieces())

    def test_a_network_whose_mtu_is_no_multiple_of_eight(self):
        for mtu in (1281, 1287, 1295, 1400):
            self.pass_on(1500, mtu, (1200, 1300, 8192), lambda leg, p: Cut(leg, p).pieces())

    def test_the_smallest_mtu(self):
        self.pass_on(1500, 576, (500, 549, 8192), lambda leg, p: Cut(leg, p).pieces())

    def test_the_largest_mtu(self):
        # one buffer holds what the MTU lets out, whatever its headers were before
        sizes = (9552, 9553, 9560, 9572 - 20)
        self.pass_on(9600, 9600, sizes, lambda leg, p: [bytes(leg.frame(p))])


class Workers:
    """Fragments strewn over the queues, so that each worker sees some of every datagram."""

    n_workers = 2

    def test_fragments_meet_whatever_queue_they_come_by(self):
        rng = random.Random(SEED)
        calls = Calls()
        n = 6 * self.n_workers
        made = []
        for i in range(n):
            a, b = SIDES[i % 4]
            made.append(
                calls.call(calls.leg(*a, port=35000 + 2 * i), calls.leg(*b, port=35000 + 2 * i))
            )
        payloads = [content(6000, i) for i in range(6)]
        queues = [[] for _ in range(self.n_workers)]
        back = [[] for _ in range(self.n_workers)]
        n_pieces = 0
        for call in made:
            for leg, strewn in ((call.a, queues), (call.b, back)):
                for payload in payloads:
                    for piece in Cut(leg, payload).pieces():
                        strewn[rng.randrange(self.n_workers)].append(piece)
                        n_pieces += 1
        ports = [Port("outer", queues), Port("inner", back)]
        options = {"mbufs": 16384, "memory_mb": 96, **PATIENT}
        with Dataplane(ports, realms_conf(), n_workers=self.n_workers, dataplane=options) as dp:
            calls.install(dp.region)
            counters = dp.run("outer", "inner")
            self.assertEqual(counters["ip_fragments"], n_pieces)
            self.assertEqual(counters["reassembled"], 2 * n * len(payloads))
            self.assertEqual(counters["fragments_joined"], n_pieces - 2 * n * len(payloads))
            self.assertEqual(counters["relayed_packets"], 2 * n * len(payloads))
            self.assertEqual(counters["handoff_in"], counters["handoff_out"])
            for w in range(self.n_workers):
                self.assertGreater(dp.region.counters(worker=w)["reassembled"], 0)
            for call in made:
                for leg, to in ((call.a, call.b), (call.b, call.a)):
                    self.check_any_order(dp.sent(to.realm.port), to, payloads)
                    flow = dp.region.flow(dp.region.slot(leg.local, leg.port))
                    self.assertEqual((flow["n_packets"], flow["n_bytes"]), (6, 36000))

    def check_any_order(self, frames, leg, payloads):
        """Datagrams that several workers put together may change places."""
        found = []
        for group in gather(frames):
            if port_of(group[0]) != leg.remote[1]:
                continue
            (payload,) = [p for p in payloads if group[-1].endswith(p[-64:])]
            self.assertEqual(group, expected_frames(leg, payload, ident_of(group[0])[1]))
            found.append(payload)
        self.assertEqual(sorted(found), sorted(payloads))


class TwoWorkers(Workers, unittest.TestCase):
    n_workers = 2


class FourWorkers(Workers, unittest.TestCase):
    n_workers = 4


del Common

if __name__ == "__main__":
    main()
