// SPDX-License-Identifier: BSD-2-Clause
// Every command, modifier and sub-command of the protocol, and which error comes first.
//
// Rows of {command, error} follow the protocol's own order of checks; what a row proves is that
// nothing later was looked at first. Not covered: what needs a session (E50, E19, E62).
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "capabilities.h"
#include "config.h"
#include "rtpp_cmds.h"
#include "rtpp_parse.h"

static const char *const labels[] = {"lab1", "lab6", "Out"};

static struct rtpp_env make_env() {
	struct rtpp_env env = {};

	env.has_notify = true;
	env.has_ipv4 = true;
	env.has_ipv6 = true;
	env.default_family = RR_FAMILY_IPV4;
	env.n_labels = 3;
	env.label = labels;
	return env;
}

class RtppParse : public ::testing::Test {
      protected:
	struct rtpp_env env = make_env();
	struct rtpp_cmd cmd = {};
	std::string text;

	enum rtpp_error parse(const std::string &command) {
		text = command;
		return rtpp_parse(&cmd, {text.data(), text.size()}, &env);
	}
};

static std::string str(struct slice s) {
	return s.p ? std::string(s.p, s.len) : "<none>";
}

static std::string addr(const struct rr_endpoint &ep) {
	char buf[RR_ENDPOINT_STRLEN];

	return rr_endpoint_format(&ep, buf, sizeof(buf));
}

struct ErrorRow {
	const char *command;
	enum rtpp_error error;
};

#define EXPECT_ROWS(rows) \
	for (const auto &row : rows) \
	EXPECT_EQ(parse(row.command), row.error) << row.command

TEST_F(RtppParse, ErrorsComeInTheOrderOfTheProtocol) {
	const ErrorRow rows[] = {
		// E5 before everything
		{"Z a &&", RTPP_E_SYNTAX},
		{"V a b c &&", RTPP_E_SYNTAX},
		// E0 before arguments and sub-commands
		{"Z", RTPP_E_UNKNOWN},
		{"Z && D", RTPP_E_UNKNOWN},
		{"1", RTPP_E_UNKNOWN},
		{"\xff", RTPP_E_UNKNOWN},
		// E1 before E2 and E3
		{"Vx a", RTPP_E_ARGS},
		{"Vx a && D", RTPP_E_ARGS},
		{"VFx", RTPP_E_ARGS},
		{"D a && D", RTPP_E_ARGS},
		// E2 before E3
		{"Vx && D", RTPP_E_MODS},
		{"VFx 1 && D", RTPP_E_MODS},
		{"Xa && D", RTPP_E_MODS},
		{"Sx c ft && D", RTPP_E_MODS},
		// E3 before the command's own options
		{"Dx c ft && D", RTPP_E_SUBC},
		{"Px c p 0 ft && D", RTPP_E_SUBC},
		{"Gx && D", RTPP_E_SUBC},
		{"Ix && D", RTPP_E_SUBC},
		// options before sub-commands
		{"Ux c 10.0.0.1 4000 ft && X", RTPP_E_UPDATE_MOD},
		{"U c example 4000 ft && X", RTPP_E_ENDPOINT},
		{"U c 10.0.0.1 4000 ft s t%z && X", RTPP_E_NOTIFY_TAG},
		// the notify tag before the modifiers
		{"Ux c example 4000 ft s t%z", RTPP_E_NOTIFY_TAG},
		// the modifiers before the address
		{"Ux c example 4000 ft", RTPP_E_UPDATE_MOD},
	};

	EXPECT_ROWS(rows);
}

TEST_F(RtppParse, NotificationPermissionComesLast) {
	env.has_notify = false;
	const ErrorRow rows[] = {
		{"U c 10.0.0.1 4000 ft s t", RTPP_E_NOTIFY_OFF},
		{"U c 10.0.0.1 4000 ft tt s t", RTPP_E_NOTIFY_OFF},
		{"U c 10.0.0.1 4000 ft s t && X", RTPP_E_SUBC},
		{"Ux c 10.0.0.1 4000 ft s t", RTPP_E_UPDATE_MOD},
		{"U c 10.0.0.1 4000 ft tt", RTPP_OK},
	};

	EXPECT_ROWS(rows);
}

