// SPDX-License-Identifier: BSD-2-Clause
// The region's file: create, adopt, attach; every offset checked before it becomes a pointer.
//
// A fresh region is written under a temporary name and renamed over the old one when it is whole,
// so whoever opens the path sees a complete region, and whoever maps the old one keeps it. Adoption
// changes a region in place and may be killed at any point of it: each step can be done twice.
#include "shm_region.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "crash_point.h"
#include "folder.h"
#include "shm_addrs.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define PAGE_SIZE_BYTES 4096
#define RUN_DIR_MODE 0775
#define READ_TRIES 1000 // a write takes well below a microsecond

// Where a region's parts lie. Computed from counts alone, by creator and reader alike.
struct layout {
	uint64_t addrs;
	uint64_t workers;
	uint64_t flows;
	uint64_t cold;
	uint64_t size;
};

static uint64_t align_up(uint64_t n, uint64_t align) {
	return (n + align - 1) / align * align;
}

static void layout_compute(
	struct layout *l, uint32_t n_addrs, uint32_t n_workers, uint64_t n_flows) {
	l->addrs = RR_SHM_HEADER_SIZE;
	l->workers = align_up(l->addrs + n_addrs * sizeof(struct rr_shm_addr), PAGE_SIZE_BYTES);
	l->flows = align_up(
		l->workers + (n_workers + 1ULL) * sizeof(struct rr_shm_worker), PAGE_SIZE_BYTES);
	l->cold = align_up(l->flows + n_flows * sizeof(struct rr_flow), PAGE_SIZE_BYTES);
	l->size = align_up(l->cold + n_flows * sizeof(struct rr_flow_cold), PAGE_SIZE_BYTES);
}

static int boot_id_read(uint8_t id[16]) {
	FILE *f = fopen(BOOT_ID_PATH, "re");
	int n = 0;

	if (!f)
		return -errno;
	while (n < 16) {
		unsigned int byte;

		if (fscanf(f, n == 4 || n == 6 || n == 8 || n == 10 ? "-%2x" : "%2x", &byte) != 1)
			break;
		id[n++] = (uint8_t)byte;
	}
	fclose(f);
	return n == 16 ? 0 : -EPROTO;
}

// How many addresses a region of this configuration has room for.
static uint32_t n_places(const struct rr_config *cfg) {
	return cfg->n_addr_places > cfg->n_addrs ? cfg->n_addr_places : cfg->n_addrs;
}

uint64_t rr_region_size(const struct rr_config *cfg) {
	uint64_t n_media_ports = cfg->media_port_max - cfg->media_port_min + 1;
	struct layout l;

	layout_compute(&l, n_places(cfg), cfg->n_workers, n_places(cfg) * n_media_ports);
	return l.size;
}

void rr_bucket_owners(uint8_t *bucket_owner, uint32_t n_workers) {
	for (uint32_t i = 0; i < RR_N_BUCKETS; i++)
		bucket_owner[i] = (uint8_t)(i % n_workers);
}

// The part of the header that is written once, as this configuration wants it; region_id and size
// stay zero.
static int header_fill(struct rr_shm_header *h, const struct rr_config *cfg, uint32_t n_addrs) {
	uint32_t n_media_ports = cfg->media_port_max - cfg->media_port_min + 1;
	uint64_t n_flows = (uint64_t)n_addrs * n_media_ports;
	struct layout l;

	if (n_flows == 0 || n_flows >= RR_SLOT_NONE || n_media_ports % 2 != 0)
		return -EINVAL;
	layout_compute(&l, n_addrs, cfg->n_workers, n_flows);
	*h = (struct rr_shm_header){
		.magic = RR_SHM_MAGIC,
		.version = RR_SHM_VERSION,
		.header_size = RR_SHM_HEADER_SIZE,
		.n_workers = cfg->n_workers,
		.n_ports = cfg->n_ports,
		.n_addrs = n_addrs,
		.media_port_min = cfg->media_port_min,
		.n_media_ports = n_media_ports,
		.n_flows = (uint32_t)n_flows,
		.addrs_offset = l.addrs,
		.workers_offset = l.workers,
		.flows_offset = l.flows,
		.cold_offset = l.cold,
	};
	rr_bucket_owners(h->bucket_owner, cfg->n_workers);
	for (uint32_t i = 0; i < cfg->n_ports; i++)
		memcpy(h->port_name[i], cfg->port[i].name, RR_PORT_NAME_LEN);
	return boot_id_read(h->boot_id);
}

