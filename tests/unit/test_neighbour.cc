// SPDX-License-Identifier: BSD-2-Clause
// The table of next hops over time: asked for, answered, kept fresh, given up, full.
//
// Story: one realm with a gateway and a static neighbour, one without a gateway. A worker's view
// and the main thread's calls alternate in one thread, and the clock is a number that the test
// moves. Not covered: the two sides at the same time.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "clock.h"

extern "C" {
#include "neighbour.h"
#include "port.h"
}

namespace {

constexpr uint64_t MS = RR_NS_PER_MS, S = RR_NS_PER_S;

class Eal : public ::testing::Environment {
	void SetUp() override {
		const char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci",
			"--no-telemetry", "-m", "64", "--log-level=error", "--lcores=0"};
		std::vector<char *> v;

		for (const char *a : args)
			v.push_back(const_cast<char *>(a));
		ASSERT_LE(0, rte_eal_init((int)v.size(), v.data()));
	}
	void TearDown() override {
		rte_eal_cleanup();
	}
};

const auto *eal RR_UNUSED = ::testing::AddGlobalTestEnvironment(new Eal);

using Addr = std::array<uint8_t, 16>;

Addr v4(uint8_t c, uint8_t d) {
	return Addr{198, 18, c, d};
}

rte_ether_addr mac_of(uint8_t last) {
	return {{2, 0, 0, 0, 0, last}};
}

struct Probe {
	neighbour_key key;
	bool unicast;
};

class Neighbour : public ::testing::Test {
      protected:
	void SetUp() override {
		cfg = std::make_unique<rr_config>();
		addrs = std::make_unique<addr_table>();
		for (addr_table_slot &slot : addrs->slots)
			slot.index = ADDR_NONE;
		cfg->n_realms = 2;
		for (int r = 0; r < 2; r++) {
			rr_net_config *net = &cfg->realm[r].ipv4;

			net->n_pool = 1;
			net->prefix.family = RR_FAMILY_IPV4;
			std::memcpy(net->prefix.addr, v4((uint8_t)r, 0).data(), 16);
			net->prefix_len = 24;
		}
		cfg->realm[0].ipv4.gateway.family = RR_FAMILY_IPV4;
		std::memcpy(cfg->realm[0].ipv4.gateway.addr, v4(0, 1).data(), 16);
		cfg->realm[0].ipv4.n_neighbours = 1;
		rr_neighbour_config *known = &cfg->realm[0].ipv4.neighbours[0];
		known->addr.family = RR_FAMILY_IPV4;
		std::memcpy(known->addr.addr, v4(0, 7).data(), 16);
		std::memcpy(known->mac, mac_of(7).addr_bytes, 6);
		cfg->realm[0].ipv6.n_pool = 1;
		cfg->realm[0].ipv6.prefix_len = 61;
		std::memcpy(cfg->realm[0].ipv6.prefix.addr, "\x20\x01\x0d\xb8\0\0\0\x08", 8);
		ASSERT_EQ(0, neighbour_init(&table, cfg.get(), addrs.get(), 2, &n_full));
		view = neighbour_view_of(&table, 1);
	}

	void TearDown() override {
		neighbour_fini(&table);
	}

	// The only local address.
	void own(uint8_t realm, const Addr &addr) {
		auto ports = std::make_unique<port_set>();

		ports->n = 1;
		ports->port[0].mtu = 1500;
		cfg->n_addrs = 1;
		cfg->addr[0] = {};
		cfg->addr[0].family = RR_FAMILY_IPV4;
		cfg->addr[0].realm = realm;
		std::memcpy(cfg->addr[0].addr, addr.data(), 16);
		ASSERT_EQ(0, addr_table_build(addrs.get(), cfg.get(), ports.get()));
	}

	static bool note(void *ctx, const neighbour_key *key, const rte_ether_addr *mac) {
		auto *self = static_cast<Neighbour *>(ctx);

		if (self->port_started)
			self->probes.push_back({*key, mac != nullptr});
		return self->port_started;
	}

