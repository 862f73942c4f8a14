// SPDX-License-Identifier: BSD-2-Clause
// flowgen: what a traffic generator sends to a running relay so that every packet belongs to a
// flow.
//
// It reads the flows out of the region and makes, for each, the frames that its party would send:
// from where control expects them to the flow's own address and port, RTP with sequence numbers and
// timestamps that advance from lap to lap. The result is a capture file (scapy, tcpreplay, TRex,
// DPDK's net_pcap) or a trafgen configuration.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "config.h"
#include "endpoint.h"
#include "shm_region.h"

#define PROGRAM "flowgen"
#define EXIT_FAULT 1
#define EXIT_MISUSE 2

#define ETHER_LEN 14
#define VLAN_LEN 4
#define IP4_LEN 20
#define IP6_LEN 40
#define UDP_LEN 8
#define RTP_LEN 12
#define HEADERS_MAX (ETHER_LEN + VLAN_LEN + IP6_LEN + UDP_LEN)
#define PAYLOAD_MAX 1400
#define FRAME_MAX (HEADERS_MAX + PAYLOAD_MAX)
#define PROTOCOL_UDP 17
#define HOP_LIMIT 64

#define PAYLOAD_TYPE 0 // PCMU, 8000 Hz
#define MARKER 0x80
#define SILENCE 0xff
#define LAP_US 20000 // of a stream: a packet every 20 ms
#define LAP_TICKS 160 // of 8000 Hz

enum format {
	FORMAT_NONE,
	FORMAT_PCAP,
	FORMAT_TRAFGEN,
};

struct options {
	const char *conf;
	const char *path;
	const char *port; // name of the Ethernet port; NULL: the flows of all
	enum format format;
	enum rr_family family; // RR_FAMILY_NONE: both
	uint32_t n_flows; // 0: all
	uint32_t n_laps; // packets of each flow
	uint32_t payload_len; // of UDP
	bool in_order;
	uint8_t src_mac[6];
};

// A party's stream to one flow.
struct stream {
	uint32_t slot;
	struct rr_endpoint from;
	struct rr_endpoint to;
	uint16_t vlan;
	uint8_t port;
};

struct gen {
	struct options opt;
	struct rr_config cfg;
	struct rr_region region;
	struct stream *streams;
	uint32_t n_streams;
	FILE *out;
};

// ---- help and options

static void print_help(FILE *out) {
	fputs("usage: " PROGRAM " [OPTIONS] pcap|trafgen FILE\n"
	      "  -c, --config FILE    of the relay, /etc/rtprelay/rtprelay.conf by default\n"
	      "  -n, --flows N        so many flows; all by default\n"
	      "  -k, --packets N      so many packets of each, one by default\n"
	      "  -s, --payload BYTES  of UDP, RTP header included, 12..1400, 172 by default "
	      "(G.711, "
	      "20 ms)\n"
	      "  -f, --family 4|6     only flows that receive over this family\n"
	      "  -p, --port NAME      only flows of this Ethernet port\n"
	      "  -m, --src-mac MAC    of the sender, 02:00:00:00:00:02 by default\n"
	      "  -o, --in-order       flows by address and port; else shuffled, always in the same "
	      "way\n"
	      "  -h, --help           this text\n\n"
	      "Every RTP flow with a known party gets what this party would send: its address and "
	      "port as\n"
	      "source, the relay's MAC address, address and port as destination. With --packets N "
	      "there are\n"
	      "N laps over all flows, 20 ms apart, with advancing sequence numbers and "
	      "timestamps.\n"
	      "trafgen takes a file of some thousand flows, a capture may have a million.\n"
	      "Exit status: 0 done, 1 no such flows or files, 2 misuse.\n",
		out);
}

static int misuse(const char *what, const char *word) {
	fprintf(stderr, PROGRAM ": %s: %s, see " PROGRAM " --help\n", word, what);
	return -EINVAL;
}

static int fault(const char *what, const char *why) {
	fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
	return EXIT_FAULT;
}

static int read_number(const char *text, unsigned long min, unsigned long max, uint32_t *out) {
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < min || n > max)
		return misuse("no number that can be", text);
	*out = (uint32_t)n;
	return 0;
}

static int read_mac(const char *text, uint8_t mac[6]) {
	int end = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		    &mac[3], &mac[4], &mac[5], &end) == 6 &&
		text[end] == '\0')
		return 0;
	return misuse("no MAC address", text);
}