// Copy the header's sizes to private memory and check that all parts lie inside the mapping.
static int region_bind(struct rr_region *r, void *base, const struct stat *st) {
	struct rr_shm_header h;
	struct layout l;
	uint8_t *bytes = base;

	memcpy(&h, base, sizeof(h));
	if (h.n_workers == 0 || h.n_workers > RR_MAX_WORKERS || h.n_ports == 0 ||
		h.n_ports > RR_MAX_PORTS || h.n_addrs == 0 || h.n_addrs > RR_MAX_ADDRS)
		return -EPROTO;
	if (h.n_media_ports == 0 || h.n_media_ports % 2 != 0 || h.media_port_min % 2 != 0 ||
		(uint64_t)h.media_port_min + h.n_media_ports > 65536 ||
		h.n_flows != h.n_addrs * h.n_media_ports)
		return -EPROTO;
	layout_compute(&l, h.n_addrs, h.n_workers, h.n_flows);
	if (h.addrs_offset != l.addrs || h.workers_offset != l.workers ||
		h.flows_offset != l.flows || h.cold_offset != l.cold || h.size < l.size ||
		h.size != (uint64_t)st->st_size)
		return -EPROTO;
	*r = (struct rr_region){
		.header = base,
		.size = h.size,
		.inode = st->st_ino,
		.n_workers = h.n_workers,
		.n_ports = h.n_ports,
		.n_addrs = h.n_addrs,
		.media_port_min = h.media_port_min,
		.n_media_ports = h.n_media_ports,
		.n_flows = h.n_flows,
		.region_id = h.region_id,
		.addrs = (void *)(bytes + l.addrs),
		.workers = (void *)(bytes + l.workers),
		.flows = (void *)(bytes + l.flows),
		.cold = (void *)(bytes + l.cold),
	};
	return 0;
}

static int header_check(const struct rr_shm_header *h) {
	uint8_t boot_id[16];
	int ret;

	// pairs with the release in region_publish
	if (rr_load_acquire(&h->magic) != RR_SHM_MAGIC || h->version != RR_SHM_VERSION ||
		h->header_size != RR_SHM_HEADER_SIZE)
		return -EPROTO;
	ret = boot_id_read(boot_id);
	if (ret < 0)
		return ret;
	return memcmp(boot_id, h->boot_id, sizeof(boot_id)) == 0 ? 0 : -ESTALE;
}

// Without a reservation: a hugetlbfs would set pages aside for the holes too.
static int region_map(struct rr_region *r, int fd, int prot) {
	struct stat st;
	void *base;
	int ret;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < RR_SHM_HEADER_SIZE)
		return -EPROTO;
	base = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	ret = header_check(base);
	if (ret == 0)
		ret = region_bind(r, base, &st);
	if (ret < 0)
		munmap(base, (size_t)st.st_size);
	return ret;
}

// The run directory is the group's as well, so that root follows no link in it.
static int open_own(const char *path, int flags) {
	return open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0660);
}

