# SPDX-License-Identifier: BSD-2-Clause
"""The region as an enemy would leave it: requests with every field out of range, ring indexes that
cannot be, flows and headers overwritten, regions to adopt that nobody ever made.

The real dataplane with two workers and both ports on the test's own wires. Whatever was done to it,
a call that it relays meanwhile must go on, and what was refused must have changed nothing.
"""

import os
import random
import signal
import unittest

from calls import CORE, EXT, Calls, difference, realms_conf, rtp
from harness import Dataplane, WirePort, main, nonzero
from region import N, endpoint, endpoint_text, field_of, pack, size_of, unpack, wait_until

SEED = 20240229
N_RANDOM = 20000
SET, DEL = N["RR_REQUEST_FLOW_SET"], N["RR_REQUEST_FLOW_DEL"]
V4, V6 = ("203.0.113.9", 4000), ("2001:db8::9", 4000)


def bytes_out_of(endpoint_bytes, at, value):
    out = bytearray(endpoint_bytes)
    out[at] = value
    return bytes(out)


def bad_endpoints():
    """Endpoints of no family, with unused bytes set, or without an address."""
    family_at = field_of("rr_endpoint", "family")[0]
    reserved_at, reserved_size = field_of("rr_endpoint", "reserved")
    for family in (N["RR_FAMILY_NONE"], 1, 5, 7, 128, 255):
        yield bytes_out_of(endpoint(V4), family_at, family)
    for at in range(reserved_at, reserved_at + reserved_size):
        yield bytes_out_of(endpoint(V4), at, 1)
        yield bytes_out_of(endpoint(V6), at, 0x80)
    for at in range(4, 16):
        yield bytes_out_of(endpoint(V4), at, 1)
    yield endpoint(("0.0.0.0", 4000))
    yield endpoint(("::", 4000))


