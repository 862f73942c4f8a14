// SPDX-License-Identifier: BSD-2-Clause
// Which socket files of net_memif devices are removed before the device is made, and above all
// which are not.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern "C" {
#include "memif.h"
}

namespace {

class Memif : public testing::Test {
      protected:
	void SetUp() override {
		char folder[] = "/tmp/rtprelay-memif-XXXXXX";

		ASSERT_NE(nullptr, mkdtemp(folder));
		folder_ = folder;
		path_ = folder_ + "/wire.sock";
	}

	void TearDown() override {
		for (int fd : fds_)
			close(fd);
		unlink(path_.c_str());
		unlink((folder_ + "/link").c_str());
		rmdir(folder_.c_str());
	}

	// A socket of this type that listens at the path.
	int listener(int type) {
		struct sockaddr_un at = {};
		int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

		at.sun_family = AF_UNIX;
		path_.copy(at.sun_path, sizeof(at.sun_path) - 1);
		EXPECT_EQ(0, bind(fd, (const struct sockaddr *)&at, sizeof(at)));
		if (type != SOCK_DGRAM) {
			EXPECT_EQ(0, listen(fd, 1));
		}
		return fd;
	}

	// What a process that was killed leaves behind.
	void dead_socket(int type = SOCK_SEQPACKET) {
		close(listener(type));
	}

	void keep_open(int fd) {
		fds_.push_back(fd);
	}

	bool there(const std::string &path) {
		struct stat st;

		return lstat(path.c_str(), &st) == 0;
	}

	void look(const std::string &front = "net_memif0,role=server",
		const std::string &back = ",socket-abstract=no") {
		memif_remove_dead_socket((front + ",socket=" + path_ + back).c_str());
	}

	std::string folder_, path_;
	std::vector<int> fds_;
};

TEST_F(Memif, DeadSocketGoes) {
	dead_socket();
	look();
	EXPECT_FALSE(there(path_));
	dead_socket();
	look("net_memif1,mac=02:00:00:00:00:01,id=7,role=server",
		",socket-abstract=no,zero-copy=no");
	EXPECT_FALSE(there(path_));
}

TEST_F(Memif, NothingThere) {
	look();
	EXPECT_FALSE(there(path_));
}

TEST_F(Memif, ListenerStays) {
	keep_open(listener(SOCK_SEQPACKET));
	for (int i = 0; i < 8; i++) // more than the listener has room for
		look();
	EXPECT_TRUE(there(path_));
}

TEST_F(Memif, ListenersOfOtherTypesStay) {
	for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
		keep_open(listener(type));
		look();
		EXPECT_TRUE(there(path_)) << type;
		unlink(path_.c_str());
	}
}

TEST_F(Memif, WhatIsNoSocketStays) {
	int fd = open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ASSERT_LE(0, fd);
	close(fd);
	look();
	EXPECT_TRUE(there(path_));
	unlink(path_.c_str());
	ASSERT_EQ(0, mkfifo(path_.c_str(), 0600));
	look();
	EXPECT_TRUE(there(path_));
}

TEST_F(Memif, LinkToDeadSocketStays) {
	std::string target = path_;

	dead_socket();
	path_ = folder_ + "/link";
	ASSERT_EQ(0, symlink(target.c_str(), path_.c_str()));
	look();
	EXPECT_TRUE(there(path_));
	EXPECT_TRUE(there(target));
	path_ = target;
}

TEST_F(Memif, SocketsOfOtherDevicesStay) {
	dead_socket();
	look("net_memif0,role=client");
	look("net_memif0"); // client is the default
	look("net_virtio_user0,role=server");
	look("net_memif0,role=server", ""); // abstract is the default
	look("net_memif0,role=server", ",socket-abstract=yes");
	memif_remove_dead_socket("net_memif0");
	memif_remove_dead_socket("0000:03:00.0");
	EXPECT_TRUE(there(path_));
}

// The path as far as it fits is another file's.
TEST_F(Memif, PathThatIsTooLong) {
	std::string fits = path_ + std::string(107 - path_.size(), 'x');

	path_ = fits;
	dead_socket();
	path_ = fits + "x";
	look();
	path_ = fits;
	EXPECT_TRUE(there(path_));
	look();
	EXPECT_FALSE(there(path_));
}

} // namespace
