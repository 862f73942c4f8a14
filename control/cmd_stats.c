// SPDX-License-Identifier: BSD-2-Clause
// G: counters of the whole daemon; protocol reference 5.9.
#include "command.h"

static void read_sources(struct exec *x) {
	const struct rr_region *region = dp_client_region(x->ctl->dp);

	if (region)
		stats_read_region(&x->ctl->stats, region);
	stats_collect(x->ctl);
	stats_look_for_unsettled(x->ctl);
}

enum rtpp_error cmd_stats(struct exec *x) {
	const struct rtpp_cmd *cmd = x->cmd;

	read_sources(x);
	for (unsigned int i = 0; i < cmd->n_counters; i++) {
		char value[64];

		if (stats_format(&x->ctl->stats, cmd->counter[i], value, sizeof(value)) < 0)
			return RTPP_E_GSTATS_COUNTER;
		if (i > 0)
			rtpp_reply_printf(x->reply, " ");
		if (cmd->verbose)
			rtpp_reply_printf(
				x->reply, "%.*s=", (int)cmd->counter[i].len, cmd->counter[i].p);
		rtpp_reply_printf(x->reply, "%s", value);
	}
	return RTPP_OK;
}
