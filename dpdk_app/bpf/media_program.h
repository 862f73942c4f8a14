// SPDX-License-Identifier: BSD-2-Clause
// The maps of a kernel program of a shared port, and the match on top of them.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "media_maps.h"

#define FRAGMENT_LIFE_NS 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MEDIA_ADDRS_MAX);
	__type(key, struct media_addr);
	__type(value, __u8);
} media_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct media_settings);
} media_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MEDIA_FRAGMENTS_MAX);
	__type(key, struct media_fragment);
	__type(value, __u64);
} media_fragments SEC(".maps");

static __always_inline int media_has_addr(const struct media_addr *a) {
	return bpf_map_lookup_elem(&media_addrs, a) != 0;
}

static __always_inline const struct media_settings *media_settings_get(void) {
	__u32 zero = 0;

	return bpf_map_lookup_elem(&media_settings, &zero);
}

static __always_inline void media_fragment_note(const struct media_fragment *f) {
	__u64 now_ns = bpf_ktime_get_ns();

	bpf_map_update_elem(&media_fragments, f, &now_ns, BPF_ANY);
}

static __always_inline int media_fragment_known(const struct media_fragment *f) {
	const __u64 *noted_ns = bpf_map_lookup_elem(&media_fragments, f);

	return noted_ns && bpf_ktime_get_ns() - *noted_ns < FRAGMENT_LIFE_NS;
}

static __always_inline void media_fragment_forget(const struct media_fragment *f) {
	bpf_map_delete_elem(&media_fragments, f);
}

#include "media_match.h"

char _license[] SEC("license") = "Dual BSD/GPL";
