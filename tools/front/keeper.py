# SPDX-License-Identifier: BSD-2-Clause
"""Runs both programs for as long as rtpproxy would run: start, restarts, slow shutdown, stop."""

import os
import selectors
import signal
import socket
import time

from front import pid_file
from front.process import Process
from front.refusal import Refusal
from front.sockets import STDIO

FAST = tuple(getattr(signal, f"SIG{name}") for name in
             ("INT", "TERM", "USR1", "USR2", "XCPU", "XFSZ", "VTALRM", "PROF"))
READY_PATIENCE_S = 60.0
STOP_PATIENCE_S = 15.0
LOOK_S = 0.05
POLICIES = {None: None, "fifo": os.SCHED_FIFO, "rr": os.SCHED_RR}


class Keeper:
    """One life of the front, from the start of the programs on."""

    def __init__(self, settings, conf, files, journal):
        self.settings, self.files, self.journal = settings, files, journal
        self.sockets = conf["control"]["sockets"]
        self.private = self.sockets[-1].removeprefix("unix:")
        self.is_ready = self.is_stopping = self.is_draining = False
        self.failure = None  # why it did not start
        self.kill_at = None
        self.selector = selectors.DefaultSelector()
        self.log_pipe = None
        self._make_processes()
        self._hear_signals()

    # ---- parts

    def _make_processes(self):
        stderr = None
        if self.journal.to_syslog:
            self.log_pipe, stderr = os.pipe()
            os.set_blocking(self.log_pipe, False)
            os.set_blocking(stderr, False)  # the programs do not wait until we have read
            self.selector.register(self.log_pipe, selectors.EVENT_READ, self._read_log)
        find, path = self.files.programs.find, self.files.conf_path
        self.dataplane = Process([find("rtprelay-dp"), "-c", path], stderr,
                                 POLICIES[self.settings.policy])
        self.control = Process([find("rtprelayd"), "-c", path], stderr)
        self.control.takes_sockets = True
        self.control.takes_input = any(s in STDIO for s in self.sockets)
        self.processes = (self.dataplane, self.control)

    def _hear_signals(self):
        """Each arrives as a byte on a pipe, so that none is handled in the middle of something."""
        hear, tell = os.pipe()
        os.set_blocking(hear, False)
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        for signo in (*FAST, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signo, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.signals = hear
        self.selector.register(hear, selectors.EVENT_READ, self._read_signals)

    def _read_log(self):
        try:
            self.journal.take(os.read(self.log_pipe, 65536))
        except BlockingIOError:
            pass

    def _read_signals(self):
        try:
            numbers = os.read(self.signals, 4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                self._drain()
            else:
                self._stop_by(number)

    # ---- signals

    def _drain(self):
        if not self.is_draining:
            self.journal.say("info", "slow shutdown: no new calls, ends with the last one")
        self.is_draining = True
        self.control.send(signal.SIGHUP)

    def _stop_by(self, signo):
        self.journal.say("info", f"got signal {signo}")
        if self.is_stopping:
            for process in self.processes:
                process.send(signal.SIGKILL)
            pid_file.remove(self.settings.pid_file)
            os._exit(128 + signo)
        if not self.is_ready:
            self.failure = f"stopped by signal {signo} before commands were answered"
        self._stop()

    def _stop(self):
        self.is_stopping = True
        self.kill_at = time.monotonic() + STOP_PATIENCE_S
        for process in self.processes:
            process.send(signal.SIGTERM)

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for process in self.processes:
                if process.pid == pid:
                    self._ended(process, os.waitstatus_to_exitcode(status))

    def _ended(self, process, code):
        process.ended()
        if self.is_stopping:
            return
        how = f"died by signal {-code}" if code < 0 else f"ended with status {code}"
        if process is self.control and code == 0 and (
                self.is_draining or process.takes_input or self.files.is_draining()):
            self.journal.say("info", "the last call has ended")
            self._stop()
        elif not self.is_ready:
            self._stop()
            self.failure = f"{process.name} {how} at its start"
        else:
            self.journal.say("error", f"{process.name} {how} and is started again")

    # ---- waiting

    def _start_what_is_due(self):
        now = time.monotonic()
        for process in self.processes:
            if process.pid is None and not self.is_stopping and now >= process.start_at:
                try:
                    process.start()
                except OSError as error:
                    self.journal.say("error", f"{process.name} not started: {error.strerror}")
                if process is self.control and self.is_draining:
                    process.send(signal.SIGHUP)

    def _patience(self):
        """Seconds until something is due; None: only a signal."""
        if not self.is_ready and not self.is_stopping:
            return LOOK_S
        due = [p.start_at for p in self.processes if p.pid is None and not self.is_stopping]
        if self.kill_at is not None:
            due.append(self.kill_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _turn(self):
        self._start_what_is_due()
        for key, _ in self.selector.select(self._patience()):
            key.data()
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self.kill_at = None
            for process in self.processes:
                process.send(signal.SIGKILL)

    def _answers(self):
        """Control has found the dataplane, and a command gets its reply."""
        status = self.files.status()
        dataplane = status.get("dataplane", {})
        if (dataplane.get("state"), dataplane.get("pid")) != ("running", self.dataplane.pid):
            return False
        heard_ms = status["control"].get("heartbeat_age_ms")
        if heard_ms is None or heard_ms >= self.control.age_s() * 1000:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(1.0)
            try:
                sock.connect(self.private)
                sock.sendall(b"V")
                return sock.recv(64) == b"20040107\n"
            except OSError:
                return False

    # ---- one life

    def start(self):
        """Returns once commands are answered or there is no more to do; raises Refusal."""
        end = time.monotonic() + READY_PATIENCE_S
        while not self.is_ready and not self.is_stopping:
            self._turn()
            if time.monotonic() > end and not self.is_stopping:
                self.failure = f"not ready within {READY_PATIENCE_S:.0f} s"
                self._stop()
            self.is_ready = not self.is_stopping and self._answers()
        if self.failure:
            self._wait_for_end()
            raise Refusal(self.failure)

    def _wait_for_end(self):
        while any(process.pid for process in self.processes):
            self._turn()
        if self.log_pipe is not None:
            self._read_log()

    def run(self):
        """To the end, after which calls are gone."""
        while not self.is_stopping:
            self._turn()
        self._wait_for_end()
        self.files.forget_calls()
        self.journal.say("info", "ended")
