#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A re-INVITE moves the caller to another address in the middle of the call.
#
#	caller .1, then .2 ---ext--- relay ---int--- callee
#
# Story: media flows and both sources are settled; U and L of a re-INVITE name another address of
# the caller. The ports stay; the callee's media reaches the new address before the new address has
# sent anything, and what came before its MAC address was known is counted, to the packet; the new
# address is heard; then the callee moves in the same way.
# Under `safe` the caller's old address is then rejected and counted. Under `compat` it is heard, as
# rtpproxy lets anybody take over a leg in the 10 s after it was signalled anew.
. "$(dirname "$0")/_init.sh"

for learning in safe compat; do
	lab_up --learning "$learning"
	story "$learning" <<'PYTHON'
import sys

from story import *

ctl = controller()
call = call_up(ctl)
talk = Talk(call)
for _ in range(6):
    talk.caller_to_callee(10)
    talk.callee_to_caller(10)

old, call.caller = call.caller, caller(index=1)
ports = call.callee.relay, old.relay
call.offer("U", call.caller, call.callee, call.tags)
call.offer("L", call.callee, call.caller, call.tags)
check((call.callee.relay, call.caller.relay) == ports, "a re-INVITE changed the ports")
talk.back.reach(call.callee.at_relay(), call.caller.rtp)
talk.callee_to_caller(20)
talk.forth = Talker(call.caller.rtp, 0x33333333)
talk.caller_to_callee(60)
talk.callee_to_caller(20)
check_silence(old.rtp, "the address left behind still receives")

old_callee, call.callee = call.callee, callee(index=1)
tags = " ".join(reversed(call.tags.split()))
call.callee.relay = old_callee.relay
call.offer("U", call.callee, call.caller, tags)
call.offer("L", call.caller, call.callee, tags)
check((call.callee.relay, call.caller.relay) == ports, "the callee's re-INVITE changed the ports")
talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
talk.caller_to_callee(20)
talk.back = Talker(call.callee.rtp, 0x44444444)
talk.callee_to_caller(20)
check_silence(old_callee.rtp, "the callee's old address still receives")
Talker(old.rtp, 0x11111111).send(old.relay)
if sys.argv[1] == "safe":
    check_silence(call.callee.rtp, "the callee hears the caller's old address")
else:
    check(receive_within(call.callee.rtp, ARRIVAL_S), "the caller's old address is not heard")
call.tear_down()
PYTHON
	if [ "$learning" = safe ]; then
		[ "$(counter drop_source_rejected)" = 1 ] || fail "the old address was not counted"
	fi
	lab_down
done