static int read_family(const char *text, enum rr_family *family) {
	if (strcmp(text, "4") != 0 && strcmp(text, "6") != 0)
		return misuse("the families are 4 and 6", text);
	*family = text[0] == '4' ? RR_FAMILY_IPV4 : RR_FAMILY_IPV6;
	return 0;
}

static int read_format(const char *text, enum format *format) {
	if (strcmp(text, "pcap") == 0)
		*format = FORMAT_PCAP;
	else if (strcmp(text, "trafgen") == 0)
		*format = FORMAT_TRAFGEN;
	else
		return misuse("the formats are pcap and trafgen", text);
	return 0;
}

static int read_option(int letter, const char *arg, struct options *opt) {
	switch (letter) {
	case 'c':
		opt->conf = arg;
		return 0;
	case 'n':
		return read_number(arg, 1, UINT32_MAX, &opt->n_flows);
	case 'k':
		return read_number(arg, 1, 1000000, &opt->n_laps);
	case 's':
		return read_number(arg, RTP_LEN, PAYLOAD_MAX, &opt->payload_len);
	case 'f':
		return read_family(arg, &opt->family);
	case 'p':
		opt->port = arg;
		return 0;
	case 'm':
		return read_mac(arg, opt->src_mac);
	case 'o':
		opt->in_order = true;
		return 0;
	case 'h':
		print_help(stdout);
		exit(0);
	default:
		return misuse("no such option, or one without its value", "option");
	}
}

static int read_options(int argc, char **argv, struct options *opt) {
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'},
		{"flows", required_argument, NULL, 'n'},
		{"packets", required_argument, NULL, 'k'},
		{"payload", required_argument, NULL, 's'},
		{"family", required_argument, NULL, 'f'},
		{"port", required_argument, NULL, 'p'},
		{"src-mac", required_argument, NULL, 'm'},
		{"in-order", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int letter, ret = 0;

	opterr = 0;
	while (ret == 0 && (letter = getopt_long(argc, argv, "c:n:k:s:f:p:m:oh", names, NULL)) >= 0)
		ret = read_option(letter, optarg, opt);
	if (ret < 0)
		return ret;
	if (argc - optind != 2)
		return misuse("a format and a file", "arguments");
	opt->path = argv[optind + 1];
	return read_format(argv[optind], &opt->format);
}

// ---- the relay's flows

static struct rr_endpoint endpoint_of(const uint8_t addr[16], uint8_t family, uint16_t port_be) {
	struct rr_endpoint ep = {.family = family, .port_be = port_be};

	memcpy(ep.addr, addr, sizeof(ep.addr));
	return ep;
}

static bool is_wanted(const struct gen *gen, const struct rr_shm_addr *local) {
	const struct options *opt = &gen->opt;

	if (local->port >= gen->cfg.n_ports || local->realm >= gen->cfg.n_realms)
		return false;
	if (opt->port && strcmp(opt->port, gen->cfg.port[local->port].name) != 0)
		return false;
	return opt->family == RR_FAMILY_NONE || opt->family == local->family;
}

// The stream to a slot. Returns false when nobody is expected to send there.
static bool stream_of(const struct gen *gen, uint32_t slot, struct stream *s) {
	const struct rr_shm_addr *local = &gen->region.addrs[rr_slot_addr(&gen->region, slot)];
	uint16_t port = rr_slot_port(&gen->region, slot);
	struct rr_flow f;
	struct rr_flow_cold c;

	if (rr_flow_read(&gen->region, slot, &f, &c) < 0)
		return false;
	if (!(f.flags & RR_FLOW_INSTALLED) || !(f.flags & RR_FLOW_HAS_REMOTE) ||
		f.remote_family != local->family)
		return false;
	*s = (struct stream){
		.slot = slot,
		.from = endpoint_of(f.remote, f.remote_family, f.remote_port_be),
		.to = endpoint_of(local->addr, local->family, htons(port)),
		.vlan = gen->cfg.realm[local->realm].vlan,
		.port = local->port,
	};
	return true;
}

// RTP flows alone, which are those of even ports.
static void collect_addr(struct gen *gen, uint32_t addr) {
	uint32_t first = addr * gen->region.n_media_ports;

	if (!rr_region_has_addr(&gen->region, addr) || !is_wanted(gen, &gen->region.addrs[addr]))
		return;
	for (uint32_t i = 0; i < gen->region.n_media_ports; i += 2)
		if (stream_of(gen, first + i, &gen->streams[gen->n_streams]))
			gen->n_streams++;
}

// xorshift64*: the same order at every run.
static uint32_t below(uint64_t *random, uint32_t n) {
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (uint32_t)((*random * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n >> 32);
}

static void shuffle(struct stream *s, uint32_t n) {
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);

	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = below(&random, i);
		struct stream other = s[i - 1];

		s[i - 1] = s[k];
		s[k] = other;
	}
}

