// SPDX-License-Identifier: BSD-2-Clause
// Compare, parse and format IPv4 and IPv6 transport addresses.
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

bool rr_endpoint_equal(const struct rr_endpoint *a, const struct rr_endpoint *b) {
	return rr_endpoint_same_host(a, b) && a->port_be == b->port_be;
}

bool rr_endpoint_same_host(const struct rr_endpoint *a, const struct rr_endpoint *b) {
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

void rr_endpoint_step(struct rr_endpoint *ep) {
	for (int i = ep->family == RR_FAMILY_IPV6 ? 16 : 4; i-- > 0;)
		if (++ep->addr[i] != 0)
			return;
}

bool rr_endpoint_is_any(const struct rr_endpoint *ep) {
	static const uint8_t zero[sizeof(ep->addr)];

	return ep->family != RR_FAMILY_NONE && memcmp(ep->addr, zero, sizeof(zero)) == 0;
}

static bool bytes_are_zero(const uint8_t *bytes, size_t len) {
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return any == 0;
}

bool rr_endpoint_is_valid(const struct rr_endpoint *ep) {
	if (!bytes_are_zero(ep->reserved, sizeof(ep->reserved)))
		return false;
	if (ep->family == RR_FAMILY_IPV4 && !bytes_are_zero(ep->addr + 4, sizeof(ep->addr) - 4))
		return false;
	return (ep->family == RR_FAMILY_IPV4 || ep->family == RR_FAMILY_IPV6) &&
	       !bytes_are_zero(ep->addr, sizeof(ep->addr));
}

int rr_endpoint_parse_addr(struct rr_endpoint *ep, const char *text, enum rr_family family) {
	struct rr_endpoint parsed = {.family = RR_FAMILY_NONE};

	if (family != RR_FAMILY_IPV6 && inet_pton(AF_INET, text, parsed.addr) == 1)
		parsed.family = RR_FAMILY_IPV4;
	else if (family != RR_FAMILY_IPV4 && inet_pton(AF_INET6, text, parsed.addr) == 1)
		parsed.family = RR_FAMILY_IPV6;
	else
		return -EINVAL;
	*ep = parsed;
	return 0;
}

const char *rr_endpoint_format_addr(const struct rr_endpoint *ep, char *buf, size_t size) {
	char text[INET6_ADDRSTRLEN] = "-";

	if (ep->family == RR_FAMILY_IPV4)
		inet_ntop(AF_INET, ep->addr, text, sizeof(text));
	else if (ep->family == RR_FAMILY_IPV6)
		inet_ntop(AF_INET6, ep->addr, text, sizeof(text));
	snprintf(buf, size, "%s", text);
	return buf;
}

const char *rr_endpoint_format(const struct rr_endpoint *ep, char *buf, size_t size) {
	char text[INET6_ADDRSTRLEN];

	rr_endpoint_format_addr(ep, text, sizeof(text));
	if (ep->family == RR_FAMILY_IPV4)
		snprintf(buf, size, "%s:%u", text, ntohs(ep->port_be));
	else if (ep->family == RR_FAMILY_IPV6)
		snprintf(buf, size, "[%s]:%u", text, ntohs(ep->port_be));
	else
		snprintf(buf, size, "%s", text);
	return buf;
}
