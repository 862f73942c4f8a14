// SPDX-License-Identifier: BSD-2-Clause
// Port pairs: every one handed out once, at random, at any fill level, and resting after release.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "clock.h"
#include "port_alloc.h"
#include "shm_region.h"

static uint32_t from_mt(void *arg) {
	return (*static_cast<std::mt19937 *>(arg))();
}

static const int NONE = -1;

class PortAlloc : public ::testing::Test {
      protected:
	std::mt19937 random{12345};
	struct port_alloc *pa = nullptr;
	uint64_t now_ns = 100 * RR_NS_PER_S;
	struct port_alloc_params params = {};

	void SetUp() override {
		params.n_addrs = 1;
		params.port_min = 20000;
		params.port_max = 29999;
		params.random32 = from_mt;
		params.random_arg = &random;
	}
	void TearDown() override {
		port_alloc_free(pa);
	}
	void make() {
		ASSERT_EQ(port_alloc_new(&pa, &params), 0);
	}
	// The port, or NONE.
	int take(uint32_t worker = PORT_ALLOC_ANY_WORKER, uint32_t addr = 0) {
		uint16_t port = 0;
		int rc = port_alloc_take(pa, addr, worker, now_ns, &port);

		EXPECT_TRUE(rc == 0 || rc == -ENOSPC) << rc;
		return rc == 0 ? port : NONE;
	}
	int release(int port, uint32_t addr = 0) {
		return port_alloc_release(pa, addr, (uint16_t)port, now_ns);
	}
	struct port_alloc_stats stats(uint32_t addr = 0) {
		struct port_alloc_stats st = {};

		EXPECT_EQ(port_alloc_get_stats(pa, addr, &st), 0);
		EXPECT_EQ(st.n_free + st.n_resting + st.n_taken, st.n_pairs);
		return st;
	}
	std::vector<uint16_t> take_all() {
		std::vector<uint16_t> ports;

		while (port_alloc_n_available(pa, 0) > 0)
			ports.push_back((uint16_t)take());
		return ports;
	}
};

TEST_F(PortAlloc, HandsOutEveryPairOnceAndThenRefuses) {
	make();
	std::vector<uint16_t> ports = take_all();
	std::set<uint16_t> distinct(ports.begin(), ports.end());

	EXPECT_EQ(ports.size(), 5000u);
	EXPECT_EQ(distinct.size(), 5000u);
	EXPECT_EQ(*distinct.begin(), 20000);
	EXPECT_EQ(*distinct.rbegin(), 29998);
	for (uint16_t port : ports)
		ASSERT_EQ(port % 2, 0);
	EXPECT_EQ(take(), NONE);
	EXPECT_EQ(stats().n_refused, 1u);
	EXPECT_EQ(stats().n_taken, 5000u);
	EXPECT_EQ(stats().n_taken_early, 0u);
}

TEST_F(PortAlloc, RefusesWhatCanNotWork) {
	params.n_addrs = 0;
	EXPECT_EQ(port_alloc_new(&pa, &params), -EINVAL);
	params.n_addrs = 1;
	params.port_min = 20001;
	EXPECT_EQ(port_alloc_new(&pa, &params), -EINVAL);
	params.port_min = 20000;
	params.port_max = 20000;
	EXPECT_EQ(port_alloc_new(&pa, &params), -EINVAL);
	params.port_max = 65536;
	EXPECT_EQ(port_alloc_new(&pa, &params), -EINVAL);
	uint8_t owners[RR_N_BUCKETS] = {RR_MAX_WORKERS};
	params.port_max = 20001;
	params.bucket_owner = owners;
	EXPECT_EQ(port_alloc_new(&pa, &params), -EINVAL);
}

TEST_F(PortAlloc, WidestAndNarrowestRange) {
	params.port_min = 0;
	params.port_max = 65535;
	make();
	EXPECT_EQ(stats().n_pairs, 32768u);
	EXPECT_EQ(take_all().size(), 32768u);
	port_alloc_free(pa);
	params.port_min = 20000;
	params.port_max = 20001;
	make();
	EXPECT_EQ(take(), 20000);
	EXPECT_EQ(take(), NONE);
	port_alloc_free(pa);
	// An odd end leaves its last pair out when the RTCP port would not fit.
	params.port_max = 20010;
	make();
	EXPECT_EQ(stats().n_pairs, 5u);
}

