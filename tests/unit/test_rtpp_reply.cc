// SPDX-License-Identifier: BSD-2-Clause
// Replies byte for byte: numbers, port tuples, sub-command results, cookies and the length limit.
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "rtpp_reply.h"

class RtppReply : public ::testing::Test {
      protected:
	// One byte more than a reply may touch.
	char buf[RTPP_MAX_REPLY + 2];
	struct rtpp_reply r;
	std::string cookie_text;

	void begin(const std::string &cookie = "") {
		cookie_text = cookie;
		memset(buf, '#', sizeof(buf));
		rtpp_reply_begin(&r, buf,
			cookie.empty() ? slice{nullptr, 0}
				       : slice{cookie_text.data(), cookie_text.size()});
	}

	std::string end(enum rtpp_error on_overflow = RTPP_E_QUERY_OVERFLOW) {
		size_t len = rtpp_reply_end(&r, on_overflow);

		EXPECT_EQ(buf[sizeof(buf) - 1], '#');
		EXPECT_LE(len, (size_t)RTPP_MAX_REPLY);
		EXPECT_EQ(buf[len], '\0');
		return std::string(buf, len);
	}
};

static const struct rtpp_shown_addr wildcard = {nullptr, false};
static const struct rtpp_shown_addr ipv4 = {"192.0.2.1", false};
static const struct rtpp_shown_addr ipv6 = {"2001:db8::1", true};
static const struct rtpp_shown_addr advertised = {"203.0.113.7", true};

TEST_F(RtppReply, SimpleReplies) {
	begin();
	rtpp_reply_ok(&r);
	EXPECT_EQ(end(), "0\n");
	begin("ck");
	rtpp_reply_number(&r, 20040107);
	EXPECT_EQ(end(), "ck 20040107\n");
	begin("ck");
	rtpp_reply_printf(&r, "%s=%d", "ttl", 5);
	rtpp_reply_printf(&r, " %f", 0.0);
	EXPECT_EQ(end(), "ck ttl=5 0.000000\n");
	begin("ck");
	EXPECT_EQ(end(), "ck \n");
}

TEST_F(RtppReply, PortTuples) {
	begin();
	rtpp_reply_port(&r, 20618, &wildcard);
	EXPECT_EQ(end(), "20618\n");
	begin();
	rtpp_reply_port(&r, 20618, &ipv4);
	EXPECT_EQ(end(), "20618 192.0.2.1\n");
	begin();
	rtpp_reply_port(&r, 65534, &ipv6);
	EXPECT_EQ(end(), "65534 2001:db8::1 6\n");
	begin();
	rtpp_reply_port(&r, 4, &advertised);
	EXPECT_EQ(end(), "4 203.0.113.7 6\n");
}

TEST_F(RtppReply, ErrorsReplaceWhatWasSaid) {
	begin("ck");
	rtpp_reply_port(&r, 20618, &ipv4);
	rtpp_reply_sub_port(&r, 20620, &ipv4);
	rtpp_reply_error(&r, RTPP_E_NO_SESSION);
	EXPECT_EQ(end(), "ck E50\n");
	begin();
	rtpp_reply_error(&r, RTPP_E_UNKNOWN);
	EXPECT_EQ(end(), "E0\n");
}

TEST_F(RtppReply, NumbersOfErrors) {
	EXPECT_EQ(rtpp_error_number(RTPP_E_UNKNOWN), 0u);
	EXPECT_EQ(rtpp_error_number(RTPP_E_ARGS), 1u);
	EXPECT_EQ(rtpp_error_number(RTPP_E_DRAINING), 99u);
}

TEST_F(RtppReply, SilentSuccessesAtTheEndAreNotShown) {
	begin();
	rtpp_reply_port(&r, 20618, &ipv4);
	rtpp_reply_sub_silent(&r);
	rtpp_reply_sub_silent(&r);
	EXPECT_EQ(end(), "20618 192.0.2.1\n");
}

TEST_F(RtppReply, SilentSuccessesBeforeAResultAreZeroes) {
	begin();
	rtpp_reply_port(&r, 29940, &ipv4);
	rtpp_reply_sub_silent(&r);
	rtpp_reply_sub_port(&r, 28176, &ipv6);
	rtpp_reply_sub_silent(&r);
	EXPECT_EQ(end(), "29940 192.0.2.1 && 0 && 28176 2001:db8::1 6\n");
}

TEST_F(RtppReply, NothingFollowsAFailure) {
	begin();
	rtpp_reply_port(&r, 28378, &ipv4);
	rtpp_reply_sub_silent(&r);
	rtpp_reply_sub_failed(&r);
	rtpp_reply_sub_silent(&r);
	rtpp_reply_sub_port(&r, 28176, &ipv4);
	rtpp_reply_sub_failed(&r);
	EXPECT_EQ(end(), "28378 192.0.2.1 && 0 && -1\n");
}

TEST_F(RtppReply, SubcommandsOfAFailedCommandSayNothing) {
	begin();
	rtpp_reply_error(&r, RTPP_E_NO_SESSION);
	rtpp_reply_sub_silent(&r);
	rtpp_reply_sub_failed(&r);
	EXPECT_EQ(end(), "E50\n");
}

TEST_F(RtppReply, LongestReplyFits) {
	begin();
	rtpp_reply_printf(&r, "%s", std::string(RTPP_MAX_REPLY - 1, 'x').c_str());
	EXPECT_EQ(end().size(), (size_t)RTPP_MAX_REPLY);
}

TEST_F(RtppReply, LongerReplyBecomesAnError) {
	begin();
	rtpp_reply_printf(&r, "%s", std::string(RTPP_MAX_REPLY, 'x').c_str());
	EXPECT_EQ(end(RTPP_E_GSTATS_OVERFLOW), "E25\n");
	begin("ck");
	for (int i = 0; i < 400; i++)
		rtpp_reply_printf(&r, "%d ", i);
	EXPECT_EQ(end(RTPP_E_QUERY_OVERFLOW), "ck E26\n");
}

TEST_F(RtppReply, EveryCookieLengthLeavesTheReplyInItsLimits) {
	for (size_t n = RTPP_MAX_REPLY - 12; n < RTPP_MAX_REPLY + 12; n++) {
		begin(std::string(n, 'c'));
		rtpp_reply_number(&r, 20040107);
		std::string reply = end();
		if (n + 1 + 8 + 1 <= RTPP_MAX_REPLY)
			EXPECT_EQ(reply, std::string(n, 'c') + " 20040107\n");
		else if (n + 1 + 4 <= RTPP_MAX_REPLY)
			EXPECT_EQ(reply, std::string(n, 'c') + " E26\n");
		else
			EXPECT_EQ(reply, "20040107\n");
	}
}
