// SPDX-License-Identifier: BSD-2-Clause
// Which realm, family and address a leg's ports come from.
#include "realm_select.h"

#include <string.h>

static bool speaks(const struct rr_config *cfg, uint32_t realm, enum rr_family family) {
	return rr_realm_net(&cfg->realm[realm], family)->n_pool > 0;
}

// The family asked for where the realm speaks it, else the one it speaks.
static struct session_local whole_realm(
	const struct rr_config *cfg, uint32_t realm, enum rr_family family) {
	enum rr_family other = family == RR_FAMILY_IPV6 ? RR_FAMILY_IPV4 : RR_FAMILY_IPV6;

	return (struct session_local){
		.realm = (uint16_t)realm,
		.family = (uint8_t)(speaks(cfg, realm, family) ? family : other),
	};
}

static uint32_t default_realm(const struct rr_config *cfg) {
	return cfg->bridge_internal >= 0 ? (uint32_t)cfg->bridge_internal : 0;
}

static struct session_local one_addr(const struct rr_config *cfg, int index) {
	return (struct session_local){
		.realm = cfg->addr[index].realm,
		.family = cfg->addr[index].family,
		.exact = true,
		.shown = true,
		.addr = (uint16_t)index,
	};
}

static bool in_prefix(const struct rr_net_config *net, const struct rr_endpoint *addr) {
	uint32_t n_bytes = net->prefix_len / 8;
	uint32_t n_bits = net->prefix_len % 8;

	if (net->n_pool == 0 || memcmp(net->prefix.addr, addr->addr, n_bytes) != 0)
		return false;
	if (n_bits == 0)
		return true;
	return (net->prefix.addr[n_bytes] ^ addr->addr[n_bytes]) >> (8 - n_bits) == 0;
}

// Whether what lies outside its prefix is reached from a realm. Behind a shared port the kernel
// routes, which may lead anywhere.
static bool leads_on(
	const struct rr_config *cfg, const struct rr_realm_config *realm, enum rr_family family) {
	return rr_realm_net(realm, family)->gateway.family != RR_FAMILY_NONE ||
	       cfg->port[realm->port].mode == RR_PORT_SHARED;
}

// The realm from which an address is reached: the longest prefix that holds it, else the first that
// leads on. -1: none.
static int find_route(const struct rr_config *cfg, const struct rr_endpoint *addr) {
	int best = -1;
	int onward = -1;
	uint32_t best_len = 0;

	for (uint32_t i = 0; i < cfg->n_realms; i++) {
		const struct rr_net_config *net =
			rr_realm_net(&cfg->realm[i], (enum rr_family)addr->family);

		if (net->n_pool == 0)
			continue;
		if (in_prefix(net, addr) && (best < 0 || net->prefix_len > best_len)) {
			best = (int)i;
			best_len = net->prefix_len;
		}
		if (onward < 0 && leads_on(cfg, &cfg->realm[i], (enum rr_family)addr->family))
			onward = (int)i;
	}
	return best >= 0 ? best : onward;
}

int realm_find_label(const struct rr_config *cfg, struct slice label) {
	for (uint32_t i = 0; i < cfg->n_realms; i++) {
		if (slice_is(label, cfg->realm[i].name))
			return (int)i;
	}
	return -1;
}

// No `l`, `r` or letters: the family may still ask for another address than the default one.
static enum rtpp_error pick_family(const struct rr_config *cfg, struct realm_choice *choice) {
	enum rr_family family = (enum rr_family)choice->family;
	uint32_t realm = default_realm(cfg);

	if (whole_realm(cfg, realm, RR_FAMILY_IPV4).family == choice->family)
		return RTPP_OK;
	choice->named = true;
	if (speaks(cfg, realm, family)) {
		choice->local = whole_realm(cfg, realm, family);
		return RTPP_OK;
	}
	for (uint32_t i = cfg->n_realms; i-- > 0;) {
		if (!speaks(cfg, i, family))
			continue;
		choice->local = whole_realm(cfg, i, family);
		return RTPP_OK;
	}
	return RTPP_E_FAMILY;
}