	// The questions that are due now.
	std::vector<Probe> tick() {
		probes.clear();
		neighbour_wishes(&table, now, note, this);
		neighbour_tick(&table, now, note, this);
		return probes;
	}

	// Questions for one address only.
	std::vector<Probe> tick_for(const Addr &addr) {
		std::vector<Probe> mine;

		for (const Probe &p : tick())
			if (std::memcmp(p.key.addr, addr.data(), 16) == 0)
				mine.push_back(p);
		return mine;
	}

	void advance(uint64_t ns) {
		uint64_t end = now + ns;

		while (now < end) {
			now += 100 * MS;
			tick();
		}
	}

	uint32_t find(uint32_t realm, const Addr &addr) {
		return neighbour_find(&view, realm, RR_FAMILY_IPV4, addr.data());
	}

	// -errno, or the last byte of the MAC.
	int mac(uint32_t handle) {
		uint64_t m;
		int ret = neighbour_mac(&view, handle, &m);

		return ret < 0 ? ret : ((const uint8_t *)&m)[5];
	}

	neighbour_key key(uint32_t realm, const Addr &addr) {
		neighbour_key k = {};

		std::memcpy(k.addr, addr.data(), 16);
		k.family = RR_FAMILY_IPV4;
		k.realm = (uint8_t)realm;
		return k;
	}

	bool answer(uint32_t realm, const Addr &addr, uint8_t last, bool overrides = true) {
		neighbour_key k = key(realm, addr);
		rte_ether_addr m = mac_of(last);

		return neighbour_answer(&table, &k, &m, overrides, now);
	}

	bool hint(const Addr &addr, uint8_t last) {
		neighbour_key k = key(0, addr);
		rte_ether_addr m = mac_of(last);

		return neighbour_hint(&table, &k, &m, now);
	}

	// A resolved on-link neighbour of realm 0.
	uint32_t resolved(const Addr &addr, uint8_t last) {
		find(0, addr);
		tick();
		EXPECT_TRUE(answer(0, addr, last));
		return find(0, addr);
	}

	std::unique_ptr<rr_config> cfg;
	std::unique_ptr<addr_table> addrs;
	neighbour_table table = {};
	neighbour_view view = {};
	bool port_started = true;
	uint64_t n_full = 0;
	uint64_t now = 1000 * S;
	std::vector<Probe> probes;
};

TEST_F(Neighbour, StaticOneIsThereAndNeverAskedFor) {
	EXPECT_EQ(7, mac(find(0, v4(0, 7))));
	EXPECT_FALSE(answer(0, v4(0, 7), 66));
	for (int i = 0; i < 100; i++) {
		now += 10 * S;
		EXPECT_EQ(0u, tick_for(v4(0, 7)).size());
	}
	EXPECT_EQ(7, mac(find(0, v4(0, 7))));
}

TEST_F(Neighbour, GatewayIsAskedForAtStartAndForever) {
	auto first = tick();

	ASSERT_EQ(1u, first.size());
	EXPECT_EQ(0, std::memcmp(first[0].key.addr, v4(0, 1).data(), 16));
	EXPECT_FALSE(first[0].unicast);
	advance(300 * S);
	size_t n = 0;
	for (int i = 0; i < 400; i++) {
		now += 100 * MS;
		n += tick().size();
	}
	EXPECT_LE(1u, n);
	EXPECT_GE(2u, n);
	EXPECT_NE(RR_NEXTHOP_NONE, find(0, v4(0, 1)));
}

TEST_F(Neighbour, OffLinkGoesToTheGateway) {
	tick();
	ASSERT_TRUE(answer(0, v4(0, 1), 1));
	EXPECT_EQ(1, mac(find(0, v4(9, 9))));
	EXPECT_EQ(find(0, v4(0, 1)), find(0, v4(77, 1)));
}

