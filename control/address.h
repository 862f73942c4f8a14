// SPDX-License-Identifier: BSD-2-Clause
// Changes of local addresses while control runs: what an operator asks, and what has to be done
// until control, store and dataplane agree.
//
// A change is whole or nothing. Addresses that are new wait for the dataplane; then all of it
// counts at once, is committed, and is answered. One is under way at a time. What is left over,
// because a process died or memory was short, is put right once a second: the dataplane is asked
// for what is missing there and told what nobody wants, and an address that drains is gone with its
// last call and the rest of its ports.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "dp_msg.h"
#include "shm_layout.h"

RR_BEGIN_DECLS

struct control;
struct dp_request;
struct job;
struct rr_endpoint;

struct address_change {
	struct job *job; // NULL: none is under way
	uint64_t deadline_ns;
	uint32_t n_pending; // addresses that the dataplane was asked for
	const char *refusal; // why it is not done; NULL so far
	uint8_t target[RR_MAX_ADDRS]; // enum rr_address_state, RR_ADDRESS_FREE: stays as it is
	bool pending[RR_MAX_ADDRS];
	bool by_file; // a reload of the configuration
	bool in_file[RR_MAX_ADDRS]; // then: named by it
};

// Verbs of the operator: REALM ADDRESS|RANGE, and ADDRESS|RANGE.
void address_add(struct control *ctl, struct job *job, int argc, char **argv);
void address_drain(struct control *ctl, struct job *job, int argc, char **argv);

// The parts of a change. Begin one; false: it is refused, for another is under way.
bool address_change_begin(struct control *ctl, struct job *job);
// Why a realm cannot have an address, or NULL.
const char *address_refuses(
	const struct control *ctl, uint32_t realm, const struct rr_endpoint *addr);
// An address is to be active that may be new, may have been drained, or be so already.
void address_change_want(struct control *ctl, uint32_t realm, const struct rr_endpoint *addr);
// All that was said; the dataplane's answers may be outstanding.
void address_change_end_when_answered(struct control *ctl);
// Returns how many addresses changed.
uint32_t address_change_carry_out(struct control *ctl);

// The dataplane answered.
void address_acked(struct control *ctl, const struct dp_request *req, uint16_t status);

// Give up a change that takes too long.
void address_step(struct control *ctl);
// Once a second, see above.
void address_agree(struct control *ctl);

// Control closes.
void address_forget(struct control *ctl);

RR_END_DECLS
