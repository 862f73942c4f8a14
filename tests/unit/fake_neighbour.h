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
	std::map<uint32_t, int> answers; // handle -> what neighbour_mac returns, 0 if not here
	std::vector<uint32_t> realms; // of each neighbour_find
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

// The MAC address ends with the handle.
int neighbour_mac(const struct neighbour_view *v, uint32_t handle, struct rte_ether_addr *mac) {
	auto &n = fake::neighbours();

	(void)v;
	for (int i = 0; i < 6; i++)
		mac->addr_bytes[i] = (uint8_t)(i == 5 ? handle : 0xaa);
	return n.answers.count(handle) ? n.answers[handle] : 0;
}
}
