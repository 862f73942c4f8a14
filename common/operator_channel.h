// SPDX-License-Identifier: BSD-2-Clause
// The operator's channel: how rrctl asks control to do something.
//
// A UNIX socket of whole messages (SOCK_SEQPACKET) in run_dir, for its owner and instance.group. A
// connection carries one request, words that each end with a zero byte, of which the first is the
// verb, and with config-reload a descriptor (SCM_RIGHTS); and one answer, JSON or "error TEXT",
// after which control closes it. The supervisor holds the socket, so that what is asked while a
// worker is being replaced waits for the next one.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

#define RR_OPERATOR_SOCKET "operator.sock"
#define RR_OPERATOR_MAX_REQUEST 4096 // bytes
#define RR_OPERATOR_MAX_WORDS 16 // verb included
#define RR_OPERATOR_MAX_ANSWER 65536 // bytes
#define RR_OPERATOR_ERROR "error " // how a refusal begins

RR_END_DECLS
