// SPDX-License-Identifier: BSD-2-Clause
// rrctl against a region and a store that the test makes: what it shows as table and as JSON, and
// with which status it ends.
//
// The test plays both programs: it holds their locks and writes the region. Not covered here: that
// the real programs fill region and store in the same way.
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <jansson.h>
#include <lmdb.h>

#include "atomic.h"
#include "clock.h"
#include "config.h"
#include "control_counters.h"
#include "session_record.h"
#include "shm_region.h"

namespace {

struct Result {
	int status;
	std::string out;
	std::string err;
};

std::string slurp(const std::string &path) {
	std::ifstream in(path);

	return std::string(std::istreambuf_iterator<char>(in), {});
}

// Places in the store's row.
#define CONTROL_PLACE(id, kind, help) PLACE_##id,
enum { RR_CONTROL_COUNTERS(CONTROL_PLACE) N_PLACES };
#define CONTROL_HIDES(id, kind, help) +((kind) == RR_CONTROL_HIDDEN)
enum { N_HIDDEN = 0 RR_CONTROL_COUNTERS(CONTROL_HIDES) };

class Rrctl : public testing::Test {
      protected:
	void SetUp() override {
		ASSERT_NE(mkdtemp(dir_), nullptr);
		const char *build = getenv("BUILD");
		rrctl_ = std::string(build != nullptr ? build : "build") + "/rrctl";
		write_config("35000", "35009");
		cfg_ = std::make_unique<rr_config>();
		ASSERT_EQ(rr_config_load(cfg_.get(), conf().c_str(), stderr), 0);
	}

	void TearDown() override {
		if (region_.header != nullptr)
			rr_region_detach(&region_);
		std::string command = std::string("rm -rf ") + dir_;
		EXPECT_EQ(system(command.c_str()), 0);
	}

	std::string dir() const {
		return dir_;
	}
	std::string conf() const {
		return dir() + "/rtprelay.conf";
	}

	void write_config(const std::string &port_min, const std::string &port_max) {
		std::ofstream out(conf());

		out << "instance = { run_dir = \"" << dir() << "/run\"; };\n"
		    << "dataplane = { cores = [ 1, 2 ]; };\n"
		    << "ports = ( { name = \"ext\"; device = \"net_null0\"; },\n"
		    << "  { name = \"int\"; device = \"net_null1\"; start = \"held\"; } );\n"
		    << "realms = ( { name = \"external\"; port = \"ext\"; ipv4 = {\n"
		    << "    prefix = \"198.18.0.0/24\"; pool = [ \"198.18.0.10\" ]; }; },\n"
		    << "  { name = \"internal\"; port = \"int\"; ipv6 = {\n"
		    << "    prefix = \"2001:db8::/64\"; pool = [ \"2001:db8::10\" ]; }; } );\n"
		    << "media = { port_min = " << port_min << "; port_max = " << port_max
		    << "; };\n"
		    << "control = { store_dir = \"" << dir() << "/store\"; };\n";
	}

	void make_region() {
		char path[512];
		bool adopted;

		ASSERT_EQ(mkdir((dir() + "/run").c_str(), 0700), 0);
		rr_region_path(cfg_.get(), path, sizeof(path));
		ASSERT_EQ(rr_region_create(&region_, cfg_.get(), path, &adopted), 0);
		ASSERT_FALSE(adopted);
	}

	int hold(enum rr_lock role) {
		int holder;
		int fd = rr_region_lock(cfg_->run_dir, role, &holder);

		EXPECT_GE(fd, 0);
		return fd;
	}

	Result run(const std::string &args, const std::string &input = "") {
		std::string out = dir() + "/out";
		std::string err = dir() + "/err";
		std::ofstream(dir() + "/in") << input;
		std::string command = rrctl_ + " -c " + conf() + " " + args + " <" + dir() +
				      "/in >" + out + " 2>" + err;
		int status = system(command.c_str());

		EXPECT_TRUE(WIFEXITED(status)) << args;
		return {WEXITSTATUS(status), slurp(out), slurp(err)};
	}

	// Result of a command that is done, as JSON.
	json_t *json(const std::string &args) {
		Result r = run(args + " --json");
		json_error_t error;
		json_t *doc = json_loads(r.out.c_str(), 0, &error);

		EXPECT_EQ(r.status, 0) << r.err;
		EXPECT_NE(doc, nullptr) << error.text << "\n" << r.out;
		return doc;
	}

	struct rr_flow *flow(uint32_t addr, uint32_t port) {
		return &region_.flows[rr_region_slot(&region_, addr, port)];
	}

	void install_call();
	void store_address(
		uint64_t id, const std::string &realm, const std::string &addr, uint8_t state);
	void store_counters(const std::map<size_t, uint64_t> &counters);
	void store_call(
		uint64_t id, const std::string &callid, const std::string &tag, uint32_t flags = 0);

