// SPDX-License-Identifier: BSD-2-Clause
// The learning machine applied to a flow.
//
// The state of `compat` follows from the flow's flags and the time; that of `safe` is stored in
// `learn`, since it orders candidates. In both modes RR_FLOW_LATCHED means that the source is
// settled. `safe` keeps no record of SSRC and sequence number of its own: the statistics have newer
// ones, and the record only serves a flow that was installed again and has seen no packet yet.
#include "latch.h"

#include <arpa/inet.h>
#include <string.h>

#include "atomic.h"
#include "flow.h"

static void flags_change(struct rr_flow *f, uint32_t set, uint32_t clear) {
	rr_store_relaxed(&f->flags, (uint16_t)((f->flags | set) & ~clear));
}

static bool source_is_remote(const struct rr_flow *f, const struct rr_endpoint *source) {
	return (f->flags & RR_FLOW_HAS_REMOTE) && f->remote_family == source->family &&
	       f->remote_port_be == source->port_be && memcmp(f->remote, source->addr, 16) == 0;
}

static bool source_is_remote_host(const struct rr_flow *f, const struct rr_endpoint *source) {
	return (f->flags & RR_FLOW_HAS_REMOTE) && f->remote_family == source->family &&
	       memcmp(f->remote, source->addr, 16) == 0;
}

// Never 0, which stands for "none". A collision makes an address look repeated or a source look
// older than it is: both only make learning more careful.
static uint32_t endpoint_hash(const struct rr_endpoint *ep) {
	uint64_t half[2];
	uint64_t h;

	memcpy(half, ep->addr, sizeof(half));
	h = (half[0] ^ ((uint64_t)ep->family << 16 | ep->port_be)) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ (h >> 29) ^ half[1]) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32) | 1;
}

static void latch_record(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_ns) {
	rr_store_relaxed(&c->latch_seq, rtp->seq);
	rr_store_relaxed(
		&f->latch_due_ms, (uint32_t)(now_ns / 1000000) + (uint32_t)LATCH_REFRESH_MS);
}

static void latch_record_ssrc(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_ns) {
	latch_record(f, c, rtp, now_ns);
	rr_store_relaxed(&c->latch_ssrc, rtp->ssrc);
	rr_store_relaxed(&c->latch_flags, (uint16_t)RR_LATCH_SSRC);
}

// The record follows the recorded SSRC alone; the next look at it is put off for any.
static void latch_refresh(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_rtp *rtp, uint64_t now_ns) {
	uint32_t now_ms = (uint32_t)(now_ns / 1000000);

	if ((int32_t)(now_ms - f->latch_due_ms) < 0)
		return;
	if ((c->latch_flags & RR_LATCH_SSRC) && rtp->ssrc == c->latch_ssrc)
		latch_record(f, c, rtp, now_ns);
	else
		rr_store_relaxed(&f->latch_due_ms, now_ms + (uint32_t)LATCH_REFRESH_MS);
}

static enum compat_state compat_state_of(
	const struct rr_flow *f, const struct rr_flow_cold *c, uint64_t now_ns) {
	bool updated = c->sdp_update_ns != 0 && now_ns - c->sdp_update_ns < LATCH_UPDATE_WINDOW_NS;

	if (!(f->flags & RR_FLOW_HAS_REMOTE))
		return COMPAT_UNKNOWN;
	if (f->flags & RR_FLOW_ASYMMETRIC)
		return COMPAT_ASYMMETRIC;
	if (!(f->flags & RR_FLOW_LATCHED))
		return updated ? COMPAT_OPEN_UPDATED : COMPAT_OPEN;
	if (c->latch_flags & RR_LATCH_SSRC)
		return updated ? COMPAT_SSRC_UPDATED : COMPAT_SSRC;
	return updated ? COMPAT_BLIND_UPDATED : COMPAT_BLIND;
}

static enum compat_event compat_event_same(const struct rr_flow *f, const struct datagram *d) {
	if (!d->is_rtp)
		return COMPAT_SAME_OPAQUE;
	if (d->rtp.ssrc == 0)
		return COMPAT_SAME_ZERO_SSRC;
	if (f->payload_type != RR_PAYLOAD_TYPE_NONE && f->ssrc != d->rtp.ssrc)
		return COMPAT_SAME_NEW_SSRC;
	return COMPAT_SAME_SSRC;
}

static enum compat_event compat_event_other(
	const struct rr_flow_cold *c, const struct datagram *d) {
	if (!d->is_rtp)
		return COMPAT_OTHER_OPAQUE;
	if (d->rtp.ssrc == 0)
		return COMPAT_OTHER_ZERO_SSRC;
	if ((c->latch_flags & RR_LATCH_SSRC) && d->rtp.ssrc == c->latch_ssrc &&
		(uint16_t)(d->rtp.seq - c->latch_seq) <= LATCH_SEQ_AHEAD_MAX)
		return COMPAT_OTHER_CONTINUES;
	return COMPAT_OTHER_SSRC;
}

