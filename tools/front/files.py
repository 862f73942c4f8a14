# SPDX-License-Identifier: BSD-2-Clause
"""The front's files in the run directory: its lock, the configuration, and what calls leave."""

import contextlib
import fcntl
import grp
import json
import os
import pwd
import signal
import time

from front.refusal import Refusal

CALL_FILES = ("data.mdb", "lock.mdb", "boot")  # of the store
ORPHAN_PATIENCE_S = 15.0


class Files:
    """Made once the command line is right; holds the lock as long as it lives."""

    def __init__(self, conf, programs):
        self.run_dir = conf["instance"]["run_dir"]
        self.store_dir = conf["control"]["store_dir"]
        self.conf_path = f"{self.run_dir}/rtpproxy.conf"
        self.programs = programs
        self.lock = None

    def take_lock(self):
        try:
            os.makedirs(self.run_dir, mode=0o755, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self.lock = os.open(f"{self.run_dir}/rtpproxy.lock", flags, 0o644)
        except OSError as error:
            raise Refusal(f"{self.run_dir}: {error.strerror}") from None
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self.lock, 20).decode().strip()
            raise Refusal(f"another rtpproxy, pid {holder}, has {self.run_dir}, and each wants "
                          "one of its own (docs/moving.md)") from None

    def sign_lock(self):
        """With the pid of the daemon, which has it from its parent."""
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)

    def give_store(self, user, group):
        """To whom -u names, or back, also what an earlier life left in it."""
        try:
            os.makedirs(self.store_dir, mode=0o755, exist_ok=True)
            uid = pwd.getpwnam(user).pw_uid if user else os.geteuid()
            gid = grp.getgrnam(group).gr_gid if group else -1
            for path in (self.store_dir, *(entry.path for entry in os.scandir(self.store_dir))):
                # Whoever -u names can put links here.
                os.chown(path, uid, gid, follow_symlinks=False)
        except (OSError, LookupError) as error:
            raise Refusal(f"{self.store_dir}: {error}") from None

    def write_conf(self, text):
        """Raises Refusal where the programs do not take it."""
        fresh = f"{self.conf_path}.new"
        # The folder is the group's as well, so that what lies there may be somebody's trap.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        with open(fresh, "x", encoding="utf-8") as file:
            file.write(text)
        done = self.programs.run("rtprelayd", "--check", "-c", fresh)
        if done.returncode != 0:
            raise Refusal(done.stderr.strip())
        os.rename(fresh, self.conf_path)

    def status(self):
        done = self.programs.run("rrctl", "-c", self.conf_path, "status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def is_draining(self):
        """Has somebody asked for that by rrctl?"""
        return self.status().get("control", {}).get("admission") == "draining"

    def _orphans(self):
        """Programs of a front that was killed: they run with this very configuration."""
        pids = [self.status().get("dataplane", {}).get("pid")]
        try:
            with open(f"{self.run_dir}/rtprelayd.pid", encoding="ascii") as file:
                pids.append(int(file.read()))
        except (OSError, ValueError):
            pass
        for pid in filter(None, pids):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if self.conf_path.encode() in words:
                yield pid

    def end_orphans(self, journal):
        """Their calls stay. Behind the lock: nobody else looks after them."""
        end = time.monotonic() + ORPHAN_PATIENCE_S
        told = set()
        while orphans := set(self._orphans()):
            if time.monotonic() > end:
                raise Refusal(f"processes {sorted(orphans)} of an earlier rtpproxy do not end")
            for pid in orphans - told:
                journal.say("notice", f"ending process {pid} of an earlier rtpproxy; calls stay")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            told |= orphans
            time.sleep(0.02)

    def forget_calls(self):
        """As rtpproxy's do, calls and counters end with it. Both programs have ended."""
        region = self.status().get("region", {}).get("path")
        paths = [f"{self.store_dir}/{name}" for name in CALL_FILES]
        for path in filter(None, [*paths, region, f"{self.run_dir}/rtpproxy.sock"]):
            try:
                os.unlink(path)
            except OSError:
                pass
