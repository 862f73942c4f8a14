// SPDX-License-Identifier: BSD-2-Clause
// Addresses of a shared port: the kernel is told in time, and what it refuses changes nothing.
//
// Story: requests come over the rings of the main thread's block, and the kernel is a stand-in
// that may refuse. All else about addresses is in tests/packets/addresses.py, with packets.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "dp_fixture.h"

extern "C" {
#include "addr_command.h"
#include "neighbour.h"
#include "shm_addrs.h"

void neighbour_forget(struct neighbour_table *t, const struct local_addr *local) {
	(void)t;
	(void)local;
}
}

using namespace dp;

namespace {

const char NEW[] = "198.18.0.9";

class AddrCommand : public testing::Test {
      protected:
	void SetUp() override {
		char dir[] = "/tmp/rr-addr-command-XXXXXX";
		char path[RR_PATH_LEN * 2];
		bool adopted;

		ASSERT_NE(nullptr, mkdtemp(dir));
		folder = dir;
		strcpy(world.cfg->run_dir, dir);
		rr_region_path(world.cfg.get(), path, sizeof(path));
		world.cfg->n_workers = 1;
		world.cfg->n_ports = 2;
		world.cfg->n_addr_places = 16;
		world.cfg->media_port_min = PORT_MIN;
		world.cfg->media_port_max = PORT_MIN + N_PORTS - 1;
		strcpy(world.cfg->realm[0].name, "external");
		strcpy(world.cfg->realm[1].name, "internal");
		world.cfg->realm[0].ipv4.prefix = endpoint("198.18.0.0", 0);
		world.cfg->realm[0].ipv4.prefix_len = 24;
		world.cfg->realm[0].ipv4.n_pool = 2;
		for (uint32_t i = 0; i < world.cfg->n_addrs; i++)
			world.cfg->addr[i].realm_key =
				rr_realm_key(world.cfg->realm[world.cfg->addr[i].realm].name);
		ASSERT_EQ(0, rr_region_create(&region, world.cfg.get(), path, &adopted));
		ASSERT_EQ(0, addr_table_init(table.get(), &from, region.n_addrs));
		for (uint32_t i = 0; i < world.cfg->n_addrs; i++)
			ASSERT_EQ(0, addr_table_add(table.get(), &from, i, &region.addrs[i]));
		command.from = from;
		command.region = &region;
		command.table = table.get();
		command.neighbours = neighbours.get();
		command.claim = claim;
		command.announce = announce;
		command.ctx = this;
		command.counters = region.workers[1].counters[0];
		command.self = 1;
		ASSERT_EQ(0, addr_command_open(&command));
		requests = command.requests;
		replies = command.replies;
	}

	void TearDown() override {
		rr_region_detach(&region);
		ASSERT_EQ(0, system(("rm -r " + folder).c_str()));
	}

	static int claim(void *ctx, const struct rr_shm_addr *addr, bool on) {
		auto *t = static_cast<AddrCommand *>(ctx);
		bool is_ours = t->in_table();

		EXPECT_EQ(0, memcmp(addr->addr, endpoint(NEW, 0).addr, 16));
		EXPECT_FALSE(is_ours) << "a worker takes the address before its packets come, "
					 "or while they are given back";
		t->said.push_back(on);
		return t->kernel_error;
	}

	static void announce(void *ctx, uint32_t) {
		static_cast<AddrCommand *>(ctx)->n_announced++;
	}

	uint32_t index_of_new() {
		return addr_table_find(
			table.get(), EXT_PORT, 0, RR_FAMILY_IPV4, endpoint(NEW, 0).addr);
	}

	bool in_table() {
		return index_of_new() != ADDR_NONE;
	}

	bool in_region() {
		for (uint32_t i = 0; i < region.n_addrs; i++)
			if (rr_region_has_addr(&region, i) &&
				memcmp(region.addrs[i].addr, endpoint(NEW, 0).addr, 16) == 0)
				return true;
		return false;
	}

	void ask(enum rr_request_op op) {
		struct rr_request q;

		memset(&q, 0, sizeof(q));
		q.op = op;
		q.worker = 1;
		q.uid = rr_realm_key("external");
		q.signalled = endpoint(NEW, 0);
		ASSERT_EQ(0, rr_ring_push(&requests, &q));
	}

