#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The dataplane is killed and started again: media flows again and no controller did anything.
#
#	caller ---ext--- relay (rtprelay-dp: kill -9, start) ---int--- callee
#
# Story: three calls talk, one of them over IPv6. The dataplane is killed with -9 and started, three
# times over, the last time with the shared region gone as well. Each time both directions of every
# call flow again through the same ports, from the same addresses, without a command; what does not
# arrive meanwhile is counted by name; packet counts never go back; commands work; at last the calls
# are deleted as if nothing had been.
. "$(dirname "$0")/_init.sh"

for io in af_packet af_xdp; do
	lab_up --io "$io"
	story <<'PYTHON'
import os

from story import *

# A flow that is not there, not whole, or has no way out until control has told of it.
UNTIL_TOLD = ("drop_neighbour", "drop_flow_none", "drop_flow_incomplete", "drop_flow_torn",
              "drop_flow_no_remote")
ctl = controller()
calls = [call_up(ctl, number) for number in range(2)]
over_ipv6 = Call(2, ctl, caller(family="6"), callee(family="6"), "story")
over_ipv6.set_up()
calls.append(over_ipv6)
talks = [Talk(call) for call in calls]


def everybody_talks(n_packets):
    for talk in talks:
        talk.caller_to_callee(n_packets)
        talk.callee_to_caller(n_packets)


def counts(call):
    return [int(word) for word in ctl.command(f"Q {call.call_id} {call.tags}").split()[1:4]]


everybody_talks(60)
before = [counts(call) for call in calls]
check(before == [[60, 60, 120]] * 3, f"Q before: {before}")
for restart in range(3):
    tool("kill", "dataplane")
    if restart == 2:
        os.unlink(rrctl("status")["region"]["path"])
    tool("start", "dataplane")
    for talk, call in zip(talks, calls):
        talk.forth.reach(call.caller.at_relay(), call.callee.rtp, UNTIL_TOLD)
        talk.back.reach(call.callee.at_relay(), call.caller.rtp, UNTIL_TOLD)
    everybody_talks(20)
    after = [counts(call) for call in calls]
    check(all(a > b for one, two in zip(after, before) for a, b in zip(one, two)),
          f"counts went back: {before}, then {after}")
    before = after
extra = call_up(ctl, 9)
Talk(extra).caller_to_callee(5)
for call in [*calls, extra]:
    call.tear_down()
check(ctl.command("I").splitlines()[1] == "active sessions: 0", "no session is left")
PYTHON
	lab_down
done
