# SPDX-License-Identifier: BSD-2-Clause
"""The base of tests that talk with a running dataplane: both ports are the test's own wires.

A class starts one dataplane; each test sends a frame, looks at what came of it, and goes on.
"""

import unittest

from calls import PORTS, Calls, destination, difference, realms_conf
from harness import Dataplane, WirePort
from region import imbalance_of, wait_until


class Talk(unittest.TestCase):
    """One dataplane for all tests of a class; calls of different tests share no port."""

    media = {}

    @classmethod
    def setUpClass(cls):
        cls.dp = Dataplane([WirePort(name) for name in PORTS], realms_conf(), media=cls.media)
        cls.dp.__enter__()
        cls.addClassCleanup(cls.dp.__exit__, None, None, None)
        cls.region = cls.dp.region
        cls.calls = Calls()
        cls.came = {name: [] for name in PORTS}

    def tearDown(self):
        self.assertEqual(imbalance_of(self.dp.settle()), 0)

    def install(self, call, **more):
        for reply in self.region.submit(call.requests(self.region, **more)):
            self.assertEqual(reply["status"], 0, reply)

    def counter(self, name):
        return self.region.counters()[name]

    def send(self, port, *frames):
        """Send frames and wait until the dataplane is done with them; what left is in self.came."""
        n = self.region.counters(port=self.dp.index(port))["rx_packets"]
        self.dp.wire(port).send(*frames)
        self.dp.wait_received(port, n + len(frames))
        self.dp.settle()
        self.look()

    def look(self):
        for name in PORTS:
            self.came[name] += self.dp.wire(name).receive()

    def take(self, port, wanted):
        """Frames that left by a port and that `wanted` is true of; each is taken once."""
        self.look()
        got = [frame for frame in self.came[port] if wanted(frame)]
        self.came[port] = [frame for frame in self.came[port] if not wanted(frame)]
        return got

    def wait_for(self, port, wanted, what):
        return wait_until(lambda: self.take(port, wanted), what, self.dp.check_alive)

    def same(self, got, want):
        """One frame came, and it is this one."""
        self.assertEqual(len(got), 1)
        self.assertIsNone(difference(got[0], want))

    # ---- media

    def arrive(self, leg, payload, **options):
        self.send(leg.realm.port, leg.frame(payload, **options))

    def got(self, leg, payload, remote=None, **options):
        """The party of a leg, or `remote`, got the payload in a correct frame, and nothing else."""
        to = remote or leg.remote
        rtcp = options.get("rtcp", False)
        at = (to[0], to[1] + rtcp)
        frames = self.take(leg.realm.port, lambda frame: destination(frame) == tuple(at))
        self.same(frames, leg.expected(payload, remote=to, **options))

    def got_nothing(self):
        """No media left since the last look."""
        for name in PORTS:
            self.assertEqual(self.take(name, destination), [])

    def slot(self, leg, rtcp=False):
        return self.region.slot(leg.local, leg.port + rtcp)
