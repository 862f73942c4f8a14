// SPDX-License-Identifier: BSD-2-Clause
// A placed call as sound: both parties in one channel or in one each.
#pragma once

#include "call.h"
#include "sound_file.h"

// One channel: the mean of both parties, or of a party that alone was recorded its samples as they
// are. Returns 0, -ENOMEM, or -EIO if the file does not take it.
int mixer_write_mono(struct call *c, struct sound_file *out);

// Two channels: A left, O right.
int mixer_write_stereo(struct call *c, struct sound_file *out);
