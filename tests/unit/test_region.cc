// SPDX-License-Identifier: BSD-2-Clause
// The region's life: created, adopted after a crash, replaced, refused when it is hostile.
//
// Story: a dataplane makes a region in a directory of its own; another one finds it as the first
// left it, whole or torn, and takes it over or puts a fresh one in its place; a reader attaches to
// regions whose headers lie. Not covered here: hugetlbfs, which needs reserved pages.
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <grp.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "shm_addrs.h"
#include "shm_region.h"

namespace {

bool memory_is_full; // for the next pages that are asked for

} // namespace

extern "C" int __real_madvise(void *start, size_t len, int advice);
extern "C" int __wrap_madvise(void *start, size_t len, int advice);

int __wrap_madvise(void *start, size_t len, int advice) {
	static int n;

	// The first range of an address is had, the second one is not.
	if (memory_is_full && advice == MADV_POPULATE_WRITE && ++n % 2 == 0) {
		errno = EFAULT;
		return -1;
	}
	return __real_madvise(start, len, advice);
}

namespace {

class Region : public ::testing::Test {
      protected:
	void SetUp() override {
		char dir[] = "/tmp/rr-region-XXXXXX";

		ASSERT_NE(nullptr, mkdtemp(dir));
		top = dir;
		cfg = std::make_unique<rr_config>();
		std::snprintf(cfg->run_dir, sizeof(cfg->run_dir), "%s/run/deep", dir);
		cfg->n_workers = 2;
		cfg->n_ports = 2;
		std::strcpy(cfg->port[0].name, "ext");
		std::strcpy(cfg->port[1].name, "int");
		cfg->media_port_min = 35000;
		cfg->media_port_max = 35019;
		cfg->n_addrs = 3;
		for (uint8_t i = 0; i < 3; i++) {
			cfg->addr[i].family = RR_FAMILY_IPV4;
			cfg->addr[i].addr[0] = 198;
			cfg->addr[i].addr[3] = i;
		}
		char buf[RR_PATH_LEN * 2];
		rr_region_path(cfg.get(), buf, sizeof(buf));
		path = buf;
	}

	void TearDown() override {
		rr_region_detach(&region);
		std::string cmd = "rm -rf " + top;
		ASSERT_EQ(0, std::system(cmd.c_str()));
	}

