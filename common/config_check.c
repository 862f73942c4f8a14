// SPDX-License-Identifier: BSD-2-Clause
// What the options of a configuration must be to each other, and the values that follow from
// others.
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>

#include "config_schema.h"

#define ADDRS_TO_SPARE 16
#define MIN_MTU_IPV6 1280 // RFC 8200 section 5

// Complain about an entry of a list: the path is LIST.[INDEX]FIELD.
static const char *entry(char *buf, size_t size, const char *list, uint32_t i, const char *field) {
	snprintf(buf, size, "%s.[%u]%s", list, i, field);
	return buf;
}

// A worker that never sleeps leaves its core to nobody else.
static int check_cores(struct rr_config_reader *r) {
	const struct rr_config *cfg = r->cfg;
	char path[64];

	if (cfg->poll == RR_POLL_ADAPTIVE)
		return 0;
	for (uint32_t i = 0; i < cfg->n_workers; i++) {
		uint32_t core = cfg->worker_core[i];

		entry(path, sizeof(path), "dataplane.cores", i, "");
		if (core == cfg->main_core)
			return rr_config_fail_at(r, path,
				"is %u as main_core, expected another core or poll = \"adaptive\"",
				core);
		for (uint32_t k = 0; k < i; k++) {
			if (cfg->worker_core[k] == core)
				return rr_config_fail_at(r, path,
					"is %u again, expected another core or poll = \"adaptive\"",
					core);
		}
	}
	return 0;
}

// The name of a kernel interface, as dev_valid_name() of Linux has it, and no list of arguments.
static bool is_interface(const char *name) {
	return strlen(name) < IFNAMSIZ && strcspn(name, "/:, ") == strlen(name) &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_port_mode(struct rr_config_reader *r, uint32_t i) {
	const struct rr_port_config *port = &r->cfg->port[i];
	char path[64];

	if (port->mode != RR_PORT_SHARED && port->io != RR_IO_AUTO)
		return rr_config_fail_at(r, entry(path, sizeof(path), "ports", i, ".io"),
			"is set, expected mode = \"shared\" for it");
	if (port->mode == RR_PORT_SHARED && port->n_rx_queues != 0)
		return rr_config_fail_at(r, entry(path, sizeof(path), "ports", i, ".rx_queues"),
			"is set, expected nothing in mode shared: the interface has its own");
	if (port->mode == RR_PORT_SHARED && !is_interface(port->device))
		return rr_config_fail_at(r, entry(path, sizeof(path), "ports", i, ".device"),
			"is \"%s\", expected the kernel's name of an interface in mode shared",
			port->device);
	return 0;
}

static int check_ports(struct rr_config_reader *r) {
	const struct rr_config *cfg = r->cfg;
	char path[64];

	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		const struct rr_port_config *port = &cfg->port[i];

		if (check_port_mode(r, i) < 0)
			return -EINVAL;
		if (port->n_rx_queues > cfg->n_workers)
			return rr_config_fail_at(r,
				entry(path, sizeof(path), "ports", i, ".rx_queues"),
				"is %u, expected at most one per worker, %u", port->n_rx_queues,
				cfg->n_workers);
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(cfg->port[k].name, port->name) == 0)
				return rr_config_fail_at(r,
					entry(path, sizeof(path), "ports", i, ".name"),
					"is \"%s\" again, expected another name", port->name);
			if (strcmp(cfg->port[k].device, port->device) == 0)
				return rr_config_fail_at(r,
					entry(path, sizeof(path), "ports", i, ".device"),
					"is \"%s\" again, expected another device", port->device);
		}
	}
	return 0;
}

// Realms may share a link and its prefix; on one link two prefixes that share addresses would leave
// open which gateway they are reached through.
static bool prefixes_clash(const struct rr_net_config *a, const struct rr_net_config *b) {
	uint32_t len = a->prefix_len < b->prefix_len ? a->prefix_len : b->prefix_len;

	if (a->n_pool == 0 || b->n_pool == 0)
		return false;
	if (a->prefix_len == b->prefix_len)
		return false;
	if (memcmp(a->prefix.addr, b->prefix.addr, len / 8) != 0)
		return false;
	return len % 8 == 0 ||
	       ((a->prefix.addr[len / 8] ^ b->prefix.addr[len / 8]) >> (8 - len % 8)) == 0;
}

