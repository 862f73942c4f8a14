// SPDX-License-Identifier: BSD-2-Clause
// Who opens an interface has it alone for as long. The kernel's programs themselves want root, and
// are in the smoke tests.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <future>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "media_filter.h"
}

namespace {

struct media_filter interface(int ifindex) {
	struct media_filter f;

	media_filter_init(&f, ifindex, "net", "/run/rr");
	return f;
}

bool has_name(int fd) {
	struct sockaddr_un name = {};
	socklen_t len = sizeof(name);

	return getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
	       len > sizeof(name.sun_family);
}

int next_descriptor() {
	int fd = dup(0);

	close(fd);
	return fd;
}

TEST(Reserve, TheNextOneWaits) {
	struct media_filter f = interface((1 << 30) + getpid());
	int first = media_filter_reserve(&f);
	int next = next_descriptor();
	std::future<int> second =
		std::async(std::launch::async, [&] { return media_filter_reserve(&f); });
	int fd;

	EXPECT_TRUE(has_name(first));
	while (fcntl(next, F_GETFD) < 0)
		std::this_thread::yield(); // it has not come yet
	close(first);
	fd = second.get();
	EXPECT_TRUE(has_name(fd));
	close(fd);
}

TEST(Reserve, OtherInterfacesDoNot) {
	struct media_filter one = interface((1 << 30) + getpid());
	struct media_filter other = interface((1 << 29) + getpid());
	int first = media_filter_reserve(&one);
	int second = media_filter_reserve(&other);

	EXPECT_TRUE(has_name(first));
	EXPECT_TRUE(has_name(second));
	close(first);
	close(second);
}

} // namespace
