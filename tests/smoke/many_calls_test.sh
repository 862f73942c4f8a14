#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 200 calls at once: the relay loses no packet, by its own account and by the callee's capture.
#
#	200 callers ---ext--- relay ---int--- 200 callees, tcpdump on the callee's interface
#
# Story: 200 calls are set up and play at once. All packets arrive; the capture at the callee's
# interface holds as many as the callers sent; the relay's counters say that it received, relayed
# and sent as many, and dropped none.
# Not covered: how many calls a machine can carry.
. "$(dirname "$0")/_init.sh"

readonly CALLS=200

run_calls() { # IO
	local sent captured dump tcpdump_pid
	lab_up --io "$1"
	dump=$SCRATCH/$1.pcap
	ip netns exec "$LAB_NS_CALLEE" tcpdump -i leg -Q in -s 64 -B 65536 -U \
		--immediate-mode -w "$dump" 'udp and dst net 198.19.0.0/24' 2>"$dump.log" &
	tcpdump_pid=$!
	wait_until 10 grep -q 'listening on' "$dump.log"
	callplay --calls "$CALLS" --seconds 6 --json >"$SCRATCH/$1.json" ||
		fail "$(jq -c .complaints "$SCRATCH/$1.json")"
	sent=$(jq '[.rows[] | select(.direction == "caller to callee") | .sent] | add' \
		"$SCRATCH/$1.json")
	kill "$tcpdump_pid"
	wait "$tcpdump_pid"
	grep -q '^0 packets dropped by kernel' "$dump.log" || fail "tcpdump: $(cat "$dump.log")"
	captured=$(tcpdump -n -r "$dump" 2>/dev/null | wc -l)
	[ "$captured" = "$sent" ] ||
		fail "callers sent $sent packets, $captured reached the callees"
	check_relay "$(jq '[.rows[].sent] | add' "$SCRATCH/$1.json")"
	lab_down
}

# What the namespaces' own kernels send to multicast addresses is no media.
check_relay() { # PACKETS
	local relayed dropped
	relayed=$(counter relayed_packets)
	[ "$relayed" = "$1" ] || fail "$1 packets were sent, the relay says it relayed $relayed"
	dropped=$(rrctl stats show --json | jq -c '.totals | with_entries(select(
		(.key | startswith("drop_")) and .key != "drop_ip_dst" and .value != 0))')
	[ "$dropped" = '{}' ] || fail "dropped: $dropped"
}

for io in af_packet af_xdp; do
	run_calls "$io"
done
