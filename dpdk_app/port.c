// SPDX-License-Identifier: BSD-2-Clause
// Configuring Ethernet devices. What a device cannot do is either done without, with a line that
// says so, or refused with a line that says what to write instead.
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pci.h>

#include "atomic.h"
#include "eal.h"
#include "log.h"
#include "steering.h"

#define MBUF_CACHE 256
// Of what arrives: an IP header of 60 bytes instead of 20, and what reassembly takes away from in
// front of it. Whatever fits the outgoing MTU then came in one buffer or fits into its first one.
#define MTU_SLACK 128
#define DEVICE_FRAME_MAX 32768U
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * sizeof(struct rte_vlan_hdr) + RTE_ETHER_CRC_LEN)

// ---- drivers

static const struct port_driver drivers[] = {
	{"net_af_packet", true, true, "add qpairs=N to its device arguments"},
	{"net_af_xdp", true, false, "add queue_count=N to its device arguments"},
	{"net_pcap", false, true, "give tx_pcap or tx_iface once a worker"},
	{"net_ring", false, true, NULL}, {"", false, false, NULL}, // any other
};

const struct port_driver *port_driver_find(const char *name) {
	const struct port_driver *d = drivers;

	while (d->name[0] != '\0' && strcmp(d->name, name) != 0)
		d++;
	return d;
}

int port_checksum_mode(
	enum rr_checksum_mode wanted, bool can_offload, enum rr_checksum_mode *mode) {
	*mode = wanted;
	if (wanted == RR_CHECKSUM_OFFLOAD)
		return can_offload ? 0 : -ENOTSUP;
	if (wanted == RR_CHECKSUM_AUTO)
		*mode = RR_CHECKSUM_INCREMENTAL;
	return 0;
}

// ---- one device, step by step

struct opening {
	struct port *port;
	const struct rr_config *cfg;
	uint32_t index; // of the port
	struct rte_mempool *pool;
	const uint8_t *bucket_owner;
	const struct port_driver *driver;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
};

static int device_find(struct opening *o) {
	const struct rr_port_config *cfg = o->port->cfg;
	char name[RR_PATH_LEN];
	struct rte_pci_addr pci;

	snprintf(name, sizeof(name), "%s",
		port_is_shared(cfg) ? o->port->shared.device : cfg->device);
	name[strcspn(name, ",")] = '\0';
	if (eal_device_is_pci(name) && rte_pci_addr_parse(name, &pci) == 0)
		rte_pci_device_name(&pci, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &o->port->id) == 0)
		return 0;
	rr_err("port", "%s: device %s was not found: is its driver loaded, its name right?",
		cfg->name, name);
	return -ENODEV;
}

static int device_info(struct opening *o) {
	int ret = rte_eth_dev_info_get(o->port->id, &o->info);

	if (ret < 0) {
		rr_err("port", "%s: device tells nothing about itself: %s", o->port->cfg->name,
			strerror(-ret));
		return ret;
	}
	o->driver = port_driver_find(o->info.driver_name);
	return 0;
}

// Nobody would fetch what arrives on a queue that exists and is not polled. The queues of a shared
// port are the kernel interface's, or as many as there are workers.
static int rx_queues_choose(struct opening *o) {
	const struct rr_port_config *cfg = o->port->cfg;
	uint32_t wanted = cfg->n_rx_queues ? cfg->n_rx_queues : o->cfg->n_workers;
	uint32_t n_rx = RTE_MIN(wanted, (uint32_t)o->info.max_rx_queues);

	if ((o->driver->all_queues || port_is_shared(cfg)) && n_rx < o->info.max_rx_queues) {
		if (cfg->n_rx_queues != 0) {
			rr_err("port",
				"%s: rx_queues = %u, but %s spreads packets over all of its %u "
				"queues: give it fewer in its device arguments, or leave "
				"rx_queues out",
				cfg->name, cfg->n_rx_queues, o->driver->name,
				o->info.max_rx_queues);
			return -EINVAL;
		}
		n_rx = o->info.max_rx_queues;
	} else if (n_rx < wanted) {
		rr_warn("port",
			"%s: device has %u receive queues, %u wanted; workers without one "
			"are handed their packets",
			cfg->name, n_rx, wanted);
	}
	o->port->n_rx = (uint16_t)n_rx;
	return 0;
}

