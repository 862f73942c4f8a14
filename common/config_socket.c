// SPDX-License-Identifier: BSD-2-Clause
// Option types: command sockets, brought into one spelling, and targets of timeout notices.
#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config_schema.h"

#define DEFAULT_PORT 22222
#define SOCKET_SYNTAX \
	"unix:PATH, cunix:PATH or shm:PATH, absolute and up to 107 characters, or udp:, udp6:, " \
	"tcp: or tcp6: before ADDRESS[:PORT], or stdio:, stdioc: or systemd:"
#define TARGET_SYNTAX "unix:PATH, tcp:HOST:PORT or tcp:%%CC_SELF%%:PORT"
#define SELF "%%CC_SELF%%"

// What follows a prefix, or NULL.
static const char *after(const char *text, const char *prefix) {
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static bool is_socket_path(const char *path) {
	struct sockaddr_un sun;

	return path[0] == '/' && strlen(path) < sizeof(sun.sun_path);
}

static bool parse_port(const char *text, unsigned long *port) {
	char *end;

	*port = strtoul(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == '\0' && *port >= 1 && *port <= 65535;
}

// HOST of `len` characters, `*` for any, written as a numeric address.
static bool format_host(
	const char *host, size_t len, enum rr_family family, char *buf, size_t size) {
	struct rr_endpoint ep = {.family = (uint8_t)family};
	char text[64];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	if (strcmp(text, "*") != 0 && rr_endpoint_parse_addr(&ep, text, family) < 0)
		return false;
	rr_endpoint_format_addr(&ep, buf, size);
	return true;
}

// An IPv6 address may stand in brackets.
static bool format_bracketed(
	const char *host, size_t len, enum rr_family family, char *buf, size_t size) {
	if (family == RR_FAMILY_IPV6 && len > 2 && host[0] == '[' && host[len - 1] == ']')
		return format_host(host + 1, len - 2, family, buf, size);
	return format_host(host, len, family, buf, size);
}

// The port is what follows the last colon, when what stands before it is an address. Only
// otherwise the whole is one: "::1:9000" is port 9000 of ::1.
static bool format_inet(const char *kind, const char *text, enum rr_family family, char *out) {
	const char *colon = strrchr(text, ':');
	unsigned long port = DEFAULT_PORT;
	char host[64];

	if (colon == NULL || !parse_port(colon + 1, &port) ||
		!format_bracketed(text, (size_t)(colon - text), family, host, sizeof(host))) {
		port = DEFAULT_PORT;
		if (!format_bracketed(text, strlen(text), family, host, sizeof(host)))
			return false;
	}
	snprintf(out, RR_PATH_LEN, "%s%s:%lu", kind, host, port);
	return true;
}

static bool format_path(const char *kind, const char *path, char *out) {
	if (!is_socket_path(path))
		return false;
	snprintf(out, RR_PATH_LEN, "%s%s", kind, path);
	return true;
}

static bool is_stdio(const char *text) {
	return strcmp(text, "stdio:") == 0 || strcmp(text, "stdioc:") == 0;
}

static bool format_socket(const char *text, char *out) {
	static const struct {
		const char *prefix;
		enum rr_family family; // none: a path
	} kinds[] = {
		{"udp:", RR_FAMILY_IPV4},
		{"udp6:", RR_FAMILY_IPV6},
		{"tcp:", RR_FAMILY_IPV4},
		{"tcp6:", RR_FAMILY_IPV6},
		{"cunix:", RR_FAMILY_NONE},
		{"unix:", RR_FAMILY_NONE},
		{"shm:", RR_FAMILY_NONE},
	};

	if (is_stdio(text) || strcmp(text, "systemd:") == 0) {
		snprintf(out, RR_PATH_LEN, "%s", text);
		return true;
	}
	for (size_t i = 0; i < RR_ARRAY_LEN(kinds); i++) {
		const char *rest = after(text, kinds[i].prefix);

		if (rest != NULL && kinds[i].family == RR_FAMILY_NONE)
			return format_path(kinds[i].prefix, rest, out);
		if (rest != NULL)
			return format_inet(kinds[i].prefix, rest, kinds[i].family, out);
	}
	return format_path("unix:", text, out);
}

// A target is compared with what controllers send, so its spelling stays.
static bool is_target(const char *text) {
	const char *path = after(text, "unix:");
	const char *tcp = after(text, "tcp:");
	const char *colon;
	unsigned long port;
	char host[64];

	if (tcp == NULL)
		return is_socket_path(path != NULL ? path : text);
	colon = strrchr(tcp, ':');
	if (colon == NULL || !parse_port(colon + 1, &port))
		return false;
	if (after(tcp, SELF) == colon)
		return true;
	return tcp[0] != '*' &&
	       format_host(tcp, (size_t)(colon - tcp), RR_FAMILY_IPV4, host, sizeof(host));
}

static bool format_target(const char *text, char *out) {
	if (strlen(text) >= RR_PATH_LEN || !is_target(text))
		return false;
	snprintf(out, RR_PATH_LEN, "%s", text);
	return true;
}

static int read_all(struct rr_config_reader *r, const struct rr_option *opt,
	const config_setting_t *s, void *base, bool (*format)(const char *text, char *out),
	const char *syntax) {
	char(*socket)[RR_PATH_LEN] = (char(*)[RR_PATH_LEN])((uint8_t *)base + opt->offset);
	uint32_t *n = (uint32_t *)((uint8_t *)base + opt->n_offset);
	int rc = rr_config_check_list(r, opt, s);

	for (int i = 0; rc == 0 && i < config_setting_length(s); i++) {
		const config_setting_t *elem = config_setting_get_elem(s, (unsigned int)i);
		const char *text = rr_config_text(r, opt, elem);

		if (text == NULL)
			return -EINVAL;
		if (!format(text, socket[*n]))
			return rr_config_fail(r, elem, "is \"%s\", expected %s", text, syntax);
		for (uint32_t k = 0; k < *n; k++) {
			if (strcmp(socket[k], socket[*n]) == 0 ||
				(is_stdio(socket[k]) && is_stdio(socket[*n])))
				return rr_config_fail(
					r, elem, "is \"%s\" again, expected each once", text);
		}
		*n += 1;
	}
	return rc;
}

static int read_sockets(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	return read_all(r, opt, s, base, format_socket, SOCKET_SYNTAX);
}

static int read_targets(struct rr_config_reader *r, const struct rr_option *opt,
	const struct config_setting_t *s, void *base) {
	return read_all(r, opt, s, base, format_target, TARGET_SYNTAX);
}

static void print_sockets(
	struct rr_config_writer *w, const struct rr_option *opt, const void *base) {
	rr_type_texts.print(w, opt, base);
}

const struct rr_option_type rr_type_sockets = {
	"sockets", "an array of texts [ \"...\", \"...\" ]", read_sockets, print_sockets};
const struct rr_option_type rr_type_targets = {
	"targets", "an array of texts [ \"...\", \"...\" ]", read_targets, print_sockets};