static int check_realm_pair(struct rr_config_reader *r, uint32_t i, uint32_t k) {
	static const char expected[] =
		"overlaps that of realm \"%s\", expected the same prefix or another port or vlan";
	const struct rr_realm_config *a = &r->cfg->realm[k];
	const struct rr_realm_config *b = &r->cfg->realm[i];
	char path[64];

	if (strcmp(a->name, b->name) == 0)
		return rr_config_fail_at(r, entry(path, sizeof(path), "realms", i, ".name"),
			"is \"%s\" again, expected another name", b->name);
	if (a->port != b->port || a->vlan != b->vlan)
		return 0;
	if (prefixes_clash(&a->ipv4, &b->ipv4))
		return rr_config_fail_at(r, entry(path, sizeof(path), "realms", i, ".ipv4.prefix"),
			expected, a->name);
	if (prefixes_clash(&a->ipv6, &b->ipv6))
		return rr_config_fail_at(r, entry(path, sizeof(path), "realms", i, ".ipv6.prefix"),
			expected, a->name);
	return 0;
}

// A next hop is another host.
static int check_next_hops(struct rr_config_reader *r, uint32_t i, enum rr_family family) {
	const struct rr_net_config *net = rr_realm_net(&r->cfg->realm[i], family);
	const char *name = family == RR_FAMILY_IPV6 ? "ipv6" : "ipv4";
	char addr[RR_ENDPOINT_STRLEN];
	char path[128];

	snprintf(path, sizeof(path), "realms.[%u].%s.gateway", i, name);
	if (rr_config_find_addr(r->cfg, &net->gateway) >= 0)
		return rr_config_fail_at(r, path,
			"is %s of a pool, expected another host's address",
			rr_endpoint_format_addr(&net->gateway, addr, sizeof(addr)));
	for (uint32_t k = 0; k < net->n_neighbours; k++) {
		const struct rr_endpoint *ep = &net->neighbours[k].addr;

		snprintf(path, sizeof(path), "realms.[%u].%s.neighbours.[%u].address", i, name, k);
		if (rr_config_find_addr(r->cfg, ep) >= 0)
			return rr_config_fail_at(r, path,
				"is %s of a pool, expected another host's address",
				rr_endpoint_format_addr(ep, addr, sizeof(addr)));
	}
	return 0;
}

// On a shared port the kernel routes, resolves and tags.
static int check_shared_realm(struct rr_config_reader *r, uint32_t i) {
	static const char expected[] = "is set, expected nothing on the shared port \"%s\": %s";
	const struct rr_realm_config *realm = &r->cfg->realm[i];
	const char *port = r->cfg->port[realm->port].name;
	char path[64];

	if (realm->vlan != 0)
		return rr_config_fail_at(r, entry(path, sizeof(path), "realms", i, ".vlan"),
			expected, port, "name the VLAN's own interface as its device");
	for (int f = RR_FAMILY_IPV4; f <= RR_FAMILY_IPV6; f++) {
		const struct rr_net_config *net = rr_realm_net(realm, (enum rr_family)f);
		const char *family = f == RR_FAMILY_IPV6 ? "ipv6" : "ipv4";

		snprintf(path, sizeof(path), "realms.[%u].%s.gateway", i, family);
		if (net->gateway.family != RR_FAMILY_NONE)
			return rr_config_fail_at(r, path, expected, port, "the kernel routes");
		snprintf(path, sizeof(path), "realms.[%u].%s.neighbours", i, family);
		if (net->n_neighbours > 0)
			return rr_config_fail_at(
				r, path, expected, port, "the kernel knows its neighbours");
	}
	return 0;
}

