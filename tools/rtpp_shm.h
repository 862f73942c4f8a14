// SPDX-License-Identifier: BSD-2-Clause
// The client's side of a `shm:` command socket: commands to a relay on the same machine through
// shared memory, without a system call a command.
//
// Commands are sent without waiting for the replies to those before; each reply comes with the tag
// that its command was sent with. Replies may come in another order than their commands were sent.
// When the relay's worker is restarted, rtpp_shm_receive says -EPIPE; rtpp_shm_reconnect then sends
// what is unanswered again, under the cookies it had, so that nothing is run twice (within 35 s of
// the first time). rtpp_shm_example.c shows all of it.
//
// A client belongs to one thread at a time. Functions return 0 or more, or a negative errno.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RTPP_SHM_UNANSWERED 64 // commands at a time
#define RTPP_SHM_COMMAND 8000 // bytes of a command at most
#define RTPP_SHM_REPLY 1024 // bytes of a reply at most, the final zero included

struct rtpp_shm;

struct rtpp_shm_reply {
	uint64_t tag; // its command's
	size_t len; // bytes of text
	char text[RTPP_SHM_REPLY]; // without cookie and last line feed; ends in a zero byte
};

// Connect to the socket of a path, within so many milliseconds. Returns 0 and gives the client; or
// -ENOENT, -ECONNREFUSED, -EACCES when nobody serves it or we may not; -EPIPE when the relay closed
// the connection, having too many; -EPROTONOSUPPORT when it speaks another version; -ETIMEDOUT;
// -ENOMEM.
int rtpp_shm_connect(struct rtpp_shm **client, const char *path, int timeout_ms);

// Send a command, "D abc from to", of `len` bytes, without cookie and line feed. Never waits.
// Returns 0; -EAGAIN when RTPP_SHM_UNANSWERED are unanswered, or the relay has not read enough of
// them: receive first; -EMSGSIZE; -EPIPE when the connection is lost.
int rtpp_shm_send(struct rtpp_shm *client, uint64_t tag, const char *command, size_t len);

// Take a reply; wait for one so many milliseconds, 0 for not at all, -1 for ever. Returns 1 when
// there is one, 0 when none came, -EPIPE when the connection is lost: reconnect.
int rtpp_shm_receive(struct rtpp_shm *client, struct rtpp_shm_reply *reply, int timeout_ms);

// How many commands are unanswered.
unsigned int rtpp_shm_unanswered(const struct rtpp_shm *client);

// A descriptor for poll(2) and the like: when it is readable, call rtpp_shm_receive until it
// returns 0, and only then poll again. Another one after a reconnect.
int rtpp_shm_fd(const struct rtpp_shm *client);

// Connect anew, and send what is unanswered again. Returns as rtpp_shm_connect does; after an error
// it may be tried again.
int rtpp_shm_reconnect(struct rtpp_shm *client, int timeout_ms);

// Let go. Commands that were sent are run all the same.
void rtpp_shm_disconnect(struct rtpp_shm *client);

#ifdef __cplusplus
}
#endif
