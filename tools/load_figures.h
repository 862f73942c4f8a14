// SPDX-License-Identifier: BSD-2-Clause
// What rtppload counts of one step: commands by outcome, and how long their replies took.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

#define LOAD_MAX_CODE 999
#define LOAD_SUB_BITS 5 // 32 classes an octave: a percentile is good to 3 %
#define LOAD_N_CLASSES ((64 - LOAD_SUB_BITS + 1) << LOAD_SUB_BITS)

enum load_outcome {
	LOAD_OK,
	LOAD_ERROR, // an error code of the protocol
	LOAD_MISSED, // `0` instead of a port: no such call
	LOAD_WRONG, // a reply that cannot be right
	LOAD_LOST, // no reply, however often it was asked for
	LOAD_N_OUTCOMES
};

struct load_figures {
	const char *step;
	uint64_t n[LOAD_N_OUTCOMES];
	uint64_t n_code[LOAD_MAX_CODE + 1];
	uint64_t n_retransmits;
	uint64_t n_strays; // replies that nobody waited for, late ones among them
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t max_ns; // of a reply
	uint64_t n_took[LOAD_N_CLASSES];
};

// code: of LOAD_ERROR. took_ns: from when the command was due to its reply; not of lost ones.
void load_figures_add(
	struct load_figures *f, enum load_outcome outcome, unsigned int code, uint64_t took_ns);

uint64_t load_figures_n_commands(const struct load_figures *f);
// The reply time that `share` of all replies (0.5: half of them) do not exceed; 0 without any.
uint64_t load_figures_quantile_ns(const struct load_figures *f, double share);

// Returns NULL without memory.
json_t *load_figures_json(const struct load_figures *f);
void load_figures_print_head(void);
void load_figures_print(const struct load_figures *f);

RR_END_DECLS
