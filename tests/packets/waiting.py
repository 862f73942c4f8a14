# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for a condition, never for a time."""

import time

DEADLINE_S = 30


def wait_until(condition, what, check=lambda: None, deadline_s=DEADLINE_S):
    """Poll until condition() is true; check() raises when waiting has no point any more."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        check()
        if time.monotonic() > end:
            raise TimeoutError(f"not seen within {deadline_s} s: {what}")
        time.sleep(0.0005)