static int tx_queues_choose(struct opening *o) {
	const struct rr_port_config *cfg = o->port->cfg;

	if (o->info.max_tx_queues < o->cfg->n_workers) {
		rr_err("port",
			"%s: every worker needs a transmit queue, the device has %u for %u "
			"workers: %s",
			cfg->name, o->info.max_tx_queues, o->cfg->n_workers,
			o->driver->tx_queues_hint ? o->driver->tx_queues_hint : "use fewer cores");
		return -EINVAL;
	}
	o->port->n_tx = (uint16_t)o->cfg->n_workers;
	// net_af_xdp has them in pairs.
	if (port_is_shared(cfg))
		o->port->n_tx = o->port->n_rx;
	return 0;
}

static int checksum_choose(struct opening *o) {
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	bool can_offload = (o->info.tx_offload_capa & tx) == tx;
	struct port *port = o->port;
	int ret = port_checksum_mode(port->cfg->checksum, can_offload, &port->checksum);

	if (ret < 0) {
		rr_err("port", "%s: %s computes no IPv4 and UDP checksums: use checksum = \"auto\"",
			port->cfg->name, o->info.driver_name);
		return ret;
	}
	if (port->checksum == RR_CHECKSUM_OFFLOAD)
		o->conf.txmode.offloads |= tx;
	o->conf.rxmode.offloads |= o->info.rx_offload_capa & rx;
	port->partial_checksums = o->driver->partial_checksums;
	return 0;
}

static bool port_speaks(const struct opening *o, enum rr_family family) {
	for (uint32_t i = 0; i < o->cfg->n_addrs; i++)
		if (o->cfg->addr[i].port == o->index && o->cfg->addr[i].family == family)
			return true;
	return false;
}

static int steering_choose(struct opening *o) {
	struct steering_plan *plan = calloc(1, sizeof(*plan));
	struct steering_input in = {
		.bucket_owner = o->bucket_owner,
		.n_workers = o->cfg->n_workers,
		.n_queues = o->port->n_rx,
		.key_len = o->info.hash_key_size,
		.reta_size = o->info.reta_size,
		.rss_udp4 = o->info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_UDP,
		.rss_udp6 = o->info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV6_UDP,
		.ipv4 = port_speaks(o, RR_FAMILY_IPV4),
		.ipv6 = port_speaks(o, RR_FAMILY_IPV6),
	};

	if (!plan)
		return -ENOMEM;
	steering_compute(plan, &in);
	o->port->plan = plan;
	if (!plan->use_rss)
		return 0;
	o->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	o->conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = plan->key,
		.rss_key_len = (uint8_t)plan->key_len,
		.rss_hf = in.ipv4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP,
	};
	return 0;
}

// A driver names its longest packet, its longest frame, or both.
static uint32_t mtu_max(const struct rte_eth_dev_info *info) {
	const uint32_t headers = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	bool named = info->max_mtu > 0 && info->max_mtu < UINT16_MAX;

	return named ? info->max_mtu : info->max_rx_pktlen - headers;
}

static int mtu_choose(struct opening *o) {
	const struct rr_port_config *cfg = o->port->cfg;
	bool shared = port_is_shared(cfg);

	if (shared && o->port->shared.mtu < cfg->mtu)
		rr_info("port", "%s: mtu=%u, as %s has it", cfg->name, o->port->shared.mtu,
			cfg->device);
	if (cfg->mtu < o->info.min_mtu || cfg->mtu > mtu_max(&o->info)) {
		rr_err("port", "%s: mtu = %u, the device takes %u to %u", cfg->name, cfg->mtu,
			o->info.min_mtu, mtu_max(&o->info));
		return -EINVAL;
	}
	o->port->mtu = shared ? RTE_MIN(cfg->mtu, o->port->shared.mtu) : cfg->mtu;
	o->conf.rxmode.mtu = cfg->mtu;
	return 0;
}

