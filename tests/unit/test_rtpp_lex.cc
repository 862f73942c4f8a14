// SPDX-License-Identifier: BSD-2-Clause
// Words of a command: separators, `&&`, limits, and that a slice never leaves the input.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rtpp_lex.h"

static std::string str(struct slice s) {
	return s.p ? std::string(s.p, s.len) : "<none>";
}

static std::vector<std::string> words(const struct rtpp_words &w) {
	std::vector<std::string> all;

	for (unsigned int i = 0; i < w.n_tokens; i++)
		all.push_back(str(w.token[i]));
	return all;
}

static enum rtpp_error lex(const std::string &text, struct rtpp_line *line) {
	return rtpp_lex(line, {text.data(), text.size()});
}

static enum rtpp_error lex(const std::string &text) {
	struct rtpp_line line;

	return lex(text, &line);
}

static std::string repeat(const std::string &text, int n) {
	std::string all;

	while (n-- > 0)
		all += text;
	return all;
}

using Words = std::vector<std::string>;

TEST(RtppLex, RunsOfSeparatorsCollapse) {
	std::string text = " \t\r\nU \t id\r\n1.2.3.4\t4000 ft\n";
	struct rtpp_line line;

	ASSERT_EQ(lex(text, &line), RTPP_OK);
	EXPECT_EQ(words(line.main), (Words{"U", "id", "1.2.3.4", "4000", "ft"}));
	EXPECT_EQ(line.n_sub, 0u);
}

TEST(RtppLex, OnlyFourCharactersSeparate) {
	std::string text = "G\va\fb\x01 c\x80";
	struct rtpp_line line;

	ASSERT_EQ(lex(text, &line), RTPP_OK);
	EXPECT_EQ(words(line.main), (Words{"G\va\fb\x01", "c\x80"}));
}

TEST(RtppLex, NothingToReadIsASyntaxError) {
	EXPECT_EQ(lex(""), RTPP_E_SYNTAX);
	EXPECT_EQ(lex(" \t\r\n"), RTPP_E_SYNTAX);
}

TEST(RtppLex, ZeroByteAnywhereIsASyntaxError) {
	EXPECT_EQ(lex(std::string("V\0", 2)), RTPP_E_SYNTAX);
	EXPECT_EQ(lex(std::string("\0V", 2)), RTPP_E_SYNTAX);
	EXPECT_EQ(lex(std::string("D a\0b c", 7)), RTPP_E_SYNTAX);
	EXPECT_EQ(lex(std::string("D a b && \0", 10)), RTPP_E_SYNTAX);
}

TEST(RtppLex, TwentyThreeWordsAtMost) {
	EXPECT_EQ(lex("G" + repeat(" x", 22)), RTPP_OK);
	EXPECT_EQ(lex("G" + repeat(" x", 23)), RTPP_E_SYNTAX);
}

TEST(RtppLex, LimitHoldsForEachSubcommand) {
	EXPECT_EQ(lex("U" + repeat(" x", 22) + " && S" + repeat(" x", 22)), RTPP_OK);
	EXPECT_EQ(lex("U && S" + repeat(" x", 23)), RTPP_E_SYNTAX);
}

TEST(RtppLex, FifteenSubcommandsAtMost) {
	struct rtpp_line line;
	std::string text = "U" + repeat(" && S x", 15);

	ASSERT_EQ(lex(text, &line), RTPP_OK);
	EXPECT_EQ(line.n_sub, 15u);
	EXPECT_EQ(words(line.sub[14]), (Words{"S", "x"}));
	EXPECT_EQ(lex("U" + repeat(" && S x", 16)), RTPP_E_SYNTAX);
}

TEST(RtppLex, SeparatorMustStandAlone) {
	std::string text = "U ft&& &&D a&&b &&& & && D";
	struct rtpp_line line;

	ASSERT_EQ(lex(text, &line), RTPP_OK);
	EXPECT_EQ(words(line.main), (Words{"U", "ft&&", "&&D", "a&&b", "&&&", "&"}));
	ASSERT_EQ(line.n_sub, 1u);
	EXPECT_EQ(words(line.sub[0]), (Words{"D"}));
}

TEST(RtppLex, EmptyCommandsAreSyntaxErrors) {
	for (const char *text : {"&&", "&& D", "U &&", "U && ", "U && && D", "&& &&"})
		EXPECT_EQ(lex(text), RTPP_E_SYNTAX) << text;
}

TEST(RtppLex, SlicesPointIntoTheInput) {
	std::string text = "U ab && S c";
	struct rtpp_line line;

	ASSERT_EQ(lex(text, &line), RTPP_OK);
	EXPECT_EQ(line.main.token[1].p, text.data() + 2);
	EXPECT_EQ(line.sub[0].token[1].p, text.data() + 10);
	EXPECT_EQ(line.sub[0].token[1].len, 1u);
}

struct CookieCase {
	const char *datagram;
	const char *cookie;
	const char *rest;
};

TEST(RtppLex, CookieIsTheFirstWord) {
	const CookieCase cases[] = {
		{"ck V", "ck", " V"},
		{"  ck\tV \n", "ck", "\tV \n"},
		{"ck", "ck", ""},
		{"ck\n", "ck", "\n"},
		{"", "<none>", ""},
		{" \r\n", "<none>", ""},
		{"&& V", "&&", " V"},
	};

	for (const auto &c : cases) {
		std::string text = c.datagram;
		struct slice cookie, rest;

		rtpp_lex_cookie({text.data(), text.size()}, &cookie, &rest);
		EXPECT_EQ(str(cookie), c.cookie) << c.datagram;
		EXPECT_EQ(std::string(rest.p, rest.len), c.rest) << c.datagram;
	}
}
