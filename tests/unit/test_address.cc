// SPDX-License-Identifier: BSD-2-Clause
// Local addresses that come and go while control runs: what an operator asks, what becomes of
// calls, and how control, store and dataplane agree again when one of them died in between. The
// dataplane is the fake one; the real one's part is tests/packets/addresses.py.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control_fixture.h"

extern "C" {
#include "admission.h"
#include "operator.h"
}

namespace {

using namespace ctltest;

const char *const NEW = "198.18.1.9"; // in lab1

class AddressTest : public AskTest {
      protected:
	struct rr_endpoint endpoint_of(const std::string &text) {
		struct rr_endpoint ep;

		EXPECT_EQ(rr_endpoint_parse_addr(&ep, text.c_str(), RR_FAMILY_NONE), 0);
		return ep;
	}

	int index_of(const std::string &text) {
		struct rr_endpoint ep = endpoint_of(text);

		return address_pool_find(&ctl.addresses, &ep);
	}

	int state_of(const std::string &text) {
		int index = index_of(text);

		return index < 0 ? (int)RR_ADDRESS_FREE : ctl.addresses.state[index];
	}

	bool dp_has(const std::string &text) {
		struct rr_endpoint ep = endpoint_of(text);

		return rr_region_addr_find(&dp.region, ep.addr, ep.family) >= 0;
	}

	// Addresses that n calls of lab1 get their first ports from.
	std::map<std::string, int> spread(const std::string &name, int n) {
		std::map<std::string, int> count;

		for (int i = 0; i < n; i++) {
			std::string callid = name + std::to_string(i);
			std::string reply =
				command("Ul{lab1} " + callid + " 198.18.1.50 4000 from");
			size_t space = reply.find(' ');

			EXPECT_NE(space, std::string::npos) << reply;
			count[reply.substr(space + 1)]++;
		}
		return count;
	}

	void end_calls(const std::string &name, int n) {
		end_calls(name, 0, n);
	}

	void end_calls(const std::string &name, int begin, int end) {
		for (int i = begin; i < end; i++)
			EXPECT_EQ(command("D " + name + std::to_string(i) + " from"), "0");
	}

	void restart_control() {
		crash();
		open();
		settle();
	}

