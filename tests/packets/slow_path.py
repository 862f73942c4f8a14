# SPDX-License-Identifier: BSD-2-Clause
"""What the dataplane says for its own addresses: announcements, ARP, neighbour discovery, echo, and
how it finds the next hop for media.

What it refuses to answer is in drops.py. Not here: how an entry ages (test_neighbour.cc).
"""

from scapy.layers.inet import ICMP, IP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import talks
from calls import CORE, EXT, INT, LOST, REALMS, ip, rtp
from harness import main
from region import wait_until

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES = ("ff02::1", "33:33:00:00:00:01")
NOBODY = "00:00:00:00:00:00"


def layer2(realm, src, dst):
    """An Ethernet header of the realm's link."""
    eth = Ether(src=src, dst=dst)
    return eth / Dot1Q(vlan=realm.vlan) if realm.vlan else eth


def group_of(addr):
    """Solicited-node group of an IPv6 address, and its MAC address (RFC 4291 2.7.1, RFC 2464 7)."""
    low = int(addr.rsplit(":", 1)[1], 16)
    return f"ff02::1:ff00:{low:x}", f"33:33:ff:00:{low >> 8:02x}:{low & 255:02x}"


def gratuitous_arp(realm, addr):
    return layer2(realm, realm.mac, BROADCAST) / ARP(
        op=1, hwsrc=realm.mac, psrc=addr, hwdst=NOBODY, pdst=addr
    )


def advertisement(realm, addr, dst, dst_mac, solicited):
    """A neighbour advertisement as the dataplane makes it."""
    packet = IPv6(src=addr, dst=dst, hlim=255) / ICMPv6ND_NA(R=0, S=solicited, O=1, tgt=addr)
    return layer2(realm, realm.mac, dst_mac) / packet / ICMPv6NDOptDstLLAddr(lladdr=realm.mac)


def solicitation(realm, src, target, dst=None, dst_mac=None, src_mac=None):
    """A neighbour solicitation from a host on the realm's link."""
    group, group_mac = group_of(target)
    src_mac = src_mac or realm.host_mac
    packet = IPv6(src=src, dst=dst or group, hlim=255) / ICMPv6ND_NS(tgt=target)
    if src != "::":
        packet = packet / ICMPv6NDOptSrcLLAddr(lladdr=src_mac)
    return layer2(realm, src_mac, dst_mac or group_mac) / packet


def is_arp(frame):
    return ARP in Ether(frame)


def is_nd(frame):
    packet = Ether(frame)
    return ICMPv6ND_NA in packet or ICMPv6ND_NS in packet


def is_echo(frame):
    packet = Ether(frame)
    return ICMP in packet or ICMPv6EchoReply in packet


def is_announcement(frame):
    """Made by the dataplane of itself: announcements go on for a few seconds."""
    packet = Ether(frame)
    if ARP in packet:
        return packet[ARP].op == 1 and packet[ARP].psrc == packet[ARP].pdst
    return ICMPv6ND_NA in packet and packet[ICMPv6ND_NA].S == 0 and packet[IPv6].dst == ALL_NODES[0]


def is_report(frame):
    return ICMPv6MLReport2 in Ether(frame)


def answers(frame):
    return (is_arp(frame) or is_nd(frame)) and not is_announcement(frame)


class Announcements(talks.Talk):
    """After the start of a port every pool address is announced on its link."""

    def test_every_pool_address_is_announced(self):
        want = {name: set() for name in ("outer", "inner")}
        for realm in REALMS:
            for i in (0, 1):
                v4, v6 = realm.pool(4, i), realm.pool(6, i)
                want[realm.port].add(bytes(gratuitous_arp(realm, v4)))
                want[realm.port].add(bytes(advertisement(realm, v6, *ALL_NODES, 0)))
        for port, frames in want.items():
            came = []

            def all_came(port=port, frames=frames, came=came):
                came += self.take(port, is_announcement)
                return frames <= set(came)

            wait_until(all_came, f"announcements on {port}", self.dp.check_alive)
            self.assertEqual(set(came), frames)


    def test_groups_of_the_pool_are_reported_to_switches(self):
        # without them a snooping switch keeps solicitations to itself; MODE_IS_EXCLUDE of
        # nobody (RFC 3810 5.2.12), from :: (RFC 3590 4)
        want = {name: set() for name in ("outer", "inner")}
        for realm in REALMS:
            for i in (0, 1):
                group, _ = group_of(realm.pool(6, i))
                report = IPv6(src="::", dst="ff02::16", hlim=1, tc=0)
                report = report / IPv6ExtHdrHopByHop(options=[RouterAlert()], nh=58)
                report = report / ICMPv6MLReport2(
                    records=[ICMPv6MLDMultAddrRec(rtype=2, dst=group)]
                )
                want[realm.port].add(bytes(layer2(realm, realm.mac, "33:33:00:00:00:16") / report))
        for port, frames in want.items():
            came = set()

            def all_came(port=port, frames=frames, came=came):
                came.update(self.take(port, is_report))
                return frames <= came

            wait_until(all_came, f"listener reports on {port}", self.dp.check_alive)
            self.assertEqual(came, frames)


