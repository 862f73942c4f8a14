// SPDX-License-Identifier: BSD-2-Clause
// The event loop of control, which works in turns.
#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "control.h"
#include "listener.h"
#include "operator.h"

#define MAX_WATCHES 8
#define IDLE_PERIOD_MS 10 // between turns when nothing is outstanding
#define RING_TURNS 16 // in a row; then events have their turn
#define RING_COMMANDS 32 // as many as a datagram socket has run in a turn
#define STOP_PATIENCE_NS (200 * RR_NS_PER_MS) // for replies that are under way at the end

// How often to look for acknowledgements, by how long none has come though some are outstanding; 0:
// again at once. A dataplane that lives answers within microseconds, which is less than to sleep
// and to be woken takes; one that does not is not worth a core.
static const struct poll_pace {
	uint64_t until_ns;
	uint64_t period_ns;
} poll_paces[] = {
	{20000, 0},
	{1 * RR_NS_PER_MS, 30000},
	{10 * RR_NS_PER_MS, 200000},
	{UINT64_MAX, 1 * RR_NS_PER_MS},
};

// A timer or signal that somebody asked for.
struct watch {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct control *ctl;
	struct listener_set *listeners; // NULL until they are there
	bool turn_open; // control_turn_begin was called
	bool stopping;
	uint64_t stop_ns; // since when
	uint64_t silent_since_ns; // the dataplane, while something is outstanding; else 0
	bool idle; // nothing is outstanding
	uint64_t pace_ns; // else: how long the loop may sleep
	int poll_fd; // timerfd that ends such a sleep
	struct event *poll_event;
	unsigned int n_watches;
	struct watch watch[MAX_WATCHES];
};

// Only have to end the wait; what is to be polled is polled at the end of every turn. The timer is
// not read: it is armed anew for every sleep, and the event is of its edge.
static void on_poll_timer(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg RR_UNUSED) {
}
static void on_idle_period(void *arg RR_UNUSED) {
}

static void arm_poll_timer(struct loop *loop) {
	struct itimerspec its = {.it_value.tv_nsec = (long)loop->pace_ns};

	timerfd_settime(loop->poll_fd, 0, &its, NULL);
}

static int open_poll_timer(struct loop *loop) {
	loop->poll_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->poll_fd < 0)
		return -errno;
	loop->poll_event = event_new(
		loop->base, loop->poll_fd, EV_READ | EV_PERSIST | EV_ET, on_poll_timer, NULL);
	if (!loop->poll_event || event_add(loop->poll_event, NULL) < 0)
		return -ENOMEM;
	loop->idle = true;
	return loop_every(loop, IDLE_PERIOD_MS, on_idle_period, NULL);
}

