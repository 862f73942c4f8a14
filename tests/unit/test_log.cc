// SPDX-License-Identifier: BSD-2-Clause
// Log lines name program, level and topic, stay one line whatever a peer sends, and are held back
// beyond a rate. Times of day are not looked at.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "log.h"

namespace {

std::string tail_after_time(const std::string &line) {
	size_t first = line.find(' ');
	size_t second = line.find(' ', first + 1);

	return line.substr(0, first) + line.substr(second);
}

} // namespace

TEST(Log, LineNamesProgramTimeLevelAndTopic) {
	rr_log_init("rtprelayd", RR_LOG_INFO);
	testing::internal::CaptureStderr();
	rr_warn("store", "map is nearly full used_mb=%d", 7);
	std::string line = testing::internal::GetCapturedStderr();

	EXPECT_EQ(tail_after_time(line), "rtprelayd warning store: map is nearly full used_mb=7\n");
	// 2026-01-31T00:00:00.000Z
	std::string time = line.substr(10, 24);
	EXPECT_EQ(time[10], 'T');
	EXPECT_EQ(time[19], '.');
	EXPECT_EQ(time[23], 'Z');
}

TEST(Log, LevelsAboveTheChosenOneAreNotWritten) {
	rr_log_init("p", RR_LOG_WARNING);
	testing::internal::CaptureStderr();
	rr_err("t", "a");
	rr_warn("t", "b");
	rr_info("t", "c");
	rr_debug("t", "d");
	std::string text = testing::internal::GetCapturedStderr();

	EXPECT_NE(text.find("error t: a\n"), std::string::npos);
	EXPECT_NE(text.find("warning t: b\n"), std::string::npos);
	EXPECT_EQ(text.find("t: c"), std::string::npos);
	EXPECT_EQ(text.find("t: d"), std::string::npos);
}

TEST(Log, ControlCharactersOfAPeerAreMasked) {
	rr_log_init("p", RR_LOG_INFO);
	testing::internal::CaptureStderr();
	rr_info("t", "call=%s", "a\nb\rc\x1b[2Jd\x7f");
	EXPECT_EQ(tail_after_time(testing::internal::GetCapturedStderr()),
		"p info t: call=a?b?c?[2Jd?\n");
}

TEST(Log, LongLineIsCutAndStillEnds) {
	std::string big(5000, 'x');

	rr_log_init("p", RR_LOG_INFO);
	testing::internal::CaptureStderr();
	rr_info("t", "%s", big.c_str());
	std::string line = testing::internal::GetCapturedStderr();

	EXPECT_LE(line.size(), 1024u);
	EXPECT_GT(line.size(), 1000u);
	EXPECT_EQ(line.back(), '\n');
	EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, LongTopicLeavesTheLineWhole) {
	std::string big(5000, 't');

	rr_log_init("p", RR_LOG_INFO);
	testing::internal::CaptureStderr();
	rr_info(big.c_str(), "%s", "message");
	std::string line = testing::internal::GetCapturedStderr();

	EXPECT_LE(line.size(), 1024u);
	EXPECT_EQ(line.back(), '\n');
}

TEST(Log, ReaderThatIsSlowHoldsNobodyUpAndHearsOfIt) {
	int saved = dup(STDERR_FILENO);
	int fds[2];
	std::string text(1 << 20, ' ');

	rr_log_init("p", RR_LOG_INFO);
	ASSERT_EQ(0, pipe2(fds, O_NONBLOCK));
	dup2(fds[1], STDERR_FILENO);
	for (int i = 0; i < 5000; i++)
		rr_info("t", "%0200d", i);
	text.resize((size_t)read(fds[0], text.data(), text.size()));
	int n_taken = (int)std::count(text.begin(), text.end(), '\n');
	rr_info("t", "after");
	text.resize(1 << 20);
	text.resize((size_t)read(fds[0], text.data(), text.size()));
	dup2(saved, STDERR_FILENO);
	for (int fd : {saved, fds[0], fds[1]})
		close(fd);
	EXPECT_LT(0, n_taken);
	EXPECT_NE(std::string::npos,
		text.find("warning log: lines lost, nobody read them in time n=" +
			  std::to_string(5000 - n_taken) + "\n"));
	EXPECT_NE(std::string::npos, text.find("info t: after\n"));
}

TEST(Log, ErrnoSurvivesAFullDisk) {
	int saved = dup(STDERR_FILENO);
	int full = open("/dev/full", O_WRONLY);

	ASSERT_GE(full, 0);
	rr_log_init("p", RR_LOG_INFO);
	dup2(full, STDERR_FILENO);
	errno = ENOENT;
	rr_info("t", "x");
	int after = errno;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(full);
	EXPECT_EQ(after, ENOENT);
}

TEST(Log, LevelNamesParseBack) {
	for (int i = RR_LOG_ERROR; i <= RR_LOG_DEBUG; i++) {
		enum rr_log_level level;

		ASSERT_EQ(rr_log_parse_level(
				  rr_log_level_name(static_cast<enum rr_log_level>(i)), &level),
			0);
		EXPECT_EQ(level, i);
	}
	enum rr_log_level level = RR_LOG_INFO;
	EXPECT_EQ(rr_log_parse_level("loud", &level), -EINVAL);
	EXPECT_EQ(level, RR_LOG_INFO);
	EXPECT_STREQ(rr_log_level_name(static_cast<enum rr_log_level>(99)), "unknown");
}

TEST(LogLimit, AllowsABurstASecondAndTellsWhatWasHeldBack) {
	struct rr_log_limit limit = {};

	limit.burst = 2;
	rr_log_init("p", RR_LOG_INFO);
	EXPECT_TRUE(rr_log_allow_at(&limit, 100));
	EXPECT_TRUE(rr_log_allow_at(&limit, 100));
	EXPECT_FALSE(rr_log_allow_at(&limit, 100));
	EXPECT_FALSE(rr_log_allow_at(&limit, 100));

	testing::internal::CaptureStderr();
	EXPECT_TRUE(rr_log_allow_at(&limit, 101));
	EXPECT_EQ(tail_after_time(testing::internal::GetCapturedStderr()),
		"p warning log: repeated lines held back n=2\n");

	testing::internal::CaptureStderr();
	EXPECT_TRUE(rr_log_allow_at(&limit, 102));
	EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(LogLimit, TakesTheSecondFromTheClock) {
	struct rr_log_limit none = {};
	struct rr_log_limit one = {};

	one.burst = 1;
	EXPECT_FALSE(rr_log_allow(&none));
	EXPECT_TRUE(rr_log_allow(&one));
	EXPECT_GT(one.second, 0u);
}