struct ArityRow {
	const char *word;
	unsigned int min;
	unsigned int max;
};

// Words that make every command complete; the third is an address and the fourth a port.
static std::string with_words(const char *word, unsigned int n) {
	const char *const args[] = {"c", "10.0.0.1", "4000", "ft", "tt", "so", "tag"};
	std::string all = word;

	for (unsigned int i = 1; i < n; i++)
		all += std::string(" ") + (i - 1 < 7 ? args[i - 1] : "ttl");
	return all;
}

TEST_F(RtppParse, ArgumentCounts) {
	const ArityRow rows[] = {
		{"U", 5, 8},
		{"L", 5, 6},
		{"D", 3, 4},
		{"P", 5, 6},
		{"S", 3, 4},
		{"R", 3, 4},
		{"C", 4, 5},
		{"N", 3, 4},
		{"Q", 3, 15},
		{"I", 1, 1},
		{"G", 1, 23},
		{"V", 1, 1},
		{"VF", 2, 2},
		{"X", 1, 1},
	};

	for (const auto &row : rows) {
		for (unsigned int n = 1; n <= RTPP_MAX_TOKENS; n++) {
			enum rtpp_error want = n >= row.min && n <= row.max ? RTPP_OK : RTPP_E_ARGS;

			EXPECT_EQ(parse(with_words(row.word, n)), want) << row.word << " " << n;
		}
	}
}

TEST_F(RtppParse, LettersAreCaseInsensitive) {
	for (const char *text : {"u c 10.0.0.1 4000 ft", "vf 20040107", "Vf 20040107", "d c ft",
		     "UAWNSz20C0R1.2.3.4L{lab1} c 10.0.0.1 4000 ft && s ttl=1 && dW"})
		EXPECT_EQ(parse(text), RTPP_OK) << text;
	EXPECT_EQ(parse("vf 20040107"), RTPP_OK);
	EXPECT_EQ(cmd.verb, RTPP_VF);
}

TEST_F(RtppParse, EveryCommandHasItsRow) {
	for (unsigned int i = 0; i < RTPP_VERBS; i++) {
		ASSERT_NE(rtpp_cmd_info[i].name, nullptr);
		EXPECT_NE(std::string(rtpp_cmd_info[i].help), "");
		EXPECT_LE(rtpp_cmd_info[i].min_words, rtpp_cmd_info[i].max_words);
	}
}

// ---- U and L
// -------------------------------------------------------------------------------------

TEST_F(RtppParse, UpdateTellsItsArgumentsByTheirNumber) {
	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.verb, RTPP_U);
	EXPECT_EQ(str(cmd.callid), "c");
	EXPECT_EQ(str(cmd.from_tag), "ft");
	EXPECT_EQ(str(cmd.to_tag), "<none>");
	EXPECT_EQ(str(cmd.notify_socket), "<none>");
	EXPECT_EQ(addr(cmd.media.remote), "10.0.0.1:4000");

	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft tt"), RTPP_OK);
	EXPECT_EQ(str(cmd.to_tag), "tt");
	EXPECT_EQ(str(cmd.notify_socket), "<none>");

	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft so tag"), RTPP_OK);
	EXPECT_EQ(str(cmd.to_tag), "<none>");
	EXPECT_EQ(str(cmd.notify_socket), "so");

	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft tt so tag"), RTPP_OK);
	EXPECT_EQ(str(cmd.to_tag), "tt");
	EXPECT_EQ(str(cmd.notify_socket), "so");
	EXPECT_EQ(std::string(cmd.notify_tag, cmd.notify_tag_len), "tag");
}

TEST_F(RtppParse, NotifyTagIsDecoded) {
	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft so hello%20wor+ld%25%2b%00%fF"), RTPP_OK);
	EXPECT_EQ(std::string(cmd.notify_tag, cmd.notify_tag_len),
		std::string("hello wor ld%+\0\xff", 16));
}

