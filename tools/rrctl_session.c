// SPDX-License-Identifier: BSD-2-Clause
// rrctl session: the calls that control has written down, with what their flows say now.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dp_msg.h"
#include "rrctl.h"

#define N_LEGS 2

static const char *const leg_names[N_LEGS] = {"callee", "caller"};

struct collect {
	const struct rr_region *region; // NULL when there is none
	const char *callid; // only these; NULL for all
	json_t *sessions;
};

// Texts come from strangers: what is no printable ASCII is written as \xNN.
static json_t *text_json(const struct rr_text *text) {
	char *buf = malloc(text->len * 4 + 1);
	size_t len = 0;
	json_t *value;

	if (buf == NULL)
		return json_null();
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->p[i];

		if (c >= ' ' && c < 0x7f)
			buf[len++] = (char)c;
		else
			len += (size_t)snprintf(buf + len, 5, "\\x%02x", c);
	}
	value = json_stringn(buf, len);
	free(buf);
	return value;
}

static json_t *endpoint_json(const struct rr_endpoint *ep) {
	char text[RR_ENDPOINT_STRLEN];

	if (ep->family != RR_FAMILY_IPV4 && ep->family != RR_FAMILY_IPV6)
		return json_null();
	return json_string(rr_endpoint_format(ep, text, sizeof(text)));
}

static bool has_ports(const struct rr_session_record_leg *leg) {
	return leg->pair.local.family != RR_FAMILY_NONE;
}

static const char *session_state(const struct rr_session_record *r) {
	if ((r->flags & RR_RECORD_ENDING) != 0)
		return "ending";
	return has_ports(&r->leg[0]) && has_ports(&r->leg[1]) ? "complete" : "early";
}

static json_t *flow_of(
	const struct collect *c, const struct rr_session_record_leg *leg, uint32_t offset) {
	const struct rr_session_record_pair *pair = &leg->pair;

	if (!has_ports(leg))
		return json_null();
	return rrctl_flow_of(
		c->region, &pair->local, ntohs(pair->local.port_be) + offset, pair->uid);
}

// Where media goes: what the flow says, else what control was told last.
static json_t *remote_json(const struct rr_session_record_leg *leg, const json_t *rtp) {
	json_t *live = json_object_get(rtp, "remote");

	if (json_is_string(live))
		return json_incref(live);
	if ((leg->learned[0].flags & RR_SET_LEARNED) != 0)
		return endpoint_json(&leg->learned[0].remote);
	return endpoint_json(&leg->signalled);
}

static json_t *leg_json(
	const struct collect *c, const struct rr_session_record_view *s, unsigned int i) {
	const struct rr_session_record_leg *leg = &s->fixed->leg[i];
	json_t *rtp = flow_of(c, leg, 0);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:I, s:I, s:I, s:o, s:o}", "leg",
		leg_names[i], "realm", text_json(&s->text[RR_RECORD_REALM_CALLEE + i]), "local",
		endpoint_json(&leg->pair.local), "signalled", endpoint_json(&leg->signalled),
		"remote", remote_json(leg, rtp), "asymmetric",
		(leg->flags & RR_RECORD_LEG_ASYMMETRIC) != 0, "weak",
		(leg->flags & RR_RECORD_LEG_WEAK) != 0, "on_hold",
		(leg->flags & RR_RECORD_LEG_ON_HOLD) != 0, "ttl_s", (json_int_t)leg->ttl_s, "tos",
		(json_int_t)leg->tos, "version", (json_int_t)leg->version, "rtp", rtp, "rtcp",
		flow_of(c, leg, 1));
}

static json_int_t age_s(uint64_t created_unix_ms) {
	time_t created = (time_t)(created_unix_ms / 1000);
	time_t now = time(NULL);

	return now > created ? (json_int_t)(now - created) : 0;
}

static bool is_wanted(const struct collect *c, const struct rr_session_record_view *s) {
	const struct rr_text *callid = &s->text[RR_RECORD_CALLID];

	return c->callid == NULL ||
	       (strlen(c->callid) == callid->len && memcmp(c->callid, callid->p, callid->len) == 0);
}

static void add_session(void *arg, const struct rr_session_record_view *s) {
	struct collect *c = arg;

	if (!is_wanted(c, s))
		return;
	json_array_append_new(c->sessions,
		json_pack("{s:I, s:o, s:o, s:s, s:I, s:I, s:[o, o]}", "id",
			(json_int_t)s->fixed->id, "call_id", text_json(&s->text[RR_RECORD_CALLID]),
			"from_tag", text_json(&s->text[RR_RECORD_FROM_TAG]), "state",
			session_state(s->fixed), "created_unix_ms",
			(json_int_t)s->fixed->created_unix_ms, "age_s",
			age_s(s->fixed->created_unix_ms), "legs", leg_json(c, s, 0),
			leg_json(c, s, 1)));
}

