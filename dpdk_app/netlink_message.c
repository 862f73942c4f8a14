// SPDX-License-Identifier: BSD-2-Clause
// rtnetlink(7) as far as next hops go, by libmnl.
#include "netlink_message.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static unsigned char af_of(enum rr_family family) {
	return family == RR_FAMILY_IPV6 ? AF_INET6 : AF_INET;
}

static size_t addr_len(unsigned char af) {
	return af == AF_INET6 ? 16 : 4;
}

// ---- requests

static struct nlmsghdr *header(void *buf, uint16_t type, uint16_t flags) {
	struct nlmsghdr *h;

	memset(buf, 0, NETLINK_REQUEST_MAX);
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return h;
}

struct nlmsghdr *netlink_ask_route(
	void *buf, enum rr_family family, const uint8_t *to, const uint8_t *from) {
	struct nlmsghdr *h = header(buf, RTM_GETROUTE, 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	size_t len = addr_len(af_of(family));

	m->rtm_family = af_of(family);
	m->rtm_dst_len = m->rtm_src_len = (uint8_t)(len * 8);
	mnl_attr_put(h, RTA_DST, len, to);
	mnl_attr_put(h, RTA_SRC, len, from);
	return h;
}

static struct nlmsghdr *neighbour_message(
	struct nlmsghdr *h, enum rr_family family, int ifindex, const uint8_t *addr) {
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ndm_family = af_of(family);
	m->ndm_ifindex = ifindex;
	mnl_attr_put(h, NDA_DST, addr_len(m->ndm_family), addr);
	return h;
}

struct nlmsghdr *netlink_ask_neighbour(
	void *buf, enum rr_family family, int ifindex, const uint8_t *addr) {
	return neighbour_message(header(buf, RTM_GETNEIGH, 0), family, ifindex, addr);
}

struct nlmsghdr *netlink_use_neighbour(
	void *buf, enum rr_family family, int ifindex, const uint8_t *addr) {
	struct nlmsghdr *h = header(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK);
	struct ndmsg *m;

	neighbour_message(h, family, ifindex, addr);
	m = mnl_nlmsg_get_payload(h);
	m->ndm_flags = NTF_USE;
	return h;
}

// ---- answers and news

bool netlink_is_of_ways(const struct nlmsghdr *h) {
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return true;
	default:
		return false;
	}
}

static bool family_read(unsigned char af, uint8_t *family) {
	*family = af == AF_INET6 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4;
	return af == AF_INET || af == AF_INET6;
}

// Copy an attribute of exactly this length.
static bool attr_read(const struct nlattr *a, void *to, size_t len) {
	if (mnl_attr_get_payload_len(a) != len)
		return false;
	memcpy(to, mnl_attr_get_payload(a), len);
	return true;
}

static void state_read(struct netlink_neighbour *n, const struct nlmsghdr *h, bool has_mac) {
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);

	n->usable = h->nlmsg_type == RTM_NEWNEIGH && has_mac && (m->ndm_state & NUD_USABLE);
	n->stale = !n->usable || (m->ndm_state & NUD_STALE);
}

int netlink_read_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *n) {
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	bool has_addr = false, has_mac = false;
	const struct nlattr *a;

	*n = (struct netlink_neighbour){0};
	if ((h->nlmsg_type != RTM_NEWNEIGH && h->nlmsg_type != RTM_DELNEIGH) ||
		mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
		!family_read(m->ndm_family, &n->family))
		return -EINVAL;
	n->ifindex = m->ndm_ifindex;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == NDA_DST)
			has_addr = attr_read(a, n->addr, addr_len(m->ndm_family));
		else if (mnl_attr_get_type(a) == NDA_LLADDR)
			has_mac = attr_read(a, n->mac, sizeof(n->mac));
	}
	if (!has_addr)
		return -EINVAL;
	state_read(n, h, has_mac);
	return 0;
}

// RTA_VIA: a gateway of the other family, which IPv4 may have (RFC 5549). It is refused: whoever is
// meant is not in the table of this family.
static bool route_attr_read(struct netlink_route *r, const struct nlattr *a, unsigned char af) {
	uint32_t ifindex;

	switch (mnl_attr_get_type(a)) {
	case RTA_OIF:
		if (!attr_read(a, &ifindex, sizeof(ifindex)))
			return false;
		r->ifindex = (int)ifindex;
		return true;
	case RTA_GATEWAY:
		r->has_gateway = true;
		return attr_read(a, r->gateway, addr_len(af));
	case RTA_VIA:
		return false;
	default:
		return true;
	}
}

int netlink_read_route(const struct nlmsghdr *h, struct netlink_route *r) {
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	uint8_t family;

	*r = (struct netlink_route){0};
	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
		!family_read(m->rtm_family, &family))
		return -EINVAL;
	r->is_unicast = m->rtm_type == RTN_UNICAST;
	r->is_local = m->rtm_type == RTN_LOCAL;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (!route_attr_read(r, a, m->rtm_family))
			return -EINVAL;
	}
	return 0;
}
