// SPDX-License-Identifier: BSD-2-Clause
// Control without sockets, and a dataplane that does what it is told, in one thread.
//
//	command --> control --> store (a folder of its own)
//	               |  ^
//	  request ring v  | reply and event ring     (a real region in a file of its own)
//	            FakeDataplane
//
// Time is a number that a test moves. Nothing waits: a turn executes, commits, submits; the fake
// dataplane serves when it is told to; the next half of the turn takes what it said.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <unistd.h>

#include <gtest/gtest.h>

extern "C" {
#include "clock.h"
#include "config.h"
#include "control.h"
#include "dp_client.h"
#include "job.h"
#include "operator.h"
#include "port_alloc.h"
#include "retrans.h"
#include "session_flow.h"
#include "session_match.h"
#include "shm_addrs.h"
#include "shm_region.h"
#include "store.h"
}

namespace ctltest {

const uint64_t SECOND = 1000000000;

inline struct slice slice_of(const std::string &s) {
	return {s.data(), s.size()};
}

inline std::string text_of(struct slice s) {
	return std::string(s.p, s.len);
}

// A folder that goes away with the object.
class Folder {
      public:
	Folder() {
		char name[] = "/tmp/rtprelay-control-XXXXXX";

		path = mkdtemp(name);
	}
	~Folder() {
		std::filesystem::remove_all(path);
	}
	std::string path;
};

// The realms of the tests:
//	main   198.18.0.1            default
//	lab1   198.18.1.1 .2         a pool of two
//	lab2   198.18.2.1            advertised as 203.0.113.7
//	lab6   2001:db8:6::1
//	dual   198.18.3.1, 2001:db8:3::1
//	hidden 198.18.4.1            replies without address
struct Settings {
	std::string realms = "main lab1 lab2 lab6 dual hidden";
	std::string media = "port_min = 20000; port_max = 20099; learning = \"compat\";";
	std::string control = "notify = [ \"tcp:127.0.0.1:9\" ];";
	std::string bridge;
	std::string cores = "[ 1 ]";
};

inline std::string realm_text(const std::string &name) {
	static const std::map<std::string, std::string> text = {
		{"main", "ipv4 = { prefix = \"198.18.0.0/24\"; gateway = \"198.18.0.254\"; "
			 "pool = [ \"198.18.0.1\" ]; };"},
		{"lab1", "ipv4 = { prefix = \"198.18.1.0/24\"; "
			 "pool = [ \"198.18.1.1\", \"198.18.1.2\" ]; };"},
		{"lab2", "ipv4 = { prefix = \"198.18.2.0/24\"; pool = [ \"198.18.2.1\" ]; "
			 "advertised = \"203.0.113.7\"; };"},
		{"lab6", "ipv6 = { prefix = \"2001:db8:6::/64\"; "
			 "pool = [ \"2001:db8:6::1\" ]; };"},
		{"dual", "ipv4 = { prefix = \"198.18.3.0/24\"; pool = [ \"198.18.3.1\" ]; }; "
			 "ipv6 = { prefix = \"2001:db8:3::/64\"; "
			 "pool = [ \"2001:db8:3::1\" ]; };"},
		{"hidden", "hide_address = true; ipv4 = { prefix = \"198.18.4.0/24\"; "
			   "pool = [ \"198.18.4.1\" ]; };"},
	};

	return "{ name = \"" + name + "\"; port = \"p0\"; " + text.at(name) + " }";
}

inline std::string config_text(const Settings &set, const std::string &folder) {
	std::string realms;
	std::string name;

	for (char c : set.realms + " ") {
		if (c != ' ') {
			name += c;
			continue;
		}
		if (!name.empty())
			realms += (realms.empty() ? "" : ", ") + realm_text(name);
		name.clear();
	}
	return "instance = { run_dir = \"" + folder + "/run\"; };\n" +
	       "dataplane = { cores = " + set.cores +
	       "; poll = \"adaptive\"; hugepages = \"off\"; };\n" +
	       "ports = ( { name = \"p0\"; device = \"net_null0\"; } );\n" + "realms = ( " +
	       realms + " );\n" + set.bridge + "\nmedia = { " + set.media + " };\n" +
	       "control = { store_dir = \"" + folder +
	       "/store\"; store_mb = 16; sockets = [ \"unix:" + folder + "/s\" ]; " + set.control +
	       " };\n";
}

inline void load_config(struct rr_config *cfg, const Settings &set, const std::string &folder) {
	std::string path = folder + "/rtprelay.conf";
	FILE *f = fopen(path.c_str(), "w");
	std::string text = config_text(set, folder);

	ASSERT_NE(f, nullptr);
	ASSERT_EQ(fwrite(text.data(), 1, text.size(), f), text.size());
	fclose(f);
	ASSERT_EQ(rr_config_load(cfg, path.c_str(), stderr), 0) << text;
}

// Does what requests say, as far as control can see it.
class FakeDataplane {
      public:
	struct rr_region region = {};
	std::vector<struct rr_request> seen; // flow requests only
	unsigned int n_stale = 0; // meant for an earlier dataplane, dropped
	uint16_t status = RR_REPLY_OK; // for flow requests
	uint16_t addr_status = RR_REPLY_OK; // for those about addresses
	std::vector<struct rr_request> addrs_seen;
	bool adopted = false;

