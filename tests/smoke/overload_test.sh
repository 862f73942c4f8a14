#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Overload refuses new calls, and nothing that belongs to a call.
#
#	caller ---ext--- relay (overloaded at 6 % of load, until it is below 3 %) ---int--- callee
#
# Story: a call is up. Commands flood in until a new call is refused with E98; the call goes on, is
# changed and hears both sides, and the refusal is counted. The flood ends, and after a while new
# calls are taken again.
. "$(dirname "$0")/_init.sh"

lab_up --overload 3-6
story <<'PYTHON'
import socket

from rtpp import Netns, split_address
from story import *

BURST = 300
LOW = 0.03
ctl = controller()
call = call_up(ctl)
talk = Talk(call)
talk.caller_to_callee(5)
with Netns(LAB["LAB_NS_CALLER"]):
    flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.connect(split_address(next(s for s in LAB["LAB_SOCKETS"].split() if s[:4] == "udp:"))[1:])
n_sent = 0


def new_call():
    reply = ctl.command("U new 198.18.0.2 4000 ft")
    if reply[0] != "E":
        ctl.command("D new ft")
    return reply


def refused():
    """After some more commands that nobody waits for."""
    global n_sent
    for _ in range(BURST):
        n_sent += 1
        flood.send(b"flood%d I" % n_sent)
    return new_call() == "E98"


def load():
    name, value = ctl.command("Il").splitlines()[-1].split(": ")
    check(name == "average load", name)
    return float(value)


wait_until(refused, "a new call is refused", seconds=60)
call.offer("U", call.caller, call.callee, call.tags)
talk.caller_to_callee(5)
talk.callee_to_caller(5)
# A share: of overload at least that at which it ends, as a percentage it would be a hundred times.
wait_until(lambda: refused() and LOW <= load() < 100 * LOW, "Il says the load",
           seconds=60)
# The store has it with the next commit.
wait_until(lambda: refused() and rrctl("status")["control"]["overloaded"], "rrctl says so")
check(rrctl("stats", "show")["control"]["overloads"] > 0, "it is counted")
wait_until(lambda: new_call() != "E98", "new calls are taken again", seconds=60)
wait_until(lambda: not rrctl("status")["control"]["overloaded"], "rrctl says so")
check(rrctl("stats", "show")["control"]["overload_refused"] > 0, "refusals are counted")
call.tear_down()
PYTHON
lab_down
