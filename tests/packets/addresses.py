# SPDX-License-Identifier: BSD-2-Clause
"""Local addresses that come and go while calls are relayed.

Two workers, both ports on the test's own wires. A call on the configured addresses goes on through
everything that is done here, and loses no packet. Not here: who decides on addresses, and what
becomes of calls on one that is to go (tests/unit/test_address.cc, tests/smoke).
"""

import ipaddress
import os
import unittest

from scapy.layers.l2 import ARP, Ether

from calls import CORE, EXT, Calls, difference, realms_conf, rtp
from harness import Dataplane, WirePort, main
from region import N, endpoint, field_of, wait_until

N_POOL = 16  # of realms_conf()
ROOM = 4
SSRC = 0x0BADCAFE  # of the call that goes on
NEW4 = str(EXT.net4[40])
NEW6 = str(EXT.net6[40])


class Addresses(unittest.TestCase):
    def setUp(self):
        self.dp = Dataplane(
            [WirePort("outer"), WirePort("inner")],
            realms_conf(),
            n_workers=2,
            media={"max_addresses": N_POOL + ROOM},
        )
        self.dp.__enter__()
        self.addCleanup(self.dp.__exit__, None, None, None)
        self.calls = Calls()
        self.canary = self.calls.call(
            self.calls.leg(EXT, 4, port=35500), self.calls.leg(CORE, 6, port=35500)
        )
        self.calls.install(self.dp.region)
        self.n_sent = 0
        self.came = []

    @property
    def region(self):
        return self.dp.region

    # ---- the call that goes on

    def talk(self, n=1):
        """Frames of the call go in; nobody waits for them."""
        for _ in range(n):
            self.dp.wire("outer").send(self.canary.a.frame(rtp(self.n_sent, SSRC)))
            self.n_sent += 1
        self.receive()

    def receive(self):
        """What leaves by the inner port."""
        frames = self.dp.wire("inner").receive()
        self.came += frames
        return frames

    def all_came(self):
        """Every frame of the call has left, in its order and as it should be."""

        def came():
            self.receive()
            return len(self.media()) >= self.n_sent

        wait_until(came, "the frames of the call", self.dp.check_alive)
        got = self.media()
        self.assertEqual(len(got), self.n_sent)
        for i, frame in enumerate(got):
            self.assertIsNone(difference(frame, self.canary.b.expected(rtp(i, SSRC))))

    def media(self):
        head = rtp(0, SSRC)[8:12]
        at = 8 - len(rtp(0))
        return [f for f in self.came if f[at : at + 4] == head]

    # ---- requests

    def ask(self, **fields):
        """A request to the main thread, while the call goes on; the status of its answer."""
        request = {"id": self.region.next_id(), "worker": self.region.main, **fields}
        self.region.push(self.region.main, **request)
        reply = None
        while reply is None:
            self.talk()
            data = self.region.replies[self.region.main].pop()
            reply = data and self.unpacked(data, request)
            self.dp.check_alive()
        return reply["status"]

    def unpacked(self, data, request):
        at, size = field_of("rr_reply", "id")
        self.assertEqual(int.from_bytes(data[at : at + size], "little"), request["id"])
        at, size = field_of("rr_reply", "status")
        return {"status": int.from_bytes(data[at : at + size], "little")}

    def add(self, addr, realm="ext"):
        return self.ask(**self.region.add_fields(realm, addr))

    def remove(self, addr):
        return self.ask(**self.region.remove_fields(addr))

    def n_bytes(self):
        return os.stat(self.dp.region_path()).st_blocks * 512

    # ---- stories

    def new_call(self, addr):
        leg = self.calls.leg(EXT, ipaddress.ip_address(addr).version, port=35502)
        leg.local = addr
        call = self.calls.call(leg, self.calls.leg(CORE, 4, port=35502))
        self.calls.install(self.region, [call])
        return call

    def relays(self, call):
        """Both ways."""
        outer = self.dp.wire("outer")
        for send, receive, frame, want in (
            (outer.send, self.receive, call.a.frame(rtp(7)), call.b.expected(rtp(7))),
            (self.dp.wire("inner").send, outer.receive, call.b.frame(rtp(8)),
             call.a.expected(rtp(8))),
        ):
            send(frame)
            wait_until(
                lambda receive=receive, want=want: any(
                    f[-172:] == bytes(want)[-172:] and difference(f, want) is None
                    for f in receive()
                ), "a frame of the new call", self.dp.check_alive
            )

    def test_an_address_comes_is_used_and_goes(self):
        n_bytes = self.n_bytes()
        self.assertEqual(self.add(NEW4), N["RR_REPLY_OK"])
        self.assertEqual(self.add(NEW4), N["RR_REPLY_OK"], "once more is no change")
        self.assertIn(NEW4, self.region.addrs)
        self.assertGreater(self.n_bytes(), n_bytes)
        self.all_came()
        call = self.new_call(NEW4)
        self.relays(call)
        self.assertEqual(self.remove(NEW4), N["RR_REPLY_BUSY"])
        self.relays(call)
        self.region.submit(call.delete_requests(self.region))
        self.talk(100)
        self.assertEqual(self.remove(NEW4), N["RR_REPLY_OK"])
        self.assertEqual(self.remove(NEW4), N["RR_REPLY_OK"])
        self.assertNotIn(NEW4, self.region.addrs)
        self.assertLess(self.n_bytes(), n_bytes + 65536)
        self.all_came()
        counters = self.dp.settle()
        before = counters["drop_ip_dst"]
        self.dp.wire("outer").send(call.a.frame(rtp(9)))
        wait_until(
            lambda: self.region.counters()["drop_ip_dst"] > before,
            "a drop by name", self.dp.check_alive
        )

    def wait_for_the_last_announcement(self):
        """Of the start: every address is announced three times."""
        seen = []

        def all_said():
            seen.extend(Ether(f) for f in self.dp.wire("outer").receive())
            pool = EXT.pool(4, 1)
            return sum(ARP in p and p[ARP].psrc == p[ARP].pdst == pool for p in seen) == 3

        wait_until(all_said, "announcements of the start", self.dp.check_alive)

    def test_the_link_is_told_and_answered(self):
        self.wait_for_the_last_announcement()
        for addr in (NEW4, NEW6):
            self.assertEqual(self.add(addr), N["RR_REPLY_OK"])
        seen = []

        def announced():
            seen.extend(Ether(f) for f in self.dp.wire("outer").receive())
            arp = any(ARP in p and p[ARP].psrc == p[ARP].pdst == NEW4 for p in seen)
            return arp and any(NEW6 in repr(p) for p in seen)

        wait_until(announced, "announcements of both", self.dp.check_alive)
        question = Ether(src=EXT.host_mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=EXT.host_mac, psrc=EXT.host(4), pdst=NEW4
        )
        self.dp.wire("outer").send(bytes(question))
        wait_until(
            lambda: any(
                ARP in Ether(f) and Ether(f)[ARP].op == 2 and Ether(f)[ARP].psrc == NEW4
                for f in self.dp.wire("outer").receive()
            ), "an answer", self.dp.check_alive
        )

    def test_a_dataplane_that_was_killed_finds_it_again(self):
        """And none that is gone, whatever the file names."""
        gone = EXT.pool(4, 2)
        self.assertEqual(self.add(NEW6), N["RR_REPLY_OK"])
        self.assertEqual(self.remove(gone), N["RR_REPLY_OK"])
        call = self.new_call(NEW6)
        region_id = self.region.header("region_id")
        self.dp.kill()
        self.dp.start()
        self.assertEqual(self.region.header("region_id"), region_id)
        self.assertIn(NEW6, self.region.addrs)
        self.assertNotIn(gone, self.region.addrs)
        self.relays(call)

    def test_no_more_than_there_is_room_for(self):
        for i in range(ROOM):
            self.assertEqual(self.add(str(EXT.net4[40 + i])), N["RR_REPLY_OK"])
        self.assertEqual(self.add(str(EXT.net4[80])), N["RR_REPLY_NO_ROOM"])
        self.assertEqual(self.remove(NEW4), N["RR_REPLY_OK"])
        self.assertEqual(self.add(str(EXT.net4[80])), N["RR_REPLY_OK"])
        self.all_came()

    def test_requests_of_an_enemy_change_nothing(self):
        good = self.region.add_fields("ext", NEW4)
        at, _ = field_of("rr_endpoint", "reserved")
        spoilt = bytearray(endpoint((NEW4, 0)))
        spoilt[at] = 1
        for status, changes in (
            ("BAD_OP", {"op": N["RR_REQUEST_OPS"]}),
            ("BAD_OP", {"op": N["RR_REQUEST_FLOW_SET"]}),
            ("BAD_OP", {"op": N["RR_REQUEST_FLOW_DEL"]}),
            ("BAD_WORKER", {"worker": 0}),
            ("BAD_WORKER", {"worker": 255}),
            ("BAD_FLAGS", {"flags": 1}),
            ("BAD_FLAGS", {"reserved": b"\0" * 31 + b"\1"}),
            ("BAD_ENDPOINT", {"signalled": endpoint((NEW4, 1))}),
            ("BAD_ENDPOINT", {"signalled": endpoint(None)}),
            ("BAD_ENDPOINT", {"signalled": endpoint(("0.0.0.0", 0))}),
            ("BAD_ENDPOINT", {"signalled": bytes(spoilt)}),
            ("BAD_REALM", {"uid": 0}),
            ("BAD_REALM", {"uid": self.region.add_fields("none", NEW4)["uid"]}),
            ("BAD_REALM", self.region.add_fields("core", NEW4)),
            ("BAD_REALM", self.region.add_fields("ext", "203.0.113.1")),
            ("BAD_REALM", self.region.add_fields("ext", EXT.gateway(4))),
            ("BAD_REALM", self.region.add_fields("ext", EXT.host(6))),
            ("BAD_REALM", self.region.add_fields("ext", str(EXT.net4[255]))),
            ("BAD_REALM", self.region.add_fields("core", EXT.pool(4))),
        ):
            addrs = self.region.addrs
            n_refused = self.region.counters()["requests_refused"]
            self.assertEqual(self.ask(**{**good, **changes}), N["RR_REPLY_" + status], changes)
            self.assertEqual(self.region.addrs, addrs)
            self.assertEqual(self.region.counters()["requests_refused"], n_refused + 1)
        self.all_came()

    def test_a_worker_takes_no_request_about_addresses(self):
        reply = self.region.submit([(0, self.region.add_fields("ext", NEW4))])[0]
        self.assertEqual(reply["status"], N["RR_REPLY_BAD_OP"])

    def test_flows_of_an_address_that_is_not_there_are_refused(self):
        slot = N_POOL * self.region.n_media_ports
        fields = self.region.set_fields(slot, uid=7, peer=None, remote=("203.0.113.9", 4000))
        reply = self.region.submit([(0, fields)])[0]
        self.assertEqual(reply["status"], N["RR_REPLY_BAD_SLOT"])
        fields = self.region.set_fields(100, uid=7, peer=slot, remote=("203.0.113.9", 4000))
        reply = self.region.submit([(0, fields)])[0]
        self.assertEqual(reply["status"], N["RR_REPLY_BAD_PEER"])

    def test_a_directory_that_an_enemy_overwrote_leads_nowhere(self):
        """It is read at a start alone, and a start with one that cannot be makes a new region."""
        at = self.region.addr_at(0)
        end = self.region.addr_at(self.region.n_addrs)
        good = bytes(self.region.memory[at:end])
        for value in (0x00, 0xFF, 0x04, 0x06):
            self.region.memory[at:end] = bytes([value]) * (end - at)
            self.assertEqual(self.add(NEW4), N["RR_REPLY_OK"])
            self.assertEqual(self.remove(NEW4), N["RR_REPLY_OK"])
        self.all_came()
        region_id = self.region.header("region_id")
        self.dp.kill()
        self.dp.start()
        self.assertNotEqual(self.region.header("region_id"), region_id)
        self.assertEqual(bytes(self.region.memory[at:end]), good)


if __name__ == "__main__":
    main()