class Answers(talks.Talk):
    """ARP, ND and echo for every pool address, on every link."""

    def setUp(self):
        self.take("outer", answers)
        self.take("inner", answers)

    def ask(self, realm, frame):
        """The dataplane's answers to one frame."""
        self.send(realm.port, frame)
        return self.take(realm.port, lambda f: answers(f) or is_echo(f))

    def test_arp_request(self):
        for realm in REALMS:
            for i in (0, 1):
                addr, host = realm.pool(4, i), realm.host(4)
                ask = ARP(op=1, hwsrc=realm.host_mac, psrc=host, pdst=addr)
                reply = ARP(op=2, hwsrc=realm.mac, psrc=addr, hwdst=realm.host_mac, pdst=host)
                for dst in (BROADCAST, realm.mac):
                    got = self.ask(realm, layer2(realm, realm.host_mac, dst) / ask)
                    self.same(got, layer2(realm, realm.mac, realm.host_mac) / reply)

    def test_arp_probe(self):
        # RFC 5227: somebody wants to know whether the address is taken
        ask = ARP(op=1, hwsrc=EXT.host_mac, psrc="0.0.0.0", pdst=EXT.pool(4))
        reply = ARP(op=2, hwsrc=EXT.mac, psrc=EXT.pool(4), hwdst=EXT.host_mac, pdst="0.0.0.0")
        got = self.ask(EXT, Ether(src=EXT.host_mac, dst=BROADCAST) / ask)
        self.same(got, Ether(src=EXT.mac, dst=EXT.host_mac) / reply)

    def test_arp_request_with_ethernet_padding(self):
        ask = ARP(op=1, hwsrc=EXT.host_mac, psrc=EXT.host(4), pdst=EXT.pool(4))
        frame = bytes(Ether(src=EXT.host_mac, dst=BROADCAST) / ask).ljust(60, b"\xee")
        self.assertEqual(len(self.ask(EXT, frame)), 1)

    def test_nobody_else_is_answered_for(self):
        for addr in (EXT.host(4), EXT.gateway(4), "198.18.0.99", INT.pool(4)):
            ask = ARP(op=1, hwsrc=EXT.host_mac, psrc="198.18.0.98", pdst=addr)
            self.assertEqual(self.ask(EXT, Ether(src=EXT.host_mac, dst=BROADCAST) / ask), [])
        # the address of one link asked for on another one of the same port
        ask = ARP(op=1, hwsrc=LOST.host_mac, psrc=LOST.host(4), pdst=EXT.pool(4))
        self.assertEqual(self.ask(LOST, layer2(LOST, LOST.host_mac, BROADCAST) / ask), [])

    def test_who_claims_our_address_is_not_answered(self):
        # an announcement is no question (RFC 5227 3), and here it is a forgery or a conflict
        claim = ARP(op=1, hwsrc=EXT.host_mac, psrc=EXT.pool(4), hwdst=NOBODY, pdst=EXT.pool(4))
        before = self.counter("drop_punt_unhandled")
        self.assertEqual(self.ask(EXT, Ether(src=EXT.host_mac, dst=BROADCAST) / claim), [])
        self.assertEqual(self.counter("drop_punt_unhandled"), before + 1)

    def test_neighbour_solicitation(self):
        for realm in REALMS:
            for i in (0, 1):
                addr, host = realm.pool(6, i), realm.host(6)
                want = advertisement(realm, addr, host, realm.host_mac, 1)
                self.same(self.ask(realm, solicitation(realm, host, addr)), want)
                direct = solicitation(realm, host, addr, dst=addr, dst_mac=realm.mac)
                self.same(self.ask(realm, direct), want)

    def test_solicitation_without_link_layer_address(self):
        ask = IPv6(src=EXT.host(6), dst=EXT.pool(6), hlim=255) / ICMPv6ND_NS(tgt=EXT.pool(6))
        got = self.ask(EXT, Ether(src=EXT.host_mac, dst=EXT.mac) / ask)
        self.same(got, advertisement(EXT, EXT.pool(6), EXT.host(6), EXT.host_mac, 1))

    def test_duplicate_address_detection(self):
        # RFC 4862 5.4.3: the answer goes to all nodes, and looks like an announcement
        self.take("outer", is_nd)
        want = advertisement(EXT, EXT.pool(6), *ALL_NODES, 0)
        before = self.counter("delivered")
        self.send("outer", solicitation(EXT, "::", EXT.pool(6)))
        self.assertEqual(self.counter("delivered"), before + 1)
        self.assertIn(bytes(want), self.take("outer", is_nd))

    def test_echo(self):
        for realm in REALMS:
            for payload in (b"", b"p", b"ping" * 14, bytes(range(256)) * 5 + b"odd"):
                src, dst = realm.host(4), realm.pool(4)
                ask = IP(src=src, dst=dst, ttl=3, id=77, tos=8) / ICMP(id=5, seq=6) / Raw(payload)
                reply = IP(src=dst, dst=src, ttl=64, id=0, flags="DF", tos=8)
                reply = reply / ICMP(type=0, id=5, seq=6) / Raw(payload)
                got = self.ask(realm, realm.ether() / ask)
                self.same(got, layer2(realm, realm.mac, realm.gateway_mac) / reply)
                src, dst = realm.host(6), realm.pool(6)
                ask = IPv6(src=src, dst=dst, hlim=3) / ICMPv6EchoRequest(id=5, seq=6, data=payload)
                reply = IPv6(src=dst, dst=src, hlim=64) / ICMPv6EchoReply(id=5, seq=6, data=payload)
                got = self.ask(realm, realm.ether() / ask)
                self.same(got, layer2(realm, realm.mac, realm.gateway_mac) / reply)

    def test_echo_with_options(self):
        ask = IP(src=EXT.host(4), dst=EXT.pool(4), options=[IPOption_NOP()] * 8) / ICMP(id=1) / Raw(
            b"x" * 20
        )
        (got,) = self.ask(EXT, EXT.ether() / ask)
        reply = Ether(got)
        self.assertEqual((reply[ICMP].type, reply[ICMP].id, bytes(reply[Raw])), (0, 1, b"x" * 20))
        checked = IP(bytes(reply[IP]))
        del checked.chksum
        self.assertEqual(IP(bytes(checked)).chksum, reply[IP].chksum)

    def test_no_errors_are_sent(self):
        # closed port, unknown protocol, no call: silence, however many come
        before = self.counter("generated")
        frames = []
        for version, proto in ((4, 17), (6, 17), (4, 132), (6, 132)):
            packet = ip(version, EXT.host(version), EXT.pool(version), proto=proto)
            frames += [EXT.ether() / packet / UDP(dport=9)] * 50
        self.send("outer", *frames)
        self.assertEqual(self.take("outer", is_echo), [])
        self.assertLessEqual(
            self.counter("generated") - before, 2 * len(REALMS) * 4, "announcements at most"
        )


