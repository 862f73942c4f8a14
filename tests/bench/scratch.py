# SPDX-License-Identifier: BSD-2-Clause
"""What a run takes from the machine for a while: a folder in memory, hugepages, namespaces.

What was taken is written down before it is taken, so that the next run gives back what a run that
was killed could not.
"""

import fcntl
import glob
import os
import shutil
import subprocess

ROOT = "/run/rtprelay-bench"
PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
PAGE_MB = 2
EAL_PREFIX = "rr_run_rtprelay_bench"  # rtprelay-dp makes its own of its folder, ROOT/relay/run
EAL_FOLDERS = f"/var/run/dpdk/{EAL_PREFIX}*"  # which the EAL leaves behind
NAMESPACES = ("rrb-gen", "rrb-fwd")  # of the cases that have kernel interfaces
N_PAGES = 1920  # both programs, a testpmd and the region, with 262,144 flows of both families


class Trouble(Exception):
    """Something that the person at the terminal has to put right."""


def change_pages(delta):
    """Add to the machine's reservation; returns by how much it really changed."""
    try:
        with open(PAGES, "r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            before = int(file.read())
            file.seek(0)
            file.write(str(max(before + delta, 0)))
            file.flush()
            file.seek(0)
            return int(file.read()) - before
    except OSError:
        return 0


def remove_namespaces():
    for name in NAMESPACES:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def is_alive(pid):
    return os.path.exists(f"/proc/{pid}")


class Scratch:
    """Use as a context manager; leaving it gives everything back."""

    def __init__(self):
        self.folder = ROOT
        self.huge = None  # hugetlbfs mount, None without hugepages

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        self._remove_leftovers()
        os.mkdir(ROOT)
        mount = ["mount", "-t", "tmpfs", "-o", "mode=0755,size=80%", "rtprelay-bench", ROOT]
        if subprocess.run(mount, check=False).returncode != 0:
            os.rmdir(ROOT)
            raise Trouble("may not mount: a container needs --privileged")
        self._write("owner", os.getpid())
        self._take_pages()
        return self

    def __exit__(self, *_):
        self._remove()

    def _write(self, name, value):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(str(value))

    def _read(self, name):
        try:
            with open(self.path(name), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def _take_pages(self):
        huge = self.path("huge")
        self._write("pages", N_PAGES)
        taken = change_pages(N_PAGES)
        self._write("pages", taken)
        if taken == N_PAGES:
            os.mkdir(huge)
            mount = ["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", huge]
            if subprocess.run(mount, check=False).returncode == 0:
                self.huge = huge
                return
        change_pages(-taken)
        self._write("pages", 0)

    def _remove_leftovers(self):
        owner = self._read("owner")
        if owner and is_alive(owner):
            raise Trouble(f"a benchmark runs already: process {owner}")
        self._remove()

    def _remove(self):
        if not os.path.exists(ROOT):
            return
        remove_namespaces()
        pages = self._read("pages")
        for mount in (self.path("huge"), ROOT):
            if os.path.ismount(mount):
                subprocess.run(["umount", "-l", mount], check=False)
        change_pages(-pages)
        for folder in (ROOT, *glob.glob(EAL_FOLDERS)):
            shutil.rmtree(folder, ignore_errors=True)
