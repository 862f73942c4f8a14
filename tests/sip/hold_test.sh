#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A caller puts the callee on hold and resumes, in both ways of saying so; the callee hangs up.
#
# Story: both talk; a re-INVITE with a=sendonly, and music for the callee alone; both talk; a
# re-INVITE with c=0.0.0.0, and silence; both talk. All five offers and answers name the same
# ports of the relay, and nothing is lost at any turn. Commands take the UNIX socket.
. "$(dirname "$0")/_init.sh"

readonly CALLS=10

sip_lab_up 4
say
kamailio_up "unix:$LAB_DIR/command.sock"
callee_up 4 callee_held "$CALLS"
place_calls 4 4 caller_holds "$CALLS" -r 10
kamailio_down
verdict "$CALLS" --caller-talks 4 --callee-talks 3 --caller-sdps 5 --callee-sdps 5
lab_down
