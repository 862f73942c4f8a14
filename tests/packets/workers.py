# SPDX-License-Identifier: BSD-2-Clause
"""Several workers: counters are exact and a flow keeps its order, whichever worker receives it.

    outer.rx0 -> worker 0 \\            / worker 0 -> inner.tx0
    outer.rx1 -> worker 1 -  handoff  -  worker 1 -> inner.tx1
    outer.rx2 -> worker 2 /            \\ worker 2 -> inner.tx2

Each receive queue is a capture of its own, so a test decides which worker gets a packet, on purpose
the wrong one: no virtual device here steers.
"""

import itertools
import random
import struct
import unittest

from calls import CORE, EXT, INT, Calls, Sent, difference, echo_of, echo_request, realms_conf, rtp
from harness import Dataplane, Port, main
from region import imbalance_of

SEED = 7
# Of each flow. Four flows fit into a handoff ring of 1024, so that a worker that gets no time from
# the machine for a while costs no packet.
N_PACKETS = 200
PACKETS = [rtp(i) for i in range(N_PACKETS)]


def sequence_of(frame):
    """RTP sequence number of a relayed frame whose payload has 160 bytes."""
    return struct.unpack("!H", frame[-170:-168])[0]


def interleave(streams):
    """First packets of all streams, then their second ones, and so on."""
    return [frame for row in itertools.zip_longest(*streams) for frame in row if frame]


