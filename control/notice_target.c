// SPDX-License-Identifier: BSD-2-Clause
// Where a timeout notice goes.
#include "notice_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"
#include "slice.h"

#define SELF "tcp:%%CC_SELF%%:"
#define THIS_HOST "127.0.0.1" // of controllers without an IPv4 address

static struct slice slice_of(const char *text) {
	return (struct slice){.p = text, .len = strlen(text)};
}

// What follows a prefix in *rest.
static bool after(struct slice text, const char *prefix, struct slice *rest) {
	size_t len = strlen(prefix);

	if (text.len < len || memcmp(text.p, prefix, len) != 0)
		return false;
	*rest = (struct slice){.p = text.p + len, .len = text.len - len};
	return true;
}

// A path may be written with `unix:` or without, on either side.
static struct slice path_of(struct slice text) {
	struct slice rest;

	return after(text, "unix:", &rest) ? rest : text;
}

static bool is_path(struct slice text) {
	struct slice path = path_of(text);

	return path.len > 0 && path.p[0] == '/';
}

static int set_len(struct notice_target *target, int len) {
	if (len < 0 || (size_t)len >= sizeof(target->text))
		return -EACCES;
	target->len = (size_t)len;
	return 0;
}

static int write_text(struct notice_target *target, const char *kind, struct slice rest) {
	return set_len(target, snprintf(target->text, sizeof(target->text), "%s%.*s", kind,
				       (int)rest.len, rest.p));
}

static int write_self(
	struct notice_target *target, struct slice port, const struct notice_ends *ends) {
	char host[INET_ADDRSTRLEN] = THIS_HOST;

	if (ends->controller.family == RR_FAMILY_IPV4) {
		inet_ntop(AF_INET, ends->controller.addr, host, sizeof(host));
		if (ends->local.family == RR_FAMILY_IPV4)
			memcpy(&target->local_be, ends->local.addr, sizeof(target->local_be));
	}
	return set_len(target, snprintf(target->text, sizeof(target->text), "tcp:%s:%.*s", host,
				       (int)port.len, port.p));
}

int notice_target_resolve(struct notice_target *target, const struct rr_config *cfg,
	struct slice asked, const struct notice_ends *ends) {
	*target = (struct notice_target){.len = 0};
	for (uint32_t i = 0; i < cfg->n_notify; i++) {
		struct slice permitted = slice_of(cfg->notify[i]);
		struct slice port;

		if (is_path(permitted) && slice_equal(path_of(permitted), path_of(asked)))
			return write_text(target, "unix:", path_of(permitted));
		if (!slice_equal(permitted, asked))
			continue;
		if (after(asked, SELF, &port))
			return write_self(target, port, ends);
		return write_text(target, "", asked);
	}
	return -EACCES;
}

static bool same_port(struct slice text, struct slice port) {
	return text.len > port.len && text.p[text.len - port.len - 1] == ':' &&
	       memcmp(text.p + text.len - port.len, port.p, port.len) == 0;
}

bool notice_target_permitted(const struct rr_config *cfg, struct slice text) {
	struct slice rest;
	bool is_tcp = after(text, "tcp:", &rest);

	for (uint32_t i = 0; i < cfg->n_notify; i++) {
		struct slice permitted = slice_of(cfg->notify[i]);

		if (is_path(permitted) ? slice_equal(path_of(permitted), path_of(text))
				       : slice_equal(permitted, text))
			return true;
		if (is_tcp && after(permitted, SELF, &rest) && same_port(text, rest))
			return true;
	}
	return false;
}

static int unix_addr(struct slice path, struct sockaddr_storage *addr, socklen_t *len) {
	struct sockaddr_un *sun = (struct sockaddr_un *)addr;

	if (path.len == 0 || path.len >= sizeof(sun->sun_path))
		return -EINVAL;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path.p, path.len);
	*len = sizeof(*sun);
	return 0;
}

static int tcp_addr(struct slice host_port, struct sockaddr_storage *addr, socklen_t *len) {
	struct sockaddr_in *sin = (struct sockaddr_in *)addr;
	char text[NOTICE_TARGET_MAX];
	unsigned long port;
	char *colon, *end;

	if (host_port.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host_port.p, host_port.len);
	text[host_port.len] = '\0';
	colon = strrchr(text, ':');
	if (!colon)
		return -EINVAL;
	*colon = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port == 0 || port > UINT16_MAX ||
		inet_pton(AF_INET, text, &sin->sin_addr) != 1)
		return -EINVAL;
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)port);
	*len = sizeof(*sin);
	return 0;
}

int notice_target_addr(struct slice text, struct sockaddr_storage *addr, socklen_t *len) {
	struct slice rest;

	memset(addr, 0, sizeof(*addr));
	if (after(text, "unix:", &rest))
		return unix_addr(rest, addr, len);
	return after(text, "tcp:", &rest) ? tcp_addr(rest, addr, len) : -EINVAL;
}
