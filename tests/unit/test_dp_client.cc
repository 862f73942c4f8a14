// SPDX-License-Identifier: BSD-2-Clause
// The client of the dataplane alone, over the rings of a real region: order, windows, restarts,
// replaced regions, and a dataplane that writes nonsense.
#include "control_fixture.h"

using namespace ctltest;

namespace {

class DpClientTest : public ::testing::Test {
      protected:
	Folder folder;
	Settings settings;
	struct rr_config cfg = {};
	struct dp_client *client = nullptr;
	FakeDataplane dp;
	uint64_t now = 0;

	std::vector<std::pair<struct dp_request, uint16_t>> acked;
	std::vector<struct rr_event> events;
	std::vector<struct job *> done;
	int n_leaving = 0;
	int n_leaving_wanted = 1; // calls until all is read
	int n_settled = 0;
	uint64_t uid_while_leaving = 0;

	DpClientTest() {
		settings.cores = "[ 1, 2 ]";
	}

	static void on_acked(void *arg, const struct dp_request *req, uint16_t status) {
		((DpClientTest *)arg)->acked.emplace_back(*req, status);
	}
	static void on_event(void *arg, struct dp_local, const struct rr_event *event) {
		((DpClientTest *)arg)->events.push_back(*event);
	}
	static void on_done(void *arg, struct job *job) {
		((DpClientTest *)arg)->done.push_back(job);
	}
	static bool on_leaving(void *arg) {
		DpClientTest *t = (DpClientTest *)arg;
		struct rr_flow f;
		struct rr_flow_cold c;

		t->n_leaving++;
		if (dp_client_read_flow(t->client, {0, 20000}, 5, &f, &c) == 0)
			t->uid_while_leaving = f.uid;
		return t->n_leaving >= t->n_leaving_wanted;
	}
	static void on_settled(void *arg) {
		((DpClientTest *)arg)->n_settled++;
	}

	void make(uint32_t epoch = 3) {
		struct dp_client_params params = {};

		params.cfg = &cfg;
		params.epoch = epoch;
		params.hooks.arg = this;
		params.hooks.acked = on_acked;
		params.hooks.event = on_event;
		params.hooks.job_acked = on_done;
		params.hooks.region_leaving = on_leaving;
		params.hooks.settled = on_settled;
		ASSERT_EQ(dp_client_new(&client, &params), 0);
	}
	void SetUp() override {
		now = rr_now_ns();
		load_config(&cfg, settings, folder.path);
		if (HasFatalFailure())
			return;
		make();
	}
	void TearDown() override {
		dp_client_free(client);
		job_drain_free_list();
	}
	void start() {
		dp.start(&cfg, now);
		watch();
	}
	// Past the period at which the file system is looked at.
	void watch() {
		now += SECOND;
		if (dp.running())
			dp.region.header->dp_heartbeat_ns = now;
		dp_client_watch(client, now);
	}
	void exchange() {
		dp_client_push(client);
		dp.serve(now);
		dp_client_poll(client);
	}
	// A SET of a port on main's address.
	static struct dp_request set(uint64_t uid, uint16_t port, uint16_t owner_port = 20000) {
		struct dp_request req = {};

