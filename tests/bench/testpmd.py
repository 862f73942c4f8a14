# SPDX-License-Identifier: BSD-2-Clause
"""testpmd, the reference: what DPDK's own example does with the same packets."""

import re
import signal
import subprocess

from process import Failed, cpu_ns, end, spawn, tail, wait_for, worker_threads
from scratch import EAL_PREFIX

HEAD_OF_STATS = "NIC statistics for port"
END_OF_STATS = "####"


class Testpmd:
    """Use as a context manager. Commands go in as on its prompt; it forwards after start().

    devices: EAL arguments, as "--vdev=net_pcap0,...". Its main thread has the main core, and with
    n_cores of more than one each forwards for one queue.
    """

    def __init__(self, bench, devices, n_buffers, netns=None, n_cores=1):
        self.log = bench.scratch.path("testpmd.log")
        memory = ["--in-memory"] if bench.scratch.huge else [
            "--no-huge", "--no-shconf", "-m", str(128 + n_buffers * 3 // 1024)
        ]
        # lcores by number, since on a small machine two of them may share a core
        cores = (bench.main_core(), *bench.worker_cores(n_cores))
        lcores = ",".join(f"{i}@{core}" for i, core in enumerate(cores))
        self.args = [
            *(["ip", "netns", "exec", netns] if netns else []),
            "stdbuf", "-oL", "dpdk-testpmd", f"--lcores={lcores}", "--main-lcore=0",
            "--no-pci", "--no-telemetry", f"--file-prefix={EAL_PREFIX}", *memory, *devices,
            "--", "-i", f"--nb-cores={n_cores}", f"--rxq={n_cores}", f"--txq={n_cores}",
            f"--total-num-mbufs={n_buffers}",
        ]  # yapf: disable
        self.process = None

    def __enter__(self):
        self.process = spawn(self.args, self.log, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, bufsize=1)
        try:
            self.stats()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
        end(self.process)
        self.process.stdout.close()

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def stats(self, port=0):
        """Dict of a port's counters."""
        self.say(f"show port stats {port}")
        found = None  # what comes before the head is the talk of other commands
        for line in self.process.stdout:
            if HEAD_OF_STATS in line:
                found = {}
            elif found is not None:
                values = re.findall(r"([RT]X-\w+): +(\d+)", line)
                found.update({name: int(n) for name, n in values})
                if line.lstrip().startswith(END_OF_STATS):
                    return found
        raise Failed(f"testpmd ended with {self.process.wait()}\n{tail(self.log)}")

    def forward(self, mode):
        """Forward in this mode from now on."""
        self.say("stop")
        self.say(f"set fwd {mode}")
        self.say("start")

    def start(self, mode):
        """The same, and wait for the first packet."""
        self.forward(mode)
        before = self.stats()["RX-packets"]
        wait_for(lambda: self.stats()["RX-packets"] > before, f"testpmd {mode}", self.process,
                 self.log)

    def stop(self):
        self.say("stop")
        self.stats()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def worker_ns(self):
        return sum(cpu_ns(thread) for thread in worker_threads(self.process.pid))
