// SPDX-License-Identifier: BSD-2-Clause
// Whether new sessions are taken, and what of that outlives a process.
#include "admission.h"

#include "control.h"
#include "log.h"

enum rr_admission admission_of(const struct control *ctl) {
	return (enum rr_admission)ctl->stats.counter[STATS_admission];
}

void admission_begin(struct control *ctl, uint64_t program) {
	uint64_t *counter = ctl->stats.counter;

	if (counter[STATS_program] != program && admission_of(ctl) == RR_ADMISSION_DRAINING) {
		rr_info("admission", "the slow shutdown of an earlier program is over");
		counter[STATS_admission] = RR_ADMISSION_OPEN;
	}
	if (admission_of(ctl) == RR_ADMISSION_PAUSED)
		rr_warn("admission", "paused: new sessions are refused until `rrctl resume`");
	counter[STATS_program] = program;
	ctl->commit_wanted = true;
}

void admission_set(struct control *ctl, enum rr_admission to) {
	static const char *const meaning[] = {
		[RR_ADMISSION_OPEN] = "new sessions are taken",
		[RR_ADMISSION_PAUSED] = "paused: no new sessions",
		[RR_ADMISSION_DRAINING] = "slow shutdown: no new sessions, ends with the last one",
	};

	if (admission_of(ctl) != to)
		rr_info("admission", "%s", meaning[to]);
	ctl->stats.counter[STATS_admission] = to;
	ctl->commit_wanted = true;
}

enum rtpp_error admission_ask(struct control *ctl) {
	if (admission_of(ctl) != RR_ADMISSION_OPEN) {
		stats_add(&ctl->stats, STATS_closed_refused, 1);
		return RTPP_E_DRAINING;
	}
	if (ctl->load.overloaded) {
		stats_add(&ctl->stats, STATS_overload_refused, 1);
		return RTPP_E_OVERLOAD;
	}
	return RTPP_OK;
}
