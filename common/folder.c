// SPDX-License-Identifier: BSD-2-Clause
// Folders that the configuration names and nobody has made yet.
#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"

#define PARENT_MODE 0755

static int make(const char *path, mode_t mode) {
	if (mkdir(path, mode) == 0)
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

int rr_folder_make(const char *path, mode_t mode) {
	char parent[RR_PATH_LEN];

	if (strlen(path) >= sizeof(parent))
		return -ENAMETOOLONG;
	for (const char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
		int ret;

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		ret = make(parent, PARENT_MODE);
		if (ret < 0)
			return ret;
	}
	return make(path, mode);
}
