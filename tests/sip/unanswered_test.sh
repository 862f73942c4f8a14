#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Calls that nobody answers: the proxy gives up, and the relay holds nothing for them any more.
#
# Story: a callee rings for ever; Kamailio cancels it after RING_MS and tells the caller 408. Then a
# callee that never says a word, for which SILENT_MS holds. Either way the session is deleted, long
# before rtprelay's own time for calls in set-up.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

sip_lab_up 4
say
kamailio_up "udp:$LAB_CONTROL4:22222" -A RING_MS=2000 -A SILENT_MS=1000
for callee in callee_rings callee_silent; do
	callee_up 4 "$callee" "$CALLS"
	place_calls 4 4 caller_waits "$CALLS" -r 10
done
kamailio_down
verdict $((2 * CALLS)) --caller-talks 0 --callee-talks 0 --caller-sdps 0
lab_down
