# SPDX-License-Identifier: BSD-2-Clause
"""Leaving the terminal: the parent waits until the child serves, and ends with its verdict."""

import contextlib
import os
import sys

from front import process


class Daemon:
    """Made in the parent; only the child returns from detach()."""

    def __init__(self):
        self.tell = None  # pipe to the parent that waits

    def detach(self, stays_in_folder):
        hear, tell = os.pipe()
        parent = os.getpid()
        if os.fork() > 0:
            os.close(tell)
            verdict = os.read(hear, 1)
            sys.stdout.flush()
            os._exit(0 if verdict == b"0" else 1)
        os.close(hear)
        self.tell = tell
        process.end_with(parent)  # whoever ended that does not want this one either
        os.setsid()
        if not stays_in_folder:
            os.chdir("/")

    def release(self, keeps_stderr):
        """Tells the parent that all is up, and lets the terminal go."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1) if keeps_stderr else (0, 1, 2):
            os.dup2(nothing, fd)
        os.close(nothing)
        if self.tell is not None:
            process.outlive_parent()
            with contextlib.suppress(BrokenPipeError):
                os.write(self.tell, b"0")
            os.close(self.tell)
            self.tell = None
