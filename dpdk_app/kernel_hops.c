// SPDX-License-Identifier: BSD-2-Clause
// Two netlink sockets: one for questions, which the kernel answers within the call, one for news.
#include "kernel_hops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

#include "clock.h"
#include "log.h"
#include "netlink_message.h"

#define NEWS_MAX 64 // receptions a turn
#define NEWS_BUFFER (1 << 20) // bytes that the kernel keeps for us
#define BUFFER_LEN 32768
#define AGAIN_PAUSE_NS RR_NS_PER_S

static uint8_t buffer[BUFFER_LEN] __attribute__((aligned(8))); // main thread's

// ---- questions

// Read what came for the last question. Returns the answer, or NULL when the kernel refused.
static const struct nlmsghdr *answer_find(const struct kernel_hops *k, int len) {
	const struct nlmsghdr *h = (const void *)buffer;

	for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
		if (h->nlmsg_seq == k->seq)
			return h->nlmsg_type == NLMSG_ERROR ? NULL : h;
	return NULL;
}

// True when the first message is for an earlier question, whose answer nobody waited for.
static bool is_late(const struct kernel_hops *k, int len) {
	const struct nlmsghdr *h = (const void *)buffer;

	return mnl_nlmsg_ok(h, len) && h->nlmsg_seq != k->seq;
}

static const struct nlmsghdr *ask(struct kernel_hops *k, struct nlmsghdr *question) {
	ssize_t len;

	question->nlmsg_seq = ++k->seq;
	if (mnl_socket_sendto(k->ask, question, question->nlmsg_len) < 0)
		return NULL;
	do {
		len = mnl_socket_recvfrom(k->ask, buffer, sizeof(buffer));
	} while (len > 0 && is_late(k, (int)len));
	return len > 0 ? answer_find(k, (int)len) : NULL;
}

static uint64_t question_buffer[NETLINK_REQUEST_MAX / sizeof(uint64_t)];

// ---- from which address

static bool is_of(const struct addr_table *t, uint32_t index, const struct neighbour_key *key) {
	return addr_table_has(t, index) && t->local[index].realm == key->realm &&
	       t->local[index].family == key->family;
}

static bool kernel_has(struct kernel_hops *k, const struct local_addr *local) {
	const struct nlmsghdr *h =
		ask(k, netlink_ask_route(question_buffer, (enum rr_family)local->family,
			       local->addr, local->addr));
	struct netlink_route route;

	return h && netlink_read_route(h, &route) == 0 && route.is_local;
}

static uint32_t source_look(struct kernel_hops *k, const struct neighbour_key *key) {
	const struct addr_table *t = k->neighbours->addrs;

	for (uint32_t i = 0; i < t->n_addrs; i++)
		if (is_of(t, i, key) && kernel_has(k, &t->local[i]))
			return i;
	return ADDR_NONE;
}

// The kernel answers only for an address of its own, and the pool may be ahead of it. Where it has
// none it says so itself. NULL: the realm has none of the family either.
static const struct local_addr *source_find(
	struct kernel_hops *k, const struct neighbour_key *key, uint64_t now_ns) {
	const struct addr_table *t = k->neighbours->addrs;
	struct kernel_source *s = &k->source[key->realm][key->family == RR_FAMILY_IPV6];

	if (!is_of(t, s->index, key) && now_ns >= s->look_ns) {
		s->index = source_look(k, key);
		s->look_ns = now_ns + AGAIN_PAUSE_NS;
	}
	if (is_of(t, s->index, key))
		return &t->local[s->index];
	return addr_table_of_realm(t, key->realm, (enum rr_family)key->family);
}

static void sources_forget(struct kernel_hops *k) {
	for (uint32_t r = 0; r < RR_MAX_REALMS; r++)
		for (uint32_t i = 0; i < RR_ARRAY_LEN(k->source[r]); i++)
			k->source[r][i] = (struct kernel_source){.index = ADDR_NONE};
}

// ---- to whom

// Who the kernel sends to for a destination. False when that is nobody on this port.
static bool route_ask(struct kernel_hops *k, const struct neighbour_key *key, uint8_t hop[16]) {
	const struct local_addr *from = source_find(k, key, rr_now_ns());
	const uint32_t port = k->cfg->realm[key->realm].port;
	const struct nlmsghdr *h;
	struct netlink_route route;

	if (!from)
		return false;
	h = ask(k, netlink_ask_route(
			   question_buffer, (enum rr_family)key->family, key->addr, from->addr));
	if (!h || netlink_read_route(h, &route) < 0 || !route.is_unicast ||
		route.ifindex != k->ports->port[port].shared.ifindex)
		return false;
	memcpy(hop, route.has_gateway ? route.gateway : key->addr, 16);
	return true;
}

