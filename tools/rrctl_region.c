// SPDX-License-Identifier: BSD-2-Clause
// The region as rrctl reaches it: a file that is there while either process is down.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "rrctl.h"

static const char *attach_error(int rc) {
	if (rc == -ENOENT)
		return "there is none, rtprelay-dp makes it at its start";
	if (rc == -EPROTO)
		return "it is no region, or of another version of rtprelay";
	if (rc == -ESTALE)
		return "it is older than the last boot, rtprelay-dp renews it at its start";
	return strerror(-rc);
}

int rrctl_attach(const struct rrctl *ctl, struct rr_region *region, bool read_only) {
	char path[PATH_MAX];
	int rc;

	rr_region_path(&ctl->cfg, path, sizeof(path));
	rc = rr_region_attach(region, path, read_only);
	if (rc < 0)
		return rrctl_refuse("region %s: %s", path, attach_error(rc));
	return RRCTL_DONE;
}

bool rrctl_try_attach(const struct rrctl *ctl, struct rr_region *region) {
	char path[PATH_MAX];

	rr_region_path(&ctl->cfg, path, sizeof(path));
	return rr_region_attach(region, path, true) == 0;
}

int rrctl_lock_holder(const struct rrctl *ctl, enum rr_lock role) {
	return rr_region_lock_holder(ctl->cfg.run_dir, role);
}