int rr_region_attach(struct rr_region *r, const char *path, bool read_only) {
	int fd = open_own(path, read_only ? O_RDONLY : O_RDWR);
	int ret;

	if (fd < 0)
		return -errno;
	ret = region_map(r, fd, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
	close(fd);
	return ret;
}

void rr_region_detach(struct rr_region *r) {
	if (r->header)
		munmap(r->header, r->size);
	*r = (struct rr_region){0};
}

void rr_region_say_down(const char *path) {
	struct rr_region r;

	if (rr_region_attach(&r, path, false) < 0)
		return;
	rr_store_relaxed(&r.header->dp_state, (uint32_t)RR_DP_DOWN);
	rr_region_detach(&r);
}

bool rr_region_replaced(const struct rr_region *r, const char *path) {
	struct stat st;

	return stat(path, &st) < 0 || st.st_ino != r->inode;
}

void rr_region_path(const struct rr_config *cfg, char *buf, size_t size) {
	size_t start;

	if (cfg->hugepage_dir[0] == '\0') {
		snprintf(buf, size, "%s/region", cfg->run_dir);
		return;
	}
	// Several relays may share a hugetlbfs mount: the run directory tells their files apart.
	start = (size_t)snprintf(buf, size, "%s/region", cfg->hugepage_dir);
	snprintf(buf + start, size > start ? size - start : 0, "%s", cfg->run_dir);
	for (char *c = buf + start; start < size && *c; c++)
		if (*c == '/')
			*c = '-';
}

int rr_region_lock(const char *run_dir, enum rr_lock role, int *holder) {
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)role, .l_len = 1};
	char path[PATH_MAX];
	int ret = rr_folder_make(run_dir, RUN_DIR_MODE);
	int fd;

	*holder = 0;
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open_own(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	ret = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	if (ret == -EBUSY && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		*holder = lock.l_pid;
	close(fd);
	return ret;
}

int rr_region_lock_holder(const char *run_dir, enum rr_lock role) {
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)role, .l_len = 1};
	char path[PATH_MAX];
	int pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open_own(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = lock.l_pid;
	close(fd);
	return pid;
}

// The group named in the configuration may use the run directory, the lock and the region.
static int share_with_group(const struct rr_config *cfg, int region_fd) {
	const struct group *group;
	char lock[PATH_MAX];

	if (fchmod(region_fd, 0660) < 0)
		return -errno;
	if (cfg->group[0] == '\0')
		return 0;
	group = getgrnam(cfg->group);
	if (!group)
		return -ENOENT;
	snprintf(lock, sizeof(lock), "%s/lock", cfg->run_dir);
	if (fchown(region_fd, (uid_t)-1, group->gr_gid) < 0 ||
		chown(cfg->run_dir, (uid_t)-1, group->gr_gid) < 0 || chmod(cfg->run_dir, 0775) < 0)
		return -errno;
	// By its name: a second descriptor, once closed, would let go of the lock.
	if ((lchown(lock, (uid_t)-1, group->gr_gid) < 0 ||
		    fchmodat(AT_FDCWD, lock, 0660, AT_SYMLINK_NOFOLLOW) < 0) &&
		errno != ENOENT)
		return -errno;
	return 0;
}

// Does the region that lies there serve this configuration? Every field that a creator writes once
// is compared, and the address directory.
static bool region_fits(const struct rr_region *r, const struct rr_config *cfg) {
	size_t written_once = offsetof(struct rr_shm_header, dp_generation);
	struct rr_shm_header want;

	if (r->n_addrs < n_places(cfg) || header_fill(&want, cfg, r->n_addrs) < 0)
		return false;
	want.size = r->size;
	want.region_id = r->region_id;
	return memcmp(&want, r->header, written_once) == 0 && rr_region_addrs_fit(r, cfg);
}

static bool flow_is_sane(const struct rr_region *r, const struct rr_flow *f) {
	return f->uid != 0 && f->owner < r->n_workers &&
	       (f->peer == RR_SLOT_NONE || rr_region_has_slot(r, f->peer)) &&
	       (!(f->flags & RR_FLOW_HAS_OUT) || rr_region_has_addr(r, f->out_addr));
}

// A flow that was being written when its dataplane died relays nothing until control sets it again;
// one whose indexes point outside the tables, or that has flags and no uid, was never ours and is
// forgotten. The flag comes before
// the even count: killed in between, the next adoption finds the flow odd again.
static void flow_adopt(struct rr_region *r, uint32_t slot) {
	struct rr_flow *f = &r->flows[slot];

	if (f->uid == 0 && f->seq == 0 && f->flags == 0)
		return;
	if (!flow_is_sane(r, f)) {
		uint32_t seq = f->seq;

		rr_store_relaxed(&f->seq, seq | 1);
		rr_fence_release(); // pairs with the acquire fence in rr_flow_read
		memset(f, 0, offsetof(struct rr_flow, seq));
		memset(&r->cold[slot], 0, sizeof(r->cold[slot]));
		f->peer = RR_SLOT_NONE;
	}
	rr_store_relaxed(&f->nexthop, RR_NEXTHOP_NONE);
	if (f->seq & 1) {
		rr_store_relaxed(&f->flags, f->flags | RR_FLOW_TORN);
		rr_store_release(&f->seq, f->seq + 1); // pairs with the acquire in rr_flow_read
	}
}

