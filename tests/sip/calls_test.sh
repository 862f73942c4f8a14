#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 200 calls at 20 a second through Kamailio, both parties talking.
#
# Story: every call is answered, both parties say two seconds of speech at once, the caller hangs
# up. Each SDP names the relay, each packet arrives where it was promised, bit for bit, and
# afterwards nothing is left: no session, no flow, no port, no drop.
. "$(dirname "$0")/_init.sh"

readonly CALLS=200

sip_lab_up 4
say
kamailio_up "udp:$LAB_CONTROL4:22222"
callee_up 4 callee "$CALLS"
place_calls 4 4 caller "$CALLS" -r 20
kamailio_down
verdict "$CALLS" --caller-talks 1 --callee-talks 1
lab_down
