// SPDX-License-Identifier: BSD-2-Clause
// Every option of rtprelay.conf, one row each.
#include "config_schema.h"

#include <inttypes.h>

#include "log.h"

#define FIELD(strct, field) \
	.offset = offsetof(struct strct, field), .size = FIELD_SIZE(strct, field)
#define FIELD_SIZE(strct, field) sizeof(((struct strct *)0)->field)
#define TEXT(strct, field) FIELD(strct, field), .max = FIELD_SIZE(strct, field) - 1
#define LIST(strct, field, n_field) \
	.offset = offsetof(struct strct, field), .size = FIELD_SIZE(strct, field[0]), \
	.n_offset = offsetof(struct strct, n_field), \
	.max = FIELD_SIZE(strct, field) / FIELD_SIZE(strct, field[0])
#define TABLE(rows) \
	{ rows, RR_ARRAY_LEN(rows) }

static const struct rr_option_choice log_levels[] = {
	{"error", RR_LOG_ERROR},
	{"warning", RR_LOG_WARNING},
	{"info", RR_LOG_INFO},
	{"debug", RR_LOG_DEBUG},
	{0},
};

static const struct rr_option_choice poll_modes[] = {
	{"busy", RR_POLL_BUSY},
	{"adaptive", RR_POLL_ADAPTIVE},
	{0},
};

static const struct rr_option_choice simd_modes[] = {
	{"auto", RR_SIMD_AUTO},
	{"off", RR_SIMD_OFF},
	{0},
};

static const struct rr_option_choice hugepage_modes[] = {
	{"auto", RR_HUGEPAGES_AUTO},
	{"require", RR_HUGEPAGES_REQUIRE},
	{"off", RR_HUGEPAGES_OFF},
	{0},
};

static const struct rr_option_choice port_modes[] = {
	{"exclusive", RR_PORT_EXCLUSIVE},
	{"shared", RR_PORT_SHARED},
	{0},
};

static const struct rr_option_choice port_ios[] = {
	{"auto", RR_IO_AUTO},
	{"af_xdp", RR_IO_AF_XDP},
	{"af_packet", RR_IO_AF_PACKET},
	{0},
};

static const struct rr_option_choice checksum_modes[] = {
	{"auto", RR_CHECKSUM_AUTO},
	{"offload", RR_CHECKSUM_OFFLOAD},
	{"incremental", RR_CHECKSUM_INCREMENTAL},
	{"full", RR_CHECKSUM_FULL},
	{0},
};

static const struct rr_option_choice start_modes[] = {
	{"now", false},
	{"held", true},
	{0},
};

static const struct rr_option_choice learning_modes[] = {
	{"safe", RR_LEARN_SAFE},
	{"compat", RR_LEARN_COMPAT},
	{0},
};

static const struct rr_option instance_rows[] = {
	{"run_dir", &rr_type_path, FIELD(rr_config, run_dir), .fallback = "\"/run/rtprelay\"",
		.min = 1, .max = 93,
		.help = "folder of the lock, and of the region unless hugepage_dir is set; on "
			"tmpfs"},
	{"hugepage_dir", &rr_type_path, FIELD(rr_config, hugepage_dir), .fallback = "\"\"",
		.max = 200, .help = "hugetlbfs mount that holds the region; empty for none"},
	{"log_level", &rr_type_choice, FIELD(rr_config, log_level), .fallback = "\"info\"",
		.choices = log_levels, .help = "least severe lines that are still written"},
	{"user", &rr_type_user, TEXT(rr_config, user), .fallback = "\"\"",
		.help = "control runs as this user once its sockets are open; empty to stay"},
	{"group", &rr_type_user_group, TEXT(rr_config, group), .fallback = "\"\"",
		.help = "group of the region and of UNIX sockets; empty for that of the start"},
};
static const struct rr_option_table instance_table = TABLE(instance_rows);

