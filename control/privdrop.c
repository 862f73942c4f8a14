// SPDX-License-Identifier: BSD-2-Clause
// Who control runs as once its sockets are open: user, groups, no capability, no way back.
#include "privdrop.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"

int privdrop_find(struct privdrop *p, const char *user, const char *group) {
	const struct passwd *pw;
	const struct group *gr;

	*p = (struct privdrop){.uid = getuid(), .gid = (gid_t)-1};
	if (user[0] != '\0') {
		pw = getpwnam(user);
		if (!pw) {
			rr_err("privdrop", "no such user user=%s", user);
			return -ENOENT;
		}
		p->change_user = p->change_group = true;
		p->uid = pw->pw_uid;
		p->gid = pw->pw_gid;
		snprintf(p->user, sizeof(p->user), "%s", user);
	}
	if (group[0] != '\0') {
		gr = getgrnam(group);
		if (!gr) {
			rr_err("privdrop", "no such group group=%s", group);
			return -ENOENT;
		}
		p->change_group = true;
		p->gid = gr->gr_gid;
	}
	return 0;
}

static int fail(const char *what) {
	int error = errno;

	rr_err("privdrop", "could not %s error=%s", what, strerror(error));
	return -error;
}

// What no exec may ever give back. Only possible with CAP_SETPCAP, needless without it: then
// no_new_privs alone does it.
static void drop_bounding_set(void) {
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int change_ids(const struct privdrop *p) {
	if (p->change_user && initgroups(p->user, p->gid) < 0)
		return fail("set the supplementary groups");
	if (p->change_group && setresgid(p->gid, p->gid, p->gid) < 0)
		return fail("change the group");
	if (p->change_user && setresuid(p->uid, p->uid, p->uid) < 0)
		return fail("change the user");
	return 0;
}

static int drop_capabilities(void) {
	cap_t none = cap_init();
	int rc;

	if (!none)
		return fail("allocate a capability set");
	rc = cap_set_proc(none) < 0 ? fail("give the capabilities up") : 0;
	cap_free(none);
	return rc;
}

static bool already_is(const struct privdrop *p) {
	return getuid() == p->uid && geteuid() == p->uid &&
	       (!p->change_group || getegid() == p->gid);
}

int privdrop_apply(const struct privdrop *p) {
	int death_signal = 0;
	int rc;

	drop_bounding_set();
	if (!already_is(p)) {
		// Whoever started us may have asked for a signal at its death, which a change of
		// user takes back.
		prctl(PR_GET_PDEATHSIG, &death_signal);
		rc = change_ids(p);
		if (rc < 0)
			return rc;
		prctl(PR_SET_PDEATHSIG, death_signal);
	}
	rc = drop_capabilities();
	if (rc < 0)
		return rc;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail("set no_new_privs") : 0;
}
