// SPDX-License-Identifier: BSD-2-Clause
// Writes sound files with libsndfile.
#include "sound_file.h"

#include <errno.h>
#include <sndfile.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct sound_file {
	SNDFILE *sf;
	char *path;
};

struct name {
	const char *name;
	int format;
};

static const struct name containers[] = {
	{"wav", SF_FORMAT_WAV},
	{"aiff", SF_FORMAT_AIFF},
	{"au", SF_FORMAT_AU},
	{"raw", SF_FORMAT_RAW},
	{"paf", SF_FORMAT_PAF},
	{"svx", SF_FORMAT_SVX},
	{"nist", SF_FORMAT_NIST},
	{"voc", SF_FORMAT_VOC},
	{"ircam", SF_FORMAT_IRCAM},
	{"w64", SF_FORMAT_W64},
	{"mat4", SF_FORMAT_MAT4},
	{"mat5", SF_FORMAT_MAT5},
	{"pvf", SF_FORMAT_PVF},
	{"xi", SF_FORMAT_XI},
	{"htk", SF_FORMAT_HTK},
	{"sds", SF_FORMAT_SDS},
	{"avr", SF_FORMAT_AVR},
	{"wavex", SF_FORMAT_WAVEX},
	{"sd2", SF_FORMAT_SD2},
	{"flac", SF_FORMAT_FLAC},
	{"caf", SF_FORMAT_CAF},
	{"wve", SF_FORMAT_WVE},
	{"ogg", SF_FORMAT_OGG},
	{"mpc2k", SF_FORMAT_MPC2K},
	{"rf64", SF_FORMAT_RF64},
	{NULL, 0},
};

// What is taken without -D: the first one that the container can hold.
static const struct name encodings[] = {
	{"pcm_16", SF_FORMAT_PCM_16},
	{"pcm_s8", SF_FORMAT_PCM_S8},
	{"pcm_24", SF_FORMAT_PCM_24},
	{"pcm_32", SF_FORMAT_PCM_32},
	{"pcm_u8", SF_FORMAT_PCM_U8},
	{"float", SF_FORMAT_FLOAT},
	{"double", SF_FORMAT_DOUBLE},
	{"ulaw", SF_FORMAT_ULAW},
	{"alaw", SF_FORMAT_ALAW},
	{"ima_adpcm", SF_FORMAT_IMA_ADPCM},
	{"ms_adpcm", SF_FORMAT_MS_ADPCM},
	{"gsm610", SF_FORMAT_GSM610},
	{"vox_adpcm", SF_FORMAT_VOX_ADPCM},
	{"g721_32", SF_FORMAT_G721_32},
	{"g723_24", SF_FORMAT_G723_24},
	{"g723_40", SF_FORMAT_G723_40},
	{"dwvw_12", SF_FORMAT_DWVW_12},
	{"dwvw_16", SF_FORMAT_DWVW_16},
	{"dwvw_24", SF_FORMAT_DWVW_24},
	{"dwvw_n", SF_FORMAT_DWVW_N},
	{"dpcm_16", SF_FORMAT_DPCM_16},
	{"dpcm_8", SF_FORMAT_DPCM_8},
	{"vorbis", SF_FORMAT_VORBIS},
	{"opus", SF_FORMAT_OPUS},
	{NULL, 0},
};

static const struct name *find(const struct name *names, const char *name) {
	for (; names->name; names++)
		if (strcasecmp(names->name, name) == 0)
			return names;
	return NULL;
}

static bool can_hold(SF_INFO *info, int container, int encoding) {
	info->format = container | encoding;
	return sf_format_check(info);
}

static bool find_encoding(SF_INFO *info, int container) {
	for (const struct name *n = encodings; n->name; n++)
		if (can_hold(info, container, n->format))
			return true;
	return false;
}

static int choose(SF_INFO *info, const struct sound_format *format, char fault[SOUND_FAULT_LEN]) {
	const char *container_name = format->container ? format->container : "wav";
	const struct name *container = find(containers, container_name);
	const struct name *encoding = format->encoding ? find(encodings, format->encoding) : NULL;

	if (!container || (format->encoding && !encoding)) {
		snprintf(fault, SOUND_FAULT_LEN, "%s: no such format, --help lists them",
			container ? format->encoding : container_name);
		return -EINVAL;
	}
	if (encoding ? can_hold(info, container->format, encoding->format)
		     : find_encoding(info, container->format))
		return 0;
	snprintf(fault, SOUND_FAULT_LEN, "%s cannot hold %s with %d channels of %d Hz",
		container->name, encoding ? encoding->name : "sound", format->n_channels,
		format->hz);
	return -EINVAL;
}

int sound_file_create(struct sound_file **file, const char *path, const struct sound_format *format,
	char fault[SOUND_FAULT_LEN]) {
	SF_INFO info = {.samplerate = format->hz, .channels = format->n_channels};
	struct sound_file *f;

	if (choose(&info, format, fault) < 0)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f || !(f->path = strdup(path))) {
		free(f);
		snprintf(fault, SOUND_FAULT_LEN, "no memory");
		return -ENOMEM;
	}
	f->sf = sf_open(path, SFM_WRITE, &info);
	if (!f->sf) {
		snprintf(fault, SOUND_FAULT_LEN, "%s: %s", path, sf_strerror(NULL));
		free(f->path);
		free(f);
		return -EIO;
	}
	*file = f;
	return 0;
}

int sound_file_write(struct sound_file *f, const int16_t *samples, size_t n_frames) {
	sf_count_t n = (sf_count_t)n_frames;

	return sf_writef_short(f->sf, samples, n) == n ? 0 : -EIO;
}

// A device that somebody named as the output is not ours to remove.
static void release(struct sound_file *f, bool keep) {
	struct stat st;

	if (!keep && lstat(f->path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(f->path);
	free(f->path);
	free(f);
}

int sound_file_close(struct sound_file *f) {
	bool arrived = sf_close(f->sf) == 0;

	release(f, arrived);
	return arrived ? 0 : -EIO;
}

void sound_file_drop(struct sound_file *f) {
	sf_close(f->sf);
	release(f, false);
}

static void list(FILE *out, const struct name *names) {
	for (; names->name; names++) {
		SF_FORMAT_INFO info = {.format = names->format};

		if (sf_command(NULL, SFC_GET_FORMAT_INFO, &info, sizeof(info)) != 0 || !info.name)
			info.name = "";
		fprintf(out, "  %-10s %s\n", names->name, info.name);
	}
}

void sound_file_list(FILE *out) {
	fputs("Containers (-F):\n", out);
	list(out, containers);
	fputs("Encodings (-D):\n", out);
	list(out, encodings);
}