static int device_configure(struct opening *o) {
	struct port *port = o->port;
	int ret;

	if (o->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		o->conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	ret = rte_eth_dev_configure(port->id, port->n_rx, port->n_tx, &o->conf);
	if (ret < 0) {
		rr_err("port", "%s: cannot configure %u receive and %u transmit queues: %s",
			port->cfg->name, port->n_rx, port->n_tx, strerror(-ret));
		return ret;
	}
	// Software devices take a frame of any size and know no MTU; that of a shared interface is
	// the kernel's.
	if (port_is_shared(port->cfg))
		return rte_eth_macaddr_get(port->id, &port->mac);
	ret = rte_eth_dev_set_mtu(port->id, (uint16_t)port->mtu);
	if (ret < 0 && ret != -ENOTSUP)
		rr_warn("port", "%s: device did not take mtu %u: %s", port->cfg->name, port->mtu,
			strerror(-ret));
	return rte_eth_macaddr_get(port->id, &port->mac);
}

static int queues_setup(struct opening *o) {
	struct port *port = o->port;
	uint16_t n_rx_desc = (uint16_t)port->cfg->n_rx_desc;
	uint16_t n_tx_desc = (uint16_t)port->cfg->n_tx_desc;
	int socket = rte_eth_dev_socket_id(port->id);
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx_desc, &n_tx_desc);

	for (uint16_t q = 0; ret == 0 && q < port->n_rx; q++)
		ret = rte_eth_rx_queue_setup(
			port->id, q, n_rx_desc, (unsigned int)socket, NULL, o->pool);
	for (uint16_t q = 0; ret == 0 && q < port->n_tx; q++)
		ret = rte_eth_tx_queue_setup(port->id, q, n_tx_desc, (unsigned int)socket, NULL);
	if (ret < 0)
		rr_err("port", "%s: cannot set up its queues: %s", port->cfg->name, strerror(-ret));
	return ret;
}

static int filters_set(struct opening *o) {
	struct port *port = o->port;
	int ret = -ENOTSUP;

	if (!port->cfg->promiscuous &&
		(port_is_shared(port->cfg) || !port_speaks(o, RR_FAMILY_IPV6)))
		return 0;
	// ND reaches us by multicast.
	if (!port->cfg->promiscuous)
		ret = rte_eth_allmulticast_enable(port->id);
	if (ret < 0)
		ret = rte_eth_promiscuous_enable(port->id);
	if (ret < 0)
		rr_warn("port", "%s: device has neither multicast nor promiscuous mode: %s",
			port->cfg->name, strerror(-ret));
	return 0;
}

static void port_report(const struct opening *o) {
	static const char *const checksum[] = {
		[RR_CHECKSUM_AUTO] = "auto",
		[RR_CHECKSUM_OFFLOAD] = "offload",
		[RR_CHECKSUM_INCREMENTAL] = "incremental",
		[RR_CHECKSUM_FULL] = "full",
	};
	const struct port *port = o->port;
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	rte_ether_format_addr(mac, sizeof(mac), &port->mac);
	rr_info("port",
		"%s: ready driver=%s mac=%s mtu=%u rx_queues=%u tx_queues=%u checksum=%s "
		"rss=%s flow_rules_wanted=%u",
		port->cfg->name, o->info.driver_name, mac, port->mtu, port->n_rx, port->n_tx,
		checksum[port->checksum], port->plan->use_rss ? "yes" : "no", port->plan->n_rules);
}

