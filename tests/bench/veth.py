# SPDX-License-Identifier: BSD-2-Clause
"""Pairs of kernel interfaces between a generator and a program that forwards.

    namespace rrb-gen: gen0  ------ fwd0 :namespace rrb-fwd
                       gen1  ------ fwd1

The MAC addresses of all pairs are alike, so that the same frames go through each of them.
"""

import json
import subprocess

from process import Failed, spawn
from relay import GATEWAY_MAC
from scratch import NAMESPACES, remove_namespaces

GEN, FWD = NAMESPACES
FWD_MAC = "02:00:00:00:00:02"
SYSCTL = ("net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Veths:
    """Use as a context manager. Pair i is gen<i> in GEN and fwd<i> in FWD."""

    def __init__(self, bench, n_pairs):
        self.bench = bench
        self.n_pairs = n_pairs
        self.log = bench.scratch.path("trafgen.log")

    def __enter__(self):
        remove_namespaces()
        try:
            for name in (GEN, FWD):
                ip("netns", "add", name)
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-q", "-w", *SYSCTL],
                               check=True)
            for i in range(self.n_pairs):
                ip("link", "add", f"gen{i}", "netns", GEN, "address", GATEWAY_MAC, "type", "veth",
                   "peer", "name", f"fwd{i}", "netns", FWD, "address", FWD_MAC)
                ip("-n", GEN, "link", "set", f"gen{i}", "up")
                ip("-n", FWD, "link", "set", f"fwd{i}", "up")
        except BaseException:
            remove_namespaces()
            raise
        return self

    def __exit__(self, *_):
        remove_namespaces()

    def counts(self, pair):
        """How many packets the generator has sent, and how many came back to it."""
        link = json.loads(ip("-n", GEN, "-j", "-s", "link", "show", "dev", f"gen{pair}"))[0]
        return link["stats64"]["tx"]["packets"], link["stats64"]["rx"]["packets"]

    def blast(self, pair, frames):
        """trafgen with the frames of a file, as fast as one core sends. Use as a context."""
        return Blast(self, pair, frames)


class Blast:
    """One trafgen. It has processes of its own, which go with their namespace."""

    def __init__(self, veths, pair, frames):
        core = str(veths.bench.main_core())
        self.args = [
            "ip", "netns", "exec", GEN, "unshare", "--pid", "--fork", "--kill-child", "taskset",
            "-c", core, "trafgen", "--cpus", "1", "--notouch-irq", "--no-cpu-stats", "--conf",
            frames, "--dev", f"gen{pair}",
        ]  # yapf: disable
        self.log = veths.log
        self.process = None

    def __enter__(self):
        self.process = spawn(self.args, self.log, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
