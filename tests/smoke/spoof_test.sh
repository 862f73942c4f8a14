#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A stranger who knows the port of a settled stream is not relayed, and is counted.
#
#	caller .1, stranger .3 ---ext--- relay ---int--- callee
#
# Story: a call talks until both sources are settled. A stranger on the caller's network then sends
# RTP of his own, RTP with the caller's SSRC and an old sequence number, and RTCP to the caller's
# ports. The callee hears none of it, the caller's media and the callee's go on unharmed, and the
# relay counts every single one as drop_source_rejected.
# Not covered: a stranger who writes the caller's source address, and in `compat` one who continues
# the caller's sequence numbers (docs/learning.md says what both can reach).
. "$(dirname "$0")/_init.sh"

for learning in safe compat; do
	lab_up --learning "$learning"
	story <<'PYTHON'
from story import *

ctl = controller()
call = call_up(ctl)
talk = Talk(call)
for _ in range(8):
    talk.caller_to_callee(10)
    talk.callee_to_caller(10)
report = b"\x80\xc9\x00\x01\x11\x11\x11\x11"
call.caller.rtcp.sendto(report, call.caller.at_relay(1))
got = receive_within(call.callee.rtcp, ARRIVAL_S)
check(got is not None and got[0] == report, "the caller's RTCP did not arrive")

stranger = caller(index=2)
other_ssrc = Talker(stranger.rtp, 0x66666666)
same_ssrc = Talker(stranger.rtp, talk.forth.ssrc)
for _ in range(20):
    other_ssrc.send(call.caller.at_relay())
    same_ssrc.index = -1  # older than all the caller sent; `compat` takes what is ahead
    same_ssrc.send(call.caller.at_relay())
    stranger.rtcp.sendto(report, call.caller.at_relay(1))
    talk.caller_to_callee(2)
    talk.callee_to_caller(2)
check_silence(call.callee.rtp, "the callee heard the stranger")
check_silence(call.callee.rtcp, "the callee got the stranger's report")
check_silence(stranger.rtp, "the stranger hears the callee")
call.tear_down()
PYTHON
	[ "$(counter drop_source_rejected)" = 60 ] ||
		fail "60 packets of the stranger, counted $(counter drop_source_rejected)"
	lab_down
done