// Packets that a dead dataplane held died with it: the level starts at 0, totals go on.
static void counters_adopt(struct rr_shm_worker *w) {
	for (uint32_t p = 0; p < RR_MAX_PORTS; p++)
		for (uint32_t c = 0; c < RR_N_COUNTERS; c++) {
			if (rr_counter_info[c].kind == RR_COUNTER_GAUGE)
				rr_store_relaxed(&w->counters[p][c], UINT64_C(0));
			rr_store_relaxed(&w->counters_base[p][c], w->counters[p][c]);
		}
}

// The second half begins with the address in the middle of those in use.
static void flows_adopt(struct rr_region *r) {
	uint32_t n_left = rr_region_n_addrs_used(r) / 2;

	for (uint32_t addr = 0; addr < r->n_addrs; addr++) {
		if (!rr_region_has_addr(r, addr))
			continue;
		if (n_left-- == 0)
			rr_crash_point(RR_CRASH_adopt_half);
		for (uint32_t i = 0; i < r->n_media_ports; i++)
			flow_adopt(r, addr * r->n_media_ports + i);
	}
}

static void region_adopt(struct rr_region *r) {
	rr_region_addrs_adopt(r);
	flows_adopt(r);
	for (uint32_t w = 0; w <= r->n_workers; w++)
		counters_adopt(&r->workers[w]);
}

// Allocate the pages before the flows now, as those of an address are when it is added: a full file
// system is an error and no SIGBUS later.
static int file_allocate(int fd, uint64_t flows_offset, uint64_t *size) {
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if ((unsigned long)fs.f_type == HUGETLBFS_MAGIC)
		*size = align_up(*size, (uint64_t)fs.f_bsize);
	if (ftruncate(fd, (off_t)*size) < 0)
		return -errno;
	return fallocate(fd, 0, 0, (off_t)flows_offset) < 0 ? -errno : 0;
}

// Fill the zeroed file at base with `want`, and bind it. `magic` comes last: without it nobody
// takes the file for a region.
static int region_publish(struct rr_region *r, const struct rr_config *cfg,
	const struct rr_shm_header *want, void *base, const struct stat *st) {
	struct rr_shm_header *h = base;
	int ret;

	*h = *want;
	h->magic = 0;
	h->size = (uint64_t)st->st_size;
	if (getrandom(&h->region_id, sizeof(h->region_id), 0) != sizeof(h->region_id))
		return -EIO;
	ret = region_bind(r, base, st);
	for (uint32_t i = 0; ret == 0 && i < cfg->n_addrs; i++)
		ret = rr_region_addr_add(r, i, &cfg->addr[i]);
	if (ret == 0)
		rr_store_release(&h->magic, RR_SHM_MAGIC); // pairs with the acquire in header_check
	return ret;
}

// Fill a new file and bind it.
static int file_fill(struct rr_region *r, const struct rr_config *cfg, int fd) {
	struct rr_shm_header want;
	struct stat st;
	uint64_t size = rr_region_size(cfg);
	void *base;
	int ret = header_fill(&want, cfg, n_places(cfg));

	if (ret == 0)
		ret = file_allocate(fd, want.flows_offset, &size);
	if (ret < 0)
		return ret;
	if (fstat(fd, &st) < 0)
		return -errno;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	ret = region_publish(r, cfg, &want, base, &st);
	if (ret < 0) {
		munmap(base, size);
		*r = (struct rr_region){0};
	}
	return ret;
}

