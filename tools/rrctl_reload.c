// SPDX-License-Identifier: BSD-2-Clause
// rrctl config reload: the file, read and checked here, goes to control as a sealed memfd.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rrctl.h"

// Without the names of user and group, which go as words.
static bool write_file(const struct rrctl *ctl, int fd) {
	static struct rr_config copy;
	FILE *out = fdopen(dup(fd), "w");

	if (out == NULL)
		return false;
	copy = ctl->cfg;
	copy.user[0] = '\0';
	copy.group[0] = '\0';
	rr_config_print(&copy, out);
	return fclose(out) == 0;
}

// Returns a descriptor, or -1, having said why.
static int make_file(const struct rrctl *ctl) {
	int fd = memfd_create("rtprelay.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write_file(ctl, fd) &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	rrctl_refuse("config-reload: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static json_t *list_rows(const json_t *answer) {
	static const char *const changes[] = {"added", "activated", "drained"};
	json_t *rows = json_array();
	const json_t *address;
	size_t i;

	for (size_t c = 0; c < RR_ARRAY_LEN(changes); c++)
		json_array_foreach(json_object_get(answer, changes[c]), i, address)
			json_array_append_new(
				rows, json_pack("{s:s, s:s}", "address", json_string_value(address),
					      "change", changes[c]));
	return rows;
}

static void draw_reloaded(const json_t *answer) {
	static const struct rrctl_column columns[] = {{"ADDRESS", "address"}, {"CHANGE", "change"}};
	json_t *rows = list_rows(answer);

	if (json_array_size(rows) > 0)
		rrctl_table(rows, columns, RR_ARRAY_LEN(columns));
	else
		puts("nothing changed");
	json_decref(rows);
}

int rrctl_config_reload(struct rrctl *ctl, int argc RR_UNUSED, char **argv RR_UNUSED) {
	char *names[] = {ctl->cfg.user, ctl->cfg.group};
	struct rrctl_request request = {.verb = "config-reload", .argc = 2, .argv = names};
	json_t *answer;
	int rc;

	// as it is now, also in a script that has read it before
	if (rr_config_load(&ctl->cfg, ctl->config_path, stderr) < 0) {
		ctl->cfg.path[0] = '\0';
		return RRCTL_REFUSED;
	}
	request.fd = make_file(ctl);
	if (request.fd < 0)
		return RRCTL_REFUSED;
	rc = rrctl_ask_with(ctl, &request, &answer);
	close(request.fd);
	return rc == RRCTL_DONE ? rrctl_show(ctl, answer, draw_reloaded) : rc;
}
