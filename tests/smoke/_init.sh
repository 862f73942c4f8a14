# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced first by every smoke test: a lab of the test's own, taken down however the test ends.
#
# A test that fails leaves the logs of both programs in $BUILD/logs/SUITE. A program that dies by a
# signal nobody sent, leaks, or stays behind fails the test when the lab comes down.
set -Eeuo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(realpath -m "${BUILD:-$TOP/build}")
export BUILD
TEST=$(basename "$0" .sh)
SUITE=$(basename "$(dirname "$(realpath "$0")")")
# Of this process alone: another run of the same test may stand beside it.
LAB=$(printf 'smoke-%.10s-%d' "$(tr _ - <<<"${TEST%_test}")" $$)
SCRATCH=$(mktemp -d)
readonly TOP TEST SUITE LAB SCRATCH

lab() {
	"$TOP/tools/lab" "$1" --name "$LAB" "${@:2}"
}

lab_up() { # OPTIONS...
	local assignments
	echo "-- lab up $*"
	assignments=$(lab up "$@")
	eval "$assignments"
}

lab_down() {
	assert_accounting
	lab down
}

# Process ids after a restart.
lab_refresh() {
	local assignments
	assignments=$(lab status)
	eval "$assignments"
}

# What a smoke test left that was killed before it could take its lab down.
remove_dead_labs() {
	local dir name
	for dir in /run/rtprelay-lab/smoke-*-*; do
		name=${dir##*/}
		if [[ $name =~ -([0-9]+)$ ]] && ! [ -e "/proc/${BASH_REMATCH[1]}" ]; then
			"$TOP/tools/lab" down --name "$name" || true
		fi
	done
	# Fronts are named after the lab: LAB-NUMBER.
	for dir in /run/rtprelay/smoke-*-*; do
		if [[ $dir =~ -([0-9]+)-[0-9]+$ ]] && ! [ -e "/proc/${BASH_REMATCH[1]}" ]; then
			rm -rf "$dir"
		fi
	done
}

keep_logs() {
	local logs=$BUILD/logs/$SUITE
	mkdir -p "$logs"
	cp "$LAB_DP_LOG" "$logs/$TEST.dataplane.log" 2>/dev/null || true
	cp "$LAB_CONTROL_LOG" "$logs/$TEST.control.log" 2>/dev/null || true
	rrctl stats show >"$logs/$TEST.stats" 2>/dev/null || true
	tail -n 15 "$LAB_DP_LOG" "$LAB_CONTROL_LOG" >&2 || true
}

at_exit() {
	local status=$?
	trap - EXIT ERR
	if [ -e "${LAB_DIR:-/nonexistent}" ]; then
		[ "$status" -eq 0 ] || keep_logs
		lab down || status=1
	fi
	rm -rf "$SCRATCH" "/run/rtprelay/$LAB"-*
	[ "$status" -eq 0 ] && echo "$TEST passed"
	exit "$status"
}
trap at_exit EXIT
trap 'echo "$TEST: line $LINENO failed: $BASH_COMMAND" >&2' ERR
trap 'exit 130' INT TERM
remove_dead_labs

fail() {
	echo "$TEST: $*" >&2
	exit 1
}

rrctl() {
	"$BUILD/rrctl" -c "$LAB_CONF" "$@"
}

# A counter of the dataplane, summed over ports and workers.
counter() { # NAME
	rrctl stats show --json | jq -e ".totals.$1"
}

balanced() {
	[ "$(rrctl stats show --json | jq .generation.imbalance)" = 0 ]
}

# The equation of common/counters.h holds; a packet may be under way.
assert_accounting() {
	wait_until 10 balanced
}

# One command, and its reply, over the lab's UNIX socket.
ask() { # COMMAND...
	"$TOP/tools/rtpp.py" "unix:$LAB_DIR/command.sock" "$@"
}

callplay() { # OPTIONS...
	"$TOP/tools/callplay" --lab "$LAB" "$@"
}

# Waits for a condition, never for a time; the bound is there to end a test that has failed.
wait_until() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1))
	while ! "${@:2}"; do
		[ $SECONDS -lt "$deadline" ] || fail "still not so after $1 s: ${*:2}"
		sleep 0.05
	done
}

# The rest of a story in Python, from standard input; what it can use is in story.py.
story() { # ARGUMENTS...
	LAB_NAME=$LAB PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH=$TOP/tools:$TOP/tests/smoke /usr/bin/python3 - "$@"
}