static bool neighbour_ask(struct kernel_hops *k, int ifindex, enum rr_family family,
	const uint8_t hop[16], struct netlink_neighbour *n) {
	const struct nlmsghdr *h =
		ask(k, netlink_ask_neighbour(question_buffer, family, ifindex, hop));

	return h && netlink_read_neighbour(h, n) == 0 && n->usable;
}

bool kernel_hops_probe(
	void *ctx, const struct neighbour_key *key, const struct rte_ether_addr *mac RR_UNUSED) {
	struct kernel_hops *k = ctx;
	int ifindex = k->ports->port[k->cfg->realm[key->realm].port].shared.ifindex;
	enum rr_family family = (enum rr_family)key->family;
	struct netlink_neighbour n = {.stale = true};
	struct rte_ether_addr found;
	uint8_t hop[16] = {0};
	bool usable;

	if (!route_ask(k, key, hop)) {
		neighbour_told(k->neighbours, key, hop, NULL, rr_now_ns());
		return true;
	}
	usable = neighbour_ask(k, ifindex, family, hop, &n);
	// The kernel does not see that we send: it confirms only what it is told is used.
	if (!usable || n.stale)
		ask(k, netlink_use_neighbour(question_buffer, family, ifindex, hop));
	memcpy(found.addr_bytes, n.mac, sizeof(found.addr_bytes));
	neighbour_told(k->neighbours, key, hop, usable ? &found : NULL, rr_now_ns());
	return true;
}

// ---- news

static void neighbour_news(
	struct kernel_hops *k, const struct netlink_neighbour *n, uint64_t now_ns) {
	struct neighbour_key hop = {.family = n->family};
	struct rte_ether_addr mac;

	memcpy(hop.addr, n->addr, sizeof(hop.addr));
	memcpy(mac.addr_bytes, n->mac, sizeof(mac.addr_bytes));
	for (uint32_t r = 0; r < k->cfg->n_realms; r++) {
		const struct port *port = &k->ports->port[k->cfg->realm[r].port];

		if (!port_is_shared(port->cfg) || port->shared.ifindex != n->ifindex)
			continue;
		hop.realm = (uint8_t)r;
		neighbour_hop_told(k->neighbours, &hop, n->usable ? &mac : NULL, now_ns);
	}
}

static void message_take(struct kernel_hops *k, const struct nlmsghdr *h, uint64_t now_ns) {
	struct netlink_neighbour n;

	if (netlink_read_neighbour(h, &n) == 0)
		neighbour_news(k, &n, now_ns);
	else if (netlink_is_of_ways(h))
		k->ask_again = true;
}

// What was lost for want of room, too, is found by asking again.
static bool news_receive(struct kernel_hops *k, uint64_t now_ns) {
	ssize_t n = mnl_socket_recvfrom(k->news, buffer, sizeof(buffer));
	const struct nlmsghdr *h = (const void *)buffer;
	int len = (int)n;

	if (n < 0 && errno == ENOBUFS) {
		k->ask_again = true;
		return true;
	}
	if (n <= 0)
		return false;
	for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
		message_take(k, h, now_ns);
	return true;
}

void kernel_hops_poll(struct kernel_hops *k, uint64_t now_ns) {
	if (!k->news)
		return;
	for (uint32_t i = 0; i < NEWS_MAX && news_receive(k, now_ns); i++)
		;
	if (!k->ask_again || now_ns < k->ask_again_ns)
		return;
	k->ask_again = false;
	sources_forget(k);
	k->ask_again_ns = now_ns + AGAIN_PAUSE_NS;
	neighbour_ask_again(k->neighbours, now_ns);
}

// ---- start and end

static int sockets_open(struct kernel_hops *k) {
	const struct timeval patience = {.tv_usec = 200000};
	const unsigned int groups = RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE |
				    RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
				    1U << (RTNLGRP_IPV6_RULE - 1); // which has no RTMGRP_
	const int size = NEWS_BUFFER;

	k->ask = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	k->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!k->ask || !k->news || mnl_socket_bind(k->ask, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_bind(k->news, groups, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(mnl_socket_get_fd(k->ask), SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience)) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(k->news), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return 0;
}

int kernel_hops_open(struct kernel_hops *k, const struct rr_config *cfg,
	const struct port_set *ports, struct neighbour_table *neighbours) {
	bool any = false;
	int ret;

	*k = (struct kernel_hops){.cfg = cfg, .ports = ports, .neighbours = neighbours};
	sources_forget(k);
	for (uint32_t p = 0; p < cfg->n_ports; p++)
		any |= port_is_shared(&cfg->port[p]);
	if (!any)
		return 0;
	ret = sockets_open(k);
	if (ret < 0) {
		rr_err("shared", "cannot ask the kernel for its neighbours: %s", strerror(-ret));
		kernel_hops_close(k);
	}
	return ret;
}

void kernel_hops_close(struct kernel_hops *k) {
	if (k->ask)
		mnl_socket_close(k->ask);
	if (k->news)
		mnl_socket_close(k->news);
	k->ask = k->news = NULL;
}
