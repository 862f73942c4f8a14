// SPDX-License-Identifier: BSD-2-Clause
// A small dataplane in plain memory for unit tests: two ports, two realms, a flow table, a burst.
//
//	external: port 0, untagged   198.18.0.1 198.18.0.2 2001:db8:1::1   (addresses 0 1 2)
//	internal: port 1, VLAN 100   10.1.0.1 2001:db8:2::1                (addresses 3 4)
//
// Media ports 20000..20099. Packets are mbufs that no pool knows: nothing here may free them.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>

extern "C" {
#include "addr_table.h"
#include "flow.h"
#include "pkt.h"
#include "port.h"
#include "ring.h"
}

namespace dp {

enum { EXT4 = 0, EXT4B = 1, EXT6 = 2, INT4 = 3, INT6 = 4, N_ADDRS = 5 };
enum { PORT_MIN = 20000, N_PORTS = 100 };
enum { EXT_PORT = 0, INT_PORT = 1, INT_VLAN = 100 };

const uint8_t ext_mac[6] = {2, 0, 0, 0, 0, 0x10};
const uint8_t int_mac[6] = {2, 0, 0, 0, 0, 0x20};

inline struct rr_endpoint endpoint(const std::string &addr, uint16_t port) {
	struct rr_endpoint ep;

	memset(&ep, 0, sizeof(ep));
	ep.port_be = htons(port);
	if (inet_pton(AF_INET, addr.c_str(), ep.addr) == 1)
		ep.family = RR_FAMILY_IPV4;
	else if (inet_pton(AF_INET6, addr.c_str(), ep.addr) == 1)
		ep.family = RR_FAMILY_IPV6;
	return ep;
}

// One packet's memory: an mbuf with headroom and 2048 bytes behind it.
class Mbuf {
      public:
	enum { HEADROOM = 128, ROOM = 2048 };

	explicit Mbuf(const std::vector<uint8_t> &frame, uint16_t headroom = HEADROOM)
	    : room_(HEADROOM + ROOM) {
		memset(&m, 0, sizeof(m));
		m.buf_addr = room_.data();
		m.buf_len = (uint16_t)room_.size();
		m.data_off = headroom;
		m.refcnt = 1;
		m.nb_segs = 1;
		m.data_len = (uint16_t)frame.size();
		m.pkt_len = (uint32_t)frame.size();
		memcpy(room_.data() + headroom, frame.data(), frame.size());
	}

	std::vector<uint8_t> bytes() const {
		const uint8_t *at = rte_pktmbuf_mtod(&m, const uint8_t *);

		return std::vector<uint8_t>(at, at + m.data_len);
	}

	struct rte_mbuf m;

      private:
	std::vector<uint8_t> room_;
};

// Zeroed memory of n structs, aligned as the region is.
template <typename T> class Zeroed {
      public:
	explicit Zeroed(size_t n = 1)
	    : p_((T *)aligned_alloc(128, (n * sizeof(T) + 127) / 128 * 128)) {
		memset((void *)p_, 0, n * sizeof(T));
	}
	~Zeroed() {
		free(p_);
	}
	Zeroed(const Zeroed &) = delete;
	Zeroed &operator=(const Zeroed &) = delete;

	T *get() const {
		return p_;
	}
	T *operator->() const {
		return p_;
	}
	T &operator[](size_t i) const {
		return p_[i];
	}

      private:
	T *p_;
};

// The configuration and the tables made from it.
struct World {
	World()
	    : flows(N_ADDRS * N_PORTS), cold(N_ADDRS * N_PORTS),
	      ring_memory(sizeof(struct rr_ring_shared) + 64 * 128) {
		fill_config();
		fill_ports(RR_CHECKSUM_FULL);
		fill_table();
		memset(counters, 0, sizeof(counters));
	}

	void fill_ports(enum rr_checksum_mode checksum) {
		ports->n = 2;
		for (uint32_t i = 0; i < 2; i++) {
			ports->port[i].mtu = 1500;
			ports->port[i].checksum = checksum;
			memcpy(ports->port[i].mac.addr_bytes, i == 0 ? ext_mac : int_mac, 6);
		}
		if (addr_table_build(addrs.get(), cfg.get(), ports.get()) != 0)
			abort();
	}

	uint32_t slot(uint32_t addr, uint32_t port) const {
		return addr * N_PORTS + (port - PORT_MIN);
	}

	struct rr_flow &flow(uint32_t addr, uint32_t port) {
		return flows[slot(addr, port)];
	}

	uint64_t counter(enum rr_counter c) const {
		uint64_t n = 0;

		for (uint32_t p = 0; p < RR_MAX_PORTS; p++)
			n += counters[p][c];
		return n;
	}

	// A ring with its producer side attached; `slot_size` bytes a message, 64 messages at most.
	void ring(struct rr_ring *r, uint32_t slot_size, uint32_t n_slots = 64) {
		auto *shared = (struct rr_ring_shared *)ring_memory.get();

		memset(shared, 0, sizeof(*shared));
		if (rr_ring_attach_producer(r, shared, shared + 1, n_slots, slot_size) != 0)
			abort();
	}

	void begin(uint64_t now_ns, bool handed_over = false) {
		burst_reset(burst.get(), now_ns, counters, handed_over);
	}

