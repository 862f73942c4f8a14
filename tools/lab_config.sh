# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by tools/lab: the rtprelay.conf of a lab.

quoted_list() { # WORDS; "a", "b"
	local word sep=
	for word in $1; do
		printf '%s"%s"' "$sep" "$word"
		sep=', '
	done
}

range() { # ADDRESSES in order
	printf '[ "%s-%s" ]' "${1%% *}" "${1##* }"
}

device() { # INTERFACE INDEX N_WORKERS
	[ "$LAB_MODE" = shared ] && echo "$1" && return
	case $LAB_IO in
	af_xdp) echo "net_af_xdp$2,iface=$1,start_queue=0,queue_count=$3,busy_budget=0" ;;
	af_packet) echo "net_af_packet$2,iface=$1,qpairs=$3,framecnt=4096,blocksz=65536" ;;
	esac
}

# Worker i runs on the last core but i; the main thread and control have core 0.
worker_cores() { # N_WORKERS
	local n_cores i sep=
	n_cores=$(nproc)
	for ((i = 0; i < $1; i++)); do
		printf '%s%d' "$sep" $(((2 * n_cores - 1 - i) % n_cores))
		sep=', '
	done
}

port_mode() {
	[ "$LAB_MODE" = exclusive ] || printf ' mode = "shared"; io = "%s";' "$LAB_IO"
}

gateway() { # ADDRESS
	[ "$LAB_MODE" = shared ] || printf ' gateway = "%s";' "$1"
}

write_realm() { # NAME INTERFACE PREFIX4 GATEWAY4 POOL4 PREFIX6 GATEWAY6 POOL6
	cat <<-CONF
		  {
		    name = "$1";
		    port = "$2";
		    ipv4 = { prefix = "$3";$(gateway "$4") pool = $(range "$5"); };
		    ipv6 = { prefix = "$6";$(gateway "$7") pool = $(range "$8"); };
		  }
	CONF
}

write_config() {
	local hugepages=off hugepage_dir=
	[ "$LAB_HUGEPAGES" -gt 0 ] && hugepages=require hugepage_dir=$LAB_DIR/huge
	cat <<-CONF
		# Written by tools/lab for the lab "$LAB_NAME".
		instance = { run_dir = "$LAB_DIR/run"; hugepage_dir = "$hugepage_dir"; };
		dataplane = {
		  cores = [ $(worker_cores "$opt_workers") ];
		  main_core = 0;
		  poll = "$opt_poll";
		  hugepages = "$hugepages";
		  memory_mb = 128;
		};
		ports = (
		  { name = "ext"; device = "$(device ext 0 "$opt_workers")";$(port_mode) },
		  { name = "int"; device = "$(device int 1 "$opt_workers")";$(port_mode) }
		);
		realms = (
	CONF
	write_realm external ext 198.18.0.0/24 198.18.0.1 "$LAB_EXT_POOL4" \
		2001:db8:0:e::/64 2001:db8:0:e::1 "$LAB_EXT_POOL6"
	echo '  ,'
	write_realm internal int 198.19.0.0/24 198.19.0.1 "$LAB_INT_POOL4" \
		2001:db8:0:1::/64 2001:db8:0:1::1 "$LAB_INT_POOL6"
	cat <<-CONF
		);
		media = {
		  port_min = ${opt_ports%-*};
		  port_max = ${opt_ports#*-};
		  learning = "$opt_learning";
		};
		control = {
		  sockets = [ $(quoted_list "$LAB_SOCKETS") ];
		  store_dir = "$LAB_DIR/store";
		  store_mb = 64;
		  media_ttl_s = $opt_media_ttl;
		  overload_low_pct = ${opt_overload%-*};
		  overload_high_pct = ${opt_overload#*-};
		};
	CONF
}