int loop_new(struct loop **out, struct control *ctl) {
	struct loop *loop = calloc(1, sizeof(*loop));
	int rc;

	if (!loop)
		return -ENOMEM;
	loop->poll_fd = -1;
	loop->ctl = ctl;
	loop->base = event_base_new();
	rc = loop->base ? open_poll_timer(loop) : -ENOMEM;
	if (rc < 0) {
		loop_free(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop *loop) {
	if (!loop)
		return;
	for (unsigned int i = 0; i < loop->n_watches; i++)
		event_free(loop->watch[i].event);
	if (loop->poll_event)
		event_free(loop->poll_event);
	if (loop->poll_fd >= 0)
		close(loop->poll_fd);
	if (loop->base)
		event_base_free(loop->base);
	free(loop);
}

struct event_base *loop_base(struct loop *loop) {
	return loop->base;
}

void loop_set_listeners(struct loop *loop, struct listener_set *set) {
	loop->listeners = set;
}

// ---- a turn
// --------------------------------------------------------------------------------------

static void open_turn(struct loop *loop) {
	if (!loop->turn_open)
		control_turn_begin(loop->ctl, rr_now_ns());
	loop->turn_open = true;
}

void loop_execute(struct loop *loop, struct job *job) {
	open_turn(loop);
	command_execute(loop->ctl, job);
}

void loop_execute_operator(struct loop *loop, struct job *job) {
	open_turn(loop);
	operator_execute(loop->ctl, job);
}

static void set_pace(struct loop *loop, uint64_t now_ns, bool answered) {
	unsigned int i = 0;

	loop->idle = !control_waiting(loop->ctl);
	if (loop->idle) {
		loop->silent_since_ns = 0;
		return;
	}
	if (loop->silent_since_ns == 0 || answered)
		loop->silent_since_ns = now_ns;
	while (now_ns - loop->silent_since_ns >= poll_paces[i].until_ns)
		i++;
	loop->pace_ns = poll_paces[i].period_ns;
}

static void end_turn(struct loop *loop) {
	uint64_t now_ns;
	bool answered;

	open_turn(loop);
	control_turn_commit(loop->ctl);
	now_ns = rr_now_ns();
	answered = control_poll(loop->ctl, now_ns) > 0;
	if (loop->listeners)
		listener_flush(loop->listeners);
	set_pace(loop, now_ns, answered);
	loop->turn_open = false;
}

static bool rings_awake(const struct loop *loop) {
	return loop->listeners && listener_awake(loop->listeners);
}

// One turn after events, and further ones without: as long as commands may come through shared
// memory, nothing is asked of the kernel.
static void run_turns(struct loop *loop) {
	unsigned int n_commands = 0;
	unsigned int n_turns = 0;

	do {
		if (loop->listeners)
			n_commands += listener_poll(loop->listeners);
		end_turn(loop);
		n_turns++;
	} while (rings_awake(loop) && n_commands < RING_COMMANDS && n_turns < RING_TURNS);
}

static bool has_stopped(struct loop *loop) {
	if (!loop->stopping)
		return false;
	if (loop->stop_ns == 0)
		loop->stop_ns = rr_now_ns();
	return !control_waiting(loop->ctl) || rr_now_ns() - loop->stop_ns > STOP_PATIENCE_NS;
}

// Sleeps only when nothing but an event can bring something to do.
static int take_events(struct loop *loop) {
	int flags = EVLOOP_ONCE;

	if (rings_awake(loop) || (!loop->idle && loop->pace_ns == 0))
		flags |= EVLOOP_NONBLOCK;
	else if (!loop->idle)
		arm_poll_timer(loop);
	return event_base_loop(loop->base, flags) < 0 ? -EIO : 0;
}

int loop_run(struct loop *loop) {
	while (!has_stopped(loop)) {
		if (take_events(loop) < 0)
			return -EIO;
		run_turns(loop);
	}
	return 0;
}

void loop_stop(struct loop *loop) {
	loop->stopping = true;
}

// ---- timers and signals
// --------------------------------------------------------------------------

static void on_watch(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	const struct watch *w = arg;

	w->fn(w->arg);
}

static int add_watch(struct loop *loop, evutil_socket_t fd, short what,
	const struct timeval *period, struct watch watch) {
	struct watch *w = &loop->watch[loop->n_watches];

	if (loop->n_watches == MAX_WATCHES)
		return -ENOSPC;
	*w = watch;
	w->event = event_new(loop->base, fd, what | EV_PERSIST, on_watch, w);
	if (!w->event)
		return -ENOMEM;
	loop->n_watches++;
	return event_add(w->event, period) < 0 ? -ENOMEM : 0;
}

int loop_every(struct loop *loop, uint32_t period_ms, void (*fn)(void *arg), void *arg) {
	struct timeval period = {
		.tv_sec = period_ms / 1000,
		.tv_usec = period_ms % 1000 * 1000,
	};

	return add_watch(loop, -1, 0, &period, (struct watch){.fn = fn, .arg = arg});
}

int loop_on_signal(struct loop *loop, int signo, void (*fn)(void *arg), void *arg) {
	return add_watch(loop, signo, EV_SIGNAL, NULL, (struct watch){.fn = fn, .arg = arg});
}