TEST_F(Neighbour, OffLinkWithoutGatewayIsNowhere) {
	EXPECT_EQ(RR_NEXTHOP_NONE, find(1, v4(9, 9)));
	EXPECT_EQ(0u, tick_for(v4(9, 9)).size());
	EXPECT_EQ(RR_NEXTHOP_NONE, find(2, v4(0, 7))); // no such realm
}

TEST_F(Neighbour, PrefixEndsInsideAByte) {
	const uint8_t inside[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0x0f, 9};
	const uint8_t outside[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0x10, 9};
	const uint8_t link_local[16] = {0xfe, 0x80, 1};
	neighbour_key k;

	EXPECT_TRUE(neighbour_route(cfg.get(), 0, RR_FAMILY_IPV6, inside, &k));
	EXPECT_EQ(0, std::memcmp(k.addr, inside, 16));
	EXPECT_FALSE(neighbour_route(cfg.get(), 0, RR_FAMILY_IPV6, outside, &k));
	EXPECT_TRUE(neighbour_route(cfg.get(), 0, RR_FAMILY_IPV6, link_local, &k));
}

TEST_F(Neighbour, WishIsAskedAndAnswered) {
	EXPECT_EQ(RR_NEXTHOP_NONE, find(0, v4(0, 50)));
	ASSERT_EQ(1u, tick_for(v4(0, 50)).size());
	uint32_t handle = find(0, v4(0, 50));
	EXPECT_EQ(-EAGAIN, mac(handle));
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
	EXPECT_EQ(50, mac(handle));
	EXPECT_EQ(handle, find(0, v4(0, 50)));
}

TEST_F(Neighbour, WantedOneIsAskedForWithoutAPacket) {
	neighbour_want(&table, 0, RR_FAMILY_IPV4, v4(0, 50).data(), now);
	neighbour_want(&table, 1, RR_FAMILY_IPV4, v4(9, 9).data(), now); // no way there
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size());
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
	EXPECT_EQ(50, mac(find(0, v4(0, 50))));
}

TEST_F(Neighbour, OwnAddressIsNeverAskedFor) {
	own(1, v4(1, 50));
	neighbour_want(&table, 1, RR_FAMILY_IPV4, v4(1, 50).data(), now);
	EXPECT_EQ(RR_NEXTHOP_NONE, find(1, v4(1, 50)));
	EXPECT_EQ(0u, tick_for(v4(1, 50)).size());
	EXPECT_EQ(RR_NEXTHOP_NONE, find(1, v4(1, 50)));
	// The same address on another link is somebody else's.
	cfg->realm[1].vlan = 100;
	own(0, v4(1, 50));
	find(1, v4(1, 50));
	EXPECT_EQ(1u, tick_for(v4(1, 50)).size());
}

// It moves to us while somebody still sends there: handles lead nowhere, and nobody is asked again.
TEST_F(Neighbour, AddressThatBecomesOursIsForgotten) {
	find(1, v4(1, 50));
	tick();
	ASSERT_TRUE(answer(1, v4(1, 50), 51));
	uint32_t handle = find(1, v4(1, 50));
	uint64_t mac_of_it;
	ASSERT_EQ(0, neighbour_mac(&view, handle, &mac_of_it));
	own(0, v4(1, 50)); // another realm of the same link
	neighbour_forget(&table, &addrs->local[0]);
	EXPECT_EQ(-ESTALE, neighbour_mac(&view, handle, &mac_of_it));
	EXPECT_EQ(RR_NEXTHOP_NONE, find(1, v4(1, 50)));
	EXPECT_EQ(0u, tick_for(v4(1, 50)).size());
}

TEST_F(Neighbour, RealmsAreApart) {
	find(1, v4(1, 50));
	tick();
	EXPECT_FALSE(answer(0, v4(1, 50), 50));
	EXPECT_TRUE(answer(1, v4(1, 50), 51));
	EXPECT_EQ(51, mac(find(1, v4(1, 50))));
}

TEST_F(Neighbour, ManyWishesForOneAddressAreOneQuestion) {
	for (int i = 0; i < 2 * NEIGHBOUR_WISHES; i++)
		find(0, v4(0, 50));
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size());
}

