// SPDX-License-Identifier: BSD-2-Clause
// The shared region: everything that rtprelay-dp and rtprelayd say to each other, byte by byte.
//
// The region is one file, created and populated by the dataplane, mapped by control and by rrctl.
// It holds offsets and never pointers. A change of any struct here is a change of RR_SHM_VERSION.
//
//	header | address directory | worker blocks | hot flow table | cold flow table
//
// Ownership. Every field has one writer, named beside it: `dp` is the dataplane's main thread,
// `worker` the worker that owns the block or flow, `control` is rtprelayd. Everybody else reads.
// The flow tables belong to the workers alone: control asks over the request ring.
//
// Addresses. The region is laid out for `n_addrs` local addresses. An entry of the directory whose
// family is RR_FAMILY_NONE is free: its flows have no memory yet, the file has a hole there, and
// nobody looks at them. The dataplane fills an entry, its family last, when an address is added,
// and frees it when no flow of it is left (shm_addrs.h).
//
// Flows. A flow is what arrives at one local address and port: one leg's RTP (even port) or RTCP
// (odd port). Its slot number is arithmetic, address index times ports per address plus the port's
// place in the media range; nothing is looked up. Line 0 of a flow holds what a packet is matched
// against and what it is rewritten to, line 1 what every packet writes. The cold entry of the same
// slot holds what is rare.
//
// Consistency. `seq` of a flow is odd while its owner writes. A reader copies with relaxed 64-bit
// loads and takes the copy only when `seq` was even and equal before and after. A flow that a
// killed dataplane left odd is rebuilt from control when the region is adopted.
//
// Failure. Every process treats what it did not write itself as hostile: indexes and offsets are
// checked against the sizes that were fixed when the region was mapped.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "counters.h"
#include "dp_msg.h"
#include "endpoint.h"
#include "ring.h"

RR_BEGIN_DECLS

#define RR_SHM_MAGIC UINT64_C(0x3150414c45525452) // "RTRELAP1", little endian
#define RR_SHM_VERSION 5

#define RR_MAX_WORKERS 32
#define RR_MAX_PORTS 8 // Ethernet ports
#define RR_MAX_ADDRS 512 // local media addresses over all realms
#define RR_N_BUCKETS 64 // media port pairs are dealt to workers by bucket
#define RR_PORT_NAME_LEN 32

#define RR_REQUEST_RING_SLOTS 4096
#define RR_REPLY_RING_SLOTS 4096
#define RR_EVENT_RING_SLOTS 4096

#define RR_SLOT_NONE UINT32_MAX
#define RR_NEXTHOP_NONE UINT32_MAX

enum rr_dp_state {
	RR_DP_DOWN = 0,
	RR_DP_STARTING = 1, // region adopted or created, ports not yet up
	RR_DP_RUNNING = 2,
	RR_DP_STOPPED = 3, // left on purpose; calls are kept
};

// One local media address. Writer: dp. A restarted dataplane adopts the region only when its own
// configuration may have every address that it finds here, and has room for those that are missing.
struct rr_shm_addr {
	uint8_t addr[16]; // network byte order, IPv4 in the first four bytes
	uint64_t realm_key; // rr_realm_key of the realm's name
	uint8_t family; // enum rr_family, RR_FAMILY_NONE: the entry is free; written last
	uint8_t realm; // index into the realms of the dataplane's configuration
	uint8_t port; // index into its ports
	uint8_t reserved[5];
};
RR_STATIC_ASSERT(sizeof(struct rr_shm_addr) == 32, "ABI");

struct rr_shm_header {
	// written once by dp, before `magic`
	uint64_t magic;
	uint32_t version; // RR_SHM_VERSION
	uint32_t header_size;
	uint64_t size; // of the whole region, bytes
	uint64_t region_id; // random, new with every created region
	uint8_t boot_id[16]; // /proc/sys/kernel/random/boot_id: monotonic time is good within one
			     // boot
	uint32_t n_workers;
	uint32_t n_ports; // Ethernet ports
	uint32_t n_addrs; // that there is room for, in use or not
	uint32_t media_port_min; // even
	uint32_t n_media_ports; // per address, even
	uint32_t n_flows; // n_addrs * n_media_ports
	uint64_t addrs_offset; // struct rr_shm_addr[n_addrs]
	uint64_t workers_offset; // struct rr_shm_worker[n_workers + 1], the last one dp's main
				 // thread
	uint64_t flows_offset; // struct rr_flow[n_flows]
	uint64_t cold_offset; // struct rr_flow_cold[n_flows]
	uint8_t bucket_owner[RR_N_BUCKETS]; // worker of each bucket
	char port_name[RR_MAX_PORTS][RR_PORT_NAME_LEN];
	uint8_t reserved[24]; // zero: adoption compares every byte up to here

