#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ports in mode shared: the relay takes media, the kernel keeps everything else of the interface.
#
#	caller ---ext (pool addresses in the kernel)--- relay ---int (the same)--- callee
#
# Story: calls over IPv4 and IPv6 lose nothing, also one with a party behind a router, and one in
# fragments. Meanwhile the same addresses answer echo, TCP, and UDP on other ports, whole and in
# fragments; other addresses of the interface keep their UDP ports in the media range; and a media
# port without a call is silent, where the kernel's own say that nobody listens. What the kernel
# says of routes, rules and neighbours is followed, and it need not have a pool's first address.
# An address of the kernel's joins a pool, outlives the dataplane's death with its call, and is
# the kernel's again when it has drained. The dataplane is killed: echo and a TCP connection go
# on, media ends quietly. It starts again: what the dead one left is taken off, the call goes on.
# It stops: nothing of ours is left. A second dataplane shares by AF_PACKET, is refused by AF_XDP,
# and is swept away by the next start of the first one once it was killed. Then io = "auto": an
# XDP program of another's makes one port use AF_PACKET, and stays; where AF_XDP alone is
# permitted, the dataplane says why it cannot start.
# Not covered: interfaces with several queues under AF_XDP, which a veth has not.
. "$(dirname "$0")/_init.sh"

programs() { # INTERFACE; what is on it, one name a line
	lab exec relay ip -d link show "$1" | sed -nE 's/.*(name (rtprelay_xdp|pass)).*/\1/p'
	lab exec relay tc filter show dev "$1" ingress | sed -nE 's/.*(name rtprelay_tc).*/\1/p'
}

nothing_left() {
	[ -z "$(programs ext; programs int)" ] || fail "left: $(programs ext; programs int)"
}

# A dataplane of another run_dir and other media ports on the same interfaces, in $second.
second_start() {
	sed -E "s|run_dir = \"[^\"]*\"|run_dir = \"$LAB_DIR/second\"|
		s/hugepage_dir = \"[^\"]*\"/hugepage_dir = \"\"/
		s/hugepages = \"require\"/hugepages = \"off\"/; s/port_min = .*/port_min = 30000;/
		s/port_max = .*/port_max = 30099;/" "$LAB_CONF" >"$SCRATCH/second.conf"
	"$TOP/tools/lab" exec --name "$LAB" relay "$BUILD/rtprelay-dp" \
		-c "$SCRATCH/second.conf" 2>"$SCRATCH/second.log" &
	second=$!
}

second_runs() {
	"$BUILD/rrctl" -c "$SCRATCH/second.conf" status --json 2>/dev/null |
		jq -e '.dataplane.state == "running"' >/dev/null
}

two_dataplanes_share() {
	second_start
	wait_until 30 second_runs
	[ "$(programs ext | wc -l)" = 2 ] || fail "on ext: $(programs ext)"
	mv "$LAB_DIR/second" "$LAB_DIR/hidden"
	lab stop dataplane
	lab start dataplane
	[ "$(programs ext | wc -l)" = 2 ] || fail "taken from one that lives: $(programs ext)"
	mv "$LAB_DIR/hidden" "$LAB_DIR/second"
	kill -KILL "$second"
	if wait "$second"; then fail "the second dataplane ended by itself"; fi
	lab stop dataplane
	[ "$(programs ext | wc -l)" = 1 ] || fail "on ext: $(programs ext)"
	lab start dataplane
	[ "$(programs ext | wc -l)" = 1 ] || fail "on ext: $(programs ext)"
}

# Also where the first one holds its ports, and takes nothing yet.
second_is_refused() {
	sed -i.free 's/mode = "shared";/& start = "held";/' "$LAB_CONF"
	lab stop dataplane
	lab start dataplane
	second_start
	if wait "$second"; then fail "two dataplanes by AF_XDP on one interface"; fi
	grep -q "no af_xdp on ext: another rtprelay-dp has its XDP program" "$SCRATCH/second.log"
	[ "$(programs ext)" = "name rtprelay_xdp" ] || fail "on ext: $(programs ext)"
	rrctl port start ext
	mv "$LAB_CONF.free" "$LAB_CONF"
}

