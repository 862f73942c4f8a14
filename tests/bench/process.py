# SPDX-License-Identifier: BSD-2-Clause
"""Programs that a case starts, and the CPU time of their threads."""

import ctypes
import os
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
PATIENCE_S = 60


class Failed(Exception):
    """A case that cannot go on."""


def die_with_the_bench():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(args, log, **options):
    """Start a program that does not outlive this one; what it says goes to the file `log`."""
    with open(log, "ab") as file:
        options = {"stdin": subprocess.DEVNULL, "stdout": file, **options}
        return subprocess.Popen(args, stderr=file, preexec_fn=die_with_the_bench, **options)


def end(process):
    """SIGTERM, and SIGKILL for what does not listen; also of a process that stands still."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(condition, what, process=None, log=None):
    """Until the condition holds. Gives up when the process ends, or after a minute."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if process is not None and process.poll() is not None:
            raise Failed(f"{what}: ended with {process.returncode}\n{tail(log)}")
        if time.monotonic() > end_s:
            raise Failed(f"{what}: not within {PATIENCE_S} s\n{tail(log)}")
        time.sleep(0.005)


def tail(log):
    if log is None:
        return ""
    with open(log, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-15:])


def comm(pid, tid):
    try:
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def worker_threads(pid):
    """Thread ids of a DPDK program's workers, in the order of their cores."""
    threads = [(comm(pid, tid), tid) for tid in os.listdir(f"/proc/{pid}/task")]
    workers = [(int(name.rsplit("-", 1)[1]), tid) for name, tid in threads if "worker" in name]
    return [f"{pid}/task/{tid}" for _, tid in sorted(workers)]


def keep_cores(pid):
    """Real-time priority for the workers of a DPDK program: whatever else wants their cores waits.
    Returns whether that may be."""
    try:
        for thread in worker_threads(pid):
            os.sched_setscheduler(int(thread.rsplit("/", 1)[1]), os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def process_ns(pid):
    """CPU time of all threads of a process."""
    return sum(cpu_ns(f"{pid}/task/{tid}") for tid in os.listdir(f"/proc/{pid}/task"))


def cpu_ns(thread):
    """CPU time of a thread, named PID/task/TID."""
    with open(f"/proc/{thread}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])
