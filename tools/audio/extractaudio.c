// SPDX-License-Identifier: BSD-2-Clause
// extractaudio: the sound of a recorded call, from ad-hoc recordings and captures.
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "extract_options.h"
#include "mixer.h"

#define PROGRAM "extractaudio"
#define EXIT_REFUSED 1
#define EXIT_MISUSE 2
#define NICE_LOWEST 19

// Recordings that were read to their end: only they may be deleted.
struct spent {
	const char *path[CALL_PARTIES];
	size_t n;
};

static const char *const party_names[CALL_PARTIES] = {"a", "o"};

static int refuse(const char *name, const char *why) {
	fprintf(stderr, PROGRAM ": %s: %s\n", name, why);
	return EXIT_REFUSED;
}

// What there is to say of a recording beside its sound. Returns 0 if it can be used.
static int say(const struct extract_options *opt, const char *path, int result,
	const struct call_report *report) {
	if (report->fault[0])
		fprintf(stderr, PROGRAM ": %s: %s\n", path, report->fault);
	if (report->n_cut)
		fprintf(stderr, PROGRAM ": %s: %llu frames left out, cut short or fragments\n",
			path, (unsigned long long)report->n_cut);
	return result < 0 || (opt->is_strict && report->is_damaged) ? EXIT_REFUSED : 0;
}

static int scan(const struct extract_options *opt) {
	const char *const paths[] = {opt->party[CALL_A], opt->party[CALL_O], opt->both};
	struct call_report report;
	int result = 0;

	for (size_t i = 0; i < RR_ARRAY_LEN(paths); i++) {
		int r;

		if (!paths[i])
			continue;
		r = call_scan(paths[i], &report);
		result |= say(opt, paths[i], r, &report);
		if (r == 0)
			printf("%s: %llu\n", paths[i], (unsigned long long)report.n_rtp);
	}
	return result;
}

// An empty file is that of a party that never said anything.
static void note_spent(
	struct spent *spent, const char *path, int result, const struct call_report *report) {
	if (result == -ENODATA || (result == 0 && !report->is_damaged && !report->n_cut))
		spent->path[spent->n++] = path;
}

// One party that can be heard is enough, unless -e is given.
static int load_parties(const struct extract_options *opt, struct call *call, struct spent *spent) {
	int n_loaded = 0, n_refused = 0;

	for (size_t i = 0; i < CALL_PARTIES; i++) {
		struct call_report report;
		int r;

		if (!opt->party[i])
			continue;
		r = call_load(call, opt->party[i], (enum call_party)i, &report);
		note_spent(spent, opt->party[i], r, &report);
		if (say(opt, opt->party[i], r, &report) == 0)
			n_loaded++;
		else
			n_refused++;
	}
	return n_loaded == 0 || (opt->is_strict && n_refused) ? EXIT_REFUSED : 0;
}

static int load(const struct extract_options *opt, struct call *call, struct spent *spent) {
	struct call_report report;
	int r;

	if (!opt->both)
		return load_parties(opt, call, spent);
	r = call_load_both(call, opt->both, &report);
	note_spent(spent, opt->both, r, &report);
	return say(opt, opt->both, r, &report);
}

static void print_types(const struct call *call, const struct stream *s) {
	for (unsigned int type = 0; type < CODEC_PAYLOAD_TYPES; type++) {
		const struct codec *codec = call->codec_of[type];

		if (s->counts.of_type[type])
			printf(" %u=%s:%llu", type, codec ? codec->name : "unheard",
				(unsigned long long)s->counts.of_type[type]);
	}
}

// A line for every stream: what came, what was lost, what it held.
static void print_streams(const struct call *call) {
	for (size_t i = 0; i < CALL_PARTIES; i++) {
		const struct track *t = &call->tracks[i];

		for (size_t k = 0; k < t->n_streams; k++) {
			const struct stream *s = &t->streams[k];
			const struct stream_counts *c = &s->counts;

			printf("%s ssrc=0x%08X packets=%llu lost=%llu duplicates=%llu late=%llu "
			       "resyncs=%llu begin=%.3f end=%.3f types",
				party_names[i], s->ssrc, (unsigned long long)c->n_packets,
				(unsigned long long)c->n_lost, (unsigned long long)c->n_duplicates,
				(unsigned long long)c->n_late, (unsigned long long)c->n_resyncs,
				s->n_packets ? (double)s->begin / CODEC_DECODED_HZ : 0,
				s->n_packets ? (double)s->end / CODEC_DECODED_HZ : 0);
			print_types(call, s);
			putchar('\n');
		}
	}
}

static int place(const struct extract_options *opt, struct call *call) {
	int r = opt->is_tight ? call_place_tight(call) : call_place(call);

	print_streams(call);
	if (r == -ENODATA)
		return refuse(
			opt->output, "not written, for nothing that was recorded can be heard");
	if (r == -EFBIG)
		return refuse(opt->output, "not written, for the recording is longer than a day");
	return 0;
}

static int write_output(const struct extract_options *opt, struct call *call) {
	char fault[SOUND_FAULT_LEN];
	struct sound_file *out;
	int r;

	if (sound_file_create(&out, opt->output, &opt->format, fault) < 0) {
		fprintf(stderr, PROGRAM ": %s\n", fault);
		return EXIT_REFUSED;
	}
	r = opt->is_stereo ? mixer_write_stereo(call, out) : mixer_write_mono(call, out);
	if (r < 0)
		sound_file_drop(out);
	else
		r = sound_file_close(out);
	return r < 0 ? refuse(opt->output, "cannot be written, and is removed") : 0;
}

static int make_links(const struct extract_options *opt) {
	int result = 0;

	for (int i = 0; i < opt->n_links; i++)
		if (link(opt->output, opt->links[i]) < 0)
			result = refuse(opt->links[i], strerror(errno));
	return result;
}

static int delete_spent(const struct spent *spent) {
	int result = 0;

	for (size_t i = 0; i < spent->n; i++)
		if (unlink(spent->path[i]) < 0)
			result = refuse(spent->path[i], strerror(errno));
	return result;
}

// Recordings are deleted last: until then nothing that fails loses them.
static int extract(const struct extract_options *opt, struct call *call) {
	struct spent spent = {0};
	int result;

	if ((result = load(opt, call, &spent)) != 0 || (result = place(opt, call)) != 0 ||
		(result = write_output(opt, call)) != 0 || (result = make_links(opt)) != 0)
		return result;
	return opt->deletes ? delete_spent(&spent) : 0;
}

int main(int argc, char **argv) {
	static struct extract_options opt;
	struct call *call = call_new();
	int result;

	if (!call)
		return refuse("start", "no memory");
	result = extract_options_read(&opt, call, argc, argv);
	if (result == 0) {
		if (opt.is_idle)
			setpriority(PRIO_PROCESS, 0, NICE_LOWEST);
		result = opt.only_scans ? scan(&opt) : extract(&opt, call);
	} else {
		result = result == -ENOENT ? EXIT_REFUSED : EXIT_MISUSE;
	}
	call_free(call);
	return result;
}