class NextHops(talks.Talk):
    """A host on the link is asked for its MAC address, and media flows when it answered."""

    def unresolved_call(self, version, n):
        remote = (str(LOST.net(version)[n]), 4000)
        call = self.calls.call((EXT, 4), self.calls.leg(LOST, version, remote=remote))
        call.b.mac = f"02:00:00:00:02:{n:02x}"
        return call

    def test_arp(self):
        call = self.unresolved_call(4, 120)
        self.install(call)
        self.send("outer", call.a.frame(rtp(1)))
        self.got_nothing()
        ask = ARP(op=1, hwsrc=LOST.mac, psrc=LOST.pool(4), hwdst=NOBODY, pdst=call.b.remote[0])
        want = bytes(layer2(LOST, LOST.mac, BROADCAST) / ask)
        self.wait_for("outer", lambda frame: frame == want, "an ARP request")
        reply = ARP(
            op=2, hwsrc=call.b.mac, psrc=call.b.remote[0], hwdst=LOST.mac, pdst=LOST.pool(4)
        )
        before = self.counter("delivered")
        self.send("outer", layer2(LOST, call.b.mac, LOST.mac) / reply)
        self.assertEqual(self.counter("delivered"), before + 1)
        self.send("outer", call.a.frame(rtp(2)))
        self.got(call.b, rtp(2))

    def test_neighbour_discovery(self):
        call = self.unresolved_call(6, 121)
        self.install(call)
        self.send("outer", call.a.frame(rtp(1)))
        self.got_nothing()
        want = bytes(solicitation(LOST, LOST.pool(6), call.b.remote[0], src_mac=LOST.mac))
        self.wait_for("outer", lambda frame: frame == want, "a neighbour solicitation")
        answer = IPv6(src=call.b.remote[0], dst=LOST.pool(6), hlim=255)
        answer = answer / ICMPv6ND_NA(R=0, S=1, O=1, tgt=call.b.remote[0])
        answer = answer / ICMPv6NDOptDstLLAddr(lladdr=call.b.mac)
        before = self.counter("delivered")
        self.send("outer", layer2(LOST, call.b.mac, LOST.mac) / answer)
        self.assertEqual(self.counter("delivered"), before + 1)
        self.send("outer", call.a.frame(rtp(2)))
        self.got(call.b, rtp(2))

    def moved(self, call, ask, announce, answer):
        """The party's host is at home; then another one says that it has the address."""
        old, call.b.mac = call.b.mac, "02:00:00:00:02:ee"
        self.install(call)
        question = bytes(ask())
        self.wait_for("outer", lambda frame: frame == question, "a first question")
        self.send("outer", answer(old))
        self.send("outer", announce(old))  # nothing new
        before = self.counter("delivered")
        self.send("outer", announce(call.b.mac))
        self.assertEqual(self.counter("delivered"), before + 1)
        new, call.b.mac = call.b.mac, old
        self.send("outer", call.a.frame(rtp(1)))
        self.got(call.b, rtp(1))
        self.wait_for("outer", lambda frame: frame == question, "a question to everybody")
        self.send("outer", answer(new))
        call.b.mac = new
        self.send("outer", call.a.frame(rtp(2)))
        self.got(call.b, rtp(2))

    def test_gratuitous_arp_of_a_host_that_moved(self):
        call = self.unresolved_call(4, 124)
        host = call.b.remote[0]

        def reply(mac):
            said = ARP(op=2, hwsrc=mac, psrc=host, hwdst=LOST.mac, pdst=LOST.pool(4))
            return layer2(LOST, mac, LOST.mac) / said

        def gratuitous(mac):
            said = ARP(op=1, hwsrc=mac, psrc=host, hwdst=NOBODY, pdst=host)
            return layer2(LOST, mac, BROADCAST) / said

        def ask():
            said = ARP(op=1, hwsrc=LOST.mac, psrc=LOST.pool(4), hwdst=NOBODY, pdst=host)
            return layer2(LOST, LOST.mac, BROADCAST) / said

        self.moved(call, ask, gratuitous, reply)

    def test_unsolicited_advertisement_of_a_host_that_moved(self):
        call = self.unresolved_call(6, 125)
        host = call.b.remote[0]

        def say(mac, dst, dst_mac, solicited):
            said = IPv6(src=host, dst=dst, hlim=255) / ICMPv6ND_NA(R=0, S=solicited, O=1, tgt=host)
            return layer2(LOST, mac, dst_mac) / said / ICMPv6NDOptDstLLAddr(lladdr=mac)

        self.moved(
            call,
            lambda: solicitation(LOST, LOST.pool(6), host, src_mac=LOST.mac),
            lambda mac: say(mac, *ALL_NODES, 0),
            lambda mac: say(mac, LOST.pool(6), LOST.mac, 1),
        )

    def test_next_hop_is_asked_for_before_media_comes(self):
        call = self.unresolved_call(4, 122)
        self.install(call)
        ask = ARP(op=1, hwsrc=LOST.mac, psrc=LOST.pool(4), hwdst=NOBODY, pdst=call.b.remote[0])
        want = bytes(layer2(LOST, LOST.mac, BROADCAST) / ask)
        self.wait_for("outer", lambda frame: frame == want, "an ARP request")

    def test_answers_that_nobody_asked_for_teach_nothing(self):
        call = self.unresolved_call(4, 123)
        thief = "02:66:66:66:66:66"
        reply = ARP(op=2, hwsrc=thief, psrc=call.b.remote[0], hwdst=LOST.mac, pdst=LOST.pool(4))
        before = self.counter("drop_punt_unhandled")
        self.send("outer", layer2(LOST, thief, LOST.mac) / reply)
        # a static neighbour is not overruled
        static = ARP(op=2, hwsrc=thief, psrc=EXT.gateway(4), hwdst=EXT.mac, pdst=EXT.pool(4))
        self.send("outer", layer2(EXT, thief, EXT.mac) / static)
        self.assertEqual(self.counter("drop_punt_unhandled"), before + 2)
        self.install(call)
        self.send("outer", call.a.frame(rtp(1)))
        self.got_nothing()
        via = self.calls.call((CORE, 4), (EXT, 4))
        self.install(via)
        self.send("inner", via.a.frame(rtp(1)))
        self.got(via.b, rtp(1))


if __name__ == "__main__":
    main()
