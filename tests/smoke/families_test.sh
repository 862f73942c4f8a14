#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A call in every combination of IPv4 and IPv6 on its two legs.
#
#	caller (4|6) ---ext--- relay ---int--- callee (4|6)
#
# Story: the same call over 4-4, 6-6, 4-6 and 6-4, with the senders' checksum offload on and off:
# the kernel of the receiver checks every UDP checksum that the relay wrote.
. "$(dirname "$0")/_init.sh"

for io in af_packet af_xdp; do
	for offload in on off; do
		lab_up --io "$io" --offload "$offload"
		callplay --seconds 2 --family 4,6,46,64
		lab_down
	done
done
