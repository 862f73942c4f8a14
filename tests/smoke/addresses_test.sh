#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Addresses come and go while calls play, and either process is killed in between.
#
#	caller ---ext--- relay (rrctl address add, drain; kill -9, start) ---int--- callee
#
# Story: calls talk. An address is added to the external pool, and a new call is on it. Control is
# killed with -9 and started, then the dataplane: all calls go on, and the address stays. The
# address of the first call is drained: the call goes on through another death of both, new calls
# are elsewhere. With its last call the address is gone, for good, until it is added again.
# No packet of a standing call is lost but while the dataplane is dead.
. "$(dirname "$0")/_init.sh"

lab_up
story <<'PYTHON'
from story import *

NEW = "198.18.0.77"
UNTIL_TOLD = ("drop_neighbour", "drop_flow_none", "drop_flow_incomplete", "drop_flow_torn",
              "drop_flow_no_remote")
ctl = controller()
calls = Calls(ctl)


def row(address):
    rows = rrctl("address", "list")["addresses"]
    return next((r for r in rows if r["address"] == address), None)


def state(address):
    return (row(address) or {"state": "none"})["state"]


def in_region():
    return rrctl("status")["region"]["addresses"]


def control_dies():
    tool("kill", "control")
    tool("start", "control")
    calls.all_talk()


def dataplane_dies():
    tool("kill", "dataplane")
    tool("start", "dataplane")
    for call, talk in calls.items():
        talk.forth.reach(call.caller.at_relay(), call.callee.rtp, UNTIL_TOLD)
        talk.back.reach(call.callee.at_relay(), call.caller.rtp, UNTIL_TOLD)
    calls.all_talk()


old = [calls.new() for _ in range(3)]
calls.all_talk()
n_addresses = in_region()
check(rrctl("address", "add", "external", NEW) == {"addresses": 1}, "added")
check(in_region() == n_addresses + 1, "the region has it")
calls.all_talk()
while at(calls.new()) != NEW:
    check(len(calls) < 30, f"no call of {len(calls)} is on {NEW}")
calls.all_talk()
check(row(NEW)["calls"] == 1 and row(NEW)["ports"] == 2, f"in use: {row(NEW)}")
control_dies()
check(state(NEW) == "active", f"after the death of control: {row(NEW)}")
dataplane_dies()
check(in_region() == n_addresses + 1, "an adopted region keeps it")

drained = at(old[0])
rrctl("address", "drain", drained)
check(state(drained) == "draining", f"drained: {row(drained)}")
for _ in range(8):
    check(at(calls.new()) != drained, "a new call is on the address that drains")
calls.all_talk()
control_dies()
dataplane_dies()
check(state(drained) == "draining", f"still draining: {row(drained)}")
for call in [call for call in calls if at(call) == drained]:
    check(in_region() == n_addresses + 1, "gone before its last call")
    calls.pop(call)
    call.tear_down()
wait_until(lambda: state(drained) == "gone" and in_region() == n_addresses, "it is gone")
calls.all_talk()
control_dies()
check(state(drained) == "gone", f"it came back: {row(drained)}")
rrctl("address", "add", "external", drained)
check(state(drained) == "active" and in_region() == n_addresses + 1, "it is back")
while at(calls.new()) != drained:
    check(len(calls) < 60, f"no call of {len(calls)} is on {drained}")
calls.all_talk()
for call in calls:
    call.tear_down()
check(ctl.command("I").splitlines()[1] == "active sessions: 0", "no session is left")
PYTHON
lab_down
