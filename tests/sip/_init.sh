# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced first by every SIP test: a lab with a Kamailio in it, SIPp at both ends, and witnesses.
#
#	SIPp ---ctl--- Kamailio ---sip--- SIPp		198.18.255.0/24, 198.19.255.0/24
#	caller         (relay)          callee
#	     ---ext--- rtprelay ---int---		media, as in every lab
#
# Both parties' interfaces are captured from before the first call to after the last one, and
# witness.py compares what was promised in SDP with what was sent and what arrived.
. "$(dirname "${BASH_SOURCE[0]}")/../smoke/_init.sh"

readonly SIP=$TOP/tests/sip
readonly SIP_CALLER4=198.18.255.1 SIP_CALLER6=2001:db8:0:c::1
readonly SIP_CALLEE4=198.19.255.1 SIP_CALLEE6=2001:db8:0:d::1
readonly SIP_KAMAILIO4=198.18.255.2 SIP_KAMAILIO6=2001:db8:0:c::2
readonly PORT_MIN=20000 PORT_MAX=20031 # few, so that all can be taken to see that all are free
readonly PAIRS=$((16 * (PORT_MAX - PORT_MIN + 1) / 2)) # of a realm and family
readonly TALK_PACKETS=50 # of 30 ms; what a party says in one go

declare -A PID=()

# The test's own processes end before the lab does.
sip_at_exit() {
	local status=$? name
	set +e
	trap - ERR
	for name in "${!PID[@]}"; do
		kill "${PID[$name]}" 2>/dev/null
		wait "${PID[$name]}"
	done
	[ "$status" -eq 0 ] || keep_sip_logs
	(exit "$status")
	at_exit
}
trap sip_at_exit EXIT

keep_sip_logs() {
	local file
	mkdir -p "$BUILD/logs/sip"
	for file in "$SCRATCH"/*.{log,err,pcap}; do
		[ -s "$file" ] || continue
		cp "$file" "$BUILD/logs/sip/$TEST.${file##*/}"
		[[ $file = *.pcap ]] || tail -n 15 "$file" >&2
	done
}

in_ns() { # caller|callee|relay COMMAND...
	local ns=LAB_NS_${1^^}
	ip netns exec "${!ns}" "${@:2}"
}

# As a background job, because only so its process is the command's.
begin() { # NAME caller|callee|relay COMMAND...
	local name=$1 ns=LAB_NS_${2^^}
	shift 2
	ip netns exec "${!ns}" "$@" >"$SCRATCH/$name.log" 2>&1 &
	PID[$name]=$!
}

# Waits for a process that ends by itself; its status has to be 0.
finish() { # NAME
	local pid=${PID[$1]} status=0
	unset "PID[$1]"
	wait "$pid" || status=$?
	[ "$status" = 0 ] || fail "$1 ended with status $status"
}

stop() { # NAME
	kill "${PID[$1]}"
	finish "$1"
}

# ---- the lab

add_sip_link() {
	ip link add sip netns "$LAB_NS_RELAY" type veth peer name sip netns "$LAB_NS_CALLEE"
	ip -n "$LAB_NS_RELAY" addr add 198.19.255.2/24 dev sip
	ip -n "$LAB_NS_RELAY" addr add 2001:db8:0:d::2/64 dev sip nodad
	ip -n "$LAB_NS_CALLEE" addr add "$SIP_CALLEE4/24" dev sip
	ip -n "$LAB_NS_CALLEE" addr add "$SIP_CALLEE6/64" dev sip nodad
	ip -n "$LAB_NS_RELAY" link set sip up
	ip -n "$LAB_NS_CALLEE" link set sip up
}

# In bridge mode; FAMILY 46, 64: the callee's network has no IPv4, no IPv6.
sip_lab_up() { # FAMILY
	lab_up --network-only --ports "$PORT_MIN-$PORT_MAX"
	add_sip_link
	echo 'bridge = { external = "external"; internal = "internal"; };' >>"$LAB_CONF"
	[ "$1" != 46 ] || sed -i '/ipv4 = { prefix = "198.19.0.0/d' "$LAB_CONF"
	[ "$1" != 64 ] || sed -i '/ipv6 = { prefix = "2001:db8:0:1::/d' "$LAB_CONF"
	lab start dataplane
	lab start control
	lab_refresh
	begin_capture caller
	begin_capture callee
}

begin_capture() { # PARTY
	begin "capture-$1" "$1" tcpdump -n -i any -y LINUX_SLL2 -s 2048 -B 65536 -U \
		-w "$SCRATCH/$1.pcap" 'udp and (net 198.18.0.0/15 or net 2001:db8::/32)'
	wait_until 10 grep -q 'listening on' "$SCRATCH/capture-$1.log"
}

# One process a socket: among several a 200 may overtake its 180, for which SIPp fails the call.
kamailio_up() { # RTPRELAY_SOCKET OPTIONS...
	begin kamailio relay kamailio -f "$SIP/kamailio.cfg" -DD -E -n 1 -m 32 -M 4 \
		-Y "$SCRATCH" -A "RTPRELAY=\"$1\"" "${@:2}"
	wait_until 20 kamailio_ready
}

