# SPDX-License-Identifier: BSD-2-Clause
"""The pid file of -p: written after the start, removed at the end if it is still ours."""

import os
import stat


def write(path):
    """Raises OSError."""
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def remove(path):
    """Only a regular file that still holds our pid: never a device, never somebody else's."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return
        with open(path, encoding="ascii") as file:
            if file.read() == f"{os.getpid()}\n":
                os.unlink(path)
    except (OSError, ValueError):
        pass
