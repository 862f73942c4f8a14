// SPDX-License-Identifier: BSD-2-Clause
// rrctl address: local addresses with their state and use, from the store; and changes of them, of
// which control is asked.
#include <errno.h>
#include <string.h>

#include "rrctl.h"

struct address {
	struct rr_endpoint addr;
	uint32_t n_calls;
	uint32_t n_ports;
};

// Of the addresses in the list, by the same index.
struct use {
	json_t *list;
	uint32_t n;
	struct address address[RR_MAX_ADDRS];
};

static const char *state_name(uint8_t state) {
	switch (state) {
	case RR_ADDRESS_ACTIVE:
		return "active";
	case RR_ADDRESS_DRAINING:
		return "draining";
	default:
		return "gone";
	}
}

static void add_address(
	void *arg, const struct rr_store_address *row, const struct rr_text *realm) {
	char text[RR_ENDPOINT_STRLEN];
	struct use *use = arg;

	if (use->n == RR_MAX_ADDRS)
		return;
	use->address[use->n++] = (struct address){.addr = row->addr};
	json_array_append_new(use->list,
		json_pack("{s:s%, s:s, s:s, s:b}", "realm", realm->p, realm->len, "address",
			rr_endpoint_format_addr(&row->addr, text, sizeof(text)), "state",
			state_name(row->state), "in_file", row->named));
}

// One call counts once on an address, however many ports it has there.
static void count_pair(struct use *use, const struct rr_session_record_pair *pair, bool *counted) {
	for (uint32_t i = 0; i < use->n; i++) {
		struct address *a = &use->address[i];

		if (!rr_endpoint_same_host(&a->addr, &pair->local))
			continue;
		a->n_ports += 2;
		a->n_calls += !counted[i];
		counted[i] = true;
	}
}

static void count_session(void *arg, const struct rr_session_record_view *session) {
	bool counted[RR_MAX_ADDRS] = {false};
	struct use *use = arg;

	for (unsigned int i = 0; i < RR_ARRAY_LEN(session->fixed->leg); i++)
		count_pair(use, &session->fixed->leg[i].pair, counted);
	for (unsigned int i = 0; i < session->fixed->n_retired; i++)
		count_pair(use, &session->retired[i].pair, counted);
}

static void draw_addresses(const json_t *result) {
	static const struct rrctl_column columns[] = {{"REALM", "realm"}, {"ADDRESS", "address"},
		{"STATE", "state"}, {"IN FILE", "in_file"}, {"CALLS", "calls"}, {"PORTS", "ports"}};

	rrctl_table(json_object_get(result, "addresses"), columns, RR_ARRAY_LEN(columns));
}

int rrctl_address_list(struct rrctl *ctl, int argc RR_UNUSED, char **argv RR_UNUSED) {
	static struct use use;
	int rc;

	use = (struct use){.list = json_array()};
	rc = rrctl_each_address(ctl, add_address, &use);
	if (rc == RRCTL_DONE)
		rc = rrctl_each_session(ctl, count_session, &use);
	for (uint32_t i = 0; i < use.n; i++) {
		json_t *o = json_array_get(use.list, i);

		json_object_set_new(o, "calls", json_integer(use.address[i].n_calls));
		json_object_set_new(o, "ports", json_integer(use.address[i].n_ports));
	}
	if (rc == RRCTL_DONE)
		return rrctl_show(ctl, json_pack("{s:o}", "addresses", use.list), draw_addresses);
	json_decref(use.list);
	return rc;
}

// ---- changes

static void draw_changed(const json_t *result) {
	printf("addresses changed: %" JSON_INTEGER_FORMAT "\n",
		json_integer_value(json_object_get(result, "addresses")));
}

static int change(struct rrctl *ctl, const char *verb, int argc, char **argv) {
	json_t *answer;
	int rc = rrctl_ask(ctl, verb, argc, argv, &answer);

	return rc == RRCTL_DONE ? rrctl_show(ctl, answer, draw_changed) : rc;
}

int rrctl_address_add(struct rrctl *ctl, int argc, char **argv) {
	return change(ctl, "address-add", argc, argv);
}

int rrctl_address_drain(struct rrctl *ctl, int argc, char **argv) {
	return change(ctl, "address-drain", argc, argv);
}