		req.op = RR_REQUEST_FLOW_SET;
		req.uid = uid;
		req.owner_port = owner_port;
		req.local = {0, port};
		req.peer.addr = DP_NO_ADDR;
		return req;
	}
	int submit(uint64_t uid, uint16_t port, struct job *job = nullptr,
		uint16_t owner_port = 20000) {
		struct dp_request req = set(uid, port, owner_port);

		return dp_client_submit(client, &req, job);
	}
	uint64_t counter(enum dp_client_counter which) {
		return dp_client_counter(client, which);
	}
};

TEST_F(DpClientTest, WithoutRegionNothingIsTaken) {
	watch();
	EXPECT_EQ(dp_client_region(client), nullptr);
	EXPECT_EQ(submit(5, 20000), -ENOTCONN);
	EXPECT_EQ(counter(DP_C_not_attached), 1U);
	EXPECT_FALSE(dp_client_busy(client));
	EXPECT_FALSE(dp_client_alive(client, now));
	EXPECT_EQ(dp_client_poll(client), 0U);
}

TEST_F(DpClientTest, AttachesWhenThereIsOneAndWaitsForBarriers) {
	watch();
	start();
	ASSERT_NE(dp_client_region(client), nullptr);
	EXPECT_TRUE(dp_client_alive(client, now));
	EXPECT_FALSE(dp_client_settled(client));
	exchange();
	EXPECT_EQ(n_settled, 1);
	EXPECT_TRUE(dp_client_settled(client));
	EXPECT_EQ(dp.region.header->control_epoch, 3U);
	EXPECT_EQ(dp.region.header->control_pid, (uint32_t)getpid());
	EXPECT_EQ(dp.region.header->control_heartbeat_ns, now);
}

TEST_F(DpClientTest, RequestsArriveInOrderBehindTheBarrierAndAreAcknowledged) {
	start();
	ASSERT_EQ(submit(5, 20000), 0);
	ASSERT_EQ(submit(5, 20001), 0);
	EXPECT_TRUE(dp_client_busy(client));
	exchange();
	ASSERT_EQ(dp.seen.size(), 2U);
	EXPECT_EQ(dp.seen[0].slot, rr_region_slot(&dp.region, 0, 20000));
	EXPECT_EQ(dp.seen[1].slot, rr_region_slot(&dp.region, 0, 20001));
	EXPECT_EQ(dp.seen[0].id >> 32, 3U);
	EXPECT_EQ(dp.seen[0].peer, RR_SLOT_NONE);
	ASSERT_EQ(acked.size(), 2U);
	EXPECT_EQ(acked[1].first.uid, 5U);
	EXPECT_FALSE(dp_client_busy(client));
}

TEST_F(DpClientTest, OwnersPortNamesTheWorker) {
	start();
	submit(5, 20002, nullptr, 20000);
	submit(6, 20004, nullptr, 20002);
	exchange();
	std::map<uint64_t, uint8_t> worker;

	for (const struct rr_request &q : dp.seen)
		worker[q.uid] = q.worker;
	EXPECT_EQ(worker[5], dp.region.header->bucket_owner[rr_port_bucket(20000)]);
	EXPECT_EQ(worker[6], dp.region.header->bucket_owner[rr_port_bucket(20002)]);
	EXPECT_NE(worker[5], worker[6]);
}

TEST_F(DpClientTest, LocalAddressesAreFoundByAddressNotByOrder) {
	settings.realms = "lab1 main"; // the dataplane starts with another order
	struct rr_config other = {};

	load_config(&other, settings, folder.path);
	dp.start(&other, now);
	dp.addr_status = RR_REPLY_BAD_REALM;
	watch();
	submit(5, 20000);
	exchange(); // of addresses that it lacks
	EXPECT_TRUE(dp.seen.empty());
	exchange();
	ASSERT_EQ(dp.seen.size(), 1U);
	const struct rr_shm_addr &addr = dp.region.addrs[rr_slot_addr(&dp.region, dp.seen[0].slot)];
	EXPECT_EQ(memcmp(addr.addr, cfg.addr[0].addr, 16), 0);
	struct dp_local local = {};

	EXPECT_EQ(dp_client_local(client, dp.seen[0].slot, &local), 0);
	EXPECT_EQ(local.addr, 0);
	EXPECT_EQ(local.port, 20000);
	struct dp_request req = set(6, 20000);

	req.local.addr = 4; // lab6: not in this region
	EXPECT_EQ(dp_client_submit(client, &req, nullptr), -ERANGE);
	req.local = {0, 30000};
	EXPECT_EQ(dp_client_submit(client, &req, nullptr), -ERANGE);
}

TEST_F(DpClientTest, AJobIsDoneWithItsLastRequest) {
	struct job *job = job_new();

	start();
	exchange();
	submit(5, 20000, job);
	submit(5, 20001, job, 20002); // another worker
	EXPECT_EQ(job->n_pending, 2U);
	dp_client_push(client);
	dp.serve(now);
	EXPECT_TRUE(done.empty());
	dp_client_poll(client);
	ASSERT_EQ(done.size(), 1U);
	EXPECT_EQ(done[0], job);
	EXPECT_EQ(job->n_pending, 0U);
	EXPECT_FALSE(job->failed);
	job_free(job);
}

TEST_F(DpClientTest, RefusalFailsTheJob) {
	struct job *job = job_new();

	start();
	exchange();
	dp.status = RR_REPLY_BAD_SLOT;
	submit(5, 20000, job);
	exchange();
	ASSERT_EQ(done.size(), 1U);
	EXPECT_TRUE(job->failed);
	EXPECT_EQ(acked[0].second, RR_REPLY_BAD_SLOT);
	EXPECT_EQ(counter(DP_C_replies_refused), 1U);
	job_free(job);
}

TEST_F(DpClientTest, JobWithSeveralRequestsOutlivesTheClient) {
	struct job *job = job_new();

	start();
	exchange();
	submit(5, 20000, job);
	submit(5, 20001, job);
	dp_client_free(client);
	client = nullptr;
	EXPECT_EQ(job->wait, nullptr);
	EXPECT_EQ(job->n_pending, 0U);
	job_free(job);
}

TEST_F(DpClientTest, ForgottenJobIsNeverTouchedAgain) {
	struct job *job = job_new();

	start();
	exchange();
	submit(5, 20000, job);
	dp_client_push(client);
	dp_client_forget(client, job);
	EXPECT_EQ(job->n_pending, 0U);
	EXPECT_EQ(job->wait, nullptr);
	job_free(job);
	job_drain_free_list();
	exchange();
	EXPECT_TRUE(done.empty());
	EXPECT_EQ(acked.size(), 1U); // the request itself went on
	EXPECT_FALSE(dp_client_busy(client));
	EXPECT_EQ(counter(DP_C_timeouts), 1U);
}

// Makes 10,000 requests for one worker while nobody serves.
TEST_F(DpClientTest, FullRingQueuesAndDrainsInOrder) {
	const uint64_t n = 10000;

	start();
	exchange();
	for (uint64_t i = 0; i < n; i++)
		ASSERT_EQ(submit(i + 1, (uint16_t)(20000 + i % 100)), 0);
	dp_client_push(client);
	EXPECT_EQ(counter(DP_C_ring_full), 1U);
	for (int i = 0; i < 20 && dp_client_busy(client); i++)
		exchange();
	EXPECT_FALSE(dp_client_busy(client));
	ASSERT_EQ(dp.seen.size(), n);
	for (uint64_t i = 0; i < n; i++)
		ASSERT_EQ(dp.seen[i].uid, i + 1);
	EXPECT_EQ(acked.size(), n);
}

TEST_F(DpClientTest, WindowOfUnansweredRequestsIsBounded) {
	const unsigned int window = RR_REQUEST_RING_SLOTS + RR_REPLY_RING_SLOTS;
	uint32_t lane = 0;
	unsigned int n = 0;

	start();
	exchange();
	lane = dp_client_worker(client, 20000);
	for (unsigned int i = 0; i < 2 * window; i++)
		ASSERT_EQ(submit(i + 1, 20000), 0);
	for (int i = 0; i < 10; i++) {
		dp_client_push(client);
		n += dp.swallow(lane);
	}
	EXPECT_EQ(n, window);
}

TEST_F(DpClientTest, QueueIsBoundedAndAsksForAResync) {
	int ret = 0;
	uint64_t n = 0;

	start();
	exchange();
	EXPECT_FALSE(dp_client_take_overflow(client));
	EXPECT_TRUE(dp_client_has_room(client));
	while ((ret = submit(++n, 20000)) == 0)
		ASSERT_LT(n, 10000000U);
	EXPECT_EQ(ret, -ENOBUFS);
	EXPECT_EQ(counter(DP_C_queue_full), 1U);
	EXPECT_FALSE(dp_client_has_room(client));
	EXPECT_TRUE(dp_client_take_overflow(client));
	EXPECT_FALSE(dp_client_take_overflow(client));
}

// ---- nonsense
// ------------------------------------------------------------------------------------

TEST_F(DpClientTest, RepliesThatAnswerNothingAreDroppedAndCounted) {
	struct rr_reply reply = {};

	start();
	exchange();
	submit(5, 20000);
	dp_client_push(client); // number 2 of each lane, after the barrier
	uint32_t lane = dp_client_worker(client, 20000);

	reply.op = RR_REQUEST_FLOW_SET;
	reply.uid = 5;
	reply.id = UINT64_C(2) << 32 | 1; // of an earlier control
	dp.say_reply(lane, reply);
	reply.id = UINT64_C(3) << 32 | 0; // answered long ago
	dp.say_reply(lane, reply);
	reply.id = UINT64_C(3) << 32 | 77; // never sent
	dp.say_reply(lane, reply);
	reply.id = UINT64_C(3) << 32 | (1 + RR_REQUEST_RING_SLOTS + RR_REPLY_RING_SLOTS);
	dp.say_reply(lane, reply); // nor this one, which would stand in the same place
	reply.id = UINT64_C(3) << 32 | 1;
	reply.uid = 6; // not of this uid
	dp.say_reply(lane, reply);
	reply.uid = 5;
	reply.op = RR_REQUEST_FLOW_DEL; // nor of this kind
	dp.say_reply(lane, reply);
	dp_client_poll(client);
	EXPECT_EQ(counter(DP_C_replies_stale), 6U);
	EXPECT_TRUE(acked.empty());
	reply.op = RR_REQUEST_FLOW_SET;
	dp.say_reply(lane, reply); // this is it
	dp.say_reply(lane, reply); // and once more
	dp_client_poll(client);
	EXPECT_EQ(acked.size(), 1U);
	EXPECT_EQ(counter(DP_C_replies_stale), 7U);
}

TEST_F(DpClientTest, RingIndexesOutOfRangeAreCountedAndHarmNobody) {
	start();
	exchange();
	struct rr_shm_worker *w = &dp.region.workers[dp_client_worker(client, 20000)];

	w->reply_ring.tail += 1000000;
	w->event_ring.tail += 1000000;
	dp_client_poll(client);
	EXPECT_EQ(counter(DP_C_ring_broken), 2U);
	w->reply_ring.tail -= 1000000;
	w->event_ring.tail -= 1000000;
	uint32_t head = w->request_ring.head;

	for (int i = 0; i < RR_REQUEST_RING_SLOTS + 1; i++)
		submit(5, 20000);
	w->request_ring.head = head - 1000000;
	dp_client_push(client);
	EXPECT_EQ(counter(DP_C_ring_broken), 3U);
	w->request_ring.head = head;
	for (int i = 0; i < 3; i++)
		exchange();
	EXPECT_FALSE(dp_client_busy(client));
}

TEST_F(DpClientTest, EventsOfForeignSlotsAreDropped) {
	struct rr_event event = {};

	start();
	event.type = RR_EVENT_LEARNED;
	event.slot = dp.region.n_flows;
	dp.say_event(0, event);
	event.slot = 0;
	dp.say_event(0, event);
	dp_client_poll(client);
	EXPECT_EQ(events.size(), 1U);
	EXPECT_EQ(counter(DP_C_events_unknown), 1U);
}

struct BadEvent {
	const char *what;
	void (*breaks)(struct rr_event &);
};

const BadEvent bad_events[] = {
	{"type 0", [](struct rr_event &e) { e.type = 0; }},
	{"type past the last", [](struct rr_event &e) { e.type = 2; }},
	{"flags of a request", [](struct rr_event &e) { e.flags |= RR_SET_SAFE; }},
	{"unknown flag", [](struct rr_event &e) { e.flags |= RR_SET_FLAGS + 1; }},
	{"guess for RTP", [](struct rr_event &e) { e.slot = 0; }},
	{"guess without address", [](struct rr_event &e) { e.flags = RR_SET_GUESSED; }},
	{"no family", [](struct rr_event &e) { e.learned.family = 0; }},
	{"family 5", [](struct rr_event &e) { e.learned.family = 5; }},
	{"bytes behind IPv4", [](struct rr_event &e) { e.learned.addr[15] = 1; }},
	{"address 0.0.0.0", [](struct rr_event &e) { e.learned.addr[0] = 0; }},
	{"reserved byte", [](struct rr_event &e) { e.learned.reserved[4] = 1; }},
};

// What control keeps of an event it sends back with every SET, which the dataplane would refuse.
TEST_F(DpClientTest, EventsAreRefusedFieldByField) {
	struct rr_event good = {};
	uint64_t n = 0;

	start();
	good.type = RR_EVENT_LEARNED;
	good.slot = 1;
	good.flags = RR_SET_LEARNED | RR_SET_GUESSED;
	good.learned.family = RR_FAMILY_IPV4;
	good.learned.addr[0] = 9;
	for (const BadEvent &bad : bad_events) {
		struct rr_event event = good;

		bad.breaks(event);
		dp.say_event(0, event);
		dp_client_poll(client);
		EXPECT_EQ(events.size(), 0U) << bad.what;
		EXPECT_EQ(counter(DP_C_events_unknown), ++n) << bad.what;
	}
	dp.say_event(0, good);
	dp_client_poll(client);
	EXPECT_EQ(events.size(), 1U);
}

TEST_F(DpClientTest, OwnerThatDoesNotExistIsNotBelieved) {
	start();
	memset(dp.region.header->bucket_owner, 200, RR_N_BUCKETS);
	EXPECT_LT(dp_client_worker(client, 20000), 2U);
}

// ---- restarts
// ------------------------------------------------------------------------------------

TEST_F(DpClientTest, NewGenerationSendsAgainWhatJobsWaitForAndDropsTheRest) {
	struct job *job = job_new();

	start();
	exchange();
	submit(5, 20000, job);
	submit(6, 20002);
	dp_client_push(client);
	// The dataplane dies with both in its ring, and comes back to the same region.
	dp.stop();
	dp.start(&cfg, now);
	EXPECT_TRUE(dp.adopted);
	watch();
	EXPECT_EQ(counter(DP_C_generations), 2U);
	EXPECT_FALSE(dp_client_settled(client));
	submit(7, 20004);
	for (int i = 0; i < 3; i++)
		exchange();
	EXPECT_EQ(n_settled, 2);
	ASSERT_EQ(done.size(), 1U);
	EXPECT_EQ(n_leaving, 0);
	std::vector<uint64_t> uids;

	for (const auto &a : acked)
		uids.push_back(a.first.uid);
	EXPECT_EQ(uids, (std::vector<uint64_t>{5, 7}));
	EXPECT_EQ(dp.n_stale, 2U) << "5 and 6 were still in the ring, meant for the last one";
	EXPECT_EQ(counter(DP_C_replies_stale), 0U);
	EXPECT_FALSE(dp_client_busy(client));
	job_free(job);
}

TEST_F(DpClientTest, RepliesOfTheLastGenerationStillCount) {
	struct job *job = job_new();

	start();
	exchange();
	submit(5, 20000, job);
	dp_client_push(client);
	dp.serve(now); // answered, not yet taken
	dp.stop();
	dp.start(&cfg, now);
	watch();
	EXPECT_EQ(done.size(), 1U);
	job_free(job);
}

TEST_F(DpClientTest, ReplacedRegionIsReadOnceMoreThenLeft) {
	struct job *job = job_new();
	char path[RR_PATH_LEN + 64];

	start();
	submit(5, 20000);
	exchange();
	submit(6, 20002, job);
	dp_client_push(client);
	rr_region_path(&cfg, path, sizeof(path));
	dp.stop();
	ASSERT_EQ(unlink(path), 0);
	dp.start(&cfg, now);
	EXPECT_FALSE(dp.adopted);
	watch();
	EXPECT_EQ(n_leaving, 1);
	EXPECT_EQ(uid_while_leaving, 5U);
	EXPECT_EQ(dp_client_region(client)->region_id, dp.region.region_id);
	exchange();
	EXPECT_EQ(done.size(), 1U);
	EXPECT_EQ(n_settled, 2);
	EXPECT_EQ(dp.seen.back().uid, 6U);
	job_free(job);
}

TEST_F(DpClientTest, RegionThatWentAwayIsKeptUntilThereIsAnother) {
	char path[RR_PATH_LEN + 64];

	start();
	exchange();
	rr_region_path(&cfg, path, sizeof(path));
	ASSERT_EQ(unlink(path), 0);
	watch();
	EXPECT_NE(dp_client_region(client), nullptr);
	EXPECT_EQ(n_leaving, 0);
}

TEST_F(DpClientTest, AFileThatIsNoRegionIsLeftAlone) {
	char path[RR_PATH_LEN + 64];

	rr_region_path(&cfg, path, sizeof(path));
	std::filesystem::create_directories(cfg.run_dir);
	FILE *f = fopen(path, "w");
	fputs("no region", f);
	fclose(f);
	watch();
	EXPECT_EQ(dp_client_region(client), nullptr);
}

TEST_F(DpClientTest, AliveMeansRunningAndSayingSo) {
	start();
	EXPECT_TRUE(dp_client_alive(client, now));
	EXPECT_FALSE(dp_client_alive(client, now + 4 * SECOND));
	dp.region.header->dp_state = RR_DP_STOPPED;
	EXPECT_FALSE(dp_client_alive(client, now));
}

// ---- flows
// ---------------------------------------------------------------------------------------

TEST_F(DpClientTest, FlowIsReadUnderItsUidOnly) {
	struct rr_flow f;
	struct rr_flow_cold c;

	EXPECT_EQ(dp_client_read_flow(client, {0, 20000}, 5, &f, &c), -ENOTCONN);
	start();
	EXPECT_EQ(dp_client_read_flow(client, {0, 20000}, 5, &f, &c), -ENOENT);
	submit(5, 20000);
	exchange();
	EXPECT_EQ(dp_client_read_flow(client, {0, 20000}, 5, &f, &c), 0);
	EXPECT_EQ(dp_client_read_flow(client, {0, 20000}, 6, &f, &c), -ENOENT);
	EXPECT_EQ(dp_client_read_flow(client, {DP_NO_ADDR, 20000}, 5, &f, &c), -ENOENT);
	dp.flow(rr_region_slot(&dp.region, 0, 20000))->seq |= 1; // its owner died in the middle
	EXPECT_EQ(dp_client_read_flow(client, {0, 20000}, 5, &f, &c), -EAGAIN);
}

TEST_F(DpClientTest, StraysAreDeletedByTheirOwner) {
	start();
	submit(5, 20002, nullptr, 20000);
	exchange();
	dp.seen.clear();
	uint32_t slot = rr_region_slot(&dp.region, 0, 20002);

	ASSERT_EQ(dp_client_delete_stray(client, slot), 0);
	EXPECT_EQ(dp_client_n_background(client), 1U);
	exchange();
	ASSERT_EQ(dp.seen.size(), 1U);
	EXPECT_EQ(dp.seen[0].op, RR_REQUEST_FLOW_DEL);
	EXPECT_EQ(dp.seen[0].uid, 5U);
	EXPECT_EQ(dp.n_installed(), 0U);
	EXPECT_EQ(dp_client_n_background(client), 0U);
	EXPECT_EQ(dp_client_delete_stray(client, dp.region.n_flows), -ERANGE);
}

} // namespace
