#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A controller that is control's parent: calls over standard input, while the worker is killed.
#
#	controller --pipes--> supervisor --> worker (kill -9 x 6)   caller --- relay --- callee
#
# Story: control is started by a controller, which sends commands without waiting for the answers
# to those before, and kills the worker again and again. Every command is answered, in its order,
# and was run once: a D that ran twice would be answered E50, a U twice would leave a session, an
# Un twice another port than the one that was answered. Once the worker dies for certain after it
# has committed and before it has answered, for the dataplane stands still. A call that was set up
# after all that carries media both ways. At the end of its input control deletes nothing, waits
# for the last call, and ends.
# Not covered: clients that misbehave (tests/golden/supervision).
. "$(dirname "$0")/_init.sh"

lab_up
lab stop control
sed "s|sockets = .*|sockets = [ \"stdio:\" ];|" "$LAB_CONF" >"$SCRATCH/stdio.conf"
grep -q '"stdio:"' "$SCRATCH/stdio.conf"
story "$SCRATCH/stdio.conf" "$LAB_CONTROL_LOG" <<'PYTHON'
import json
import signal
import sys
import threading

from story import *

KILLS = 6
BATCH = 10
with open(sys.argv[2], "a", encoding="utf-8") as log:
    control = subprocess.Popen(
        ["ip", "netns", "exec", LAB["LAB_NS_RELAY"], os.path.join(BUILD, "rtprelayd"), "-c",
         sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0)


class Pipe:
    def command(self, text):
        self.say([text])
        return self.hear(1)[0]

    def say(self, lines):
        control.stdin.write("".join(line + "\n" for line in lines).encode())

    def hear(self, n_lines):
        return [control.stdout.readline().decode().rstrip("\n") for _ in range(n_lines)]


def worker():
    found = subprocess.run(["pgrep", "-P", str(control.pid)], capture_output=True, text=True,
                           check=False)
    return int(found.stdout.split()[0]) if found.stdout else None


killed = set()


def kill_again_and_again():
    while len(killed) < KILLS:
        victim = worker()
        if victim not in (None, *killed):
            time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)


def life(number):
    tags = f"f{number} t{number}"
    name = f"stdio{number}"
    return [f"U {name} 198.18.0.2 4000 f{number}", f"L {name} 198.19.0.2 4000 {tags}",
            f"Un {name} 198.18.0.2 4000 {tags}", f"U {name} 198.18.0.2 4000 {tags}",
            f"D {name} {tags}", f"D {name} {tags}"]


def check_life(number, replies):
    first, lookup, moved, again, ended, twice = replies
    for reply in (first, lookup, moved, again):
        check(reply[:1].isdigit(), f"call {number}: {replies}")
    check(moved == again, f"call {number}: Un was answered {moved}, the port is {again}")
    check(ended == "0", f"call {number}: D was answered {ended}: it ran twice, or never")
    check(twice == "E50", f"call {number}: a second D was answered {twice}")


def under_fire(ctl):
    """Returns how many calls have lived."""
    killer = threading.Thread(target=kill_again_and_again, daemon=True)
    killer.start()
    number = 0
    while killer.is_alive():
        batch = range(number, number + BATCH)
        ctl.say([line for n in batch for line in life(n)])
        for n in batch:
            check_life(n, ctl.hear(6))
        number += BATCH
    return number


def n_committed():
    """Commands whose effect is in the store."""
    shown = subprocess.run([os.path.join(BUILD, "rrctl"), "-c", LAB["LAB_CONF"], "stats", "show",
                            "--json"], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)["control"]["ncmds_rcvd"]


def between_commit_and_answer(ctl):
    calls = [f"U still{n} 198.18.0.2 4000 f" for n in range(BATCH)]
    ctl.say(calls)
    ctl.hear(BATCH)
    dataplane = int(LAB["LAB_DP_PID"])
    n_before = n_committed()
    os.kill(dataplane, signal.SIGSTOP)
    try:
        ctl.say([f"D still{n} f" for n in range(BATCH)])
        wait_until(lambda: n_committed() >= n_before + BATCH, "they are in the store")
        victim = worker()
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
    finally:
        os.kill(dataplane, signal.SIGCONT)
    replies = ctl.hear(BATCH)
    check(replies == ["0"] * BATCH, f"D was answered {replies}: it ran twice")
    return BATCH


try:
    ctl = Pipe()
    check(ctl.command("V") == "20040107", "V")
    n_calls = under_fire(ctl) + between_commit_and_answer(ctl)
    call = call_up(ctl)
    talk = Talk(call)
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
    talk.caller_to_callee()
    talk.back.reach(call.callee.at_relay(), call.caller.rtp)
    talk.callee_to_caller()
    check(ctl.command("I") == "sessions created: %d" % (n_calls + 1), "sessions created")
    check(ctl.hear(4)[0] == "active sessions: 1", "a session too many")
    ctl.say([f"D {call.call_id} {call.tags}"])
    control.stdin.write(b"half a li")
    control.stdin.close()
    last = ctl.hear(2)
    check(last == ["0", ""], f"the end of output is {last}")
    check(control.wait(20) == 0, "control did not end well")
    print(f"{n_calls} calls, {len(killed)} deaths")
finally:
    control.kill()
PYTHON
lab_down
