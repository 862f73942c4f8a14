# SPDX-License-Identifier: BSD-2-Clause
"""Starts that end early: refused, with a line that says why, or told to stop on the way up.

The moment of a stop is not timed. The test waits until the program has come to a certain point and
sends SIGTERM there; wherever it gets to meanwhile, the outcome is the same. Not covered: a signal
before main() runs and does not find it blocked, which ends any program.
"""

import os
import shutil
import signal
import tempfile
import unittest

from calls import CORE, EXT, Calls, realms_conf, rtp
from harness import Dataplane, Port, WirePort, die_with_the_test, main
from region import imbalance_of, wait_until


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

    def start(self):
        """Until the wires are joined: net_memif does not bear to be closed while they join."""
        before = self.logged_so_far()
        self.dp.start()
        for port in self.dp.ports:
            joined = self.logged(f"{port.name}: link is up")
            wait_until(lambda joined=joined: joined(before), "a link", self.dp.check_alive)

    def logged_so_far(self):
        return os.path.getsize(self.dp.log_path) if os.path.exists(self.dp.log_path) else 0

    def stop_at(self, has_come, number=signal.SIGTERM):
        """Start, and stop where has_come() is true first; returns what was logged since."""
        before = self.logged_so_far()
        self.dp.launch()
        while not has_come(before):
            self.dp.check_alive()
            if "running pid" in self.dp.log_text()[before:]:
                break  # past it: looked away at that moment
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
        self.start()
        self.dp.stop()

    def test_while_the_region_is_made(self):
        log = self.stop_at(lambda _: os.path.exists(self.dp.region_path() + ".new"))
        self.assertNotIn("cannot", log)
        self.start()
        self.dp.stop()

    def test_interrupt_is_a_stop_too(self):
        self.stop_at(self.logged("outer: ready"), signal.SIGINT)

    def test_calls_are_kept(self):
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        self.start()
        calls.install(self.dp.region)
        self.dp.stop()
        for _ in range(3):
            self.stop_at(self.logged("outer: ready"))
        self.start()
        self.dp.wire("outer").send(call.a.frame(rtp(1)))
        self.dp.wait_received("outer", 1)
        counters = self.dp.settle()
        self.assertEqual(counters["relayed_packets"], 1)
        self.assertEqual(imbalance_of(counters), 0)
        self.dp.stop()


class Refusals(unittest.TestCase):
    """What a start needs and does not find; each ends with status 1 and leaves no region."""

    def refused(self, said, ports=None, n_workers=1, **dataplane):
        ports = ports or [Port("outer"), Port("inner")]
        dp = Dataplane(ports, realms_conf(), n_workers=n_workers, dataplane=dataplane)
        self.addCleanup(dp.remove)
        self.addCleanup(dp.kill)
        for port in dp.conf["ports"]:
            port.update(self.changes.get(port["name"], {}))
        dp.conf["instance"].update(self.instance)
        dp.launch()
        self.assertEqual(dp.process.wait(timeout=30), 1)
        self.assertRegex(dp.log_text(), said)
        self.assertFalse(os.path.exists(dp.region_path()))

    changes = {}
    instance = {}

    def test_device_that_is_not_there(self):
        self.changes = {"inner": {"device": "0000:ff:1f.7"}}
        self.refused("inner: device 0000:ff:1f.7 was not found")

    def test_offload_that_the_device_does_not_have(self):
        self.changes = {"inner": {"checksum": "offload"}}
        self.refused("inner: net_pcap computes no IPv4 and UDP checksums")

    def test_mtu_that_the_device_does_not_take(self):
        self.changes = {"outer": {"device": "net_memif0,role=server", "mtu": 9000}}
        self.refused(r"outer: mtu = 9000, the device takes \d+ to \d+", mbufs=1024)

    def test_too_few_transmit_queues(self):
        self.changes = {"inner": {"device": "net_pcap1,rx_pcap=inner.rx0,tx_pcap=inner.tx0"}}
        self.refused(
            "inner: every worker needs a transmit queue, the device has 1 for 2 workers: give "
            "tx_pcap", n_workers=2
        )

    def test_core_that_is_not_there(self):
        self.refused("cores: core 1000 does not exist", cores=[1000])

    def test_buffers_that_do_not_fit(self):
        self.refused("no memory for 1000000 buffers .* about 2[0-9]{3} MB", mbufs=1000000)

    def test_hugepages_where_there_are_none(self):
        self.instance = {"hugepage_dir": "/dev/shm"}
        self.refused("hugepage_dir /dev/shm is no hugetlbfs mount")

    def test_second_dataplane(self):
        with Dataplane([Port("outer")], realms_conf()[:1]) as first:
            second = Dataplane([Port("outer")], realms_conf()[:1], folder=first.folder)
            second.log_path += ".second"
            self.addCleanup(second.remove)
            self.addCleanup(second.kill)
            second.launch()
            self.assertEqual(second.process.wait(timeout=30), 1)
            self.assertIn(f"pid={first.process.pid}", second.log_text())


class Polling(unittest.TestCase):
    """The packet tests poll adaptively; the other way is the default of the configuration."""

    def test_busy(self):
        calls = Calls()
        call = calls.call((EXT, 4), (CORE, 4))
        frames = [call.a.frame(rtp(i)) for i in range(100)]
        with Dataplane(
            [Port("outer", [frames]), Port("inner")], realms_conf(), dataplane={"poll": "busy"}
        ) as dp:
            calls.install(dp.region)
            counters = dp.run("outer", "inner")
            self.assertEqual(counters["relayed_packets"], 100)
            self.assertEqual(imbalance_of(counters), 0)


if __name__ == "__main__":
    main()
