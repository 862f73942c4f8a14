// SPDX-License-Identifier: BSD-2-Clause
// Named places at which a test build kills itself, so that every half-done state can be visited.
//
// Only a build with RR_CRASH_POINTS holds them; elsewhere rr_crash_point() is nothing. Which place
// is wanted is written name or name:count; the process sends itself SIGKILL at the count-th pass of
// that place (the first, when no count is given). RR_CRASH_POINT in the environment says it for the
// whole life of a process. RR_CRASH_FILE names a file that says it whenever it is there, and that
// the process removes before it dies: a place is hit once, however often its process is restarted.
#pragma once

// X(identifier, where). Names are the identifiers.
#define RR_CRASH_POINTS_TABLE(X) \
	X(request_taken, "dataplane: a request was taken from the ring, nothing is done yet") \
	X(request_applied, "dataplane: a request was applied, no reply is written yet") \
	X(request_replied, "dataplane: the reply of a request was written") \
	X(flow_update, "dataplane: a flow is half written, its sequence count is odd") \
	X(adopt_half, "dataplane: half of the flows of an old region were looked at") \
	X(reserve_before, "control: ports are about to be reserved") \
	X(reserve_after, "control: ports are reserved, nothing is stored") \
	X(commit_before, "control: a turn's changes are about to be committed") \
	X(commit_after, "control: a turn's changes are committed, no request is sent") \
	X(submit_before, "control: a request is about to enter the ring") \
	X(submit_after, "control: a request entered the ring") \
	X(ack_before, "control: a reply of the dataplane was taken, nothing is done yet") \
	X(ack_after, "control: a reply of the dataplane was handled") \
	X(reply_before, "control: a reply to a controller is about to be sent") \
	X(reply_after, "control: a reply to a controller was sent")

enum rr_crash_point {
#define RR_CRASH_POINT_ENUM(id, where) RR_CRASH_##id,
	RR_CRASH_POINTS_TABLE(RR_CRASH_POINT_ENUM)
#undef RR_CRASH_POINT_ENUM
		RR_N_CRASH_POINTS
};

#ifdef RR_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RR_CRASH_WANT_MAX 64

// What the environment, or the file that it names, asks for; "" when nothing is wanted.
static inline void rr_crash_point_want(char want[RR_CRASH_WANT_MAX]) {
	const char *path = getenv("RR_CRASH_FILE");
	const char *text = getenv("RR_CRASH_POINT");
	ssize_t len = 0;
	int fd;

	if (text && strlen(text) < RR_CRASH_WANT_MAX) {
		memcpy(want, text, strlen(text) + 1);
		return;
	}
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		len = read(fd, want, RR_CRASH_WANT_MAX - 1);
		close(fd);
	}
	want[len > 0 ? len : 0] = '\0';
	want[strcspn(want, "\n")] = '\0';
}

// Count of the wanted pass, or 0 when this place is not wanted.
static inline uint32_t rr_crash_point_count(enum rr_crash_point point) {
	static const char *const names[] = {
#define RR_CRASH_POINT_NAME(id, where) #id,
		RR_CRASH_POINTS_TABLE(RR_CRASH_POINT_NAME)
#undef RR_CRASH_POINT_NAME
	};
	size_t len = strlen(names[point]);
	char want[RR_CRASH_WANT_MAX];

	rr_crash_point_want(want);
	if (strncmp(want, names[point], len) != 0)
		return 0;
	if (want[len] == '\0')
		return 1;
	return want[len] == ':' ? (uint32_t)strtoul(want + len + 1, NULL, 10) : 0;
}

// Passes are counted per source file; no point stands in two of them.
static inline void rr_crash_point(enum rr_crash_point point) {
	static uint32_t n_passes[RR_N_CRASH_POINTS];
	uint32_t count = rr_crash_point_count(point);

	// Several workers pass the same place, so the count is a read-modify-write for once.
	if (count == 0 || __atomic_add_fetch(&n_passes[point], 1, __ATOMIC_RELAXED) != count)
		return;
	if (getenv("RR_CRASH_FILE"))
		unlink(getenv("RR_CRASH_FILE"));
	raise(SIGKILL);
}

#else

#define rr_crash_point(point) ((void)(point))

#endif