// In this order: each needs what those before it found out.
static int (*const opening_steps[])(struct opening *) = {
	device_find,
	device_info,
	rx_queues_choose,
	tx_queues_choose,
	checksum_choose,
	steering_choose,
	mtu_choose,
	device_configure,
	queues_setup,
	filters_set,
};

static int device_open(struct opening *o) {
	for (size_t i = 0; i < RR_ARRAY_LEN(opening_steps); i++) {
		int ret = opening_steps[i](o);

		if (ret < 0)
			return ret;
	}
	port_report(o);
	return 0;
}

static void device_close(struct port *port) {
	if (!port->plan)
		return;
	if (port->started)
		rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	free(port->plan);
	port->plan = NULL;
}

static int shared_open_by(struct opening *o, enum rr_port_io io) {
	struct port *port = o->port;
	int ret = shared_port_attach(&port->shared, io);

	if (ret < 0)
		return ret;
	ret = device_open(o);
	if (ret == 0)
		ret = shared_port_sign(&port->shared);
	if (ret < 0) {
		device_close(port);
		shared_port_detach(&port->shared);
	}
	return ret;
}

// An XDP program is not opened unless the interface is reserved.
static int shared_open_any(struct opening *o, int reserved) {
	const struct rr_port_config *cfg = o->port->cfg;
	int ret;

	if (cfg->io == RR_IO_AF_PACKET)
		return shared_open_by(o, RR_IO_AF_PACKET);
	ret = reserved < 0 ? reserved : shared_open_by(o, RR_IO_AF_XDP);
	if (ret == 0 || cfg->io == RR_IO_AF_XDP)
		return ret;
	rr_warn("port", "%s: af_xdp failed, see above; taking io=af_packet, which copies more",
		cfg->name);
	return shared_open_by(o, RR_IO_AF_PACKET);
}

// Whoever else opens the interface waits until our program on it is known as ours.
static int shared_open(struct opening *o) {
	struct shared_port *s = &o->port->shared;
	int ret = shared_port_open(s, o->cfg, o->index);
	int reserved;

	if (ret < 0)
		return ret;
	reserved = media_filter_reserve(&s->filter);
	ret = shared_open_any(o, reserved);
	if (reserved >= 0)
		close(reserved);
	return ret;
}

static int port_open(struct opening *o) {
	return port_is_shared(o->port->cfg) ? shared_open(o) : device_open(o);
}

// ---- all devices

// net_af_packet has the kernel put IPv4 fragments together, whatever it is asked: its frames are as
// long as the room that its arguments give them, and it wants that room in a buffer.
static uint32_t frame_len_max(const struct rr_port_config *cfg) {
	uint32_t len = cfg->mtu + (uint32_t)FRAME_OVERHEAD + MTU_SLACK;

	return RTE_MAX(len, RTE_MIN(eal_device_number(cfg->device, "framesz"), DEVICE_FRAME_MAX));
}

// Largest frame of any port in one buffer: the stages want headers and payload together.
static uint16_t buffer_room(const struct rr_config *cfg) {
	uint32_t frame = RTE_MBUF_DEFAULT_DATAROOM;

	for (uint32_t i = 0; i < cfg->n_ports; i++)
		frame = RTE_MAX(frame, frame_len_max(&cfg->port[i]));
	return (uint16_t)(RTE_PKTMBUF_HEADROOM + frame);
}

// Threads that share a core must not wait for one that was put aside in the middle of its update;
// the relaxed-tail-sync ring is made for that.
static int pool_create(struct port_set *set, const struct rr_config *cfg) {
	uint16_t room = buffer_room(cfg);

	set->pool = rte_pktmbuf_pool_create_by_ops("packets", cfg->n_mbufs, MBUF_CACHE, 0, room,
		SOCKET_ID_ANY, eal_cores_shared(cfg) ? "ring_mt_rts" : NULL);
	if (set->pool)
		return 0;
	rr_err("port",
		"no memory for %u buffers of %u bytes, about %u MB in one piece: lower mbufs or "
		"raise "
		"memory_mb (now %u) or the number of hugepages",
		cfg->n_mbufs, room, (uint32_t)((uint64_t)cfg->n_mbufs * (room + 256U) >> 20) + 1,
		cfg->memory_mb);
	return -ENOMEM;
}

