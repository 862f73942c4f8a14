# SPDX-License-Identifier: BSD-2-Clause
"""The pid file of -p: written after the start, removed at the end if it is still ours."""

import contextlib
import os
import stat

# Its folder may be another user's: no link is followed, and no pipe is waited for.
CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK


def write(path):
    """Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | CAREFUL, 0o644)
    try:
        os.write(file, f"{os.getpid()}\n".encode())
    finally:
        os.close(file)


def read(path):
    """Of a regular file alone; raises OSError and ValueError."""
    file = os.open(path, os.O_RDONLY | CAREFUL)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError(path)
        return int(os.read(file, 20))
    finally:
        os.close(file)


def remove(path):
    """Never a device, never somebody else's."""
    with contextlib.suppress(OSError, ValueError):
        if read(path) == os.getpid():
            os.unlink(path)
