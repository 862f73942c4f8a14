#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 200 calls at once: the relay loses no packet, by its own account and by the callees' capture.
#
#	200 callers ---ext--- relay ---int--- 200 callees, tcpdump on the callees' interface
#
# Story: a first call goes through, then 200 calls are set up and play at once. Every packet that a
# party sent arrives once, in order and unaltered; the relay's counters, the capture and what the
# players took agree to the packet, and nothing at all is dropped.
# The parties have no IPv6 here: their kernels would speak to multicast groups meanwhile, which the
# relay drops and counts as it should. Receive rings hold 0.4 s of media or more: a core that is not
# isolated is taken from its worker at times, and what then finds no room in the kernel never comes
# to the relay.
# Not covered: how many calls a machine can carry.
. "$(dirname "$0")/_init.sh"

readonly CALLS=200 SECONDS_EACH=6 PER_SECOND=33 # packets a second of the capture, rounded down

# As lab_up, but with the largest rings that the devices have.
lab_up_with_large_rings() { # IO
	lab_up --io "$1" --network-only
	sed -i -e 's/framecnt=[0-9]*/framecnt=16384/' \
		-e 's/device = "[^"]*";/& rx_desc = 4096;/' "$LAB_CONF"
	[ "$(grep -c 'rx_desc = 4096' "$LAB_CONF")" = 2 ] || fail "no ports: $(cat "$LAB_CONF")"
	lab start dataplane
	lab start control
}

totals() {
	rrctl stats show --json | jq .totals
}

# By how much a counter grew between two outputs of totals.
growth() { # COUNTER FILE FILE
	jq -n --slurpfile a "$2" --slurpfile b "$3" "\$b[0].$1 - \$a[0].$1"
}

sum() { # FIELD FILE
	jq "[.rows[].$1] | add" "$2"
}

capture_start() { # FILE
	ip netns exec "$LAB_NS_CALLEE" tcpdump -i leg -Q in -s 64 -B 65536 -U \
		--immediate-mode -w "$1" 'udp and dst net 198.19.0.0/24' 2>"$1.log" &
	tcpdump_pid=$!
	wait_until 10 grep -q 'listening on' "$1.log"
}

capture_end() { # FILE; sets `captured`
	kill "$tcpdump_pid"
	wait "$tcpdump_pid"
	grep -q '^0 packets dropped by kernel' "$1.log" || fail "tcpdump: $(cat "$1.log")"
	captured=$(tcpdump -n -r "$1" 2>/dev/null | wc -l)
}

# The first call comes behind whatever the kernels had to say before they lost IPv6.
speak_ipv4_only() {
	local ns
	for ns in "$LAB_NS_CALLER" "$LAB_NS_CALLEE"; do
		ip netns exec "$ns" sysctl -q -w net.ipv6.conf.leg.disable_ipv6=1
	done
	callplay --seconds 1 >/dev/null
	assert_accounting
}

play_all() { # IO
	callplay --calls "$CALLS" --seconds "$SECONDS_EACH" --json >"$SCRATCH/$1.json" && return
	totals >"$SCRATCH/$1.after"
	fail "$(jq -c ".complaints[:3]" "$SCRATCH/$1.json"); the relay received" \
		"$(growth rx_packets "$SCRATCH/$1.before" "$SCRATCH/$1.after") of" \
		"$(sum sent "$SCRATCH/$1.json"), its devices missed" \
		"$(growth dev_rx_missed "$SCRATCH/$1.before" "$SCRATCH/$1.after")"
}

check_relay() { # SENT BEFORE AFTER
	local relayed dropped
	relayed=$(growth relayed_packets "$2" "$3")
	[ "$relayed" = "$1" ] || fail "the relay relayed $relayed packets of $1"
	dropped=$(jq -nc --slurpfile a "$2" --slurpfile b "$3" '$b[0] | with_entries(
		select((.key | startswith("drop_")) and .value != $a[0][.key]))')
	[ "$dropped" = '{}' ] || fail "dropped: $dropped"
}

run_calls() { # IO
	local sent to_callee captured tcpdump_pid
	lab_up_with_large_rings "$1"
	speak_ipv4_only
	totals >"$SCRATCH/$1.before"
	capture_start "$SCRATCH/$1.pcap"
	play_all "$1"
	capture_end "$SCRATCH/$1.pcap"
	assert_accounting
	totals >"$SCRATCH/$1.after"
	sent=$(sum sent "$SCRATCH/$1.json")
	echo "sent $sent, received $(sum received "$SCRATCH/$1.json")"
	[ "$sent" -ge $((CALLS * 2 * SECONDS_EACH * PER_SECOND)) ] || fail "only $sent were sent"
	check_relay "$sent" "$SCRATCH/$1.before" "$SCRATCH/$1.after"
	to_callee=$(jq '[.rows[] | select(.direction == "caller to callee") | .received] | add' \
		"$SCRATCH/$1.json")
	[ "$captured" = "$to_callee" ] || fail "$captured captured, callees took $to_callee"
	lab_down
}

for io in af_packet af_xdp; do
	run_calls "$io"
done
