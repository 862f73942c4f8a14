#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 200 calls at once: the relay loses no packet, by its own account and by the callees' capture.
#
#	200 callers ---ext--- relay ---int--- 200 callees, tcpdump on the callees' interface
#
# Story: 200 calls are set up and play at once. Whatever the relay received it relayed, once, in
# order and unaltered: its counters, the capture and what the players took agree to the packet, and
# it dropped nothing. What a busy machine loses in the veth before the relay is reported, and must
# not be more than one in a hundred.
# Not covered: how many calls a machine can carry.
. "$(dirname "$0")/_init.sh"

readonly CALLS=200

run_calls() { # IO
	local to_callee captured dump tcpdump_pid
	lab_up --io "$1"
	dump=$SCRATCH/$1.pcap
	ip netns exec "$LAB_NS_CALLEE" tcpdump -i leg -Q in -s 64 -B 65536 -U \
		--immediate-mode -w "$dump" 'udp and dst net 198.19.0.0/24' 2>"$dump.log" &
	tcpdump_pid=$!
	wait_until 10 grep -q 'listening on' "$dump.log"
	callplay --calls "$CALLS" --seconds 6 --json >"$SCRATCH/$1.json" || true
	kill "$tcpdump_pid"
	wait "$tcpdump_pid"
	grep -q '^0 packets dropped by kernel' "$dump.log" || fail "tcpdump: $(cat "$dump.log")"
	check_streams "$SCRATCH/$1.json"
	check_relay "$(total received "$SCRATCH/$1.json")"
	to_callee=$(jq '[.rows[] | select(.direction == "caller to callee") | .received] | add' \
		"$SCRATCH/$1.json")
	captured=$(tcpdump -n -r "$dump" 2>/dev/null | wc -l)
	[ "$captured" = "$to_callee" ] || fail "$captured captured, callees took $to_callee"
	lab_down
}

total() { # FIELD FILE
	jq "[.rows[].$1] | add" "$2"
}

check_streams() { # FILE
	local field sent received
	for field in duplicate reordered altered wrong_source send_errors; do
		[ "$(total "$field" "$1")" = 0 ] || fail "$field: $(jq -c .complaints "$1")"
	done
	sent=$(total sent "$1") received=$(total received "$1")
	echo "sent $sent, received $received"
	[ "$sent" -ge $((CALLS * 2 * 6 * 30)) ] && [ $((received * 100)) -ge $((sent * 99)) ] ||
		fail "$(jq -c .complaints "$1")"
	[ "$received" -lt "$sent" ] || [ "$(jq '.complaints | length' "$1")" = 0 ] ||
		fail "$(jq -c .complaints "$1")"
}

# What the namespaces' own kernels send to multicast addresses is no media.
check_relay() { # PACKETS
	local relayed dropped
	relayed=$(counter relayed_packets)
	[ "$relayed" = "$1" ] || fail "the relay relayed $relayed packets, $1 arrived"
	dropped=$(rrctl stats show --json | jq -c '.totals | with_entries(select(
		(.key | startswith("drop_")) and .key != "drop_ip_dst" and .value != 0))')
	[ "$dropped" = '{}' ] || fail "dropped: $dropped"
}

for io in af_packet af_xdp; do
	run_calls "$io"
done