	// The file as it would be read by the next start.
	void reload(const std::string &from, const std::string &to) {
		std::string text = config_text(settings, folder.path);
		size_t at = text.find(from);
		std::string path = folder.path + "/rtprelay.conf";
		FILE *f = fopen(path.c_str(), "w");

		ASSERT_NE(at, std::string::npos);
		text.replace(at, from.size(), to);
		ASSERT_EQ(fwrite(text.data(), 1, text.size(), f), text.size());
		fclose(f);
		ASSERT_EQ(rr_config_load(&cfg, path.c_str(), stderr), 0);
	}
};

TEST_F(AddressTest, AddedOneTakesCalls) {
	EXPECT_EQ(spread("before", 20).count(NEW), 0U);
	EXPECT_EQ(ask(std::string("address-add lab1 ") + NEW), "{\"addresses\": 1}");
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_TRUE(dp_has(NEW));
	EXPECT_GT(spread("after", 20)[NEW], 0);
	EXPECT_EQ(ask(std::string("address-add lab1 ") + NEW), "{\"addresses\": 0}");
}

TEST_F(AddressTest, ARangeIsAddedWhole) {
	EXPECT_EQ(ask("address-add lab6 2001:db8:6::10-2001:db8:6::14"), "{\"addresses\": 5}");
	EXPECT_TRUE(dp_has("2001:db8:6::14"));
	EXPECT_FALSE(dp_has("2001:db8:6::15"));
}

// The dataplane fills memory for each.
TEST_F(AddressTest, EachAnswerBuysTimeForTheNext) {
	struct job *job = ask_only("address-add lab1 198.18.1.9-198.18.1.10");
	uint64_t deadline_ns = ctl.address_change.deadline_ns;
	struct dp_request req = {};

	req.op = RR_REQUEST_ADDR_SET;
	req.signalled = endpoint_of(NEW);
	control_turn_commit(&ctl);
	now += SECOND / 10;
	ctl.now_ns = now;
	address_acked(&ctl, &req, RR_REPLY_OK);
	EXPECT_FALSE(replied(job));
	EXPECT_EQ(ctl.address_change.deadline_ns, deadline_ns + SECOND / 10);
	EXPECT_EQ(outcome(job), "{\"addresses\": 2}");
}

TEST_F(AddressTest, WhatCannotBeIsRefusedAndChangesNothing) {
	uint32_t n = cfg.n_addrs;

	EXPECT_EQ(ask("address-add nope 198.18.1.9"), "error nope: no such realm");
	EXPECT_EQ(ask("address-add lab1 198.18.1"),
		"error 198.18.1: expected ADDRESS or LOWEST-HIGHEST");
	EXPECT_EQ(ask("address-add lab1 198.18.1.9-198.18.1.8"),
		"error 198.18.1.9-198.18.1.8: expected ADDRESS or LOWEST-HIGHEST");
	EXPECT_EQ(ask("address-add lab1 198.18.1.9-2001:db8::1"),
		"error 198.18.1.9-2001:db8::1: expected ADDRESS or LOWEST-HIGHEST");
	EXPECT_EQ(ask("address-add lab6 2001:db8:6::1-2001:db8:6::ffff"),
		"error 2001:db8:6::1-2001:db8:6::ffff: more than 512 addresses");
	EXPECT_EQ(ask("address-add lab1 198.18.1.254-198.18.1.255"),
		"error 198.18.1.255 is no host address of the realm's prefix");
	EXPECT_EQ(ask("address-add lab1 198.18.7.9"),
		"error 198.18.7.9 is outside the realm's prefix");
	EXPECT_EQ(ask("address-add lab1 2001:db8:6::9"),
		"error 2001:db8:6::9 is of a family that the realm does not speak");
	EXPECT_EQ(ask("address-add main 198.18.0.254"),
		"error 198.18.0.254 is a gateway or neighbour");
	EXPECT_EQ(ask("address-add main 198.18.1.1"), "error 198.18.1.1 belongs to another realm");
	EXPECT_EQ(ask("address-drain 198.18.1.9"), "error 198.18.1.9 is no local address");
	EXPECT_EQ(
		ask("address-drain 198.18.1.2-198.18.1.3"), "error 198.18.1.3 is no local address");
	EXPECT_EQ(state_of("198.18.1.2"), RR_ADDRESS_ACTIVE);
	EXPECT_EQ(ctl.cfg->n_addrs, n);
	EXPECT_TRUE(dp.addrs_seen.empty());
}

TEST_F(AddressTest, RefusalOfTheDataplaneTakesAllOfItBack) {
	const std::pair<uint16_t, const char *> refusals[] = {
		{RR_REPLY_NO_ROOM, "error the region is laid out for no more addresses, see "
				   "media.max_addresses"},
		{RR_REPLY_NO_MEMORY, "error there is no memory for the flows of one more, see the "
				     "log of rtprelay-dp"},
		{RR_REPLY_NO_KERNEL, "error the kernel does not give its media away, see the log "
				     "of rtprelay-dp"},
		{RR_REPLY_BAD_REALM,
			"error the dataplane read a file in which the realm cannot have it"},
		{RR_REPLY_BAD_ENDPOINT, "error the dataplane refuses it"},
	};

	for (const auto &refusal : refusals) {
		dp.addr_status = refusal.first;
		EXPECT_EQ(ask("address-add lab1 198.18.1.9-198.18.1.11"), refusal.second);
		dp.addr_status = RR_REPLY_OK;
		pass(2);
		EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
		EXPECT_FALSE(dp_has(NEW));
	}
}

TEST_F(AddressTest, SilentDataplaneIsGivenUpAndPutRightLater) {
	struct job *job = ask_only(std::string("address-add lab1 ") + NEW);

	control_turn_commit(&ctl);
	control_poll(&ctl, now);
	EXPECT_FALSE(replied(job));
	EXPECT_EQ(ask("address-drain 198.18.1.1"), "error another change of addresses is under way")
		<< "one at a time";
	EXPECT_EQ(outcome(job), "{\"addresses\": 1}");

	job = ask_only("address-add lab1 198.18.1.10");
	control_turn_commit(&ctl);
	now += SECOND;
	control_poll(&ctl, now);
	EXPECT_EQ(outcome(job), "error the dataplane does not answer");
	EXPECT_TRUE(dp_has("198.18.1.10")) << "it was only slow";
	pass(2);
	EXPECT_FALSE(dp_has("198.18.1.10"));

	dp.stop();
	job = ask_only("address-add lab1 198.18.1.11");
	turn();
	now += 2 * SECOND;
	EXPECT_EQ(outcome(job), "error the dataplane does not answer");
	EXPECT_EQ(state_of("198.18.1.11"), RR_ADDRESS_FREE);
}

TEST_F(AddressTest, DrainedOneKeepsItsCallsAndIsGoneWithTheLast) {
	auto count = spread("old", 10);
	ASSERT_GT(count["198.18.1.1"], 0);
	unsigned int n_installed = dp.n_installed();

	EXPECT_EQ(ask("address-drain 198.18.1.1"), "{\"addresses\": 1}");
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_EQ(dp.n_installed(), n_installed);
	EXPECT_EQ(spread("new", 10)["198.18.1.2"], 10);
	pass(2);
	EXPECT_TRUE(dp_has("198.18.1.1"));
	EXPECT_EQ(command("Ll198.18.1.1 new0 198.18.1.51 4000 from to"), "E71");
	EXPECT_EQ(command("Ul198.18.1.1 named 198.18.1.51 4000 from"), "E72");
	end_calls("old", 10);
	pass(3);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_GONE);
	EXPECT_FALSE(dp_has("198.18.1.1"));
	EXPECT_EQ(ask("address-drain 198.18.1.1"), "error 198.18.1.1 is no local address");
	EXPECT_EQ(ask("address-add lab1 198.18.1.1"), "{\"addresses\": 1}");
	EXPECT_TRUE(dp_has("198.18.1.1"));
	EXPECT_GT(spread("again", 10)["198.18.1.1"], 0);
}

