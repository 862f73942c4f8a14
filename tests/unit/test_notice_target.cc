// SPDX-License-Identifier: BSD-2-Clause
// Where a notice goes: what the configuration permits, in which spelling, and which address that
// is.
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "config.h"
#include "notice_target.h"

namespace {

class NoticeTarget : public ::testing::Test {
      protected:
	struct rr_config cfg = {};
	struct notice_ends ends = {};
	struct notice_target target = {};

	void permit(const std::string &text) {
		snprintf(cfg.notify[cfg.n_notify++], RR_PATH_LEN, "%s", text.c_str());
	}
	void SetUp() override {
		permit("tcp:127.0.0.1:9");
		permit("unix:/run/with");
		permit("/run/without");
		permit("tcp:%%CC_SELF%%:7000");
		ASSERT_EQ(rr_endpoint_parse_addr(&ends.controller, "10.1.2.3", RR_FAMILY_IPV4), 0);
		ASSERT_EQ(rr_endpoint_parse_addr(&ends.local, "10.1.2.200", RR_FAMILY_IPV4), 0);
	}
	// The text that is kept, "" for what is not permitted.
	std::string resolve(const std::string &asked) {
		struct slice slice = {asked.data(), asked.size()};
		int ret = notice_target_resolve(&target, &cfg, slice, &ends);

		EXPECT_EQ(ret, target.len > 0 ? 0 : -EACCES) << asked;
		return std::string(target.text, target.len);
	}
	bool permitted(const std::string &text) {
		return notice_target_permitted(&cfg, {text.data(), text.size()});
	}
};

TEST_F(NoticeTarget, IsComparedAsText) {
	EXPECT_EQ(resolve("tcp:127.0.0.1:9"), "tcp:127.0.0.1:9");
	EXPECT_EQ(target.local_be, 0U);
	EXPECT_EQ(resolve("tcp:127.0.0.1:10"), "");
	EXPECT_EQ(resolve("tcp:127.0.0.1:09"), "");
	EXPECT_EQ(resolve("tcp:127.0.0.1:"), "");
	EXPECT_EQ(resolve("127.0.0.1:9"), "");
	EXPECT_EQ(resolve("TCP:127.0.0.1:9"), "");
	EXPECT_EQ(resolve(""), "");
}

TEST_F(NoticeTarget, PathMayBeWrittenWithItsKindOrWithout) {
	EXPECT_EQ(resolve("/run/with"), "unix:/run/with");
	EXPECT_EQ(resolve("unix:/run/with"), "unix:/run/with");
	EXPECT_EQ(resolve("/run/without"), "unix:/run/without");
	EXPECT_EQ(resolve("unix:/run/without"), "unix:/run/without");
	EXPECT_EQ(resolve("unix:/run/other"), "");
	EXPECT_EQ(resolve("unix:unix:/run/with"), "");
	EXPECT_EQ(resolve("unix:tcp:127.0.0.1:9"), "");
	EXPECT_EQ(resolve("unix:"), "");
}

TEST_F(NoticeTarget, WildcardIsTheControllerAndLeavesFromWhereItAsked) {
	EXPECT_EQ(resolve("tcp:%%CC_SELF%%:7000"), "tcp:10.1.2.3:7000");
	EXPECT_EQ(target.local_be, inet_addr("10.1.2.200"));
	EXPECT_EQ(resolve("tcp:%%CC_SELF%%:7001"), "");
	// Named by its address it is another target, which nobody permitted.
	EXPECT_EQ(resolve("tcp:10.1.2.3:7000"), "");
	EXPECT_EQ(target.local_be, 0U);
}

TEST_F(NoticeTarget, WildcardOfAControllerWithoutIpv4IsThisHost) {
	ASSERT_EQ(rr_endpoint_parse_addr(&ends.controller, "2001:db8::1", RR_FAMILY_IPV6), 0);
	ASSERT_EQ(rr_endpoint_parse_addr(&ends.local, "2001:db8::2", RR_FAMILY_IPV6), 0);
	EXPECT_EQ(resolve("tcp:%%CC_SELF%%:7000"), "tcp:127.0.0.1:7000");
	EXPECT_EQ(target.local_be, 0U);
	ends = {}; // a UNIX socket
	EXPECT_EQ(resolve("tcp:%%CC_SELF%%:7000"), "tcp:127.0.0.1:7000");
	EXPECT_EQ(target.local_be, 0U);
}

TEST_F(NoticeTarget, WildcardWithoutALocalAddressLeavesFromAny) {
	ends.local = {};
	EXPECT_EQ(resolve("tcp:%%CC_SELF%%:7000"), "tcp:10.1.2.3:7000");
	EXPECT_EQ(target.local_be, 0U);
}

TEST_F(NoticeTarget, LongestPathFits) {
	std::string path = "/" + std::string(106, 'p');

	EXPECT_EQ(resolve(path), "");
	permit(path);
	EXPECT_EQ(resolve(path), "unix:" + path);
}

TEST_F(NoticeTarget, NothingIsPermittedWithoutConfiguration) {
	cfg.n_notify = 0;
	EXPECT_EQ(resolve("tcp:127.0.0.1:9"), "");
	EXPECT_FALSE(permitted("tcp:127.0.0.1:9"));
}

TEST_F(NoticeTarget, WhatWasResolvedIsPermittedAsLongAsTheConfigurationSaysSo) {
	EXPECT_TRUE(permitted("tcp:127.0.0.1:9"));
	EXPECT_TRUE(permitted("unix:/run/with"));
	EXPECT_TRUE(permitted("unix:/run/without"));
	EXPECT_TRUE(permitted("tcp:10.1.2.3:7000"));
	EXPECT_FALSE(permitted("tcp:10.1.2.3:17000"));
	EXPECT_FALSE(permitted("tcp:10.1.2.3:9"));
	EXPECT_FALSE(permitted("unix:/run/a:7000"));
	EXPECT_FALSE(permitted("unix:/run/wi"));
	EXPECT_FALSE(permitted(""));
	EXPECT_FALSE(permitted("7000"));
	cfg.n_notify = 3; // without the wildcard
	EXPECT_FALSE(permitted("tcp:10.1.2.3:7000"));
}

struct Address {
	struct sockaddr_storage storage;
	socklen_t len = 0;
	int ret;