class Hostile(unittest.TestCase):
    """One dataplane for all tests; each leaves it as it was."""

    @classmethod
    def setUpClass(cls):
        cls.dp = Dataplane([WirePort("outer"), WirePort("inner")], realms_conf(), n_workers=2)
        cls.dp.__enter__()
        cls.addClassCleanup(cls.dp.__exit__, None, None, None)
        cls.region = cls.dp.region
        cls.calls = Calls()
        cls.canary = [
            cls.calls.call(cls.calls.leg(EXT, 4, port=port), cls.calls.leg(CORE, 6, port=port))
            for port in (35500, 35502)  # one a worker
        ]
        cls.calls.install(cls.region)
        cls.sequence = 0
        # what the tests shoot at: a free flow and a peer for it, of worker 0
        cls.slot = cls.region.slot(EXT.pool(4), 35100)
        cls.peer = cls.region.slot(CORE.pool(4), 35100)

    def tearDown(self):
        self.relays()
        self.dp.settle()

    def relays(self):
        """Both workers relay a packet of their call."""
        for call in self.canary:
            type(self).sequence += 1
            payload = rtp(self.sequence, ssrc=call.a.port)
            self.dp.wire("outer").send(call.a.frame(payload))
            want = call.b.expected(payload)
            got = []

            def arrived(got=got, payload=payload):
                got += [f for f in self.dp.wire("inner").receive() if f.endswith(payload)]
                return got

            try:
                wait_until(arrived, "the packet of the call that must go on", self.dp.check_alive)
            except TimeoutError as e:
                raise AssertionError(f"{e}: {nonzero(self.region.counters())}") from None
            self.assertIsNone(difference(got[0], want))

    def tables(self):
        """Flow tables, address directory and constant header, as bytes; canary flows left out."""
        memory = self.region.memory
        constant = field_of("rr_shm_header", "dp_generation")[0]
        out = [
            bytes(memory[:constant]),
            bytes(memory[self.region.header("addrs_offset") : self.region.workers_at]),
        ]
        hot, cold = size_of("rr_flow"), size_of("rr_flow_cold")
        skip = sorted(
            self.region.slot(leg.local, leg.port) for c in self.canary for leg in (c.a, c.b)
        )
        start = 0
        for slot in [*skip, self.region.n_flows]:
            for at, size in ((self.region.flows_at, hot), (self.region.cold_at, cold)):
                out.append(bytes(memory[at + start * size : at + slot * size]))
            start = slot + 1
        return out

    def good(self, **changes):
        fields = self.region.set_fields(self.slot, uid=7, peer=self.peer, remote=V4, worker=0)
        return {**fields, **changes}

    def refused(self, status, **changes):
        """The request with these fields is answered with this status, counted, and does nothing."""
        before = self.region.counters()
        tables = self.tables()
        reply = self.region.submit([(0, self.good(**changes))])[0]
        self.assertEqual(reply["status"], N[status], changes)
        after = self.region.counters()
        self.assertEqual(after["requests"] - before["requests"], 1)
        self.assertEqual(after["requests_refused"] - before["requests_refused"], 1)
        self.assertEqual(self.tables(), tables, f"{changes} changed something")

    # ---- requests

    def test_the_request_they_start_from_is_good(self):
        self.region.request(0, **self.good())
        self.region.request(0, op=DEL, slot=self.slot, uid=7)

    def test_op(self):
        for op in (0, N["RR_REQUEST_OPS"], 255, 0x8000, 0xFFFF):
            self.refused("RR_REPLY_BAD_OP", op=op)

    def test_slot(self):
        n = self.region.n_flows
        for slot in (n, n + 1, 2 * n, 0x7FFFFFFF, 0x80000000, N["RR_SLOT_NONE"]):
            self.refused("RR_REPLY_BAD_SLOT", slot=slot)
            self.refused("RR_REPLY_BAD_SLOT", slot=slot, op=DEL)

    def test_peer(self):
        n = self.region.n_flows
        for peer in (n, n + 1, 0x7FFFFFFF, 0xFFFFFFFE, self.slot, self.slot + 1, self.peer + 1):
            self.refused("RR_REPLY_BAD_PEER", peer=peer)

    def test_peer_of_another_worker(self):
        theirs = self.region.slot(self.canary[1].b.local, self.canary[1].b.port)
        self.assertEqual(self.region.flow(theirs)["owner"], 1)
        self.refused("RR_REPLY_BAD_PEER", peer=theirs)

    def test_uid(self):
        self.refused("RR_REPLY_BAD_UID", uid=0)
        self.refused("RR_REPLY_BAD_UID", uid=0, op=DEL)

    def test_worker(self):
        for worker in (1, 2, 31, 255):
            self.refused("RR_REPLY_BAD_WORKER", worker=worker)
            self.refused("RR_REPLY_BAD_WORKER", worker=worker, op=DEL)

    def test_flow_of_another_worker(self):
        theirs = self.region.slot(self.canary[1].a.local, self.canary[1].a.port)
        uid = self.canary[1].a.uid
        self.refused("RR_REPLY_BAD_WORKER", slot=theirs)
        self.refused("RR_REPLY_BAD_WORKER", slot=theirs, uid=uid, op=DEL)

    def test_flags(self):
        unknown = [1 << bit for bit in range(16) if not (1 << bit) & N["RR_SET_FLAGS"]]
        self.assertNotEqual(unknown, [])
        for flag in unknown:
            self.refused("RR_REPLY_BAD_FLAGS", flags=N["RR_SET_SIGNALLED"] | flag)
        # a guess is of RTCP, and learned
        self.refused(
            "RR_REPLY_BAD_FLAGS",
            flags=N["RR_SET_GUESSED"] | N["RR_SET_LEARNED"],
            learned=endpoint(V4),
        )
        odd = {"slot": self.slot + 1, "peer": self.peer + 1}
        self.refused("RR_REPLY_BAD_FLAGS", flags=N["RR_SET_GUESSED"], **odd)

    def test_reserved_bytes(self):
        _, size = field_of("rr_request", "reserved")
        for at in range(size):
            reserved = bytes(1 if i == at else 0 for i in range(size))
            self.refused("RR_REPLY_BAD_FLAGS", reserved=reserved)

    def test_endpoints(self):
        for bad in bad_endpoints():
            self.refused("RR_REPLY_BAD_ENDPOINT", signalled=bad)
            self.refused("RR_REPLY_BAD_ENDPOINT", flags=N["RR_SET_LEARNED"], learned=bad)

    def test_delete_of_a_call_that_is_gone_does_nothing(self):
        tables = self.tables()
        for uid in (99, (1 << 64) - 1):
            self.region.request(0, op=DEL, slot=self.slot, uid=uid)
        self.assertEqual(self.tables(), tables)

    def test_random_requests_are_all_answered(self):
        rng = random.Random(SEED)
        taken = {self.region.slot(leg.local, leg.port) for c in self.canary for leg in (c.a, c.b)}
        constant = self.tables()[:2]
        made = []
        while len(made) < N_RANDOM:
            request = self.random_request(rng)
            if not {request["slot"], request["slot"] & ~1, request["peer"]} & taken:
                made.append((rng.randrange(2), request))
        for first in range(0, N_RANDOM, 1000):
            for (_, request), reply in zip(
                made[first:], self.region.submit(made[first : first + 1000])
            ):
                self.assertEqual((reply["op"], reply["slot"]), (request["op"], request["slot"]))
        self.assertEqual(self.tables()[:2], constant)
        self.clear_flows(taken)

    def random_request(self, rng):
        """Half of the fields good, half of them any bits."""
        n = self.region.n_flows
        request = self.good(slot=rng.randrange(n), peer=rng.randrange(n), uid=rng.randrange(1, 5))
        request["worker"] = rng.randrange(2)
        request["op"] = rng.choice([SET, SET, SET, DEL])
        request["flags"] = rng.randrange(N["RR_SET_FLAGS"] + 1)
        request["signalled"] = endpoint(rng.choice([V4, V6, ("224.0.0.1", 1), ("127.0.0.1", 0)]))
        request["learned"] = endpoint(rng.choice([V4, V6]))
        request["version"] = rng.getrandbits(32)
        for name in rng.sample(sorted(request), rng.choice([0, 0, 1, 2])):
            size = field_of("rr_request", name)[1]
            request[name] = rng.randbytes(size) if size > 8 else rng.getrandbits(8 * size)
        return request

    def clear_flows(self, keep):
        installed = N["RR_FLOW_INSTALLED"]
        requests = []
        for slot in range(self.region.n_flows):
            flow = self.region.flow(slot)
            if flow["flags"] & installed and slot & ~1 not in keep:
                requests.append((flow["owner"], self.region.del_fields(slot, flow["uid"])))
        self.assertNotEqual(requests, [], "no random request was good")
        self.region.submit(requests)

    # ---- rings

    def broken(self, worker):
        return self.region.counters(worker=worker)["ring_broken"]

    def test_request_ring_with_an_impossible_tail(self):
        ring = self.region.requests[0]
        good, n_requests = ring.tail, self.region.counters()["requests"]
        for wrong in (good + ring.n_slots + 1, good - 1, good + 0x80000000):
            before = self.broken(0)
            ring.tail = wrong & 0xFFFFFFFF
            wait_until(
                lambda: self.broken(0) > before, "a broken ring counted", self.dp.check_alive
            )
            self.relays()
            self.assertEqual(ring.head, good, "nothing was taken")
            ring.tail = good
        self.assertEqual(self.region.counters()["requests"], n_requests)
        self.region.barrier(0)

    def test_reply_ring_with_an_impossible_head(self):
        ring = self.region.replies[0]
        good = ring.head
        request = {"op": N["RR_REQUEST_BARRIER"], "id": self.region.next_id()}
        for wrong in (good + 1, good - ring.n_slots - 1, good + 0x80000000):
            before, n_requests = self.broken(0), self.region.counters()["requests"]
            ring.head = wrong & 0xFFFFFFFF
            self.region.push(0, **request)
            wait_until(
                lambda: self.broken(0) > before, "a broken ring counted", self.dp.check_alive
            )
            self.relays()
            self.assertEqual(
                self.region.counters()["requests"], n_requests, "no room to answer, none taken"
            )
            ring.head = good
            self.region.pop_reply(0)
            good = ring.head

    def fill_event_ring(self, call):
        """Two sources that take the call from each other make an event with every packet."""
        sources = [call.a.remote, ("203.0.113.78", call.a.port)]
        outer = self.dp.wire("outer")
        outer.send(call.a.frame(rtp(0)))
        wait_until(lambda: self.latched(call), "a settled source", self.dp.check_alive)
        self.region.submit(call.requests(self.region, version=2))
        n_frames, ring = 0, self.region.events[0]
        while ring.used() < ring.n_slots:
            n = self.region.counters(port=0)["rx_packets"]
            frames = [
                call.a.frame(rtp(i), src=sources[i % 2]) for i in range(n_frames, n_frames + 500)
            ]
            outer.send(*frames)
            self.dp.wait_received("outer", n + len(frames))
            self.dp.wire("inner").receive()
            n_frames += len(frames)
            self.assertLess(n_frames, 2 * ring.n_slots, "events that do not come")

    def drain_events(self):
        return [unpack("rr_event", data) for data in iter(self.region.events[0].pop, None)]

    def latched(self, call):
        return self.region.flow(self.region.slot(call.a.local, call.a.port))["flags"] & N[
            "RR_FLOW_LATCHED"
        ]

    def test_full_event_ring_loses_events_and_nothing_else(self):
        calls = Calls()
        call = calls.call(calls.leg(EXT, 4, port=35120), calls.leg(CORE, 4, port=35120))
        slot = self.region.slot(call.a.local, call.a.port)
        self.assertEqual(self.region.owner_of_port(call.a.port), 0)
        calls.install(self.region)
        self.drain_events()
        self.fill_event_ring(call)
        ring, before = self.region.events[0], self.region.counters()
        good, last = ring.head, ring.tail
        self.move(call, ("203.0.113.80", 4000))
        self.assertGreater(self.region.counters()["events_lost"], before["events_lost"])
        self.assertEqual(self.region.counters()["ring_broken"], before["ring_broken"])
        for wrong in (last + 1, good - 1, good + 0x80000000):
            n_broken = self.broken(0)
            ring.head = wrong & 0xFFFFFFFF
            self.move(call, ("203.0.113.81", wrong & 0xFFF))
            self.assertGreater(self.broken(0), n_broken)
            self.assertEqual(ring.tail, last)
            self.relays()
        ring.head = good
        # what is in the ring is good, and the flow itself tells what was lost
        events = [unpack("rr_event", ring.pop()) for _ in range(ring.n_slots)]
        self.assertEqual({event["type"] for event in events}, {N["RR_EVENT_LEARNED"]})
        self.assertLessEqual({event["slot"] for event in events}, {slot, slot + 1})
        self.move(call, ("203.0.113.82", 4002))
        newest = self.drain_events()
        learned = {event["slot"]: endpoint_text(event["learned"]) for event in newest}
        self.assertEqual(learned[slot], ("203.0.113.82", 4002))
        self.region.submit(call.delete_requests(self.region))

    def move(self, call, source):
        """A packet from elsewhere takes the call over."""
        self.dp.wire("outer").send(call.a.frame(rtp(1), src=source))
        slot = self.region.slot(call.a.local, call.a.port)
        wait_until(
            lambda: self.region.remote(slot) == source, "a learned address", self.dp.check_alive
        )
        self.dp.wire("inner").receive()

    def test_full_reply_ring_loses_no_answer(self):
        n = N["RR_REPLY_RING_SLOTS"] + 100
        first = self.region.counters()["requests"]
        ids = [self.region.next_id() for _ in range(n)]
        for request_id in ids:
            self.region.push(0, op=N["RR_REQUEST_BARRIER"], id=request_id)
        full = N["RR_REPLY_RING_SLOTS"]
        wait_until(
            lambda: self.region.replies[0].used() == full, "a full ring", self.dp.check_alive
        )
        self.relays()
        self.assertEqual(
            self.region.counters()["requests"] - first, full, "none taken without room"
        )
        self.assertEqual([self.region.pop_reply(0)["id"] for _ in ids], ids)

    def test_indexes_of_the_dataplane_are_its_own(self):
        # overwriting them moves nothing: the next message puts them right
        for ring, index in ((self.region.requests[0], "head"), (self.region.replies[0], "tail")):
            good = getattr(ring, index)
            setattr(ring, index, (good + 1000) & 0xFFFFFFFF)
            self.relays()
            setattr(ring, index, good)
            self.region.barrier(0)

    # ---- memory that only the dataplane writes

    def test_header_is_not_read_again(self):
        for name in (
            "n_workers",
            "n_addrs",
            "n_flows",
            "n_media_ports",
            "media_port_min",
            "flows_offset",
            "magic",
        ):
            at, size = field_of("rr_shm_header", name)
            good = bytes(self.region.memory[at : at + size])
            self.region.memory[at : at + size] = b"\xff" * size
            self.relays()
            self.region.barrier(1)
            self.region.memory[at : at + size] = good

    def test_overwritten_flows_lead_nowhere(self):
        call = self.calls.call(
            self.calls.leg(EXT, 4, port=35160), self.calls.leg(CORE, 4, port=35160)
        )
        frame = call.a.frame(rtp(1))
        slot = self.region.slot(call.a.local, 35160)
        _, hot = 0, size_of("rr_flow")
        at = self.region.flows_at + slot * hot
        for offset in range(hot):
            for value in (0xFF, 0x80, 0x01):
                self.calls.install(self.region, [call])
                kept = self.region.memory[at + offset]
                self.region.memory[at + offset] = value
                self.one_more(frame)
                self.region.memory[at + offset] = kept
        # whole, then put back by a request
        whole = bytes(self.region.memory[at : at + hot])
        for value in (0xFF, 0x00, 0x55):
            self.region.memory[at : at + hot] = bytes([value]) * hot
            self.one_more(frame)
        self.region.memory[at : at + hot] = whole
        self.calls.install(self.region, [call])
        self.region.submit(call.delete_requests(self.region))
        self.calls.all.remove(call)

    def one_more(self, frame):
        n = self.region.counters(port=0)["rx_packets"] + 1
        self.dp.wire("outer").send(frame)
        self.dp.wait_received("outer", n)
        self.dp.wire("inner").receive()


