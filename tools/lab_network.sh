# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by tools/lab: a lab's names and addresses, all derived from its name, and its network.

readonly N_POOL=16 # media addresses of a realm and family
readonly STATE_ROOT=/run/rtprelay-lab

# Addresses 16 to 31 of a network; FORMAT is printf's for one of them.
pool() { # FORMAT
	local i sep=
	for ((i = 16; i < 16 + N_POOL; i++)); do
		# shellcheck disable=SC2059
		printf "$sep$1" "$i"
		sep=' '
	done
}

set_names() { # NAME
	[[ $1 =~ ^[a-z0-9-]{1,24}$ ]] || die "name '$1': use up to 24 of a-z 0-9 -"
	LAB_NAME=$1
	LAB_DIR=$STATE_ROOT/$1
	LAB_CONF=$LAB_DIR/rtprelay.conf
	LAB_NS_CALLER=rrl-$1-caller
	LAB_NS_CALLEE=rrl-$1-callee
	LAB_NS_RELAY=rrl-$1-relay
	LAB_DP_LOG=$LAB_DIR/dataplane.log
	LAB_CONTROL_LOG=$LAB_DIR/control.log

	# The first address of a party is also the realm's gateway: FAR lies behind it.
	LAB_CALLER4="198.18.0.1 198.18.0.2 198.18.0.3"
	LAB_CALLER6="2001:db8:0:e::1 2001:db8:0:e::2 2001:db8:0:e::3"
	LAB_CALLER_FAR4=198.18.128.1
	LAB_CALLER_FAR6=2001:db8:0:fe::1
	LAB_CALLEE4="198.19.0.1 198.19.0.2 198.19.0.3"
	LAB_CALLEE6="2001:db8:0:1::1 2001:db8:0:1::2 2001:db8:0:1::3"
	LAB_CALLEE_FAR4=198.19.128.1
	LAB_CALLEE_FAR6=2001:db8:0:f1::1
	LAB_EXT_POOL4=$(pool 198.18.0.%d)
	LAB_EXT_POOL6=$(pool 2001:db8:0:e::%x)
	LAB_INT_POOL4=$(pool 198.19.0.%d)
	LAB_INT_POOL6=$(pool 2001:db8:0:1::%x)
	LAB_CONTROL4=198.18.255.2
	LAB_CONTROL6=2001:db8:0:c::2
}

make_namespace() { # NAMESPACE
	ip netns add "$1" || return
	ip netns exec "$1" sysctl -q -w net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_ra=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.core.rmem_max=16777216 2>/dev/null
	ip -n "$1" link set lo up
}

# The relay's end has no address and no IPv6: nobody but the dataplane may answer there.
make_leg() { # PARTY_NAMESPACE RELAY_INTERFACE N_QUEUES
	ip link add "$2" netns "$LAB_NS_RELAY" numrxqueues "$3" numtxqueues "$3" type veth \
		peer name leg netns "$1" numrxqueues "$3" numtxqueues "$3" || return
	ip netns exec "$LAB_NS_RELAY" sysctl -q -w "net.ipv6.conf.$2.disable_ipv6=1" || return
	ip -n "$LAB_NS_RELAY" link set "$2" up
	ip -n "$1" link set leg up
}

make_control_leg() {
	ip link add ctl netns "$LAB_NS_RELAY" type veth \
		peer name ctl netns "$LAB_NS_CALLER" || return
	ip -n "$LAB_NS_RELAY" addr add "$LAB_CONTROL4/24" dev ctl
	ip -n "$LAB_NS_RELAY" addr add "$LAB_CONTROL6/64" dev ctl nodad
	ip -n "$LAB_NS_CALLER" addr add 198.18.255.1/24 dev ctl
	ip -n "$LAB_NS_CALLER" addr add 2001:db8:0:c::1/64 dev ctl nodad
	ip -n "$LAB_NS_RELAY" link set ctl up
	ip -n "$LAB_NS_CALLER" link set ctl up
}

add_addresses() { # NAMESPACE ADDRESSES4 ADDRESSES6 FAR4 FAR6
	local addr
	for addr in $2; do
		ip -n "$1" addr add "$addr/24" dev leg || return
	done
	for addr in $3; do
		ip -n "$1" addr add "$addr/64" dev leg nodad || return
	done
	ip -n "$1" addr add "$4/32" dev lo && ip -n "$1" addr add "$5/128" dev lo nodad
}

make_network() { # N_QUEUES OFFLOAD
	local ns
	for ns in "$LAB_NS_CALLER" "$LAB_NS_CALLEE" "$LAB_NS_RELAY"; do
		make_namespace "$ns" || return
	done
	make_leg "$LAB_NS_CALLER" ext "$1" && make_leg "$LAB_NS_CALLEE" int "$1" || return
	make_control_leg || return
	add_addresses "$LAB_NS_CALLER" "$LAB_CALLER4" "$LAB_CALLER6" "$LAB_CALLER_FAR4" \
		"$LAB_CALLER_FAR6" || return
	add_addresses "$LAB_NS_CALLEE" "$LAB_CALLEE4" "$LAB_CALLEE6" "$LAB_CALLEE_FAR4" \
		"$LAB_CALLEE_FAR6" || return
	[ "$2" = on ] && return
	for ns in "$LAB_NS_CALLER" "$LAB_NS_CALLEE"; do
		ip netns exec "$ns" ethtool -K leg tx off >/dev/null || return
	done
}

# The relay's kernel lives on the legs as well: it has the media addresses, and ways to what lies
# behind the parties.
share_legs() {
	local ns=$LAB_NS_RELAY addr
	ip netns exec "$ns" sysctl -q -w net.ipv6.conf.ext.disable_ipv6=0 \
		net.ipv6.conf.int.disable_ipv6=0 || return
	for addr in $LAB_EXT_POOL4; do ip -n "$ns" addr add "$addr/24" dev ext || return; done
	for addr in $LAB_INT_POOL4; do ip -n "$ns" addr add "$addr/24" dev int || return; done
	for addr in $LAB_EXT_POOL6; do
		ip -n "$ns" addr add "$addr/64" dev ext nodad || return
	done
	for addr in $LAB_INT_POOL6; do
		ip -n "$ns" addr add "$addr/64" dev int nodad || return
	done
	ip -n "$ns" route add "$LAB_CALLER_FAR4" via "${LAB_CALLER4%% *}" &&
		ip -n "$ns" route add "$LAB_CALLEE_FAR4" via "${LAB_CALLEE4%% *}" &&
		ip -n "$ns" route add "$LAB_CALLER_FAR6" via "${LAB_CALLER6%% *}" &&
		ip -n "$ns" route add "$LAB_CALLEE_FAR6" via "${LAB_CALLEE6%% *}"
}

# A command socket may name any address of the relay's namespace.
add_control_addresses() { # SOCKETS
	local sock host
	for sock in $1; do
		case $sock in
		udp:* | tcp:*) host=${sock#*:} host=${host%:*} ;;
		udp6:* | tcp6:*) host=${sock#*:} host=${host%:*} host=${host#[} host=${host%]} ;;
		*) continue ;;
		esac
		case $host in
		"" | '*' | :: | ::1 | 0.0.0.0 | 127.*) continue ;;
		"$LAB_CONTROL4" | "$LAB_CONTROL6") continue ;;
		*:*) ip -n "$LAB_NS_RELAY" addr add "$host/128" dev ctl nodad ;;
		*) ip -n "$LAB_NS_RELAY" addr add "$host/32" dev ctl ;;
		esac
	done
}
