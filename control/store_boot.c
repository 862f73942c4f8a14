// SPDX-License-Identifier: BSD-2-Clause
// Whether the store of an earlier boot can be believed: only one that was synced and closed.
//
// The store is not synced while it is in use. Within one boot that harms nothing, since whatever
// the kernel was given is there for the next process. After a loss of power the pages on disk are
// of different ages, and LMDB, which trusts what it reads, may crash on them again and again. So a
// file beside the store names the boot that uses it and says whether it was closed.
#include "store_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

#define FILE_MODE 0660

struct boot_mark {
	uint8_t boot_id[STORE_BOOT_ID_LEN];
	uint8_t closed;
};

struct path {
	char text[RR_PATH_LEN + 16];
};

static struct path file_in(const char *dir, const char *name) {
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", dir, name);
	return path;
}

static bool read_mark(const char *dir, struct boot_mark *mark) {
	int fd = open(file_in(dir, "boot").text, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, mark, sizeof(*mark));
	close(fd);
	return n == (ssize_t)sizeof(*mark);
}

static int sync_and_close(int fd) {
	int ret = fsync(fd) < 0 ? -errno : 0;

	close(fd);
	return ret;
}

static int sync_dir(const char *dir) {
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : sync_and_close(fd);
}

static int write_new(const char *path, const struct boot_mark *mark) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, mark, sizeof(*mark));
	if (n != (ssize_t)sizeof(*mark)) {
		int error = n < 0 ? errno : ENOSPC;

		close(fd);
		return -error;
	}
	return sync_and_close(fd);
}

// Synced, so that no store can be in use under the mark of one that was closed.
static int write_mark(const char *dir, const uint8_t boot_id[STORE_BOOT_ID_LEN], bool closed) {
	struct path path = file_in(dir, "boot");
	struct path fresh = file_in(dir, "boot.new");
	struct boot_mark mark = {.closed = closed};
	int ret;

	memcpy(mark.boot_id, boot_id, sizeof(mark.boot_id));
	ret = write_new(fresh.text, &mark);
	if (ret < 0)
		return ret;
	return rename(fresh.text, path.text) < 0 ? -errno : sync_dir(dir);
}

static int remove_store(const char *dir) {
	struct path data = file_in(dir, "data.mdb");

	if (unlink(data.text) < 0)
		return errno == ENOENT ? 0 : -errno;
	rr_warn("store", "calls forgotten, the store was not closed before the reboot dir=%s", dir);
	return 0;
}

int store_boot_enter(const char *dir, const uint8_t boot_id[STORE_BOOT_ID_LEN]) {
	struct boot_mark mark;
	bool known = read_mark(dir, &mark);
	int ret = 0;

	if (known && !mark.closed && memcmp(mark.boot_id, boot_id, sizeof(mark.boot_id)) == 0)
		return 0;
	if (!known || !mark.closed)
		ret = remove_store(dir);
	return ret < 0 ? ret : write_mark(dir, boot_id, false);
}

int store_boot_leave(const char *dir, const uint8_t boot_id[STORE_BOOT_ID_LEN]) {
	return write_mark(dir, boot_id, true);
}
