// SPDX-License-Identifier: BSD-2-Clause
// Which local address a leg gets: default realm, labels, addresses, routes, families, letters.
//
// Rows of modifiers against realm, family and address; the modifiers go through the real parser.
#include "control_fixture.h"

extern "C" {
#include "address_pool.h"
#include "rtpp_parse.h"
}

using namespace ctltest;

namespace {

class RealmTest : public ::testing::Test {
      protected:
	Folder folder;
	Settings settings;
	struct rr_config cfg = {};
	struct rtpp_env env = {};
	const char *labels[RR_MAX_REALMS] = {};
	struct realm_choice choice = {};
	bool unbindable = false;

	void load() {
		load_config(&cfg, settings, folder.path);
		rtpp_env_init(&env, &cfg, labels);
	}

	enum rtpp_error select(const std::string &mods, const std::string &remote = "198.18.0.9") {
		static std::string text;
		struct rtpp_cmd cmd;
		enum rtpp_error error;

		text = "U" + mods + " c " + remote + " 4000 ft";
		error = rtpp_parse(&cmd, slice_of(text), &env);
		if (error != RTPP_OK)
			return error;
		return realm_select(&cfg, &cmd.media, &choice, &unbindable);
	}

	std::string name(const struct session_local &local) {
		std::string text = cfg.realm[local.realm].name;

		text += local.family == RR_FAMILY_IPV6 ? "/6" : "/4";
		if (local.exact) {
			struct rr_endpoint ep = {};
			char buf[RR_ENDPOINT_STRLEN];

			ep.family = cfg.addr[local.addr].family;
			memcpy(ep.addr, cfg.addr[local.addr].addr, sizeof(ep.addr));
			text += std::string("/") + rr_endpoint_format_addr(&ep, buf, sizeof(buf));
		}
		return text;
	}

	// "callee caller" of a new session, or the error.
	std::string legs(const std::string &mods, const std::string &remote = "198.18.0.9") {
		struct session_local local[SESSION_N_LEGS];
		enum rtpp_error error = select(mods, remote);

		if (error != RTPP_OK)
			return "E" + std::to_string((int)error);
		if (unbindable)
			return "unbindable";
		realm_for_new(&cfg, &choice, local);
		return name(local[SESSION_CALLEE]) + " " + name(local[SESSION_CALLER]);
	}

