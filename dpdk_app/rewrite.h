// SPDX-License-Identifier: BSD-2-Clause
// Stage: new Ethernet, IP and UDP headers in front of the payload, of either family.
//
// Needs parse's `udp`, lengths and family, and the flow. What goes on is a frame ready to send by
// `out_port`; what leaves by an offloading port carries the mbuf flags for it. What is for an
// address of ours on the same link (a call that passes the relay twice) is turned: it is whole as
// if it came from the wire, and is taken in again. What is larger than the outgoing MTU is large:
// a whole frame as the others, still to be cut.
#pragma once

#include "flow.h"
#include "neighbour.h"
#include "pkt.h"

#define REWRITE_PAYLOAD_MAX 9600 // bytes of a datagram that is cut: no port's MTU is greater
#define REWRITE_TURNS_MAX 8 // of one packet; calls that lead to each other would turn it for ever

// One a worker.
struct rewrite {
	struct flow_table *table;
	struct neighbour_view *neighbours;
	uint64_t turned_flag; // of mbufs that have turned; their hash.usr says how often
};

// Returns true when the packet stays in live.
bool rewrite_take(struct rewrite *r, struct burst *b, struct pkt *p);