TEST_F(PortAlloc, AddressesAreIndependent) {
	params.n_addrs = 3;
	params.port_max = 20003;
	make();
	EXPECT_NE(take(PORT_ALLOC_ANY_WORKER, 1), NONE);
	EXPECT_NE(take(PORT_ALLOC_ANY_WORKER, 1), NONE);
	EXPECT_EQ(take(PORT_ALLOC_ANY_WORKER, 1), NONE);
	EXPECT_NE(take(PORT_ALLOC_ANY_WORKER, 2), NONE);
	EXPECT_EQ(port_alloc_n_available(pa, 0), 2u);
	EXPECT_EQ(port_alloc_n_available(pa, 1), 0u);
	EXPECT_EQ(port_alloc_n_available(pa, 2), 1u);
	EXPECT_EQ(port_alloc_n_available(pa, 3), 0u);
	uint16_t port;
	EXPECT_EQ(port_alloc_take(pa, 3, 0, now_ns, &port), -ERANGE);
	EXPECT_EQ(port_alloc_take_specific(pa, 3, 20000), -ERANGE);
	EXPECT_EQ(port_alloc_release(pa, 3, 20000, now_ns), -ERANGE);
	struct port_alloc_stats st;
	EXPECT_EQ(port_alloc_get_stats(pa, 3, &st), -ERANGE);
}

TEST_F(PortAlloc, EveryFillLevelGivesUniformPorts) {
	params.port_max = 20511; // 256 pairs
	for (unsigned int n_held : {0u, 64u, 128u, 230u, 254u}) {
		make();
		std::set<uint16_t> held;
		std::map<int, unsigned int> seen;
		while (held.size() < n_held)
			held.insert((uint16_t)take());
		unsigned int n_left = 256 - n_held;
		unsigned int n_draws = 200 * n_left;
		for (unsigned int i = 0; i < n_draws; i++) {
			int port = take();
			ASSERT_EQ(held.count((uint16_t)port), 0u);
			seen[port]++;
			release(port);
		}
		// Chi-square against uniform; mean n-1, standard deviation sqrt(2(n-1)). The draws
		// come from a fixed seed, so this is no matter of luck.
		double chi = 0;
		for (auto &entry : seen)
			chi += (entry.second - 200.0) * (entry.second - 200.0) / 200.0;
		EXPECT_EQ(seen.size(), n_left);
		EXPECT_LT(chi, n_left - 1 + 4 * std::sqrt(2.0 * (n_left - 1)) + 0.01) << n_held;
		port_alloc_free(pa);
		pa = nullptr;
	}
}

static uint32_t n_draws;

static uint32_t counted(void *arg) {
	n_draws++;
	return from_mt(arg);
}

// An allocator that looks for a free port by trial draws ten times at 90 %.
TEST_F(PortAlloc, OneDrawIsEnoughAtAnyFillLevel) {
	uint8_t owners[RR_N_BUCKETS];

	for (int i = 0; i < RR_N_BUCKETS; i++)
		owners[i] = (uint8_t)(i % 4);
	params.bucket_owner = owners;
	params.random32 = counted;
	for (uint32_t worker : {0U, PORT_ALLOC_ANY_WORKER}) {
		make();
		n_draws = 0;
		for (uint32_t n = 1; n <= 5000; n++) {
			ASSERT_NE(take(worker), NONE);
			ASSERT_EQ(n_draws, n);
		}
		port_alloc_free(pa);
		pa = nullptr;
	}
}

static uint32_t from_script(void *arg) {
	auto *script = static_cast<std::vector<uint32_t> *>(arg);
	uint32_t value = script->back();

	script->pop_back();
	return value;
}

TEST_F(PortAlloc, DrawThatWouldFavourAPairIsRepeated) {
	// 2^32 is no multiple of 3: one of its values has to go, or the first pair gets it.
	std::vector<uint32_t> script = {UINT32_MAX, 0};

	params.port_max = 20005;
	params.random32 = from_script;
	params.random_arg = &script;
	make();
	EXPECT_EQ(take(), 20004);
	EXPECT_TRUE(script.empty());
}