static const struct rr_option dataplane_rows[] = {
	{"cores", &rr_type_cores, LIST(rr_config, worker_core, n_workers), .fallback = "[ 1 ]",
		.min = 1,
		.help = "processor cores, one worker on each; isolated ones (isolcpus, nohz_full)"},
	{"main_core", &rr_type_uint, FIELD(rr_config, main_core), .fallback = "0", .max = 1023,
		.help = "core of the slow path: ARP, ND, ICMP, upkeep; one of cores only with "
			"adaptive polling"},
	{"poll", &rr_type_choice, FIELD(rr_config, poll), .fallback = "\"busy\"",
		.choices = poll_modes,
		.help = "adaptive workers sleep up to 200 us when idle, 1 ms when quiet for "
			"longer, busy ones never"},
	{"simd", &rr_type_choice, FIELD(rr_config, simd), .fallback = "\"auto\"",
		.choices = simd_modes,
		.help = "auto takes several packets at a time where the processor can (AVX-512)"},
	{"hugepages", &rr_type_choice, FIELD(rr_config, hugepages), .fallback = "\"auto\"",
		.choices = hugepage_modes,
		.help = "auto uses hugepages when there are some and else warns"},
	{"memory_mb", &rr_type_uint, FIELD(rr_config, memory_mb), .fallback = "256", .min = 32,
		.max = 1048576, .unit = "MiB", .help = "packet memory when there are no hugepages"},
	{"mbufs", &rr_type_uint, FIELD(rr_config, n_mbufs), .fallback = "16384", .min = 512,
		.max = 16777216, .unit = "packets", .help = "packet buffers, about 2.4 KiB each"},
	{"reassembly_datagrams", &rr_type_uint, FIELD(rr_config, reassembly_datagrams),
		.fallback = "256", .min = 1, .max = 4096, .unit = "datagrams",
		.help = "datagrams that may wait for fragments on one worker; fewer where they "
			"could take more than half of mbufs"},
	{"reassembly_per_source", &rr_type_uint, FIELD(rr_config, reassembly_per_source),
		.fallback = "32", .min = 1, .max = 4096, .unit = "datagrams",
		.help = "and so many of them from one source"},
	{"reassembly_ms", &rr_type_uint, FIELD(rr_config, reassembly_ms), .fallback = "1000",
		.min = 1, .max = 60000, .unit = "ms",
		.help = "a datagram whose fragments are not all there by then is given up"},
	{"eal", &rr_type_texts, LIST(rr_config, eal_arg, n_eal_args), .fallback = "[ ]",
		.help = "further arguments for the EAL, one word each"},
};
static const struct rr_option_table dataplane_table = TABLE(dataplane_rows);

static const struct rr_option port_rows[] = {
	{"name", &rr_type_name, TEXT(rr_port_config, name), .min = 1,
		.help = "what realms and rrctl call the port"},
	{"device", &rr_type_text, TEXT(rr_port_config, device), .min = 1,
		.help = "EAL device: PCI address, or virtual device with its arguments; in mode "
			"shared the name of the kernel's interface, as eth0"},
	{"mode", &rr_type_choice, FIELD(rr_port_config, mode), .fallback = "\"exclusive\"",
		.choices = port_modes,
		.help = "exclusive: the dataplane owns the interface; shared: it takes media "
			"only, the rest stays with the kernel (docs/shared.md)"},
	{"io", &rr_type_choice, FIELD(rr_port_config, io), .fallback = "\"auto\"",
		.choices = port_ios,
		.help = "mode shared: how media is taken; auto is af_xdp, or af_packet where that "
			"fails, and the log says why"},
	{"checksum", &rr_type_choice, FIELD(rr_port_config, checksum), .fallback = "\"auto\"",
		.choices = checksum_modes,
		.help = "UDP checksum of what is sent; auto is incremental: the received one is "
			"brought in line; an unfinished one is always made in full"},
	{"rx_queues", &rr_type_uint, FIELD(rr_port_config, n_rx_queues), .fallback = "0",
		.max = RR_MAX_WORKERS, .unit = "queues",
		.help = "receive queues; 0 for one per worker"},
	{"rx_desc", &rr_type_uint, FIELD(rr_port_config, n_rx_desc), .fallback = "1024", .min = 64,
		.max = 32768, .unit = "packets", .help = "length of each receive queue"},
	{"tx_desc", &rr_type_uint, FIELD(rr_port_config, n_tx_desc), .fallback = "1024", .min = 64,
		.max = 32768, .unit = "packets", .help = "length of each transmit queue"},
	{"mtu", &rr_type_uint, FIELD(rr_port_config, mtu), .fallback = "1500", .min = 576,
		.max = 9600, .unit = "bytes",
		.help = "largest IP packet; at least 1280 where a realm speaks IPv6"},
	{"start", &rr_type_choice, FIELD(rr_port_config, start_held), .fallback = "\"now\"",
		.choices = start_modes, .help = "held: receives nothing before `rrctl port start`"},
	{"promiscuous", &rr_type_bool, FIELD(rr_port_config, promiscuous), .fallback = "false",
		.help = "receive frames for every MAC address"},
};
static const struct rr_option_table port_table = TABLE(port_rows);

