// SPDX-License-Identifier: BSD-2-Clause
// Changes of local addresses while control runs.
#include "address.h"

#include <errno.h>
#include <string.h>

#include "address_reload.h"
#include "control.h"
#include "job.h"
#include "log.h"
#include "operator.h"
#include "port_alloc.h"
#include "shm_addrs.h"

static const char silent[] = "the dataplane does not answer";

// What an operator can do about a dataplane's refusal.
static const char *refusal_of(uint16_t status) {
	switch (status) {
	case RR_REPLY_NO_ROOM:
		return "the region is laid out for no more addresses, see media.max_addresses";
	case RR_REPLY_NO_MEMORY:
		return "there is no memory for the flows of one more, see the log of rtprelay-dp";
	case RR_REPLY_NO_KERNEL:
		return "the kernel does not give its media away, see the log of rtprelay-dp";
	case RR_REPLY_BAD_REALM:
		return "the dataplane read a file in which the realm cannot have it";
	default:
		return "the dataplane refuses it";
	}
}

// ---- what is meant

struct addresses {
	uint32_t n;
	struct rr_endpoint addr[RR_MAX_ADDRS];
};

// "A" or "A-B". Returns 0, -EINVAL, or -E2BIG for more than there can be.
static int parse_range(const char *text, struct addresses *out) {
	char first[RR_ENDPOINT_STRLEN];
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	struct rr_endpoint at, last;

	if (len >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, len);
	first[len] = '\0';
	if (rr_endpoint_parse_addr(&at, first, RR_FAMILY_NONE) < 0 ||
		rr_endpoint_parse_addr(&last, dash ? dash + 1 : first, RR_FAMILY_NONE) < 0)
		return -EINVAL;
	if (at.family != last.family || memcmp(at.addr, last.addr, sizeof(at.addr)) > 0)
		return -EINVAL;
	out->n = 0;
	for (; out->n < RR_MAX_ADDRS; rr_endpoint_step(&at)) {
		out->addr[out->n++] = at;
		if (rr_endpoint_same_host(&at, &last))
			return 0;
	}
	return -E2BIG;
}

static bool read_range(
	struct control *ctl, struct job *job, const char *text, struct addresses *out) {
	int ret = parse_range(text, out);

	if (ret == -EINVAL)
		operator_refuse(ctl, job, "%s: expected ADDRESS or LOWEST-HIGHEST", text);
	else if (ret < 0)
		operator_refuse(ctl, job, "%s: more than %d addresses", text, RR_MAX_ADDRS);
	return ret == 0;
}

const char *address_refuses(
	const struct control *ctl, uint32_t realm, const struct rr_endpoint *addr) {
	int known = address_pool_find(&ctl->addresses, addr);

	if (known >= 0)
		return ctl->cfg->addr[known].realm == realm ? NULL : "belongs to another realm";
	return rr_realm_refuses(ctl->cfg, realm, addr);
}

static bool may_be_drained(const struct control *ctl, const struct rr_endpoint *addr) {
	int known = address_pool_find(&ctl->addresses, addr);

	return known >= 0 && address_pool_is_wanted(&ctl->addresses, (uint32_t)known);
}

// ---- a change

// For the next answer: each stands for an address whose memory was filled.
static void set_deadline(struct control *ctl) {
	ctl->address_change.deadline_ns = control_wait_end_ns(ctl);
}

bool address_change_begin(struct control *ctl, struct job *job) {
	if (ctl->address_change.job) {
		operator_refuse(ctl, job, "another change of addresses is under way");
		return false;
	}
	ctl->address_change = (struct address_change){.job = job};
	set_deadline(ctl);
	return true;
}

static int ask(struct control *ctl, uint32_t index) {
	const struct rr_endpoint ep = address_pool_endpoint(&ctl->addresses, index);
	int ret = dp_client_settled(ctl->dp) ? 0 : -ENOTCONN;

	if (ret == 0)
		ret = port_alloc_add(ctl->ports, index);
	if (ret == 0)
		ret = dp_client_submit_addr(
			ctl->dp, RR_REQUEST_ADDR_SET, &ep, ctl->cfg->addr[index].realm_key);
	return ret;
}

