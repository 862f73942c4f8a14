#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One call with RTCP both ways, through AF_PACKET and AF_XDP.
#
#	caller ---ext--- relay ---int--- callee
#
# Story: U, L, the RTP of a capture both ways with its own timing, SR and RR on the odd ports, Q, D.
# Every packet arrives once, in order, bit for bit, from the announced address, and Q agrees; with
# the senders' checksum offload on (partial checksums reach the relay) and off.
# Not covered: other families (families_test), load (many_calls_test).
. "$(dirname "$0")/_init.sh"

for io in af_packet af_xdp; do
	for offload in on off; do
		lab_up --io "$io" --offload "$offload"
		callplay --seconds 3
		lab_down
	done
done
