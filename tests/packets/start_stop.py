# SPDX-License-Identifier: BSD-2-Clause
"""A dataplane that is told to stop while it starts: it ends in order, and the next one starts.

The moment is not timed. The test waits until the program has come to a certain point and sends
SIGTERM there; wherever it gets to meanwhile, the outcome is the same. Not covered: a signal before
main() runs and does not find it blocked, which ends any program.
"""

import os
import shutil
import signal
import tempfile
import unittest

from calls import CORE, EXT, Calls, realms_conf, rtp
from harness import Dataplane, WirePort, die_with_the_test, main
from region import imbalance_of


def stop_at_once():
    """Run in the child before its exec: the program finds the signal pending, and blocked."""
    die_with_the_test()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)


class Moments(unittest.TestCase):
    """One region and one set of sockets, over all starts of a test."""

    def setUp(self):
        # on a tmpfs, where making a region takes time and a signal can break it off
        self.folder = tempfile.mkdtemp(prefix="rtprelay-packets-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.dp = Dataplane(
            [WirePort("outer"), WirePort("inner")],
            realms_conf(),
            media={"port_min": 35000, "port_max": 40999},
            folder=self.folder,
        )
        self.addCleanup(self.dp.remove)
        self.addCleanup(self.dp.kill)

    def stop_at(self, has_come, number=signal.SIGTERM):
        """Start, and stop where has_come() is true first; returns what was logged since."""
        before = os.path.getsize(self.dp.log_path) if os.path.exists(self.dp.log_path) else 0
        self.dp.launch()
        while not has_come(before):
            self.dp.check_alive()
        self.dp.process.send_signal(number)
        self.assertEqual(self.dp.process.wait(timeout=30), 0, self.dp.log_text())
        return self.dp.log_text()[before:]

    def logged(self, text):
        return lambda before: text in self.dp.log_text()[before:]

    def test_before_anything(self):
        self.dp.launch(stop_at_once)
        self.assertEqual(self.dp.process.wait(timeout=30), 0, self.dp.log_text())
        self.assertIn("stopping", self.dp.log_text())
        self.assertNotIn("running pid", self.dp.log_text())

    def test_in_the_eal(self):
        self.stop_at(self.logged("without hugepages"))
        self.dp.start()
        self.dp.stop()

    def test_while_the_region_is_made(self):
        log = self.stop_at(lambda _: os.path.exists(self.dp.region_path() + ".new"))
        self.assertNotIn("cannot", log)
        self.dp.start()
        self.dp.stop()

    def test_interrupt_is_a_stop_too(self):
        self.stop_at(self.logged("outer: ready"), signal.SIGINT)

    def test_calls_are_kept(self):
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        self.dp.start()
        calls.install(self.dp.region)
        self.dp.stop()
        for _ in range(3):
            self.stop_at(self.logged("outer: ready"))
        self.dp.start()
        self.dp.wire("outer").send(call.a.frame(rtp(1)))
        self.dp.wait_received("outer", 1)
        counters = self.dp.settle()
        self.assertEqual(counters["relayed_packets"], 1)
        self.assertEqual(imbalance_of(counters), 0)
        self.dp.stop()


if __name__ == "__main__":
    main()