for io in af_packet af_xdp; do
	lab_up --mode shared --io "$io"
	story <<'PYTHON'
from kernel_side import *

ctl = controller()
flows = {}
for family in "4", "6":
    call = Call(int(family), ctl, caller(family=family), callee(family=family), "story")
    call.set_up()
    talk = flows[family] = Talk(call)
    # The kernel is asked for the next hop when the call is set up, and answers within milliseconds.
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
    talk.back.reach(call.callee.at_relay(), call.caller.rtp)


def everybody_talks(n_packets=10):
    for talk in flows.values():
        talk.caller_to_callee(n_packets)
        talk.callee_to_caller(n_packets)


before = counted(["drop_neighbour"])
everybody_talks(50)
far = Call(1, ctl, Leg(LAB["LAB_NS_CALLER"], LAB["LAB_CALLER_FAR4"]), callee(), "story")
far.set_up()
behind = Talk(far)
behind.back.reach(far.callee.at_relay(), far.caller.rtp)
behind.forth.reach(far.caller.at_relay(), far.callee.rtp)
behind.callee_to_caller(10)

everything_else_works(everybody_talks)
media_port_without_a_call_is_silent(ctl)
fragments_are_told_apart(flows)
neighbours_and_routes_are_followed(behind, flows["4"])
rules_are_followed(flows["6"])
flows["added"] = address_comes(ctl)
everybody_talks()

connection = Connection("4")
tool("kill", "dataplane")
connection.talk()
check_echo("4"), check_echo("6")
call = flows["4"].call
check_quiet(call.caller.at_relay(), "a call's port while the dataplane is dead")
tool("start", "dataplane")
for talk in flows.values():
    call = talk.call
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp, UNTIL_TOLD)
    talk.back.reach(call.callee.at_relay(), call.caller.rtp, UNTIL_TOLD)
everybody_talks()
connection.talk()
address_goes(flows.pop("added"))
check([p["mode"] for p in rrctl("port", "list")["ports"]] == ["shared"] * 2, "mode")
check({p["io"] for p in rrctl("port", "list")["ports"]} == {LAB["LAB_IO"]}, "io")
PYTHON
	grep -q "pool address 198.18.0.78 is not on ext" "$LAB_DP_LOG" || fail "no warning"
	grep -q "program of a dataplane that is gone" "$LAB_DP_LOG" || fail "nothing was stale"
	[ "$(programs ext | wc -l)" = 1 ] || fail "on ext: $(programs ext)"
	assert_accounting
	lab stop dataplane
	nothing_left
	lab start dataplane
	if [ "$io" = af_packet ]; then two_dataplanes_share; else second_is_refused; fi
	lab_down
done

clang -target bpf -O2 -g -c -x c -o "$SCRATCH/pass.o" - <<'C'
__attribute__((section("xdp"), used)) int pass(void *frame) { return 2; }
C
lab_up --mode shared --io auto
lab stop dataplane
lab exec relay ip link set ext xdp obj "$SCRATCH/pass.o" sec xdp
lab start dataplane
[ "$(rrctl port list --json | jq -c '[.ports[].io]')" = '["af_packet","af_xdp"]' ] ||
	fail "$(rrctl port list)"
grep -q "no af_xdp on ext: somebody else's XDP program" "$LAB_DP_LOG"
story <<'PYTHON'
from story import *

call = call_up(controller())
talk = Talk(call)
talk.forth.reach(call.caller.at_relay(), call.callee.rtp)  # the kernel tells of the next hops
talk.back.reach(call.callee.at_relay(), call.caller.rtp)
call.tear_down()
PYTHON
callplay --family 4 --seconds 2
lab stop dataplane
[ "$(programs ext)" = "name pass" ] || fail "on ext: $(programs ext)"
sed -i 's/io = "auto"/io = "af_xdp"/' "$LAB_CONF"
if lab exec relay "$BUILD/rtprelay-dp" -c "$LAB_CONF" 2>"$SCRATCH/refused"; then
	fail "started on an interface that is taken"
fi
grep -q "no af_xdp on ext: somebody else's XDP program is there" "$SCRATCH/refused"
lab exec relay ip link set ext xdp off
lab start dataplane
lab_down
