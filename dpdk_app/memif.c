// SPDX-License-Identifier: BSD-2-Clause
// Device arguments of net_memif as far as its socket file is concerned, and the look at the file.
#include "memif.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_kvargs.h>

#include "compiler.h"
#include "log.h"

#define DRIVER "net_memif"
#define DEFAULT_PATH "/run/memif.sock" // the driver's own

struct memif_args {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool is_server;
	bool is_file; // and not a name in the abstract name space, which dies with its listener
	bool is_too_long; // the driver will say so
};

static int path_take(const char *key RR_UNUSED, const char *value, void *to) {
	struct memif_args *args = to;
	int len = snprintf(args->path, sizeof(args->path), "%s", value);

	args->is_too_long = len >= (int)sizeof(args->path);
	return 0;
}

static int role_take(const char *key RR_UNUSED, const char *value, void *to) {
	((struct memif_args *)to)->is_server = strcmp(value, "server") == 0;
	return 0;
}

static int abstract_take(const char *key RR_UNUSED, const char *value, void *to) {
	((struct memif_args *)to)->is_file = strcmp(value, "no") == 0;
	return 0;
}

static const struct {
	const char *key;
	arg_handler_t take;
} arguments[] = {
	{"socket", path_take},
	{"role", role_take},
	{"socket-abstract", abstract_take},
};

// What the device will do, as its driver reads its arguments. False when it makes no socket file.
static bool args_parse(struct memif_args *args, const char *device) {
	const char *list = strchr(device, ',');
	struct rte_kvargs *kvlist;

	*args = (struct memif_args){.path = DEFAULT_PATH};
	if (strncmp(device, DRIVER, strlen(DRIVER)) != 0 || !list)
		return false;
	kvlist = rte_kvargs_parse(list + 1, NULL);
	if (!kvlist)
		return false;
	for (size_t i = 0; i < RR_ARRAY_LEN(arguments); i++)
		rte_kvargs_process(kvlist, arguments[i].key, arguments[i].take, args);
	rte_kvargs_free(kvlist);
	return args->is_server && args->is_file && !args->is_too_long;
}

// A file that is no socket refuses connections as well, so its kind is asked first.
static bool socket_is_dead(const char *path) {
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct stat st;
	bool refused;
	int fd;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	memcpy(to.sun_path, path, strlen(path) + 1);
	refused =
		connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

void memif_remove_dead_socket(const char *device) {
	struct memif_args args;

	if (!args_parse(&args, device) || !socket_is_dead(args.path))
		return;
	if (unlink(args.path) == 0)
		rr_info("memif", "removed the socket %s that a killed process left", args.path);
	else
		rr_warn("memif", "cannot remove the dead socket %s: %s", args.path,
			strerror(errno));
}
