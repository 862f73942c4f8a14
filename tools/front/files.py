# SPDX-License-Identifier: BSD-2-Clause
"""The front's files, in a folder that is root's alone, and what others have a hand in: the store.

The run directory is the group's of -u as well: nothing in it is read back as the front's own, and
no link in it or in the store is followed.
"""

import contextlib
import errno
import fcntl
import grp
import json
import os
import pathlib
import pwd
import signal
import stat
import time

from front import configuration, pid_file
from front.refusal import Refusal

CALL_FILES = ("data.mdb", "lock.mdb", "boot")  # of the store
ORPHAN_PATIENCE_S = 15.0


def check_own(folder):
    """Only root, or who the front runs as, may change what is in it or which folder it is."""
    path = pathlib.Path(folder)
    path = path.parent.resolve() / path.name
    for part in (path, *path.parents):
        status = os.lstat(part)
        keeps = stat.S_ISVTX if part != path else 0  # in /tmp each has what is its own
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or (
                status.st_mode & 0o022 and not status.st_mode & keeps):
            raise Refusal(f"{folder}: others than root may write to {part}, and what root reads at "
                          "the next start lies there")


def give(name, folder, uid, gid):
    """A file of a folder, by its descriptor, unless it is a link: that may lead anywhere."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOENT):
            return
        raise
    try:
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            os.fchown(file, uid, gid)
    finally:
        os.close(file)


class Files:
    """Made once the command line is right; holds the lock as long as it lives."""

    def __init__(self, conf, folder, programs):
        self.run_dir = conf["instance"]["run_dir"]
        self.store_dir = conf["control"]["store_dir"]
        self.private_path = configuration.private_path(conf)
        self.folder = folder
        self.conf_path = f"{folder}/rtpproxy.conf"
        self.programs = programs
        self.lock = None

    def take_lock(self):
        try:
            os.makedirs(self.folder, mode=0o755, exist_ok=True)
            check_own(self.folder)
            os.makedirs(self.run_dir, mode=0o755, exist_ok=True)
            self.lock = os.open(f"{self.folder}/rtpproxy.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Refusal(f"{error.filename}: {error.strerror}") from None
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self.lock, 20).decode().strip()
            raise Refusal(f"another rtpproxy, pid {holder}, has {self.run_dir}, and each wants "
                          "one of its own (docs/moving.md)") from None

    def sign_lock(self):
        """With the pid of the daemon, which has it from its parent; raises OSError."""
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)

    @contextlib.contextmanager
    def _store(self):
        """Its descriptor: who may write beside it cannot put another folder in its place."""
        folder = os.open(self.store_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield folder
        finally:
            os.close(folder)

    def give_store(self, user, group):
        """To whom -u names, or back, also what an earlier life left in it."""
        try:
            os.makedirs(self.store_dir, mode=0o755, exist_ok=True)
            uid = pwd.getpwnam(user).pw_uid if user else os.geteuid()
            gid = grp.getgrnam(group).gr_gid if group else -1
            with self._store() as folder:
                os.fchown(folder, uid, gid)
                for name in os.listdir(folder):
                    give(name, folder, uid, gid)
        except (OSError, LookupError) as error:
            raise Refusal(f"{self.store_dir}: {error}") from None

    def write_conf(self, text):
        """Raises Refusal where the programs do not take it."""
        fresh = f"{self.conf_path}.new"
        try:
            with open(fresh, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Refusal(f"{fresh}: {error.strerror}") from None
        done = self.programs.run("rtprelayd", "--check", "-c", fresh)
        if done.returncode != 0:
            raise Refusal(done.stderr.strip())
        os.rename(fresh, self.conf_path)

    def status(self):
        """Empty where there is none, or none to be had."""
        try:
            done = self.programs.run("rrctl", "-c", self.conf_path, "status", "--json")
            return json.loads(done.stdout) if done.returncode == 0 else {}
        except (OSError, ValueError):
            return {}

    def is_draining(self):
        """Has somebody asked for that by rrctl?"""
        return self.status().get("control", {}).get("admission") == "draining"

    def _orphans(self):
        """Programs of a front that was killed: they run with this very configuration."""
        pids = [self.status().get("dataplane", {}).get("pid")]
        with contextlib.suppress(OSError, ValueError):
            pids.append(pid_file.read(f"{self.run_dir}/rtprelayd.pid"))
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
        for path in filter(None, (region, self.private_path)):
            with contextlib.suppress(OSError):
                os.unlink(path)
        with contextlib.suppress(OSError), self._store() as folder:
            for name in set(CALL_FILES) & set(os.listdir(folder)):
                os.unlink(name, dir_fd=folder)
