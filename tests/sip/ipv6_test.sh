#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Kamailio and rtprelay over IPv6, and calls between the families in both directions.
#
# Story: signalling, commands and media all over IPv6; then SIP and media over IPv4 on the caller's
# side and over IPv6 on the callee's, where the relay's realm has no IPv4; and the other way round.
# Each party is told an address of its own family.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

run_calls() { # FAMILY CALLER_FAMILY CALLEE_FAMILY
	sip_lab_up "$1"
	say
	kamailio_up "udp6:$LAB_CONTROL6:22222"
	callee_up "$3" callee "$CALLS"
	place_calls "$2" "$3" caller "$CALLS" -r 10
	kamailio_down
	verdict "$CALLS" --caller-talks 1 --callee-talks 1
	lab_down
}

run_calls 6 6 6
run_calls 46 4 6
run_calls 64 6 4