TEST_F(Neighbour, QuestionsSlowDown) {
	uint64_t start = now;
	std::vector<uint64_t> at_s;

	find(0, v4(0, 50));
	for (int i = 0; i < 590; i++) {
		mac(find(0, v4(0, 50))); // a packet every 100 ms
		if (!tick_for(v4(0, 50)).empty())
			at_s.push_back((now - start) / S);
		now += 100 * MS;
	}
	EXPECT_EQ((std::vector<uint64_t>{0, 1, 2, 3, 5, 9, 17, 33}), at_s);
}

TEST_F(Neighbour, AnswerNobodyAskedForIsNotBelieved) {
	EXPECT_FALSE(answer(0, v4(0, 99), 99));
	EXPECT_EQ(RR_NEXTHOP_NONE, find(0, v4(0, 99)));
	uint32_t handle = resolved(v4(0, 50), 50);
	EXPECT_FALSE(answer(0, v4(0, 50), 66));
	EXPECT_EQ(50, mac(handle));
}

TEST_F(Neighbour, QuestionThatWasNotSentIsNoQuestion) {
	port_started = false;
	find(0, v4(0, 50));
	tick();
	EXPECT_FALSE(answer(0, v4(0, 50), 50));
	advance(30 * S);
	port_started = true;
	now += 100 * MS;
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size()); // no pause has grown meanwhile
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
}

TEST_F(Neighbour, LateAnswerIsNotBelievedButAsksAgain) {
	find(0, v4(0, 50));
	for (int i = 0; i < 90; i++) { // the next pause is longer than an answer may take
		mac(find(0, v4(0, 50)));
		tick();
		now += 100 * MS;
	}
	while (tick_for(v4(0, 50)).empty())
		now += 100 * MS;
	now += 3100 * MS;
	EXPECT_FALSE(answer(0, v4(0, 50), 50));
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size());
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
}

TEST_F(Neighbour, HintOfAMoveIsVerified) {
	uint32_t handle = resolved(v4(0, 50), 50);

	now += 2 * S;
	EXPECT_TRUE(hint(v4(0, 50), 51)); // somebody says it moved
	EXPECT_EQ(50, mac(handle));
	EXPECT_FALSE(answer(0, v4(0, 50), 51)) << "the question is not out yet";
	EXPECT_EQ(50, mac(handle));
	auto asked = tick_for(v4(0, 50));
	ASSERT_EQ(1u, asked.size());
	EXPECT_FALSE(asked[0].unicast) << "who moved does not listen at the old place";
	EXPECT_TRUE(answer(0, v4(0, 50), 51));
	EXPECT_EQ(51, mac(handle));
}

TEST_F(Neighbour, AnswerNobodyAskedForIsAHint) {
	uint32_t handle = resolved(v4(0, 50), 50);

	now += 2 * S;
	EXPECT_FALSE(answer(0, v4(0, 50), 51));
	EXPECT_EQ(50, mac(handle));
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size());
}

TEST_F(Neighbour, HintThatNothingMovedAsksNothing) {
	uint32_t handle = resolved(v4(0, 50), 50);

	now += 2 * S;
	EXPECT_FALSE(hint(v4(0, 50), 50));
	EXPECT_FALSE(hint(v4(0, 7), 66)) << "the static one";
	EXPECT_FALSE(hint(v4(0, 99), 99)) << "nobody wants that one";
	EXPECT_EQ(0u, tick_for(v4(0, 50)).size());
	EXPECT_EQ(50, mac(handle));
	EXPECT_EQ(7, mac(find(0, v4(0, 7))));
}

TEST_F(Neighbour, StormOfHintsAsksOnceASecond) {
	resolved(v4(0, 50), 50);
	size_t n = 0;

	for (int i = 0; i < 50; i++) { // five seconds, each question answered by who was there
		hint(v4(0, 50), 66);
		for (const Probe &p : tick_for(v4(0, 50))) {
			n++;
			EXPECT_FALSE(p.unicast);
			EXPECT_TRUE(answer(0, v4(0, 50), 50));
		}
		now += 100 * MS;
	}
	EXPECT_LE(4u, n);
	EXPECT_GE(5u, n);
	EXPECT_EQ(50, mac(find(0, v4(0, 50))));
}

