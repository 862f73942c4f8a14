// SPDX-License-Identifier: BSD-2-Clause
// Brings the notices of an outbox to their targets: one connection a target, kept open.
//
// A connection is made when there is something to send. Nothing waits for it: everything happens in
// the event loop, a batch at a time, and each target pays with its own queue for being slow. What a
// listener says is thrown away; when it hangs up its connection is closed at once, so that the next
// notice finds out whether somebody is there.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

struct event_base;
struct notifier;
struct outbox;

#define NOTIFIER_PATIENCE_MS 5000 // until somebody has taken a connection

struct notifier_params {
	struct event_base *base;
	struct outbox *outbox; // of which it is the one who has connections
	uint32_t patience_ms;
};

// Returns 0 or -ENOMEM.
int notifier_new(struct notifier **notifier, const struct notifier_params *params);
// Close every connection; what was not sent stays in the outbox.
void notifier_free(struct notifier *notifier);

RR_END_DECLS