TEST_F(PortAlloc, KernelRandomnessIsTheDefault) {
	params.random32 = nullptr;
	make();
	std::vector<uint16_t> first;
	for (int i = 0; i < 100; i++)
		first.push_back((uint16_t)take());
	port_alloc_free(pa);
	make();
	std::vector<uint16_t> second;
	for (int i = 0; i < 100; i++)
		second.push_back((uint16_t)take());
	EXPECT_NE(first, second);
	EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST_F(PortAlloc, ReleaseKnowsWhatWasTaken) {
	make();
	int port = take();
	EXPECT_EQ(release(port), 0);
	EXPECT_EQ(release(port), -EALREADY);
	EXPECT_EQ(release(19998), -ERANGE);
	EXPECT_EQ(release(30000), -ERANGE);
	EXPECT_EQ(release(20001), -ERANGE);
	EXPECT_EQ(stats().n_free, 5000u);
}

TEST_F(PortAlloc, TakesAKnownPair) {
	make();
	EXPECT_EQ(port_alloc_take_specific(pa, 0, 20002), 0);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, 20002), -EBUSY);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, 20003), -ERANGE);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, 30000), -ERANGE);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, 19998), -ERANGE);
	std::vector<uint16_t> rest = take_all();
	EXPECT_EQ(rest.size(), 4999u);
	EXPECT_EQ(std::count(rest.begin(), rest.end(), 20002), 0);
	EXPECT_EQ(release(20002), 0);
	EXPECT_EQ(take(), 20002);
}

// ---- rest
// ----------------------------------------------------------------------------------------

TEST_F(PortAlloc, ReleasedPairRests) {
	params.port_max = 20007; // 4 pairs
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	int port = take();
	release(port);
	EXPECT_EQ(stats().n_resting, 1u);
	now_ns += 999 * RR_NS_PER_MS;
	for (int i = 0; i < 3; i++)
		EXPECT_NE(take(), port);
	EXPECT_EQ(stats().n_free, 0u);
	now_ns += 1 * RR_NS_PER_MS;
	EXPECT_EQ(take(), port);
	EXPECT_EQ(stats().n_taken_early, 0u);
}

TEST_F(PortAlloc, RestingPairsAreUsedOldestFirstBeforeACallIsRefused) {
	params.port_max = 20007;
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	std::vector<uint16_t> ports = take_all();
	for (uint16_t port : {ports[2], ports[0], ports[3]}) {
		release(port);
		now_ns += RR_NS_PER_MS;
	}
	EXPECT_EQ(take(), ports[2]);
	EXPECT_EQ(take(), ports[0]);
	EXPECT_EQ(stats().n_taken_early, 2u);
	EXPECT_EQ(take(), ports[3]);
	EXPECT_EQ(take(), NONE);
	EXPECT_EQ(stats().n_taken_early, 3u);
	EXPECT_EQ(stats().n_refused, 1u);
}

TEST_F(PortAlloc, AddressIsIdleWhenTheLastOfItHasRested) {
	params.port_max = 20007;
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	EXPECT_TRUE(port_alloc_is_idle(pa, 0, now_ns));
	int first = take();
	int last = take();
	release(first);
	now_ns += 1000 * RR_NS_PER_MS;
	EXPECT_FALSE(port_alloc_is_idle(pa, 0, now_ns)) << "one is taken";
	release(last);
	EXPECT_FALSE(port_alloc_is_idle(pa, 0, now_ns + 999 * RR_NS_PER_MS));
	EXPECT_TRUE(port_alloc_is_idle(pa, 0, now_ns + 1000 * RR_NS_PER_MS));
	EXPECT_TRUE(port_alloc_is_idle(pa, 7, now_ns)) << "it is not there";
}

TEST_F(PortAlloc, TotalCountsOnWhenAnAddressIsRemoved) {
	struct port_alloc_stats total;

	params.n_addrs = 2;
	params.port_max = 20001; // 1 pair
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	for (uint32_t addr = 0; addr < 2; addr++) {
		release(take(0, addr), addr);
		take(0, addr);
		EXPECT_EQ(take(0, addr), NONE);
	}
	for (uint32_t i = 0; i < 3; i++) {
		port_alloc_remove(pa, 1);
		port_alloc_get_total(pa, &total);
		EXPECT_EQ(total.n_taken_early, 2u);
		EXPECT_EQ(total.n_refused, 2u);
		EXPECT_EQ(total.n_pairs, 1u);
		EXPECT_EQ(total.n_taken, 1u);
	}
	ASSERT_EQ(port_alloc_add(pa, 1), 0);
	EXPECT_EQ(stats(1).n_refused, 0u) << "another address";
	port_alloc_get_total(pa, &total);
	EXPECT_EQ(total.n_refused, 2u);
	EXPECT_EQ(total.n_free, 1u);
}

