// SPDX-License-Identifier: BSD-2-Clause
// Divides the packets of one recording between two parties.
//
// A relay records what it receives, and each party has a port of the relay to itself: packets to
// one destination are one party's. Where there are more than two destinations, ports were changed,
// or the capture holds what the relay sends on as well; then what has the SSRC, the destination or
// the source of something earlier belongs to it.
#include "routes.h"

#include <errno.h>
#include <stdbool.h>

static bool routes_equal(const struct route *a, const struct route *b) {
	return a->ssrc == b->ssrc && rr_endpoint_equal(&a->to, &b->to) &&
	       rr_endpoint_equal(&a->from, &b->from);
}

static const struct route *find(const struct routes *r, const struct route *route) {
	// Of the packets before it most likely the last one's.
	for (size_t i = r->n; i-- > 0;)
		if (routes_equal(&r->route[i], route))
			return &r->route[i];
	return NULL;
}

int routes_note(struct routes *r, const struct route *route) {
	if (find(r, route))
		return 0;
	if (r->n == ROUTES_MAX)
		return -E2BIG;
	r->route[r->n++] = *route;
	return 0;
}

static bool has_same_ssrc(const struct route *a, const struct route *b) {
	return a->ssrc == b->ssrc;
}

static bool has_same_destination(const struct route *a, const struct route *b) {
	return rr_endpoint_equal(&a->to, &b->to);
}

static bool has_same_source(const struct route *a, const struct route *b) {
	return rr_endpoint_equal(&a->from, &b->from);
}

typedef bool (*relation)(const struct route *a, const struct route *b);

// The party of the first route before i that is related to it, or -1.
static int party_of_relative(const struct routes *r, size_t i, relation is_related) {
	for (size_t j = 0; j < i; j++)
		if (is_related(&r->route[j], &r->route[i]))
			return r->route[j].party;
	return -1;
}

// Returns how many parties there are by these relations, the strongest first, or -EINVAL for more
// than two.
static int decide_by(struct routes *r, const relation *relations, size_t n_relations) {
	int n_parties = 0;

	for (size_t i = 0; i < r->n; i++) {
		int party = -1;

		for (size_t k = 0; k < n_relations && party < 0; k++)
			party = party_of_relative(r, i, relations[k]);
		if (party < 0)
			party = n_parties++;
		if (n_parties > ROUTES_PARTIES)
			return -EINVAL;
		r->route[i].party = party;
	}
	return n_parties;
}

int routes_decide(struct routes *r) {
	static const relation recorded[] = {has_same_destination};
	static const relation captured[] = {has_same_ssrc, has_same_destination, has_same_source};

	if (decide_by(r, recorded, RR_ARRAY_LEN(recorded)) >= 0 ||
		decide_by(r, captured, RR_ARRAY_LEN(captured)) >= 0)
		return 0;
	return -EINVAL;
}

int routes_party(const struct routes *r, const struct route *route) {
	const struct route *known = find(r, route);

	return known ? known->party : 0;
}