	explicit Address(const std::string &text) {
		ret = notice_target_addr({text.data(), text.size()}, &storage, &len);
	}
	std::string host() const {
		char text[INET_ADDRSTRLEN];

		return inet_ntop(AF_INET, &((const struct sockaddr_in *)&storage)->sin_addr, text,
			sizeof(text));
	}
};

TEST_F(NoticeTarget, AddressOfTcp) {
	Address a("tcp:10.1.2.3:7000");

	ASSERT_EQ(a.ret, 0);
	EXPECT_EQ(a.storage.ss_family, AF_INET);
	EXPECT_EQ(a.len, sizeof(struct sockaddr_in));
	EXPECT_EQ(a.host(), "10.1.2.3");
	EXPECT_EQ(ntohs(((struct sockaddr_in *)&a.storage)->sin_port), 7000);
}

TEST_F(NoticeTarget, AddressOfAPath) {
	Address a("unix:/run/with");

	ASSERT_EQ(a.ret, 0);
	EXPECT_EQ(a.storage.ss_family, AF_UNIX);
	EXPECT_STREQ(((struct sockaddr_un *)&a.storage)->sun_path, "/run/with");
	EXPECT_EQ(Address("unix:/" + std::string(106, 'p')).ret, 0);
}

TEST_F(NoticeTarget, WhatIsNoTargetHasNoAddress) {
	for (const std::string &text : {std::string(), std::string("unix:"),
		     std::string("/run/with"), "unix:/" + std::string(107, 'p'),
		     std::string("tcp:10.1.2.3"), std::string("tcp:10.1.2.3:"),
		     std::string("tcp:10.1.2.3:0"), std::string("tcp:10.1.2.3:65536"),
		     std::string("tcp:10.1.2.3:9x"), std::string("tcp:10.1.2:9"),
		     std::string("tcp::9"), "tcp:" + std::string(NOTICE_TARGET_MAX, '1')})
		EXPECT_EQ(Address(text).ret, -EINVAL) << text;
}

} // namespace
