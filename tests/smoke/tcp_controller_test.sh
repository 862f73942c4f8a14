#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Calls over TCP, among clients that misbehave, and while the control process is killed.
#
#	controllers --TCP--> control (kill -9 x 5)     caller ---ext--- relay ---int--- callee
#
# Story: whole calls are set up and judged over tcp and tcp6. Then somebody takes every place for
# connections, one of them floods and reads nothing: a controller elsewhere notices nothing. At last
# a controller sets up and ends calls while the control process is killed again and again. Its
# connection closes each time; it connects again at once and is never refused; what was answered
# before is still so, and a command whose answer it missed is simply asked again.
# Not covered: UDP (control_restart_test), death at a chosen instruction (tests/crash).
. "$(dirname "$0")/_init.sh"

# The addresses of the lab's control leg; see tools/lab_network.sh.
lab_up --control "unix:/run/rtprelay-lab/$LAB/command.sock" --control tcp:198.18.255.2:22222 \
	--control tcp6:2001:db8:0:c::2:22222
callplay --control "tcp:$LAB_CONTROL4:22222" --seconds 2 --family 4,46
callplay --control "tcp6:$LAB_CONTROL6:22222" --seconds 2
story <<'PYTHON'
import json
import signal
import socket

from rtpp import Controller, Netns, RtppError
from story import *

KILLS = 5
TCP4 = f"tcp:{LAB['LAB_CONTROL4']}:22222"


def control_counter(name):
    shown = subprocess.run([os.path.join(BUILD, "rrctl"), "-c", LAB["LAB_CONF"], "stats", "show",
                            "--json"], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)["control"][name]


def connect():
    with Netns(LAB["LAB_NS_CALLER"]):
        sock = socket.create_connection((LAB["LAB_CONTROL4"], 22222))
    sock.setblocking(False)
    return sock


def flood(sock):
    """Commands without end; returns how many bytes were taken."""
    sent = 0
    try:
        while sent < 50_000_000:
            sent += sock.send(b"V\n" * 4096)
    except BlockingIOError:
        pass
    return sent


def crowd_hurts_nobody():
    crowd = [connect() for _ in range(120)]
    crowd[0].send(b"D half a li")
    check(flood(crowd[1]) < 50_000_000, "a client that reads nothing is read without end")
    elsewhere = Controller(TCP4, LAB["LAB_NS_RELAY"], timeout=10)
    call = Call(0, elsewhere, caller(), callee(), "crowd")
    call.set_up()
    talk = Talk(call)
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
    talk.back.reach(call.callee.at_relay(), call.caller.rtp)
    talk.caller_to_callee()
    talk.callee_to_caller()
    call.tear_down()
    call.close()
    elsewhere.close()
    wait_until(lambda: control_counter("connections_displaced") >= 1, "a place was made")
    for sock in crowd:
        sock.close()


class Persistent:
    """Keeps its connection; makes another when that is closed, and asks again."""

    def __init__(self):
        self.controller = Controller(TCP4, LAB["LAB_NS_CALLER"], timeout=20)
        self.n_lost = 0

    def command(self, text):
        while True:
            try:
                return self.controller.command(text)
            except RtppError:
                check(self.controller.n_refused == 0, "a connection was refused")
                self.n_lost += 1


def worker():
    found = subprocess.run(["pgrep", "-P", LAB["LAB_CONTROL_PID"]], capture_output=True, text=True,
                           check=False)
    return int(found.stdout.split()[0]) if found.stdout else None


def answered_is_not_lost():
    ctl = Persistent()
    here, there = caller(), callee()
    known, ended, killed, number = [], [], set(), 0
    while len(killed) < KILLS:
        number += 1
        call = Call(number, ctl, here, there, "tcp")
        call.set_up()
        known.append(call)
        victim = worker()
        if number % 4 == 0 and victim not in (None, *killed):
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
        if number % 2 == 0:
            call = known.pop(0)
            lost = ctl.n_lost
            reply = ctl.command(f"D {call.call_id} {call.tags}")
            check(reply == "0" or (reply == "E50" and ctl.n_lost > lost), f"D answered {reply}")
            ended.append(call)
    for call in known:
        check(ctl.command(f"Q {call.call_id} {call.tags}").split()[1:] == ["0"] * 4,
              f"{call.call_id} was answered and is lost")
    for call in ended:
        reply = ctl.command(f"Q {call.call_id} {call.tags}")
        check(reply == "E50", f"{call.call_id} was ended, and Q is answered {reply}")
    check(ctl.command("X") == "0", "X")
    check(ctl.n_lost >= 1, "no connection was ever closed")
    print(f"{number} calls, {len(killed)} deaths, {ctl.n_lost} commands asked again")


crowd_hurts_nobody()
answered_is_not_lost()
PYTHON
lab_down