class Base:
    """Stories of any number of workers."""

    n_workers = 2

    def run_queues(self, calls, queues, checks, back=None):
        """Relay what the queues hold; checks(dp, counters) looks at the result."""
        queues = [interleave(queue) for queue in queues]
        back = [interleave(queue) for queue in back or [[]] * self.n_workers]
        ports = [Port(name, q, checksum="full") for name, q in (("outer", queues), ("inner", back))]
        options = {"mbufs": 16384, "memory_mb": 96}
        with Dataplane(ports, realms_conf(), n_workers=self.n_workers, dataplane=options) as dp:
            self.sent_by_port = {}
            calls.install(dp.region)
            counters = dp.run("outer", "inner")
            checks(dp, counters)
            self.assertEqual(imbalance_of(dp.settle()), 0)

    def owner(self, call):
        """Worker whose bucket the call's first leg is in."""
        return (call.a.port >> 1) % 64 % self.n_workers

    def sent(self, dp, leg):
        """Frames that left towards the leg's party."""
        port = leg.realm.port
        if port not in self.sent_by_port:
            self.sent_by_port[port] = Sent(dp.sent(port))
        return self.sent_by_port[port].to(leg.remote)

    def check_flow(self, dp, leg, n):
        """The flow saw n packets, each once and in order."""
        flow = dp.region.flow(dp.region.slot(leg.local, leg.port))
        self.assertEqual(
            {
                name: flow[name]
                for name in ("n_packets", "n_bytes", "n_duplicates", "n_reordered", "n_rejected")
            },
            {
                "n_packets": n,
                "n_bytes": n * 172,
                "n_duplicates": 0,
                "n_reordered": 0,
                "n_rejected": 0,
            },
        )

    def calls_in_all_buckets(self, n):
        calls = Calls()
        families = [
            ((EXT, 4), (CORE, 4)), ((EXT, 4), (INT, 6)), ((EXT, 6), (CORE, 4)), ((EXT, 6), (INT, 6))
        ]
        for i in range(n):
            sides = families[i // self.n_workers % 4]
            calls.call(*[calls.leg(*side, port=35000 + 2 * i) for side in sides])
        return calls

    def test_every_packet_on_a_wrong_worker(self):
        n_calls = 4 * self.n_workers
        calls = self.calls_in_all_buckets(n_calls)
        queues = [[] for _ in range(self.n_workers)]
        for call in calls.all:
            queues[(self.owner(call) + 1) % self.n_workers].append(call.a.stream(PACKETS))

        def checks(dp, counters):
            n = n_calls * N_PACKETS
            self.assertEqual(counters["rx_packets"], n)
            self.assertEqual((counters["handoff_out"], counters["handoff_in"]), (n, n))
            self.assertEqual(counters["relayed_packets"], n)
            for call in calls.all:
                self.check_flow(dp, call.a, N_PACKETS)
                self.check_order(dp, call.b, N_PACKETS)
            for w in range(self.n_workers):
                mine = dp.region.counters(worker=w)
                self.assertEqual(mine["relayed_packets"], n // self.n_workers)
                self.assertGreater(mine["busy_ns"], 0)

        self.run_queues(calls, queues, checks)

    def check_order(self, dp, leg, n):
        """All packets of a flow left by its owner's queue, in the order of their arrival."""
        sent = self.sent(dp, leg)
        self.assertEqual([sequence_of(frame) for frame in sent], list(range(n)))
        self.assertIsNone(difference(sent[0], leg.expected(rtp(0))))
        self.assertIsNone(difference(sent[-1], leg.expected(rtp(n - 1))))

    def test_every_packet_on_its_own_worker(self):
        n_calls = 4 * self.n_workers
        calls = self.calls_in_all_buckets(n_calls)
        queues = [[] for _ in range(self.n_workers)]
        for call in calls.all:
            queues[self.owner(call)].append(call.a.stream(PACKETS))

        def checks(dp, counters):
            self.assertEqual((counters["handoff_out"], counters["handoff_in"]), (0, 0))
            self.assertEqual(counters["relayed_packets"], n_calls * N_PACKETS)
            for call in calls.all:
                self.check_flow(dp, call.a, N_PACKETS)
                self.check_order(dp, call.b, N_PACKETS)

        self.run_queues(calls, queues, checks)

    def test_packets_strewn_over_the_workers(self):
        # one flow on several workers at once may change its order; nothing may get lost or doubled
        rng = random.Random(SEED)
        n_calls = 4 * self.n_workers
        calls = self.calls_in_all_buckets(n_calls)
        queues = [[] for _ in range(self.n_workers)]
        wrong = 0
        for call in calls.all:
            parts = [[] for _ in queues]
            for frame in call.a.stream(PACKETS):
                queue = rng.randrange(self.n_workers)
                wrong += queue != self.owner(call)
                parts[queue].append(frame)
            for queue, part in zip(queues, parts):
                queue.append(part)

        def checks(dp, counters):
            self.assertEqual((counters["handoff_out"], counters["handoff_in"]), (wrong, wrong))
            self.assertEqual(counters["relayed_packets"], n_calls * N_PACKETS)
            self.assertEqual(counters["tx_packets"] - counters["generated"], n_calls * N_PACKETS)
            for call in calls.all:
                sent = self.sent(dp, call.b)
                self.assertEqual(sorted(map(sequence_of, sent)), list(range(N_PACKETS)))
                flow = dp.region.flow(dp.region.slot(call.a.local, call.a.port))
                self.assertEqual((flow["n_packets"], flow["n_duplicates"]), (N_PACKETS, 0))

        self.run_queues(calls, queues, checks)

    def test_legs_in_buckets_of_different_workers(self):
        # leg 1 belongs to leg 0's worker although its port says otherwise
        calls = Calls()
        for i in range(2 * self.n_workers):
            a = calls.leg(EXT, 4, port=35200 + 2 * i)
            b = calls.leg(CORE, 4 if i % 2 else 6, port=35300 + 2 * (i + 1))
            calls.call(a, b)
        out = [[] for _ in range(self.n_workers)]
        back = [[] for _ in range(self.n_workers)]
        for call in calls.all:
            out[self.owner(call)].append(call.a.stream(PACKETS))
            back[(call.b.port >> 1) % 64 % self.n_workers].append(call.b.stream(PACKETS))

        def checks(dp, counters):
            n = len(calls.all) * N_PACKETS
            self.assertEqual(counters["relayed_packets"], 2 * n)
            # each queue follows the port, so that only packets of leg 1 are on the wrong worker
            self.assertEqual((counters["handoff_out"], counters["handoff_in"]), (n, n))
            for call in calls.all:
                self.assertEqual(dp.region.owner_of_port(call.a.port), self.owner(call))
                self.assertNotEqual(dp.region.owner_of_port(call.b.port), self.owner(call))
                for leg, other in ((call.a, call.b), (call.b, call.a)):
                    flow = dp.region.flow(dp.region.slot(leg.local, leg.port))
                    self.assertEqual(flow["owner"], self.owner(call))
                    self.check_flow(dp, leg, N_PACKETS)
                    self.check_order(dp, other, N_PACKETS)

        self.run_queues(calls, out, checks, back)

    def test_drops_of_handed_over_packets_are_counted_once(self):
        calls = Calls()
        ports = range(35000, 35000 + 2 * self.n_workers, 2)
        refused = [calls.call(calls.leg(EXT, 4, port=p), calls.leg(CORE, 4, port=p)) for p in ports]
        silent = {port: calls.leg(INT, 4, port=port, remote=None) for port in ports}
        deaf = [calls.call(calls.leg(EXT, 4, port=p, pool=1), leg) for p, leg in silent.items()]
        stranger = ("203.0.113.250", 9)
        frames = []
        for call in refused:
            frames.append(call.a.frame(rtp(0)))
            frames += [call.a.frame(rtp(i, ssrc=9), src=stranger) for i in range(10)]
        for call in deaf:
            frames += [call.a.frame(rtp(i)) for i in range(10)]
        # everything on worker 0
        queues = [[frames]] + [[] for _ in range(self.n_workers - 1)]

        def checks(_, counters):
            self.assertEqual(counters["drop_source_rejected"], 10 * self.n_workers)
            self.assertEqual(counters["drop_flow_no_remote"], 10 * self.n_workers)
            self.assertEqual(counters["relayed_packets"], self.n_workers)

        self.run_queues(calls, queues, checks)

    def test_slow_path_of_every_worker(self):
        versions = (4, 6)
        queues = [
            [[echo_request(EXT, versions[i % 2], w, i) for i in range(20)]]
            for w in range(self.n_workers)
        ]

        def checks(dp, counters):
            self.assertEqual(
                (counters["punted"], counters["delivered"]), (20 * self.n_workers,) * 2
            )
            answered = sorted(filter(None, map(echo_of, dp.sent("outer"))))
            self.assertEqual(answered, [(w, i) for w in range(self.n_workers) for i in range(20)])

        self.run_queues(Calls(), queues, checks)


class Queues(unittest.TestCase):
    """A device that spreads over all of its queues, and a configuration that polls fewer."""

    def test_queues_that_nobody_polls_are_refused(self):
        port = Port("outer", [[], []], rx_queues=1)
        said = "outer: rx_queues = 1, but net_pcap spreads packets over all of its 2 queues"
        with self.assertRaisesRegex(RuntimeError, said):
            with Dataplane([port, Port("inner")], realms_conf()):
                pass


class TwoWorkers(Base, unittest.TestCase):
    n_workers = 2


class FourWorkers(Base, unittest.TestCase):
    n_workers = 4


if __name__ == "__main__":
    main()