TEST_F(PortAlloc, KnownPairIsTakenOutOfItsRest) {
	params.port_max = 20007;
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	std::vector<uint16_t> ports = take_all();
	for (uint16_t port : ports)
		release(port);
	// From the middle, the head and the tail of those that rest.
	EXPECT_EQ(port_alloc_take_specific(pa, 0, ports[1]), 0);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, ports[0]), 0);
	EXPECT_EQ(port_alloc_take_specific(pa, 0, ports[3]), 0);
	EXPECT_EQ(stats().n_resting, 1u);
	EXPECT_EQ(take(), ports[2]);
	EXPECT_EQ(take(), NONE);
}

TEST_F(PortAlloc, ManyRestedPairsAreNotEarly) {
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	std::vector<uint16_t> ports = take_all();
	for (uint16_t port : ports)
		release(port);
	now_ns += 1000 * RR_NS_PER_MS;
	EXPECT_EQ(take_all().size(), 5000u);
	EXPECT_EQ(stats().n_taken_early, 0u);
}

TEST_F(PortAlloc, RestSurvivesTheWrapOfItsClock) {
	params.port_max = 20003; // 2 pairs
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	now_ns = ((1ull << 30) - 500) * RR_NS_PER_MS;
	int port = take();
	release(port);
	now_ns += 999 * RR_NS_PER_MS;
	EXPECT_NE(take(), port);
	now_ns += 1 * RR_NS_PER_MS;
	EXPECT_EQ(take(), port);
	EXPECT_EQ(stats().n_taken_early, 0u);
}

// ---- owners
// --------------------------------------------------------------------------------------

static uint32_t owner_of(const uint8_t *owners, int port) {
	return owners[rr_port_bucket((uint32_t)port)];
}

TEST_F(PortAlloc, PrefersAPairOfTheWorker) {
	uint8_t owners[RR_N_BUCKETS];
	for (int i = 0; i < RR_N_BUCKETS; i++)
		owners[i] = (uint8_t)(i % 3);
	params.bucket_owner = owners;
	params.port_max = 20127; // 64 pairs, one a bucket
	make();
	for (uint32_t w : {0u, 1u, 2u}) {
		uint32_t n_own = (uint32_t)std::count(owners, owners + RR_N_BUCKETS, w);
		for (uint32_t i = 0; i < n_own; i++)
			EXPECT_EQ(owner_of(owners, take(w)), w);
	}
	EXPECT_EQ(take(0), NONE);
}

TEST_F(PortAlloc, FallsBackToAnyWorker) {
	uint8_t owners[RR_N_BUCKETS] = {};
	owners[0] = 1;
	params.bucket_owner = owners;
	params.port_min = 0;
	params.port_max = 127;
	make();
	EXPECT_EQ(owner_of(owners, take(1)), 1u);
	for (int i = 0; i < 63; i++)
		EXPECT_EQ(owner_of(owners, take(1)), 0u);
	EXPECT_EQ(take(1), NONE);
	// A worker that owns nothing, and one that does not exist.
	release(4);
	EXPECT_EQ(take(5), 4);
	release(4);
	EXPECT_EQ(take(1000), 4);
}

TEST_F(PortAlloc, AnyWorkerIsUniformOverAllOwners) {
	uint8_t owners[RR_N_BUCKETS] = {};
	owners[0] = 1; // owns one pair in 64
	params.bucket_owner = owners;
	params.port_min = 0;
	params.port_max = 127;
	make();
	unsigned int n_rare = 0;
	for (int i = 0; i < 64000; i++) {
		int port = take();
		n_rare += owner_of(owners, port) == 1;
		release(port);
	}
	EXPECT_NEAR(n_rare, 1000, 130); // four standard deviations
}

// ---- sequential
// ----------------------------------------------------------------------------------

TEST_F(PortAlloc, SequentialAscendsAndWraps) {
	params.sequential = true;
	params.port_max = 20009; // 5 pairs
	make();
	for (uint16_t port : {20000, 20002, 20004})
		EXPECT_EQ(take(), port);
	release(20000);
	release(20002);
	for (uint16_t port : {20006, 20008, 20000, 20002})
		EXPECT_EQ(take(), port);
	EXPECT_EQ(take(), NONE);
	release(20006);
	release(20000);
	EXPECT_EQ(take(), 20006);
	EXPECT_EQ(take(), 20000);
}

