// SPDX-License-Identifier: BSD-2-Clause
// Looks codecs up by name and by payload type.
#include "codec.h"

#include <strings.h>

const struct codec *const codecs[] = {
	&codec_pcmu,
	&codec_gsm,
	&codec_pcma,
	&codec_g722,
	&codec_g729,
	&codec_opus,
	NULL,
};

const struct codec *codec_by_name(const char *name) {
	for (const struct codec *const *c = codecs; *c; c++)
		if (strcasecmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

const struct codec *codec_by_type(unsigned int payload_type) {
	for (const struct codec *const *c = codecs; *c; c++)
		if ((*c)->payload_type == (int)payload_type)
			return *c;
	return NULL;
}

int codec_encode(const struct codec *codec, void *state, const int16_t *samples, size_t n_frames,
	uint8_t *bytes) {
	int r = 0;

	for (size_t i = 0; i < n_frames && r == 0; i++)
		r = codec->encode(
			state, samples + i * codec->frame_samples, bytes + i * codec->frame_bytes);
	return r;
}