TEST_F(RtppParse, BrokenNotifyTags) {
	for (const char *tag : {"%", "%2", "tag%", "tag%2", "%zz", "%2z", "%z2", "%%41"})
		EXPECT_EQ(parse(std::string("U c 10.0.0.1 4000 ft so ") + tag), RTPP_E_NOTIFY_TAG)
			<< tag;
}

TEST_F(RtppParse, NotifyTagHasALimit) {
	std::string tag(RTPP_NOTIFY_TAG_MAX, 'x');

	EXPECT_EQ(parse("U c 10.0.0.1 4000 ft so " + tag), RTPP_OK);
	EXPECT_EQ(cmd.notify_tag_len, (size_t)RTPP_NOTIFY_TAG_MAX);
	EXPECT_EQ(parse("U c 10.0.0.1 4000 ft so " + tag + "x"), RTPP_E_NOTIFY_TAG);
	std::string escaped;
	for (int i = 0; i < RTPP_NOTIFY_TAG_MAX; i++)
		escaped += "%41";
	EXPECT_EQ(parse("U c 10.0.0.1 4000 ft so " + escaped), RTPP_OK);
}

TEST_F(RtppParse, Modifiers) {
	ASSERT_EQ(parse("U c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.asymmetric, -1);
	EXPECT_FALSE(cmd.media.weak || cmd.media.new_port || cmd.media.ipv6);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_DEFAULT);

	ASSERT_EQ(parse("Uawnz20c0,8,101 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.asymmetric, 1);
	EXPECT_TRUE(cmd.media.weak);
	EXPECT_TRUE(cmd.media.new_port);
	EXPECT_EQ(cmd.media.resize_ms, 20u);
	EXPECT_EQ(str(cmd.media.codecs), "0,8,101");

	ASSERT_EQ(parse("Uas c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.asymmetric, 0);
	ASSERT_EQ(parse("Usa c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.asymmetric, 1);
	ASSERT_EQ(parse("Uz20z30 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.resize_ms, 30u);
	ASSERT_EQ(parse("L6 c 2001:db8::1 4000 ft tt"), RTPP_OK);
	EXPECT_TRUE(cmd.media.ipv6);
	EXPECT_EQ(addr(cmd.media.remote), "[2001:db8::1]:4000");
}

TEST_F(RtppParse, LocalAddressModifiers) {
	ASSERT_EQ(parse("Ul192.0.2.1 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_ADDR);
	EXPECT_EQ(addr(cmd.media.local), "192.0.2.1:0");
	ASSERT_EQ(parse("Ul[2001:DB8::2]w c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(addr(cmd.media.local), "[2001:db8::2]:0");
	EXPECT_TRUE(cmd.media.weak);
	ASSERT_EQ(parse("UL{lab1}c0 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_LABEL);
	EXPECT_EQ(str(cmd.media.label), "lab1");
	EXPECT_EQ(str(cmd.media.codecs), "0");
	ASSERT_EQ(parse("Ur[::1] c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_ROUTE);
	EXPECT_EQ(addr(cmd.media.local), "[::1]:0");
}

TEST_F(RtppParse, LastLocalModifierWins) {
	ASSERT_EQ(parse("Ur192.0.2.9l{lab1} c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_LABEL);
	ASSERT_EQ(parse("Ul{lab1}r192.0.2.9 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.local_kind, RTPP_LOCAL_ROUTE);
}

TEST_F(RtppParse, LocalAddressesFollowTheOldRules) {
	ASSERT_EQ(parse("Ul1.2 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(addr(cmd.media.local), "1.0.0.2:0");
	ASSERT_EQ(parse("Ul16909060 c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(addr(cmd.media.local), "1.2.3.4:0");
}

TEST_F(RtppParse, BadModifiers) {
	const ErrorRow rows[] = {
		{"Uz c 10.0.0.1 4000 ft", RTPP_E_RESIZE},
		{"Uz0 c 10.0.0.1 4000 ft", RTPP_E_RESIZE},
		{"Uz1000 c 10.0.0.1 4000 ft", RTPP_E_RESIZE},
		{"Uz99999999999999999999 c 10.0.0.1 4000 ft", RTPP_E_RESIZE},
		{"Uz-20 c 10.0.0.1 4000 ft", RTPP_E_RESIZE},
		{"Uz1 c 10.0.0.1 4000 ft", RTPP_OK},
		{"Uz999 c 10.0.0.1 4000 ft", RTPP_OK},
		{"Uc c 10.0.0.1 4000 ft", RTPP_E_CODECS},
		{"Ucx c 10.0.0.1 4000 ft", RTPP_E_CODECS},
		{"Uc0c8 c 10.0.0.1 4000 ft", RTPP_E_CODECS},
		{"Uc0, c 10.0.0.1 4000 ft", RTPP_OK},
		{"Uc, c 10.0.0.1 4000 ft", RTPP_OK},
		{"Ul c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ulbogus c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul{} c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul{lab1 c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul[] c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul[::1 c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul[::1.2] c 10.0.0.1 4000 ft", RTPP_E_LOCAL_SYNTAX},
		{"Ul{nope} c 10.0.0.1 4000 ft", RTPP_E_LOCAL_ADDR},
		{"Ul{LAB1} c 10.0.0.1 4000 ft", RTPP_E_LOCAL_ADDR},
		{"Ul{out} c 10.0.0.1 4000 ft", RTPP_E_LOCAL_ADDR},
		{"Ul{Out} c 10.0.0.1 4000 ft", RTPP_OK},
		{"Ul999.1.1.1 c 10.0.0.1 4000 ft", RTPP_E_LOCAL_ADDR},
		{"Ul[1:2:3] c 10.0.0.1 4000 ft", RTPP_E_LOCAL_ADDR},
		{"Ur c 10.0.0.1 4000 ft", RTPP_E_REMOTE_SYNTAX},
		{"Ur[::1 c 10.0.0.1 4000 ft", RTPP_E_REMOTE_SYNTAX},
		{"Ur{lab1} c 10.0.0.1 4000 ft", RTPP_E_REMOTE_SYNTAX},
		{"Ur1.2.3.4.5 c 10.0.0.1 4000 ft", RTPP_E_REMOTE_ADDR},
		{"Ur[1:2:3:4:5] c 10.0.0.1 4000 ft", RTPP_E_REMOTE_ADDR},
		{"Ue c 10.0.0.1 4000 ft", RTPP_E_EXTERNAL},
		{"Ui c 10.0.0.1 4000 ft", RTPP_E_INTERNAL},
		{"Uei c 10.0.0.1 4000 ft", RTPP_E_EXTERNAL},
		{"Uie c 10.0.0.1 4000 ft", RTPP_E_INTERNAL},
		{"Lx c 10.0.0.1 4000 ft", RTPP_E_UPDATE_MOD},
	};

	EXPECT_ROWS(rows);
	for (const char *letter : {"t", "v", "x", "p", "o", "f", "b", "5", "0", "]", "}", "\x80"})
		EXPECT_EQ(
			parse(std::string("U") + letter + " c 10.0.0.1 4000 ft"), RTPP_E_UPDATE_MOD)
			<< letter;
}

TEST_F(RtppParse, BridgeDirections) {
	env.bridge = true;
	ASSERT_EQ(parse("Uie c 10.0.0.1 4000 ft"), RTPP_OK);
	ASSERT_EQ(cmd.media.n_directions, 2);
	EXPECT_EQ(cmd.media.direction[0], 'i');
	EXPECT_EQ(cmd.media.direction[1], 'e');
	ASSERT_EQ(parse("UE c 10.0.0.1 4000 ft"), RTPP_OK);
	EXPECT_EQ(cmd.media.n_directions, 1);
	EXPECT_EQ(cmd.media.direction[0], 'e');
	EXPECT_EQ(parse("Uiie c 10.0.0.1 4000 ft"), RTPP_E_EXTERNAL);
	EXPECT_EQ(parse("Uiei c 10.0.0.1 4000 ft"), RTPP_E_INTERNAL);
}

TEST_F(RtppParse, FamilyWithoutLocalAddress) {
	env.has_ipv6 = false;
	EXPECT_EQ(parse("U6 c 2001:db8::5 4000 ft"), RTPP_E_FAMILY);
	EXPECT_EQ(parse("U6 c 10.0.0.1 4000 ft"), RTPP_E_FAMILY);
	EXPECT_EQ(parse("U6l192.0.2.1 c 2001:db8::5 4000 ft"), RTPP_OK);
	env.has_ipv6 = true;
	env.has_ipv4 = false;
	env.default_family = RR_FAMILY_IPV6;
	EXPECT_EQ(parse("L c 10.0.0.1 4000 ft tt"), RTPP_E_FAMILY);
	EXPECT_EQ(parse("U6 c 2001:db8::5 4000 ft"), RTPP_OK);
}

struct RemoteRow {
	const char *mods;
	const char *addr;
	const char *port;
	enum rtpp_error error;
	const char *remote; // "ignored", or address and port
};

TEST_F(RtppParse, RemoteAddresses) {
	const RemoteRow rows[] = {
		{"", "10.0.0.1", "4000", RTPP_OK, "10.0.0.1:4000"},
		{"", "short", "4000", RTPP_OK, "ignored"},
		{"", "1.2.3", "nonsense", RTPP_OK, "ignored"},
		{"", "localhost.localdomain.long", "4000", RTPP_OK, "ignored"},
		{"", "::1", "4000", RTPP_OK, "ignored"},
		{"", "1.2.333", "4000", RTPP_OK, "1.2.1.77:4000"},
		{"", "example", "4000", RTPP_E_ENDPOINT, ""},
		{"", "256.1.1.1", "4000", RTPP_E_ENDPOINT, ""},
		{"", "fe80::1", "4000", RTPP_E_ENDPOINT, ""},
		{"", "1.2.3.4\v5", "4000", RTPP_E_ENDPOINT, ""},
		{"6", "10.0.0.1", "4000", RTPP_E_ENDPOINT, ""},
		{"6", "fe80::1%lo", "4000", RTPP_E_ENDPOINT, ""},
		{"6", ":", "4000", RTPP_OK, "ignored"},
		{"6", "::1", "4000", RTPP_OK, "[::1]:4000"},
		{"6", "1234:1234:1234:1234:1234:1234:123.123.123.123", "1", RTPP_OK,
			"[1234:1234:1234:1234:1234:1234:7b7b:7b7b]:1"},
		{"6", "1234:1234:1234:1234:1234:1234:123.123.123.1234", "1", RTPP_OK, "ignored"},
		{"", "10.0.0.1", "0", RTPP_OK, "10.0.0.1:0"},
		{"", "10.0.0.1", "abc", RTPP_E_ENDPOINT, ""},
		{"", "10.0.0.1", "-1", RTPP_E_ENDPOINT, ""},
		{"", "10.0.0.1", "+", RTPP_E_ENDPOINT, ""},
		{"", "10.0.0.1", "12x", RTPP_E_ENDPOINT, ""},
		{"", "10.0.0.1", "+5", RTPP_OK, "10.0.0.1:5"},
		{"", "10.0.0.1", "65535", RTPP_OK, "10.0.0.1:65535"},
		{"", "10.0.0.1", "65536", RTPP_OK, "10.0.0.1:0"},
		{"", "10.0.0.1", "70000", RTPP_OK, "10.0.0.1:4464"},
		{"", "10.0.0.1", "4294967295", RTPP_E_ENDPOINT, ""},
		{"", "10.0.0.1", "99999999999999999999", RTPP_E_ENDPOINT, ""},
	};

	for (const auto &row : rows) {
		std::string command =
			std::string("U") + row.mods + " c " + row.addr + " " + row.port + " ft";

		EXPECT_EQ(parse(command), row.error) << command;
		if (row.error != RTPP_OK)
			continue;
		EXPECT_EQ(cmd.media.remote_ignored ? "ignored" : addr(cmd.media.remote), row.remote)
			<< command;
		EXPECT_FALSE(cmd.media.remote_hold) << command;
	}
}

TEST_F(RtppParse, ServiceNameIsAPort) {
	ASSERT_EQ(parse("U c 10.0.0.1 sip ft"), RTPP_OK);
	EXPECT_EQ(addr(cmd.media.remote), "10.0.0.1:5060");
}

TEST_F(RtppParse, UnspecifiedAddressIsHold) {
	ASSERT_EQ(parse("U c 0.0.0.0 4000 ft"), RTPP_OK);
	EXPECT_TRUE(cmd.media.remote_hold);
	ASSERT_EQ(parse("U6 c :: 4000 ft"), RTPP_OK);
	EXPECT_TRUE(cmd.media.remote_hold);
	EXPECT_EQ(parse("U c 0.0.0.0 abc ft"), RTPP_E_ENDPOINT);
}

// ---- the other commands
// --------------------------------------------------------------------------

TEST_F(RtppParse, Delete) {
	ASSERT_EQ(parse("D c ft tt"), RTPP_OK);
	EXPECT_EQ(str(cmd.callid), "c");
	EXPECT_EQ(str(cmd.from_tag), "ft");
	EXPECT_EQ(str(cmd.to_tag), "tt");
	EXPECT_FALSE(cmd.weak);
	ASSERT_EQ(parse("Dw c ft"), RTPP_OK);
	EXPECT_TRUE(cmd.weak);
	EXPECT_EQ(str(cmd.to_tag), "<none>");
	EXPECT_EQ(parse("Dx c ft"), RTPP_E_DELETE_MOD);
	EXPECT_EQ(parse("Dwx c ft"), RTPP_E_DELETE_MOD);
}

TEST_F(RtppParse, Play) {
	ASSERT_EQ(parse("P c prompt 0,8 ft tt"), RTPP_OK);
	EXPECT_EQ(cmd.play_count, 1);
	EXPECT_EQ(str(cmd.prompt), "prompt");
	EXPECT_EQ(str(cmd.codecs), "0,8");
	EXPECT_EQ(str(cmd.from_tag), "ft");
	EXPECT_EQ(str(cmd.to_tag), "tt");
	ASSERT_EQ(parse("P-1 c prompt 0 ft"), RTPP_OK);
	EXPECT_EQ(cmd.play_count, -1);
	ASSERT_EQ(parse("P0 c prompt 0 ft"), RTPP_OK);
	EXPECT_EQ(cmd.play_count, 0);
	ASSERT_EQ(parse("P2147483647 c prompt 0 ft"), RTPP_OK);
	EXPECT_EQ(cmd.play_count, 2147483647);
	for (const char *count :
		{"x", "1x", "-", "+", "1.5", "2147483648", "-2147483649", "99999999999999999999"})
		EXPECT_EQ(parse(std::string("P") + count + " c p 0 ft"), RTPP_E_PLAY_COUNT)
			<< count;
}

TEST_F(RtppParse, RecordCopyAndStop) {
	const ErrorRow rows[] = {
		{"R c ft", RTPP_OK},
		{"Rs c ft", RTPP_OK},
		{"Rx c ft", RTPP_E_RECORD_MOD},
		{"Rp c ft", RTPP_E_RECORD_ARG},
		{"Rsx c ft", RTPP_E_RECORD_MOD},
		{"C c name ft", RTPP_OK},
		{"Csp c name ft", RTPP_OK},
		{"Cx c name ft", RTPP_E_RECORD_MOD},
		{"N c ft", RTPP_OK},
		{"Na c ft", RTPP_OK},
		{"Nx c ft", RTPP_E_RECORD_MOD},
		{"Nxa c ft", RTPP_E_RECORD_MOD},
		{"Nab c ft", RTPP_E_RECORD_ARG},
		{"Naa c ft", RTPP_E_RECORD_ARG},
	};

	EXPECT_ROWS(rows);
	ASSERT_EQ(parse("CP c udp:1.2.3.4:5 ft tt"), RTPP_OK);
	EXPECT_TRUE(cmd.port_reply);
	EXPECT_FALSE(cmd.single_file);
	EXPECT_EQ(str(cmd.prompt), "udp:1.2.3.4:5");
	EXPECT_EQ(str(cmd.from_tag), "ft");
	ASSERT_EQ(parse("Na c ft"), RTPP_OK);
	EXPECT_TRUE(cmd.all);
	ASSERT_EQ(parse("RS c ft"), RTPP_OK);
	EXPECT_TRUE(cmd.single_file);
}

TEST_F(RtppParse, Query) {
	ASSERT_EQ(parse("Qv c ft tt ttl npkts_ina"), RTPP_OK);
	EXPECT_TRUE(cmd.verbose);
	EXPECT_FALSE(cmd.query_mod_unknown);
	ASSERT_EQ(cmd.n_counters, 2u);
	EXPECT_EQ(str(cmd.counter[0]), "ttl");
	EXPECT_EQ(str(cmd.counter[1]), "npkts_ina");
	// E19 waits for the session.
	ASSERT_EQ(parse("Qx c ft"), RTPP_OK);
	EXPECT_TRUE(cmd.query_mod_unknown);
	EXPECT_EQ(parse("Qx c ft && X"), RTPP_E_SUBC);
}

TEST_F(RtppParse, InfoAndCounters) {
	ASSERT_EQ(parse("Ibl"), RTPP_OK);
	EXPECT_TRUE(cmd.load);
	ASSERT_EQ(parse("IB"), RTPP_OK);
	EXPECT_FALSE(cmd.load);
	EXPECT_EQ(parse("Ix"), RTPP_E_INFO_MOD);
	ASSERT_EQ(parse("GV a b"), RTPP_OK);
	EXPECT_TRUE(cmd.verbose);
	EXPECT_EQ(cmd.n_counters, 2u);
	EXPECT_EQ(parse("Gx a"), RTPP_E_GSTATS_MOD);
	ASSERT_EQ(parse("G"), RTPP_OK);
	EXPECT_EQ(cmd.n_counters, 0u);
}

// ---- sub-commands
// --------------------------------------------------------------------------------

TEST_F(RtppParse, GoodSubcommands) {
	ASSERT_EQ(parse("Ua c 10.0.0.1 4000 ft tt && S ttl=5 && SR tos=300 && Sx ttl=+7 && Dw && "
			"L6n 2001:db8::1 5000 && C cc f t"),
		RTPP_OK);
	ASSERT_EQ(cmd.n_sub, 6u);
	EXPECT_EQ(cmd.sub[0].kind, RTPP_SUB_TTL);
	EXPECT_EQ(cmd.sub[0].value, 5u);
	EXPECT_FALSE(cmd.sub[0].reverse);
	EXPECT_EQ(cmd.sub[1].kind, RTPP_SUB_TOS);
	EXPECT_EQ(cmd.sub[1].value, 300u);
	EXPECT_TRUE(cmd.sub[1].reverse);
	EXPECT_FALSE(cmd.sub[2].reverse);
	EXPECT_EQ(cmd.sub[3].kind, RTPP_SUB_DELETE);
	EXPECT_TRUE(cmd.sub[3].weak);
	EXPECT_EQ(cmd.sub[4].kind, RTPP_SUB_LOOKUP);
	EXPECT_TRUE(cmd.sub[4].media.new_port);
	EXPECT_EQ(cmd.sub[4].media.asymmetric, -1);
	EXPECT_EQ(addr(cmd.sub[4].media.remote), "[2001:db8::1]:5000");
	EXPECT_EQ(cmd.sub[5].kind, RTPP_SUB_COPY);
	EXPECT_EQ(str(cmd.sub[5].callid), "cc");
	EXPECT_EQ(str(cmd.sub[5].from_tag), "f");
	EXPECT_EQ(str(cmd.sub[5].to_tag), "t");
	EXPECT_EQ(cmd.media.asymmetric, 1);
}

TEST_F(RtppParse, BadSubcommands) {
	for (const char *sub : {"X", "V", "U 1.2.3.4 4000", "D x", "Dx", "L 1.2.3.4",
		     "L 10.0.0.1 5000 x", "L 10.0.0.1 notaport", "L example 5000",
		     "Lx 10.0.0.1 5000", "C a b", "C a b c d", "Cx a b c", "M", "M3", "M3:0 x",
		     "M0:1 x", "M9:1 x", "M3:1x x", "M3:1 x", "S", "S ttl=0", "S ttl=-1", "S ttl=x",
		     "S ttl=", "S ttl=0x5", "S foo=1", "S TTL=5", "S ttl=5 tos=1", "Srr ttl=5",
		     "S tos=0", "S ttl", "S ttl=2147483648", "\xff"})
		EXPECT_EQ(parse(std::string("U c 10.0.0.1 4000 ft tt && ") + sub), RTPP_E_SUBC)
			<< sub;
}

TEST_F(RtppParse, SubcommandsThatNeedTheirCommand) {
	const ErrorRow rows[] = {
		{"U c 10.0.0.1 4000 ft && L 10.0.0.2 5000", RTPP_E_SUBC},
		{"U c 10.0.0.1 4000 ft so tag && L 10.0.0.2 5000", RTPP_E_SUBC},
		{"U c 10.0.0.1 4000 ft tt so tag && L 10.0.0.2 5000", RTPP_OK},
		{"L c 10.0.0.1 4000 ft tt && L 10.0.0.2 5000", RTPP_E_SUBC},
		{"Q c ft tt && L 10.0.0.2 5000", RTPP_E_SUBC},
		{"U c 10.0.0.1 4000 ft && C a b c", RTPP_E_SUBC},
		{"L c 10.0.0.1 4000 ft tt && C a b c", RTPP_E_SUBC},
		{"L c 10.0.0.1 4000 ft tt && S ttl=5 && D", RTPP_OK},
		{"Q c ft && S tos=5 && Dw", RTPP_OK},
	};

	EXPECT_ROWS(rows);
}

TEST_F(RtppParse, AWrongSubcommandSpoilsTheOnesBeforeIt) {
	EXPECT_EQ(parse("U c 10.0.0.1 4000 ft && S ttl=5 && Z"), RTPP_E_SUBC);
}

// ---- environment and capabilities
// ----------------------------------------------------------------

TEST(RtppEnv, ComesFromTheConfiguration) {
	static struct rr_config cfg;
	const char *store[RR_MAX_REALMS];
	struct rtpp_env env;

	cfg.bridge_internal = -1;
	cfg.n_realms = 2;
	snprintf(cfg.realm[0].name, sizeof(cfg.realm[0].name), "inside");
	snprintf(cfg.realm[1].name, sizeof(cfg.realm[1].name), "outside");
	cfg.realm[0].ipv4.n_pool = 1;
	rtpp_env_init(&env, &cfg, store);
	EXPECT_FALSE(env.bridge);
	EXPECT_FALSE(env.has_notify);
	EXPECT_TRUE(env.has_ipv4);
	EXPECT_FALSE(env.has_ipv6);
	EXPECT_EQ(env.default_family, RR_FAMILY_IPV4);
	ASSERT_EQ(env.n_labels, 2u);
	EXPECT_STREQ(env.label[1], "outside");

	cfg.realm[0].ipv4.n_pool = 0;
	cfg.realm[0].ipv6.n_pool = 1;
	cfg.n_notify = 1;
	cfg.bridge_internal = 0;
	rtpp_env_init(&env, &cfg, store);
	EXPECT_TRUE(env.bridge);
	EXPECT_TRUE(env.has_notify);
	EXPECT_FALSE(env.has_ipv4);
	EXPECT_EQ(env.default_family, RR_FAMILY_IPV6);
}

static bool known(const std::string &text, bool has_notify) {
	return capability_known({text.data(), text.size()}, has_notify);
}

TEST(Capabilities, KnownAndUnknown) {
	for (const char *yes : {"20040107", "20050322", "20191015", "20260308"})
		EXPECT_TRUE(known(yes, false)) << yes;
	for (const char *no : {"20170313", "123456", "2004010", "200401070", "0x1319CFB"})
		EXPECT_FALSE(known(no, true)) << no;
}

// Re-packetising, copying and recording: a controller must not count on them.
TEST(Capabilities, WhatIsNotBuiltIsNotPromised) {
	for (const char *no : {"20071116", "20071218", "20200226", "20250523", "20260309"})
		EXPECT_FALSE(known(no, true)) << no;
}

TEST(Capabilities, TimeoutNotificationNeedsATarget) {
	EXPECT_TRUE(known("20081224", true));
	EXPECT_FALSE(known("20081224", false));
}