	char dir_[32] = "/tmp/rr_rrctl_XXXXXX";
	std::string rrctl_;
	std::unique_ptr<rr_config> cfg_;
	struct rr_region region_ = {};
};

struct rr_endpoint endpoint(const char *addr, uint16_t port) {
	struct rr_endpoint ep;

	EXPECT_EQ(rr_endpoint_parse_addr(&ep, addr, RR_FAMILY_NONE), 0);
	ep.port_be = htons(port);
	return ep;
}

void set_remote(struct rr_flow *f, const struct rr_endpoint &ep) {
	memcpy(f->remote, ep.addr, 16);
	f->remote_port_be = ep.port_be;
	f->remote_family = ep.family;
	f->flags |= RR_FLOW_HAS_REMOTE;
}

void set_out(struct rr_flow *f, const struct rr_endpoint &ep) {
	memcpy(f->out, ep.addr, 16);
	f->out_port_be = ep.port_be;
	f->out_family = ep.family;
	f->flags |= RR_FLOW_HAS_OUT;
}

// Leg 0 on 198.18.0.10:35000, leg 1 on [2001:db8::10]:35002, complete and latched.
void Rrctl::install_call() {
	struct rr_flow *callee = flow(0, 35000);
	struct rr_flow *caller = flow(1, 35002);
	uint16_t flags = RR_FLOW_INSTALLED | RR_FLOW_SAFE | RR_FLOW_COMPLETE | RR_FLOW_LATCHED;

	callee->uid = 7;
	callee->flags = flags;
	callee->owner = 1;
	callee->n_packets = 100;
	callee->n_bytes = 17200;
	callee->last_seen_ns = rr_now_ns();
	callee->payload_type = 8;
	callee->ssrc = 0xdeadbeef;
	callee->peer = rr_region_slot(&region_, 1, 35002);
	set_remote(callee, endpoint("198.18.0.99", 4000));
	set_out(callee, endpoint("2001:db8::99", 5000));
	region_.cold[rr_region_slot(&region_, 0, 35000)].n_rejected = 3;

	caller->uid = 8;
	caller->flags = flags;
	caller->n_packets = 55;
	caller->peer = rr_region_slot(&region_, 0, 35000);
	set_remote(caller, endpoint("2001:db8::99", 5000));
	set_out(caller, endpoint("198.18.0.99", 4000));

	flow(0, 35001)->uid = 7; // deleted: neither installed nor listed
}

void put(MDB_txn *txn, uint64_t id, const std::string &record, const char *db = RR_STORE_SESSIONS) {
	MDB_val key = {sizeof(id), &id};
	MDB_val value = {record.size(), const_cast<char *>(record.data())};
	MDB_dbi dbi;

	ASSERT_EQ(mdb_dbi_open(txn, db, MDB_CREATE | MDB_INTEGERKEY, &dbi), 0);
	ASSERT_EQ(mdb_put(txn, dbi, &key, &value, 0), 0);
}

void Rrctl::store_call(
	uint64_t id, const std::string &callid, const std::string &tag, uint32_t flags) {
	static const char callee_realm[] = "external";
	static const char caller_realm[] = "internal";
	struct rr_session_record r = {};
	MDB_env *env;
	MDB_txn *txn;

	r.layout = RR_SESSION_RECORD_LAYOUT;
	r.id = id;
	r.flags = flags;
	r.created_unix_ms = 1000;
	r.text_len[RR_RECORD_CALLID] = static_cast<uint16_t>(callid.size());
	r.text_len[RR_RECORD_REALM_CALLEE] = sizeof(callee_realm) - 1;
	r.text_len[RR_RECORD_REALM_CALLER] = sizeof(caller_realm) - 1;
	r.text_len[RR_RECORD_FROM_TAG] = static_cast<uint16_t>(tag.size());
	r.leg[0].pair = {endpoint("198.18.0.10", 35000), 7};
	r.leg[0].signalled = endpoint("198.18.0.98", 4444);
	r.leg[0].ttl_s = 60;
	r.leg[0].flags = RR_RECORD_LEG_WEAK;
	r.leg[1].pair = {endpoint("2001:db8::10", 35002), 8};
	std::string record(reinterpret_cast<const char *>(&r), sizeof(r));
	record += callid + callee_realm + caller_realm + tag;

	mkdir((dir() + "/store").c_str(), 0700);
	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	ASSERT_EQ(mdb_env_open(env, cfg_->store_dir, MDB_NOSYNC, 0600), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
	put(txn, id, record);
	ASSERT_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

void Rrctl::store_address(
	uint64_t id, const std::string &realm, const std::string &addr, uint8_t state) {
	struct rr_store_address row = {};
	MDB_env *env;
	MDB_txn *txn;

	row.addr = endpoint(addr.c_str(), 0);
	row.state = state;
	row.named = 1;
	row.realm_len = static_cast<uint16_t>(realm.size());
	std::string record(reinterpret_cast<const char *>(&row), sizeof(row));

	mkdir((dir() + "/store").c_str(), 0700);
	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	ASSERT_EQ(mdb_env_open(env, cfg_->store_dir, MDB_NOSYNC, 0600), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
	put(txn, id, record + realm, RR_STORE_ADDRESSES);
	ASSERT_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

void Rrctl::store_counters(const std::map<size_t, uint64_t> &counters) {
	struct rr_store_meta meta = {};
	char name[] = RR_STORE_META;
	MDB_val key = {4, name};
	MDB_val value = {sizeof(meta), &meta};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	meta.layout = RR_STORE_LAYOUT;
	for (const auto &c : counters)
		meta.counters[c.first] = c.second;
	mkdir((dir() + "/store").c_str(), 0700);
	ASSERT_EQ(mdb_env_create(&env), 0);
	ASSERT_EQ(mdb_env_set_maxdbs(env, RR_STORE_N_DBS), 0);
	ASSERT_EQ(mdb_env_open(env, cfg_->store_dir, MDB_NOSYNC, 0600), 0);
	ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
	ASSERT_EQ(mdb_dbi_open(txn, RR_STORE_META, MDB_CREATE, &dbi), 0);
	ASSERT_EQ(mdb_put(txn, dbi, &key, &value, 0), 0);
	ASSERT_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

std::string text(const json_t *o, const char *key) {
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? json_string_value(v) : "(none)";
}

json_int_t number(const json_t *o, const char *key) {
	const json_t *v = json_object_get(o, key);

	EXPECT_TRUE(json_is_integer(v)) << key;
	return json_integer_value(v);
}

} // namespace

// ---- the command line

TEST_F(Rrctl, HelpHasOneLineForEveryCommand) {
	Result r = run("--help");

	EXPECT_EQ(r.status, 0);
	for (const char *command :
		{"  status  ", "  stats show  ", "  stats list  ", "  flow show [SLOT|ADDR:PORT]  ",
			"  session list  ", "  session show CALLID  ", "  port list  ",
			"  port start NAME  ", "  config show  ", "  config list  "})
		EXPECT_NE(r.out.find(command), std::string::npos) << command;
}

TEST_F(Rrctl, MisuseIsTwo) {
	static const char *const wrong[] = {"", "flows show", "flow", "flow hide", "flow show 1 2",
		"port start", "session show", "status now", "--loud status", "-f x status"};

	for (const char *args : wrong) {
		Result r = run(args);

		EXPECT_EQ(r.status, 2) << args;
		EXPECT_EQ(r.out, "") << args;
		EXPECT_NE(r.err, "") << args;
	}
	EXPECT_EQ(run("flow").err, "rrctl: flow: verb missing, see rrctl --help\n");
	EXPECT_EQ(run("flow hide").err, "rrctl: hide: no such verb, see rrctl --help\n");
}

TEST_F(Rrctl, WrongConfigurationIsRefusedInItsOwnWords) {
	write_config("0", "35009");
	Result r = run("status");

	EXPECT_EQ(r.status, 1);
	EXPECT_EQ(r.err, conf() + ":9: media.port_min is 0, expected 1..65535\n");
}

TEST_F(Rrctl, ScriptRunsALineACommandAndKeepsTheFirstFailure) {
	Result r = run("-x -f -", "# comment\n\nstats list\nflow hide\nstats list\n");

	EXPECT_EQ(r.status, 2);
	size_t first = r.out.find("rx_packets");
	ASSERT_NE(first, std::string::npos);
	EXPECT_NE(r.out.find("rx_packets", first + 1), std::string::npos);
	EXPECT_NE(r.out.find("flow hide\n"), std::string::npos);
}

TEST_F(Rrctl, ScriptEndsAtTheFirstFailureWhenAsked) {
	Result r = run("-e -f -", "flow hide\nstats list\n");

	EXPECT_EQ(r.status, 2);
	EXPECT_EQ(r.out, "");
	EXPECT_EQ(run("-f /nonexistent").status, 1);
	EXPECT_EQ(run("-f -", "a b c d e f g h i j k l m n o p q\n").status, 2);
}

// ---- config

TEST_F(Rrctl, ConfigShowPrintsWhatLoadsAgain) {
	Result r = run("config show");

	EXPECT_EQ(r.status, 0);
	EXPECT_NE(r.out.find("\tport_min = 35000;\n"), std::string::npos);
	std::ofstream(conf()) << r.out;
	EXPECT_EQ(run("config show").out, r.out);
}

TEST_F(Rrctl, ConfigShowAsJsonSaysTheSame) {
	json_t *doc = json("config show");
	const json_t *ports = json_object_get(doc, "ports");
	const json_t *realm = json_array_get(json_object_get(doc, "realms"), 1);
	const json_t *pool = json_object_get(json_object_get(realm, "ipv6"), "pool");

	EXPECT_EQ(json_array_size(ports), 2u);
	EXPECT_EQ(text(json_array_get(ports, 1), "start"), "held");
	EXPECT_STREQ(json_string_value(json_array_get(pool, 0)), "2001:db8::10");
	EXPECT_EQ(json_object_get(realm, "ipv4"), nullptr);
	EXPECT_EQ(number(json_object_get(doc, "media"), "port_max"), 35009);
	EXPECT_TRUE(json_is_false(json_object_get(json_object_get(doc, "media"), "asymmetric")));
	EXPECT_EQ(json_array_size(json_object_get(json_object_get(doc, "control"), "notify")), 0u);
	json_decref(doc);
}

TEST_F(Rrctl, ConfigListNeedsNoConfiguration) {
	unlink(conf().c_str());
	Result r = run("config list");

	EXPECT_EQ(r.status, 0) << r.err;
	EXPECT_NE(r.out.find("\nmedia.port_min "), std::string::npos);
	EXPECT_NE(r.out.find("\nrealms[].ipv4.neighbours[].mac "), std::string::npos);
}

// ---- status

TEST_F(Rrctl, StatusWithoutAnythingIsDown) {
	json_t *doc = json("status");

	EXPECT_EQ(text(json_object_get(doc, "dataplane"), "state"), "down");
	EXPECT_TRUE(json_is_null(json_object_get(json_object_get(doc, "dataplane"), "pid")));
	EXPECT_EQ(text(json_object_get(doc, "control"), "state"), "down");
	EXPECT_TRUE(json_is_false(json_object_get(json_object_get(doc, "region"), "present")));
	json_decref(doc);
}

TEST_F(Rrctl, StatusSaysWhetherNewCallsAreTaken) {
	const char *names[] = {"open", "paused", "draining", "unknown"};

	for (uint64_t i = 0; i < 4; i++) {
		store_counters({{PLACE_admission, i}});
		json_t *doc = json("status");

		EXPECT_EQ(text(json_object_get(doc, "control"), "admission"), names[i]);
		json_decref(doc);
	}
}

TEST_F(Rrctl, WhatIsToBeDoneNeedsControl) {
	for (const char *what : {"drain", "pause", "resume", "session clear"}) {
		Result r = run(what);

		EXPECT_EQ(r.status, 1) << what;
		EXPECT_NE(r.err.find("control is down, start rtprelayd"), std::string::npos)
			<< r.err;
		EXPECT_EQ(r.out, "");
	}
	EXPECT_EQ(run("drain now").status, 2);
}

TEST_F(Rrctl, AddressListCountsCallsAndPorts) {
	store_call(1, "one", "tag", 0);
	store_call(2, "two", "tag", RR_RECORD_ENDING);
	store_address(0, "external", "198.18.0.10", RR_ADDRESS_ACTIVE);
	store_address(1, "internal", "2001:db8::10", RR_ADDRESS_DRAINING);
	store_address(7, "external", "198.18.0.11", RR_ADDRESS_GONE);
	json_t *doc = json("address list");
	const json_t *list = json_object_get(doc, "addresses");

	ASSERT_EQ(json_array_size(list), 3U);
	const struct {
		const char *realm, *address, *state;
		int calls, ports;
	} want[] = {
		{"external", "198.18.0.10", "active", 2, 4},
		{"internal", "2001:db8::10", "draining", 2, 4},
		{"external", "198.18.0.11", "gone", 0, 0},
	};
	for (size_t i = 0; i < 3; i++) {
		const json_t *row = json_array_get(list, i);

		EXPECT_EQ(text(row, "realm"), want[i].realm);
		EXPECT_EQ(text(row, "address"), want[i].address);
		EXPECT_EQ(text(row, "state"), want[i].state);
		EXPECT_EQ(number(row, "calls"), want[i].calls);
		EXPECT_EQ(number(row, "ports"), want[i].ports);
		EXPECT_TRUE(json_is_true(json_object_get(row, "in_file")));
	}
	json_decref(doc);
}

TEST_F(Rrctl, StatusTakesLifeFromTheLocksAndTheRestFromTheRegion) {
	make_region();
	region_.header->dp_state = RR_DP_RUNNING;
	region_.header->dp_generation = 5;
	region_.header->dp_heartbeat_ns = rr_now_ns();
	region_.header->control_epoch = 3;
	int dp = hold(RR_LOCK_DATAPLANE);
	json_t *doc = json("status");
	const json_t *dataplane = json_object_get(doc, "dataplane");

	EXPECT_EQ(text(dataplane, "state"), "running");
	EXPECT_EQ(number(dataplane, "pid"), getpid());
	EXPECT_EQ(number(dataplane, "generation"), 5);
	EXPECT_GE(number(dataplane, "heartbeat_age_ms"), 0);
	EXPECT_EQ(text(json_object_get(doc, "control"), "state"), "down");
	EXPECT_EQ(number(json_object_get(doc, "control"), "epoch"), 3);
	EXPECT_EQ(number(json_object_get(doc, "region"), "flows"), 20);
	json_decref(doc);
	close(dp);

	int control = hold(RR_LOCK_CONTROL);
	doc = json("status");
	EXPECT_EQ(text(json_object_get(doc, "dataplane"), "state"), "down");
	EXPECT_EQ(text(json_object_get(doc, "control"), "state"), "running");
	json_decref(doc);
	close(control);
}

TEST_F(Rrctl, StatusTellsAStopFromACrash) {
	make_region();
	region_.header->dp_state = RR_DP_STOPPED;
	EXPECT_NE(run("status").out.find("dataplane           stopped\n"), std::string::npos);
	region_.header->dp_state = RR_DP_STARTING;
	int dp = hold(RR_LOCK_DATAPLANE);
	EXPECT_NE(run("status").out.find("dataplane           starting\n"), std::string::npos);
	close(dp);
}

TEST_F(Rrctl, RegionOfAnotherVersionIsRefused) {
	make_region();
	region_.header->version++;
	Result r = run("stats show");

	EXPECT_EQ(r.status, 1);
	EXPECT_NE(r.err.find("of another version"), std::string::npos) << r.err;
	region_.header->version--;
	region_.header->boot_id[0] ^= 1;
	EXPECT_NE(run("flow show").err.find("older than the last boot"), std::string::npos);
}

// ---- stats

TEST_F(Rrctl, StatsAddUpOverWorkersAndPorts) {
	make_region();
	region_.header->dp_generation = 2;
	region_.workers[0].counters[0][RR_C_rx_packets] = 100;
	region_.workers[0].counters[1][RR_C_rx_packets] = 10;
	region_.workers[1].counters[0][RR_C_rx_packets] = 5;
	region_.workers[2].counters[0][RR_C_generated] = 1;
	region_.workers[0].counters[0][RR_C_drop_flow_none] = 40;
	region_.workers[0].counters[1][RR_C_tx_packets] = 70;
	// one thread has put 9 into a ring, another has taken 4 out, and 2 of before are lost
	region_.workers[0].counters[0][RR_C_held] = 9 + 2;
	region_.workers[0].counters_base[0][RR_C_held] = 2;
	region_.workers[1].counters[0][RR_C_held] = static_cast<uint64_t>(-4);
	json_t *doc = json("stats show");
	const json_t *workers = json_object_get(doc, "workers");
	const json_t *ports = json_object_get(doc, "ports");
	const json_t *totals = json_object_get(doc, "totals");

	EXPECT_EQ(number(totals, "rx_packets"), 115);
	EXPECT_EQ(number(totals, "held"), 5);
	EXPECT_EQ(number(json_object_get(json_array_get(ports, 0), "counters"), "rx_packets"), 105);
	EXPECT_EQ(number(json_object_get(json_array_get(ports, 1), "counters"), "rx_packets"), 10);
	ASSERT_EQ(json_array_size(workers), 3u);
	EXPECT_EQ(text(json_array_get(workers, 0), "name"), "worker0");
	EXPECT_EQ(text(json_array_get(workers, 2), "name"), "main");
	EXPECT_EQ(number(json_object_get(json_array_get(workers, 1), "counters"), "held"), -4);
	EXPECT_EQ(
		number(json_object_get(json_array_get(workers, 0), "counters"), "rx_packets"), 110);
	const json_t *cell =
		json_array_get(json_object_get(json_array_get(workers, 0), "ports"), 1);
	EXPECT_EQ(text(cell, "name"), "int");
	EXPECT_EQ(number(json_object_get(cell, "counters"), "rx_packets"), 10);
	// 115 + 1 = 70 + 40 + 5 + 1
	EXPECT_EQ(number(json_object_get(doc, "generation"), "number"), 2);
	EXPECT_EQ(number(json_object_get(doc, "generation"), "imbalance"), 1);
	EXPECT_EQ(json_object_size(totals), static_cast<size_t>(RR_N_COUNTERS));
	json_decref(doc);
}

TEST_F(Rrctl, ImbalanceIsThatOfThisGeneration) {
	make_region();
	region_.workers[0].counters[0][RR_C_rx_packets] = 100;
	region_.workers[0].counters_base[0][RR_C_rx_packets] = 98;
	region_.workers[0].counters[0][RR_C_tx_packets] = 2;
	json_t *doc = json("stats show");

	EXPECT_EQ(number(json_object_get(doc, "generation"), "imbalance"), 0);
	json_decref(doc);
}

TEST_F(Rrctl, StatsTableHidesZerosUnlessAsked) {
	make_region();
	region_.workers[0].counters[1][RR_C_rx_packets] = 123;
	Result some = run("stats show");
	Result all = run("stats show --all");

	EXPECT_EQ(some.out, "generation 1, packets unaccounted for 123\n"
			    "\n"
			    "COUNTER     TOTAL  ext  int\n"
			    "rx_packets    123    0  123\n"
			    "\n"
			    "COUNTER     worker0  worker1  main\n"
			    "rx_packets      123        0     0\n");
	EXPECT_NE(all.out.find("\ndrop_tx_full "), std::string::npos);
}

TEST_F(Rrctl, StatsShowWhatControlCounts) {
	make_region();
	json_t *doc = json("stats show");
	EXPECT_TRUE(json_is_null(json_object_get(doc, "control")));
	json_decref(doc);

	store_counters({{PLACE_store_full, 3}, {PLACE_dp_region, 99}, {PLACE_dp_strays, 5},
		{PLACE_ports_taken, 7}});
	doc = json("stats show");
	const json_t *control = json_object_get(doc, "control");

	EXPECT_EQ(number(control, "store_full"), 3);
	EXPECT_EQ(number(control, "dp_strays"), 5);
	EXPECT_EQ(number(control, "ports_taken"), 7);
	EXPECT_EQ(number(control, "dp_silent"), 0);
	EXPECT_EQ(json_object_get(control, "dp_region"), nullptr);
	EXPECT_EQ(json_object_size(control), static_cast<size_t>(N_PLACES - N_HIDDEN));
	json_decref(doc);
	Result table = run("stats show");
	EXPECT_NE(table.out.find("\n\nCOUNTER      CONTROL\n"
				 "store_full         3\n"
				 "dp_strays          5\n"
				 "ports_taken        7\n"),
		std::string::npos)
		<< table.out;
	EXPECT_NE(run("stats show --all").out.find("\ndp_silent "), std::string::npos);
	EXPECT_NE(run("stats list").out.find("flows without a session deleted"), std::string::npos);
}

TEST_F(Rrctl, StatsListHasEveryCounterWithItsMeaning) {
	json_t *doc = json("stats list");

	EXPECT_EQ(json_array_size(json_object_get(doc, "counters")),
		static_cast<size_t>(RR_N_COUNTERS));
	json_decref(doc);
	EXPECT_NE(run("stats list")
			  .out.find("drop_flow_none           drop  packets   no call has "
				    "this port"),
		std::string::npos);
}

// ---- flows

TEST_F(Rrctl, FlowShowListsInstalledFlows) {
	make_region();
	install_call();
	json_t *doc = json("flow show");
	const json_t *flows = json_object_get(doc, "flows");

	ASSERT_EQ(json_array_size(flows), 2u);
	const json_t *f = json_array_get(flows, 0);
	EXPECT_EQ(number(f, "slot"), 0);
	EXPECT_EQ(text(f, "local"), "198.18.0.10:35000");
	EXPECT_EQ(text(f, "kind"), "rtp");
	EXPECT_EQ(text(f, "state"), "latched");
	EXPECT_EQ(text(f, "remote"), "198.18.0.99:4000");
	EXPECT_EQ(text(f, "out"), "[2001:db8::99]:5000");
	EXPECT_EQ(text(f, "peer"), "[2001:db8::10]:35002");
	EXPECT_EQ(number(f, "owner"), 1);
	EXPECT_EQ(number(f, "packets"), 100);
	EXPECT_EQ(number(f, "bytes"), 17200);
	EXPECT_EQ(number(f, "rejected"), 3);
	EXPECT_EQ(number(json_object_get(f, "rtp"), "payload_type"), 8);
	EXPECT_EQ(number(json_object_get(f, "rtp"), "ssrc"), 0xdeadbeef);
	EXPECT_TRUE(json_is_null(json_object_get(json_array_get(flows, 1), "last_seen_ms_ago")));
	json_decref(doc);

	Result table = run("flow show");
	EXPECT_NE(table.out.find("SLOT  LOCAL "), std::string::npos) << table.out;
	EXPECT_NE(table.out.find("[2001:db8::10]:35002"), std::string::npos) << table.out;
	EXPECT_EQ(table.out.find('\t'), std::string::npos);
	EXPECT_EQ(run("stats list").out.find(" \n"), std::string::npos);
}

TEST_F(Rrctl, FlowShowAllListsWhatIsGone) {
	make_region();
	install_call();
	json_t *doc = json("flow show --all");
	const json_t *f = json_array_get(json_object_get(doc, "flows"), 1);

	EXPECT_EQ(text(f, "state"), "deleted");
	EXPECT_EQ(text(f, "kind"), "rtcp");
	EXPECT_EQ(text(f, "remote"), "(none)");
	json_decref(doc);
}

TEST_F(Rrctl, FlowStateSaysWhatIsMissing) {
	struct {
		uint16_t flags;
		uint32_t seq;
		const char *state;
	} rows[] = {
		{RR_FLOW_INSTALLED, 0, "incomplete"},
		{RR_FLOW_INSTALLED | RR_FLOW_COMPLETE, 0, "no-remote"},
		{RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_HAS_REMOTE, 0, "learning"},
		{RR_FLOW_INSTALLED | RR_FLOW_COMPLETE | RR_FLOW_LATCHED, 2, "latched"},
		{RR_FLOW_INSTALLED | RR_FLOW_TORN | RR_FLOW_COMPLETE, 2, "torn"},
		{RR_FLOW_INSTALLED | RR_FLOW_COMPLETE, 3, "busy"},
	};

	make_region();
	EXPECT_NE(run("flow show 0").out.find("state             unused\n"), std::string::npos);
	for (const auto &row : rows) {
		struct rr_flow *f = flow(0, 35000);

		f->uid = 1;
		f->flags = row.flags;
		f->seq = row.seq;
		json_t *doc = json("flow show 0");
		EXPECT_EQ(text(doc, "state"), row.state);
		json_decref(doc);
	}
}

TEST_F(Rrctl, FlowShowTakesASlotOrAnAddress) {
	make_region();
	install_call();
	for (const char *which : {"12", "[2001:db8::10]:35002"}) {
		json_t *doc = json(std::string("flow show ") + which);

		EXPECT_EQ(number(doc, "slot"), 12);
		EXPECT_EQ(number(doc, "packets"), 55);
		json_decref(doc);
	}
	EXPECT_NE(
		run("flow show 198.18.0.10:35000").out.find("remote            198.18.0.99:4000\n"),
		std::string::npos);
}

TEST_F(Rrctl, FlowShowRefusesWhatIsNoFlow) {
	static const char *const wrong[] = {"20", "-1", "198.18.0.10", "198.18.0.10:35010",
		"198.18.0.10:34999", "198.18.0.10:35000x", "198.18.0.10:", "198.18.0.1:35000",
		"2001:db8::10:35000", "[2001:db8::10]:99999999"};

	make_region();
	for (const char *which : wrong) {
		Result r = run(std::string("flow show -- ") + which);

		EXPECT_EQ(r.status, 1) << which;
		EXPECT_EQ(r.out, "") << which;
	}
}

// ---- sessions

TEST_F(Rrctl, SessionsNeedAStore) {
	Result r = run("session list");

	EXPECT_EQ(r.status, 1);
	EXPECT_EQ(r.err, "rrctl: store " + dir() +
				 "/store: there is none, rtprelayd makes it at its start\n");
}

TEST_F(Rrctl, SessionListShowsCallsWithoutARegion) {
	store_call(1, "call-1", "tag-1");
	store_call(2, "call-2", "tag-2", RR_RECORD_ENDING);
	json_t *doc = json("session list");
	const json_t *sessions = json_object_get(doc, "sessions");

	ASSERT_EQ(json_array_size(sessions), 2u);
	EXPECT_EQ(text(json_array_get(sessions, 0), "call_id"), "call-1");
	EXPECT_EQ(text(json_array_get(sessions, 0), "from_tag"), "tag-1");
	EXPECT_EQ(text(json_array_get(sessions, 0), "state"), "complete");
	EXPECT_EQ(text(json_array_get(sessions, 1), "state"), "ending");
	const json_t *leg = json_array_get(json_object_get(json_array_get(sessions, 0), "legs"), 0);
	EXPECT_EQ(text(leg, "leg"), "callee");
	EXPECT_EQ(text(leg, "realm"), "external");
	EXPECT_EQ(text(leg, "local"), "198.18.0.10:35000");
	EXPECT_EQ(text(leg, "remote"), "198.18.0.98:4444");
	EXPECT_TRUE(json_is_true(json_object_get(leg, "weak")));
	EXPECT_TRUE(json_is_false(json_object_get(leg, "asymmetric")));
	EXPECT_TRUE(json_is_null(json_object_get(leg, "rtp")));
	json_decref(doc);
}

TEST_F(Rrctl, SessionShowsWhatItsFlowsSayNow) {
	make_region();
	install_call();
	store_call(1, "call-1", "tag-1");
	json_t *doc = json("session show call-1");
	const json_t *session = json_array_get(json_object_get(doc, "sessions"), 0);
	const json_t *leg = json_array_get(json_object_get(session, "legs"), 0);

	EXPECT_EQ(text(leg, "remote"), "198.18.0.99:4000");
	EXPECT_EQ(number(json_object_get(leg, "rtp"), "packets"), 100);
	EXPECT_EQ(text(json_object_get(leg, "rtcp"), "state"), "deleted");
	json_decref(doc);

	Result table = run("session show call-1");
	EXPECT_NE(table.out.find("  rtp packets           100\n"), std::string::npos) << table.out;
	Result list = run("session list");
	EXPECT_NE(list.out.find("198.18.0.99:4000"), std::string::npos) << list.out;

	// the port pair belongs to another call by now
	flow(0, 35000)->uid = 99;
	doc = json("session show call-1");
	session = json_array_get(json_object_get(doc, "sessions"), 0);
	leg = json_array_get(json_object_get(session, "legs"), 0);
	EXPECT_TRUE(json_is_null(json_object_get(leg, "rtp")));
	json_decref(doc);
}

TEST_F(Rrctl, SessionShowRefusesAnUnknownCall) {
	store_call(1, "call-1", "tag-1");
	for (const char *callid : {"call", "call-11", "CALL-1"}) {
		Result r = run(std::string("session show ") + callid);

		EXPECT_EQ(r.status, 1) << callid;
		EXPECT_NE(r.err.find("no such call"), std::string::npos) << r.err;
	}
}

TEST_F(Rrctl, StrangeCallIdsDoNotReachTheTerminal) {
	store_call(1, "a\x1b[2J\xff", "t");
	json_t *doc = json("session list");

	EXPECT_EQ(text(json_array_get(json_object_get(doc, "sessions"), 0), "call_id"),
		"a\\x1b[2J\\xff");
	json_decref(doc);
}

TEST_F(Rrctl, MoreSessionsThanOneTransactionReads) {
	for (uint64_t id = 1; id <= 600; id++)
		store_call(id * 3, "call-" + std::to_string(id), "t");
	json_t *doc = json("session list");
	const json_t *sessions = json_object_get(doc, "sessions");

	ASSERT_EQ(json_array_size(sessions), 600u);
	for (size_t i = 0; i < 600; i++)
		EXPECT_EQ(number(json_array_get(sessions, i), "id"),
			static_cast<json_int_t>(i + 1) * 3);
	json_decref(doc);
}

// ---- ports

TEST_F(Rrctl, PortListShowsWhatIsHeld) {
	make_region();
	region_.header->port_held_mask = 2;
	memcpy(&region_.header->port_mac[1], "\2\x70\x63\x61\x70\1", 6);
	EXPECT_NE(run("port list").out.find("   0  ext   down "), std::string::npos);
	int dp = hold(RR_LOCK_DATAPLANE);
	json_t *doc = json("port list");
	const json_t *ports = json_object_get(doc, "ports");

	EXPECT_EQ(text(json_array_get(ports, 0), "state"), "started");
	EXPECT_EQ(text(json_array_get(ports, 1), "name"), "int");
	EXPECT_EQ(text(json_array_get(ports, 1), "state"), "held");
	EXPECT_EQ(text(json_array_get(ports, 1), "mode"), "exclusive");
	EXPECT_TRUE(json_is_null(json_object_get(json_array_get(ports, 1), "io")));
	EXPECT_TRUE(json_is_null(json_object_get(json_array_get(ports, 0), "mac")));
	EXPECT_EQ(text(json_array_get(ports, 1), "mac"), "02:70:63:61:70:01");
	json_decref(doc);
	close(dp);
}

TEST_F(Rrctl, PortStartAsksTheDataplaneUnderTheLock) {
	make_region();
	region_.header->port_held_mask = 3;
	region_.header->port_release_mask = 1;
	int dp = hold(RR_LOCK_DATAPLANE);
	struct flock lock = {};
	int look = -1;
	std::thread dataplane([this, &lock, &look] {
		while ((rr_load_relaxed(&region_.header->port_release_mask) & 2) == 0)
			std::this_thread::yield();
		lock.l_type = F_WRLCK;
		lock.l_start = RR_LOCK_RRCTL;
		lock.l_len = 1;
		look = open((std::string(cfg_->run_dir) + "/lock").c_str(), O_RDONLY);
		EXPECT_EQ(fcntl(look, F_GETLK, &lock), 0);
		rr_store_relaxed(&region_.header->port_held_mask, 1);
	});
	Result r = run("port start int");
	uint32_t mask = rr_load_relaxed(&region_.header->port_release_mask);
	// after a failure the thread must not wait for ever
	rr_store_relaxed(&region_.header->port_release_mask, mask | 2);
	dataplane.join();
	EXPECT_EQ(r.status, 0) << r.err;
	EXPECT_EQ(r.out, "port int is started\n");
	EXPECT_EQ(mask, 3u);
	EXPECT_EQ(lock.l_type, F_WRLCK);
	close(look);
	close(dp);
}

TEST_F(Rrctl, PortStartIsRefusedWhenItCannotBe) {
	EXPECT_EQ(run("port start int").status, 1);
	make_region();
	region_.header->port_held_mask = 2;
	EXPECT_EQ(run("port start int").err, "rrctl: port int: the dataplane is down\n");
	int dp = hold(RR_LOCK_DATAPLANE);
	EXPECT_EQ(run("port start nope").err,
		"rrctl: port nope: no such port, `rrctl port list` shows them\n");
	EXPECT_EQ(run("port start int").err,
		"rrctl: port int: the dataplane did not start it, see its log\n");
	int rrctl = hold(RR_LOCK_RRCTL);
	Result r = run("port start int");
	EXPECT_EQ(r.status, 1);
	EXPECT_EQ(r.err,
		"rrctl: port int: another rrctl is at work pid=" + std::to_string(getpid()) + "\n");
	close(rrctl);
	close(dp);
}
