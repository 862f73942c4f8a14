// SPDX-License-Identifier: BSD-2-Clause
// Loading, signing, finding and removing of the programs in bpf/, by libbpf.
#include "media_filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/media_maps.h"
#include "log.h"
#include "shm_region.h"

#define TC_PRIORITY_FIRST 0x7270 // "rp"
#define TC_PRIORITIES 16 // dataplanes on one interface
#define TC_HANDLE 1

// The compiled programs, linked in as they are.
extern const char _binary_media_xdp_o_start[], _binary_media_xdp_o_end[];
extern const char _binary_media_tc_o_start[], _binary_media_tc_o_end[];

void media_filter_init(
	struct media_filter *f, int ifindex, const char *port_name, const char *run_dir) {
	*f = (struct media_filter){
		.ifindex = ifindex,
		.port_name = port_name,
		.run_dir = run_dir,
		.addrs_fd = -1,
		.settings_fd = -1,
	};
}

// ---- what libbpf says goes to the log

static int libbpf_log(enum libbpf_print_level level, const char *fmt, va_list ap) {
	char text[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	rr_log_write(RR_LOG_DEBUG, "bpf", "%s", text);
	return 0;
}

// ---- somebody's program

struct program {
	char name[BPF_OBJ_NAME_LEN];
	int addrs_fd; // -1: it has no such map
	int settings_fd;
};

static void program_close(struct program *p) {
	if (p->addrs_fd >= 0)
		close(p->addrs_fd);
	if (p->settings_fd >= 0)
		close(p->settings_fd);
}

static void map_take(struct program *p, uint32_t id) {
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		info.name[0] = '\0';
	if (strcmp(info.name, MEDIA_ADDRS_NAME) == 0)
		p->addrs_fd = fd;
	else if (strcmp(info.name, MEDIA_SETTINGS_NAME) == 0)
		p->settings_fd = fd;
	else
		close(fd);
}

// Returns 0 or a negative errno; program_close() after success.
static int program_open(struct program *p, uint32_t id) {
	uint32_t map_id[8];
	struct bpf_prog_info info = {
		.nr_map_ids = RR_ARRAY_LEN(map_id), .map_ids = (uintptr_t)map_id};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	int ret;

	*p = (struct program){.addrs_fd = -1, .settings_fd = -1};
	if (fd < 0)
		return fd;
	ret = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (ret < 0)
		return ret;
	memcpy(p->name, info.name, sizeof(p->name));
	for (uint32_t i = 0; i < info.nr_map_ids && i < RR_ARRAY_LEN(map_id); i++)
		map_take(p, map_id[i]);
	return 0;
}

static bool is_same_folder(const char *one, const char *other) {
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

// An owner who did not come so far as to sign is dead: that takes no time. We hold the lock of our
// own run_dir, so who signed with it is; and looking at it would let go of it.
static bool program_is_stale(const struct media_filter *f, const struct program *p) {
	const uint32_t zero = 0;
	struct media_settings s;

	if (bpf_map_lookup_elem(p->settings_fd, &zero, &s) < 0)
		return false;
	s.owner[sizeof(s.owner) - 1] = '\0';
	if (s.owner[0] == '\0' || is_same_folder(s.owner, f->run_dir))
		return true;
	return rr_region_lock_holder(s.owner, RR_LOCK_DATAPLANE) == 0;
}

// Whose a program is.
enum owner {
	OWNER_FOREIGN, // no program of ours
	OWNER_ALIVE, // of a dataplane that runs
	OWNER_GONE,
};

static enum owner owner_of(const struct media_filter *f, uint32_t id, const char *name) {
	enum owner owner = OWNER_FOREIGN;
	struct program p;

	if (program_open(&p, id) < 0)
		return OWNER_FOREIGN;
	if (strcmp(p.name, name) == 0 && p.addrs_fd >= 0 && p.settings_fd >= 0)
		owner = program_is_stale(f, &p) ? OWNER_GONE : OWNER_ALIVE;
	program_close(&p);
	return owner;
}

// ---- XDP

static int xdp_sweep(const struct media_filter *f, const char **whose) {
	uint32_t id = 0;

	if (bpf_xdp_query_id(f->ifindex, 0, &id) < 0 || id == 0)
		return 0;
	switch (owner_of(f, id, MEDIA_XDP_NAME)) {
	case OWNER_GONE:
		rr_info("shared", "%s: taking off the XDP program of a dataplane that is gone",
			f->port_name);
		return bpf_xdp_detach(f->ifindex, 0, NULL);
	case OWNER_ALIVE:
		*whose = "another rtprelay-dp has its XDP program there";
		break;
	case OWNER_FOREIGN:
		*whose = "somebody else's XDP program is there (bpftool net)";
		break;
	}
	return -EBUSY;
}

const char *media_filter_xdp_path(void) {
	static char path[64];
	static int fd = -1;
	size_t len = (size_t)(_binary_media_xdp_o_end - _binary_media_xdp_o_start);

	if (fd >= 0)
		return path;
	fd = memfd_create("rtprelay-xdp", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (write(fd, _binary_media_xdp_o_start, len) != (ssize_t)len) {
		close(fd);
		fd = -1;
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

int media_filter_adopt_xdp(struct media_filter *f) {
	struct program p;
	uint32_t id = 0;
	int ret = bpf_xdp_query_id(f->ifindex, 0, &id);

	if (ret == 0 && id == 0)
		ret = -ENOENT;
	if (ret == 0)
		ret = program_open(&p, id);
	if (ret < 0)
		return ret;
	f->addrs_fd = p.addrs_fd;
	f->settings_fd = p.settings_fd;
	if (f->addrs_fd < 0 || f->settings_fd < 0)
		return -ENOENT;
	return media_filter_set_ports(f, 0, 0);
}

// ---- tc

// The ingress hook and one place in it.
struct tc_place {
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
};

static struct tc_place tc_place(const struct media_filter *f, uint32_t index) {
	return (struct tc_place){
		.hook = {.sz = sizeof(struct bpf_tc_hook),
			.ifindex = f->ifindex,
			.attach_point = BPF_TC_INGRESS},
		.opts = {.sz = sizeof(struct bpf_tc_opts),
			.handle = TC_HANDLE,
			.priority = TC_PRIORITY_FIRST + index},
	};
}

static int tc_detach(const struct media_filter *f, uint32_t index) {
	struct tc_place at = tc_place(f, index);

	return bpf_tc_detach(&at.hook, &at.opts);
}

// Program at a place, 0 for none.
static uint32_t tc_program(const struct media_filter *f, uint32_t index) {
	struct tc_place at = tc_place(f, index);

	return bpf_tc_query(&at.hook, &at.opts) == 0 ? at.opts.prog_id : 0;
}

static void tc_sweep(const struct media_filter *f) {
	for (uint32_t i = 0; i < TC_PRIORITIES; i++) {
		uint32_t id = tc_program(f, i);

		if (id == 0 || owner_of(f, id, MEDIA_TC_NAME) != OWNER_GONE)
			continue;
		rr_info("shared", "%s: taking off the tc program of a dataplane that is gone",
			f->port_name);
		tc_detach(f, i);
	}
}

static int tc_load(struct media_filter *f) {
	size_t len = (size_t)(_binary_media_tc_o_end - _binary_media_tc_o_start);
	int ret;

	f->tc = bpf_object__open_mem(_binary_media_tc_o_start, len, NULL);
	if (!f->tc)
		return -errno;
	ret = bpf_object__load(f->tc);
	if (ret < 0)
		return ret;
	f->addrs_fd = dup(bpf_object__find_map_fd_by_name(f->tc, MEDIA_ADDRS_NAME));
	f->settings_fd = dup(bpf_object__find_map_fd_by_name(f->tc, MEDIA_SETTINGS_NAME));
	if (f->addrs_fd < 0 || f->settings_fd < 0)
		return -errno;
	return media_filter_set_ports(f, 0, 0);
}

// The hook stays when we go: others may have come to use it.
static int tc_attach(struct media_filter *f) {
	struct tc_place at = tc_place(f, 0);
	int fd = bpf_program__fd(bpf_object__next_program(f->tc, NULL));
	int ret = bpf_tc_hook_create(&at.hook);

	if (ret < 0 && ret != -EEXIST)
		return ret;
	ret = -EBUSY;
	for (uint32_t i = 0; i < TC_PRIORITIES && ret < 0; i++) {
		if (tc_program(f, i) != 0)
			continue;
		at = tc_place(f, i);
		at.opts.prog_fd = fd;
		ret = bpf_tc_attach(&at.hook, &at.opts);
		if (ret == 0)
			f->tc_priority = TC_PRIORITY_FIRST + i;
		else if (ret != -EEXIST)
			break;
	}
	return ret;
}

int media_filter_attach_tc(struct media_filter *f) {
	int ret = tc_load(f);

	return ret < 0 ? ret : tc_attach(f);
}

// ---- what is taken

int media_filter_set_ports(const struct media_filter *f, uint16_t port_min, uint16_t port_max) {
	struct media_settings s = {.port_min = port_min, .port_max = port_max};
	const uint32_t zero = 0;

	RR_STATIC_ASSERT(sizeof(s.owner) >= RR_PATH_LEN, "any run_dir");
	snprintf(s.owner, sizeof(s.owner), "%s", f->run_dir);
	return bpf_map_update_elem(f->settings_fd, &zero, &s, BPF_ANY);
}

int media_filter_set_addr(
	const struct media_filter *f, enum rr_family family, const uint8_t *addr, bool on) {
	struct media_addr key = {.family = family == RR_FAMILY_IPV6 ? 6 : 4};
	const uint8_t one = 1;
	int ret;

	RR_STATIC_ASSERT(MEDIA_ADDRS_MAX == RR_MAX_ADDRS, "room for all");
	memcpy(key.word, addr, family == RR_FAMILY_IPV6 ? 16 : 4);
	if (on)
		return bpf_map_update_elem(f->addrs_fd, &key, &one, BPF_ANY);
	ret = bpf_map_delete_elem(f->addrs_fd, &key);
	return ret == -ENOENT ? 0 : ret;
}

int media_filter_sweep(const struct media_filter *f, const char **whose) {
	libbpf_set_print(libbpf_log);
	tc_sweep(f);
	return xdp_sweep(f, whose);
}

void media_filter_close(struct media_filter *f) {
	if (f->tc_priority != 0)
		tc_detach(f, f->tc_priority - TC_PRIORITY_FIRST);
	bpf_object__close(f->tc);
	if (f->addrs_fd >= 0)
		close(f->addrs_fd);
	if (f->settings_fd >= 0)
		close(f->settings_fd);
	media_filter_init(f, f->ifindex, f->port_name, f->run_dir);
}
