// SPDX-License-Identifier: BSD-2-Clause
// The protocol extensions that VF is asked about, one line each.
//
// Controllers probe once at start and remember the answer. It does not depend on what a
// configuration makes use of, but for timeout notification; what is not built is answered like a
// date that nobody knows.
#include "capabilities.h"

#include <stddef.h>

enum condition {
	ALWAYS,
	WITH_NOTIFY, // control.notify names somebody
	NOT_BUILT,
};

static const struct {
	const char *datestamp;
	enum condition condition;
	const char *meaning;
} capabilities[] = {
	{"20040107", ALWAYS, "base protocol"},
	{"20050322", ALWAYS, "several streams per call, music on hold"},
	{"20060704", ALWAYS, "argument of V"},
	{"20071116", NOT_BUILT, "re-packetisation"},
	{"20071218", NOT_BUILT, "copying of streams"},
	{"20080403", ALWAYS, "figures of a session"},
	{"20081102", ALWAYS, "codec list"},
	{"20081224", WITH_NOTIFY, "timeout notification"},
	{"20090810", ALWAYS, "automatic bridging"},
	{"20140323", ALWAYS, "load"},
	{"20140617", ALWAYS, "connect time"},
	{"20141004", ALWAYS, "global counters"},
	{"20150330", ALWAYS, "new port for a leg"},
	{"20150420", ALWAYS, "sequence tracking"},
	{"20150617", ALWAYS, "wildcard notification target"},
	{"20191015", ALWAYS, "sub-commands"},
	{"20200226", NOT_BUILT, "end of recording"},
	{"20230205", ALWAYS, "loss figures"},
	{"20230314", ALWAYS, "D as a sub-command"},
	{"20230424", ALWAYS, "gap and jitter figures"},
	{"20250523", NOT_BUILT, "port in the reply of C"},
	{"20251015", ALWAYS, "S as a sub-command"},
	{"20260306", ALWAYS, "address labels"},
	{"20260308", ALWAYS, "L as a sub-command"},
	{"20260309", NOT_BUILT, "C as a sub-command"},
};

bool capability_known(struct slice datestamp, bool has_notify) {
	for (size_t i = 0; i < RR_ARRAY_LEN(capabilities); i++) {
		enum condition condition = capabilities[i].condition;

		if (slice_is(datestamp, capabilities[i].datestamp))
			return condition == ALWAYS || (condition == WITH_NOTIFY && has_notify);
	}
	return false;
}

void capability_print(FILE *out) {
	fprintf(out, "Basic version: %d\n", CAPABILITY_BASE);
	for (size_t i = 0; i < RR_ARRAY_LEN(capabilities); i++)
		if (capabilities[i].condition != NOT_BUILT)
			fprintf(out, "Extension %s: %s\n", capabilities[i].datestamp,
				capabilities[i].meaning);
}
