#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A call without media ends by itself; one with media does not.
#
#	caller ---ext--- relay (calls live 3 s) ---int--- callee
#
# Story: two calls are set up under a media TTL of 3 seconds. One stays silent and is gone; its
# ports answer nobody and what is sent to them is counted. The other talks on and outlives it.
. "$(dirname "$0")/_init.sh"

lab_up --media-ttl 3
story <<'PYTHON'
from story import *

ctl = controller()
started = time.monotonic()  # before the call's life began, so that it is never seen too short
silent, talking = call_up(ctl, 0), call_up(ctl, 1)
talk = Talk(talking)


def gone():
    talk.caller_to_callee(1)
    return ctl.command(f"Q {silent.call_id} {silent.tags}").startswith("E50")


wait_until(gone, "the silent call is gone", seconds=30)
lived = time.monotonic() - started
check(lived > 3, f"the silent call lived {lived:.1f} s, promised were 3")
check(ctl.command("G nsess_timeout") == "1", "nsess_timeout counts the call")
for _ in range(5):
    silent.caller.rtp.sendto(b"late", silent.caller.at_relay())
check_silence(silent.callee.rtp, "a call that has ended still relays")
talk.caller_to_callee(10)
talk.callee_to_caller(10)
talking.tear_down()
check(ctl.command("I").splitlines()[1] == "active sessions: 0", "no session is left")
PYTHON
[ "$(counter drop_flow_none)" = 5 ] || fail "late packets: $(counter drop_flow_none) counted of 5"
lab_down
