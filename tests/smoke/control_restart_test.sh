#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Control is killed again and again under a controller that keeps sending; nobody notices.
#
#	controller --UDP--> control (kill -9 x 8)     caller ---ext--- relay ---int--- callee
#
# Story: twenty calls talk. A controller sets up, queries and deletes further calls without a pause
# while the control process is killed again and again. It never sees a refused datagram, every
# reply is the right one, and every command took effect once: a D that ran twice would be answered
# E50, a U that ran twice would leave a session. After each death the last D is sent once more with
# its old cookie, and answered as before. The command sockets are the same ones all the time. The
# talking calls lose no packet, and their Q agrees at the end.
# Not covered: death at a chosen instruction (tests/crash).
. "$(dirname "$0")/_init.sh"

readonly KILLS=8

lab_up
"$TOP/tools/callplay" --lab "$LAB" --calls 20 --seconds 120 >"$SCRATCH/callplay" 2>&1 &
callplay_pid=$!
wait_until 10 eval '[ "$(ask I | sed -n "s/active sessions: //p")" = 20 ]'
story "$KILLS" <<'PYTHON'
import os
import random
import signal
import subprocess
import sys
import threading

from story import *

KILLS = int(sys.argv[1])
BETWEEN_S = 0.2
supervisor = int(LAB["LAB_CONTROL_PID"])
ctl = controller(timeout=0.5, retries=40)
seed = random.randrange(1 << 32)
print("seed", seed)
dice = random.Random(seed)
here, there = caller(), callee()


def sockets():
    """Those that outlive every worker, by their inodes: one that was bound anew is another one."""
    folder = f"/proc/{supervisor}/fd"
    links = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
    return sorted(link for link in links if link.startswith("socket:"))


def worker():
    found = subprocess.run(["pgrep", "-P", str(supervisor)], capture_output=True, text=True,
                           check=False)
    return int(found.stdout.split()[0]) if found.stdout else None


def one_call(number):
    """Yields after every command."""
    call = Call(number, ctl, here, there, "restart")
    call.set_up()
    yield
    ports = here.relay, there.relay
    call.offer("L", there, here, call.tags)
    check((here.relay, there.relay) == ports, "a repeated L names another port")
    yield
    check(call.ask(f"Q {call.call_id} {call.tags}").split()[1:] == ["0"] * 4, "Q of a new call")
    yield
    last_delete[:] = f"delete{number}", f"D {call.call_id} {call.tags}"
    reply = ctl.command_with_cookie(*last_delete)
    check(reply == "0", f"D was answered {reply}: it ran twice, or the call was lost")
    yield


def repeat_last_delete():
    """As a retransmission that a dead control answered already: the same reply, nothing done."""
    cookie, command = last_delete
    reply = ctl.command_with_cookie(cookie, command)
    check(reply == "0", f"the repeated cookie of a D was answered {reply}: it ran twice")
    reply = ctl.command(command)
    check(reply == "E50", f"a new D of a deleted call was answered {reply}")


def commands():
    number = 0
    while True:
        yield from one_call(number)
        number += 1


killed = set()
last_delete = []


def kill_again_and_again():
    """Beside the commands, so that death comes before, inside and after any of them."""
    while len(killed) < KILLS:
        victim = worker()
        if victim in (None, *killed):
            continue
        time.sleep(BETWEEN_S * dice.random())
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)


bound = sockets()
check(len(bound) >= len(LAB["LAB_SOCKETS"].split()), f"command sockets: {bound}")
run = commands()
killer = threading.Thread(target=kill_again_and_again, daemon=True)
killer.start()
seen = 0
while killer.is_alive() or worker() in (None, *killed):
    next(run)
    if len(killed) > seen and last_delete:
        seen = len(killed)
        repeat_last_delete()
for step in range(100):
    next(run)
while True:  # to the end of the call that is under way
    sessions = ctl.command("I").splitlines()[1]
    if sessions == "active sessions: 20":
        break
    check(sessions == "active sessions: 21", f"{sessions}, expected the 20 that talk")
    next(run)
check(ctl.n_refused == 0, f"{ctl.n_refused} datagrams were refused")
check(sockets() == bound, f"command sockets were {bound}, are {sockets()}")
print(f"{ctl.n_commands} commands, {ctl.n_retransmits} retransmissions")
PYTHON
kill -TERM "$callplay_pid" # it ends its calls and judges them
wait "$callplay_pid" || fail "media suffered: $(cat "$SCRATCH/callplay")"
cat "$SCRATCH/callplay"
lab_down
