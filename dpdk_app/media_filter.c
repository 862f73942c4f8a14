// SPDX-License-Identifier: BSD-2-Clause
// Loading, signing, finding and removing of the programs in bpf/, by libbpf.
#include "media_filter.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/media_maps.h"
#include "log.h"

#define TC_PRIORITY_FIRST 0x7270 // "rp"
#define TC_PRIORITIES 16 // dataplanes on one interface
#define TC_HANDLE 1
#define RESERVE_PAUSE_NS 10000000
#define RESERVE_TRIES 500

// The compiled programs, linked in as they are.
extern const char _binary_media_xdp_o_start[], _binary_media_xdp_o_end[];
extern const char _binary_media_tc_o_start[], _binary_media_tc_o_end[];

void media_filter_init(
	struct media_filter *f, int ifindex, const char *port_name, const char *run_dir) {
	*f = (struct media_filter){
		.ifindex = ifindex,
		.port_name = port_name,
		.run_dir = run_dir,
		.life_fd = -1,
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

// ---- the sign of life
//
// A map without a use: it is there as long as the process that made it, wherever the other one
// looks from, and its id is not given to another.

static int life_id(int fd, uint32_t *id) {
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int ret = bpf_obj_get_info_by_fd(fd, &info, &len);

	*id = info.id;
	return ret;
}

static int life_begin(struct media_filter *f) {
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rtprelay_life", 4, 4, 1, NULL);

	if (fd < 0)
		return fd;
	f->life_fd = fd;
	return life_id(fd, &f->owner_id);
}

// Who cannot be seen is alive.
static bool is_dead(uint32_t owner_id) {
	int fd = bpf_map_get_fd_by_id(owner_id);

	if (fd >= 0)
		close(fd);
	return fd == -ENOENT;
}

// ---- somebody's program

struct program {
	int fd;
	char name[BPF_OBJ_NAME_LEN];
	int addrs_fd; // -1: it has no such map
	int settings_fd;
};

static void program_close(struct program *p) {
	close(p->fd);
	if (p->addrs_fd >= 0)
		close(p->addrs_fd);
	if (p->settings_fd >= 0)
		close(p->settings_fd);
}

// Anybody may give a map that name: the kernel writes as much as its values are long.
static bool is_map(const struct bpf_map_info *m, const char *name, size_t key, size_t value) {
	return strcmp(m->name, name) == 0 && m->key_size == key && m->value_size == value;
}

static void map_take(struct program *p, uint32_t id) {
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		info.name[0] = '\0';
	if (is_map(&info, MEDIA_ADDRS_NAME, sizeof(struct media_addr), 1))
		p->addrs_fd = fd;
	else if (is_map(&info, MEDIA_SETTINGS_NAME, 4, sizeof(struct media_settings)))
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
	if (ret < 0) {
		close(fd);
		return ret;
	}
	p->fd = fd;
	memcpy(p->name, info.name, sizeof(p->name));
	for (uint32_t i = 0; i < info.nr_map_ids && i < RR_ARRAY_LEN(map_id); i++)
		map_take(p, map_id[i]);
	return 0;
}

// Whose a program is.
enum owner {
	OWNER_FOREIGN, // no program of ours
	OWNER_ALIVE, // of a dataplane that runs
	OWNER_GONE,
};

// One that nobody signed is of a dataplane that died before it could: who signs keeps the interface
// until then, see media_filter_reserve().
static enum owner owner_of(const struct program *p, const char *name) {
	const uint32_t zero = 0;
	struct media_settings s;

	if (strcmp(p->name, name) != 0 || p->addrs_fd < 0 || p->settings_fd < 0)
		return OWNER_FOREIGN;
	if (bpf_map_lookup_elem(p->settings_fd, &zero, &s) < 0)
		return OWNER_ALIVE;
	return s.owner_id == 0 || is_dead(s.owner_id) ? OWNER_GONE : OWNER_ALIVE;
}

// ---- XDP

// Only the program that was looked at is taken off.
static int xdp_remove(const struct media_filter *f, const struct program *p) {
	const struct bpf_xdp_attach_opts opts = {.sz = sizeof(opts), .old_prog_fd = p->fd};

	rr_info("shared", "%s: taking off the XDP program of a dataplane that is gone",
		f->port_name);
	return bpf_xdp_detach(f->ifindex, 0, &opts);
}

static int xdp_sweep(const struct media_filter *f, const char **whose) {
	enum owner owner = OWNER_FOREIGN;
	struct program p;
	uint32_t id = 0;
	int ret = -EBUSY;

	if (bpf_xdp_query_id(f->ifindex, 0, &id) < 0 || id == 0)
		return 0;
	if (program_open(&p, id) == 0) {
		owner = owner_of(&p, MEDIA_XDP_NAME);
		if (owner == OWNER_GONE)
			ret = xdp_remove(f, &p);
		program_close(&p);
	}
	if (owner == OWNER_ALIVE)
		*whose = "another rtprelay-dp has its XDP program there";
	else if (owner == OWNER_FOREIGN)
		*whose = "somebody else's XDP program is there (bpftool net)";
	return ret;
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

// The one on the interface is what the driver has put there unless somebody was faster.
static int xdp_sign(struct media_filter *f, struct program *p) {
	int ret = owner_of(p, MEDIA_XDP_NAME) == OWNER_GONE ? life_begin(f) : -EBUSY;

	if (ret < 0)
		return ret;
	f->addrs_fd = p->addrs_fd;
	f->settings_fd = p->settings_fd;
	p->addrs_fd = p->settings_fd = -1;
	return media_filter_set_ports(f, 0, 0);
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
	ret = xdp_sign(f, &p);
	program_close(&p);
	return ret;
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

static bool tc_is_stale(const struct media_filter *f, uint32_t index) {
	uint32_t id = tc_program(f, index);
	struct program p;
	bool stale;

	if (id == 0 || program_open(&p, id) < 0)
		return false;
	stale = owner_of(&p, MEDIA_TC_NAME) == OWNER_GONE;
	program_close(&p);
	return stale;
}

static void tc_sweep(const struct media_filter *f) {
	for (uint32_t i = 0; i < TC_PRIORITIES; i++) {
		if (!tc_is_stale(f, i))
			continue;
		rr_info("shared", "%s: taking off the tc program of a dataplane that is gone",
			f->port_name);
		tc_detach(f, i);
	}
}

static int tc_load(struct media_filter *f) {
	size_t len = (size_t)(_binary_media_tc_o_end - _binary_media_tc_o_start);
	int ret = life_begin(f);

	if (ret < 0)
		return ret;
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
	struct media_settings s = {
		.port_min = port_min,
		.port_max = port_max,
		.owner_id = f->owner_id,
	};
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

// ---- one at a time

// An address of the interface's network namespace, which is everybody's who could come between.
static int reserve(int fd, int ifindex) {
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int len = snprintf(
		name.sun_path + 1, sizeof(name.sun_path) - 1, "rtprelay-shared-%d", ifindex);
	size_t size = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len;

	return bind(fd, (const void *)&name, (socklen_t)size) < 0 ? -errno : 0;
}

int media_filter_reserve(const struct media_filter *f) {
	const struct timespec pause = {.tv_nsec = RESERVE_PAUSE_NS};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = reserve(fd, f->ifindex);

	for (uint32_t i = 0; ret == -EADDRINUSE && i < RESERVE_TRIES; i++) {
		nanosleep(&pause, NULL);
		ret = reserve(fd, f->ifindex);
	}
	if (ret == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	rr_warn("shared", "%s: no af_xdp beside another program that opens the interface: %s",
		f->port_name, strerror(-ret));
	return ret;
}

void media_filter_close(struct media_filter *f) {
	if (f->tc_priority != 0)
		tc_detach(f, f->tc_priority - TC_PRIORITY_FIRST);
	bpf_object__close(f->tc);
	if (f->addrs_fd >= 0)
		close(f->addrs_fd);
	if (f->settings_fd >= 0)
		close(f->settings_fd);
	if (f->life_fd >= 0)
		close(f->life_fd);
	media_filter_init(f, f->ifindex, f->port_name, f->run_dir);
}
