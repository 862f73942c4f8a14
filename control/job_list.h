// SPDX-License-Identifier: BSD-2-Clause
// A doubly linked list of jobs; a job stands in one list at a time.
#pragma once

#include <stddef.h>

#include "compiler.h"
#include "job.h"

RR_BEGIN_DECLS

struct job_list {
	struct job *first;
	struct job *last;
};

static inline void job_list_append(struct job_list *list, struct job *job) {
	job->next = NULL;
	job->prev = list->last;
	if (list->last)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
}

static inline void job_list_prepend(struct job_list *list, struct job *job) {
	job->next = list->first;
	job->prev = NULL;
	if (list->first)
		list->first->prev = job;
	else
		list->last = job;
	list->first = job;
}

static inline void job_list_remove(struct job_list *list, struct job *job) {
	if (job->prev)
		job->prev->next = job->next;
	else
		list->first = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		list->last = job->prev;
	job->next = NULL;
	job->prev = NULL;
}

RR_END_DECLS
