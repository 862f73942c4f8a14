// SPDX-License-Identifier: BSD-2-Clause
// What both ends of a `shm:` command socket agree on: how a client comes by its rings, and where
// they are.
//
// The client connects to the socket, of type SOCK_SEQPACKET. The first message that it receives is
// a struct rr_command_shm_hello, and with it two descriptors: the memory of struct rr_command_shm,
// and an eventfd, the server's bell. From then on the socket carries nothing but bytes that wake
// the client, and the end of either side.
//
//	client --- commands, replies: rings ---> server      asleep: woken by the bell, an eventfd
//	client <------------------------------- server      asleep: woken by a byte on the socket
//
// A command is a message COOKIE SP COMMAND, a reply COOKIE SP REPLY, as datagrams are.
#pragma once

#include <stdint.h>

#include "compiler.h"
#include "msg_ring.h"

RR_BEGIN_DECLS

#define RR_COMMAND_SHM_MAGIC UINT32_C(0x52544d31)
#define RR_COMMAND_SHM_VERSION 1
#define RR_COMMAND_SHM_RING 65536 // bytes of each ring
#define RR_COMMAND_SHM_COMMAND 8191 // bytes of a command at most, cookie included
#define RR_COMMAND_SHM_REPLY 1023 // bytes of a reply at most, cookie and line feed included
#define RR_COMMAND_SHM_UNDER_WAY 64 // commands that are taken before the first of them is answered

struct rr_command_shm_hello {
	uint32_t magic;
	uint32_t version; // another one means another layout
	uint32_t size; // of the memory, bytes
	uint32_t reserved;
};

enum rr_command_shm_fd {
	RR_COMMAND_SHM_MEMORY,
	RR_COMMAND_SHM_BELL, // written by the client, 8 bytes: one
	RR_COMMAND_SHM_FDS,
};

// Fresh memory of zeros: both rings are empty.
struct rr_command_shm {
	struct rr_msg_ring_shared command; // the client produces
	struct rr_msg_ring_shared reply; // the server produces
	uint8_t command_bytes[RR_COMMAND_SHM_RING];
	uint8_t reply_bytes[RR_COMMAND_SHM_RING];
};
RR_STATIC_ASSERT(sizeof(struct rr_command_shm) == 512 + 2 * RR_COMMAND_SHM_RING, "no gaps");

RR_END_DECLS