static int collect_sessions(const struct rrctl *ctl, const char *callid, json_t **sessions) {
	struct rr_region region;
	struct collect c = {.callid = callid, .sessions = json_array()};
	int rc;

	if (rrctl_try_attach(ctl, &region))
		c.region = &region;
	rc = rrctl_each_session(ctl, add_session, &c);
	if (c.region != NULL)
		rr_region_detach(&region);
	*sessions = c.sessions;
	return rc;
}

// ---- for people

static json_t *nested(const json_t *session, size_t leg, const char *flow, const char *key) {
	const json_t *o = json_array_get(json_object_get(session, "legs"), leg);

	return json_object_get(flow != NULL ? json_object_get(o, flow) : o, key);
}

static void draw_sessions(const json_t *result) {
	static const struct rrctl_column columns[] = {{"ID", "id"}, {"CALL-ID", "call_id"},
		{"FROM TAG", "from_tag"}, {"STATE", "state"}, {"AGE S", "age_s"},
		{"CALLER", "caller"}, {"LOCAL", "caller_local"}, {"PACKETS", "caller_packets"},
		{"CALLEE", "callee"}, {"LOCAL", "callee_local"}, {"PACKETS", "callee_packets"}};
	json_t *sessions = json_object_get(result, "sessions");
	size_t i;
	json_t *s;

	json_array_foreach(sessions, i, s) {
		json_object_set(s, "callee", nested(s, 0, NULL, "remote"));
		json_object_set(s, "callee_local", nested(s, 0, NULL, "local"));
		json_object_set(s, "callee_packets", nested(s, 0, "rtp", "packets"));
		json_object_set(s, "caller", nested(s, 1, NULL, "remote"));
		json_object_set(s, "caller_local", nested(s, 1, NULL, "local"));
		json_object_set(s, "caller_packets", nested(s, 1, "rtp", "packets"));
	}
	rrctl_table(sessions, columns, RR_ARRAY_LEN(columns));
}

static void draw_leg(const json_t *leg) {
	static const struct rrctl_column lines[] = {{"leg", "leg"}, {"  realm", "realm"},
		{"  local", "local"}, {"  signalled", "signalled"}, {"  remote", "remote"},
		{"  asymmetric", "asymmetric"}, {"  weak", "weak"}, {"  on hold", "on_hold"},
		{"  ttl s", "ttl_s"}, {"  tos", "tos"}};
	static const struct rrctl_column flow[] = {{"state", "state"}, {"remote", "remote"},
		{"packets", "packets"}, {"bytes", "bytes"}, {"dropped", "dropped"},
		{"rejected", "rejected"}, {"last seen ms ago", "last_seen_ms_ago"}};
	static const char *const kinds[] = {"rtp", "rtcp"};

	rrctl_lines(leg, lines, RR_ARRAY_LEN(lines));
	for (size_t k = 0; k < RR_ARRAY_LEN(kinds); k++) {
		struct rrctl_column named[RR_ARRAY_LEN(flow)];
		char titles[RR_ARRAY_LEN(flow)][40];

		if (!json_is_object(json_object_get(leg, kinds[k])))
			continue;
		for (size_t i = 0; i < RR_ARRAY_LEN(flow); i++) {
			snprintf(titles[i], sizeof(titles[i]), "  %s %s", kinds[k], flow[i].title);
			named[i] = (struct rrctl_column){titles[i], flow[i].key};
		}
		rrctl_lines(json_object_get(leg, kinds[k]), named, RR_ARRAY_LEN(named));
	}
}

static void draw_session(const json_t *result) {
	static const struct rrctl_column lines[] = {{"session", "id"}, {"  call-id", "call_id"},
		{"  from tag", "from_tag"}, {"  state", "state"}, {"  age s", "age_s"}};
	size_t i, k;
	const json_t *session, *leg;

	json_array_foreach(json_object_get(result, "sessions"), i, session) {
		rrctl_lines(session, lines, RR_ARRAY_LEN(lines));
		json_array_foreach(json_object_get(session, "legs"), k, leg) draw_leg(leg);
	}
}

int rrctl_session_list(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	json_t *sessions;
	int rc = collect_sessions(ctl, NULL, &sessions);

	if (rc != RRCTL_DONE) {
		json_decref(sessions);
		return rc;
	}
	return rrctl_show(ctl, json_pack("{s:o}", "sessions", sessions), draw_sessions);
}

int rrctl_session_show(struct rrctl *ctl, RR_UNUSED int argc, char **argv) {
	json_t *sessions;
	int rc = collect_sessions(ctl, argv[0], &sessions);

	if (rc == RRCTL_DONE && json_array_size(sessions) == 0)
		rc = rrctl_refuse(
			"session %s: no such call, `rrctl session list` shows them", argv[0]);
	if (rc != RRCTL_DONE) {
		json_decref(sessions);
		return rc;
	}
	return rrctl_show(ctl, json_pack("{s:o}", "sessions", sessions), draw_session);
}