static uint32_t compat_datagram(
	struct rr_flow *f, struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns) {
	enum compat_state state = compat_state_of(f, c, now_ns);
	bool same = state == COMPAT_ASYMMETRIC ? source_is_remote_host(f, &d->source)
					       : source_is_remote(f, &d->source);
	uint32_t actions =
		learn_compat(state, same ? compat_event_same(f, d) : compat_event_other(c, d));

	if (actions & LEARN_MOVE) {
		flow_set_remote(f, &d->source);
		flags_change(f, RR_FLOW_UNTRUSTED_SDP, RR_FLOW_GUESSED);
	}
	if (actions & LEARN_LATCH)
		latch_record_ssrc(f, c, &d->rtp, now_ns);
	if (actions & LEARN_LATCH_BLIND)
		rr_store_relaxed(&c->latch_flags, 0);
	if (actions & (LEARN_LATCH | LEARN_LATCH_BLIND))
		flags_change(f, RR_FLOW_LATCHED, 0);
	if (actions & LEARN_RECORD)
		latch_record(f, c, &d->rtp, now_ns);
	if (actions & LEARN_REFRESH)
		latch_refresh(f, c, &d->rtp, now_ns);
	return actions;
}

static void compat_signalled(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *to, uint64_t now_ns) {
	uint32_t actions = learn_compat(compat_state_of(f, c, now_ns), COMPAT_SIGNALLED);

	if (actions & LEARN_UPDATED)
		rr_store_relaxed(&c->sdp_update_ns, now_ns);
	// Once a packet has taught an address, signalled ones are not believed (9.2).
	if ((actions & LEARN_SET) && !(f->flags & RR_FLOW_UNTRUSTED_SDP)) {
		flow_set_remote(f, to);
		flags_change(f, 0, RR_FLOW_GUESSED);
	}
}

static void compat_guess(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *guess) {
	flow_set_remote(f, guess);
	rr_store_relaxed(&c->latch_flags, 0);
	// 9.4: it counts as settled for asymmetric legs alone.
	if (f->flags & RR_FLOW_ASYMMETRIC)
		flags_change(f, RR_FLOW_GUESSED | RR_FLOW_LATCHED, 0);
	else
		flags_change(f, RR_FLOW_GUESSED, RR_FLOW_LATCHED);
}

static enum safe_state safe_state_of(const struct rr_flow *f) {
	uint8_t learn = rr_load_relaxed(&f->learn);

	if (!(f->flags & RR_FLOW_HAS_REMOTE))
		return SAFE_UNKNOWN;
	if (f->flags & RR_FLOW_ASYMMETRIC)
		return SAFE_ASYMMETRIC;
	return learn < SAFE_STATES ? (enum safe_state)learn : SAFE_LOCKED;
}

static bool safe_is_learning(enum safe_state state) {
	return state == SAFE_PREVIOUS || state == SAFE_STRANGER || state == SAFE_HOST;
}

static void reference_set(struct rr_flow_cold *c, const struct rr_endpoint *ep) {
	flow_store_addr(c->reference, ep->addr);
	rr_store_relaxed(&c->reference_port_be, ep->port_be);
	rr_store_relaxed(&c->reference_family, ep->family);
}

// RTP that goes on where the settled source fell silent.
static bool stream_continues(const struct latch_limits *limits, const struct rr_flow *f,
	const struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns) {
	bool seen = f->payload_type != RR_PAYLOAD_TYPE_NONE;
	uint32_t ssrc = seen ? f->ssrc : c->latch_ssrc;
	uint16_t seq = seen ? (uint16_t)f->ext_seq_max : c->latch_seq;
	uint16_t ahead;

	if (!d->is_rtp || ssrc == 0 || (!seen && !(c->latch_flags & RR_LATCH_SSRC)))
		return false;
	ahead = (uint16_t)(d->rtp.seq - seq);
	return d->rtp.ssrc == ssrc && ahead >= 1 && ahead <= LATCH_SEQ_AHEAD_MAX &&
	       now_ns - f->last_seen_ns >= limits->safe_silence_ns;
}

static bool source_is_reference(const struct rr_flow_cold *c, const struct rr_endpoint *source) {
	return c->reference_family == source->family && c->reference_port_be == source->port_be &&
	       memcmp(c->reference, source->addr, 16) == 0;
}

