# SPDX-License-Identifier: BSD-2-Clause
"""bench-generator on the other end of a program's net_memif device."""

import json
import os
import subprocess

from process import Failed, die_with_the_bench
from scratch import EAL_PREFIX

RING_BITS = 12  # of the memory between the two: 4,096 packets each way
PATIENCE_S = 300
N_SEARCHES = 3  # of which one must find a rate, on a machine that others disturb


def server(path):
    """EAL device of a program that a sender is to connect to."""
    return f"net_memif0,role=server,socket={path},socket-abstract=no"


class Sender:
    """Runs the generator on the main core, against one device at a time."""

    def __init__(self, bench, capture, options=()):
        self.log = bench.scratch.path("generator.log")
        memory = ["--in-memory"]
        if not bench.scratch.huge:
            memory = ["--no-huge", "--no-shconf", "-m", "128"]
        self.eal = [
            os.path.join(bench.build, "bench-generator"), "-l", str(bench.main_core()), "--no-pci",
            "--no-telemetry", f"--file-prefix={EAL_PREFIX}_generator", *memory
        ]
        self.options = ["--capture", capture, *options]

    def _measure(self, path, *options):
        device = f"net_memif0,role=client,socket={path},socket-abstract=no,rsize={RING_BITS}"
        command = [*self.eal, f"--vdev={device}", "--", *self.options, *options]
        with open(self.log, "ab") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=log, text=True, check=False, timeout=PATIENCE_S,
                                  preexec_fn=die_with_the_bench)
        if done.returncode != 0:
            raise Failed(f"bench-generator: exit status {done.returncode}, see {self.log}")
        return json.loads(done.stdout)

    def search(self, path, *options):
        """The report with the highest rate, in packets a second, at which nothing is lost."""
        for _ in range(N_SEARCHES):
            report = self._measure(path, *options)
            if report["loss_free_pps"] > 0:
                return report
        raise Failed(f"packets are lost at any rate: {report['trials'][-1]}")

    def at_rate(self, path, per_second, seconds, *options):
        """What came back at this rate."""
        report = self._measure(path, "--rate", str(per_second), "--seconds", str(seconds), *options)
        (trial,) = report["trials"]
        if trial["latency_ns"]["p50"] is None:
            raise Failed(f"no packet could be timed: {trial}")
        return trial
