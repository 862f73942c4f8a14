// SPDX-License-Identifier: BSD-2-Clause
// What the commands of rrctl share: the options given, the configuration, and how results leave.
//
// A command builds its result as JSON and hands it to rrctl_show with a function that draws it for
// people, so that both say the same.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "compiler.h"
#include "config.h"
#include "session_record.h"
#include "shm_region.h"

RR_BEGIN_DECLS

// Exit status.
enum rrctl_status {
	RRCTL_DONE = 0,
	RRCTL_REFUSED = 1,
	RRCTL_MISUSE = 2,
};

struct rrctl {
	const char *config_path;
	bool json;
	bool all; // also what is zero or gone
	struct rr_config cfg;
};

struct rrctl_column {
	const char *title;
	const char *key; // of the row's object
};

// rrctl_out.c
//
// Say why a command is refused, on stderr. Returns RRCTL_REFUSED.
int rrctl_refuse(const char *fmt, ...) RR_PRINTF(1, 2);
// Write a result as JSON, or let `draw` write it as a table; drops the reference. Returns
// RRCTL_DONE.
int rrctl_show(const struct rrctl *ctl, json_t *result, void (*draw)(const json_t *result));
// A table of an array of objects. Columns are as wide as they must be, numbers stand to the right.
void rrctl_table(const json_t *rows, const struct rrctl_column *columns, size_t n_columns);
// An object as "name  value" lines.
void rrctl_lines(const json_t *object, const struct rrctl_column *lines, size_t n_lines);

// rrctl_region.c
//
// Map the region when there is one.
bool rrctl_try_attach(const struct rrctl *ctl, struct rr_region *region);
// Map the region of the configuration, or say on stderr why not. Returns RRCTL_DONE or
// RRCTL_REFUSED.
int rrctl_attach(const struct rrctl *ctl, struct rr_region *region, bool read_only);
// The pid of the process that holds a role's lock, 0 when nobody does.
int rrctl_lock_holder(const struct rrctl *ctl, enum rr_lock role);

// rrctl_store.c
//
// Call fn for every session that control has written down, in order of creation. Returns
// RRCTL_DONE, or RRCTL_REFUSED when there is no store to be read.
int rrctl_each_session(const struct rrctl *ctl,
	void (*fn)(void *arg, const struct rr_session_record_view *session), void *arg);

// The same for every local address.
int rrctl_each_address(const struct rrctl *ctl,
	void (*fn)(void *arg, const struct rr_store_address *row, const struct rr_text *realm),
	void *arg);

// Read the row that holds control's counters, when there is a store with one.
bool rrctl_try_meta(const struct rrctl *ctl, struct rr_store_meta *meta);

// rrctl_flow.c
//
// Everything about the flow of an incarnation at a local address and port (host order); null when
// there is none in the region. `region` may be NULL.
json_t *rrctl_flow_of(const struct rr_region *region, const struct rr_endpoint *local,
	uint32_t port, uint64_t uid);

// rrctl_operator.c
//
struct rrctl_request {
	const char *verb; // of control/operator.c
	int argc;
	char **argv;
	int fd; // goes with it; -1: none
};

// Have control do something. Returns RRCTL_DONE and the answer, or RRCTL_REFUSED, having said why
// on stderr.
int rrctl_ask_with(const struct rrctl *ctl, const struct rrctl_request *request, json_t **answer);
// The same without a descriptor.
int rrctl_ask(const struct rrctl *ctl, const char *verb, int argc, char **argv, json_t **answer);

// One function a command: arguments behind noun and verb. Returns enum rrctl_status.
int rrctl_drain(struct rrctl *ctl, int argc, char **argv);
int rrctl_pause(struct rrctl *ctl, int argc, char **argv);
int rrctl_resume(struct rrctl *ctl, int argc, char **argv);
int rrctl_status_show(struct rrctl *ctl, int argc, char **argv);
int rrctl_port_list(struct rrctl *ctl, int argc, char **argv);
int rrctl_port_start(struct rrctl *ctl, int argc, char **argv);
int rrctl_stats_show(struct rrctl *ctl, int argc, char **argv);
int rrctl_stats_list(struct rrctl *ctl, int argc, char **argv);
int rrctl_flow_show(struct rrctl *ctl, int argc, char **argv);
int rrctl_config_show(struct rrctl *ctl, int argc, char **argv);
int rrctl_config_reload(struct rrctl *ctl, int argc, char **argv);
int rrctl_config_list(struct rrctl *ctl, int argc, char **argv);
int rrctl_session_list(struct rrctl *ctl, int argc, char **argv);
int rrctl_session_show(struct rrctl *ctl, int argc, char **argv);
int rrctl_session_clear(struct rrctl *ctl, int argc, char **argv);
int rrctl_address_list(struct rrctl *ctl, int argc, char **argv);
int rrctl_address_add(struct rrctl *ctl, int argc, char **argv);
int rrctl_address_drain(struct rrctl *ctl, int argc, char **argv);

RR_END_DECLS
