#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two instances on one machine, on the same interfaces, with addresses of their own.
#
#	caller ---ext--- relay (first, second) ---int--- callee
#
# Story: a second pair of programs starts beside the lab's own, with folders, sockets and addresses
# of its own. Calls talk through both. The first pair is killed with -9: the second one's call loses
# no packet. The first pair starts again, and its call goes on as well. Then the second pair ends.
. "$(dirname "$0")/_init.sh"

lab_up
sed -e "s#$LAB_DIR/#$SCRATCH/#g" -e "s#hugepage_dir = \"[^\"]*\"#hugepage_dir = \"\"#" \
	-e "s#sockets = .*#sockets = [ \"unix:$SCRATCH/command.sock\" ];#" -e '/ipv6 = /d' \
	-e 's#\(198\.1[89]\.0\.\)[0-9]*-198\.1[89]\.0\.[0-9]*#\1200-\1203#' \
	"$LAB_CONF" >"$SCRATCH/second.conf"
mkdir "$SCRATCH/run"

pids=()
stop_second() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	at_exit
}
trap stop_second EXIT
for program in rtprelay-dp rtprelayd; do
	ip netns exec "$LAB_NS_RELAY" nice -n -15 "$BUILD/$program" -c "$SCRATCH/second.conf" \
		>"$SCRATCH/$program.log" 2>&1 </dev/null &
	pids+=($!)
done

story "$SCRATCH" <<'PYTHON'
import sys

from call import CallError
from story import *

folder = sys.argv[1]
first_conf, second_conf = LAB["LAB_CONF"], f"{folder}/second.conf"
first_ctl, second_ctl = controller(), Controller(f"unix:{folder}/command.sock")


def second_serves():
    try:
        return not second_ctl.command("U probe 198.18.0.1 4000 a").startswith("E")
    except (OSError, CallError):
        return False


def say(talk, conf):
    LAB["LAB_CONF"] = conf  # whose drops are counted
    talk.forth.reach(talk.call.caller.at_relay(), talk.call.callee.rtp, UNTIL_TOLD)
    talk.back.reach(talk.call.callee.at_relay(), talk.call.caller.rtp, UNTIL_TOLD)
    talk.caller_to_callee(20)
    talk.callee_to_caller(20)


UNTIL_TOLD = ("drop_neighbour", "drop_flow_none", "drop_flow_incomplete", "drop_flow_torn",
              "drop_flow_no_remote")
wait_until(second_serves, "the second instance serves")
second_ctl.command("D probe a")
first, second = Talk(call_up(first_ctl, 1)), Talk(call_up(second_ctl, 2))
say(first, first_conf)
say(second, second_conf)
for program in "dataplane", "control":
    tool("kill", program)
    second.caller_to_callee(30)
    second.callee_to_caller(30)
extra = Talk(call_up(second_ctl, 3))
extra.caller_to_callee(5)
for program in "dataplane", "control":
    tool("start", program)
say(first, first_conf)
second.caller_to_callee(10)
for talk in first, second, extra:
    talk.call.tear_down()
PYTHON

kill "${pids[@]}"
for pid in "${pids[@]}"; do
	status=0
	wait "$pid" || status=$?
	[ "$status" = 0 ] || fail "the second instance ended with status $status"
done
pids=()
lab_down
