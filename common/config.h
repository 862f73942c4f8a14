// SPDX-License-Identifier: BSD-2-Clause
// rtprelay.conf as one typed struct; the only user of libconfig in the project.
//
// It stands in common/ because all three programs read the same file and must never disagree on it.
#pragma once

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler.h"
#include "endpoint.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

#define RR_MAX_REALMS 32
#define RR_MAX_EAL_ARGS 64
#define RR_MAX_NEIGHBOURS 64 // static ones, per realm and family
#define RR_MAX_SOCKETS 32
#define RR_MAX_NOTIFY 66 // as rtpproxy: 64, and two wildcards
#define RR_NAME_LEN 64
#define RR_PATH_LEN 256

enum rr_port_mode {
	RR_PORT_EXCLUSIVE, // the dataplane owns the interface
	RR_PORT_SHARED, // it takes media from a kernel interface, the rest stays with the kernel
};

// How a shared port takes its packets.
enum rr_port_io {
	RR_IO_AUTO, // AF_XDP, else AF_PACKET
	RR_IO_AF_XDP,
	RR_IO_AF_PACKET,
};

enum rr_checksum_mode {
	RR_CHECKSUM_AUTO, // incremental
	RR_CHECKSUM_OFFLOAD,
	RR_CHECKSUM_INCREMENTAL,
	RR_CHECKSUM_FULL,
};

enum rr_poll_mode {
	RR_POLL_BUSY,
	RR_POLL_ADAPTIVE,
};

enum rr_simd {
	RR_SIMD_AUTO,
	RR_SIMD_OFF,
};

enum rr_learning {
	RR_LEARN_SAFE,
	RR_LEARN_COMPAT,
};

enum rr_hugepages {
	RR_HUGEPAGES_AUTO, // use them when there are some, else warn
	RR_HUGEPAGES_REQUIRE,
	RR_HUGEPAGES_OFF,
};

struct rr_port_config {
	char name[RR_PORT_NAME_LEN]; // unique; realms refer to it
	char device[RR_PATH_LEN]; // EAL device: PCI address or vdev with its arguments; of a shared
				  // port the kernel's interface
	enum rr_port_mode mode;
	enum rr_port_io io; // of a shared port; of others RR_IO_AUTO
	enum rr_checksum_mode checksum;
	uint32_t n_rx_queues; // 0: one per worker
	uint32_t n_rx_desc;
	uint32_t n_tx_desc;
	uint32_t mtu; // bytes of IP packet
	bool start_held; // receives nothing before `rrctl port start`
	bool promiscuous;
};

struct rr_neighbour_config {
	struct rr_endpoint addr;
	uint8_t mac[ETHER_ADDR_LEN];
};

// One family of a realm. n_pool 0: the realm does not speak this family.
struct rr_net_config {
	struct rr_endpoint prefix; // network address
	uint32_t prefix_len;
	struct rr_endpoint gateway; // family RR_FAMILY_NONE: on-link destinations only
	uint32_t first_addr; // index of pool[0] in rr_config.addrs
	uint32_t n_pool; // consecutive entries of rr_config.addrs
	char advertised[RR_NAME_LEN]; // address text in replies instead of the pool's; "" = none
	uint32_t n_neighbours;
	struct rr_neighbour_config neighbours[RR_MAX_NEIGHBOURS];
};

struct rr_realm_config {
	char name[RR_NAME_LEN]; // label of the protocol, `l{name}`
	uint32_t port; // index into rr_config.ports
	uint16_t vlan; // 0: untagged
	bool hide_address; // replies carry the port alone, as rtpproxy on a wildcard address
	struct rr_net_config ipv4;
	struct rr_net_config ipv6;
};

struct rr_config {
	char path[RR_PATH_LEN]; // file it came from
	char run_dir[RR_PATH_LEN]; // region, lock and pid files
	char hugepage_dir[RR_PATH_LEN]; // hugetlbfs mount for the region; "" = region on run_dir
	int log_level; // enum rr_log_level

