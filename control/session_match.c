// SPDX-License-Identifier: BSD-2-Clause
// Which sessions of a Call-ID a command's tags mean; protocol reference 7.1 to 7.3.
#include "session_match.h"

#include <string.h>

// stored = tag + ";" + anything
static bool is_numbered(struct slice stored, struct slice tag) {
	return stored.len > tag.len && stored.p[tag.len] == ';' &&
	       memcmp(stored.p, tag.p, tag.len) == 0;
}

// The media number with its semicolon: from the last one to the end; empty without any.
static struct slice media_number(struct slice tag) {
	const char *p = (const char *)memrchr(tag.p, ';', tag.len);

	if (!p)
		return (struct slice){.p = tag.p + tag.len, .len = 0};
	return (struct slice){.p = p, .len = tag.len - (size_t)(p - tag.p)};
}

static bool is_peer(struct slice stored, struct slice from, struct slice to) {
	if (!to.p)
		return false;
	if (slice_equal(stored, to))
		return true;
	return is_numbered(stored, to) && slice_equal(media_number(stored), media_number(from));
}

struct session_match session_match(const struct call *call, struct slice from, struct slice to) {
	struct session_match match = {.session = NULL};

	for (struct session *s = call ? call->first : NULL; s; s = s->links.next_of_call) {
		struct slice stored = session_text(s, SESSION_FROM_TAG);

		if (slice_equal(stored, from))
			match.party = SESSION_CALLER;
		else if (is_peer(stored, from, to))
			match.party = SESSION_CALLEE;
		else
			continue;
		match.session = s;
		break;
	}
	return match;
}

static enum session_prefix prefix(struct slice stored, struct slice tag) {
	if (slice_equal(stored, tag))
		return SESSION_PREFIX_EXACT;
	return is_numbered(stored, tag) ? SESSION_PREFIX_LONGER : SESSION_PREFIX_NONE;
}

enum session_prefix session_match_prefix(
	const struct session *s, struct slice from, struct slice to, unsigned int *leg) {
	struct slice stored = session_text(s, SESSION_FROM_TAG);
	enum session_prefix found = prefix(stored, from);

	*leg = SESSION_CALLER;
	if (found == SESSION_PREFIX_NONE && to.p) {
		found = prefix(stored, to);
		*leg = SESSION_CALLEE;
	}
	return found;
}