	// written by dp while it lives
	uint64_t dp_generation RR_CACHE_ALIGNED; // grows with every dataplane start on this region
	uint64_t dp_heartbeat_ns; // CLOCK_MONOTONIC, refreshed by the main thread at least every
				  // 100 ms
	uint64_t dp_start_ns;
	uint32_t dp_pid;
	uint32_t dp_state; // enum rr_dp_state
	uint32_t port_held_mask; // bit per Ethernet port that waits for `rrctl port start`
	uint32_t port_af_xdp_mask; // bit per port in mode shared that takes media by AF_XDP
	uint64_t port_mac[RR_MAX_PORTS]; // MAC address, as on the wire, in the first six bytes

	// written by control while it lives
	uint64_t control_heartbeat_ns RR_CACHE_ALIGNED;
	uint32_t control_epoch; // grows with every start of control
	uint32_t control_pid;

	// written by rrctl under the rrctl lock
	uint32_t port_release_mask RR_CACHE_ALIGNED; // bit per Ethernet port to start
};

#define RR_SHM_HEADER_SIZE 4096
RR_STATIC_ASSERT(sizeof(struct rr_shm_header) <= RR_SHM_HEADER_SIZE, "header fits its page");
RR_STATIC_ASSERT(offsetof(struct rr_shm_header, bucket_owner) == 104, "ABI");
RR_STATIC_ASSERT(offsetof(struct rr_shm_header, reserved) == 424, "ABI");
RR_STATIC_ASSERT(offsetof(struct rr_shm_header, dp_generation) == 448, "no padding before it");
RR_STATIC_ASSERT(offsetof(struct rr_shm_header, control_heartbeat_ns) % RR_CACHE_LINE == 0, "ABI");

// What one worker (or, in the last block, dp's main thread) shares.
struct rr_shm_worker {
	struct rr_ring_shared request_ring; // control -> worker
	uint8_t request_slots[RR_REQUEST_RING_SLOTS][sizeof(struct rr_request)] RR_CACHE_ALIGNED;
	struct rr_ring_shared reply_ring; // worker -> control
	uint8_t reply_slots[RR_REPLY_RING_SLOTS][sizeof(struct rr_reply)] RR_CACHE_ALIGNED;
	struct rr_ring_shared event_ring; // worker -> control
	uint8_t event_slots[RR_EVENT_RING_SLOTS][sizeof(struct rr_event)] RR_CACHE_ALIGNED;

	// Counters by Ethernet port: total since the region was created, and the totals at the
	// moment when this dataplane generation began. Writer: worker.
	uint64_t counters[RR_MAX_PORTS][RR_N_COUNTERS] RR_CACHE_ALIGNED;
	uint64_t counters_base[RR_MAX_PORTS][RR_N_COUNTERS] RR_CACHE_ALIGNED;
};
RR_STATIC_ASSERT(sizeof(struct rr_shm_worker) % RR_CACHE_LINE == 0, "blocks share no line");

// Bits of rr_flow.flags.
enum rr_flow_flag {
	RR_FLOW_INSTALLED = 1 << 0, // a SET put it there and no DEL took it away
	RR_FLOW_RTCP = 1 << 1, // odd port; for readers alone, the owner asks the slot
	RR_FLOW_ASYMMETRIC = 1 << 2, // protocol reference 9.3
	RR_FLOW_SAFE = 1 << 3, // learning mode `safe`, else `compat`
	RR_FLOW_HAS_REMOTE = 1 << 4, // remote, remote_port_be, remote_family are valid
	RR_FLOW_LATCHED = 1 << 5, // source is settled, see dpdk_app/latch.c
	RR_FLOW_COMPLETE = 1 << 6, // peer names the flow of the other leg
	RR_FLOW_HAS_OUT = 1 << 7, // out, out_port_be, out_family are valid
	RR_FLOW_UNTRUSTED_SDP =
		1 << 8, // remote was learned from a packet; signalled ones are ignored
	RR_FLOW_TORN = 1 << 9, // found odd at adoption; relays nothing until control sets it again
	RR_FLOW_GUESSED = 1 << 10, // RTCP: remote follows from the learned one of RTP
};

