// SPDX-License-Identifier: BSD-2-Clause
// Modifiers and media address of U, L and the sub-command L.
//
// Addresses are read as rtpproxy reads them, through the old rules of inet_aton: 1.2 is 1.0.0.2.
// No name is ever resolved, since that could block every call behind a name server.
#include "rtpp_media.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <string.h>

#define MAX_DIRECTIONS 2
#define RESIZE_MAX_MS 999
#define SERVICE_NAME_MAX 32

// What is left of the modifiers, behind the letter in hand.
struct cursor {
	const char *p;
	const char *end;
	const struct rtpp_env *env;
};

typedef enum rtpp_error (*modifier_fn)(struct rtpp_media *media, struct cursor *c);

static struct slice take_while(struct cursor *c, const char *set) {
	struct slice run = {c->p, 0};

	while (c->p < c->end && strchr(set, *c->p))
		c->p++;
	run.len = (size_t)(c->p - run.p);
	return run;
}

// Take `open`, a run of characters of set (NULL: anything but `close`) and `close`; len 0 when that
// does not stand here.
static struct slice take_bracketed(struct cursor *c, const char *set, char close) {
	struct slice inside = {c->p + 1, 0};
	const char *p = inside.p;

	while (p < c->end && *p != close && (!set || strchr(set, *p)))
		p++;
	if (p >= c->end || *p != close)
		return inside;
	inside.len = (size_t)(p - inside.p);
	c->p = p + 1;
	return inside;
}

// Numeric text to an address; false when it is none of that family.
static bool read_addr(struct rr_endpoint *ep, struct slice text, enum rr_family family) {
	static const char aton_characters[] = "0123456789abcdefABCDEFxX.";
	char copy[INET6_ADDRSTRLEN + 1];
	struct in_addr ipv4;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (family == RR_FAMILY_IPV6)
		return rr_endpoint_parse_addr(ep, copy, family) == 0;
	// inet_aton takes anything after white space, of which \v and \f may stand in a word.
	if (strspn(copy, aton_characters) != text.len || inet_aton(copy, &ipv4) == 0)
		return false;
	*ep = (struct rr_endpoint){.family = RR_FAMILY_IPV4};
	memcpy(ep->addr, &ipv4, sizeof(ipv4));
	return true;
}

// ADDR or [V6ADDR], as after `l` and `r`.
static enum rtpp_error take_local(struct rtpp_media *media, struct cursor *c,
	enum rtpp_error bad_syntax, enum rtpp_error bad_addr) {
	enum rr_family family = RR_FAMILY_IPV4;
	struct slice text;

	if (c->p < c->end && *c->p == '[') {
		family = RR_FAMILY_IPV6;
		text = take_bracketed(c, "0123456789abcdefABCDEF:", ']');
	} else {
		text = take_while(c, "0123456789.");
	}
	if (text.len == 0)
		return bad_syntax;
	return read_addr(&media->local, text, family) ? RTPP_OK : bad_addr;
}

static bool label_known(const struct rtpp_env *env, struct slice label) {
	for (unsigned int i = 0; i < env->n_labels; i++) {
		if (slice_is(label, env->label[i]))
			return true;
	}
	return false;
}

static enum rtpp_error mod_local(struct rtpp_media *media, struct cursor *c) {
	struct slice label;

	if (c->p == c->end || *c->p != '{') {
		media->local_kind = RTPP_LOCAL_ADDR;
		return take_local(media, c, RTPP_E_LOCAL_SYNTAX, RTPP_E_LOCAL_ADDR);
	}
	label = take_bracketed(c, NULL, '}');
	if (label.len == 0)
		return RTPP_E_LOCAL_SYNTAX;
	if (!label_known(c->env, label))
		return RTPP_E_LOCAL_ADDR;
	media->local_kind = RTPP_LOCAL_LABEL;
	media->label = label;
	return RTPP_OK;
}

static enum rtpp_error mod_route(struct rtpp_media *media, struct cursor *c) {
	media->local_kind = RTPP_LOCAL_ROUTE;
	return take_local(media, c, RTPP_E_REMOTE_SYNTAX, RTPP_E_REMOTE_ADDR);
}

static enum rtpp_error mod_asymmetric(struct rtpp_media *media, struct cursor *c RR_UNUSED) {
	media->asymmetric = 1;
	return RTPP_OK;
}

static enum rtpp_error mod_symmetric(struct rtpp_media *media, struct cursor *c RR_UNUSED) {
	media->asymmetric = 0;
	return RTPP_OK;
}

static enum rtpp_error mod_weak(struct rtpp_media *media, struct cursor *c RR_UNUSED) {
	media->weak = true;
	return RTPP_OK;
}

static enum rtpp_error mod_new_port(struct rtpp_media *media, struct cursor *c RR_UNUSED) {
	media->new_port = true;
	return RTPP_OK;
}

static enum rtpp_error mod_ipv6(struct rtpp_media *media, struct cursor *c RR_UNUSED) {
	media->ipv6 = true;
	return RTPP_OK;
}

