// SPDX-License-Identifier: BSD-2-Clause
// Finds the UDP datagram in a captured frame: link layer, VLAN tags, IPv4 or IPv6.
#include "datagram.h"

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <string.h>
#include <sys/socket.h>

#include "rtp.h"

#define VLAN_TAG_LEN 4
#define MAX_VLAN_TAGS 2
#define MAX_IPV6_HEADERS 8
#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN 8

// What is left of the frame.
struct rest {
	const uint8_t *data;
	size_t len;
};

// Where a link layer says what it carries, and how long its header is.
static const struct link {
	int type;
	size_t protocol_at;
	size_t header_len;
} links[] = {
	{DLT_EN10MB, 12, 14},
	{DLT_LINUX_SLL, 14, 16},
	{DLT_LINUX_SLL2, 0, 20},
};

// Without a protocol: the first four bits of IP say which.
static const struct bare_link {
	int type;
	size_t header_len;
} bare_links[] = {
	{DLT_NULL, 4},
	{DLT_LOOP, 4},
	{DLT_RAW, 0},
	{DLT_IPV4, 0},
	{DLT_IPV6, 0},
};

static const struct link *find_link(int type) {
	for (size_t i = 0; i < RR_ARRAY_LEN(links); i++)
		if (links[i].type == type)
			return &links[i];
	return NULL;
}

static const struct bare_link *find_bare_link(int type) {
	for (size_t i = 0; i < RR_ARRAY_LEN(bare_links); i++)
		if (bare_links[i].type == type)
			return &bare_links[i];
	return NULL;
}

bool datagram_link_is_known(int link_type) {
	return find_link(link_type) || find_bare_link(link_type);
}

// False when fewer than n bytes are left.
static bool skip(struct rest *rest, size_t n) {
	if (rest->len < n)
		return false;
	rest->data += n;
	rest->len -= n;
	return true;
}

static int strip_protocol(struct rest *rest, const struct link *link) {
	uint32_t protocol;

	if (rest->len < link->header_len)
		return -EMSGSIZE;
	protocol = rr_load_be16(rest->data + link->protocol_at);
	skip(rest, link->header_len);
	for (int i = 0; i < MAX_VLAN_TAGS && (protocol == ETHERTYPE_VLAN || protocol == 0x88a8);
		i++) {
		if (rest->len < VLAN_TAG_LEN)
			return -EMSGSIZE;
		protocol = rr_load_be16(rest->data + 2);
		skip(rest, VLAN_TAG_LEN);
	}
	return protocol == ETHERTYPE_IP || protocol == ETHERTYPE_IPV6 ? 0 : -EPROTONOSUPPORT;
}

static int strip_link(struct rest *rest, int link_type) {
	const struct link *link = find_link(link_type);
	const struct bare_link *bare = find_bare_link(link_type);

	if (link)
		return strip_protocol(rest, link);
	if (!bare)
		return -EPROTONOSUPPORT;
	return skip(rest, bare->header_len) ? 0 : -EMSGSIZE;
}

static void set_addr(struct rr_endpoint *ep, const uint8_t *addr, size_t len) {
	*ep = (struct rr_endpoint){.family = len == 4 ? RR_FAMILY_IPV4 : RR_FAMILY_IPV6};
	memcpy(ep->addr, addr, len);
}

// The frame may be longer than what IP says it holds: Ethernet pads.
static int cut_to(struct rest *rest, size_t total) {
	if (total > rest->len)
		return -EMSGSIZE;
	rest->len = total;
	return 0;
}

static int strip_ipv4(struct rest *rest, struct datagram *d) {
	const uint8_t *ip = rest->data;
	size_t header_len = (size_t)(ip[0] & 0x0f) * 4;

	if (rest->len < IPV4_LEN || header_len < IPV4_LEN)
		return -EMSGSIZE;
	if (ip[9] != IPPROTO_UDP)
		return -EPROTONOSUPPORT;
	if (rr_load_be16(ip + 6) & 0x3fff || cut_to(rest, rr_load_be16(ip + 2)) < 0)
		return -EMSGSIZE;
	set_addr(&d->from, ip + 12, 4);
	set_addr(&d->to, ip + 16, 4);
	return skip(rest, header_len) ? 0 : -EMSGSIZE;
}

static int strip_ipv6(struct rest *rest, struct datagram *d) {
	const uint8_t *ip = rest->data;
	uint8_t next;

	if (rest->len < IPV6_LEN || cut_to(rest, IPV6_LEN + rr_load_be16(ip + 4)) < 0)
		return -EMSGSIZE;
	set_addr(&d->from, ip + 8, 16);
	set_addr(&d->to, ip + 24, 16);
	next = ip[6];
	skip(rest, IPV6_LEN);
	for (int i = 0; i < MAX_IPV6_HEADERS && next != IPPROTO_UDP; i++) {
		if (next == IPPROTO_FRAGMENT)
			return -EMSGSIZE;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return -EPROTONOSUPPORT;
		if (rest->len < 8)
			return -EMSGSIZE;
		next = rest->data[0];
		if (!skip(rest, 8 + (size_t)rest->data[1] * 8))
			return -EMSGSIZE;
	}
	return next == IPPROTO_UDP ? 0 : -EPROTONOSUPPORT;
}

static int strip_udp(struct rest *rest, struct datagram *d) {
	if (rest->len < UDP_LEN || rr_load_be16(rest->data + 4) < UDP_LEN ||
		cut_to(rest, rr_load_be16(rest->data + 4)) < 0)
		return -EMSGSIZE;
	memcpy(&d->from.port_be, rest->data, 2);
	memcpy(&d->to.port_be, rest->data + 2, 2);
	skip(rest, UDP_LEN);
	d->data = rest->data;
	d->len = rest->len;
	return 0;
}

int datagram_parse(struct datagram *d, int link_type, const uint8_t *frame, size_t len) {
	struct rest rest = {frame, len};
	int r = strip_link(&rest, link_type);

	*d = (struct datagram){0};
	if (r < 0)
		return r;
	if (rest.len == 0)
		return -EMSGSIZE;
	if (rest.data[0] >> 4 == 4)
		r = strip_ipv4(&rest, d);
	else if (rest.data[0] >> 4 == 6)
		r = strip_ipv6(&rest, d);
	else
		r = -EPROTONOSUPPORT;
	return r < 0 ? r : strip_udp(&rest, d);
}