static int region_make(struct rr_region *r, const struct rr_config *cfg, const char *path) {
	char temporary[PATH_MAX];
	int fd, ret;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (unlink(temporary) < 0 && errno != ENOENT)
		return -errno;
	fd = open_own(temporary, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return -errno;
	ret = share_with_group(cfg, fd);
	if (ret == 0)
		ret = file_fill(r, cfg, fd);
	close(fd);
	if (ret == 0 && rename(temporary, path) < 0) {
		ret = -errno;
		rr_region_detach(r);
	}
	if (ret < 0)
		unlink(temporary);
	return ret;
}

// Map the region that lies at `path` and see whether it can go on. -ESTALE when it cannot.
static int region_take(struct rr_region *r, const struct rr_config *cfg, const char *path) {
	int fd = open_own(path, O_RDWR);
	int ret;

	if (fd < 0)
		return -errno;
	ret = region_map(r, fd, PROT_READ | PROT_WRITE);
	if (ret == 0) {
		ret = region_fits(r, cfg) ? share_with_group(cfg, fd) : -ESTALE;
		if (ret < 0)
			rr_region_detach(r);
	}
	close(fd);
	return ret;
}

// True when region_take found nothing, or what is no region for this configuration and boot. Any
// other error says nothing about what lies there, which may be full of calls.
static bool is_replaceable(int error) {
	return error == -ENOENT || error == -EPROTO || error == -ESTALE;
}

// Old and new region stand side by side for a moment. Where there is no room for that, the old one
// goes first.
static int region_replace(struct rr_region *r, const struct rr_config *cfg, const char *path) {
	int ret = region_make(r, cfg, path);

	if ((ret == -ENOSPC || ret == -ENOMEM) && unlink(path) == 0)
		ret = region_make(r, cfg, path);
	return ret;
}

int rr_region_create(
	struct rr_region *r, const struct rr_config *cfg, const char *path, bool *adopted) {
	int ret = rr_folder_make(cfg->run_dir, RUN_DIR_MODE);

	*adopted = false;
	if (ret < 0)
		return ret;
	ret = region_take(r, cfg, path);
	*adopted = !is_replaceable(ret);
	if (!*adopted)
		ret = region_replace(r, cfg, path);
	if (ret < 0)
		return ret;
	if (*adopted)
		region_adopt(r);
	rr_add_relaxed(&r->header->dp_generation, UINT64_C(1));
	rr_store_relaxed(&r->header->dp_start_ns, rr_now_ns());
	rr_store_relaxed(&r->header->dp_heartbeat_ns, rr_now_ns());
	rr_store_relaxed(&r->header->dp_pid, (uint32_t)getpid());
	rr_store_release(
		&r->header->dp_state, (uint32_t)RR_DP_STARTING); // pairs with control's acquire
	return 0;
}

// Word by word: the owner stores with relaxed atomics, so the reader loads with them too.
static void words_copy(void *to, const void *from, size_t size) {
	uint64_t __attribute__((may_alias)) *out = to;
	const uint64_t __attribute__((may_alias)) *in = from;

	for (size_t i = 0; i < size / sizeof(*out); i++)
		out[i] = rr_load_relaxed(&in[i]);
}

static bool flow_read_once(
	const struct rr_region *r, uint32_t slot, struct rr_flow *flow, struct rr_flow_cold *cold) {
	const struct rr_flow *f = &r->flows[slot];
	uint32_t seq = rr_load_acquire(&f->seq); // pairs with the release in rr_flow_write_end

	words_copy(flow, f, sizeof(*flow));
	if (cold)
		words_copy(cold, &r->cold[slot], sizeof(*cold));
	rr_fence_acquire(); // pairs with the release fence in rr_flow_write_begin
	return !(seq & 1) && rr_load_relaxed(&f->seq) == seq;
}

int rr_flow_read(
	const struct rr_region *r, uint32_t slot, struct rr_flow *flow, struct rr_flow_cold *cold) {
	if (!rr_region_has_slot(r, slot))
		return -EINVAL;
	for (uint32_t i = 0; i < READ_TRIES; i++)
		if (flow_read_once(r, slot, flow, cold))
			return 0;
	return -EAGAIN;
}