// Packets of the last call may come until its ports have rested.
TEST_F(AddressTest, DrainedOneStaysUntilItsPortsHaveRested) {
	ASSERT_GT(spread("old", 10)["198.18.1.1"], 0);
	ask("address-drain 198.18.1.1");
	end_calls("old", 0, 5);
	pass(3);
	end_calls("old", 5, 10);
	ctl.now_ns = now + (cfg.port_rest_ms - 1) * RR_NS_PER_MS;
	address_agree(&ctl);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_TRUE(dp_has("198.18.1.1"));
	pass(2);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_GONE);
	EXPECT_FALSE(dp_has("198.18.1.1"));
}

TEST_F(AddressTest, DrainingEndsByAddingAgain) {
	spread("old", 10);
	ask("address-drain 198.18.1.1");
	EXPECT_EQ(ask("address-add lab1 198.18.1.1"), "{\"addresses\": 1}");
	end_calls("old", 10);
	pass(3);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_ACTIVE);
	EXPECT_TRUE(dp_has("198.18.1.1"));
}

TEST_F(AddressTest, CallInSetUpGoesOnElsewhere) {
	ASSERT_NE(command("Ul198.18.1.1 c 198.18.1.50 4000 from").find(" 198.18.1.1"),
		std::string::npos);
	ask("address-drain 198.18.1.1");
	EXPECT_NE(command("L c 198.18.1.51 4000 from to").find(" 198.18.1.2"), std::string::npos);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
}