static const struct rr_option neighbour_rows[] = {
	{"address", &rr_type_neighbour, FIELD(rr_neighbour_config, addr),
		.help = "address inside the prefix, or IPv6 link-local"},
	{"mac", &rr_type_mac, FIELD(rr_neighbour_config, mac),
		.help = "MAC address, 02:00:00:00:00:01"},
};
static const struct rr_option_table neighbour_table = TABLE(neighbour_rows);

static const struct rr_option net_rows[] = {
	{"prefix", &rr_type_prefix, FIELD(rr_net_config, prefix),
		.help = "network on the wire, ADDRESS/LENGTH"},
	{"pool", &rr_type_pool, .min = 1, .max = RR_MAX_ADDRS,
		.help = "local media addresses: \"A\" or the range \"A-B\""},
	{"gateway", &rr_type_gateway, FIELD(rr_net_config, gateway), .fallback = "\"\"",
		.help = "next hop outside the prefix; empty for none"},
	{"advertised", &rr_type_word, TEXT(rr_net_config, advertised), .fallback = "\"\"",
		.help = "address in replies instead of the pool's; empty for the pool's"},
	{"neighbours", &rr_type_groups, LIST(rr_net_config, neighbours, n_neighbours),
		.fallback = "( )", .table = &neighbour_table,
		.help = "MAC addresses that need not be asked for"},
};
const struct rr_option_table rr_config_net_table = TABLE(net_rows);

static const struct rr_option realm_rows[] = {
	{"name", &rr_type_name, TEXT(rr_realm_config, name), .min = 1,
		.help = "label in commands; the first realm is the default one"},
	{"port", &rr_type_port, FIELD(rr_realm_config, port),
		.help = "name of the port it lives on"},
	{"vlan", &rr_type_uint, FIELD(rr_realm_config, vlan), .fallback = "0", .max = 4094,
		.help = "VLAN; 0 for untagged"},
	{"hide_address", &rr_type_bool, FIELD(rr_realm_config, hide_address), .fallback = "false",
		.help = "replies carry the port number alone"},
	{"ipv4", &rr_type_ipv4, FIELD(rr_realm_config, ipv4), .fallback = "",
		.table = &rr_config_net_table,
		.help = "IPv4 side of the realm; left out when it has none"},
	{"ipv6", &rr_type_ipv6, FIELD(rr_realm_config, ipv6), .fallback = "",
		.table = &rr_config_net_table,
		.help = "IPv6 side of the realm; left out when it has none"},
};
static const struct rr_option_table realm_table = TABLE(realm_rows);

static const struct rr_option bridge_rows[] = {
	{"internal", &rr_type_realm, FIELD(rr_config, bridge_internal), .fallback = "\"\"",
		.help = "realm of the direction letter i; empty for no bridge mode"},
	{"external", &rr_type_realm, FIELD(rr_config, bridge_external), .fallback = "\"\"",
		.help = "realm of the direction letter e; empty for no bridge mode"},
};
static const struct rr_option_table bridge_table = TABLE(bridge_rows);

