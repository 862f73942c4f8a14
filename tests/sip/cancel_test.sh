#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A caller hears early media and gives up before the callee answers.
#
# Story: the callee rings with early media (183 with SDP), which reaches the caller; CANCEL; the
# session and its ports are gone although nobody ever answered and no BYE comes.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

sip_lab_up 4
say
kamailio_up "udp:$LAB_CONTROL4:22222"
callee_up 4 callee_cancelled "$CALLS"
place_calls 4 4 caller_cancels "$CALLS" -r 10
kamailio_down
verdict "$CALLS" --caller-talks 0 --callee-talks 1
lab_down