TEST_F(Neighbour, HintEndsTheQuestionsToTheOldPlace) {
	resolved(v4(0, 50), 50);
	std::vector<Probe> asked;

	while (asked.empty()) {
		mac(find(0, v4(0, 50)));
		now += 100 * MS;
		asked = tick_for(v4(0, 50));
	}
	EXPECT_TRUE(asked[0].unicast);
	EXPECT_TRUE(hint(v4(0, 50), 51));
	now += 1 * S;
	asked = tick_for(v4(0, 50));
	ASSERT_EQ(1u, asked.size());
	EXPECT_FALSE(asked[0].unicast);
}

TEST_F(Neighbour, HintOfAnUnresolvedOneEndsItsPause) {
	find(0, v4(0, 50));
	for (int i = 0; i < 200; i++) { // the pause has grown to sixteen seconds
		mac(find(0, v4(0, 50)));
		tick();
		now += 100 * MS;
	}
	EXPECT_EQ(0u, tick_for(v4(0, 50)).size());
	EXPECT_TRUE(hint(v4(0, 50), 50)); // it was switched on
	EXPECT_EQ(-EAGAIN, mac(find(0, v4(0, 50))));
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size());
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
}

// RFC 4861 7.2.5.
TEST_F(Neighbour, AnswerThatDoesNotOverrideMovesNothing) {
	find(0, v4(0, 50));
	tick();
	EXPECT_TRUE(answer(0, v4(0, 50), 50, false)) << "nothing to override yet";
	uint32_t handle = find(0, v4(0, 50));
	now += 2 * S;
	EXPECT_TRUE(hint(v4(0, 50), 51));
	ASSERT_EQ(1u, tick_for(v4(0, 50)).size());
	EXPECT_FALSE(answer(0, v4(0, 50), 51, false));
	EXPECT_EQ(50, mac(handle));
	EXPECT_TRUE(answer(0, v4(0, 50), 50, false)) << "it is still there";
	EXPECT_EQ(50, mac(handle));
}

// RFC 4861 4.4: an answer to a unicast question may leave its address out.
TEST_F(Neighbour, AnswerWithoutAddressConfirmsWhatIsKnown) {
	neighbour_key k = key(0, v4(0, 50));

	find(0, v4(0, 50));
	tick();
	EXPECT_FALSE(neighbour_answer(&table, &k, nullptr, true, now)) << "it tells nothing";
	EXPECT_EQ(-EAGAIN, mac(find(0, v4(0, 50))));
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
	while (tick_for(v4(0, 50)).empty()) {
		mac(find(0, v4(0, 50)));
		now += 100 * MS;
	}
	EXPECT_TRUE(neighbour_answer(&table, &k, nullptr, true, now));
	EXPECT_EQ(50, mac(find(0, v4(0, 50))));
}

TEST_F(Neighbour, UsedOneIsAskedForAgainWhileItWorks) {
	uint32_t handle = resolved(v4(0, 50), 50);
	std::vector<Probe> asked;

	for (int i = 0; i < 250 && asked.empty(); i++) {
		EXPECT_EQ(50, mac(handle));
		now += 100 * MS;
		asked = tick_for(v4(0, 50));
	}
	ASSERT_EQ(1u, asked.size());
	EXPECT_TRUE(asked[0].unicast);
	EXPECT_EQ(50, mac(handle));
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
	EXPECT_EQ(50, mac(handle));
}

