// SPDX-License-Identifier: BSD-2-Clause
// Messages of the kernel's about neighbours and routes: written, and read with every length
// checked. No socket, no state.
#pragma once

#include <net/ethernet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

struct nlmsghdr;

#define NETLINK_REQUEST_MAX 256 // bytes of the longest request

struct netlink_neighbour {
	int ifindex;
	uint8_t family; // enum rr_family
	uint8_t addr[16]; // network order, IPv4 in the first four bytes
	bool usable; // the kernel would send to `mac`
	bool stale; // and wants it confirmed, or has none
	uint8_t mac[ETHER_ADDR_LEN];
};

struct netlink_route {
	int ifindex;
	bool is_unicast; // to another host; neither to this one nor to many nor to nobody
	bool is_local; // to this one
	bool has_gateway;
	uint8_t gateway[16];
};

// Requests into buf, which is aligned and NETLINK_REQUEST_MAX bytes long. Addresses are 16 bytes.
struct nlmsghdr *netlink_ask_route(
	void *buf, enum rr_family family, const uint8_t *to, const uint8_t *from);
struct nlmsghdr *netlink_ask_neighbour(
	void *buf, enum rr_family family, int ifindex, const uint8_t *addr);
// Have the kernel resolve or confirm.
struct nlmsghdr *netlink_use_neighbour(
	void *buf, enum rr_family family, int ifindex, const uint8_t *addr);

// Whether a message is of links, routes or rules: another way may lead to any destination then.
bool netlink_is_of_ways(const struct nlmsghdr *h);

// What a message says. Return 0, or -EINVAL for one that is malformed or of another kind.
int netlink_read_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *n);
int netlink_read_route(const struct nlmsghdr *h, struct netlink_route *r);
