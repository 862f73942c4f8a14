// SPDX-License-Identifier: BSD-2-Clause
// Option types: a realm's prefix, pool, gateway and neighbours; names of ports and realms.
#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

#define ADDR_TEXT 64
#define PREFIX_TEXT (ADDR_TEXT + 8)

static const char *family_name(enum rr_family family) {
	return family == RR_FAMILY_IPV6 ? "IPv6" : "IPv4";
}

static uint32_t addr_bytes(enum rr_family family) {
	return family == RR_FAMILY_IPV6 ? 16 : 4;
}

static int parse_addr(struct rr_config_reader *r, const config_setting_t *s, const char *text,
	struct rr_endpoint *ep) {
	if (rr_endpoint_parse_addr(ep, text, r->family) == 0)
		return 0;
	return rr_config_fail(
		r, s, "is \"%s\", expected an %s address", text, family_name(r->family));
}

// Copy of an address whose host part is all zeros or all ones.
static struct rr_endpoint with_host_bits(const struct rr_endpoint *ep, uint32_t len, bool ones) {
	struct rr_endpoint copy = *ep;

	for (uint32_t bit = len; bit < addr_bytes(ep->family) * 8; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		if (ones)
			copy.addr[bit / 8] |= mask;
		else
			copy.addr[bit / 8] &= (uint8_t)~mask;
	}
	return copy;
}

static bool is_inside(const struct rr_net_config *net, const struct rr_endpoint *ep) {
	struct rr_endpoint start = with_host_bits(ep, net->prefix_len, false);

	return rr_endpoint_same_host(&start, &net->prefix);
}

static bool is_link_local(const struct rr_endpoint *ep) {
	return ep->family == RR_FAMILY_IPV6 && ep->addr[0] == 0xfe && (ep->addr[1] & 0xc0) == 0x80;
}

// Multicast, loopback, unspecified and broadcast networks hold no host of ours.
static bool is_unicast(const struct rr_endpoint *ep) {
	if (ep->family == RR_FAMILY_IPV4)
		return ep->addr[0] != 0 && ep->addr[0] != 127 && ep->addr[0] < 224;
	for (int i = 0; i < 15; i++) {
		if (ep->addr[i] != 0)
			return ep->addr[0] != 0xff;
	}
	return ep->addr[15] > 1;
}

static const char *format_prefix(const struct rr_net_config *net, char *buf, size_t size) {
	char addr[ADDR_TEXT];

	snprintf(buf, size, "%s/%u", rr_endpoint_format_addr(&net->prefix, addr, sizeof(addr)),
		net->prefix_len);
	return buf;
}

// ---- prefix

static int check_prefix(
	struct rr_config_reader *r, const config_setting_t *s, struct rr_net_config *net) {
	const char *given = config_setting_get_string(s);
	struct rr_endpoint addr = net->prefix;
	char text[PREFIX_TEXT];

	if (!is_unicast(&addr))
		return rr_config_fail(r, s, "is \"%s\", expected a unicast network", given);
	net->prefix = with_host_bits(&addr, net->prefix_len, false);
	if (!rr_endpoint_same_host(&addr, &net->prefix))
		return rr_config_fail(r, s, "is \"%s\", expected \"%s\" without host bits", given,
			format_prefix(net, text, sizeof(text)));
	return 0;
}

static int read_prefix(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_net_config *net = base;
	const char *text = rr_config_text(r, opt, s);
	uint32_t max_len = addr_bytes(r->family) * 8;
	char addr[ADDR_TEXT];
	const char *slash;
	char *end;

	if (text == NULL)
		return -EINVAL;
	slash = strchr(text, '/');
	if (slash == NULL || !isdigit((unsigned char)slash[1]) || strlen(slash) > 4 ||
		(size_t)(slash - text) >= sizeof(addr))
		return rr_config_fail(r, s, "is \"%s\", expected ADDRESS/LENGTH", text);
	net->prefix_len = (uint32_t)strtoul(slash + 1, &end, 10);
	if (*end != '\0' || net->prefix_len < 1 || net->prefix_len > max_len)
		return rr_config_fail(r, s, "is \"%s\", expected a length of 1..%u", text, max_len);
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (parse_addr(r, s, addr, &net->prefix) < 0)
		return -EINVAL;
	return check_prefix(r, s, net);
}

static void print_prefix(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	char text[PREFIX_TEXT];

	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, format_prefix(base, text, sizeof(text)));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_prefix = {
	"prefix", "a prefix \"ADDRESS/LENGTH\"", read_prefix, print_prefix};

