// SPDX-License-Identifier: BSD-2-Clause
// Jobs from a free list; control is single-threaded, so there is one list and no lock.
#include "job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// As many as a busy turn needs; more are given back to the heap.
#define KEEP_MAX 1024

static struct job *free_jobs;
static unsigned int n_free_jobs;

struct job *job_new(void) {
	struct job *job = free_jobs;

	if (job) {
		free_jobs = job->next;
		n_free_jobs--;
	} else {
		job = malloc(sizeof(*job));
		if (!job)
			return NULL;
	}
	memset(job, 0, offsetof(struct job, reply));
	return job;
}

void job_free(struct job *job) {
	if (!job)
		return;
	free(job->answer);
	if (job->has_fd)
		close(job->fd);
	if (n_free_jobs == KEEP_MAX) {
		free(job);
		return;
	}
	job->next = free_jobs;
	free_jobs = job;
	n_free_jobs++;
}

void job_drain_free_list(void) {
	while (free_jobs) {
		struct job *next = free_jobs->next;

		free(free_jobs);
		free_jobs = next;
	}
	n_free_jobs = 0;
}
