# SPDX-License-Identifier: BSD-2-Clause
"""Starts the real rtprelay-dp on capture files and gives access to it.

    rx_pcap per queue -> net_pcap -> workers -> net_pcap -> tx_pcap per worker

Ports start held: a test installs its flows through the region, then releases a port, and the
dataplane reads that port's capture. Waiting is for counters, never for time. No root, no hugepages.
"""

import ctypes
import fcntl
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from scapy.utils import RawPcapReader, RawPcapWriter

from memif import Wire
from region import KIND, N, Region, imbalance_of, size_of, unpack, wait_until

BUILD = os.environ.get("BUILD", "build")
MAIN_CORE = 0
N_CORES = len(os.sched_getaffinity(0))


def port_mac(index):
    """MAC address that net_pcap gives to its index-th device."""
    return f"02:70:63:61:70:{index:02x}"


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_the_test():
    """A test that is killed leaves no dataplane behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def write_pcap(path, frames):
    with RawPcapWriter(path, linktype=1) as out:
        out.write_header(b"")
        for i, frame in enumerate(frames):
            out.write_packet(bytes(frame), sec=1, usec=i)


def read_pcap(path):
    if os.path.getsize(path) == 0:  # nothing was sent, so that its header was not flushed
        return []
    packets = RawPcapReader(path)
    try:
        return [frame for frame, _ in packets]
    finally:
        packets.close()


def to_conf(value, depth=0):
    """libconfig text of Python values: dict is a group, tuple a list, list an array."""
    pad = "\t" * depth
    if isinstance(value, dict):
        rows = [f"{pad}\t{key} = {to_conf(item, depth + 1)};\n" for key, item in value.items()]
        return "{\n" + "".join(rows) + pad + "}"
    if isinstance(value, tuple):
        return "( " + ", ".join(to_conf(item, depth + 1) for item in value) + " )"
    if isinstance(value, list):
        return "[ " + ", ".join(to_conf(item, depth) for item in value) + " ]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value)


def n_addresses(realms):
    """How many addresses the pools of these realms name."""
    n = 0
    for realm in realms:
        for pool in (realm[net]["pool"] for net in ("ipv4", "ipv6") if net in realm):
            for addrs in pool:
                ends = [int(ipaddress.ip_address(addr)) for addr in addrs.split("-")]
                n += ends[-1] - ends[0] + 1
    return n


class Port:
    """An Ethernet port on capture files: one list of frames per receive queue."""

    def __init__(self, name, queues=((),), **options):
        self.name = name
        self.queues = [list(frames) for frames in queues]
        self.options = options
        self.tx_files = []

    def prepare(self, folder, index, n_workers):
        """Write the captures and return the port's configuration."""
        args = [f"net_pcap{index}"]
        for q, frames in enumerate(self.queues):
            name = f"{self.name}.rx{q}"
            write_pcap(os.path.join(folder, name), frames)
            args.append(f"rx_pcap={name}")
        for w in range(n_workers):
            name = f"{self.name}.tx{w}"
            self.tx_files.append(os.path.join(folder, name))
            args.append(f"tx_pcap={name}")
        return {"name": self.name, "device": ",".join(args), "start": "held", **self.options}

    def n_frames(self):
        return sum(len(frames) for frames in self.queues)


class WirePort:
    """An Ethernet port that the test itself is the other end of."""

    def __init__(self, name, **options):
        self.name = name
        self.options = options
        self.path = None
        self.wire = None

    def prepare(self, folder, index, n_workers):
        self.path = os.path.join(folder, f"{self.name}.sock")
        device = f"net_memif{index},role=server,mac={port_mac(index)}"
        device += f",socket={self.path},socket-abstract=no"
        return {"name": self.name, "device": device, **self.options}

    def connect(self, n_queues, check):
        self.close()
        self.wire = Wire(self.path, n_queues, check)

    def close(self):
        if self.wire:
            self.wire.close()
            self.wire = None