// ---- pool

// The first address of a network is the network's own, the last IPv4 one everybody's; networks of
// one or two addresses spare neither (RFC 3021).
static bool is_reserved(const struct rr_net_config *net, const struct rr_endpoint *ep) {
	struct rr_endpoint last = with_host_bits(&net->prefix, net->prefix_len, true);

	if (net->prefix_len + 1 >= addr_bytes(ep->family) * 8)
		return false;
	return rr_endpoint_same_host(ep, &net->prefix) ||
	       (ep->family == RR_FAMILY_IPV4 && rr_endpoint_same_host(ep, &last));
}

static int check_pool_addr(struct rr_config_reader *r, const config_setting_t *s,
	const struct rr_net_config *net, const struct rr_endpoint *ep) {
	char addr[ADDR_TEXT];
	char prefix[PREFIX_TEXT];

	rr_endpoint_format_addr(ep, addr, sizeof(addr));
	format_prefix(net, prefix, sizeof(prefix));
	if (!is_inside(net, ep))
		return rr_config_fail(
			r, s, "holds %s, expected an address inside %s", addr, prefix);
	if (is_reserved(net, ep))
		return rr_config_fail(
			r, s, "holds %s, expected a host address of %s", addr, prefix);
	if (rr_config_find_addr(r->cfg, ep) >= 0)
		return rr_config_fail(
			r, s, "holds %s again, expected each address in one pool once", addr);
	if (r->cfg->n_addrs == RR_MAX_ADDRS)
		return rr_config_fail(r, s, "holds %s as number %d, expected at most %d addresses",
			addr, RR_MAX_ADDRS + 1, RR_MAX_ADDRS);
	return 0;
}

// Realms are counted when they are complete, so their number is this one's index.
static int add_pool_addr(struct rr_config_reader *r, const config_setting_t *s,
	struct rr_net_config *net, const struct rr_endpoint *ep) {
	struct rr_config *cfg = r->cfg;
	struct rr_shm_addr *addr = &cfg->addr[cfg->n_addrs];
	int rc = check_pool_addr(r, s, net, ep);

	if (rc < 0)
		return rc;
	memcpy(addr->addr, ep->addr, sizeof(addr->addr));
	addr->realm_key = rr_realm_key(cfg->realm[cfg->n_realms].name);
	addr->family = ep->family;
	addr->realm = (uint8_t)cfg->n_realms;
	addr->port = (uint8_t)cfg->realm[cfg->n_realms].port;
	cfg->n_addrs++;
	net->n_pool++;
	return 0;
}

static int add_range(struct rr_config_reader *r, const config_setting_t *s,
	struct rr_net_config *net, const char *text) {
	const char *dash = strchr(text, '-');
	struct rr_endpoint first;
	struct rr_endpoint last;
	char from[ADDR_TEXT];
	int rc;

	snprintf(from, sizeof(from), "%.*s",
		dash != NULL ? (int)(dash - text) : (int)sizeof(from) - 1, text);
	rc = parse_addr(r, s, from, &first);
	if (rc == 0)
		rc = parse_addr(r, s, dash != NULL ? dash + 1 : from, &last);
	if (rc == 0 && memcmp(first.addr, last.addr, sizeof(first.addr)) > 0)
		rc = rr_config_fail(
			r, s, "is \"%s\", expected the lower address of the range first", text);
	if (rc == 0)
		rc = add_pool_addr(r, s, net, &first);
	while (rc == 0 && !rr_endpoint_same_host(&first, &last)) {
		rr_endpoint_step(&first);
		rc = add_pool_addr(r, s, net, &first);
	}
	return rc;
}

static int read_pool(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_net_config *net = base;
	int rc = rr_config_check_list(r, opt, s);

	net->first_addr = r->cfg->n_addrs;
	for (int i = 0; rc == 0 && i < config_setting_length(s); i++) {
		const config_setting_t *elem = config_setting_get_elem(s, (unsigned int)i);
		const char *text = rr_config_text(r, opt, elem);

		rc = text == NULL ? -EINVAL : add_range(r, elem, net, text);
	}
	return rc;
}

static bool is_next_hop(const struct rr_net_config *net, const struct rr_endpoint *ep) {
	if (rr_endpoint_same_host(&net->gateway, ep))
		return true;
	for (uint32_t i = 0; i < net->n_neighbours; i++)
		if (rr_endpoint_same_host(&net->neighbours[i].addr, ep))
			return true;
	return false;
}