static enum rtpp_error read_letters(
	const struct rr_config *cfg, const struct rtpp_media *media, struct realm_choice *choice) {
	bool bridge = cfg->bridge_internal >= 0 && cfg->bridge_external >= 0;

	for (unsigned int i = 0; i < media->n_directions && i < 2; i++) {
		bool external = media->direction[i] == 'e';

		if (!bridge)
			return external ? RTPP_E_EXTERNAL : RTPP_E_INTERNAL;
		choice->direction[i] =
			(uint16_t)(external ? cfg->bridge_external : cfg->bridge_internal);
		choice->n_directions++;
	}
	return RTPP_OK;
}

static enum rtpp_error choose_addr(const struct rr_config *cfg, const struct rr_endpoint *addr,
	struct realm_choice *choice, bool *unbindable) {
	int index = rr_config_find_addr(cfg, addr);

	choice->named = true;
	*unbindable = index < 0;
	if (index >= 0)
		choice->local = one_addr(cfg, index);
	return RTPP_OK;
}

static enum rtpp_error choose_label(
	const struct rr_config *cfg, struct slice label, struct realm_choice *choice) {
	int realm = realm_find_label(cfg, label);

	if (realm < 0)
		return RTPP_E_LOCAL_ADDR;
	choice->named = true;
	choice->local = whole_realm(cfg, (uint32_t)realm, (enum rr_family)choice->family);
	return RTPP_OK;
}

static enum rtpp_error choose_route(
	const struct rr_config *cfg, const struct rr_endpoint *addr, struct realm_choice *choice) {
	int index = rr_config_find_addr(cfg, addr);
	int realm = find_route(cfg, addr);

	if (index < 0 && realm < 0)
		return RTPP_E_REMOTE_ADDR;
	choice->named = true;
	if (index >= 0)
		choice->local = one_addr(cfg, index);
	else
		choice->local = whole_realm(cfg, (uint32_t)realm, (enum rr_family)addr->family);
	choice->local.shown = true;
	return RTPP_OK;
}

enum rtpp_error realm_select(const struct rr_config *cfg, const struct rtpp_media *media,
	struct realm_choice *choice, bool *unbindable) {
	enum rtpp_error error;

	*choice = (struct realm_choice){
		.family = media->ipv6 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4,
	};
	*unbindable = false;
	error = read_letters(cfg, media, choice);
	if (error != RTPP_OK)
		return error;
	switch (media->local_kind) {
	case RTPP_LOCAL_ADDR:
		return choose_addr(cfg, &media->local, choice, unbindable);
	case RTPP_LOCAL_LABEL:
		return choose_label(cfg, media->label, choice);
	case RTPP_LOCAL_ROUTE:
		return choose_route(cfg, &media->local, choice);
	case RTPP_LOCAL_DEFAULT:
		break;
	}
	return choice->n_directions > 0 ? RTPP_OK : pick_family(cfg, choice);
}

void realm_for_new(const struct rr_config *cfg, const struct realm_choice *choice,
	struct session_local local[SESSION_N_LEGS]) {
	enum rr_family family = (enum rr_family)choice->family;
	struct session_local usual = whole_realm(cfg, default_realm(cfg), family);

	local[SESSION_CALLEE] = choice->named ? choice->local : usual;
	local[SESSION_CALLER] = local[SESSION_CALLEE];
	if (choice->named)
		return;
	// The first letter is the caller's side, the second the callee's.
	if (choice->n_directions > 0)
		local[SESSION_CALLER] = whole_realm(cfg, choice->direction[0], family);
	if (choice->n_directions > 1)
		local[SESSION_CALLEE] = whole_realm(cfg, choice->direction[1], family);
}

bool realm_for_leg(const struct rr_config *cfg, const struct realm_choice *choice, bool new_port,
	struct session_local *local) {
	if (choice->named) {
		*local = choice->local;
		return true;
	}
	if (new_port && choice->n_directions == 2) {
		*local = whole_realm(cfg, choice->direction[1], (enum rr_family)choice->family);
		return true;
	}
	return false;
}