static int collect(struct gen *gen) {
	const struct options *opt = &gen->opt;

	gen->streams = calloc(gen->region.n_flows / 2 + 1, sizeof(*gen->streams));
	if (!gen->streams)
		return fault("flows", strerror(ENOMEM));
	for (uint32_t a = 0; a < gen->region.n_addrs; a++)
		collect_addr(gen, a);
	if (!opt->in_order)
		shuffle(gen->streams, gen->n_streams);
	if (gen->n_streams == 0)
		return fault("flows", "there is none whose party is known");
	if (opt->n_flows > gen->n_streams) {
		fprintf(stderr, PROGRAM ": flows: %u are wanted, there are %u\n", opt->n_flows,
			gen->n_streams);
		return EXIT_FAULT;
	}
	if (opt->n_flows > 0)
		gen->n_streams = opt->n_flows;
	return 0;
}

// ---- frames

static void put16(uint8_t *at, uint32_t v) {
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v) {
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

// Sum of 16-bit words in network order, not folded. `len` is even but at the end of a datagram.
static uint32_t sum16(const uint8_t *at, uint32_t len, uint32_t sum) {
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return len & 1 ? sum + ((uint32_t)at[len - 1] << 8) : sum;
}

static uint16_t checksum(uint32_t sum) {
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

static uint32_t put_ether(const struct gen *gen, const struct stream *s, uint8_t *at) {
	uint64_t mac = rr_load_relaxed(&gen->region.header->port_mac[s->port]);
	uint32_t len = ETHER_LEN;

	memcpy(at, &mac, 6);
	memcpy(at + 6, gen->opt.src_mac, 6);
	if (s->vlan != 0) {
		put16(at + 12, 0x8100);
		put16(at + 14, s->vlan);
		len += VLAN_LEN;
	}
	put16(at + len - 2, s->to.family == RR_FAMILY_IPV6 ? 0x86dd : 0x0800);
	return len;
}

// RFC 791 3.1
static uint32_t put_ip4(const struct stream *s, uint32_t udp_len, uint8_t *at) {
	at[0] = 0x45;
	at[1] = 0;
	put16(at + 2, IP4_LEN + udp_len);
	put32(at + 4, 0x00004000); // no identification, don't fragment
	at[8] = HOP_LIMIT;
	at[9] = PROTOCOL_UDP;
	put16(at + 10, 0);
	memcpy(at + 12, s->from.addr, 4);
	memcpy(at + 16, s->to.addr, 4);
	put16(at + 10, checksum(sum16(at, IP4_LEN, 0)));
	return IP4_LEN;
}

// RFC 8200 3
static uint32_t put_ip6(const struct stream *s, uint32_t udp_len, uint8_t *at) {
	put32(at, 0x60000000);
	put16(at + 4, udp_len);
	at[6] = PROTOCOL_UDP;
	at[7] = HOP_LIMIT;
	memcpy(at + 8, s->from.addr, 16);
	memcpy(at + 24, s->to.addr, 16);
	return IP6_LEN;
}

// RFC 768; unused bytes of an IPv4 endpoint are zero and add nothing to the pseudo header.
static void put_udp_checksum(const struct stream *s, uint32_t udp_len, uint8_t *udp) {
	uint32_t sum = PROTOCOL_UDP + udp_len;
	uint16_t value;

	sum = sum16(s->from.addr, sizeof(s->from.addr), sum);
	sum = sum16(s->to.addr, sizeof(s->to.addr), sum);
	value = checksum(sum16(udp, udp_len, sum));
	put16(udp + 6, value != 0 ? value : 0xffff);
}

// RFC 3550 5.1; the stream's SSRC is its slot, so that it is told apart in a trace. The marker says
// that it begins, also where a capture is played again from its start.
static void put_rtp(const struct stream *s, uint32_t lap, uint32_t len, uint8_t *at) {
	at[0] = 0x80;
	at[1] = (uint8_t)(lap == 0 ? MARKER | PAYLOAD_TYPE : PAYLOAD_TYPE);
	put16(at + 2, lap & 0xffff);
	put32(at + 4, lap * LAP_TICKS);
	put32(at + 8, s->slot + 1);
	memset(at + RTP_LEN, SILENCE, len - RTP_LEN);
}

static uint32_t make_frame(
	const struct gen *gen, const struct stream *s, uint32_t lap, uint8_t frame[FRAME_MAX]) {
	uint32_t udp_len = UDP_LEN + gen->opt.payload_len;
	uint32_t len = put_ether(gen, s, frame);
	uint8_t *udp;

	if (s->to.family == RR_FAMILY_IPV6)
		len += put_ip6(s, udp_len, frame + len);
	else
		len += put_ip4(s, udp_len, frame + len);
	udp = frame + len;
	memcpy(udp, &s->from.port_be, 2);
	memcpy(udp + 2, &s->to.port_be, 2);
	put16(udp + 4, udp_len);
	put16(udp + 6, 0);
	put_rtp(s, lap, gen->opt.payload_len, udp + UDP_LEN);
	put_udp_checksum(s, udp_len, udp);
	return len + udp_len;
}

// ---- files

// Of the host's byte order, as all fields of the file; microseconds, Ethernet.
static void pcap_begin(FILE *out) {
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, longest, link;
	} header = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1};

	fwrite(&header, sizeof(header), 1, out);
}