void address_change_want(struct control *ctl, uint32_t realm, const struct rr_endpoint *addr) {
	struct address_change *change = &ctl->address_change;
	int index = address_pool_find(&ctl->addresses, addr);
	int ret;

	if (index < 0)
		index = address_pool_add(&ctl->addresses, realm, addr);
	else if (ctl->addresses.state[index] == RR_ADDRESS_GONE)
		address_pool_set(&ctl->addresses, (uint32_t)index, RR_ADDRESS_ADDING);
	if (index < 0) {
		change->refusal = refusal_of(RR_REPLY_NO_ROOM);
		return;
	}
	change->target[index] = RR_ADDRESS_ACTIVE;
	if (ctl->addresses.state[index] != RR_ADDRESS_ADDING)
		return;
	ret = ask(ctl, (uint32_t)index);
	if (ret < 0)
		change->refusal = ret == -ENOMEM ? "control is out of memory" : silent;
	else
		change->n_pending++;
	change->pending[index] = ret == 0;
}

static void remove_entry(struct control *ctl, uint32_t index) {
	bool named = ctl->addresses.named[index];

	port_alloc_remove(ctl->ports, index);
	address_pool_set(&ctl->addresses, index, named ? RR_ADDRESS_GONE : RR_ADDRESS_FREE);
}

// What the dataplane has added already is taken back by address_agree.
static void take_back(struct control *ctl) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++)
		if (ctl->addresses.state[i] == RR_ADDRESS_ADDING)
			remove_entry(ctl, i);
}

static void release_leg(struct control *ctl, struct session *s, unsigned int leg) {
	struct session_local *local = &s->leg[leg].local;

	if (!local->exact || ctl->addresses.state[local->addr] != RR_ADDRESS_DRAINING)
		return;
	local->exact = false;
	session_touch(ctl, s);
}

// A leg that is to have its next ports on an address that drains takes them from its realm.
static void release_legs(struct control *ctl) {
	for (struct session *s = session_index_first(&ctl->index); s; s = session_index_next(s))
		for (unsigned int i = 0; i < SESSION_N_LEGS; i++)
			release_leg(ctl, s, i);
}

uint32_t address_change_carry_out(struct control *ctl) {
	bool drains = false;
	uint32_t n = 0;

	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		enum rr_address_state target = (enum rr_address_state)ctl->address_change.target[i];

		if (target == RR_ADDRESS_FREE || target == ctl->addresses.state[i])
			continue;
		address_pool_set(&ctl->addresses, i, target);
		drains = drains || target == RR_ADDRESS_DRAINING;
		n++;
	}
	if (drains)
		release_legs(ctl);
	return n;
}

static void end(struct control *ctl) {
	struct job *job = ctl->address_change.job;

	ctl->address_change.job = NULL;
	if (ctl->address_change.refusal) {
		take_back(ctl);
		operator_refuse(ctl, job, "%s", ctl->address_change.refusal);
		return;
	}
	job->stored = true;
	if (ctl->address_change.by_file)
		address_reload_end(ctl, job);
	else
		operator_answer(ctl, job, "{\"addresses\": %u}", address_change_carry_out(ctl));
}

void address_change_end_when_answered(struct control *ctl) {
	if (ctl->address_change.n_pending == 0 || ctl->address_change.refusal)
		end(ctl);
}

// ---- verbs

void address_add(struct control *ctl, struct job *job, RR_UNUSED int argc, char **argv) {
	int realm = realm_find_label(ctl->cfg, (struct slice){argv[0], strlen(argv[0])});
	char text[RR_ENDPOINT_STRLEN];
	struct addresses all;

	if (realm < 0) {
		operator_refuse(ctl, job, "%s: no such realm", argv[0]);
		return;
	}
	if (!read_range(ctl, job, argv[1], &all))
		return;
	for (uint32_t i = 0; i < all.n; i++) {
		const char *why = address_refuses(ctl, (uint32_t)realm, &all.addr[i]);

		if (!why)
			continue;
		operator_refuse(ctl, job, "%s %s",
			rr_endpoint_format_addr(&all.addr[i], text, sizeof(text)), why);
		return;
	}
	if (!address_change_begin(ctl, job))
		return;
	for (uint32_t i = 0; i < all.n && !ctl->address_change.refusal; i++)
		address_change_want(ctl, (uint32_t)realm, &all.addr[i]);
	address_change_end_when_answered(ctl);
}