	~FakeDataplane() {
		stop();
	}

	void start(const struct rr_config *cfg, uint64_t now_ns) {
		char path[RR_PATH_LEN + 64];

		cfg_ = cfg;
		rr_region_path(cfg, path, sizeof(path));
		ASSERT_EQ(rr_region_create(&region, cfg, path, &adopted), 0);
		lanes_.resize(region.n_workers + 1);
		for (uint32_t i = 0; i <= region.n_workers; i++)
			attach(i);
		region.header->dp_state = RR_DP_RUNNING;
		region.header->dp_heartbeat_ns = now_ns;
		running_ = true;
	}

	// As after kill -9: nothing is told, the region stays.
	void stop() {
		if (running_)
			rr_region_detach(&region);
		running_ = false;
	}

	bool running() const {
		return running_;
	}

	// Take and answer what is in the rings. Returns how many requests that were.
	unsigned int serve(uint64_t now_ns) {
		unsigned int n = 0;

		if (!running_)
			return 0;
		region.header->dp_heartbeat_ns = now_ns;
		for (uint32_t i = 0; i <= region.n_workers; i++) {
			struct rr_request q;

			while (rr_ring_pop(&lanes_[i].request, &q) == 1) {
				answer(i, q);
				n++;
			}
		}
		return n;
	}

	// Take what is in one worker's ring and answer nothing. Returns how many requests that
	// were.
	unsigned int swallow(uint32_t worker) {
		struct rr_request q;
		unsigned int n = 0;

		while (rr_ring_pop(&lanes_[worker].request, &q) == 1)
			n++;
		return n;
	}

	void say_reply(uint32_t worker, const struct rr_reply &reply) {
		ASSERT_EQ(rr_ring_push(&lanes_[worker].reply, &reply), 0);
	}

	void say_event(uint32_t worker, const struct rr_event &event) {
		ASSERT_EQ(rr_ring_push(&lanes_[worker].event, &event), 0);
	}

	struct rr_flow *flow(uint32_t slot) {
		return &region.flows[slot];
	}

	unsigned int n_installed() const {
		unsigned int n = 0;

		for (uint32_t i = 0; i < region.n_flows; i++)
			n += rr_region_has_slot(&region, i) &&
					     (region.flows[i].flags & RR_FLOW_INSTALLED)
				     ? 1
				     : 0;
		return n;
	}

      private:
	struct Lane {
		struct rr_ring request, reply, event;
	};
	std::vector<Lane> lanes_;
	const struct rr_config *cfg_ = nullptr;
	bool running_ = false;

	void attach(uint32_t i) {
		struct rr_shm_worker *w = &region.workers[i];

		rr_ring_attach_consumer(&lanes_[i].request, &w->request_ring, w->request_slots,
			RR_REQUEST_RING_SLOTS, sizeof(struct rr_request));
		rr_ring_attach_producer(&lanes_[i].reply, &w->reply_ring, w->reply_slots,
			RR_REPLY_RING_SLOTS, sizeof(struct rr_reply));
		rr_ring_attach_producer(&lanes_[i].event, &w->event_ring, w->event_slots,
			RR_EVENT_RING_SLOTS, sizeof(struct rr_event));
	}