	// Address of a leg that was `before` when ports are taken for it.
	std::string later(const std::string &mods, const struct session_local &before, bool moves,
		const std::string &remote = "198.18.0.9") {
		struct session_local local = before;

		EXPECT_EQ(select(mods, remote), RTPP_OK);
		realm_for_leg(&cfg, &choice, moves, &local);
		return name(local);
	}
};

const char v6[] = "2001:db8::9";

TEST_F(RealmTest, DefaultIsTheFirstRealm) {
	load();
	EXPECT_EQ(legs(""), "main/4 main/4");
	EXPECT_FALSE(choice.named);
}

TEST_F(RealmTest, FamilyPicksTheLastRealmThatSpeaksIt) {
	load();
	EXPECT_EQ(legs("6", v6), "dual/6 dual/6");
	EXPECT_TRUE(choice.named);
	settings.realms = "main lab6";
	load();
	EXPECT_EQ(legs("6", v6), "lab6/6 lab6/6");
	settings.realms = "main";
	load();
	EXPECT_EQ(legs("6", v6), "E36");
	settings.realms = "lab6";
	load();
	EXPECT_EQ(legs(""), "E36");
	EXPECT_EQ(legs("6", v6), "lab6/6 lab6/6");
}

TEST_F(RealmTest, DefaultRealmOfBothFamiliesServesBoth) {
	settings.realms = "dual lab6";
	load();
	EXPECT_EQ(legs(""), "dual/4 dual/4");
	EXPECT_EQ(legs("6", v6), "dual/6 dual/6");
}

TEST_F(RealmTest, Labels) {
	load();
	EXPECT_EQ(legs("l{lab1}"), "lab1/4 lab1/4");
	EXPECT_EQ(legs("l{lab6}"), "lab6/6 lab6/6");
	EXPECT_EQ(legs("l{dual}"), "dual/4 dual/4");
	EXPECT_EQ(legs("6l{dual}", v6), "dual/6 dual/6");
	EXPECT_EQ(legs("l{nope}"), "E31");
	EXPECT_EQ(legs("l{lab}"), "E31");
}

TEST_F(RealmTest, Addresses) {
	load();
	EXPECT_EQ(legs("l198.18.1.2"), "lab1/4/198.18.1.2 lab1/4/198.18.1.2");
	EXPECT_EQ(legs("l[2001:db8:6::1]"), "lab6/6/2001:db8:6::1 lab6/6/2001:db8:6::1");
	EXPECT_EQ(legs("l198.18.1.3"), "unbindable");
	EXPECT_EQ(legs("l{lab1}l198.18.0.1"), "main/4/198.18.0.1 main/4/198.18.0.1");
}

TEST_F(RealmTest, RoutesByLongestPrefixThenGatewayThenNothing) {
	load();
	EXPECT_EQ(legs("r198.18.1.77"), "lab1/4 lab1/4");
	EXPECT_EQ(legs("r198.18.1.2"), "lab1/4/198.18.1.2 lab1/4/198.18.1.2");
	EXPECT_EQ(legs("r192.0.2.1"), "main/4 main/4"); // by the gateway
	EXPECT_EQ(legs("r[2001:db8:6::77]"), "lab6/6 lab6/6");
	EXPECT_EQ(legs("r[2001:db8:77::1]"), "E32");
	settings.realms = "lab1";
	load();
	EXPECT_EQ(legs("r192.0.2.1"), "E32");
}

// Its kernel may have a way to anywhere; what is on the link of another realm is still that one's.
TEST_F(RealmTest, SharedPortLeadsOn) {
	settings.realms = "lab1";
	load();
	cfg.port[cfg.realm[0].port].mode = RR_PORT_SHARED;
	EXPECT_EQ(legs("r192.0.2.1"), "lab1/4 lab1/4");
	EXPECT_EQ(legs("r198.18.1.77"), "lab1/4 lab1/4");
	EXPECT_EQ(legs("r[2001:db8:77::1]"), "E32"); // it has no IPv6
}

TEST_F(RealmTest, LaterCommandsMoveALegOnlyWhenTheyNameAnAddress) {
	struct session_local lab1 = {};

	load();
	lab1.realm = 1;
	lab1.family = RR_FAMILY_IPV4;
	EXPECT_EQ(later("", lab1, false), "lab1/4");
	EXPECT_EQ(later("", lab1, true), "lab1/4");
	EXPECT_EQ(later("l{lab2}", lab1, false), "lab2/4");
	EXPECT_EQ(later("6", lab1, false, v6), "dual/6");
}

class BridgeRealmTest : public RealmTest {
      protected:
	void bridge(const std::string &realms, const std::string &in, const std::string &ex) {
		settings.realms = realms;
		settings.bridge =
			"bridge = { internal = \"" + in + "\"; external = \"" + ex + "\"; };";
		load();
	}
};

TEST_F(BridgeRealmTest, FirstLetterIsTheCallersSide) {
	bridge("main lab1", "lab1", "main");
	EXPECT_EQ(legs(""), "lab1/4 lab1/4");
	EXPECT_EQ(legs("i"), "lab1/4 lab1/4");
	EXPECT_EQ(legs("e"), "lab1/4 main/4");
	EXPECT_EQ(legs("ie"), "main/4 lab1/4");
	EXPECT_EQ(legs("ei"), "lab1/4 main/4");
	EXPECT_EQ(legs("ee"), "main/4 main/4");
}

TEST_F(BridgeRealmTest, LettersBridgeFamilies) {
	bridge("main lab6", "main", "lab6");
	EXPECT_EQ(legs("ie"), "lab6/6 main/4");
	EXPECT_EQ(legs("6ei", v6), "main/4 lab6/6");
	EXPECT_EQ(legs("6", v6), "lab6/6 lab6/6");
}

TEST_F(BridgeRealmTest, SecondLetterNamesAMovedLeg) {
	struct session_local internal = {};

	bridge("main lab1", "main", "lab1");
	internal.family = RR_FAMILY_IPV4;
	EXPECT_EQ(later("ie", internal, true), "lab1/4");
	EXPECT_EQ(later("ei", internal, true), "main/4");
	EXPECT_EQ(later("e", internal, true), "main/4");
	EXPECT_EQ(later("ie", internal, false), "main/4");
}

TEST_F(BridgeRealmTest, WithoutBridgeModeLettersAreErrors) {
	load();
	EXPECT_EQ(legs("e"), "E11");
	EXPECT_EQ(legs("ie"), "E12");
}

// The parser says so first; whoever comes past it is refused here.
TEST_F(BridgeRealmTest, LettersAndLabelsAreCheckedHereToo) {
	struct rtpp_media media = {};

	load();
	media.n_directions = 1;
	media.direction[0] = 'e';
	EXPECT_EQ(realm_select(&cfg, &media, &choice, &unbindable), RTPP_E_EXTERNAL);
	media.direction[0] = 'i';
	EXPECT_EQ(realm_select(&cfg, &media, &choice, &unbindable), RTPP_E_INTERNAL);
	media.n_directions = 0;
	media.local_kind = RTPP_LOCAL_LABEL;
	media.label = {"nope", 4};
	EXPECT_EQ(realm_select(&cfg, &media, &choice, &unbindable), RTPP_E_LOCAL_ADDR);
}

TEST_F(RealmTest, PortsComeFromActiveAddressesOfTheRealm) {
	auto pool = std::make_unique<struct address_pool>();
	struct session_local local = {};
	struct address_list from;

	load();
	address_pool_init(pool.get(), &cfg);
	local.realm = 1;
	local.family = RR_FAMILY_IPV4;
	address_pool_choice(pool.get(), &local, &from);
	ASSERT_EQ(from.n, 2U);
	EXPECT_EQ(cfg.addr[from.index[0]].realm, 1);
	EXPECT_EQ(from.index[1], from.index[0] + 1);
	address_pool_set(pool.get(), from.index[0], RR_ADDRESS_DRAINING);
	local.addr = from.index[0];
	address_pool_choice(pool.get(), &local, &from);
	ASSERT_EQ(from.n, 1U);
	EXPECT_EQ(from.index[0], local.addr + 1);
	local.exact = true;
	address_pool_choice(pool.get(), &local, &from);
	EXPECT_EQ(from.n, 0U);
	local.addr++;
	address_pool_choice(pool.get(), &local, &from);
	ASSERT_EQ(from.n, 1U);
	EXPECT_EQ(from.index[0], local.addr);
	local.exact = false;
	local.family = RR_FAMILY_IPV6;
	address_pool_choice(pool.get(), &local, &from);
	EXPECT_EQ(from.n, 0U);
}

} // namespace
