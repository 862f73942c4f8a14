#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A second dataplane or control on the same region refuses to start and says who holds it.
#
# Story: both programs run. Each is started a second time with the same configuration, and control
# once more with command sockets of its own: it ends at once, not by a signal, naming the process
# that is in its way; and a call still plays.
. "$(dirname "$0")/_init.sh"

second() { # PROGRAM CONFIGURATION PID_OF_FIRST...; any of the pids will do
	local log=$SCRATCH/$1.log status=0 pid
	timeout 20 ip netns exec "$LAB_NS_RELAY" "$BUILD/$1" -c "$2" >"$log" 2>&1 || status=$?
	if [ "$status" -eq 0 ] || [ "$status" -ge 124 ]; then
		fail "a second $1 ended with status $status: $(cat "$log")"
	fi
	for pid in "${@:3}"; do
		grep -qw "$pid" "$log" && return
	done
	fail "a second $1 does not name its rival ${*:3}: $(cat "$log")"
}

lab_up
second rtprelay-dp "$LAB_CONF" "$LAB_DP_PID"
second rtprelayd "$LAB_CONF" "$LAB_CONTROL_PID" "$LAB_WORKER_PID"
sed "s#sockets = .*#sockets = [ \"unix:$SCRATCH/other.sock\" ];#" "$LAB_CONF" >"$SCRATCH/other.conf"
second rtprelayd "$SCRATCH/other.conf" "$LAB_CONTROL_PID" "$LAB_WORKER_PID"
callplay --seconds 1
lab_down