// The command that is undone meanwhile does not bring the address back with the ports.
TEST_F(AddressTest, CallWhoseCommandIsUndoneGoesOnElsewhere) {
	ASSERT_NE(command("Ul198.18.1.1 c 198.18.1.50 4000 from").find(" 198.18.1.1"),
		std::string::npos);
	struct job *silent = execute("L c 198.18.1.51 4000 from to");
	ask_only("address-drain 198.18.1.1");
	control_turn_commit(&ctl);
	control_poll(&ctl, now += cfg.ack_timeout_ms * RR_NS_PER_MS + 1);
	control_turn_commit(&ctl);
	ASSERT_TRUE(replied(silent));
	EXPECT_EQ(reply_of(silent), "E71");
	EXPECT_NE(command("L c 198.18.1.51 4000 from to").find(" 198.18.1.2"), std::string::npos);
}

// The dataplane takes its time over the other one of the range.
TEST_F(AddressTest, DrainingDoesNotEndUnderAChange) {
	ask(std::string("address-add lab1 ") + NEW);
	ask(std::string("address-drain ") + NEW);
	ASSERT_EQ(state_of(NEW), RR_ADDRESS_DRAINING);
	struct job *job = ask_only(std::string("address-add lab1 ") + NEW + "-198.18.1.10");

	address_agree(&ctl);
	EXPECT_EQ(outcome(job), "{\"addresses\": 2}");
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_GT(spread("new", 20)[NEW], 0);
	restart_control();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
}

TEST_F(AddressTest, RealmWithoutAnAddressTakesNoCalls) {
	ask("address-drain 198.18.1.1-198.18.1.2");
	EXPECT_EQ(command("Ul{lab1} c 198.18.1.50 4000 from").substr(0, 1), "E");
	EXPECT_NE(command("U c 198.18.1.50 4000 from").substr(0, 1), "E");
}

// An index is used again: nothing of the address that had it before stands in the way.
TEST_F(AddressTest, IndexIsUsedAgain) {
	for (int i = 0; i < 3; i++) {
		std::string name = "turn" + std::to_string(i) + "-";
		std::string addr = "198.18.1." + std::to_string(20 + i);

		ask("address-add lab1 " + addr);
		int index = index_of(addr);
		EXPECT_EQ(index, (int)cfg.n_addrs);
		EXPECT_GT(spread(name, 20)[addr], 0);
		ask("address-drain " + addr);
		end_calls(name, 20);
		pass(3);
		EXPECT_EQ(state_of(addr), RR_ADDRESS_FREE);
		EXPECT_FALSE(dp_has(addr));
	}
}

TEST_F(AddressTest, ControlThatWasKilledFindsThemAgain) {
	ask(std::string("address-add lab1 ") + NEW);
	auto count = spread("old", 20);
	ASSERT_GT(count[NEW], 0);
	ASSERT_GT(count["198.18.1.1"], 0);
	ask("address-drain 198.18.1.1");
	ask("address-drain 198.18.1.2");
	unsigned int n_installed = dp.n_installed();

	restart_control();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_EQ(session_index_count(&ctl.index), 20U);
	EXPECT_EQ(dp.n_installed(), n_installed);
	EXPECT_EQ(spread("new", 10)[NEW], 10);
	end_calls("old", 20);
	pass(3);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_GONE);
	restart_control();
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_GONE);
	pass(2);
	EXPECT_FALSE(dp_has("198.18.1.1"));
}

TEST_F(AddressTest, OneRowThatCannotBeReadCostsOneAddress) {
	struct rr_store_address bad = {};

	ask(std::string("address-add lab1 ") + NEW);
	spread("old", 20);
	ASSERT_EQ(store_begin(ctl.store), 0);
	ASSERT_EQ(store_put_address(ctl.store, 100, &bad, {"lab1", 4}), 0);
	ASSERT_EQ(store_commit(ctl.store, now), 0);
	restart_control();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_EQ(session_index_count(&ctl.index), 20U);
}

