// SPDX-License-Identifier: BSD-2-Clause
// I, V and VF: what this daemon is doing, and what it can; protocol reference 5.1 and 5.8.
#include "capabilities.h"
#include "command.h"

static void read_region(struct exec *x) {
	const struct rr_region *region = dp_client_region(x->ctl->dp);

	if (region)
		stats_read_region(&x->ctl->stats, region);
}

enum rtpp_error cmd_info(struct exec *x) {
	const uint64_t *n = x->ctl->stats.counter;
	uint64_t n_created, n_active;

	read_region(x);
	stats_look_for_unsettled(x->ctl);
	n_created = stats_settled(&x->ctl->stats, STATS_nsess_created);
	n_active = n_created - stats_settled(&x->ctl->stats, STATS_nsess_destroyed);
	rtpp_reply_printf(x->reply,
		"sessions created: %llu\nactive sessions: %llu\nactive streams: %llu\n"
		"packets received: %llu\npackets transmitted: %llu",
		(unsigned long long)n_created, (unsigned long long)n_active,
		(unsigned long long)(2 * n_active), (unsigned long long)n[STATS_npkts_rcvd],
		(unsigned long long)(n[STATS_npkts_relayed] + n[STATS_npkts_played]));
	if (x->cmd->load)
		rtpp_reply_printf(x->reply, "\naverage load: %f", x->ctl->load.mean);
	return RTPP_OK;
}

enum rtpp_error cmd_version(struct exec *x) {
	rtpp_reply_number(x->reply, CAPABILITY_BASE);
	return RTPP_OK;
}

enum rtpp_error cmd_capability(struct exec *x) {
	rtpp_reply_number(
		x->reply, capability_known(x->cmd->datestamp, x->ctl->cfg->n_notify > 0) ? 1 : 0);
	return RTPP_OK;
}