	void apply(uint32_t worker, const struct rr_request &q) {
		struct rr_flow *f = flow(q.slot);

		if (q.op == RR_REQUEST_FLOW_DEL) {
			if (f->uid == q.uid)
				f->flags = 0;
			return;
		}
		if (f->uid != q.uid) {
			memset((void *)f, 0, sizeof(*f));
			memset((void *)&region.cold[q.slot], 0, sizeof(region.cold[0]));
			f->uid = q.uid;
			f->payload_type = RR_PAYLOAD_TYPE_NONE;
		}
		f->flags = RR_FLOW_INSTALLED;
		f->peer = q.peer;
		f->owner = (uint8_t)worker;
		if (q.peer != RR_SLOT_NONE)
			f->flags |= RR_FLOW_COMPLETE;
		region.cold[q.slot].version = q.version;
	}

	void apply_addr(const struct rr_request &q) {
		int index = rr_region_addr_find(&region, q.signalled.addr, q.signalled.family);
		struct rr_shm_addr addr = {};

		if (q.op == RR_REQUEST_ADDR_DEL && index >= 0)
			rr_region_addr_drop(&region, (uint32_t)index);
		if (q.op == RR_REQUEST_ADDR_DEL || index >= 0)
			return;
		memcpy(addr.addr, q.signalled.addr, sizeof(addr.addr));
		addr.family = q.signalled.family;
		addr.realm_key = q.uid;
		for (uint32_t i = 0; i < cfg_->n_realms; i++)
			if (rr_realm_key(cfg_->realm[i].name) == q.uid)
				addr.realm = (uint8_t)i;
		ASSERT_EQ(rr_region_addr_add(
				  &region, (uint32_t)rr_region_addr_find_free(&region), &addr),
			0);
	}

	void answer(uint32_t worker, const struct rr_request &q) {
		struct rr_reply reply = {};

		if (q.dp_generation != region.header->dp_generation) {
			n_stale++;
			return;
		}
		reply.id = q.id;
		reply.uid = q.uid;
		reply.slot = q.slot;
		reply.op = q.op;
		reply.dp_generation = region.header->dp_generation;
		if (q.op == RR_REQUEST_ADDR_SET || q.op == RR_REQUEST_ADDR_DEL) {
			EXPECT_EQ(worker, region.n_workers);
			addrs_seen.push_back(q);
			reply.status = addr_status;
			if (addr_status == RR_REPLY_OK)
				apply_addr(q);
		} else if (q.op != RR_REQUEST_BARRIER) {
			EXPECT_LT(worker, region.n_workers);
			seen.push_back(q);
			reply.status = status;
			if (status == RR_REPLY_OK && q.slot < region.n_flows)
				apply(worker, q);
		}
		say_reply(worker, reply);
	}
};

// Control with everything but sockets.
class ControlTest : public ::testing::Test {
      protected:
	Folder folder;
	Settings settings;
	struct rr_config cfg = {};
	struct control ctl = {};
	struct retrans *retrans = nullptr;
	FakeDataplane dp;
	uint64_t now = 0;
	uint64_t program = 0; // no supervisor
	bool open_ = false;

	void SetUp() override {
		now = rr_now_ns();
		load_config(&cfg, settings, folder.path);
		if (HasFatalFailure())
			return;
		dp.start(&cfg, now);
		open();
		settle();
	}

	void TearDown() override {
		close();
		job_drain_free_list();
	}

	void open() {
		retrans = retrans_new(nullptr, nullptr);
		ASSERT_EQ(control_open_at(&ctl, &cfg, retrans, program, now), 0);
		open_ = true;
	}

	void close() {
		if (!open_)
			return;
		control_close(&ctl);
		retrans_free(retrans);
		open_ = false;
	}

	// As after kill -9 between two turns: what was not committed is gone. The store is left
	// as it is, the rings as they are.
	void crash() {
		for (struct session *s = ctl.dirty; s; s = s->links.next_dirty)
			s->dirty = false;
		ctl.dirty = nullptr;
		store_close(ctl.store);
		ctl.store = nullptr;
		close();
	}

	// One turn, with the dataplane's answers in the middle.
	void turn() {
		control_turn_begin(&ctl, now);
		control_turn_commit(&ctl);
		dp.serve(now);
		control_poll(&ctl, now);
	}

	// Turns until control waits for nothing.
	void settle() {
		for (int i = 0; i < 1000 && (i < 2 || control_waiting(&ctl)); i++)
			turn();
	}

	static std::map<struct job *, std::string> &replies() {
		static std::map<struct job *, std::string> map;

		return map;
	}

