// SPDX-License-Identifier: BSD-2-Clause
// Kernel program of a shared port on AF_PACKET: the dataplane has a copy of everything, so media
// ends here, before the kernel would answer that nobody listens; everything else goes on.
#include "media_program.h"

#include <linux/pkt_cls.h>

SEC("tc")
int rtprelay_tc(struct __sk_buff *skb) {
	const __u8 *frame, *end;

	// A tag that the device took off: another interface's.
	if (skb->vlan_present)
		return TC_ACT_UNSPEC;
	// The match needs the headers in one piece.
	bpf_skb_pull_data(skb, skb->len < MATCH_HEADERS_MAX ? skb->len : MATCH_HEADERS_MAX);
	frame = (const __u8 *)(long)skb->data;
	end = (const __u8 *)(long)skb->data_end;
	return media_match(frame, end) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}