// Between the dataplane's answer and the commit.
TEST_F(AddressTest, ControlThatWasKilledHalfWayLeavesNothing) {
	ask_only(std::string("address-add lab1 ") + NEW);
	control_turn_commit(&ctl);
	dp.serve(now);
	ASSERT_TRUE(dp_has(NEW));
	restart_control();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
	pass(2);
	EXPECT_FALSE(dp_has(NEW));
}

TEST_F(AddressTest, NewRegionIsToldOfThemBeforeTheirCalls) {
	ask(std::string("address-add lab1 ") + NEW);
	ask("address-drain 198.18.1.1");
	ASSERT_GT(spread("old", 20)[NEW], 0);
	unsigned int n_installed = dp.n_installed();
	char path[RR_PATH_LEN + 64];

	rr_region_path(&cfg, path, sizeof(path));
	dp.stop();
	ASSERT_EQ(unlink(path), 0);
	dp.start(&cfg, now);
	ASSERT_FALSE(dp_has(NEW));
	now += SECOND;
	pass(1);
	EXPECT_TRUE(dp_has(NEW));
	EXPECT_EQ(dp.n_installed(), n_installed);
}

TEST_F(AddressTest, AdoptedRegionNeedsToBeToldNothing) {
	ask(std::string("address-add lab1 ") + NEW);
	spread("old", 20);
	dp.stop();
	dp.addrs_seen.clear();
	dp.start(&cfg, now);
	ASSERT_TRUE(dp.adopted);
	pass(2);
	EXPECT_TRUE(dp.addrs_seen.empty());
	EXPECT_TRUE(dp_has(NEW));
}

// The file names it all the time.
TEST_F(AddressTest, GoneOneStaysGoneWhenTheDataplaneIsStarted) {
	char path[RR_PATH_LEN + 64];

	ask("address-drain 198.18.1.1");
	spread("old", 10);
	pass(3);
	ASSERT_EQ(state_of("198.18.1.1"), RR_ADDRESS_GONE);
	dp.stop();
	dp.start(&cfg, now);
	ASSERT_TRUE(dp.adopted);
	EXPECT_FALSE(dp_has("198.18.1.1")) << "from its first moment";
	pass(2);
	EXPECT_FALSE(dp_has("198.18.1.1"));

	rr_region_path(&cfg, path, sizeof(path));
	dp.stop();
	ASSERT_EQ(unlink(path), 0);
	dp.start(&cfg, now);
	ASSERT_TRUE(dp_has("198.18.1.1")) << "all that it knows is the file";
	now += SECOND;
	turn();
	turn();
	EXPECT_TRUE(resync_running(&ctl.resync));
	EXPECT_FALSE(dp_has("198.18.1.1")) << "before it is told of calls";
}

TEST_F(AddressTest, OneThatIsNewInTheFileComesByControl) {
	spread("old", 10);
	close();
	reload("pool = [ \"198.18.1.1\", \"198.18.1.2\" ]",
		"pool = [ \"198.18.1.1\", \"198.18.1.2\", \"198.18.1.9\" ]");
	dp.stop();
	dp.start(&cfg, now);
	ASSERT_TRUE(dp.adopted);
	EXPECT_FALSE(dp_has(NEW));
	open();
	settle();
	EXPECT_TRUE(dp_has(NEW));
	EXPECT_GT(spread("new", 20)[NEW], 0);
}

// It has no memory at its start; later it has. New calls are on what it has.
TEST_F(AddressTest, DataplaneIsAskedAgain) {
	char path[RR_PATH_LEN + 64];

	ask(std::string("address-add lab1 ") + NEW);
	ASSERT_GT(spread("old", 20)[NEW], 0);
	unsigned int n_installed = dp.n_installed();
	rr_region_path(&cfg, path, sizeof(path));
	dp.stop();
	ASSERT_EQ(unlink(path), 0);
	dp.addr_status = RR_REPLY_NO_MEMORY;
	dp.start(&cfg, now);
	pass(2);
	EXPECT_FALSE(dp_has(NEW));
	EXPECT_LT(dp.n_installed(), n_installed);
	EXPECT_GT(dp.n_installed(), 0U);
	EXPECT_EQ(spread("meanwhile", 20).count(NEW), 0U);
	end_calls("meanwhile", 20);
	dp.addr_status = RR_REPLY_OK;
	pass(3);
	EXPECT_TRUE(dp_has(NEW));
	EXPECT_EQ(dp.n_installed(), n_installed);
}