TEST_F(PortAlloc, SequentialKeepsToOneOrderWhateverTheWorker) {
	uint8_t owners[RR_N_BUCKETS];
	for (int i = 0; i < RR_N_BUCKETS; i++)
		owners[i] = (uint8_t)(i % 2);
	params.bucket_owner = owners;
	params.sequential = true;
	make();
	for (uint16_t port = 20000; port < 20040; port += 2)
		EXPECT_EQ(take(port / 4 % 2), port);
}

TEST_F(PortAlloc, SequentialUsesRestingPairsInASecondPass) {
	params.sequential = true;
	params.port_max = 20009;
	params.rest_ns = 1000 * RR_NS_PER_MS;
	make();
	for (int i = 0; i < 4; i++)
		take();
	release(20004);
	release(20000);
	EXPECT_EQ(take(), 20008);
	EXPECT_EQ(stats().n_taken_early, 0u);
	EXPECT_EQ(take(), 20000);
	EXPECT_EQ(take(), 20004);
	EXPECT_EQ(stats().n_taken_early, 2u);
	EXPECT_EQ(take(), NONE);
}

TEST_F(PortAlloc, SequentialFindsALonePairAnywhere) {
	params.sequential = true;
	params.port_min = 0;
	params.port_max = 65535;
	make();
	take_all();
	for (uint16_t port : {65534, 0, 126, 128, 8190, 8192, 32766, 40000}) {
		release(port);
		EXPECT_EQ(take(), port);
	}
}

TEST_F(PortAlloc, SequentialStepsOverFullStretchesToAFreeOne) {
	params.sequential = true;
	params.port_min = 0;
	params.port_max = 65535;
	make();
	for (uint16_t port = 0; port < 9000; port += 2) {
		EXPECT_EQ(port_alloc_take_specific(pa, 0, port), 0);
	}
	EXPECT_EQ(take(), 9000);
	EXPECT_EQ(take(), 9002);
}

// ---- against a model
// -----------------------------------------------------------------------------

TEST_F(PortAlloc, AgreesWithAModel) {
	for (bool sequential : {false, true}) {
		params.sequential = sequential;
		params.port_max = 20127;
		params.rest_ns = 50 * RR_NS_PER_MS;
		make();
		std::set<uint16_t> taken;
		for (int step = 0; step < 20000; step++) {
			now_ns += random() % (3 * RR_NS_PER_MS);
			uint16_t any = (uint16_t)(20000 + 2 * (random() % 64));
			switch (random() % 3) {
			case 0: {
				int port = take();
				ASSERT_EQ(port != NONE, taken.size() < 64);
				if (port != NONE) {
					ASSERT_TRUE(taken.insert((uint16_t)port).second);
				}
				break;
			}
			case 1:
				ASSERT_EQ(release(any), taken.erase(any) ? 0 : -EALREADY);
				break;
			default:
				ASSERT_EQ(port_alloc_take_specific(pa, 0, any),
					taken.insert(any).second ? 0 : -EBUSY);
			}
			ASSERT_EQ(stats().n_taken, taken.size());
		}
		port_alloc_free(pa);
		pa = nullptr;
	}
}

TEST_F(PortAlloc, AddressesComeAndGo) {
	uint16_t port;

	params.sequential = true;
	make();
	EXPECT_EQ(port_alloc_take(pa, 7, PORT_ALLOC_ANY_WORKER, now_ns, &port), -ERANGE);
	EXPECT_EQ(port_alloc_add(pa, 7), 0);
	ASSERT_NE(take(PORT_ALLOC_ANY_WORKER, 7), NONE);
	EXPECT_EQ(port_alloc_add(pa, 7), 0) << "it is there";
	EXPECT_EQ(stats(7).n_taken, 1U);
	EXPECT_EQ(stats(0).n_taken, 0U);
	port_alloc_remove(pa, 7);
	EXPECT_EQ(port_alloc_release(pa, 7, 20000, now_ns), -ERANGE);
	EXPECT_EQ(port_alloc_take_specific(pa, 7, 20000), -ERANGE);
	EXPECT_FALSE(port_alloc_has_free(pa, 7, now_ns));
	EXPECT_EQ(port_alloc_longest_rest_ms(pa, 7, now_ns), -1);
	port_alloc_remove(pa, 7);
	EXPECT_EQ(port_alloc_add(pa, 7), 0);
	EXPECT_EQ(stats(7).n_taken, 0U);
	EXPECT_EQ(port_alloc_add(pa, RR_MAX_ADDRS), -ERANGE);
}
