// SPDX-License-Identifier: BSD-2-Clause
// What the EAL is started with, and the questions about cores, devices and drivers that are
// answered before or beside it. The EAL itself does not run here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "eal.h"
#include "port.h"
}

namespace {

typedef std::vector<std::string> Words;

class Args : public testing::Test {
      protected:
	Args() : cfg(new rr_config()) {
		strcpy(cfg->run_dir, "/run/rr");
		cfg->main_core = 3;
		cfg->n_workers = 2;
		cfg->worker_core[0] = 5;
		cfg->worker_core[1] = 7;
		cfg->memory_mb = 256;
		device("net_null0");
	}

	void device(const char *text) {
		strcpy(cfg->port[cfg->n_ports++].device, text);
	}

	Words build(bool hugepages, Words extra = {}) {
		std::vector<char *> pointers;
		struct eal_args args;
		Words words;

		for (std::string &word : extra)
			pointers.push_back(&word[0]);
		result = eal_args_build(
			&args, cfg.get(), hugepages, (int)pointers.size(), pointers.data());
		words.assign(args.v, args.v + args.n);
		eal_args_free(&args);
		return words;
	}

	std::unique_ptr<rr_config> cfg;
	int result = -1;
};

TEST_F(Args, WithHugepages) {
	EXPECT_EQ((Words{"rtprelay-dp", "--lcores", "0@3,1@5,2@7", "--main-lcore", "0",
			  "--in-memory", "--file-prefix=rr_run_rr", "--no-telemetry",
			  "--vdev=net_null0", "--no-pci"}),
		build(true));
	EXPECT_EQ(0, result);
}

TEST_F(Args, WithoutHugepages) {
	EXPECT_EQ((Words{"rtprelay-dp", "--lcores", "0@3,1@5,2@7", "--main-lcore", "0",
			  "--no-shconf", "--no-huge", "-m", "256", "--file-prefix=rr_run_rr",
			  "--no-telemetry", "--vdev=net_null0", "--no-pci"}),
		build(false));
}

// A peer maps the memory: it has to be a file.
TEST_F(Args, Memif) {
	device("net_memif0,role=server");
	for (bool hugepages : {false, true}) {
		Words words = build(hugepages);

		EXPECT_EQ("--single-file-segments", words[5]);
		EXPECT_EQ(0, std::count(words.begin(), words.end(), "--in-memory"));
		EXPECT_EQ(0, std::count(words.begin(), words.end(), "--no-shconf"));
	}
}

TEST_F(Args, PciDevicesAreAllowedByName) {
	device("0000:03:00.0,txq_mem_algn=4");
	Words words = build(true);

	EXPECT_EQ("--allow=0000:03:00.0,txq_mem_algn=4", words.back());
	EXPECT_EQ(0, std::count(words.begin(), words.end(), "--no-pci"));
}

TEST_F(Args, PassedThroughInOrder) {
	strcpy(cfg->eal_arg[cfg->n_eal_args++], "--log-level=7");
	Words words = build(true, {"--log-level", "8"});

	EXPECT_EQ(
		(Words{"--log-level=7", "--log-level", "8"}), Words(words.end() - 3, words.end()));
}

TEST_F(Args, WhatIsAskedForIsNotSwitchedOff) {
	Words words = build(true, {"--telemetry", "--proc-type=primary"});

	EXPECT_EQ(0, std::count(words.begin(), words.end(), "--no-telemetry"));
	EXPECT_EQ(0, std::count(words.begin(), words.end(), "--in-memory"));
}

TEST_F(Args, TooMany) {
	build(true, Words(EAL_MAX_ARGS, "-v"));
	EXPECT_EQ(-E2BIG, result);
}

TEST_F(Args, SharedCores) {
	EXPECT_FALSE(eal_cores_shared(cfg.get()));
	cfg->worker_core[1] = 5;
	EXPECT_TRUE(eal_cores_shared(cfg.get()));
	cfg->worker_core[1] = 3;
	EXPECT_TRUE(eal_cores_shared(cfg.get()));
}

TEST(CpuList, AsInSys) {
	for (uint32_t cpu : {0u, 1u, 3u, 8u, 10u, 11u})
		EXPECT_TRUE(eal_cpu_list_has("0-3,8,10-11\n", cpu)) << cpu;
	for (uint32_t cpu : {4u, 7u, 9u, 12u})
		EXPECT_FALSE(eal_cpu_list_has("0-3,8,10-11\n", cpu)) << cpu;
	for (const char *none : {"", "\n", "(null)\n", "-1", ",0", "x0"})
		EXPECT_FALSE(eal_cpu_list_has(none, 0)) << none;
}

TEST(Device, Pci) {
	for (const char *pci : {"0000:03:00.0", "03:00.1", "ffff:ff:1f.7", "03:00.0,a=1"})
		EXPECT_TRUE(eal_device_is_pci(pci)) << pci;
	for (const char *other : {"", "net_null0", "03:00", "03:00.0x", "0000:03:00.0.1", "0000"})
		EXPECT_FALSE(eal_device_is_pci(other)) << other;
}

TEST(Device, DeviceNumber) {
	EXPECT_EQ(9216u, eal_device_number("net_af_packet0,iface=a,framesz=9216", "framesz"));
	EXPECT_EQ(2u, eal_device_number("net_af_packet0,framesz=1,qpairs=2,framecnt=3", "qpairs"));
	for (const char *other : {"", "framesz=5", "net_af_packet0", "net_x0,xframesz=5",
		     "net_x0,framesz", "net_x0,framesz=", "net_x0,framesz=x", "net_x0,framesz5=5"})
		EXPECT_EQ(0u, eal_device_number(other, "framesz")) << other;
}

TEST(Port, ChecksumMode) {
	static const struct {
		enum rr_checksum_mode wanted;
		bool can_offload;
		int ret;
		enum rr_checksum_mode mode;
	} rows[] = {
		{RR_CHECKSUM_AUTO, true, 0, RR_CHECKSUM_INCREMENTAL},
		{RR_CHECKSUM_AUTO, false, 0, RR_CHECKSUM_INCREMENTAL},
		{RR_CHECKSUM_OFFLOAD, true, 0, RR_CHECKSUM_OFFLOAD},
		{RR_CHECKSUM_OFFLOAD, false, -ENOTSUP, RR_CHECKSUM_OFFLOAD},
		{RR_CHECKSUM_INCREMENTAL, true, 0, RR_CHECKSUM_INCREMENTAL},
		{RR_CHECKSUM_FULL, true, 0, RR_CHECKSUM_FULL},
	};

	for (const auto &row : rows) {
		enum rr_checksum_mode mode;

		EXPECT_EQ(row.ret, port_checksum_mode(row.wanted, row.can_offload, &mode));
		EXPECT_EQ(row.mode, mode);
	}
}

// Packets of local kernel senders reach these two with half a checksum.
TEST(Port, Drivers) {
	EXPECT_TRUE(port_driver_find("net_af_packet")->partial_checksums);
	EXPECT_TRUE(port_driver_find("net_af_xdp")->partial_checksums);
	EXPECT_TRUE(port_driver_find("net_pcap")->all_queues);
	EXPECT_FALSE(port_driver_find("net_ice")->partial_checksums);
	EXPECT_FALSE(port_driver_find("net_ice")->all_queues);
}

} // namespace