// What comes from the signalled address settles the flow at once, but for a stray datagram that is
// no RTP where RTP is expected: that is one source among others.
static enum safe_event safe_event_exact(
	const struct rr_flow *f, enum safe_state state, const struct datagram *d) {
	bool current = source_is_remote(f, &d->source);

	if (d->is_opaque)
		return current && safe_is_learning(state) ? SAFE_FROM_CURRENT : SAFE_EXACT_OPAQUE;
	return current && state == SAFE_SIGNALLED ? SAFE_FROM_CURRENT : SAFE_FROM_EXACT;
}

// How good is a source that is not the current one?
static enum safe_event safe_rank(const struct rr_flow_cold *c, const struct rr_endpoint *source) {
	bool same_host = c->reference_family == source->family &&
			 memcmp(c->reference, source->addr, 16) == 0;

	if (source_is_reference(c, source))
		return SAFE_FROM_EXACT;
	if (c->previous_hash != 0 && c->previous_hash == endpoint_hash(source))
		return SAFE_FROM_PREVIOUS;
	return same_host ? SAFE_FROM_HOST : SAFE_FROM_STRANGER;
}

static enum safe_event safe_event_of(const struct latch_limits *limits, const struct rr_flow *f,
	const struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns) {
	enum safe_state state = safe_state_of(f);

	if (state == SAFE_ASYMMETRIC)
		return source_is_remote_host(f, &d->source) ? SAFE_FROM_CURRENT
							    : SAFE_FROM_STRANGER;
	if (state != SAFE_LOCKED && source_is_reference(c, &d->source))
		return safe_event_exact(f, state, d);
	if (source_is_remote(f, &d->source))
		return SAFE_FROM_CURRENT;
	if (state == SAFE_LOCKED && stream_continues(limits, f, c, d, now_ns))
		return SAFE_CONTINUES;
	return safe_rank(c, &d->source);
}

static void safe_count(struct rr_flow_cold *c, uint32_t actions, uint64_t until_ns) {
	if (actions & LEARN_BEGIN)
		rr_store_relaxed(&c->learn_until_ns, until_ns);
	if (actions & (LEARN_BEGIN | LEARN_RECOUNT))
		rr_store_relaxed(&c->learn_packets, 1);
	if (actions & LEARN_COUNT)
		rr_add_relaxed(&c->learn_packets, 1);
}

// Take a step that moves no address.
static uint32_t safe_step(struct rr_flow *f, enum safe_event event) {
	struct learn_step step = learn_safe(safe_state_of(f), event);

	rr_store_relaxed(&f->learn, step.next);
	if (step.actions & LEARN_LATCH)
		flags_change(f, RR_FLOW_LATCHED, 0);
	return step.actions;
}

static uint32_t safe_datagram(const struct latch_limits *limits, struct rr_flow *f,
	struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns) {
	enum safe_event event;
	uint32_t done = 0, actions;

	if (safe_is_learning(safe_state_of(f)) && now_ns >= c->learn_until_ns)
		done = safe_step(f, SAFE_WINDOW_OVER);
	event = safe_event_of(limits, f, c, d, now_ns);
	actions = safe_step(f, event);
	if (actions & LEARN_MOVE) {
		bool signalled = event == SAFE_FROM_EXACT || event == SAFE_EXACT_OPAQUE;

		flow_set_remote(f, &d->source);
		flags_change(f, signalled ? 0 : RR_FLOW_UNTRUSTED_SDP,
			RR_FLOW_GUESSED | (signalled ? RR_FLOW_UNTRUSTED_SDP : 0));
	}
	safe_count(c, actions, now_ns + limits->safe_learn_ns);
	if (safe_is_learning(safe_state_of(f)) && c->learn_packets >= limits->safe_learn_packets)
		done |= safe_step(f, SAFE_WINDOW_OVER);
	return done | actions;
}

// The address that sources are compared with from now on, and where media goes until one speaks.
static void safe_set(struct rr_flow *f, struct rr_flow_cold *c, enum safe_event event,
	const struct rr_endpoint *to) {
	enum safe_state state = safe_state_of(f);
	struct learn_step step = learn_safe(state, event);
	struct rr_endpoint old;

	if (!(step.actions & LEARN_SET))
		return;
	flow_get_remote(f, &old);
	if (state != SAFE_UNKNOWN && state != SAFE_SIGNALLED && !source_is_remote(f, to))
		rr_store_relaxed(&c->previous_hash, endpoint_hash(&old));
	reference_set(c, to);
	flow_set_remote(f, to);
	flags_change(f, 0, RR_FLOW_UNTRUSTED_SDP | RR_FLOW_GUESSED);
	if (step.actions & LEARN_UNLATCH)
		flags_change(f, 0, RR_FLOW_LATCHED);
	if (step.actions & LEARN_LATCH)
		flags_change(f, RR_FLOW_LATCHED, 0);
	rr_store_relaxed(&f->learn, step.next);
}