	// Take every packet of the burst through a stage. Returns how many go on.
	template <typename Stage> uint32_t each(Stage stage) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < burst->n; i++) {
			struct pkt *p = burst->live[i];

			if (stage(burst.get(), p))
				burst->live[n++] = p;
		}
		return burst->n = n;
	}

	Zeroed<struct rr_config> cfg;
	Zeroed<struct port_set> ports;
	Zeroed<struct addr_table> addrs;
	Zeroed<struct rr_flow> flows;
	Zeroed<struct rr_flow_cold> cold;
	Zeroed<uint8_t> ring_memory;
	Zeroed<struct burst> burst;
	struct flow_table table;
	uint64_t counters[RR_MAX_PORTS][RR_N_COUNTERS];

      private:
	void add_addr(const char *text, uint8_t realm) {
		struct rr_endpoint ep = endpoint(text, 0);
		struct rr_shm_addr *a = &cfg->addr[cfg->n_addrs++];

		memcpy(a->addr, ep.addr, 16);
		a->family = ep.family;
		a->realm = realm;
		a->port = realm;
	}

	void fill_config() {
		cfg->n_realms = 2;
		cfg->realm[1].port = INT_PORT;
		cfg->realm[1].vlan = INT_VLAN;
		cfg->hop_limit = 57; // no usual value: it can come from here alone
		add_addr("198.18.0.1", 0);
		add_addr("198.18.0.2", 0);
		add_addr("2001:db8:1::1", 0);
		add_addr("10.1.0.1", 1);
		add_addr("2001:db8:2::1", 1);
	}

	void fill_table() {
		for (uint32_t i = 0; i < N_ADDRS * N_PORTS; i++) {
			flows[i].peer = RR_SLOT_NONE;
			flows[i].nexthop = RR_NEXTHOP_NONE;
		}
		table.flows = flows.get();
		table.cold = cold.get();
		table.addrs = addrs.get();
		table.n_flows = N_ADDRS * N_PORTS;
		table.n_media_ports = N_PORTS;
		table.media_port_min = PORT_MIN;
		table.self = 0;
		table.neighbours = nullptr;
	}
};

// Frames, built layer by layer from the inside out.
typedef std::vector<uint8_t> Bytes;

inline Bytes operator+(const Bytes &a, const Bytes &b) {
	Bytes both(a.size() + b.size());

	std::copy(a.begin(), a.end(), both.begin());
	std::copy(b.begin(), b.end(), both.begin() + (ptrdiff_t)a.size());
	return both;
}

inline Bytes be16(uint32_t v) {
	return {(uint8_t)(v >> 8), (uint8_t)v};
}

inline Bytes be32(uint32_t v) {
	return be16(v >> 16) + be16(v & 0xffff);
}

inline Bytes addr_bytes(const std::string &text) {
	struct rr_endpoint ep = endpoint(text, 0);

	return Bytes(ep.addr, ep.addr + (ep.family == RR_FAMILY_IPV4 ? 4 : 16));
}

// With a checksum that is not zero and not right: nobody but a device's verdict looks at it.
inline Bytes udp(uint16_t src, uint16_t dst, const Bytes &payload, uint32_t checksum = 0x1234) {
	return be16(src) + be16(dst) + be16((uint32_t)payload.size() + 8) + be16(checksum) +
	       payload;
}

inline uint32_t ones_sum(const Bytes &b) {
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < b.size(); i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

inline Bytes ip4(const std::string &src, const std::string &dst, const Bytes &payload,
	uint8_t protocol = 17, uint16_t fragment = 0, const Bytes &options = {}) {
	uint32_t len = 20 + (uint32_t)(options.size() + payload.size());
	Bytes front = Bytes{(uint8_t)(0x45 + options.size() / 4), 0} + be16(len) + be16(7) +
		      be16(fragment) + Bytes{64, protocol};
	Bytes back = addr_bytes(src) + addr_bytes(dst) + options;
	uint32_t checksum = ~ones_sum(front + back) & 0xffff;

	return front + be16(checksum) + back + payload;
}

inline Bytes ip6(
	const std::string &src, const std::string &dst, const Bytes &payload, uint8_t next = 17) {
	return Bytes{0x60, 0, 0, 0} + be16((uint32_t)payload.size()) + Bytes{next, 64} +
	       addr_bytes(src) + addr_bytes(dst) + payload;
}

inline Bytes mac_bytes(const uint8_t mac[6]) {
	return Bytes(mac, mac + 6);
}

inline Bytes ether(const Bytes &dst, uint32_t type, const Bytes &payload) {
	return dst + Bytes{2, 0, 0, 0, 0, 0x99} + be16(type) + payload;
}

inline Bytes vlan(const Bytes &dst, uint32_t vid, uint32_t type, const Bytes &payload) {
	return ether(dst, 0x8100, be16(vid) + be16(type) + payload);
}

inline Bytes rtp(uint16_t seq, uint32_t ssrc = 0x11223344, uint32_t timestamp = 0, uint8_t pt = 0,
	bool marker = false) {
	return Bytes{0x80, (uint8_t)(pt | (marker ? 0x80 : 0))} + be16(seq) + be32(timestamp) +
	       be32(ssrc) + Bytes(160, 0xd5);
}

} // namespace dp
