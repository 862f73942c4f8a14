// SPDX-License-Identifier: BSD-2-Clause
// A controller over shared memory: sets calls up and tears them down, and lives through restarts of
// the relay.
//
// usage: rtpp-shm-example PATH CALLS
//
// Each call is three commands: its caller offers (U), its callee answers (L), somebody hangs up
// (D). Many calls are under way at a time, and each has one command unanswered at most.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rtpp_shm.h"

#define CALLS_AT_A_TIME 48 // not more than RTPP_SHM_UNANSWERED
#define TIMEOUT_MS 20000

static struct rtpp_shm *relay;
static unsigned long n_reconnects;

// What a call says, step by step; %1$d is this process, %2$lu the number of the call.
static const char *const commands[] = {
	"U example-%1$d-%2$lu 192.0.2.1 4000 from",
	"L example-%1$d-%2$lu 192.0.2.2 4000 from to",
	"D example-%1$d-%2$lu from to",
};
#define N_STEPS (sizeof(commands) / sizeof(commands[0]))

static void fail(const char *what, const char *detail) {
	fprintf(stderr, "rtpp-shm-example: %s: %s\n", what, detail);
	exit(EXIT_FAILURE);
}

// The relay's worker is gone. What is unanswered is sent again by rtpp_shm_reconnect.
static void come_back(void) {
	const struct timespec pause = {.tv_nsec = 10000000};
	int rc = rtpp_shm_reconnect(relay, TIMEOUT_MS);

	for (int i = 0; rc < 0 && i < TIMEOUT_MS / 10; i++) {
		nanosleep(&pause, NULL);
		rc = rtpp_shm_reconnect(relay, TIMEOUT_MS);
	}
	if (rc < 0)
		fail("cannot reconnect", strerror(-rc));
	n_reconnects++;
}

// Which call and step a reply belongs to: that is its tag.
static void say(unsigned long call, unsigned int step) {
	char text[128];
	int len = snprintf(text, sizeof(text), commands[step], (int)getpid(), call);
	int rc;

	while ((rc = rtpp_shm_send(relay, call * N_STEPS + step, text, (size_t)len)) == -EPIPE)
		come_back();
	if (rc < 0)
		fail("cannot send", strerror(-rc));
}

// A port number for U and L, 0 for D.
static void check(const struct rtpp_shm_reply *reply) {
	unsigned int step = (unsigned int)(reply->tag % N_STEPS);
	long number = strtol(reply->text, NULL, 10);

	if (step == N_STEPS - 1 ? strcmp(reply->text, "0") != 0 : number <= 0)
		fail(commands[step], reply->text);
}

static void hear(struct rtpp_shm_reply *reply) {
	int rc;

	while ((rc = rtpp_shm_receive(relay, reply, TIMEOUT_MS)) == -EPIPE)
		come_back();
	if (rc < 0)
		fail("cannot receive", strerror(-rc));
	if (rc == 0)
		fail("cannot receive", "the relay says nothing");
}

static void run(unsigned long n_calls) {
	unsigned long n_begun = 0;
	unsigned long n_ended = 0;

	while (n_ended < n_calls) {
		struct rtpp_shm_reply reply;

		while (n_begun < n_calls && n_begun - n_ended < CALLS_AT_A_TIME)
			say(n_begun++, 0);
		hear(&reply);
		check(&reply);
		if (reply.tag % N_STEPS == N_STEPS - 1)
			n_ended++;
		else
			say(reply.tag / N_STEPS, (unsigned int)(reply.tag % N_STEPS) + 1);
	}
}

int main(int argc, char **argv) {
	unsigned long n_calls = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	int rc;

	if (n_calls == 0) {
		fputs("usage: rtpp-shm-example PATH CALLS\n", stderr);
		return 2;
	}
	rc = rtpp_shm_connect(&relay, argv[1], TIMEOUT_MS);
	if (rc < 0)
		fail(argv[1], strerror(-rc));
	run(n_calls);
	rtpp_shm_disconnect(relay);
	printf("%lu calls, %lu reconnects\n", n_calls, n_reconnects);
	return EXIT_SUCCESS;
}