// The old file and what an operator added since: it stays. A file that names one no longer drains
// it, and one whose prefix cannot have it ends its calls.
TEST_F(AddressTest, FileAndStoreAtAStart) {
	ask(std::string("address-add lab1 ") + NEW);
	ASSERT_GT(spread("old", 20)["198.18.1.1"], 0);
	ask("address-drain 198.18.1.2");
	close();
	reload("pool = [ \"198.18.1.1\", \"198.18.1.2\" ]", "pool = [ \"198.18.1.2\" ]");
	open();
	settle();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_EQ(state_of("198.18.1.2"), RR_ADDRESS_DRAINING) << "as the operator said";
	EXPECT_EQ(session_index_count(&ctl.index), 20U);
	end_calls("old", 20);
	pass(3);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_FREE);
	EXPECT_EQ(state_of("198.18.1.2"), RR_ADDRESS_GONE);

	ASSERT_EQ(spread("new", 5)[NEW], 5);
	close();
	reload("prefix = \"198.18.1.0/24\"; pool = [ \"198.18.1.1\", \"198.18.1.2\" ]",
		"prefix = \"198.18.1.0/29\"; pool = [ \"198.18.1.1\", \"198.18.1.2\" ]");
	open();
	settle();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
	EXPECT_EQ(session_index_count(&ctl.index), 0U);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_ACTIVE) << "the file names it again";
}

TEST_F(AddressTest, EndWhileAChangeIsUnderWay) {
	struct job *job = ask_only(std::string("address-add lab1 ") + NEW);

	control_turn_commit(&ctl);
	close();
	EXPECT_FALSE(replied(job));
}

// ---- a reload of the file

const char *const POOL = "pool = [ \"198.18.1.1\", \"198.18.1.2\" ]";
const char *const NOTHING = "{\"added\": [], \"activated\": [], \"drained\": []}";

class ReloadTest : public AddressTest {
      protected:
	void SetUp() override {
		program = 7;
		AddressTest::SetUp();
		admission_begin(&ctl, program);
	}

	void worker_dies() {
		restart_control();
		admission_begin(&ctl, program);
	}

	std::string file_with(const std::string &from, const std::string &to) {
		std::string text = config_text(settings, folder.path);
		size_t at = text.find(from);

		EXPECT_NE(at, std::string::npos) << from;
		return at == std::string::npos ? text : text.replace(at, from.size(), to);
	}

	static int sealed(const std::string &text) {
		int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		EXPECT_EQ(write(fd, text.data(), text.size()), (ssize_t)text.size());
		EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
		return fd;
	}

	static int open_null() {
		return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
	}

	// Neither user nor group.
	struct job *reload_only(const std::string &from, const std::string &to) {
		return ask_only("config-reload  ", sealed(file_with(from, to)));
	}

	std::string reload_with(const std::string &from, const std::string &to) {
		return outcome(reload_only(from, to));
	}
};

TEST_F(ReloadTest, SameFileChangesNothing) {
	EXPECT_EQ(reload_with(POOL, POOL), NOTHING);
	EXPECT_TRUE(dp.addrs_seen.empty());
}