static const struct rr_option media_rows[] = {
	{"port_min", &rr_type_uint, FIELD(rr_config, media_port_min), .fallback = "35000", .min = 1,
		.max = 65535, .help = "first port; an odd one is raised by 1"},
	{"port_max", &rr_type_uint, FIELD(rr_config, media_port_max), .fallback = "65000", .min = 1,
		.max = 65535, .help = "last port; an even one is lowered by 1"},
	{"max_addresses", &rr_type_uint, FIELD(rr_config, max_addrs), .fallback = "0",
		.max = RR_MAX_ADDRS, .unit = "addresses",
		.help = "local addresses at one time, with those added while running; 0 for 16 "
			"more "
			"than the pools name, rounded up to a multiple of 16"},
	{"sequential_ports", &rr_type_bool, FIELD(rr_config, sequential_ports), .fallback = "false",
		.help = "hand ports out in ascending order instead of at random"},
	{"port_rest_ms", &rr_type_uint, FIELD(rr_config, port_rest_ms), .fallback = "2000",
		.max = 600000, .unit = "ms",
		.help = "a freed pair of ports rests for so long; one that rests is used when no "
			"other is left"},
	{"learning", &rr_type_choice, FIELD(rr_config, learning), .fallback = "\"safe\"",
		.choices = learning_modes,
		.help = "how a stream's source is settled: safe, or compat as rtpproxy does"},
	{"safe_learn_ms", &rr_type_uint, FIELD(rr_config, safe_learn_ms), .fallback = "3000",
		.min = 1, .max = 60000, .unit = "ms",
		.help = "safe: learning ends so long after the first packet"},
	{"safe_learn_packets", &rr_type_uint, FIELD(rr_config, safe_learn_packets),
		.fallback = "50", .min = 1, .max = 100000, .unit = "packets",
		.help = "safe: and after so many at the latest"},
	{"safe_silence_ms", &rr_type_uint, FIELD(rr_config, safe_silence_ms), .fallback = "500",
		.min = 1, .max = 60000, .unit = "ms",
		.help = "safe: the old source is silent for so long before the stream may move"},
	{"tos", &rr_type_uint, FIELD(rr_config, tos), .fallback = "184", .max = 255,
		.help = "TOS or traffic class of media: DSCP times 4"},
	{"hop_limit", &rr_type_uint, FIELD(rr_config, hop_limit), .fallback = "64", .min = 1,
		.max = 255, .help = "TTL or hop limit of what is sent"},
	{"asymmetric", &rr_type_bool, FIELD(rr_config, asymmetric), .fallback = "false",
		.help = "trust signalled addresses on every leg, as after the modifier a"},
	{"bridge_symmetric", &rr_type_bool, FIELD(rr_config, bridge_symmetric), .fallback = "false",
		.help = "bridge mode does not make legs asymmetric"},
};
static const struct rr_option_table media_table = TABLE(media_rows);