TEST_F(Neighbour, SilentOneLosesItsMac) {
	uint32_t handle = resolved(v4(0, 50), 50);
	int n_unicast = 0, n_multicast = 0;

	for (int i = 0; i < 300 && mac(handle) == 50; i++) {
		now += 100 * MS;
		for (const Probe &p : tick_for(v4(0, 50)))
			p.unicast ? n_unicast++ : n_multicast++;
	}
	EXPECT_EQ(-EAGAIN, mac(handle));
	EXPECT_EQ(3, n_unicast);
	EXPECT_LE(3, n_multicast);
	// It comes back when it answers again.
	while (tick_for(v4(0, 50)).empty())
		now += 100 * MS;
	EXPECT_TRUE(answer(0, v4(0, 50), 50));
	EXPECT_EQ(50, mac(handle));
}

TEST_F(Neighbour, UnusedOneIsGivenUpAndItsHandleIsStale) {
	uint32_t handle = resolved(v4(0, 50), 50);

	advance(70 * S);
	EXPECT_EQ(-ESTALE, mac(handle));
	EXPECT_EQ(RR_NEXTHOP_NONE, find(0, v4(0, 50)));
}

TEST_F(Neighbour, UnansweredWishIsGivenUpAfterThreeQuestions) {
	neighbour_key k = key(0, v4(0, 50));
	size_t n = 0;

	find(0, v4(0, 50));
	for (int i = 0; i < 31; i++) {
		n += tick_for(v4(0, 50)).size();
		now += 100 * MS;
	}
	EXPECT_EQ(3u, n);
	EXPECT_EQ(-ENOENT, rte_hash_lookup(table.hash, &k));
	EXPECT_EQ(RR_NEXTHOP_NONE, find(0, v4(0, 50)));
	EXPECT_EQ(1u, tick_for(v4(0, 50)).size()) << "the next packet begins anew";
}

TEST_F(Neighbour, UnsentQuestionsAreGivenUpLater) {
	neighbour_key k = key(0, v4(0, 50));

	port_started = false;
	find(0, v4(0, 50));
	advance(50 * S);
	EXPECT_LE(0, rte_hash_lookup(table.hash, &k));
	advance(20 * S);
	EXPECT_EQ(-ENOENT, rte_hash_lookup(table.hash, &k));
}

// One wish a packet, each for another address, as a forger of sources makes them.
TEST_F(Neighbour, ForgedSourcesLeaveRoomForOthers) {
	uint32_t handle = resolved(v4(0, 50), 50);

	for (uint32_t i = 0; i < 60 * 140; i++) {
		neighbour_key k = key(1, Addr{198, 18, 1, (uint8_t)i, (uint8_t)(i >> 8)});

		ASSERT_EQ(0, rte_ring_sp_enqueue_elem(view.wishes, &k, sizeof(k)));
		mac(handle);
		now += S / 140;
		if (i % 14 == 0) {
			for (const Probe &p : tick())
				if (p.key.realm == 0)
					answer(0, v4(0, 50), 50);
			neighbour_epoch_next(&table);
		}
		ASSERT_GT(500u, table.n_unresolved);
	}
	EXPECT_EQ(0u, n_full);
	EXPECT_EQ(50, mac(handle));
	EXPECT_EQ(51, mac(resolved(v4(0, 51), 51)));
}

TEST_F(Neighbour, FloodOfWishesAsksAtABoundedRate) {
	size_t n = 0;
	uint32_t address = 0;

	for (int turn = 0; turn < 200; turn++) { // two seconds, 25,600 wishes
		for (int i = 0; i < NEIGHBOUR_WISHES / 2; i++, address++) {
			neighbour_key k =
				key(1, Addr{198, 18, 1, (uint8_t)address, (uint8_t)(address >> 8)});

			ASSERT_EQ(0, rte_ring_sp_enqueue_elem(view.wishes, &k, sizeof(k)));
		}
		n += tick().size();
		now += 10 * MS;
		ASSERT_GE((uint32_t)NEIGHBOUR_UNRESOLVED_MAX, table.n_unresolved);
	}
	EXPECT_GE(2u * NEIGHBOUR_PROBES_PER_S + NEIGHBOUR_PROBES_BURST + 1, n);
	EXPECT_LE(NEIGHBOUR_PROBES_PER_S, n);
	EXPECT_LT(0u, n_full) << "what is over the share is counted";
	advance(10 * S);
	EXPECT_GE(1u, table.n_unresolved) << "all were asked for and given up, but the gateway";
}