TEST_F(ReloadTest, PoolsBecomeTheFiles) {
	ASSERT_GT(spread("old", 20)["198.18.1.1"], 0);
	EXPECT_EQ(reload_with(POOL, "pool = [ \"198.18.1.2\", \"198.18.1.9\" ]"),
		"{\"added\": [\"198.18.1.9\"], \"activated\": [], \"drained\": [\"198.18.1.1\"]}");
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_TRUE(ctl.addresses.named[index_of(NEW)]);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_EQ(spread("new", 20).count("198.18.1.1"), 0U);
	EXPECT_EQ(reload_with(POOL, POOL),
		"{\"added\": [], \"activated\": [\"198.18.1.1\"], \"drained\": [\"198.18.1.9\"]}");
	EXPECT_EQ(session_index_count(&ctl.index), 40U);
	end_calls("new", 20);
	pass(3);
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE) << "neither used nor named";
}

TEST_F(ReloadTest, WhatWasDoneByHand) {
	ask("address-add lab1 198.18.1.8");
	ask("address-add lab1 198.18.1.9");
	ASSERT_GT(spread("old", 20)["198.18.1.1"], 0);
	ask("address-drain 198.18.1.1");
	ask("address-drain 198.18.1.2");
	end_calls("old", 20);
	pass(3);
	ASSERT_EQ(state_of("198.18.1.2"), RR_ADDRESS_GONE);
	EXPECT_EQ(reload_with(POOL, "pool = [ \"198.18.1.2\", \"198.18.1.9\" ]"),
		"{\"added\": [\"198.18.1.2\"], \"activated\": [], \"drained\": []}");
	EXPECT_EQ(state_of("198.18.1.8"), RR_ADDRESS_ACTIVE) << "not the file's, stays";
	EXPECT_TRUE(ctl.addresses.named[index_of(NEW)]) << "the file's from now on";
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_FREE) << "gone, and named no more";
}

TEST_F(ReloadTest, AnotherDifferenceChangesNothing) {
	EXPECT_EQ(reload_with("pool = [ \"198.18.1.1\", \"198.18.1.2\" ]; }; }",
			  "pool = [ \"198.18.1.9\" ]; }; hide_address = true; }"),
		"error realms[1].hide_address needs a restart of rtprelayd");
	EXPECT_EQ(outcome(ask_only("config-reload nobody ", sealed(file_with(POOL, POOL)))),
		"error instance.user needs a restart of rtprelayd");
	EXPECT_EQ(ask("config-reload  "), "error no file came with it");
	EXPECT_EQ(outcome(ask_only("config-reload  ", sealed("realms")))
			  .find("error control "
				"cannot read it"),
		0U);
	EXPECT_EQ(outcome(ask_only("config-reload  ", open_null())), "error no file came with it");
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_ACTIVE);
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
}

TEST_F(ReloadTest, RefusalOfTheDataplaneTakesAllOfItBack) {
	dp.addr_status = RR_REPLY_NO_ROOM;
	EXPECT_EQ(reload_with(POOL, "pool = [ \"198.18.1.2\", \"198.18.1.9\" ]")
			  .find("error the "
				"region"),
		0U);
	dp.addr_status = RR_REPLY_OK;
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_ACTIVE);
	EXPECT_TRUE(ctl.addresses.named[index_of("198.18.1.1")]);
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
}

// It starts with the supervisor's copy of the file that was.
TEST_F(ReloadTest, WorkerThatWasKilledKeepsIt) {
	ASSERT_GT(spread("old", 20)["198.18.1.1"], 0);
	reload_with(POOL, "pool = [ \"198.18.1.2\", \"198.18.1.9\" ]");
	worker_dies();
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_ACTIVE);
	EXPECT_TRUE(ctl.addresses.named[index_of(NEW)]);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_DRAINING);
	EXPECT_EQ(session_index_count(&ctl.index), 20U);
	end_calls("old", 20);
	pass(3);
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_FREE);
	worker_dies();
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_FREE) << "the copy names it still";
	pass(2);
	EXPECT_FALSE(dp_has("198.18.1.1"));
	program = 8;
	worker_dies();
	EXPECT_EQ(state_of("198.18.1.1"), RR_ADDRESS_ACTIVE) << "a start reads the file";
	EXPECT_EQ(state_of(NEW), RR_ADDRESS_FREE);
}

} // namespace
