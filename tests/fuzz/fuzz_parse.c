// SPDX-License-Identifier: BSD-2-Clause
// libFuzzer target: any bytes as a frame, in one or more buffers, with any verdict of a device.
//
// What the short ways take is what the whole parser takes, with the same view.
//
// First byte: bit 0 the port, bits 1-4 the verdicts and the stripped tag, bits 5-7 the lane among
// eight frames. Two bytes: VLAN. Two
// bytes: how much of the frame lies in the first buffer, 0 = all. The rest is the frame.
#include <stdlib.h>
#include <string.h>

#include "parse_plain.h"
#include "parse_wide.h"
#include "port.h"

#define OPTIONS_LEN 5
#define MEDIA_PORT_MIN 20000
#define N_MEDIA_PORTS 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct addr_table addrs;
static struct rr_flow flows[3 * N_MEDIA_PORTS];
static struct parse parse;
static struct burst burst;

static void add_addr(struct rr_config *cfg, uint8_t family, uint8_t realm, const uint8_t addr[16]) {
	struct rr_shm_addr *a = &cfg->addr[cfg->n_addrs++];

	a->family = family;
	a->realm = realm;
	a->port = realm;
	memcpy(a->addr, addr, 16);
}

// Port 0 untagged with 198.18.0.1 and 2001:db8:1::1, port 1 in VLAN 100 with 10.1.0.1.
static void setup(void) {
	static const uint8_t v4[16] = {198, 18, 0, 1};
	static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 1};
	static const uint8_t internal[16] = {10, 1, 0, 1};
	struct rr_config *cfg = calloc(1, sizeof(*cfg));
	struct port_set *ports = calloc(1, sizeof(*ports));

	if (!cfg || !ports)
		abort();
	cfg->n_realms = 2;
	cfg->realm[1].port = 1;
	cfg->realm[1].vlan = 100;
	ports->n = 2;
	ports->port[0].mtu = ports->port[1].mtu = 1500;
	add_addr(cfg, RR_FAMILY_IPV4, 0, v4);
	add_addr(cfg, RR_FAMILY_IPV6, 0, v6);
	add_addr(cfg, RR_FAMILY_IPV4, 1, internal);
	if (addr_table_build(&addrs, cfg, ports) != 0)
		abort();
	parse.addrs = &addrs;
	parse.flows = flows;
	parse.media_port_min = MEDIA_PORT_MIN;
	parse.n_media_ports = N_MEDIA_PORTS;
	memcpy(&parse.mac[0], "\2\0\0\0\0\x10", 6);
	memcpy(&parse.mac[1], "\2\0\0\0\0\x20", 6);
	free(cfg);
	free(ports);
}

static void check_media(const struct parse_frame *f, const struct pkt *p, uint32_t ip_end) {
	uint32_t headers = (uint32_t)p->l2_len + p->l3_len + 8;

	if (headers > f->n_contiguous || headers + p->payload_len > ip_end || ip_end > f->len)
		abort();
	if (p->slot >= addrs.n_addrs * N_MEDIA_PORTS || p->slot / N_MEDIA_PORTS != p->addr)
		abort();
}

// Whoever collects fragments reads their headers unasked.
static void check_fragment(const struct parse_frame *f, const struct pkt *p, uint32_t ip_end) {
	uint32_t headers = (uint32_t)p->l2_len + p->l3_len;

	if (p->family == RR_FAMILY_IPV6)
		headers += 8;
	if (headers > f->n_contiguous || headers > ip_end || ip_end > f->len)
		abort();
}

static bool same_media(const struct pkt *a, const struct pkt *b) {
	return a->slot == b->slot && a->src_port_be == b->src_port_be && a->addr == b->addr &&
	       a->payload_len == b->payload_len && a->vlan == b->vlan && a->l2_len == b->l2_len &&
	       a->l3_len == b->l3_len && a->family == b->family &&
	       memcmp(a->src, b->src, sizeof(a->src)) == 0;
}

// The frame in one lane, and in the others a frame that is no reason to leave the group alone.
static void check_wide(struct rte_mbuf *m, uint8_t port, uint32_t lane, const struct pkt *plain) {
	static uint8_t other[64] = {[12] = 8};
	struct rte_mbuf filler = {.buf_addr = other, .nb_segs = 1, .data_len = sizeof(other)};
	uint64_t taken;

	burst_reset(&burst, 0, NULL, false);
	for (uint32_t i = 0; i < 8; i++)
		pkt_add(&burst, i == lane ? m : &filler, port);
	taken = parse_wide(&parse, &burst);
	if (taken !=
		(plain && plain->family == RR_FAMILY_IPV4 && plain->l2_len == 14 ? 1U << lane : 0))
		abort();
	if (taken != 0 && (!same_media(plain, &burst.view[lane]) ||
				  plain->is_patchable != burst.view[lane].is_patchable ||
				  plain->udp != burst.view[lane].udp))
		abort();
}

// `p` is what the whole parser made of it, or NULL where that is no media.
static void check_short_ways(const struct parse_frame *f, const struct pkt *p, uint32_t lane) {
	struct rte_mbuf m = {
		.buf_addr = (void *)(uintptr_t)f->data,
		.nb_segs = f->n_contiguous == f->len ? 1 : 2,
		.data_len = (uint16_t)f->n_contiguous,
		.pkt_len = f->len,
		.ol_flags = f->offload,
		.vlan_tci = f->vlan,
	};
	struct pkt plain = {.m = &m, .port = f->port};
	bool is_plain = parse_plain(&parse, &plain);

	if (is_plain && (!p || !same_media(p, &plain)))
		abort();
	if (parse_wide_is_possible())
		check_wide(&m, f->port, lane, is_plain ? &plain : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct parse_frame f = {0};
	struct pkt p = {0};
	uint32_t first, ip_end;
	int verdict;

	if (size < OPTIONS_LEN || size > 65535)
		return 0;
	if (!parse.addrs)
		setup();
	f.port = data[0] & 1;
	f.offload |= data[0] & 2 ? RTE_MBUF_F_RX_VLAN_STRIPPED : 0;
	f.offload |= data[0] & 4 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0;
	f.offload |= data[0] & 8 ? RTE_MBUF_F_RX_IP_CKSUM_BAD : 0;
	f.offload |= data[0] & 16 ? RTE_MBUF_F_RX_L4_CKSUM_BAD : 0;
	f.vlan = (uint16_t)(data[1] << 8 | data[2]);
	first = (uint32_t)data[3] << 8 | data[4];
	f.len = (uint32_t)size - OPTIONS_LEN;
	f.n_contiguous = first != 0 && first < f.len ? first : f.len;
	p.port = f.port;
	// Memory of the exact size of the first buffer: reading behind it is an error.
	uint8_t *copy = malloc(f.n_contiguous ? f.n_contiguous : 1);
	if (!copy)
		abort();
	memcpy(copy, data + OPTIONS_LEN, f.n_contiguous);
	f.data = copy;
	verdict = parse_frame(&parse, &f, &p, &ip_end);
	if (verdict == PARSE_MEDIA)
		check_media(&f, &p, ip_end);
	else if (verdict == PARSE_FRAGMENT)
		check_fragment(&f, &p, ip_end);
	else if (verdict != PARSE_PUNT &&
		 (verdict < 0 || rr_counter_info[verdict].kind != RR_COUNTER_DROP))
		abort();
	check_short_ways(&f, verdict == PARSE_MEDIA ? &p : NULL, data[0] >> 5);
	free(copy);
	return 0;
}