TEST_F(Neighbour, PositionIsReusedOnlyAfterTwoEpochs) {
	uint32_t handle = resolved(v4(0, 50), 50);
	uint32_t pos = handle & 0xffff;

	advance(70 * S);
	EXPECT_EQ(NEIGHBOUR_DYING, table.entries[pos].state);
	neighbour_epoch_next(&table);
	tick();
	EXPECT_EQ(NEIGHBOUR_DYING, table.entries[pos].state);
	// A worker that looked the key up before takes the handle only now.
	uint32_t late = (uint32_t)((table.slots[pos].word >> 48) & 0x7fff) << 16 | pos;
	neighbour_epoch_next(&table);
	tick();
	EXPECT_EQ(NEIGHBOUR_FREE, table.entries[pos].state);
	EXPECT_EQ(-ESTALE, mac(late));
	EXPECT_EQ(-ESTALE, mac(handle));
}

// Two thousand questions are due every second, and half of that may be sent.
TEST_F(Neighbour, RationedQuestionsGoToEveryone) {
	std::set<std::string> asked;

	for (uint32_t i = 0; i < 2000; i++) {
		neighbour_key k = key(1, Addr{198, 18, 1, (uint8_t)i, (uint8_t)(i >> 8)});

		ASSERT_EQ(0, rte_ring_sp_enqueue_elem(view.wishes, &k, sizeof(k)));
		if (i % 100 == 99)
			for (const Probe &p : tick())
				asked.insert(std::string((const char *)p.key.addr, 16));
	}
	for (int turn = 0; turn < 100; turn++) { // two seconds
		for (const Probe &p : tick())
			asked.insert(std::string((const char *)p.key.addr, 16));
		now += 20 * MS;
	}
	EXPECT_LE(1500u, asked.size());
}

TEST_F(Neighbour, FullTableIsCountedAndRecovers) {
	uint32_t n_known = 2; // static one and gateway

	for (uint32_t i = 0; i < NEIGHBOUR_MAX + 100; i++) {
		Addr addr = {198, 18, 1, (uint8_t)i, (uint8_t)(i >> 8)};
		neighbour_key k = key(1, addr);

		ASSERT_EQ(0, rte_ring_sp_enqueue_elem(view.wishes, &k, sizeof(k)));
		tick();
		answer(1, addr, 1);
		now += 2 * MS;
	}
	EXPECT_EQ(100u + n_known, n_full);
	EXPECT_EQ(7, mac(find(0, v4(0, 7))));
	advance(70 * S);
	for (int i = 0; i < 3; i++) {
		neighbour_epoch_next(&table);
		tick();
	}
	uint32_t handle = resolved(v4(0, 50), 50);
	EXPECT_EQ(50, mac(handle));
}

// ---- a shared port: the kernel routes and resolves

class SharedNeighbour : public Neighbour {
      protected:
	void SetUp() override {
		Neighbour::SetUp();
		cfg->n_ports = 2;
		cfg->realm[1].port = 1;
		cfg->port[1].mode = RR_PORT_SHARED;
	}

	neighbour_key key(const Addr &addr) {
		neighbour_key k = {};

		std::memcpy(k.addr, addr.data(), 16);
		k.family = RR_FAMILY_IPV4;
		k.realm = 1;
		return k;
	}

	void told(const Addr &to, const Addr &hop, int last) {
		neighbour_key k = key(to);
		rte_ether_addr m = mac_of((uint8_t)last);

		neighbour_told(&table, &k, hop.data(), last ? &m : nullptr, now);
	}

	void hop_told(const Addr &hop, int last) {
		neighbour_key k = key(hop);
		rte_ether_addr m = mac_of((uint8_t)last);

		neighbour_hop_told(&table, &k, last ? &m : nullptr, now);
	}

