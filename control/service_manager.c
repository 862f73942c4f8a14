// SPDX-License-Identifier: BSD-2-Clause
// What the service manager that started us is told: systemd's Type=notify, by a plain datagram.
#include "service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

// A path, or a name that stands in no folder and is written with @ for its zero byte.
static int send_to(const char *name, const char *state) {
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd, rc;

	if (len < 2 || len >= sizeof(addr.sun_path) || (name[0] != '/' && name[0] != '@'))
		return -EINVAL;
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0
		     ? -errno
		     : 0;
	close(fd);
	return rc;
}

void service_manager_tell(const char *state) {
	const char *name = getenv("NOTIFY_SOCKET");
	int rc = name ? send_to(name, state) : 0;

	if (rc < 0)
		rr_warn("supervisor", "service manager not told state=%s socket=%s error=%s", state,
			name, strerror(-rc));
}
