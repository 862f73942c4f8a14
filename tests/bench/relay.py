# SPDX-License-Identifier: BSD-2-Clause
"""Both programs on a configuration of a case's own, with calls that stand."""

import json
import os
import re
import shutil
import signal
import subprocess

from process import Failed, cpu_ns, end, spawn, wait_for, worker_threads

PORT_MIN, PORT_MAX = 35000, 64999
PAIRS = (PORT_MAX + 1 - PORT_MIN) // 2  # of an address
FILL = 0.9  # of them in use, with all the calls of a case
GATEWAY_MAC = "02:00:00:00:00:01"
CALLER = {4: "192.0.2.1", 6: "2001:db8:c::1"}
CALLEE = {4: "203.0.113.1", 6: "2001:db8:d::1"}
RESYNC_DONE = re.compile(r"resync: done")
N_OTHER_BUFFERS = 16384  # beside those that hold a capture


def n_addresses(n_pairs):
    """Of a pool for so many pairs."""
    return max(1, -(-n_pairs // int(PAIRS * FILL)))


def realm(name, port, n, index=0, only=None):
    """A realm with IPv4 and IPv6, n addresses each, or with one of the families (4 or 6) alone.
    Its gateways need not be asked for."""
    nets = (
        ("ipv4", f"198.{18 + index}.0.0/16", f"198.{18 + index}.0.1",
         f"198.{18 + index}.1.1-198.{18 + index}.{1 + n // 256}.{n % 256}"),
        ("ipv6", f"2001:db8:{index}::/64", f"2001:db8:{index}::1",
         f"2001:db8:{index}::1:1-2001:db8:{index}::1:{n:x}"),
    )  # yapf: disable
    text = f'{{ name = "{name}"; port = "{port}";\n'
    for key, prefix, gateway, pool in nets:
        if only and key != f"ipv{only}":
            continue
        text += f'\t{key} = {{ prefix = "{prefix}"; gateway = "{gateway}"; pool = [ "{pool}" ];\n'
        text += f'\t\tneighbours = ( {{ address = "{gateway}"; mac = "{GATEWAY_MAC}"; }} ); }};\n'
    return text + "}"


class Relay:
    """rtprelay-dp and rtprelayd. Use as a context manager.

    devices: name -> EAL device; a name that is in `held` waits for release().
    realms: texts of realm(). sockets: command sockets beside self.socket.
    dataplane, media, control: further options of these groups. name: where there are several.
    """

    def __init__(self, bench, devices, realms, held=(), sockets=(), netns=None, dataplane=None,
                 media=None, control=None, name="relay"):
        self.bench = bench
        self.name = name
        self.folder = bench.scratch.path(name)
        self.conf = os.path.join(self.folder, "conf")
        self.log = os.path.join(self.folder, "log")
        self.socket = f"cunix:{self.folder}/cunix"
        self.sockets = [self.socket, *sockets]
        self.netns = netns
        self.devices = devices
        self.held = held
        self.realms = realms
        self.dataplane = {"cores": bench.worker_cores(1), "poll": '"busy"', **(dataplane or {})}
        self.media = media or {}
        self.control = control or {}
        self.dp = None
        self.daemon = None

    def __enter__(self):
        os.mkdir(self.folder)
        self._write_conf()
        try:
            self.start_dataplane()
            self.start_control()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind=None, *_):
        ran = self.dp is not None and self.dp.poll() is None
        end(self.daemon)
        end(self.dp)
        try:
            if ran and kind is None:
                self._check_accounts()
        finally:
            self._clean()

    def _check_accounts(self):
        """At full load as ever, what came in went somewhere that has a name."""
        missing = self.rrctl("stats", "show")["generation"]["imbalance"]
        if missing != 0:
            raise Failed(f"{missing} packets are unaccounted for")

    def _clean(self):
        if self.bench.scratch.huge:
            shutil.rmtree(os.path.join(self.bench.scratch.huge, self.name), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_conf(self):
        huge = self.bench.scratch.huge
        if huge:
            os.makedirs(os.path.join(huge, self.name), exist_ok=True)
        groups = {
            "instance": {
                "run_dir": f'"{self.folder}/run"',
                "hugepage_dir": f'"{huge}/{self.name}"' if huge else '""',
                "log_level": '"info"',
            },
            "dataplane": {
                "main_core": self.bench.main_core(),
                "hugepages": '"require"' if huge else '"off"',
                **self.dataplane,
            },
            "media": {"port_min": PORT_MIN, "port_max": PORT_MAX, **self.media},
            "control": {
                "sockets": json.dumps(self.sockets),
                "store_dir": f'"{self.folder}/store"',
                "max_sessions": 1000000,
                "media_ttl_s": 3600,
                "setup_ttl_s": 3600,
                "ack_timeout_ms": 10000,
                **self.control,
            },
        }  # yapf: disable
        if not huge:
            buffers = int(groups["dataplane"].get("mbufs", N_OTHER_BUFFERS))
            groups["dataplane"].setdefault("memory_mb", 128 + buffers * 3 // 1024)
        ports = ", ".join(
            f'{{ name = "{name}"; device = "{device}"; '
            f'start = "{"held" if name in self.held else "now"}"; }}'
            for name, device in self.devices.items())
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(f"ports = ( {ports} );\nrealms = ( {', '.join(self.realms)} );\n")
            for name, group in groups.items():
                rows = "".join(f"\t{key} = {value};\n" for key, value in group.items())
                file.write(f"{name} = {{\n{rows}}};\n")

    # ---- the programs

    def _command(self, *args):
        inside = ["ip", "netns", "exec", self.netns] if self.netns else []
        return [*inside, os.path.join(self.bench.build, args[0]), "-c", self.conf, *args[1:]]

    def start_dataplane(self):
        self.dp = spawn(self._command("rtprelay-dp"), self.log)
        wait_for(self._is_running, "rtprelay-dp", self.dp, self.log)

    def start_control(self):
        pin = ["taskset", "-c", str(self.bench.control_core())]
        self.daemon = spawn([*pin, *self._command("rtprelayd")], self.log)
        wait_for(self._answers, "rtprelayd", self.daemon, self.log)

    def restart_dataplane(self):
        """It adopts the region with its flows, and opens its devices anew."""
        n = self.n_resyncs()
        end(self.dp)
        self.start_dataplane()
        self.wait_resync(n)

    def n_resyncs(self):
        """How often control has gone through all calls."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return len(RESYNC_DONE.findall(file.read()))

    def wait_resync(self, n):
        """Until it has once more than n times."""
        wait_for(lambda: self.n_resyncs() > n, "resync", self.daemon, self.log)

    def _is_running(self):
        status = self.rrctl("status", check=False)
        dataplane = status.get("dataplane", {})
        return dataplane.get("state") == "running" and dataplane.get("pid") == self.dp.pid

    def _answers(self):
        asked = self._rtppload("-t", "1000", "-n", "1", self.socket, "probe")
        return asked.returncode == 0

    def rrctl(self, *words, check=True):
        """What it says with --json."""
        command = [os.path.join(self.bench.build, "rrctl"), "-c", self.conf, "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if check:
                raise Failed(f"rrctl {' '.join(words)}: {done.stderr}")
            return {}
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def release(self, *ports):
        """Let held ports receive."""
        for port in ports:
            self.rrctl("port", "start", port)

    def pause(self):
        """Make the dataplane stand still, so that its core is free and its counters stay."""
        self.dp.send_signal(signal.SIGSTOP)
        wait_for(self._stands_still, "SIGSTOP")

    def _stands_still(self):
        tasks = f"/proc/{self.dp.pid}/task"
        for tid in os.listdir(tasks):
            with open(f"{tasks}/{tid}/stat", encoding="ascii", errors="replace") as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "T":
                    return False
        return True

    def resume(self):
        self.dp.send_signal(signal.SIGCONT)

    # ---- what is asked

    def counters(self):
        return self.rrctl("stats", "show")["totals"]

    def worker_ns(self):
        """CPU time of all workers."""
        return sum(cpu_ns(thread) for thread in worker_threads(self.dp.pid))

    def control_pid(self):
        """Of the process that runs commands."""
        with open(f"{self.folder}/run/rtprelayd-worker.pid", encoding="ascii") as file:
            return int(file.read())

    # ---- calls and their packets

    def _rtppload(self, *args):
        command = ["taskset", "-c", str(self.bench.main_core()),
                   os.path.join(self.bench.build, "rtppload"), "--json", *args]
        inside = ["ip", "netns", "exec", self.netns] if self.netns else []
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=False)

    def load(self, *args):
        """Run rtppload with these arguments; returns its JSON. Every reply must be right."""
        done = self._rtppload(*args)
        if done.returncode != 0:
            raise Failed(f"rtppload {' '.join(args)}: {done.stdout[-2000:]}{done.stderr}")
        return json.loads(done.stdout)

    def set_up(self, n_calls, caller=4, callee=4):
        """Calls between parties of these families."""
        return self.load("-n", str(n_calls), "-w", "64", "-t", "20000", "-a", CALLER[caller], "-b",
                         CALLEE[callee], self.socket, "setup")

    def write_frames(self, path, *options, kind="pcap"):
        """What the parties of standing calls send, as flowgen writes it."""
        command = [os.path.join(self.bench.build, "flowgen"), "-c", self.conf, *options, kind, path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"flowgen: {done.stderr}")


def write_one_frame(path):
    """A capture of one frame that is nobody's: a device may be opened before there are flows."""
    with open(path, "wb") as file:
        file.write(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
        file.write(bytes.fromhex("00000000000000003c0000003c000000") + bytes(60))