	// Status of the answer, which a removal gives when workers have turned.
	uint16_t answer(enum rr_request_op op) {
		struct rr_reply reply;

		ask(op);
		for (int i = 0; i < 4; i++) {
			addr_command_poll(&command);
			neighbours->epoch++;
		}
		memset(&reply, 0xff, sizeof(reply));
		EXPECT_EQ(1, rr_ring_pop(&replies, &reply));
		return reply.status;
	}

	World world;
	Zeroed<struct addr_table> table;
	Zeroed<struct neighbour_table> neighbours;
	struct addr_source from = {world.cfg.get(), world.ports.get()};
	std::string folder;
	struct rr_region region = {};
	struct addr_command command = {};
	struct rr_ring requests, replies;
	int kernel_error = 0;
	int n_announced = 0;
	std::vector<bool> said;
};

TEST_F(AddrCommand, KernelIsToldOfBoth) {
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
	EXPECT_EQ(std::vector<bool>({true}), said);
	EXPECT_TRUE(in_table() && in_region());
	EXPECT_EQ(1, n_announced);
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET)); // known already
	EXPECT_EQ(std::vector<bool>({true}), said);
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_DEL));
	EXPECT_EQ(std::vector<bool>({true, false}), said);
	EXPECT_FALSE(in_table() || in_region());
}

TEST_F(AddrCommand, KernelThatRefusesAnAddressLeavesAllAsItWas) {
	kernel_error = -EPERM;
	EXPECT_EQ(RR_REPLY_NO_KERNEL, answer(RR_REQUEST_ADDR_SET));
	EXPECT_FALSE(in_table() || in_region());
	EXPECT_EQ(0, n_announced);
	kernel_error = 0;
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
}

TEST_F(AddrCommand, AddressStaysThatTheKernelDoesNotTakeBack) {
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
	kernel_error = -EPERM;
	EXPECT_EQ(RR_REPLY_NO_KERNEL, answer(RR_REQUEST_ADDR_DEL));
	EXPECT_TRUE(in_table() && in_region());
	kernel_error = 0;
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_DEL));
	EXPECT_FALSE(in_table() || in_region());
}

// Whoever writes the directory, which others than the main thread can, takes nothing of an address.
TEST_F(AddrCommand, WhatStandsInTheDirectoryIsNotBelieved) {
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
	std::vector<struct rr_shm_addr> good(region.addrs, region.addrs + region.n_addrs);
	uint32_t index = index_of_new();

	said.clear();
	for (uint32_t i = 0; i < region.n_addrs; i++)
		memset((void *)&region.addrs[i], 0xff, sizeof(region.addrs[i]));
	kernel_error = -EPERM;
	EXPECT_EQ(RR_REPLY_NO_KERNEL, answer(RR_REQUEST_ADDR_DEL));
	EXPECT_EQ(index, index_of_new()) << "as it was";
	EXPECT_EQ(0, table->local[index].realm);
	kernel_error = 0;
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_DEL));
	EXPECT_EQ(std::vector<bool>({false, false}), said) << "claim looks at the address";
	EXPECT_FALSE(in_table() || in_region());
	for (uint32_t i = 0; i < world.cfg->n_addrs; i++)
		EXPECT_TRUE(addr_table_has(table.get(), i));
	memcpy((void *)region.addrs, good.data(), good.size() * sizeof(good[0]));
	rr_region_addr_drop(&region, index);
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
}

// A worker may install a flow until it has seen that the address goes.
TEST_F(AddrCommand, PacketsStayOursWhereAFlowCameInBetween) {
	EXPECT_EQ(RR_REPLY_OK, answer(RR_REQUEST_ADDR_SET));
	said.clear();
	uint32_t slot = rr_region_slot(&region, index_of_new(), PORT_MIN);

	ask(RR_REQUEST_ADDR_DEL);
	addr_command_poll(&command);
	region.flows[slot].flags = RR_FLOW_INSTALLED;
	neighbours->epoch += 2;
	addr_command_poll(&command);
	EXPECT_TRUE(said.empty());
	EXPECT_TRUE(in_table() && in_region());
}

} // namespace
