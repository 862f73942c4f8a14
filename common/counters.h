// SPDX-License-Identifier: BSD-2-Clause
// The one list of dataplane counters and drop reasons: name, kind, unit and help text.
//
// Counted per worker and Ethernet port: tx_packets, tx_bytes, generated and drop_tx_full at the
// port of departure, all others at the port of arrival. In each dataplane generation
//	received + generated + fragments_made =
//		sent + delivered + fragments_joined + sum of drops + held
// over the sum of all ports, workers and the main thread. n fragments that become one packet count
// n - 1 under fragments_joined, one packet that becomes n fragments n - 1 under fragments_made.
// held is what still sits in a ring or buffer, or waits for further fragments; a worker adds what
// it puts there and subtracts what it takes out, so that only the sum is a level. rrctl and the
// packet tests check the equation.
#pragma once

#include <stdint.h>

#include "compiler.h"

RR_BEGIN_DECLS

enum rr_counter_kind {
	RR_COUNTER_IN, // left side of the accounting equation
	RR_COUNTER_OUT, // right side
	RR_COUNTER_DROP, // right side, a packet that ends here, by reason
	RR_COUNTER_GAUGE, // right side, a level
	RR_COUNTER_INFO, // not part of the equation
};

// X(identifier, kind, unit, help). Names as rrctl shows them are the identifiers.
#define RR_COUNTERS(X) \
	X(rx_packets, IN, "packets", "packets received from the device") \
	X(rx_bytes, INFO, "bytes", "bytes received from the device, Ethernet header included") \
	X(generated, IN, "packets", "packets made here: ARP, ND, ICMP, announcements") \
	X(fragments_made, IN, "packets", \
		"IP fragments sent, less the datagrams that they were made of") \
	X(tx_packets, OUT, "packets", "packets handed to the device") \
	X(tx_bytes, INFO, "bytes", "bytes handed to the device, Ethernet header included") \
	X(delivered, OUT, "packets", "packets consumed here: ARP, ND and ICMP that were acted on") \
	X(left_to_kernel, OUT, "packets", \
		"copies of packets that are the kernel's, in port mode shared on af_packet") \
	X(fragments_joined, OUT, "packets", \
		"IP fragments reassembled, less the datagrams that they became") \
	X(held, GAUGE, "packets", \
		"packets in rings and transmit buffers, and fragments that wait, now") \
	X(relayed_packets, INFO, "packets", "media packets that were relayed") \
	X(relayed_bytes, INFO, "bytes", "UDP payload of those") \
	X(handoff_out, INFO, "packets", "packets passed on to the worker that owns their flow") \
	X(handoff_in, INFO, "packets", "packets taken over from another worker") \
	X(turned, INFO, "packets", \
		"relayed packets to an address of ours, which were taken in again") \
	X(punted, INFO, "packets", "packets passed to the slow path") \
	X(ip_fragments, INFO, "packets", "IP fragments of media received") \
	X(reassembled, INFO, "packets", "datagrams put together from fragments") \
	X(fragmented, INFO, "packets", \
		"datagrams larger than the outgoing MTU, sent in fragments") \
	X(requests, INFO, "messages", "requests from control taken from the ring") \
	X(requests_refused, INFO, "messages", "requests with a field out of range") \
	X(requests_stale, INFO, "messages", \
		"requests meant for an earlier dataplane, dropped without an answer") \
	X(ring_broken, INFO, "events", "a ring index of the other process was out of range") \
	X(events_lost, INFO, "messages", "events to control not sent because the ring was full") \
	X(latched, INFO, "events", "a stream's source was settled") \
	X(relatched, INFO, "events", "a stream's settled source was moved") \
	X(polls_empty, INFO, "polls", "turns of the loop that found no packet") \
	X(polls_full, INFO, "polls", "receive bursts that were full") \
	X(busy_ns, INFO, "ns", "time of the turns of the loop that found work") \
	X(dev_rx_missed, INFO, "packets", "packets the device lost because its queues were full") \
	X(dev_rx_nombuf, INFO, "packets", "packets the device lost for want of buffers") \
	X(dev_rx_errors, INFO, "packets", "packets the device found damaged") \
	X(dev_tx_errors, INFO, "packets", "packets the device failed to send") \
	X(neighbour_full, INFO, "events", "next hops not taken in because the table was full") \
	X(drop_rx_short, DROP, "packets", "shorter than an Ethernet header") \
	X(drop_rx_segments, DROP, "packets", \
		"headers spread over buffers that do not fit into one") \
	X(drop_eth_dst, DROP, "packets", "unicast to a MAC address that is not the port's") \
	X(drop_eth_type, DROP, "packets", "EtherType that is neither IPv4, IPv6, ARP nor VLAN") \
	X(drop_vlan_unknown, DROP, "packets", "VLAN on which the port has no realm") \
	X(drop_ip4_header, DROP, "packets", \
		"IPv4 version, header or total length wrong (RFC 791)") \
	X(drop_ip4_checksum, DROP, "packets", "IPv4 header checksum wrong (RFC 1122 3.2.1.2)") \
	X(drop_ip6_header, DROP, "packets", "IPv6 version or payload length wrong (RFC 8200 3)") \
	X(drop_ip6_extension, DROP, "packets", "IPv6 extension header chain broken or too long") \
	X(drop_ip6_option, DROP, "packets", \
		"IPv6 option that asks to be discarded (RFC 8200 4.2)") \
	X(drop_ip6_routing, DROP, "packets", "IPv6 routing header with segments left (RFC 5095)") \
	X(drop_ip_truncated, DROP, "packets", "frame shorter than its IP length") \
	X(drop_fragment_protocol, DROP, "packets", "fragment of something other than UDP") \
	X(drop_fragment_invalid, DROP, "packets", \
		"fragment without content, or of an odd length and not the last") \
	X(drop_fragment_duplicate, DROP, "packets", "the same fragment once more") \
	X(drop_fragment_overlap, DROP, "packets", \
		"fragment of a datagram whose fragments overlap (RFC 5722)") \
	X(drop_fragment_many, DROP, "packets", "fragment of a datagram in more than 8 fragments") \
	X(drop_fragment_large, DROP, "packets", "fragment of a datagram of more than 8,192 bytes") \
	X(drop_fragment_timeout, DROP, "packets", \
		"fragment whose datagram was not complete in time") \
	X(drop_fragment_full, DROP, "packets", \
		"fragment that gave way to newer ones: too many datagrams were incomplete") \
	X(drop_fragment_source, DROP, "packets", \
		"too many datagrams of its source were incomplete") \
	X(drop_ip_src, DROP, "packets", "multicast, broadcast, loopback or unspecified source") \
	X(drop_ip_dst, DROP, "packets", "destination is no pool address of the realm") \
	X(drop_ip_protocol, DROP, "packets", "neither UDP nor ICMP") \
	X(drop_udp_short, DROP, "packets", "shorter than a UDP header (RFC 768)") \
	X(drop_udp_length, DROP, "packets", "UDP length below 8 or beyond the IP payload") \
	X(drop_udp_checksum, DROP, "packets", "UDP checksum reported wrong by the device") \
	X(drop_udp_no_checksum, DROP, "packets", "UDP over IPv6 without checksum (RFC 8200 8.1)") \
	X(drop_udp_port, DROP, "packets", "destination port outside the media range") \
	X(drop_flow_none, DROP, "packets", "no call has this port") \
	X(drop_flow_incomplete, DROP, "packets", "the call has only one leg yet") \
	X(drop_flow_torn, DROP, "packets", "flow waits for control after a crash") \
	X(drop_flow_no_remote, DROP, "packets", "the other party's address is not known yet") \
	X(drop_source_rejected, DROP, "packets", "source is not the stream's settled peer") \
	X(drop_oversize, DROP, "packets", "larger than 9,600 bytes, which no port can send whole") \
	X(drop_headroom, DROP, "packets", "buffer has no room for the larger header") \
	X(drop_neighbour, DROP, "packets", "next hop's MAC address not resolved") \
	X(drop_loop, DROP, "packets", "came back to us again and again, from call to call") \
	X(drop_handoff_full, DROP, "packets", "the owning worker's ring was full") \
	X(drop_handoff_stale, DROP, "packets", \
		"flow changed its owner while the packet was passed on") \
	X(drop_punt_full, DROP, "packets", "the slow path's ring was full") \
	X(drop_punt_unhandled, DROP, "packets", "slow path had no use for it") \
	X(drop_arp_invalid, DROP, "packets", "ARP that is malformed or not for a pool address") \
	X(drop_nd_invalid, DROP, "packets", "ND that is malformed or not for us (RFC 4861 7.1)") \
	X(drop_icmp_invalid, DROP, "packets", "ICMP that is malformed") \
	X(drop_icmp_rate, DROP, "packets", "echo request above the rate limit") \
	X(drop_no_buffer, DROP, "packets", "buffer pool was empty") \
	X(drop_tx_full, DROP, "packets", "transmit queue did not take it")

enum rr_counter {
#define RR_COUNTER_ENUM(id, kind, unit, help) RR_C_##id,
	RR_COUNTERS(RR_COUNTER_ENUM)
#undef RR_COUNTER_ENUM
		RR_N_COUNTERS
};

struct rr_counter_info {
	const char *name;
	enum rr_counter_kind kind;
	const char *unit;
	const char *help;
};

// Indexed by enum rr_counter.
extern const struct rr_counter_info rr_counter_info[RR_N_COUNTERS];

// Left minus right side of the accounting equation over one set of counters; 0 when it holds.
int64_t rr_counters_imbalance(const uint64_t counters[RR_N_COUNTERS]);

RR_END_DECLS