const char *rr_realm_refuses(
	const struct rr_config *cfg, uint32_t realm, const struct rr_endpoint *ep) {
	enum rr_family family = (enum rr_family)ep->family;
	const struct rr_net_config *net = rr_realm_net(&cfg->realm[realm], family);

	if (net->n_pool == 0)
		return "is of a family that the realm does not speak";
	if (!is_inside(net, ep))
		return "is outside the realm's prefix";
	if (is_reserved(net, ep))
		return "is no host address of the realm's prefix";
	for (uint32_t i = 0; i < cfg->n_realms; i++)
		if (is_next_hop(rr_realm_net(&cfg->realm[i], family), ep))
			return "is a gateway or neighbour";
	return NULL;
}

// Last index of the run of consecutive addresses that begins at `first`.
static uint32_t run_end(
	const struct rr_config *cfg, const struct rr_net_config *net, uint32_t first) {
	uint32_t end = net->first_addr + net->n_pool;
	struct rr_endpoint ep = rr_addr_endpoint(&cfg->addr[first]);

	for (; first + 1 < end; first++) {
		struct rr_endpoint next = rr_addr_endpoint(&cfg->addr[first + 1]);

		rr_endpoint_step(&ep);
		if (!rr_endpoint_same_host(&ep, &next))
			break;
	}
	return first;
}