class Adoption(unittest.TestCase):
    """What a dataplane finds when it starts."""

    def start(self, dp):
        dp.start()
        self.addCleanup(dp.kill)

    def setUp(self):
        self.dp = Dataplane([WirePort("outer"), WirePort("inner")], realms_conf())
        self.addCleanup(self.dp.remove)
        self.start(self.dp)
        self.calls = Calls()
        self.call = self.calls.call((EXT, 4), (CORE, 4))
        self.calls.install(self.dp.region)
        self.first_id = self.dp.region.header("region_id")
        self.path = os.path.join(self.dp.run_dir, "region")

    def restart(self):
        self.dp.kill()
        self.dp.start()
        return self.dp.region.header("region_id")

    def relays(self):
        self.dp.wire("outer").send(self.call.a.frame(rtp(1)))
        self.dp.wait_received("outer", 1)
        return self.dp.settle()["relayed_packets"]

    def write(self, at, data):
        with open(self.path, "r+b") as f:
            f.seek(at)
            f.write(data)

    def test_a_good_region_is_adopted(self):
        self.assertEqual(self.restart(), self.first_id)
        self.assertEqual(self.relays(), 1)

    def test_requests_for_the_last_dataplane_are_dropped(self):
        """Control asked while it was dying, and gave up since: the call keeps its way."""
        region = self.dp.region
        slot = region.slot(EXT.pool(4), self.call.a.port)
        free = region.slot(EXT.pool(4), 35100)
        self.dp.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.dp.process.pid, os.WUNTRACED)  # until all of its threads stand still
        for fields in (
            region.del_fields(slot, region.flow(slot)["uid"]),
            region.set_fields(free, uid=99, peer=None, remote=V4),
        ):
            region.push(0, id=region.next_id(), **fields)
        self.assertEqual(self.restart(), self.first_id)
        region = self.dp.region
        wait_until(
            lambda: region.counters()["requests_stale"] == 2, "requests", self.dp.check_alive
        )
        self.assertEqual(region.flow(free)["flags"], 0)
        self.assertEqual(region.counters()["requests"], 0)
        self.assertEqual(self.relays(), 1)

    def test_wrong_headers_give_a_new_region(self):
        for name in (
            "magic",
            "version",
            "size",
            "n_workers",
            "n_ports",
            "n_addrs",
            "n_media_ports",
            "n_flows",
        ):
            region_id = self.dp.region.header("region_id")
            at, size = field_of("rr_shm_header", name)
            self.dp.kill()
            self.write(at, b"\xff" * size)
            self.dp.start()
            self.assertNotEqual(self.dp.region.header("region_id"), region_id, name)
        for name in ("addrs_offset", "workers_offset", "flows_offset", "cold_offset"):
            region_id = self.dp.region.header("region_id")
            at, size = field_of("rr_shm_header", name)
            self.dp.kill()
            self.write(at, (1 << 40).to_bytes(size, "little"))
            self.dp.start()
            self.assertNotEqual(self.dp.region.header("region_id"), region_id, name)
        self.calls.install(self.dp.region)
        self.assertEqual(self.relays(), 1)

    def test_files_that_are_no_region(self):
        for content in (b"", b"\0" * 4095, b"\0" * (1 << 20), os.urandom(1 << 20)):
            self.dp.kill()
            with open(self.path, "wb") as f:
                f.write(content)
            self.dp.start()
            self.assertNotEqual(self.dp.region.header("region_id"), self.first_id)

    def test_a_region_cut_short(self):
        self.dp.kill()
        os.truncate(self.path, os.path.getsize(self.path) // 2)
        self.dp.start()
        self.assertNotEqual(self.dp.region.header("region_id"), self.first_id)

    def test_flows_and_rings_of_an_enemy(self):
        rng = random.Random(SEED)
        region = self.dp.region
        tables = [
            (region.flows_at, region.n_flows * size_of("rr_flow")),
            (region.cold_at, region.n_flows * size_of("rr_flow_cold")),
            (region.workers_at, field_of("rr_shm_worker", "counters")[0]),
        ]
        self.dp.kill()
        for at, size in tables:
            self.write(at, rng.randbytes(size))
        self.dp.start()
        self.assertEqual(self.dp.region.header("region_id"), self.first_id)
        broken = self.dp.region.counters()["ring_broken"]
        self.assertGreater(broken, 0)
        # every flow of the pool takes a packet, then control sets its call again
        region = self.dp.region
        ports = range(region.media_port_min, region.media_port_min + region.n_media_ports)
        leg = self.call.a
        frames = []
        for port in ports:
            frame = leg.frame(rtp(1))
            frame["UDP"].dport = port
            frames.append(bytes(frame))
        self.dp.wire("outer").send(*frames)
        self.dp.wait_received("outer", len(frames))
        self.dp.settle()
        for slot in (
            region.slot(x.local, x.port + rtcp)
            for x in (self.call.a, self.call.b)
            for rtcp in (0, 1)
        ):
            region.submit([(0, region.del_fields(slot, region.flow(slot)["uid"]))])
        self.calls.install(region)
        before = region.counters()["relayed_packets"]
        self.dp.wire("outer").send(leg.frame(rtp(2)))
        self.dp.wait_received("outer", len(frames) + 1)
        self.assertEqual(self.dp.settle()["relayed_packets"], before + 1)


if __name__ == "__main__":
    main()
