// SPDX-License-Identifier: BSD-2-Clause
// Kernel program of a shared port on AF_XDP: media goes to the socket of its queue, everything else
// on to the kernel. Where nobody has the socket, since the dataplane is dead, media ends here: the
// kernel would tell the parties of a call that nobody listens.
#include "media_program.h"

#define QUEUES_MAX 256

// Filled by the driver, which looks for this name.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

SEC("xdp")
int rtprelay_xdp(struct xdp_md *ctx) {
	const __u8 *frame = (const __u8 *)(long)ctx->data;
	const __u8 *end = (const __u8 *)(long)ctx->data_end;

	if (!media_match(frame, end))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
}