static void print_pool(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_net_config *net = base;
	uint32_t end = net->first_addr + net->n_pool;
	uint32_t last;
	char text[ADDR_TEXT];

	rr_config_print_name(w, opt->name);
	rr_config_print_open(w, '[');
	for (uint32_t i = net->first_addr; i < end; i = last + 1) {
		struct rr_endpoint first_ep = rr_addr_endpoint(&w->cfg->addr[i]);
		struct rr_endpoint last_ep;

		last = run_end(w->cfg, net, i);
		last_ep = rr_addr_endpoint(&w->cfg->addr[last]);
		fprintf(w->out, "%s\"%s", i > net->first_addr ? ", " : "",
			rr_endpoint_format_addr(&first_ep, text, sizeof(text)));
		if (last > i)
			fprintf(w->out, "-%s",
				rr_endpoint_format_addr(&last_ep, text, sizeof(text)));
		fputc('"', w->out);
	}
	rr_config_print_close(w, ']');
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_pool = {
	"addresses", "an array of addresses [ \"A\", \"A-B\" ]", read_pool, print_pool};

// ---- next hops

// An address that another host of the realm's link may have. The first one of an IPv6 network is
// any of its routers (RFC 4291 2.6.1).
static int read_on_link(struct rr_config_reader *r, const config_setting_t *s,
	const struct rr_net_config *net, struct rr_endpoint *ep) {
	const char *text = config_setting_get_string(s);
	char prefix[PREFIX_TEXT];

	if (parse_addr(r, s, text, ep) < 0)
		return -EINVAL;
	if (!is_inside(net, ep) && !is_link_local(ep))
		return rr_config_fail(r, s, "is \"%s\", expected an address inside %s", text,
			format_prefix(net, prefix, sizeof(prefix)));
	if (ep->family == RR_FAMILY_IPV4 && is_reserved(net, ep))
		return rr_config_fail(r, s, "is \"%s\", expected a host address of %s", text,
			format_prefix(net, prefix, sizeof(prefix)));
	return 0;
}

static int read_gateway(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_net_config *net = base;
	const char *text = rr_config_text(r, opt, s);

	if (text == NULL)
		return -EINVAL;
	return text[0] == '\0' ? 0 : read_on_link(r, s, net, &net->gateway);
}

static void print_gateway(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_net_config *net = base;
	char text[ADDR_TEXT] = "";

	if (net->gateway.family != RR_FAMILY_NONE)
		rr_endpoint_format_addr(&net->gateway, text, sizeof(text));
	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, text);
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_gateway = {
	"address", "an address \"...\"", read_gateway, print_gateway};

static int read_neighbour(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_realm_config *realm = &r->cfg->realm[r->cfg->n_realms];
	const struct rr_net_config *net = rr_realm_net(realm, r->family);
	struct rr_neighbour_config *neighbour = base;
	const char *text = rr_config_text(r, opt, s);

	if (text == NULL || read_on_link(r, s, net, &neighbour->addr) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < net->n_neighbours; i++) {
		if (rr_endpoint_same_host(&net->neighbours[i].addr, &neighbour->addr))
			return rr_config_fail(
				r, s, "is \"%s\" again, expected each neighbour once", text);
	}
	return 0;
}

static void print_neighbour(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_neighbour_config *neighbour = base;
	char text[ADDR_TEXT];

	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, rr_endpoint_format_addr(&neighbour->addr, text, sizeof(text)));
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_neighbour = {
	"address", "an address \"...\"", read_neighbour, print_neighbour};

static bool parse_mac(const char *text, uint8_t mac[ETHER_ADDR_LEN]) {
	for (int i = 0; i < ETHER_ADDR_LEN; i++, text += 3) {
		char byte[3] = {text[0], text[0] == '\0' ? '\0' : text[1], '\0'};

		if (!isxdigit((unsigned char)byte[0]) || !isxdigit((unsigned char)byte[1]) ||
			text[2] != (i + 1 < ETHER_ADDR_LEN ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return true;
}

static int read_mac(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	static const uint8_t zero[ETHER_ADDR_LEN];
	struct rr_neighbour_config *neighbour = base;
	const char *text = rr_config_text(r, opt, s);

	if (text == NULL)
		return -EINVAL;
	if (!parse_mac(text, neighbour->mac))
		return rr_config_fail(
			r, s, "is \"%s\", expected six hex pairs as in 02:00:00:00:00:01", text);
	if ((neighbour->mac[0] & 1) != 0 || memcmp(neighbour->mac, zero, sizeof(zero)) == 0)
		return rr_config_fail(r, s, "is \"%s\", expected a unicast MAC address", text);
	return 0;
}

static void print_mac(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_neighbour_config *neighbour = base;

	rr_config_print_name(w, opt->name);
	fputc('"', w->out);
	for (int i = 0; i < ETHER_ADDR_LEN; i++)
		fprintf(w->out, "%s%02x", i > 0 ? ":" : "", neighbour->mac[i]);
	fputc('"', w->out);
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_mac = {
	"MAC address", "a MAC address \"...\"", read_mac, print_mac};

// ---- the two families of a realm

static int read_net(struct rr_config_reader *r, const struct rr_option *opt,
	const config_setting_t *s, void *base, enum rr_family family) {
	r->family = family;
	return rr_config_read_group(r, opt->table, s, (uint8_t *)base + opt->offset);
}

static int read_ipv4(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	return read_net(r, opt, s, base, RR_FAMILY_IPV4);
}

static int read_ipv6(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	return read_net(r, opt, s, base, RR_FAMILY_IPV6);
}

static void print_net(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_net_config *net =
		(const struct rr_net_config *)((const uint8_t *)base + opt->offset);

	if (net->n_pool == 0)
		return;
	rr_config_print_name(w, opt->name);
	rr_config_print_group(w, opt->table, net);
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_ipv4 = {"group", "a group { ... }", read_ipv4, print_net};
const struct rr_option_type rr_type_ipv6 = {"group", "a group { ... }", read_ipv6, print_net};

// ---- references by name

static int refuse_reference(
	struct rr_config_reader *r, const config_setting_t *s, const char *what) {
	return rr_config_fail(r, s, "is \"%s\", expected the name of one of the %s",
		config_setting_get_string(s), what);
}

static int read_port(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	struct rr_realm_config *realm = base;
	const char *name = rr_config_text(r, opt, s);

	if (name == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < r->cfg->n_ports; i++) {
		if (strcmp(r->cfg->port[i].name, name) == 0) {
			realm->port = i;
			return 0;
		}
	}
	return refuse_reference(r, s, "ports");
}

static void print_port(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	const struct rr_realm_config *realm = base;

	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, w->cfg->port[realm->port].name);
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_port = {"name", "a port's name \"...\"", read_port, print_port};

static int read_realm(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	int *realm = (int *)((uint8_t *)base + opt->offset);
	const char *name = rr_config_text(r, opt, s);

	*realm = -1;
	if (name == NULL)
		return -EINVAL;
	if (name[0] == '\0')
		return 0;
	for (uint32_t i = 0; i < r->cfg->n_realms; i++) {
		if (strcmp(r->cfg->realm[i].name, name) == 0) {
			*realm = (int)i;
			return 0;
		}
	}
	return refuse_reference(r, s, "realms");
}

static void print_realm(struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	int realm = *(const int *)((const uint8_t *)base + opt->offset);

	rr_config_print_name(w, opt->name);
	rr_config_print_text(w, realm >= 0 ? w->cfg->realm[realm].name : "");
	rr_config_print_end(w);
}

const struct rr_option_type rr_type_realm = {
	"name", "a realm's name \"...\"", read_realm, print_realm};
