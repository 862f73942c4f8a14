#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A re-INVITE that the callee refuses with 488 leaves the call's media as it was.
#
# Story: both talk; the caller offers another codec from its old address and is refused; both talk
# on at the same ports; the caller hangs up.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

sip_lab_up 4
say
kamailio_up "udp:$LAB_CONTROL4:22222"
callee_up 4 callee_refuses "$CALLS"
place_calls 4 4 caller_refused "$CALLS" -r 10
kamailio_down
verdict "$CALLS" --caller-talks 2 --callee-talks 2 --callee-sdps 2
lab_down
