// SPDX-License-Identifier: BSD-2-Clause
// A table of next hops for tests of those who use one: it knows what the test tells it.
#pragma once

#include <map>
#include <string>

#include "dp_fixture.h"

extern "C" {
#include "neighbour.h"
}

namespace fake {

struct Neighbours {
	std::map<dp::Bytes, uint32_t> handles; // address -> handle
	std::vector<uint32_t> realms; // of each neighbour_find
};

// The table behind a view: handles are positions of generation 0, and the MAC address of each ends
// with it.
class Table {
      public:
	Table() {
		for (uint32_t handle = 0; handle < N; handle++)
			know_mac(handle);
		table_.slots = slots_;
		table_.n_positions = N;
	}

	struct neighbour_view view() const {
		struct neighbour_view v = {};

		v.table = &table_;
		return v;
	}

	void know_mac(uint32_t handle) {
		slots_[handle].word = NEIGHBOUR_WORD_RESOLVED | mac_of(handle);
	}

	void forget_mac(uint32_t handle) {
		slots_[handle].word = 0;
	}

	void make_stale(uint32_t handle) {
		slots_[handle].word |= UINT64_C(1) << NEIGHBOUR_WORD_GENERATION_SHIFT;
	}

      private:
	static const uint32_t N = 128;

	static uint64_t mac_of(uint32_t handle) {
		return UINT64_C(0xaaaaaaaaaa) | (uint64_t)handle << 40;
	}

	struct neighbour_slot slots_[N] = {};
	struct neighbour_table table_ = {};
};

inline Neighbours &neighbours() {
	static Neighbours n;

	return n;
}

inline dp::Bytes key(const std::string &addr) {
	struct rr_endpoint ep = dp::endpoint(addr, 0);

	return dp::Bytes(ep.addr, ep.addr + 16);
}

} // namespace fake

extern "C" {

uint32_t neighbour_find(const struct neighbour_view *v, uint32_t realm, enum rr_family family,
	const uint8_t addr[16]) {
	auto &n = fake::neighbours();
	auto found = n.handles.find(dp::Bytes(addr, addr + 16));

	(void)v;
	(void)family;
	n.realms.push_back(realm);
	return found == n.handles.end() ? RR_NEXTHOP_NONE : found->second;
}
}