void address_drain(struct control *ctl, struct job *job, RR_UNUSED int argc, char **argv) {
	char text[RR_ENDPOINT_STRLEN];
	struct addresses all;

	if (!read_range(ctl, job, argv[0], &all))
		return;
	for (uint32_t i = 0; i < all.n; i++) {
		if (may_be_drained(ctl, &all.addr[i]))
			continue;
		operator_refuse(ctl, job, "%s is no local address",
			rr_endpoint_format_addr(&all.addr[i], text, sizeof(text)));
		return;
	}
	if (!address_change_begin(ctl, job))
		return;
	for (uint32_t i = 0; i < all.n; i++)
		ctl->address_change.target[address_pool_find(&ctl->addresses, &all.addr[i])] =
			RR_ADDRESS_DRAINING;
	address_change_end_when_answered(ctl);
}

// ---- the dataplane

void address_acked(struct control *ctl, const struct dp_request *req, uint16_t status) {
	struct address_change *change = &ctl->address_change;
	int index = address_pool_find(&ctl->addresses, &req->signalled);

	if (req->op != RR_REQUEST_ADDR_SET || index < 0)
		return;
	if (change->job && change->pending[index]) {
		change->pending[index] = false;
		change->n_pending--;
		set_deadline(ctl);
		if (status != RR_REPLY_OK)
			change->refusal = refusal_of(status);
		address_change_end_when_answered(ctl);
	} else if (status == RR_REPLY_OK && !req->first) {
		resync_start(ctl); // its calls were without relay
	}
}

void address_step(struct control *ctl) {
	if (!ctl->address_change.job || ctl->now_ns < ctl->address_change.deadline_ns)
		return;
	ctl->address_change.refusal = silent;
	end(ctl);
}

void address_forget(struct control *ctl) {
	if (ctl->address_change.job)
		job_free(ctl->address_change.job);
	ctl->address_change.job = NULL;
}

// ---- until all agree

// A change under way counts on what it found. Who adds the address again finds no port on which
// packets of a call that is over may still come.
static bool has_drained(const struct control *ctl, uint32_t index) {
	const struct address_change *change = &ctl->address_change;

	if (ctl->addresses.state[index] != RR_ADDRESS_DRAINING ||
		(change->job && change->target[index] != RR_ADDRESS_FREE))
		return false;
	return port_alloc_is_idle(ctl->ports, index, ctl->now_ns);
}

static void end_drained(struct control *ctl) {
	for (uint32_t i = 0; i < RR_MAX_ADDRS; i++) {
		char text[RR_ENDPOINT_STRLEN];
		struct rr_endpoint ep;

		if (!has_drained(ctl, i))
			continue;
		ep = address_pool_endpoint(&ctl->addresses, i);
		rr_info("address", "drained address=%s",
			rr_endpoint_format_addr(&ep, text, sizeof(text)));
		remove_entry(ctl, i);
	}
}

static bool is_wanted(const struct control *ctl, const struct rr_endpoint *ep) {
	int index = address_pool_find(&ctl->addresses, ep);

	return index >= 0 && (address_pool_is_wanted(&ctl->addresses, (uint32_t)index) ||
				     ctl->addresses.state[index] == RR_ADDRESS_ADDING);
}

static void ask_for_missing(struct control *ctl, const struct rr_region *r) {
	for (uint32_t i = 0; i < ctl->cfg->n_addrs; i++) {
		const struct rr_shm_addr *addr = &ctl->cfg->addr[i];
		struct rr_endpoint ep = address_pool_endpoint(&ctl->addresses, i);

		if (address_pool_is_wanted(&ctl->addresses, i) &&
			rr_region_addr_find(r, addr->addr, addr->family) < 0)
			dp_client_submit_addr(ctl->dp, RR_REQUEST_ADDR_SET, &ep, addr->realm_key);
	}
}

static void give_up_unwanted(struct control *ctl, const struct rr_region *r) {
	for (uint32_t i = 0; i < r->n_addrs; i++) {
		struct rr_endpoint ep;

		if (!rr_region_has_addr(r, i))
			continue;
		ep = rr_addr_endpoint(&r->addrs[i]);
		if (!is_wanted(ctl, &ep))
			dp_client_submit_addr(ctl->dp, RR_REQUEST_ADDR_DEL, &ep, 0);
	}
}

// Flows that no session knows are deleted first: an address is not given up before.
void address_agree(struct control *ctl) {
	const struct rr_region *r = dp_client_region(ctl->dp);

	end_drained(ctl);
	if (!r || !dp_client_settled(ctl->dp) || resync_running(&ctl->resync) ||
		dp_client_n_addr(ctl->dp) > 0)
		return;
	ask_for_missing(ctl, r);
	give_up_unwanted(ctl, r);
}
