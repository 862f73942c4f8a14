// SPDX-License-Identifier: BSD-2-Clause
// What an earlier control left in the store, brought back at the start.
#include "recall.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "port_alloc.h"
#include "retrans.h"
#include "session_store.h"
#include "store.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static int read_boot_id(uint8_t id[16]) {
	char text[40];
	ssize_t n;
	unsigned int n_digits = 0;
	int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && n_digits < 32; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			continue;
		id[n_digits / 2] |= (uint8_t)((digit - digits) << (n_digits % 2 ? 0 : 4));
		n_digits++;
	}
	return n_digits == 32 ? 0 : -EIO;
}

static void say_unusable(const struct control *ctl, int error) {
	rr_err("store",
		"cannot be read, control does not start: move dir=%s away to begin without its "
		"calls: %s",
		ctl->cfg->store_dir, strerror(-error));
}

int recall_open(struct control *ctl) {
	struct store_params params = {
		.dir = ctl->cfg->store_dir,
		.map_mb = ctl->cfg->store_mb,
		.now_ns = ctl->now_ns,
	};
	struct rr_store_meta *meta;
	int ret = read_boot_id(params.boot_id);

	if (ret == 0)
		ret = store_open(&ctl->store, &params);
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	else if (ret < 0)
		rr_err("store", "cannot open dir=%s: %s", params.dir, strerror(-ret));
	if (ret < 0)
		return ret;
	meta = store_meta(ctl->store);
	meta->epoch++;
	ctl->next_uid = meta->next_uid;
	stats_load(&ctl->stats, meta);
	return 0;
}

// Rows that cannot be calls any more.
struct lost_rows {
	struct control *ctl;
	uint64_t *id;
	size_t n;
};

static int load_session(void *arg, uint64_t id, const void *record, size_t size) {
	struct lost_rows *lost = (struct lost_rows *)arg;
	int ret = session_store_load(lost->ctl, record, size);
	uint64_t *ids;

	if (ret == 0 || ret == -ENOMEM)
		return ret;
	rr_warn("store", "session dropped id=%llu: %s", (unsigned long long)id, strerror(-ret));
	ids = (uint64_t *)realloc(lost->id, (lost->n + 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	ids[lost->n++] = id;
	lost->id = ids;
	return 0;
}

static int forget_rows(struct control *ctl, const struct lost_rows *lost) {
	int ret = 0;

	if (lost->n == 0)
		return 0;
	ret = store_begin(ctl->store);
	for (size_t i = 0; ret == 0 && i < lost->n; i++)
		ret = store_delete_session(ctl->store, lost->id[i]);
	stats_add(&ctl->stats, STATS_nsess_destroyed, lost->n);
	if (ret == 0)
		return store_commit(ctl->store, ctl->now_ns);
	store_abort(ctl->store);
	return ret;
}

static int load_cookie(void *arg, struct slice cookie, struct slice reply, uint64_t received_ns) {
	struct control *ctl = (struct control *)arg;
	int ret = retrans_put(ctl->retrans, cookie, reply, received_ns, ctl->now_ns);

	return ret == -ENOMEM ? ret : 0;
}

// A worker before this one had the same copy of the file, and perhaps a later file since.
static bool of_this_program(const struct control *ctl) {
	return ctl->program != 0 && store_meta(ctl->store)->counters[STATS_program] == ctl->program;
}

static int recall_address(
	void *arg, const struct rr_store_address *row, const struct rr_text *realm) {
	struct control *ctl = (struct control *)arg;
	char text[RR_ENDPOINT_STRLEN];
	int ret = of_this_program(ctl) ? address_pool_restore(&ctl->addresses, row, realm)
				       : address_pool_recall(&ctl->addresses, row, realm);

	if (ret < 0)
		rr_warn("store", "address dropped address=%s realm=%.*s: %s",
			rr_endpoint_format_addr(&row->addr, text, sizeof(text)), (int)realm->len,
			realm->p, strerror(-ret));
	return 0;
}

// Ports of those that the file does not name, and none of those that were drained.
int recall_addresses(struct control *ctl) {
	int ret;

	if (of_this_program(ctl))
		address_pool_clear(&ctl->addresses);
	ret = store_each_address(ctl->store, recall_address, ctl);

	for (uint32_t i = 0; ret == 0 && i < RR_MAX_ADDRS; i++) {
		if (address_pool_is_wanted(&ctl->addresses, i))
			ret = port_alloc_add(ctl->ports, i);
		else
			port_alloc_remove(ctl->ports, i);
	}
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	return ret;
}

int recall_all(struct control *ctl) {
	struct outbox_time time = control_time(ctl);
	struct lost_rows lost = {.ctl = ctl};
	int ret = store_each_session(ctl->store, load_session, &lost);

	if (ret == 0)
		ret = forget_rows(ctl, &lost);
	free(lost.id);
	if (ret == 0 && ctl->retrans)
		ret = store_each_cookie(ctl->store, load_cookie, ctl);
	if (ret == -EPROTO)
		say_unusable(ctl, ret);
	if (ret == 0)
		ret = outbox_load(&ctl->outbox, ctl->store, &time);
	if (ret == 0)
		rr_info("control", "store loaded sessions=%zu notices=%llu epoch=%u",
			session_index_count(&ctl->index),
			(unsigned long long)ctl->outbox.stats.n_waiting,
			store_meta(ctl->store)->epoch);
	return ret;
}
