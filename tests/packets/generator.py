# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks' generator counts right: a wire that loses, doubles and swaps what it was sent.

    bench-generator -> net_memif -> the test -> net_memif -> bench-generator

The test takes what was sent, does to it what it likes, and compares the report with that. How fast
anything was is nobody's business here.
"""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from harness import BUILD, Thread, die_with_the_test, main, write_pcap
from memif import N_SLOTS, Wire
from waiting import wait_until

N_EACH = 20  # packets of each stream
COUNTS = ("sent", "refused", "received", "lost", "reordered", "duplicated", "stale", "foreign")


def rtp_frame(ip, port):
    rtp = bytes.fromhex("8000fffa00000000") + port.to_bytes(4, "big") + b"\xff" * 160
    head = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")
    return head / ip / UDP(sport=port, dport=35000) / rtp


STREAMS = [
    rtp_frame(IP(src="192.0.2.1", dst="198.18.0.1"), 4000),
    rtp_frame(IPv6(src="2001:db8::1", dst="2001:db8::2"), 4002),
    rtp_frame(Dot1Q(vlan=5) / IP(src="192.0.2.2", dst="198.18.0.1"), 4004),
]


class Generator:
    """The program with this test at the other end of its ports. Use as a context manager."""

    def __init__(self, *captures, options=()):
        self.folder = tempfile.TemporaryDirectory(prefix="rtprelay-generator-")
        self.sockets = [self._path(f"{i}.sock") for i in range(len(captures))]
        self.args = [os.path.abspath(os.path.join(BUILD, "bench-generator")), "-l", "0",
                     "--no-huge", "--no-shconf", "-m", "128", "--no-pci", "--no-telemetry",
                     "--file-prefix=rr_generator"]
        for i, path in enumerate(self.sockets):
            device = f"net_memif{i},role=server,socket={path},socket-abstract=no"
            self.args.append(f"--vdev={device}")
        self.args += ["--", *options]
        for i, frames in enumerate(captures):
            write_pcap(self._path(f"{i}.pcap"), frames)
            self.args += ["--capture", self._path(f"{i}.pcap")]
        self.log = None
        self.process = None
        self.wires = []

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def __enter__(self):
        self.log = open(self._path("log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stderr=self.log,
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_the_test)
        try:
            wait_until(self._waits, "a generator that waits for links", self.check)
            # A link is up a moment before its wire has slots, in which all would be refused.
            with Thread(self):
                self.wires = [Wire(path, 1, self.check) for path in self.sockets]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for wire in self.wires:
            wire.close()
        self.log.close()
        self.folder.cleanup()

    def _waits(self):
        with open(self._path("log"), encoding="utf-8") as log:
            return "waits for links" in log.read()

    def check(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"exit status {self.process.returncode}: {self.log.read()}")

    def take(self, n, wire=0):
        """The n frames that it sends."""
        frames = []

        def has_all():
            frames.extend(self.wires[wire].receive())
            return len(frames) >= n

        wait_until(has_all, f"{n} frames", self.check)
        return frames

    def stop(self):
        """Once it has fetched all that was put on the wire."""
        for wire in self.wires:
            wait_until(wire.taken, "an empty wire", self.check)
        self.process.send_signal(signal.SIGTERM)

    def report(self):
        """The only trial of the report, and no fault."""
        text = self.process.stdout.read()
        if self.process.wait() != 0:
            self.check()
        (trial,) = json.loads(text)["trials"]
        return trial


# Every packet takes longer than a microsecond, and hardly one is not timed.
LATE = ("--late-us", "1", "--stall-us", "1000000")


def options(n_packets):
    return ("--rate", "50000", "--seconds", "600", "--packets", str(n_packets), "--warm-up", "0",
            "--drain-ms", "600000")


def counts(trial):
    return {name: trial[name] for name in COUNTS if trial[name] != 0}


class Story(unittest.TestCase):

    def test_everything_comes_back(self):
        n = len(STREAMS) * N_EACH
        with Generator(STREAMS, options=(*options(n), *LATE)) as generator:
            frames = generator.take(n)
            generator.wires[0].send(*frames)
            trial = generator.report()
        self.assertEqual(counts(trial), {"sent": n, "received": n})
        self.assertEqual(trial["late"] + trial["untimed"], n)
        self.check_frames(frames)

    def check_frames(self, frames):
        """In the capture's order, with numbers that advance and the checksums scapy computes."""
        for i, frame in enumerate(frames):
            lap, stream = divmod(i, len(STREAMS))
            packet = Ether(frame)
            payload = bytes(packet[UDP].payload)
            self.assertEqual(packet[UDP].sport, 4000 + 2 * stream)
            self.assertEqual(int.from_bytes(payload[2:4], "big"), (0xFFFA + lap) % 65536)
            self.assertEqual(int.from_bytes(payload[4:8], "big"), 160 * lap)
            self.assertEqual(payload[36:], b"\xff" * 136)
            del packet[UDP].chksum
            self.assertEqual(bytes(packet), bytes(frame))

    def test_what_a_wire_does_is_counted(self):
        n = len(STREAMS) * N_EACH
        with Generator(STREAMS, options=options(n)) as generator:
            frames = generator.take(n)
            stray = bytes(STREAMS[0])
            # 5 and 6 are lost, 10 comes twice, 13 of the second stream behind 16 of the same
            back = frames[:5] + frames[7:11] + [frames[10], frames[11], frames[12], stray]
            back += frames[14:17] + [frames[13]] + frames[17:]
            generator.wires[0].send(*back)
            generator.stop()
            trial = generator.report()
        self.assertEqual(
            counts(trial), {
                "sent": n,
                "received": n - 2,
                "lost": 2,
                "duplicated": 1,
                "reordered": 1,
                "foreign": 1
            })

    def test_nothing_comes_back(self):
        with Generator(STREAMS, options=options(4)) as generator:
            generator.take(4)
            generator.stop()
            trial = generator.report()
        self.assertEqual(counts(trial), {"sent": 4, "lost": 4})
        self.assertEqual(set(trial["latency_ns"].values()), {None})

    def test_two_ports(self):
        with Generator(STREAMS[:2], STREAMS[2:], options=options(30)) as generator:
            outer, inner = generator.take(20), generator.take(10, wire=1)
            generator.wires[0].send(*inner)
            generator.wires[1].send(*outer)
            trial = generator.report()
        self.assertEqual(counts(trial), {"sent": 30, "received": 30})
        self.assertEqual([Ether(f)[UDP].sport for f in outer], [4000, 4002] * 10)
        self.assertEqual([Ether(f)[UDP].sport for f in inner], [4004] * 10)

    def test_a_device_without_room(self):
        """One of two wires hands no slot back: what finds it full is refused, and lost."""
        n = N_SLOTS + 100
        with Generator(STREAMS[:1], STREAMS[1:2], options=options(2 * n)) as generator:
            generator.wires[1].send(*generator.take(n, wire=1))
            generator.stop()
            trial = generator.report()
        self.assertEqual(
            counts(trial), {
                "sent": 2 * n,
                "refused": 100,
                "received": n,
                "lost": n
            })

    def test_misuse(self):
        for wrong in (["--rate", "100"], ["--rate", "fast", "--capture", "x"], ["--quick"]):
            command = [os.path.join(BUILD, "bench-generator"), "--no-huge", "--no-shconf", "-m",
                       "16", "--no-pci", "--no-telemetry", "-l", "0", "--", *wrong]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("see -- --help", done.stderr)


if __name__ == "__main__":
    main()