	// A dataplane's start: what was mapped before stays on the file.
	bool start() {
		bool adopted = false;

		rr_region_detach(&region);
		EXPECT_EQ(0, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
		return adopted;
	}

	// A flow as command.c would leave it.
	rr_flow *install(uint32_t slot) {
		rr_flow *f = &region.flows[slot];

		rr_flow_write_begin(f);
		f->uid = 100 + slot;
		f->flags = RR_FLOW_INSTALLED;
		f->peer = RR_SLOT_NONE;
		f->nexthop = 7;
		rr_flow_write_end(f);
		return f;
	}

	// Bytes of the file that have memory.
	uint64_t n_allocated() {
		struct stat st;

		EXPECT_EQ(0, stat(path.c_str(), &st));
		return (uint64_t)st.st_blocks * 512;
	}

	// Room for more addresses of a realm that has 198.0.0.0/24; enough ports for whole pages.
	void make_room(uint32_t n_places) {
		rr_net_config *net = &cfg->realm[0].ipv4;

		cfg->media_port_max = 36023;
		cfg->n_addr_places = n_places;
		cfg->n_realms = 1;
		std::strcpy(cfg->realm[0].name, "out");
		net->n_pool = 3;
		net->prefix.family = RR_FAMILY_IPV4;
		net->prefix.addr[0] = 198;
		net->prefix_len = 24;
		for (uint32_t i = 0; i < 3; i++)
			cfg->addr[i].realm_key = rr_realm_key("out");
	}

	rr_shm_addr addr_of(uint8_t host) {
		rr_shm_addr a = cfg->addr[0];

		a.addr[3] = host;
		return a;
	}

	int find(uint8_t host) {
		rr_shm_addr a = addr_of(host);

		return rr_region_addr_find(&region, a.addr, a.family);
	}

	int attach_after(const std::function<void(rr_shm_header *)> &change) {
		rr_region reader = {};
		int ret;

		start();
		change(region.header);
		ret = rr_region_attach(&reader, path.c_str(), true);
		rr_region_detach(&reader);
		return ret;
	}

	std::string top, path;
	std::unique_ptr<rr_config> cfg;
	rr_region region = {};
};

TEST_F(Region, FreshOneIsWholeAndEmpty) {
	EXPECT_FALSE(start());
	EXPECT_EQ(60u, region.n_flows);
	EXPECT_EQ(2u, region.n_workers);
	EXPECT_EQ(1u, region.header->dp_generation);
	EXPECT_EQ((uint32_t)getpid(), region.header->dp_pid);
	EXPECT_EQ((uint32_t)RR_DP_STARTING, region.header->dp_state);
	EXPECT_EQ(0, std::memcmp(region.addrs, cfg->addr, 3 * sizeof(rr_shm_addr)));
	for (uint32_t s = 0; s < region.n_flows; s++) {
		EXPECT_EQ(RR_SLOT_NONE, region.flows[s].peer);
		EXPECT_EQ(RR_NEXTHOP_NONE, region.flows[s].nexthop);
		EXPECT_EQ(0u, region.flows[s].uid);
	}
	for (uint32_t b = 0; b < RR_N_BUCKETS; b++)
		EXPECT_EQ(b % 2, region.header->bucket_owner[b]);
	EXPECT_NE(0, access((path + ".new").c_str(), F_OK));
}

TEST_F(Region, FileIsClosedToStrangers) {
	struct stat st;

	start();
	ASSERT_EQ(0, stat(path.c_str(), &st));
	EXPECT_EQ(0660u, st.st_mode & 0777);
}

// From the moment that a dataplane holds the lock, and long before it adopts.
TEST_F(Region, DeadDataplaneRunsNoLonger) {
	start();
	region.header->dp_state = RR_DP_RUNNING;
	rr_region_say_down(path.c_str());
	EXPECT_EQ((uint32_t)RR_DP_DOWN, region.header->dp_state);
	EXPECT_EQ(1u, region.header->dp_generation);
	region.header->version++; // nobody knows what lies where
	region.header->dp_state = RR_DP_RUNNING;
	rr_region_say_down(path.c_str());
	EXPECT_EQ((uint32_t)RR_DP_RUNNING, region.header->dp_state);
	rr_region_say_down((path + ".none").c_str());
}

TEST_F(Region, EveryPageIsAllocated) {
	struct stat st;

	start();
	ASSERT_EQ(0, stat(path.c_str(), &st));
	EXPECT_GE((uint64_t)st.st_blocks * 512, region.size);
}

TEST_F(Region, SlotsAreArithmetic) {
	start();
	EXPECT_EQ(0u, rr_region_slot(&region, 0, 35000));
	EXPECT_EQ(59u, rr_region_slot(&region, 2, 35019));
	EXPECT_EQ(RR_SLOT_NONE, rr_region_slot(&region, 3, 35000));
	EXPECT_EQ(RR_SLOT_NONE, rr_region_slot(&region, 0, 34999));
	EXPECT_EQ(RR_SLOT_NONE, rr_region_slot(&region, 0, 35020));
	EXPECT_EQ(2u, rr_slot_addr(&region, 59));
	EXPECT_EQ(35019u, rr_slot_port(&region, 59));
}

TEST_F(Region, AdoptionKeepsCallsAndCounters) {
	start();
	uint64_t id = region.region_id;
	rr_shm_worker *w = &region.workers[1];
	install(5)->n_packets = 42;
	w->counters[1][RR_C_rx_packets] = 1000;
	w->counters[1][RR_C_held] = 3;

	EXPECT_TRUE(start());
	w = &region.workers[1];
	EXPECT_EQ(id, region.region_id);
	EXPECT_EQ(2u, region.header->dp_generation);
	EXPECT_EQ(105u, region.flows[5].uid);
	EXPECT_EQ(42u, region.flows[5].n_packets);
	EXPECT_EQ(RR_NEXTHOP_NONE, region.flows[5].nexthop);
	EXPECT_FALSE(region.flows[5].flags & RR_FLOW_TORN);
	EXPECT_EQ(1000u, w->counters[1][RR_C_rx_packets]);
	EXPECT_EQ(1000u, w->counters_base[1][RR_C_rx_packets]);
	EXPECT_EQ(0u, w->counters[1][RR_C_held]);
	EXPECT_EQ(0u, w->counters_base[1][RR_C_held]);
}

TEST_F(Region, OddFlowIsTornAndReadableAgain) {
	rr_flow copy;

	start();
	rr_flow_write_begin(install(8));
	EXPECT_EQ(-EAGAIN, rr_flow_read(&region, 8, &copy, nullptr));

	EXPECT_TRUE(start());
	EXPECT_EQ(0, rr_flow_read(&region, 8, &copy, nullptr));
	EXPECT_TRUE(copy.flags & RR_FLOW_TORN);
	EXPECT_EQ(108u, copy.uid);
}

TEST_F(Region, FlowWithForeignIndexesIsForgotten) {
	start();
	install(1)->owner = 2;
	install(2)->peer = region.n_flows;
	rr_flow *f = install(3);
	f->flags |= RR_FLOW_HAS_OUT;
	f->out_addr = 3;
	install(4)->peer = region.n_flows - 1;
	rr_flow *nobody = &region.flows[5]; // flags without an incarnation, and never written
	nobody->flags = RR_FLOW_INSTALLED | RR_FLOW_HAS_OUT;
	nobody->out_addr = 0xffff;
	install(6)->uid = 0;

	EXPECT_TRUE(start());
	for (uint32_t s : {1, 2, 3, 5, 6}) {
		EXPECT_EQ(0u, region.flows[s].uid) << s;
		EXPECT_EQ(RR_SLOT_NONE, region.flows[s].peer) << s;
		EXPECT_EQ(0u, region.flows[s].seq % 2) << s;
		EXPECT_FALSE(region.flows[s].flags & RR_FLOW_INSTALLED) << s;
	}
	EXPECT_EQ(104u, region.flows[4].uid);
}

TEST_F(Region, AddressesToComeCostNoMemory) {
	make_room(40);
	EXPECT_FALSE(start());
	EXPECT_EQ(40u, region.n_addrs);
	EXPECT_EQ(3u, rr_region_n_addrs_used(&region));
	EXPECT_EQ(40u * 1024, region.n_flows);
	uint64_t per_addr = 1024 * (sizeof(rr_flow) + sizeof(rr_flow_cold));
	EXPECT_GE(n_allocated(), 3 * per_addr);
	EXPECT_LT(n_allocated(), region.size - 30 * per_addr);
	EXPECT_EQ(-EINVAL, rr_flow_read(&region, 3 * 1024, nullptr, nullptr))
		<< "nobody looks there";
}

TEST_F(Region, AddressIsAddedAndRemoved) {
	make_room(8);
	start();
	rr_shm_addr added = addr_of(77);
	uint64_t before = n_allocated();
	uint32_t first = 3 * 1024;

	EXPECT_EQ(3, rr_region_addr_find_free(&region));
	EXPECT_FALSE(rr_region_has_slot(&region, first));
	ASSERT_EQ(0, rr_region_addr_add(&region, 3, &added));
	EXPECT_EQ(3, find(77));
	EXPECT_TRUE(rr_region_has_slot(&region, first));
	EXPECT_GE(n_allocated(), before + 1024 * (sizeof(rr_flow) + sizeof(rr_flow_cold)) - 8192);
	for (uint32_t i = first; i < first + 1024; i++) {
		ASSERT_EQ(RR_SLOT_NONE, region.flows[i].peer);
		ASSERT_EQ(RR_NEXTHOP_NONE, region.flows[i].nexthop);
	}
	EXPECT_EQ(-EEXIST, rr_region_addr_add(&region, 3, &added));
	EXPECT_EQ(-EINVAL, rr_region_addr_add(&region, 8, &added));
	added.family = RR_FAMILY_NONE;
	EXPECT_EQ(-EINVAL, rr_region_addr_add(&region, 4, &added));

	install(first - 1)->n_packets = 41; // its neighbours, in pages that they share
	install(first)->n_packets = 42;
	region.cold[first].n_received = 43;
	rr_region_addr_drop(&region, 3);
	EXPECT_EQ(-1, find(77));
	EXPECT_LE(n_allocated(), before + 4 * 4096);
	EXPECT_EQ(41u, region.flows[first - 1].n_packets);
	added = addr_of(78);
	ASSERT_EQ(0, rr_region_addr_add(&region, 3, &added));
	EXPECT_EQ(0u, region.flows[first].n_packets);
	EXPECT_EQ(0u, region.flows[first].uid);
	EXPECT_EQ(0u, region.cold[first].n_received);
}

TEST_F(Region, AddressWithoutMemoryChangesNothing) {
	make_room(8);
	start();
	rr_shm_addr added = addr_of(77);
	uint64_t before = n_allocated();

	memory_is_full = true;
	EXPECT_EQ(-ENOSPC, rr_region_addr_add(&region, 3, &added));
	memory_is_full = false;
	EXPECT_EQ(-1, find(77));
	EXPECT_LE(n_allocated(), before + 4 * 4096);
	EXPECT_EQ(0, rr_region_addr_add(&region, 3, &added));
}

TEST_F(Region, AdoptionKeepsAddressesThatWereAdded) {
	make_room(8);
	start();
	rr_shm_addr added = addr_of(77);
	ASSERT_EQ(0, rr_region_addr_add(&region, 5, &added));
	install(5 * 1024 + 1)->n_packets = 42;

	EXPECT_TRUE(start());
	EXPECT_EQ(5, find(77));
	EXPECT_EQ(42u, region.flows[5 * 1024 + 1].n_packets);
	cfg->n_addr_places = 7; // fewer than there is room for
	EXPECT_TRUE(start());
	EXPECT_EQ(8u, region.n_addrs);
}

// Killed before the entry was published, or after it was freed: the memory goes back.
TEST_F(Region, AdoptionGivesTheMemoryOfHalfAnAddressBack) {
	make_room(8);
	start();
	uint64_t before = n_allocated();
	rr_shm_addr added = addr_of(77);
	ASSERT_EQ(0, rr_region_addr_add(&region, 5, &added));
	region.flows[5 * 1024 + 1].uid = 9;
	region.addrs[5].family = RR_FAMILY_NONE;
	EXPECT_GT(n_allocated(), before + 65536);

	EXPECT_TRUE(start());
	EXPECT_LE(n_allocated(), before + 4 * 4096);
	ASSERT_EQ(0, rr_region_addr_add(&region, 5, &added));
	EXPECT_EQ(0u, region.flows[5 * 1024 + 1].uid);
}

// Only control knows whether one that the file names and the region lacks is new or drained.
TEST_F(Region, AdoptionLeavesTheAddressesToControl) {
	make_room(8);
	start();
	install(2)->n_packets = 42;
	cfg->addr[3] = addr_of(99);
	cfg->n_addrs = 4;
	rr_region_addr_drop(&region, 1);
	EXPECT_TRUE(start());
	EXPECT_EQ(-1, find(99));
	EXPECT_EQ(-1, find(1));
	EXPECT_EQ(42u, region.flows[2].n_packets);
	cfg->addr[2] = addr_of(98); // and one that the file names no longer goes on, to be drained
	EXPECT_TRUE(start());
	EXPECT_EQ(2, find(2));
}

TEST_F(Region, DirectoryThatDoesNotFitIsReplaced) {
	using Change = std::function<void(rr_shm_addr *)>;
	const Change changes[] = {
		[](rr_shm_addr *a) { a->realm_key++; }, [](rr_shm_addr *a) { a->realm = 1; },
		[](rr_shm_addr *a) { a->port = 1; }, [](rr_shm_addr *a) { a->family = 5; },
		[](rr_shm_addr *a) { a->addr[0] = 199; }, // outside its prefix
		[](rr_shm_addr *a) { a->addr[3] = 255; }, // broadcast
		[](rr_shm_addr *a) { a->addr[4] = 1; },
		[](rr_shm_addr *a) { a->addr[3] = 2; }, // stands there already
	};
	int n = 0;

	make_room(8);
	start();
	for (const Change &change : changes) {
		rr_shm_addr added = addr_of(77);
		uint64_t id = region.region_id;

		ASSERT_EQ(0, rr_region_addr_add(&region, 5, &added)) << n;
		change(&region.addrs[5]);
		EXPECT_FALSE(start()) << n;
		EXPECT_NE(id, region.region_id) << n;
		EXPECT_EQ(-1, find(77)) << n;
		n++;
	}
	rr_shm_addr added = addr_of(77);
	for (uint32_t i = 3; i < 8; i++, added.addr[3]++)
		ASSERT_EQ(0, rr_region_addr_add(&region, i, &added));
	cfg->addr[3] = addr_of(99); // no place is left, which is no reason to drop calls
	cfg->n_addrs = 4;
	EXPECT_TRUE(start());
	cfg->n_addr_places = 9; // more room is wanted
	EXPECT_FALSE(start());
	EXPECT_EQ(9u, region.n_addrs);
}

TEST_F(Region, AnythingElseIsReplaced) {
	using Change = std::function<void(rr_config *, rr_region *)>;
	const Change changes[] = {
		[](rr_config *c, rr_region *) { c->n_workers = 3; },
		[](rr_config *c, rr_region *) { c->media_port_max += 2; },
		[](rr_config *c, rr_region *) { c->media_port_min += 2, c->media_port_max += 2; },
		[](rr_config *c, rr_region *) { c->addr[1].addr[3] = 77; },
		[](rr_config *c, rr_region *) { c->addr[1].realm = 1; },
		[](rr_config *c, rr_region *) { c->n_addrs = 2; },
		[](rr_config *c, rr_region *) { std::strcpy(c->port[1].name, "other"); },
		[](rr_config *, rr_region *r) { r->header->magic++; },
		[](rr_config *, rr_region *r) { r->header->version++; },
		[](rr_config *, rr_region *r) { r->header->boot_id[3] ^= 1; },
		[](rr_config *, rr_region *r) { r->header->n_flows++; },
		[](rr_config *, rr_region *r) { r->header->flows_offset += 64; },
		[](rr_config *, rr_region *r) { r->header->bucket_owner[9] = 200; },
	};
	int n = 0;

	start();
	for (const Change &change : changes) {
		rr_region old = {};
		uint64_t id = region.region_id;

		ASSERT_EQ(0, rr_region_attach(&old, path.c_str(), true)) << n;
		EXPECT_FALSE(rr_region_replaced(&old, path.c_str())) << n;
		change(cfg.get(), &region);
		EXPECT_FALSE(start()) << n;
		EXPECT_NE(id, region.region_id) << n;
		EXPECT_TRUE(rr_region_replaced(&old, path.c_str())) << n;
		EXPECT_TRUE(start()) << n;
		rr_region_detach(&old);
		n++;
	}
}

TEST_F(Region, ForeignFileIsReplaced) {
	start();
	ASSERT_EQ(0, truncate(path.c_str(), 10));
	EXPECT_FALSE(start());
	ASSERT_EQ(0, truncate(path.c_str(), (off_t)region.size * 2));
	EXPECT_FALSE(start());
}

// What cannot be opened or mapped just now may be a region full of calls.
TEST_F(Region, OneThatCannotBeLookedAtIsNotReplaced) {
	struct stat st;
	bool adopted;

	start();
	std::string aside = path + ".aside";
	ASSERT_EQ(0, rename(path.c_str(), aside.c_str()));
	ASSERT_EQ(0, symlink("region", path.c_str())); // leads to itself
	rr_region_detach(&region);
	EXPECT_EQ(-ELOOP, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
	EXPECT_TRUE(adopted) << "it was the one that lay there that failed";
	ASSERT_EQ(0, lstat(path.c_str(), &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	ASSERT_EQ(0, rename(aside.c_str(), path.c_str()));
	EXPECT_TRUE(start());
}

TEST_F(Region, ReaderRefusesWhatDoesNotFit) {
	const std::function<void(rr_shm_header *)> lies[] = {
		[](rr_shm_header *h) { h->magic = 0; },
		[](rr_shm_header *h) { h->version = RR_SHM_VERSION + 1; },
		[](rr_shm_header *h) { h->header_size = 64; },
		[](rr_shm_header *h) { h->size *= 2; },
		[](rr_shm_header *h) { h->size = 0; },
		[](rr_shm_header *h) { h->n_workers = 0; },
		[](rr_shm_header *h) { h->n_workers = RR_MAX_WORKERS + 1; },
		[](rr_shm_header *h) { h->n_workers = 1; },
		[](rr_shm_header *h) { h->n_ports = 0; },
		[](rr_shm_header *h) { h->n_ports = RR_MAX_PORTS + 1; },
		[](rr_shm_header *h) { h->n_addrs = 0; },
		[](rr_shm_header *h) { h->n_addrs = RR_MAX_ADDRS + 1; },
		[](rr_shm_header *h) { h->n_addrs = 2; },
		[](rr_shm_header *h) { h->n_media_ports = 0; },
		[](rr_shm_header *h) { h->n_media_ports = 21; },
		[](rr_shm_header *h) { h->n_media_ports = UINT32_MAX - 1; },
		[](rr_shm_header *h) { h->media_port_min = 35001; },
		[](rr_shm_header *h) { h->media_port_min = 65534; },
		[](rr_shm_header *h) { h->n_flows = 1; },
		[](rr_shm_header *h) { h->addrs_offset = 0; },
		[](rr_shm_header *h) { h->workers_offset = UINT64_MAX; },
		[](rr_shm_header *h) { h->flows_offset += 128; },
		[](rr_shm_header *h) { h->cold_offset -= 128; },
	};
	int n = 0;

	EXPECT_EQ(0, attach_after([](rr_shm_header *) {}));
	for (const auto &lie : lies)
		EXPECT_EQ(-EPROTO, attach_after(lie)) << n, n++;
	EXPECT_EQ(-ESTALE, attach_after([](rr_shm_header *h) { h->boot_id[0] ^= 1; }));
}

TEST_F(Region, ReaderRefusesMissingAndShort) {
	rr_region reader = {};

	EXPECT_EQ(-ENOENT, rr_region_attach(&reader, path.c_str(), true));
	start();
	ASSERT_EQ(0, truncate(path.c_str(), 4096));
	EXPECT_EQ(-EPROTO, rr_region_attach(&reader, path.c_str(), true));
	ASSERT_EQ(0, truncate(path.c_str(), 100));
	EXPECT_EQ(-EPROTO, rr_region_attach(&reader, path.c_str(), true));
}

TEST_F(Region, FlowReadRefusesSlotOutOfRange) {
	rr_flow f;

	start();
	EXPECT_EQ(-EINVAL, rr_flow_read(&region, region.n_flows, &f, nullptr));
	EXPECT_EQ(-EINVAL, rr_flow_read(&region, UINT32_MAX, &f, nullptr));
}

TEST_F(Region, FullFileSystemIsAnErrorAndLeavesNothing) {
	bool adopted = true;

	std::strcpy(cfg->run_dir, "/proc/rr-region");
	EXPECT_GT(0, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
	std::snprintf(cfg->run_dir, sizeof(cfg->run_dir), "%s/run", top.c_str());
	cfg->media_port_min = 0;
	cfg->media_port_max = 65535;
	cfg->n_addrs = RR_MAX_ADDRS; // 13 GB, more than the limit below
	std::string big = std::string(cfg->run_dir) + "/region";
	struct rlimit old_limit, limit;
	ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &old_limit));
	limit = old_limit;
	limit.rlim_cur = 1 << 20;
	auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_GT(0, rr_region_create(&region, cfg.get(), big.c_str(), &adopted));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &old_limit));
	std::signal(SIGXFSZ, old_handler);
	EXPECT_NE(0, access(big.c_str(), F_OK));
	EXPECT_NE(0, access((big + ".new").c_str(), F_OK));
}

TEST_F(Region, UnknownGroupIsRefused) {
	bool adopted;

	std::strcpy(cfg->group, "no-such-group-here");
	EXPECT_EQ(-ENOENT, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
	EXPECT_NE(0, access(path.c_str(), F_OK));
}

TEST_F(Region, HugepagePathTellsRelaysApart) {
	char buf[RR_PATH_LEN * 2];

	std::strcpy(cfg->hugepage_dir, "/dev/hugepages");
	std::strcpy(cfg->run_dir, "/run/rtprelay/a");
	rr_region_path(cfg.get(), buf, sizeof(buf));
	EXPECT_STREQ("/dev/hugepages/region-run-rtprelay-a", buf);
}

// Whoever may write to the run directory can put links there, and a dataplane is root.
TEST_F(Region, FollowsNoLink) {
	std::string victim = top + "/victim";
	std::string lock = std::string(cfg->run_dir) + "/lock";
	bool adopted;
	int holder;
	struct stat st;

	start();
	close(open(victim.c_str(), O_WRONLY | O_CREAT, 0600));
	ASSERT_EQ(0, symlink(victim.c_str(), lock.c_str()));
	EXPECT_EQ(-ELOOP, rr_region_lock(cfg->run_dir, RR_LOCK_DATAPLANE, &holder));
	EXPECT_EQ(0, rr_region_lock_holder(cfg->run_dir, RR_LOCK_DATAPLANE));
	ASSERT_NE(nullptr, getgrgid(getgid()));
	std::strcpy(cfg->group, getgrgid(getgid())->gr_name);
	EXPECT_EQ(-EOPNOTSUPP, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
	ASSERT_EQ(0, stat(victim.c_str(), &st));
	EXPECT_EQ(0600U, st.st_mode & 07777);
	ASSERT_EQ(0, rename(path.c_str(), victim.c_str()));
	ASSERT_EQ(0, symlink(victim.c_str(), path.c_str()));
	EXPECT_EQ(-ELOOP, rr_region_attach(&region, path.c_str(), true));
	EXPECT_EQ(-ELOOP, rr_region_create(&region, cfg.get(), path.c_str(), &adopted));
}

// Locks are per process, so the second holder is a child.
TEST_F(Region, SecondHolderIsToldThePid) {
	int holder = -1;
	int fd = rr_region_lock(cfg->run_dir, RR_LOCK_DATAPLANE, &holder);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, holder);
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0) {
		int who = 0;
		bool refused = rr_region_lock(cfg->run_dir, RR_LOCK_DATAPLANE, &who) == -EBUSY &&
			       who == parent;
		bool other_role = rr_region_lock(cfg->run_dir, RR_LOCK_CONTROL, &who) >= 0;

		_exit(refused && other_role ? 0 : 1);
	}
	int status = -1;
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(fd);
}

} // namespace
