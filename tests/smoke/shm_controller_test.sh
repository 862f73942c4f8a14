#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Calls through shared memory, by the library that controllers use, while the worker is killed.
#
#	example x 2 --shared memory--> control (kill -9 x 4)   caller --- relay --- callee
#
# Story: two controllers set calls up and tear them down as fast as they can, many at a time, while
# the worker of control is killed again and again. Each command is answered, and was run once: a D
# that ran twice would be answered E50, a U that ran again after its D would be a session too many.
# A third client takes its rings and never reads a reply; it holds nobody up. When the controllers
# are done, no call is left, and one that is set up over UDP carries media both ways.
# Not covered: rings with nonsense in them (tests/unit/test_shm_conn.cc, tests/fuzz/fuzz_shm.c).
. "$(dirname "$0")/_init.sh"

lab_up
lab stop control
# The cookies of 35 s at this pace want more than the store of a lab.
sed "s|sockets = \[|& \"shm:$LAB_DIR/shm.sock\", |; s|store_mb = .*|store_mb = 512;|" \
	"$LAB_CONF" >"$SCRATCH/shm.conf"
grep -q '"shm:' "$SCRATCH/shm.conf"
cp "$SCRATCH/shm.conf" "$LAB_CONF"
lab start control
lab_refresh
story <<'PYTHON'
import signal

from story import *
from rtpp_shm import ShmSocket

KILLS = 4
CALLS = 6000
PATH = LAB["LAB_DIR"] + "/shm.sock"
supervisor = int(LAB["LAB_CONTROL_PID"])


def worker():
    found = subprocess.run(["pgrep", "-P", str(supervisor)], capture_output=True, text=True,
                           check=False)
    return int(found.stdout.split()[0]) if found.stdout else None


def n_run():
    return int(ctl.command("G ncmds_rcvd"))


def deaf_client():
    """As many commands as there is room for; nothing is ever read."""
    deaf = ShmSocket(PATH)
    try:
        for n in range(100000):
            deaf.send(b"deaf%d I" % n)
    except BlockingIOError:
        pass
    return deaf


def example(number):
    program = os.path.join(BUILD, "rtpp-shm-example")
    return subprocess.Popen([program, PATH, str(CALLS)], stdout=subprocess.PIPE, text=True)


ctl = controller(timeout=0.5, retries=40)
killed = set()
deaf = deaf_client()
n_calls = 0
while len(killed) < KILLS:
    runs = [example(n) for n in range(2)]
    n_calls += len(runs) * CALLS
    while any(run.poll() is None for run in runs) and len(killed) < KILLS:
        before = n_run()
        wait_until(lambda: n_run() > before + 500 or all(run.poll() is not None for run in runs),
                   "commands are run")
        victim = worker()
        if victim not in (None, *killed):
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    for run in runs:
        said = run.communicate(timeout=60)[0]
        check(run.returncode == 0, f"a controller ended with {run.returncode}")
        print(said.strip())
created, active = ctl.command("I").splitlines()[:2]
check(created == f"sessions created: {n_calls}", f"{created}, of {n_calls}: a U ran again")
check(active == "active sessions: 0", f"{active} are left")
check(ctl.command("G ncmds_errs") == "0", "a command failed")
call = call_up(ctl)
talk = Talk(call)
talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
talk.caller_to_callee()
talk.back.reach(call.callee.at_relay(), call.caller.rtp)
talk.callee_to_caller()
check(ctl.command(f"D {call.call_id} {call.tags}") == "0", "D")
print(f"{n_calls} calls, {len(killed)} deaths")
deaf.close()
PYTHON
lab_down