static void safe_signalled(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *to) {
	uint32_t hash = endpoint_hash(to);
	enum safe_event event = SAFE_SIGNALLED_NEW;

	if (hash == c->signalled_hash)
		event = SAFE_SIGNALLED_SAME;
	else if (source_is_remote(f, to))
		event = SAFE_SIGNALLED_CURRENT;
	safe_set(f, c, event, to);
	rr_store_relaxed(&c->signalled_hash, hash);
}

uint32_t latch_datagram(const struct latch_limits *limits, struct rr_flow *f,
	struct rr_flow_cold *c, const struct datagram *d, uint64_t now_ns) {
	if (f->flags & RR_FLOW_SAFE)
		return safe_datagram(limits, f, c, d, now_ns);
	return compat_datagram(f, c, d, now_ns);
}

void latch_signalled(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *to, uint64_t now_ns) {
	if (f->flags & RR_FLOW_SAFE)
		safe_signalled(f, c, to);
	else
		compat_signalled(f, c, to, now_ns);
}

bool latch_guess(struct rr_flow *f, struct rr_flow_cold *c, const struct rr_endpoint *guess) {
	if (source_is_remote_host(f, guess))
		return false;
	if (!(f->flags & RR_FLOW_SAFE)) {
		compat_guess(f, c, guess);
		return true;
	}
	safe_set(f, c, SAFE_GUESSED, guess);
	flags_change(f, RR_FLOW_GUESSED, 0);
	return true;
}

// Only a settled address is taken over by `safe`: what was still being learned is learned again.
static bool install_learned(const struct rr_request *q) {
	uint32_t wanted = q->flags & RR_SET_SAFE ? RR_SET_LATCHED | RR_SET_GUESSED : ~0U;

	return (q->flags & RR_SET_LEARNED) && (q->flags & wanted);
}

static uint8_t install_state(const struct rr_flow *f) {
	if (!(f->flags & RR_FLOW_HAS_REMOTE))
		return SAFE_UNKNOWN;
	return f->flags & RR_FLOW_LATCHED ? SAFE_LOCKED : SAFE_SIGNALLED;
}

static void install_remote(struct rr_flow *f, struct rr_flow_cold *c, const struct rr_request *q) {
	if (q->flags & RR_SET_SIGNALLED) {
		flow_set_remote(f, &q->signalled);
		reference_set(c, &q->signalled);
		rr_store_relaxed(&c->signalled_hash, endpoint_hash(&q->signalled));
	}
	if (!install_learned(q))
		return;
	flow_set_remote(f, &q->learned);
	if (q->flags & RR_SET_GUESSED) {
		reference_set(c, &q->learned);
		flags_change(f, RR_FLOW_GUESSED, 0);
	} else {
		flags_change(f, RR_FLOW_UNTRUSTED_SDP, 0);
	}
}

void latch_install(
	struct rr_flow *f, struct rr_flow_cold *c, const struct rr_request *q, uint64_t now_ns) {
	static const struct rr_endpoint none;

	flow_set_remote(f, &none);
	flags_change(f, 0,
		RR_FLOW_HAS_REMOTE | RR_FLOW_LATCHED | RR_FLOW_UNTRUSTED_SDP | RR_FLOW_GUESSED);
	reference_set(c, &none);
	rr_store_relaxed(&c->signalled_hash, 0);
	rr_store_relaxed(&c->previous_hash, 0);
	rr_store_relaxed(&c->sdp_update_ns, 0);
	rr_store_relaxed(&c->learn_until_ns, 0);
	rr_store_relaxed(&c->learn_packets, 0);
	rr_store_relaxed(&f->latch_due_ms, (uint32_t)(now_ns / 1000000));
	install_remote(f, c, q);
	if ((q->flags & RR_SET_LATCHED) && (f->flags & RR_FLOW_HAS_REMOTE))
		flags_change(f, RR_FLOW_LATCHED, 0);
	rr_store_relaxed(
		&c->latch_flags, (uint16_t)(q->flags & RR_SET_LATCH_SSRC ? RR_LATCH_SSRC : 0));
	rr_store_relaxed(&c->latch_ssrc, q->latch_ssrc);
	rr_store_relaxed(&c->latch_seq, q->latch_seq);
	rr_store_relaxed(&f->learn, install_state(f));
}

void latch_change_symmetry(struct rr_flow *f) {
	rr_store_relaxed(&f->learn, install_state(f));
}

void latch_change_mode(struct rr_flow *f, struct rr_flow_cold *c) {
	struct rr_endpoint remote;

	flow_get_remote(f, &remote);
	reference_set(c, &remote);
	rr_store_relaxed(&f->learn, install_state(f));
}