# Its sockets are there, and its rtpproxy module has found who answers `V`.
kamailio_ready() {
	kill -0 "${PID[kamailio]}" || fail "kamailio: $(tail -n 5 "$SCRATCH/kamailio.log")"
	[ "$(in_ns relay ss -Hlun 'sport = :5060' | wc -l)" -ge 4 ] &&
		grep -q 'rtp proxy <.*> found, support for it enabled' "$SCRATCH/kamailio.log"
}

kamailio_down() {
	stop kamailio
	! grep -E 'ERROR|CRITICAL|WARNING.*rtpproxy' "$SCRATCH/kamailio.log" ||
		fail "kamailio complains"
}

# ---- parties

# What both say: the beginning of the G.711 capture that comes with SIPp.
say() {
	local capture
	capture=$(dpkg -L sip-tester | grep '/g711a\.pcap$')
	tcpdump -r "$capture" -c "$TALK_PACKETS" -w "$SCRATCH/talk.pcap" 2>/dev/null
}

# TALK in a scenario stands for the capture, [target] for the callee's SIP address.
sipp_at() { # NAME PARTY FAMILY SCENARIO OPTIONS...
	local name=$1 party=${2^^} family=$3
	local host=SIP_$party$family media=LAB_$party$family
	cp "$SIP/$4.xml" "$SCRATCH/$name.xml"
	sed -i "s:TALK:$SCRATCH/talk.pcap:" "$SCRATCH/$name.xml"
	begin "$name" "$2" sipp -sf "$SCRATCH/$name.xml" -i "${!host}" -p 5060 \
		-mi "${!media%% *}" -mp 6000 -nostdin -trace_err -error_file "$SCRATCH/$name.err" \
		-timeout 60s -timeout_error "${@:5}"
}

callee_up() { # FAMILY SCENARIO CALLS OPTIONS...
	sipp_at callee callee "$1" "$2" -m "$3" "${@:4}"
	wait_until 10 callee_listens
}

callee_listens() {
	[ -n "$(in_ns callee ss -Hlun 'sport = :5060')" ]
}

bracketed() { # HOST
	case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac
}

# Calls the callee's address; Kamailio is the outbound proxy.
place_calls() { # CALLER_FAMILY CALLEE_FAMILY SCENARIO CALLS OPTIONS...
	local proxy=SIP_KAMAILIO$1 target=SIP_CALLEE$2
	sipp_at caller caller "$1" "$3" -m "$4" -key target "$(bracketed "${!target}"):5060" \
		"${@:5}" "$(bracketed "${!proxy}"):5060"
	finish caller
	finish callee
}

# ---- the verdict

no_session() {
	[ "$(rrctl session list --json | jq '.sessions | length')" = 0 ] &&
		[ "$(rrctl flow show --json | jq '.flows | length')" = 0 ]
}

# Sessions that control counts; flows in the region; ports by taking every one of them.
nothing_left() { # CALLS
	wait_until 10 no_session
	[ "$(ask G nsess_created nsess_destroyed nsess_timeout)" = "$1 $1 0" ] ||
		fail "$1 calls: $(ask Gv nsess_created nsess_destroyed nsess_timeout)"
}

# What the dataplane dropped, by name, but for what is no fault: packets of the namespaces' own
# kernels to multicast addresses; and media of a party that overtakes its own answer, of which the
# witness wants to have seen exactly as many packets go missing.
drops() {
	rrctl stats show --json | jq -c '.totals | with_entries(select(
		(.key | startswith("drop_")) and .key != "drop_ip_dst" and
		.key != "drop_flow_incomplete" and .value != 0))'
}

# Takes every port of both realms: one more than there are must be refused, and none before it.
all_ports_free() {
	story "$PAIRS" <<'PYTHON'
import sys

from rtpp import Controller
from story import LAB, check

n_pairs = int(sys.argv[1])
ctl = Controller(f"unix:{LAB['LAB_DIR']}/command.sock")
for number in range(n_pairs):
    for command in (f"Uei fill{number} 198.18.0.1 6000 a",
                    f"Lei fill{number} 198.19.0.1 6000 a b"):
        reply = ctl.command(command)
        check(not reply.startswith("E"), f"only {number} of {n_pairs} pairs are free: {reply}")
reply = ctl.command("Uei over 198.18.0.1 6000 a")
check(reply == "E72", f"more than {n_pairs} pairs: {reply}")
ctl.command("X")
PYTHON
}

# Ends the captures and compares; prints what it saw.
verdict() { # CALLS OPTIONS...
	local calls=$1 party
	shift
	nothing_left "$calls"
	wait_until 10 balanced
	for party in caller callee; do
		stop "capture-$party"
		grep -q '^0 packets dropped by kernel' "$SCRATCH/capture-$party.log" ||
			fail "tcpdump: $(tail -n 3 "$SCRATCH/capture-$party.log")"
	done
	[ "$(drops)" = '{}' ] || fail "dropped: $(drops)"
	"$SIP/witness.py" --caller "$SCRATCH/caller.pcap" --callee "$SCRATCH/callee.pcap" \
		--external "$LAB_EXT_POOL4 $LAB_EXT_POOL6" \
		--internal "$LAB_INT_POOL4 $LAB_INT_POOL6" --ports "$PORT_MIN-$PORT_MAX" \
		--talk "$SCRATCH/talk.pcap" --relayed "$(counter relayed_packets)" \
		--early "$(counter drop_flow_incomplete)" --calls "$calls" "$@"
	all_ports_free
}