static void buffers_check(const struct port_set *set, const struct rr_config *cfg) {
	uint64_t needed = 0;

	for (uint32_t i = 0; i < set->n; i++)
		needed += (uint64_t)set->port[i].n_rx * cfg->port[i].n_rx_desc +
			  (uint64_t)set->port[i].n_tx * cfg->port[i].n_tx_desc;
	if (needed > cfg->n_mbufs)
		rr_warn("port",
			"mbufs = %u, but the devices' queues alone may hold %llu: packets are "
			"lost when all are full",
			cfg->n_mbufs, (unsigned long long)needed);
}

int port_set_open(struct port_set *set, const struct rr_config *cfg, const uint8_t *bucket_owner) {
	int ret;

	*set = (struct port_set){.n = cfg->n_ports};
	ret = pool_create(set, cfg);
	for (uint32_t i = 0; ret == 0 && i < cfg->n_ports; i++) {
		struct opening o = {
			.port = &set->port[i],
			.cfg = cfg,
			.index = i,
			.pool = set->pool,
			.bucket_owner = bucket_owner,
		};

		set->port[i].cfg = &cfg->port[i];
		ret = port_open(&o);
	}
	if (ret == 0)
		buffers_check(set, cfg);
	else
		port_set_close(set);
	return ret;
}

static enum port_link link_read(const struct port *port) {
	struct rte_eth_link link = {0};

	if (rte_eth_link_get_nowait(port->id, &link) < 0 || link.link_status)
		return PORT_LINK_UP;
	return PORT_LINK_DOWN;
}

bool port_link_watch(struct port *port) {
	enum port_link now;

	if (!port_is_started(port))
		return false;
	now = link_read(port);
	if (now == port->link)
		return false;
	port->link = now;
	if (now == PORT_LINK_UP)
		rr_info("port", "%s: link is up", port->cfg->name);
	else
		rr_warn("port", "%s: link is down, nothing is received or sent", port->cfg->name);
	return now == PORT_LINK_UP;
}

int port_start(struct port *port, const struct addr_table *addrs) {
	uint32_t wanted = port->plan->n_rules + port->plan->use_rss;
	uint32_t taken;
	int ret = rte_eth_dev_start(port->id);

	if (ret < 0) {
		rr_err("port", "%s: cannot start: %s", port->cfg->name, strerror(-ret));
		return ret;
	}
	if (port_is_shared(port->cfg)) {
		ret = shared_port_take(&port->shared, addrs);
		if (ret < 0) {
			rte_eth_dev_stop(port->id);
			return ret;
		}
	}
	taken = steering_apply(port->id, port->plan);
	if (taken < wanted)
		rr_info("port",
			"%s: device took %u of %u steering settings, the rest is handed over "
			"between workers",
			port->cfg->name, taken, wanted);
	rr_info("port", "%s: started", port->cfg->name);
	rr_store_release(&port->started, 1U); // pairs with the acquire in port_is_started
	return 0;
}

void port_set_poll(struct port_set *set) {
	for (uint32_t i = 0; i < set->n; i++)
		if (set->port[i].started)
			rr_store_release(&set->port[i].polled, 1U); // pairs with port_is_polled
}

void port_set_close(struct port_set *set) {
	for (uint32_t i = 0; i < set->n; i++) {
		struct port *port = &set->port[i];

		if (port->plan && port_is_shared(port->cfg))
			shared_port_leave(&port->shared);
		device_close(port);
		if (port->cfg && port_is_shared(port->cfg))
			shared_port_detach(&port->shared);
	}
	rte_mempool_free(set->pool);
	*set = (struct port_set){0};
}
