# SPDX-License-Identifier: BSD-2-Clause
"""Media to an address of the relay's own: a call that passes it twice, as in a SIP spiral.

    a --> a.local   b.local --> c.local   d.local --> d
    a <-- a.local   b.local <-- c.local   d.local <-- d

The party of b is c and the party of c is b; nothing between them touches the wire. What ends in
drop_loop is in drops.py.
"""

import unittest

import talks
from calls import CORE, EXT, INT, Calls, Sent, destination, realms_conf, rtp
from harness import Dataplane, Port, main
from region import imbalance_of

N_PACKETS = 100


def spiral(calls, realm, version, ports=(None,) * 4, far=CORE):
    """Two calls whose inner legs are each other's party; returns both."""
    a = calls.leg(realm, version, port=ports[0])
    b = calls.leg(realm, version, port=ports[1])
    c = calls.leg(realm, version, port=ports[2], pool=1)
    d = calls.leg(far, version, port=ports[3])
    b.remote = (c.local, c.port)
    c.remote = (b.local, b.port)
    return calls.call(a, b), calls.call(c, d)


class Spiral(talks.Talk):
    """One packet at a time, over every family and with and without VLAN."""

    def check_spiral(self, realm, version, **options):
        first, second = spiral(self.calls, realm, version, **options)
        for call in (first, second):
            self.install(call)
        before = self.region.counters()
        self.arrive(first.a, rtp(1))
        self.got(second.b, rtp(1))
        self.arrive(second.b, rtp(2, ssrc=2))
        self.got(first.a, rtp(2, ssrc=2))
        self.arrive(first.a, b"rtcp", rtcp=True)
        self.got(second.b, b"rtcp", rtcp=True)
        self.got_nothing()
        after = self.region.counters()
        grown = {
            name: after[name] - before[name]
            for name in ("turned", "handoff_out", "handoff_in", "relayed_packets")
        }
        self.assertEqual(
            grown, {"turned": 3, "handoff_out": 3, "handoff_in": 3, "relayed_packets": 6}
        )
        for leg in (first.a, first.b, second.a, second.b):
            self.assertEqual(self.region.flow(self.slot(leg))["n_packets"], 1)

    def test_ipv4(self):
        self.check_spiral(EXT, 4)

    def test_ipv6(self):
        self.check_spiral(EXT, 6)

    def test_vlan(self):
        self.check_spiral(INT, 4, far=EXT)
        self.check_spiral(INT, 6, far=EXT)

    def test_port_without_a_call(self):
        call = self.calls.call((CORE, 4), (EXT, 4))
        call.b.remote = (EXT.pool(4, 1), 35990)
        self.install(call)
        before = self.counter("drop_flow_none")
        self.arrive(call.a, rtp(1))
        self.assertEqual(self.counter("drop_flow_none"), before + 1)

    def test_port_outside_the_media_range(self):
        call = self.calls.call((CORE, 4), (EXT, 4))
        call.b.remote = (EXT.pool(4, 1), 5060)
        self.install(call)
        before = self.counter("drop_udp_port")
        self.arrive(call.a, rtp(1))
        self.assertEqual(self.counter("drop_udp_port"), before + 1)

    def test_nobody_is_asked_for_an_own_address(self):
        first, second = spiral(self.calls, EXT, 4)
        for call in (first, second):
            self.install(call)
        self.arrive(first.a, rtp(1))
        self.got(second.b, rtp(1))
        asked = self.take("outer", lambda frame: frame[12:14] == b"\x08\x06")
        # announcements ask for the sender's own address
        self.assertEqual([frame for frame in asked if frame[28:32] != frame[38:42]], [])


class Workers(unittest.TestCase):
    """The two calls belong to different workers."""

    def test_order_is_kept_across_workers(self):
        for checksum in ("full", "incremental"):
            calls = Calls()
            first, second = spiral(calls, EXT, 4, ports=(35000, 35004, 35002, 35006))
            frames = [first.a.frame(rtp(i)) for i in range(N_PACKETS)]
            ports = [Port("outer", [frames, []], checksum=checksum)]
            ports.append(Port("inner", [[], []], checksum=checksum))
            with Dataplane(ports, realms_conf(), n_workers=2) as dp:
                calls.install(dp.region)
                owners = [dp.region.owner_of_port(call.a.port) for call in (first, second)]
                self.assertEqual(owners, [0, 1])
                counters = dp.run("outer", "inner")
                self.assertEqual(counters["turned"], N_PACKETS)
                self.assertEqual(imbalance_of(counters), 0)
                got = Sent(dp.sent("inner")).to(second.b.remote)
                self.assertEqual(
                    [bytes(frame) for frame in got],
                    [bytes(second.b.expected(rtp(i))) for i in range(N_PACKETS)],
                )
                self.assertEqual([f for f in dp.sent("outer") if destination(f)], [])


if __name__ == "__main__":
    main()