// Hot part of a flow. Writer: the owning worker, with relaxed stores, between two steps of seq.
struct rr_flow {
	// line 0: match and rewrite, written when a call changes
	uint64_t uid RR_ALIGNED(128); // incarnation; 0 = never used; stays after a DEL
	uint8_t remote[16]; // expected source, network order, IPv4 in the first four bytes
	uint8_t out[16]; // destination of what arrives here = remote of the peer flow
	uint16_t remote_port_be;
	uint16_t out_port_be;
	uint16_t out_src_port_be; // local port of the peer flow
	uint16_t out_addr; // address index of the peer flow
	uint32_t peer; // slot of the peer flow, RR_SLOT_NONE while the session is incomplete
	uint32_t nexthop; // neighbour entry for `out`; RR_NEXTHOP_NONE = to be looked up
	uint16_t flags; // enum rr_flow_flag
	uint8_t owner; // worker; readable by every worker at any time
	uint8_t tos; // DSCP and ECN of what leaves for `out`
	uint8_t remote_family; // enum rr_family
	uint8_t out_family; // enum rr_family
	uint8_t learn; // mode `safe`: enum safe_state of dpdk_app/learn.h
	uint8_t remote_tos; // DSCP and ECN of what is sent to `remote`: `tos` of the peer flow

	// line 1: written by every packet
	uint32_t seq; // odd while the owner writes the flow or its cold entry
	uint32_t ssrc; // of the last RTP packet
	uint32_t n_packets; // accepted datagrams (past the source check), low 32 bits
	uint32_t jitter_part_q4; // RTP: sum over the steps that jitter_sum_q4 does not hold yet
	uint64_t n_bytes; // their UDP payload
	uint64_t last_seen_ns; // last datagram that reached the relay stage; refreshes the TTL
	uint32_t ext_seq_max; // RTP: highest extended sequence number of the current run
	uint32_t contig_lo; // RTP: everything in contig_lo..ext_seq_max arrived once
	uint32_t transit; // RTP: arrival minus timestamp of the last jitter sample, timestamp units
	uint32_t jitter_q4; // RTP: RFC 3550 A.8 estimate times 16
	uint32_t max_gap_us; // longest time between two accepted datagrams
	uint32_t rtp_ts; // RTP: timestamp of the last jitter sample
	uint32_t latch_due_ms; // monotonic time after which the latch record wants a refresh
	uint8_t payload_type; // of the last RTP packet, 255 = none
	uint8_t jitter_part_steps; // how many steps jitter_part_q4 adds up; bit 7: rtp_ts is valid
	uint16_t jitter_max_hint; // jitter_max_q4 rounded down, see dpdk_app/rtp_stats.c
};
RR_STATIC_ASSERT(sizeof(struct rr_flow) == 128, "two cache lines");
RR_STATIC_ASSERT(offsetof(struct rr_flow, seq) == 64, "line 1 begins with the sequence count");

#define RR_SEQ_WINDOW 1024 // RTP sequence numbers remembered one by one
#define RR_PAYLOAD_TYPE_NONE 255

// Bits of rr_flow_cold.latch_flags.
enum rr_latch_flag {
	RR_LATCH_SSRC = 1 << 0, // latch_ssrc and latch_seq are valid
};

// Cold part of a flow. Same writer and same sequence count as the hot part.
struct rr_flow_cold {
	uint64_t seen[RR_SEQ_WINDOW / 64] RR_ALIGNED(128); // bit (ext_seq % RR_SEQ_WINDOW): arrived

	// source checks
	uint64_t sdp_update_ns; // last signalled change of an address already known, 0 = none
	uint64_t learn_until_ns; // end of the learning window of `safe`
	uint64_t n_rejected; // datagrams from a source that is not the peer
	uint32_t latch_ssrc;
	uint16_t latch_seq;
	uint16_t latch_flags; // enum rr_latch_flag
	uint32_t version; // of the signalled address that was applied last
	uint32_t learn_packets; // datagrams seen in the learning window

	// RTP and datagram statistics
	uint32_t n_dropped; // accepted but not relayed
	uint32_t run_min; // lowest extended sequence number of the current run
	uint64_t first_seen_ns;
	uint32_t n_sent_closed; // packets sent, by sequence number, of the runs that ended
	uint32_t n_received; // distinct packets, less those of contig_lo..ext_seq_max
	uint32_t n_duplicates;
	uint32_t n_reordered;
	uint32_t n_parse_errors; // datagrams that are no RTP
	uint32_t n_ssrc_changes;
	uint32_t jitter_max_q4;
	uint32_t jitter_steps; // how many steps jitter_sum_q4 adds up
	uint64_t jitter_sum_q4;

	// `safe` learning
	uint8_t reference[16]; // address that sources are ranked against, network order
	uint16_t reference_port_be;
	uint8_t reference_family; // enum rr_family
	uint8_t jitter_payload_type; // of the last jitter sample
	uint32_t signalled_hash; // of the address that was signalled last
	uint32_t previous_hash; // of the source before the last signalled change

	uint32_t n_packets_high; // high 32 bits of n_packets
};
RR_STATIC_ASSERT(sizeof(struct rr_flow_cold) == 256, "four cache lines");

RR_END_DECLS
