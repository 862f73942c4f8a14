// SPDX-License-Identifier: BSD-2-Clause
// Multicast listener reports (RFC 3810 5.2): without one, a snooping switch keeps the solicitations
// for an own IPv6 address from us.
//
// Reports are repeated within the interval after which a switch forgets a member, so that no query
// needs an answer. They are sent from the unspecified address (RFC 3590 4): a pool has no
// link-local one, and switches take them, which is all they are for.
#pragma once

#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>

#define MLD_REPEAT_S 60 // a member is forgotten after 260 s, RFC 3810 9.4

// IPv6 header, hop-by-hop options with a router alert, report with one record.
#define MLD_LEN (sizeof(struct rte_ipv6_hdr) + 8 + 8 + 20)

// Write MLD_LEN bytes: "I listen to this group from every source".
void mld_report_write(uint8_t *to, const uint8_t group[16]);

// Where reports go: the group of all MLDv2 routers, ff02::16.
void mld_report_mac(struct rte_ether_addr *mac);
