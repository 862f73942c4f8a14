// SPDX-License-Identifier: BSD-2-Clause
// The protocol extensions that VF answers for, one line each.
//
// Controllers probe once at start and remember the answer, so the list is what rtpproxy 3.2 answers
// and does not depend on what a configuration makes use of, but for timeout notification.
#include "capabilities.h"

#include <stddef.h>

static const struct {
	const char *datestamp;
	bool needs_notify;
	const char *meaning;
} capabilities[] = {
	{"20040107", false, "base protocol"},
	{"20050322", false, "several streams per call, music on hold"},
	{"20060704", false, "argument of V"},
	{"20071116", false, "re-packetisation"},
	{"20071218", false, "copying of streams"},
	{"20080403", false, "figures of a session"},
	{"20081102", false, "codec list"},
	{"20081224", true, "timeout notification"},
	{"20090810", false, "automatic bridging"},
	{"20140323", false, "load"},
	{"20140617", false, "connect time"},
	{"20141004", false, "global counters"},
	{"20150330", false, "new port for a leg"},
	{"20150420", false, "sequence tracking"},
	{"20150617", false, "wildcard notification target"},
	{"20191015", false, "sub-commands"},
	{"20200226", false, "end of recording"},
	{"20230205", false, "loss figures"},
	{"20230314", false, "D as a sub-command"},
	{"20230424", false, "gap and jitter figures"},
	{"20250523", false, "port in the reply of C"},
	{"20251015", false, "S as a sub-command"},
	{"20260306", false, "address labels"},
	{"20260308", false, "L as a sub-command"},
	{"20260309", false, "C as a sub-command"},
};

bool capability_known(struct slice datestamp, bool has_notify) {
	for (size_t i = 0; i < RR_ARRAY_LEN(capabilities); i++) {
		if (slice_is(datestamp, capabilities[i].datestamp))
			return has_notify || !capabilities[i].needs_notify;
	}
	return false;
}