	const Addr near = v4(1, 9), gateway = v4(1, 1), far = v4(77, 5);
};

TEST_F(SharedNeighbour, DestinationItselfIsAskedForAndTheKernelIsBelieved) {
	EXPECT_EQ(RR_NEXTHOP_NONE, find(1, far));
	ASSERT_EQ(1u, tick_for(far).size());
	told(far, gateway, 5);
	EXPECT_EQ(5, mac(find(1, far)));
	told(far, gateway, 6); // unasked
	EXPECT_EQ(6, mac(find(1, far)));
	told(far, gateway, 0);
	EXPECT_EQ(-EAGAIN, mac(find(1, far)));
}

TEST_F(SharedNeighbour, WhatAHopIsChangesEveryDestinationBehindIt) {
	for (const Addr &a : {far, near, gateway}) {
		find(1, a);
		tick();
	}
	told(far, gateway, 5);
	told(gateway, gateway, 5);
	told(near, near, 9);
	uint32_t handle = find(1, far);
	hop_told(gateway, 7);
	EXPECT_EQ(7, mac(handle)); // a flow keeps its handle
	EXPECT_EQ(7, mac(find(1, gateway)));
	EXPECT_EQ(9, mac(find(1, near)));
	hop_told(gateway, 0);
	EXPECT_EQ(-EAGAIN, mac(handle));
	EXPECT_EQ(9, mac(find(1, near)));
	EXPECT_EQ(1u, tick_for(far).size()); // at once
}

TEST_F(SharedNeighbour, HopOfAnotherRealmIsAnother) {
	find(1, near);
	tick();
	told(near, near, 9);
	neighbour_key other = key(near);
	rte_ether_addr m = mac_of(3);
	other.realm = 0;
	neighbour_hop_told(&table, &other, &m, now);
	EXPECT_EQ(9, mac(find(1, near)));
}

TEST_F(SharedNeighbour, UsedOneIsAskedForAgainAndKeptMeanwhile) {
	find(1, near);
	tick();
	told(near, near, 9);
	uint32_t handle = find(1, near);
	uint32_t n = 0;

	for (int s = 0; s < 250; s++) {
		now += 100 * MS;
		EXPECT_EQ(9, mac(handle));
		if (!tick_for(near).empty()) {
			told(near, near, 9);
			n++;
		}
	}
	EXPECT_EQ(1u, n);
}

TEST_F(SharedNeighbour, AllAreAskedForAgainWhenRoutesChange) {
	find(1, near);
	find(1, far);
	find(0, v4(0, 9));
	tick();
	told(near, near, 9);
	told(far, gateway, 5);
	now += MS;
	EXPECT_EQ(0u, tick().size());
	neighbour_ask_again(&table, now);
	EXPECT_EQ(2u, tick().size()); // not the one of the exclusive port
	EXPECT_EQ(9, mac(find(1, near))); // still the best that is known
}

TEST_F(SharedNeighbour, ManyAreAskedForAgainInSeveralTurns) {
	const uint32_t n = 600;

	for (uint32_t i = 0; i < n; i++) {
		Addr a = v4((uint8_t)(i >> 8), (uint8_t)i);

		neighbour_want(&table, 1, RR_FAMILY_IPV4, a.data(), now);
		told(a, gateway, 5);
	}
	tick();
	neighbour_ask_again(&table, now);
	EXPECT_EQ(256u, tick().size());
	EXPECT_EQ(0u, tick().size());
	now += 20 * MS;
	EXPECT_EQ(256u, tick().size());
	now += 20 * MS;
	EXPECT_EQ(n - 512, tick().size());
}

TEST_F(Neighbour, NonsenseHandleIsStale) {
	EXPECT_EQ(-ESTALE, mac(RR_NEXTHOP_NONE));
	EXPECT_EQ(-ESTALE, mac(NEIGHBOUR_MAX + 1));
	EXPECT_EQ(-ESTALE, mac(UINT32_C(0x7fff) << 16));
}

} // namespace