	static void on_reply(struct job *job) {
		replies()[job] = std::string(job->reply, job->reply_len);
		job_free(job);
	}

	// Execute a command; the reply is in replies() once it left.
	struct job *execute(const std::string &text, const std::string &cookie = "") {
		struct job *job = job_new();

		job->origin.reply = on_reply;
		job->received_ns = now;
		memcpy(job->bytes, cookie.data(), cookie.size());
		memcpy(job->bytes + cookie.size(), text.data(), text.size());
		if (!cookie.empty())
			job->cookie = {job->bytes, cookie.size()};
		job->command = {job->bytes + cookie.size(), text.size()};
		replies().erase(job);
		control_turn_begin(&ctl, now);
		command_execute(&ctl, job);
		return job;
	}

	bool replied(struct job *job) {
		return replies().count(job) > 0;
	}

	// The reply without its line feed.
	std::string reply_of(struct job *job) {
		std::string reply = replies().at(job);

		EXPECT_FALSE(reply.empty());
		EXPECT_EQ(reply.back(), '\n') << reply;
		reply.pop_back();
		return reply;
	}

	// A whole command, with the dataplane answering.
	std::string command(const std::string &text, const std::string &cookie = "") {
		struct job *job = execute(text, cookie);

		for (int i = 0; i < 1000 && !replied(job); i++)
			turn();
		EXPECT_TRUE(replied(job)) << text;
		return replied(job) ? reply_of(job) : "";
	}

	void advance(uint64_t seconds) {
		now += seconds * SECOND;
		settle();
	}

	// Second by second, as the daemon sees time pass.
	void pass(uint64_t seconds) {
		for (uint64_t i = 0; i < seconds; i++)
			advance(1);
	}

	struct call *call(const std::string &callid) {
		return session_index_call(&ctl.index, slice_of(callid));
	}

	struct session *session(const std::string &callid) {
		struct call *c = call(callid);

		return c ? c->first : nullptr;
	}

	uint32_t slot(const struct session *s, unsigned int leg, unsigned int flow) {
		const struct session_pair &pair = s->leg[leg].pair;

		return dp_client_slot(ctl.dp, {pair.addr, (uint16_t)(pair.port + flow)});
	}

	// Requests about a flow since the last look.
	std::vector<struct rr_request> take_seen() {
		std::vector<struct rr_request> taken;

		taken.swap(dp.seen);
		return taken;
	}

	// As if datagrams had come.
	void receive(const struct session *s, unsigned int leg, unsigned int flow, uint32_t n) {
		struct rr_flow *f = dp.flow(slot(s, leg, flow));

		f->n_packets += n;
		f->last_seen_ns = now;
	}

	std::string G(const std::string &names) {
		return command("G " + names);
	}
};

// The port that begins a reply, or the one after the index-th `&&`.
inline int port_of(const std::string &reply, int index = 0) {
	size_t at = 0;

	for (int i = 0; i < index; i++) {
		at = reply.find(" && ", at);
		if (at == std::string::npos)
			return -1;
		at += 4;
	}
	return (int)strtol(reply.c_str() + at, nullptr, 10);
}

// What an operator asks of control.
class AskTest : public ControlTest {
      protected:
	static void on_outcome(struct job *job) {
		replies()[job] = operator_outcome(job);
		job_free(job);
	}

	// Words divided by spaces, each of which ends with a zero byte, and perhaps a descriptor.
	struct job *ask_only(std::string words, int fd = -1) {
		struct job *job = job_new();

		job->has_fd = fd >= 0;
		job->fd = fd;
		for (char &c : words)
			c = c == ' ' ? '\0' : c;
		return ask_bytes(job, words + '\0');
	}

	struct job *ask_bytes(struct job *job, const std::string &bytes) {
		memcpy(job->bytes, bytes.data(), bytes.size());
		job->command = {job->bytes, bytes.size()};
		job->origin.reply = on_outcome;
		replies().erase(job);
		control_turn_begin(&ctl, now);
		operator_execute(&ctl, job);
		return job;
	}

	std::string outcome(struct job *job) {
		for (int i = 0; i < 1000 && !replied(job); i++)
			turn();
		EXPECT_TRUE(replied(job));
		return replied(job) ? replies().at(job) : "";
	}

	std::string ask(const std::string &words) {
		return outcome(ask_only(words));
	}
};

} // namespace ctltest
