// SPDX-License-Identifier: BSD-2-Clause
// One parsed command of the rtpproxy control protocol; what rtpp_parse fills and cmd_*.c execute.
//
// Slices point into the datagram that was parsed and are not terminated by zero. The datagram
// outlives the command.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "slice.h"

#define RTPP_MAX_TOKENS 23 // command word included
#define RTPP_MAX_SUBCOMMANDS 15
#define RTPP_MAX_COMMAND 8191 // bytes
#define RTPP_MAX_REPLY 1023 // bytes, cookie included
#define RTPP_MAX_COUNTERS 22
#define RTPP_NOTIFY_TAG_MAX 1024

enum rtpp_verb {
	RTPP_U,
	RTPP_L,
	RTPP_D,
	RTPP_P,
	RTPP_S,
	RTPP_R,
	RTPP_C,
	RTPP_N,
	RTPP_Q,
	RTPP_I,
	RTPP_G,
	RTPP_V,
	RTPP_VF,
	RTPP_X,
	RTPP_VERBS
};

// Error codes of the protocol, as in "E50".
enum rtpp_error {
	RTPP_OK = 0,
	RTPP_E_UNKNOWN = 100, // E0: the wire number is value - 100 for this one only
	RTPP_E_ARGS = 1,
	RTPP_E_MODS = 2,
	RTPP_E_SUBC = 3,
	RTPP_E_SYNTAX = 5,
	RTPP_E_RECORD_ARG = 6,
	RTPP_E_RECORD_MOD = 7,
	RTPP_E_DELETE_MOD = 8,
	RTPP_E_GSTATS_MOD = 9,
	RTPP_E_NOTIFY_TAG = 10,
	RTPP_E_EXTERNAL = 11,
	RTPP_E_INTERNAL = 12,
	RTPP_E_RESIZE = 13,
	RTPP_E_CODECS = 14,
	RTPP_E_LOCAL_SYNTAX = 15,
	RTPP_E_REMOTE_SYNTAX = 16,
	RTPP_E_PLAY_COUNT = 17,
	RTPP_E_INFO_MOD = 18,
	RTPP_E_QUERY_MOD = 19,
	RTPP_E_GSTATS_OVERFLOW = 25,
	RTPP_E_QUERY_OVERFLOW = 26,
	RTPP_E_LOCAL_ADDR = 31,
	RTPP_E_REMOTE_ADDR = 32,
	RTPP_E_UPDATE_MOD = 35, // also: P ... session without a codec list
	RTPP_E_FAMILY = 36,
	RTPP_E_ENDPOINT = 37,
	RTPP_E_NO_SESSION = 50,
	RTPP_E_PLAYER = 60,
	RTPP_E_QUERY_COUNTER = 62,
	RTPP_E_COPY = 65,
	RTPP_E_GSTATS_COUNTER = 68,
	RTPP_E_NO_PORT_LEG = 71,
	RTPP_E_NO_PORT_NEW = 72,
	RTPP_E_NOTIFY_OFF = 75,
	RTPP_E_NO_MEMORY = 81,
	RTPP_E_OVERLOAD = 98,
	RTPP_E_DRAINING = 99,
};

enum rtpp_local_kind {
	RTPP_LOCAL_DEFAULT,
	RTPP_LOCAL_ADDR, // lADDR l[V6ADDR]: local
	RTPP_LOCAL_LABEL, // l{LABEL}: label
	RTPP_LOCAL_ROUTE, // rADDR r[V6ADDR]: local is the address to be reached
};

// Modifiers and SDP address of U, L and the L sub-command.
struct rtpp_media {
	int asymmetric; // -1 not said, 0 `s`, 1 `a`
	bool weak; // w
	bool new_port; // n
	bool ipv6; // 6
	uint8_t n_directions; // e, i: bridge mode
	char direction[2];
	enum rtpp_local_kind local_kind;
	struct rr_endpoint local;
	struct slice label;
	struct slice codecs; // c; len 0 = absent
	uint32_t resize_ms; // z; 0 = absent

	bool remote_ignored; // address text of odd length: neither prefill nor hold (5.2.2)
	bool remote_hold; // 0.0.0.0 or ::
	struct rr_endpoint remote;
};

enum rtpp_sub_kind {
	RTPP_SUB_TTL, // S ttl=
	RTPP_SUB_TOS, // S tos=
	RTPP_SUB_DELETE, // D, Dw
	RTPP_SUB_LOOKUP, // L
	RTPP_SUB_COPY, // C
};

struct rtpp_sub {
	enum rtpp_sub_kind kind;
	bool reverse; // Sr
	bool weak; // Dw
	uint32_t value; // ttl or tos
	struct rtpp_media media; // L
	struct slice callid, from_tag, to_tag; // C
};

struct rtpp_cmd {
	enum rtpp_verb verb;
	struct slice mods; // modifier text after the letter, as received
	struct slice callid;
	struct slice from_tag;
	struct slice to_tag; // p NULL = not given
	struct rtpp_media media; // U, L
	struct slice notify_socket; // U; p NULL = not given
	char notify_tag[RTPP_NOTIFY_TAG_MAX]; // decoded, may hold any byte
	size_t notify_tag_len;
	bool verbose; // Qv, Gv
	bool weak; // Dw
	bool load; // Il
	bool query_mod_unknown; // Q: E19, but only once the session was found (section 3)
	bool single_file; // Rs, Cs
	bool port_reply; // Cp
	bool all; // Na
	int play_count; // P
	struct slice prompt; // P, C (file or udp:host:port)
	struct slice codecs; // P
	struct slice datestamp; // VF
	unsigned int n_counters; // Q, G
	struct slice counter[RTPP_MAX_COUNTERS];
	unsigned int n_sub;
	struct rtpp_sub sub[RTPP_MAX_SUBCOMMANDS];
};