	// dataplane
	uint32_t n_workers;
	uint32_t worker_core[RR_MAX_WORKERS];
	uint32_t main_core;
	enum rr_poll_mode poll;
	enum rr_simd simd;
	enum rr_hugepages hugepages;
	uint32_t memory_mb; // for the EAL without hugepages
	uint32_t n_mbufs;
	uint32_t reassembly_datagrams; // incomplete ones on one worker
	uint32_t reassembly_per_source; // of them, of one source
	uint32_t reassembly_ms; // an incomplete datagram is given up after so long
	uint32_t n_eal_args;
	char eal_arg[RR_MAX_EAL_ARGS][RR_PATH_LEN];
	uint32_t n_ports;
	struct rr_port_config port[RR_MAX_PORTS];

	// realms and their addresses
	uint32_t n_realms;
	struct rr_realm_config realm[RR_MAX_REALMS];
	uint32_t n_addrs;
	struct rr_shm_addr addr[RR_MAX_ADDRS];
	uint32_t max_addrs; // local addresses at one time, with those that are added while running;
			    // 0: as many as seem enough
	uint32_t n_addr_places; // how many these are
	int bridge_internal; // realm index, -1 = no bridge mode
	int bridge_external;

	// media
	uint32_t media_port_min; // even, first RTP port
	uint32_t media_port_max; // odd, last RTCP port
	bool sequential_ports; // rtpproxy -b
	uint32_t port_rest_ms; // a freed pair rests this long
	enum rr_learning learning;
	uint32_t safe_learn_ms; // learning window of `safe` opens with the first packet
	uint32_t safe_learn_packets; // and ends after so many packets at the latest
	uint32_t safe_silence_ms; // the old source is silent this long before a continuity move
	uint8_t tos; // 0..255
	uint8_t hop_limit;
	bool asymmetric; // rtpproxy --force_asymmetric
	bool bridge_symmetric;

	// control
	uint32_t n_sockets;
	char socket[RR_MAX_SOCKETS][RR_PATH_LEN]; // [c]unix:PATH, udp[6]: or tcp[6]:ADDR:PORT,
						  // stdio[c]: or systemd:
	uint32_t socket_mode; // permissions of UNIX sockets
	uint32_t n_notify;
	char notify[RR_MAX_NOTIFY][RR_PATH_LEN]; // rtpproxy -n
	uint32_t notify_retry_s; // how long a notice is tried again; 0 = as rtpproxy, once
	char store_dir[RR_PATH_LEN]; // LMDB environment
	uint32_t store_mb; // LMDB map size
	uint32_t max_sessions;
	uint32_t ack_timeout_ms; // a command fails when the dataplane is silent this long
	uint32_t media_ttl_s; // rtpproxy -T
	uint32_t setup_ttl_s; // rtpproxy -W
	bool independent_ttl; // rtpproxy -i
	uint32_t overload_high_pct; // rtpproxy --overload_prot; 0 = never overloaded
	uint32_t overload_low_pct;
	char user[RR_NAME_LEN]; // control drops to this user; "" = stays
	char group[RR_NAME_LEN]; // region and UNIX sockets belong to this group; "" = as started
};

// Read and check a file. On failure returns -EINVAL (or the errno of the open) and writes one
// line, "FILE:LINE: what is wrong and what was expected", to err.
int rr_config_load(struct rr_config *cfg, const char *path, FILE *err);

// Write what is in effect as a file that rr_config_load reads back to the same struct.
void rr_config_print(const struct rr_config *cfg, FILE *out);
// The same as JSON.
void rr_config_print_json(const struct rr_config *cfg, FILE *out);

// Write the names of the options that differ, "media.tos, realms[0].vlan", but for the pools of
// addresses, which may change while rtprelay runs. Returns how many these are, or -ENOMEM.
int rr_config_diff(const struct rr_config *a, const struct rr_config *b, FILE *out);

// Names a realm where two programs may count the realms of their files differently.
uint64_t rr_realm_key(const char *name);

struct rr_endpoint rr_addr_endpoint(const struct rr_shm_addr *addr);

// Index of a local address, or -1.
int rr_config_find_addr(const struct rr_config *cfg, const struct rr_endpoint *addr);

// Why `ep`, whose port does not count, can be no local address of a realm: text that follows the
// address in a sentence. NULL when it can.
const char *rr_realm_refuses(
	const struct rr_config *cfg, uint32_t realm, const struct rr_endpoint *ep);

// The family's part of a realm.
const struct rr_net_config *rr_realm_net(
	const struct rr_realm_config *realm, enum rr_family family);

RR_END_DECLS