static enum rtpp_error add_direction(
	struct rtpp_media *media, const struct cursor *c, char letter, enum rtpp_error error) {
	if (!c->env->bridge || media->n_directions == MAX_DIRECTIONS)
		return error;
	media->direction[media->n_directions++] = letter;
	return RTPP_OK;
}

static enum rtpp_error mod_external(struct rtpp_media *media, struct cursor *c) {
	return add_direction(media, c, 'e', RTPP_E_EXTERNAL);
}

static enum rtpp_error mod_internal(struct rtpp_media *media, struct cursor *c) {
	return add_direction(media, c, 'i', RTPP_E_INTERNAL);
}

static enum rtpp_error mod_codecs(struct rtpp_media *media, struct cursor *c) {
	struct slice list = take_while(c, "0123456789,");

	if (list.len == 0 || media->codecs.len > 0)
		return RTPP_E_CODECS;
	media->codecs = list;
	return RTPP_OK;
}

static enum rtpp_error mod_resize(struct rtpp_media *media, struct cursor *c) {
	uint32_t value = 0;
	struct slice digits;

	if (c->p < c->end && *c->p == '+')
		c->p++;
	digits = take_while(c, "0123456789");
	for (size_t i = 0; i < digits.len && value <= RESIZE_MAX_MS; i++)
		value = value * 10 + (uint32_t)(digits.p[i] - '0');
	if (value == 0 || value > RESIZE_MAX_MS)
		return RTPP_E_RESIZE;
	media->resize_ms = value;
	return RTPP_OK;
}

// By upper-case letter; letters that are not here are E35.
static const modifier_fn modifiers[UINT8_MAX + 1] = {
	['A'] = mod_asymmetric,
	['S'] = mod_symmetric,
	['W'] = mod_weak,
	['N'] = mod_new_port,
	['6'] = mod_ipv6,
	['E'] = mod_external,
	['I'] = mod_internal,
	['L'] = mod_local,
	['R'] = mod_route,
	['C'] = mod_codecs,
	['Z'] = mod_resize,
};

// Without a word about the local address it is picked by family; there must be one to pick.
static bool family_available(const struct rtpp_media *media, const struct rtpp_env *env) {
	enum rr_family family = media->ipv6 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4;

	if (media->local_kind != RTPP_LOCAL_DEFAULT || media->n_directions > 0)
		return true;
	if (family == env->default_family)
		return true;
	return media->ipv6 ? env->has_ipv6 : env->has_ipv4;
}

enum rtpp_error rtpp_media_parse_mods(
	struct rtpp_media *media, struct slice mods, const struct rtpp_env *env) {
	struct cursor c = {mods.p, mods.p + mods.len, env};
	enum rtpp_error error;
	modifier_fn apply;

	*media = (struct rtpp_media){.asymmetric = -1};
	while (c.p < c.end) {
		apply = modifiers[(uint8_t)toupper((unsigned char)*c.p++)];
		if (!apply)
			return RTPP_E_UPDATE_MOD;
		error = apply(media, &c);
		if (error != RTPP_OK)
			return error;
	}
	return family_available(media, env) ? RTPP_OK : RTPP_E_FAMILY;
}

// A service of /etc/services, or -1.
static int service_port(struct slice name) {
	char copy[SERVICE_NAME_MAX + 1];
	char space[1024];
	struct servent entry;
	struct servent *found;

	if (name.len == 0 || name.len > SERVICE_NAME_MAX || !isalpha((unsigned char)name.p[0]))
		return -1;
	memcpy(copy, name.p, name.len);
	copy[name.len] = '\0';
	if (getservbyname_r(copy, "udp", &entry, space, sizeof(space), &found) != 0 || !found)
		return -1;
	return ntohs((uint16_t)found->s_port);
}

// Decimal number or service name to a port. Numbers wrap as rtpproxy's do: modulo 2^16, and what is
// negative as a 32-bit integer is refused. Returns the port or -1.
static int read_port(struct slice text) {
	size_t i = text.len > 1 && text.p[0] == '+' ? 1 : 0;
	uint64_t value = 0;

	if (text.len == 0)
		return -1;
	for (; i < text.len; i++) {
		unsigned int digit = (unsigned int)((unsigned char)text.p[i] - '0');

		if (digit > 9)
			return service_port(text);
		if (value > (UINT64_MAX - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	return (int32_t)(uint32_t)value < 0 ? -1 : (int)(value & UINT16_MAX);
}

enum rtpp_error rtpp_media_parse_remote(
	struct rtpp_media *media, struct slice addr, struct slice port) {
	enum rr_family family = media->ipv6 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4;
	size_t shortest = media->ipv6 ? strlen("::") : strlen("0.0.0.0");
	size_t longest = media->ipv6 ? INET6_ADDRSTRLEN - 1 : INET_ADDRSTRLEN - 1;
	int number;

	if (addr.len < shortest || addr.len > longest) {
		media->remote_ignored = true;
		return RTPP_OK;
	}
	if (!read_addr(&media->remote, addr, family))
		return RTPP_E_ENDPOINT;
	number = read_port(port);
	if (number < 0)
		return RTPP_E_ENDPOINT;
	media->remote.port_be = htons((uint16_t)number);
	media->remote_hold = rr_endpoint_is_any(&media->remote);
	return RTPP_OK;
}