static const struct rr_option control_rows[] = {
	{"sockets", &rr_type_sockets, LIST(rr_config, socket, n_sockets),
		.fallback = "[ \"unix:/var/run/rtpproxy.sock\" ]", .min = 1,
		.help = "unix:PATH, cunix:PATH, shm:PATH, udp:, udp6:, tcp: or tcp6: before "
			"HOST[:PORT] (HOST may be *, PORT is 22222), stdio:, stdioc: or systemd:; "
			"docs/transports.md says what each is"},
	{"socket_mode", &rr_type_mode, FIELD(rr_config, socket_mode), .fallback = "\"0660\"",
		.max = 0777, .help = "permissions of UNIX sockets, octal"},
	{"notify", &rr_type_targets, LIST(rr_config, notify, n_notify), .fallback = "[ ]",
		.help = "permitted targets of timeout notices: unix:PATH, tcp:HOST:PORT, "
			"tcp:%%CC_SELF%%:PORT"},
	{"notify_retry_s", &rr_type_uint, FIELD(rr_config, notify_retry_s), .fallback = "0",
		.max = 86400, .unit = "s",
		.help = "a notice that nobody takes is tried again for so long; 0: it is lost, as "
			"with rtpproxy"},
	{"store_dir", &rr_type_path, FIELD(rr_config, store_dir),
		.fallback = "\"/var/lib/rtprelay\"", .min = 1, .max = 200,
		.help = "folder of the session store"},
	{"store_mb", &rr_type_uint, FIELD(rr_config, store_mb), .fallback = "1024", .min = 16,
		.max = 1048576, .unit = "MiB", .help = "the session store's greatest size"},
	{"max_sessions", &rr_type_uint, FIELD(rr_config, max_sessions), .fallback = "250000",
		.min = 1, .max = 10000000, .unit = "sessions", .help = "more are refused"},
	{"ack_timeout_ms", &rr_type_uint, FIELD(rr_config, ack_timeout_ms), .fallback = "500",
		.min = 1, .max = 60000, .unit = "ms",
		.help = "a command fails when the dataplane is silent for so long"},
	{"media_ttl_s", &rr_type_uint, FIELD(rr_config, media_ttl_s), .fallback = "60", .min = 1,
		.max = 86400, .unit = "s", .help = "a call without media for so long ends"},
	{"setup_ttl_s", &rr_type_uint, FIELD(rr_config, setup_ttl_s), .fallback = "0", .max = 86400,
		.unit = "s",
		.help = "a call with only one leg ends after so long; 0 for media_ttl_s"},
	{"independent_ttl", &rr_type_bool, FIELD(rr_config, independent_ttl), .fallback = "false",
		.help = "each direction must carry media, not only one of them"},
	{"overload_high_pct", &rr_type_uint, FIELD(rr_config, overload_high_pct), .fallback = "0",
		.max = 100, .unit = "percent",
		.help = "new calls are refused (E98) once the busiest thread works so much of "
			"5 s; 0 for never"},
	{"overload_low_pct", &rr_type_uint, FIELD(rr_config, overload_low_pct), .fallback = "0",
		.max = 100, .unit = "percent",
		.help = "and are taken again below this; 0 for overload_high_pct"},
};
static const struct rr_option_table control_table = TABLE(control_rows);

static const struct rr_option file_rows[] = {
	{"instance", &rr_type_group, .fallback = "{ }", .table = &instance_table,
		.help = "where it lives and as whom it runs"},
	{"dataplane", &rr_type_group, .fallback = "{ }", .table = &dataplane_table,
		.help = "cores and memory of the dataplane"},
	{"ports", &rr_type_groups, LIST(rr_config, port, n_ports), .min = 1, .table = &port_table,
		.help = "Ethernet ports"},
	{"realms", &rr_type_groups, LIST(rr_config, realm, n_realms), .min = 1,
		.table = &realm_table,
		.help = "networks that calls reach, with their media addresses"},
	{"bridge", &rr_type_group, .fallback = "{ }", .table = &bridge_table,
		.help = "realms of the direction letters"},
	{"media", &rr_type_group, .fallback = "{ }", .table = &media_table,
		.help = "ports and streams"},
	{"control", &rr_type_group, .fallback = "{ }", .table = &control_table,
		.help = "commands and sessions"},
};
const struct rr_option_table rr_config_table = TABLE(file_rows);

static const char *describe_choices(const struct rr_option *opt, char *buf, size_t size) {
	size_t len = (size_t)snprintf(buf, size, "one of");

	for (const struct rr_option_choice *c = opt->choices; c->name != NULL && len < size; c++)
		len += (size_t)snprintf(buf + len, size - len, " \"%s\"", c->name);
	return buf;
}

static const char *describe_values(const struct rr_option *opt, char *buf, size_t size) {
	if (opt->choices != NULL)
		return describe_choices(opt, buf, size);
	if (opt->type == &rr_type_uint)
		snprintf(buf, size, "%s%s%" PRId64 "..%" PRId64, opt->unit != NULL ? opt->unit : "",
			opt->unit != NULL ? ", " : "", opt->min, opt->max);
	else
		snprintf(buf, size, "%s", opt->type->expected);
	return buf;
}

const char *rr_option_describe(const struct rr_option *opt, char *buf, size_t size) {
	char values[256];

	describe_values(opt, values, sizeof(values));
	if (opt->fallback == NULL)
		snprintf(buf, size, "%s, required", values);
	else if (opt->fallback[0] == '\0' || opt->type == &rr_type_group)
		snprintf(buf, size, "%s, optional", values);
	else
		snprintf(buf, size, "%s, default %s", values, opt->fallback);
	return buf;
}