static void pcap_frame(FILE *out, uint64_t us, const uint8_t *frame, uint32_t len) {
	const uint32_t header[4] = {(uint32_t)(us / 1000000), (uint32_t)(us % 1000000), len, len};

	fwrite(header, sizeof(header), 1, out);
	fwrite(frame, len, 1, out);
}

static void trafgen_frame(FILE *out, const struct stream *s, const uint8_t *frame, uint32_t len) {
	char from[RR_ENDPOINT_STRLEN], to[RR_ENDPOINT_STRLEN];

	fprintf(out, "/* %s to %s */\n{", rr_endpoint_format(&s->from, from, sizeof(from)),
		rr_endpoint_format(&s->to, to, sizeof(to)));
	for (uint32_t i = 0; i < len; i++)
		fprintf(out, "%s0x%02x,", i % 16 == 0 ? "\n\t" : " ", frame[i]);
	fputs("\n}\n", out);
}

static void write_frames(const struct gen *gen) {
	uint8_t frame[FRAME_MAX];

	if (gen->opt.format == FORMAT_PCAP)
		pcap_begin(gen->out);
	for (uint32_t lap = 0; lap < gen->opt.n_laps; lap++) {
		for (uint32_t i = 0; i < gen->n_streams; i++) {
			const struct stream *s = &gen->streams[i];
			uint32_t len = make_frame(gen, s, lap, frame);
			uint64_t in_lap_us = (uint64_t)LAP_US * i / gen->n_streams;

			if (gen->opt.format == FORMAT_PCAP)
				pcap_frame(
					gen->out, (uint64_t)LAP_US * lap + in_lap_us, frame, len);
			else
				trafgen_frame(gen->out, s, frame, len);
		}
	}
}

static int write_file(struct gen *gen) {
	int failed;

	gen->out = fopen(gen->opt.path, "we");
	if (!gen->out)
		return fault(gen->opt.path, strerror(errno));
	write_frames(gen);
	failed = ferror(gen->out);
	if (fclose(gen->out) != 0 || failed)
		return fault(gen->opt.path, strerror(errno));
	printf("%u flows, %u packets each: %s\n", gen->n_streams, gen->opt.n_laps, gen->opt.path);
	return 0;
}

// ---- all

static int attach(struct gen *gen) {
	char path[RR_PATH_LEN * 2];
	int ret;

	if (rr_config_load(&gen->cfg, gen->opt.conf, stderr) < 0)
		return EXIT_FAULT;
	rr_region_path(&gen->cfg, path, sizeof(path));
	ret = rr_region_attach(&gen->region, path, true);
	return ret < 0 ? fault(path, strerror(-ret)) : 0;
}

int main(int argc, char **argv) {
	static struct gen gen = {
		.opt =
			{
				.conf = "/etc/rtprelay/rtprelay.conf",
				.n_laps = 1,
				.payload_len = 172,
				.src_mac = {2, 0, 0, 0, 0, 2},
			},
	};
	int ret;

	if (read_options(argc, argv, &gen.opt) < 0)
		return EXIT_MISUSE;
	ret = attach(&gen);
	if (ret != 0)
		return ret;
	ret = collect(&gen);
	if (ret == 0)
		ret = write_file(&gen);
	free(gen.streams);
	rr_region_detach(&gen.region);
	return ret;
}
