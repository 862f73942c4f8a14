# SPDX-License-Identifier: BSD-2-Clause
"""Both programs in a lab of their own, kept running and killed as a service manager would.

The dataplane and the supervisor of control are children of the test. The supervisor restarts its
worker by itself; a dead dataplane is started again by tick(). A death that nobody asked for fails
the test.
"""

import contextlib
import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))

BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
PROGRAMS = {"dataplane": "rtprelay-dp", "control": "rtprelayd"}
LAB_PREFIX = "crash-"  # and the test's pid
KILLED = -signal.SIGKILL
PR_SET_PDEATHSIG = 1
NICE = -15
LIBC = ctypes.CDLL(None)


class ProgramFault(AssertionError):
    """A program ended in a way nobody asked for."""


def before_exec():
    """End with the test; and come before other tasks, since the relay's cores are meant to be its
    own, and a command fails when they are not its for half a second."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as file:
        file.write(str(NICE))  # the scheduler weighs sessions against each other first


def dead_labs():
    """Names of labs whose test was killed before it could take them down."""
    names = set()
    with contextlib.suppress(FileNotFoundError):
        for namespace in os.listdir("/run/netns"):
            match = re.fullmatch(rf"rrl-({LAB_PREFIX}([0-9]+))-[a-z]+", namespace)
            if match and not os.path.exists(f"/proc/{match[2]}"):
                names.add(match[1])
    return sorted(names)


class Relay:
    """The programs under test. `folder` is where they lie below the build folder."""

    def __init__(self, folder=""):
        self.name = f"{LAB_PREFIX}{os.getpid()}"
        self.folder = os.path.join(BUILD, folder)
        self.process = {}
        self.keep_dataplane = True  # start it again when it was killed; else wait
        self.worker = None  # pid of control's worker as seen last
        self.last_killed = None
        self.n_dataplane_deaths = 0
        self.n_worker_deaths = 0
        self.expected = {"dataplane": 0, "worker": 0, "control": 0}

    # ---- lab

    def up(self, *options):
        for name in dead_labs():
            self._lab("down", name=name)
        text = self._lab("up", "--network-only", "--hugepages", "off", *options)
        words = (word.partition("=") for word in shlex.split(text))
        self.names = {key: value for key, _, value in words}
        self.crash_file = os.path.join(self.names["LAB_DIR"], "crash-point")

    def down(self):
        """Take everything away; returns the exit status of each program."""
        status = {role: self._stop(role) for role in ("control", "dataplane")
                  if role in self.process}
        self.process.clear()
        self._lab("down")
        return status

    def _lab(self, command, *options, name=None):
        result = subprocess.run(
            [os.path.join(TOP, "tools", "lab"), command, "--name", name or self.name, *options],
            capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"lab {command}: {result.stdout}{result.stderr}")
        return result.stdout

    # ---- processes

    def start(self, role):
        with open(self.log_path(role), "ab") as log:
            self.process[role] = subprocess.Popen(
                ["ip", "netns", "exec", self.names["LAB_NS_RELAY"],
                 os.path.join(self.folder, PROGRAMS[role]), "-c", self.names["LAB_CONF"]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=before_exec,
                start_new_session=True,
                env={**os.environ, "RR_CRASH_FILE": self.crash_file})

    def log_path(self, role):
        return self.names["LAB_DP_LOG" if role == "dataplane" else "LAB_CONTROL_LOG"]

    def _stop(self, role):
        process = self.process[role]
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "did not stop"

    def restart_control(self):
        """Stop it as a service manager does, and start it again; its calls stay."""
        status = self._stop("control")
        if status != 0:
            raise ProgramFault(f"control stopped with status {status}")
        self.worker = None
        self.start("control")

    def arm(self, point, count=1):
        """The next process that passes the point for the count-th time dies there."""
        part = self.crash_file + ".new"
        with open(part, "w") as file:
            file.write(f"{point}:{count}\n")
        os.rename(part, self.crash_file)

    def is_armed(self):
        return os.path.exists(self.crash_file)

    def disarm(self):
        """True when the point was never reached."""
        try:
            os.unlink(self.crash_file)
        except FileNotFoundError:
            return False
        return True

    def expect_death(self, role):
        """One death of the dataplane, of control's worker or of its supervisor is asked for."""
        self.expected[role] += 1

    def kill(self, role):
        """kill -9 now; False when there is no such process at this moment."""
        self.tick()
        pid = self._find(role)
        if pid is None or pid == self.last_killed:
            return False
        self.last_killed = pid
        self.expect_death(role)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            self.expected[role] -= 1
            return False
        return True

    def _find(self, role):
        if role == "worker":
            return self.find_worker()
        return self.process[role].pid if role in self.process else None

    def find_worker(self):
        """Pid of the one child of the supervisor, or None while there is none."""
        supervisor = self.process["control"].pid
        try:
            with open(f"/proc/{supervisor}/task/{supervisor}/children") as file:
                children = file.read().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def tick(self):
        """Notice deaths, and start what a service manager would start again."""
        self._tick_dataplane()
        status = self.process["control"].poll()
        if status is not None:
            self._bury("control", status)
            self.worker = None
            self.start("control")
        worker = self.find_worker()
        if worker is not None and worker != self.worker:
            if self.worker is not None:
                self._bury("worker", KILLED)  # how it died is the supervisor's to know
                self.n_worker_deaths += 1
            self.worker = worker

    def _tick_dataplane(self):
        if "dataplane" in self.process:
            status = self.process["dataplane"].poll()
            if status is None:
                return
            self._bury("dataplane", status)
            self.n_dataplane_deaths += 1
            del self.process["dataplane"]
        if self.keep_dataplane:
            self.start("dataplane")

    def _bury(self, role, status):
        if status != KILLED or not self.expected[role]:
            raise ProgramFault(f"{role} ended by itself, status {status}")
        self.expected[role] -= 1

    # ---- questions

    def rrctl(self, *words):
        """What rrctl prints as JSON, or None when it refuses."""
        result = subprocess.run(
            [os.path.join(BUILD, "rrctl"), "-c", self.names["LAB_CONF"], *words, "--json"],
            capture_output=True, text=True)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def dataplane_runs(self):
        status = self.rrctl("status")
        return (status is not None and status["dataplane"]["state"] == "running" and
                status["dataplane"]["pid"] == self._find("dataplane"))

    def dataplane_is_gone(self):
        return "dataplane" not in self.process

    def flow_details(self):
        """{(host, port): flow} of every flow that is installed."""
        flows = {}
        for flow in self.rrctl("flow", "show")["flows"]:
            host, _, port = flow["local"].rpartition(":")
            flows[host.strip("[]"), int(port)] = flow
        return flows

    def flows(self):
        return {local: flow["state"] for local, flow in self.flow_details().items()}

    def counters(self):
        """The dataplane's counters that only grow."""
        totals = self.rrctl("stats", "show")["totals"]
        return {name: value for name, value in totals.items() if name != "held"}

    def sessions(self):
        """Call-ID -> session, as the store has it."""
        return {s["call_id"]: s for s in self.rrctl("session", "list")["sessions"]}

    def log_tails(self, n_lines=25):
        text = []
        for role in PROGRAMS:
            with open(self.log_path(role), errors="replace") as file:
                text += [f"---- end of {role}'s log\n", *file.readlines()[-n_lines:]]
        return "".join(text)


@contextlib.contextmanager
def logs_on_failure(relay):
    """Print what the programs said last when the block fails."""
    try:
        yield
    except BaseException:
        print(relay.log_tails(), flush=True)
        raise