class Dataplane:
    """One rtprelay-dp. Use as a context manager; leaving it stops and checks the program."""

    def __init__(self, ports, realms, n_workers=1, media=None, dataplane=None, folder=None):
        self.ports = ports
        self.n_workers = n_workers
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="rtprelay-packets-")
        self.run_dir = os.path.join(self.folder, "run")
        self.log_path = os.path.join(self.folder, "log")
        self.log = None
        self.process = None
        self.region = None
        self.conf = {
            "instance": {"run_dir": self.run_dir, "log_level": "info"},
            "dataplane": {
                "cores": [(w + 1) % N_CORES for w in range(n_workers)],
                "main_core": MAIN_CORE,
                "poll": "adaptive",
                "hugepages": "off",
                "memory_mb": 64,
                "mbufs": 8192,
                **(dataplane or {}),
            },
            "ports": tuple(p.prepare(self.folder, i, n_workers) for i, p in enumerate(ports)),
            "realms": tuple(realms),
            "media": {
                "port_min": 35000,
                "port_max": 35999,
                "max_addresses": n_addresses(realms),
                **(media or {}),
            },
        }

    def launch(self, in_child=die_with_the_test):
        """Begin a start, and wait for nothing."""
        path = os.path.join(self.folder, "rtprelay.conf")
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"{key} = {to_conf(value)};\n" for key, value in self.conf.items())
        self._close_log()
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [os.path.abspath(os.path.join(BUILD, "rtprelay-dp")), "-c", path],
            cwd=self.folder,
            stderr=self.log,
            stdout=self.log,
            stdin=subprocess.DEVNULL,
            preexec_fn=in_child,
        )

    def start(self):
        self.launch()
        wait_until(self._has_made_region, "a region", self.check_alive)
        self.region = Region(self.region_path(), self.check_alive)
        for port in self.ports:
            if isinstance(port, WirePort):
                port.connect(self.n_workers, self.check_alive)
        wait_until(self._is_running, "a running dataplane", self.check_alive)
        return self

    def region_path(self):
        return os.path.join(self.run_dir, "region")

    def _has_made_region(self):
        """Does the region that lies there, if one does, name the process that was started?"""
        try:
            with open(self.region_path(), "rb") as f:
                header = unpack("rr_shm_header", f.read(size_of("rr_shm_header")))
        except FileNotFoundError:
            return False
        return header["magic"] == N["RR_SHM_MAGIC"] and header["dp_pid"] == self.process.pid

    def _is_running(self):
        return self.region.header("dp_state") == N["RR_DP_RUNNING"]

    def check_alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"rtprelay-dp ended with {self.process.returncode}:\n{self.log_text()}"
            )

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            self.remove()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()
            self.remove()

    def stop(self):
        """SIGTERM; the program must end with status 0."""
        if self.region:
            self.region.close()
            self.region = None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        if status != 0:
            raise AssertionError(f"rtprelay-dp ended with {status}:\n{self.log_text()}")

    def kill(self):
        if self.region:
            self.region.close()
            self.region = None
        for port in self.ports:
            if isinstance(port, WirePort):
                port.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _close_log(self):
        if self.log:
            self.log.close()
            self.log = None

    def remove(self):
        self._close_log()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill_mid_write(self, slot):
        """kill -9 at the moment when a flow is half written."""
        self.process.kill()
        self.process.wait()
        self.region.store_flow(slot, "seq", self.region.flow(slot)["seq"] + 1)
        self.region.close()
        self.region = None

    # ---- ports

    def wire(self, name):
        return self.ports[self.index(name)].wire

    def index(self, name):
        return [p["name"] for p in self.conf["ports"]].index(name)

    def release(self, *names):
        """What `rrctl port start` does."""
        mask = 0
        for name in names:
            mask |= 1 << self.index(name)
        with open(os.path.join(self.run_dir, "lock"), "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX, 1, 2)
            mask |= self.region.header("port_release_mask")
            self.region.set_header32("port_release_mask", mask)
        wait_until(
            lambda: not self.region.header(
                "port_held_mask"
            ) & mask, f"start of {names}", self.check_alive
        )

    def run(self, *names):
        """Release ports and wait until all of their frames were received and none is held."""
        self.release(*names)
        for name in names:
            port = self.ports[self.index(name)]
            self.wait_received(name, port.n_frames())
        return self.settle()

    def wait_received(self, name, n):
        index = self.index(name)
        try:
            wait_until(
                lambda: self.region.counters(port=index)[
                    "rx_packets"
                ] >= n, f"{n} packets on {name}", self.check_alive
            )
        except TimeoutError as e:
            raise TimeoutError(
                f"{e}: {nonzero(self.region.counters(port=index))}\n{self.log_text()}"
            ) from None

    def settle(self):
        """Wait until nothing is held and the accounting is even; returns the counters.

        Workers count on while their blocks are read, so that one's burst too much may hide
        another's too little: only what reads the same twice is believed.
        """
        seen = [None]

        def even():
            counters = self.region.counters()
            before = seen[0]
            seen[0] = {name: n for name, n in counters.items() if KIND[name] != "info"}
            if counters["held"] != 0 or imbalance_of(counters) != 0 or seen[0] != before:
                return None
            return counters

        try:
            return wait_until(even, "even accounting", self.check_alive, 10)
        except TimeoutError:
            counters = self.region.counters()
            raise AssertionError(
                f"imbalance {imbalance_of(counters)}: {nonzero(counters)}",
            ) from None

    def sent(self, name):
        """Frames that left by a port so far, worker by worker."""
        port = self.ports[self.index(name)]
        return [frame for path in port.tx_files for frame in read_pcap(path)]


def nonzero(counters):
    return {name: value for name, value in counters.items() if value}


class Thread:
    """One thread of the program, stopped at will: a worker or the slow path that has no time.

    Tracing a child needs no privilege. Stop a thread while it is idle: a stopped one that was in
    the middle of a shared queue would hold up the others.
    """

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    WALL = 0x40000000

    def __init__(self, dp, worker=None):
        """A worker, or the main thread."""
        pid = dp.process.pid
        self.tid = pid
        if worker is not None:
            self.tid = self._find(pid, f"worker-{worker + 1}")

    @staticmethod
    def _find(pid, suffix):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
                if f.read().strip().endswith(suffix):
                    return int(tid)
        raise AssertionError(f"no thread is called {suffix}")

    def _ptrace(self, request):
        LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        if LIBC.ptrace(request, self.tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")

    def __enter__(self):
        self._ptrace(self.SEIZE)
        self._ptrace(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)
        return self

    def __exit__(self, *exc):
        self._ptrace(self.DETACH)


def main():
    unittest.main(verbosity=2)
