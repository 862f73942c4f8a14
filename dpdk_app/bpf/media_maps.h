// SPDX-License-Identifier: BSD-2-Clause
// What the kernel programs of a shared port and the dataplane that fills their maps agree on.
#pragma once

#include <linux/types.h>

#define MEDIA_ADDRS_MAX 512 // RR_MAX_ADDRS
#define MEDIA_FRAGMENTS_MAX 4096 // datagrams in fragments at a time, the oldest give way
#define MEDIA_OWNER_LEN 256

#define MEDIA_XDP_NAME "rtprelay_xdp"
#define MEDIA_TC_NAME "rtprelay_tc"
#define MEDIA_ADDRS_NAME "media_addrs"
#define MEDIA_SETTINGS_NAME "media_settings"

// An address of a pool. Writer: dataplane.
struct media_addr {
	__u32 word[4]; // network order, IPv4 in the first, the rest zero
	__u32 family; // 4 or 6
};

// One entry. Writer: dataplane.
struct media_settings {
	__u16 port_min; // host order; both zero: nothing is media
	__u16 port_max;
	__u32 owner_id; // of a map that is there while the owner lives; 0: it has not signed yet
	char owner[MEDIA_OWNER_LEN]; // its run_dir, for who looks
};

// A datagram of media whose first fragment was seen. Writer: the program.
struct media_fragment {
	struct media_addr dst;
	__u32 src[4];
	__u32 id; // identification, as it stands in the packet
};
