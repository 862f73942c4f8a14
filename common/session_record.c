// SPDX-License-Identifier: BSD-2-Clause
// Reading rows of the store, with every length checked.
#include "session_record.h"

#include <errno.h>
#include <string.h>

#define N_BASES 4

// Retired pairs and bases stand aligned behind the fixed part.
RR_STATIC_ASSERT(sizeof(struct rr_session_record) == 408, "layout");
RR_STATIC_ASSERT(sizeof(struct rr_session_record_leg) == 176, "layout");
RR_STATIC_ASSERT(sizeof(struct rr_session_record_retired) % 8 == 0, "what follows is aligned");

int rr_store_meta_read(struct rr_store_meta *meta, const void *row, size_t size) {
	if (size < offsetof(struct rr_store_meta, counters) || size > sizeof(*meta))
		return -EPROTO;
	memset(meta, 0, sizeof(*meta));
	memcpy(meta, row, size);
	return meta->layout == RR_STORE_LAYOUT ? 0 : -EPROTO;
}

int rr_store_address_read(
	struct rr_store_address *address, struct rr_text *realm, const void *row, size_t size) {
	if (size < sizeof(*address))
		return -EPROTO;
	memcpy(address, row, sizeof(*address));
	*realm = (struct rr_text){
		.p = (const char *)row + sizeof(*address), .len = size - sizeof(*address)};
	if (address->realm_len != realm->len || !rr_endpoint_is_valid(&address->addr) ||
		address->state < RR_ADDRESS_ACTIVE || address->state > RR_ADDRESS_GONE)
		return -EPROTO;
	return 0;
}

int rr_session_record_view(struct rr_session_record_view *view, const void *record, size_t size) {
	const struct rr_session_record *r = (const struct rr_session_record *)record;
	const char *p = (const char *)record + sizeof(*r);
	size_t left = size - sizeof(*r);
	size_t arrays;

	if (size < sizeof(*r) || r->layout != RR_SESSION_RECORD_LAYOUT)
		return -EPROTO;
	if (r->n_bases != 0 && r->n_bases != N_BASES)
		return -EPROTO;
	arrays = r->n_retired * sizeof(struct rr_session_record_retired) +
		 r->n_bases * sizeof(struct rr_flow_totals);
	if (arrays > left)
		return -EPROTO;
	view->fixed = r;
	view->retired = (const struct rr_session_record_retired *)(const void *)p;
	view->bases = (const struct rr_flow_totals *)(const void *)(view->retired + r->n_retired);
	p += arrays;
	left -= arrays;
	for (unsigned int i = 0; i < RR_RECORD_N_TEXTS; i++) {
		if (r->text_len[i] > left)
			return -EPROTO;
		view->text[i] = (struct rr_text){.p = p, .len = r->text_len[i]};
		p += r->text_len[i];
		left -= r->text_len[i];
	}
	return left == 0 ? 0 : -EPROTO;
}