static int check_realms(struct rr_config_reader *r) {
	const struct rr_config *cfg = r->cfg;
	char path[64];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < cfg->n_realms; i++) {
		const struct rr_realm_config *realm = &cfg->realm[i];
		const struct rr_port_config *port = &cfg->port[realm->port];

		if (realm->ipv4.n_pool == 0 && realm->ipv6.n_pool == 0)
			return rr_config_fail_at(r, entry(path, sizeof(path), "realms", i, ""),
				"has no address, expected ipv4, ipv6 or both");
		if (realm->ipv6.n_pool > 0 && port->mtu < MIN_MTU_IPV6)
			return rr_config_fail_at(r,
				entry(path, sizeof(path), "ports", realm->port, ".mtu"),
				"is %u, expected at least %d for IPv6 of realm \"%s\"", port->mtu,
				MIN_MTU_IPV6, realm->name);
		if (port->mode == RR_PORT_SHARED)
			rc = check_shared_realm(r, i);
		if (rc == 0)
			rc = check_next_hops(r, i, RR_FAMILY_IPV4);
		if (rc == 0)
			rc = check_next_hops(r, i, RR_FAMILY_IPV6);
		for (uint32_t k = 0; rc == 0 && k < i; k++)
			rc = check_realm_pair(r, i, k);
	}
	return rc;
}

static int check_bridge(struct rr_config_reader *r) {
	const struct rr_config *cfg = r->cfg;

	if (cfg->bridge_internal >= 0 && cfg->bridge_external < 0)
		return rr_config_fail_at(
			r, "bridge.external", "is empty, expected a realm as for internal");
	if (cfg->bridge_internal < 0 && cfg->bridge_external >= 0)
		return rr_config_fail_at(
			r, "bridge.internal", "is empty, expected a realm as for external");
	if (cfg->bridge_internal >= 0 && cfg->bridge_internal == cfg->bridge_external)
		return rr_config_fail_at(r, "bridge.external",
			"is \"%s\" again, expected another realm than internal",
			cfg->realm[cfg->bridge_external].name);
	return 0;
}

// RTP takes the even port and RTCP the next one, so the range begins even and ends odd.
static int settle_media_range(struct rr_config_reader *r) {
	struct rr_config *cfg = r->cfg;

	cfg->media_port_min += cfg->media_port_min % 2;
	cfg->media_port_max -= 1 - cfg->media_port_max % 2;
	if (cfg->media_port_max <= cfg->media_port_min || cfg->media_port_max > 65535)
		return rr_config_fail_at(r, "media.port_max",
			"leaves no pair of ports, expected at least port_min rounded up plus 1, %u",
			cfg->media_port_min + 1);
	return 0;
}

// Room that nobody uses costs address space alone.
static int settle_addr_places(struct rr_config_reader *r) {
	struct rr_config *cfg = r->cfg;

	cfg->n_addr_places = cfg->max_addrs;
	if (cfg->max_addrs == 0)
		cfg->n_addr_places = (cfg->n_addrs + ADDRS_TO_SPARE + 15) / 16 * 16;
	if (cfg->n_addr_places > RR_MAX_ADDRS)
		cfg->n_addr_places = RR_MAX_ADDRS;
	if (cfg->n_addr_places < cfg->n_addrs)
		return rr_config_fail_at(r, "media.max_addresses",
			"is %u, expected at least as many as the pools name, %u", cfg->max_addrs,
			cfg->n_addrs);
	return 0;
}

static int settle_setup_ttl(struct rr_config_reader *r) {
	if (r->cfg->setup_ttl_s == 0)
		r->cfg->setup_ttl_s = r->cfg->media_ttl_s;
	return 0;
}

// Once overload has begun, it ends below the lower threshold.
static int settle_overload(struct rr_config_reader *r) {
	struct rr_config *cfg = r->cfg;

	if (cfg->overload_low_pct == 0)
		cfg->overload_low_pct = cfg->overload_high_pct;
	if (cfg->overload_low_pct > cfg->overload_high_pct)
		return rr_config_fail_at(r, "control.overload_low_pct",
			"is %u, expected at most overload_high_pct, %u", cfg->overload_low_pct,
			cfg->overload_high_pct);
	return 0;
}

int rr_config_check(struct rr_config_reader *r) {
	static int (*const checks[])(struct rr_config_reader *) = {
		check_cores,
		check_ports,
		check_realms,
		check_bridge,
		settle_media_range,
		settle_addr_places,
		settle_setup_ttl,
		settle_overload,
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < RR_ARRAY_LEN(checks); i++)
		rc = checks[i](r);
	return rc;
}
