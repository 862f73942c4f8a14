#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Calls whose INVITE has no SDP: the callee makes the offer in its 200, the ACK has the answer.
#
# Story: the caller is told the relay's address on its side in the 200, the callee the one on its
# side in the ACK; both talk; the caller hangs up. What the caller says at once may overtake its
# ACK, and the relay then counts it as early. What it leaves out: early media of the callee, which
# a caller without an address can not hear.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

sip_lab_up 4
say
kamailio_up "udp:$LAB_CONTROL4:22222"
callee_up 4 callee "$CALLS"
place_calls 4 4 caller_late "$CALLS" -r 10
kamailio_down
verdict "$CALLS" --caller-talks 1 --callee-talks 1 --answers caller
lab_down
