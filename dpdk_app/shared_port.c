// SPDX-License-Identifier: BSD-2-Clause
// What the kernel says of an interface, the virtual device on it, and the order in which media
// changes hands.
#include "shared_port.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_common.h>

#include "addr_table.h"
#include "log.h"

#define FRAME_SIZE_MIN 2048U
#define RING_BLOCK 65536U
#define RING_BYTES (8U << 20) // of each queue's receive and transmit ring

static const struct rr_port_config *config_of(const struct shared_port *s) {
	return &s->cfg->port[s->index];
}

// ---- the interface

static struct ifreq request_for(const struct shared_port *s) {
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", config_of(s)->device);
	return r;
}

// net_af_xdp counts combined channels alone, and one where there are none; the interface may spread
// what it receives over more.
static uint32_t queues_read(const struct shared_port *s, int fd) {
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = request_for(s);

	r.ifr_data = (char *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &r) < 0)
		return 1;
	if (channels.max_combined > 0)
		return channels.combined_count;
	return channels.rx_count > 0 ? channels.rx_count : 1;
}

static int interface_read(struct shared_port *s, int fd) {
	const struct rr_port_config *cfg = config_of(s);
	struct ifreq r = request_for(s);

	if (ioctl(fd, SIOCGIFINDEX, &r) < 0) {
		rr_err("shared", "%s: there is no interface %s", cfg->name, cfg->device);
		return -ENODEV;
	}
	s->ifindex = r.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0 || r.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		rr_err("shared", "%s: %s is no Ethernet interface", cfg->name, cfg->device);
		return -ENOTSUP;
	}
	if (ioctl(fd, SIOCGIFMTU, &r) < 0)
		return -errno;
	s->mtu = (uint32_t)r.ifr_mtu;
	s->n_queues = queues_read(s, fd);
	if (ioctl(fd, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP))
		rr_warn("shared", "%s: %s is down: ip link set %s up", cfg->name, cfg->device,
			cfg->device);
	return 0;
}

// ---- its addresses

static bool is_same_addr(const struct rr_endpoint *a, const struct sockaddr *sa) {
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return a->family == RR_FAMILY_IPV4 && memcmp(a->addr, &in->sin_addr, 4) == 0;
	return sa->sa_family == AF_INET6 && a->family == RR_FAMILY_IPV6 &&
	       memcmp(a->addr, &in6->sin6_addr, 16) == 0;
}

static bool has_addr(
	const struct shared_port *s, const struct ifaddrs *list, const struct rr_endpoint *a) {
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && strcmp(i->ifa_name, config_of(s)->device) == 0 &&
			is_same_addr(a, i->ifa_addr))
			return true;
	return false;
}

// An address may come later, as one that moves between hosts does, so this is no error.
static void addr_check(
	const struct shared_port *s, const struct ifaddrs *list, const struct rr_endpoint *a) {
	const struct rr_port_config *cfg = config_of(s);
	char text[RR_ENDPOINT_STRLEN];

	if (!has_addr(s, list, a))
		rr_warn("shared",
			"%s: pool address %s is not on %s, so that nobody finds it: ip addr add",
			cfg->name, rr_endpoint_format_addr(a, text, sizeof(text)), cfg->device);
}

int shared_port_open(struct shared_port *s, const struct rr_config *cfg, uint32_t index) {
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	*s = (struct shared_port){.cfg = cfg, .index = index};
	if (fd < 0)
		return -errno;
	ret = interface_read(s, fd);
	close(fd);
	if (ret < 0)
		return ret;
	media_filter_init(&s->filter, s->ifindex, cfg->port[index].name, cfg->run_dir);
	return 0;
}

// ---- the virtual device

static int xdp_args(const struct shared_port *s, char *args, size_t size) {
	const struct rr_port_config *cfg = config_of(s);
	const char *path = media_filter_xdp_path();

	if (!path)
		return -errno;
	if (s->n_queues < s->cfg->n_workers) {
		rr_warn("shared",
			"%s: af_xdp wants a queue for each of %u workers, %s has %u (ethtool -L)",
			cfg->name, s->cfg->n_workers, cfg->device, s->n_queues);
		return -ENOTSUP;
	}
	snprintf(args, size, "iface=%s,start_queue=0,queue_count=%u,xdp_prog=%s,busy_budget=0",
		cfg->device, s->n_queues, path);
	return 0;
}

// A frame's room holds the packet and what the kernel writes in front of it, and is a power of two,
// so that blocks are filled.
static int packet_args(const struct shared_port *s, char *args, size_t size) {
	uint32_t mtu = RTE_MIN(s->mtu, config_of(s)->mtu);
	uint32_t room = FRAME_SIZE_MIN;

	while (room < mtu + 148)
		room *= 2;
	snprintf(args, size, "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u",
		config_of(s)->device, s->cfg->n_workers, RING_BLOCK, room, RING_BYTES / room);
	return 0;
}

// Only AF_XDP wants the interface's one place for an XDP program.
static int place_check(const struct shared_port *s, enum rr_port_io io) {
	const char *whose = NULL;
	int ret = media_filter_sweep(&s->filter, &whose);

	if (io != RR_IO_AF_XDP || ret == 0)
		return 0;
	rr_warn("shared", "%s: no af_xdp on %s: %s", config_of(s)->name, config_of(s)->device,
		whose ? whose : strerror(-ret));
	return ret;
}

int shared_port_attach(struct shared_port *s, enum rr_port_io io) {
	const char *driver = io == RR_IO_AF_XDP ? "net_af_xdp" : "net_af_packet";
	char args[256];
	int ret = place_check(s, io);

	if (ret == 0)
		ret = io == RR_IO_AF_XDP ? xdp_args(s, args, sizeof(args))
					 : packet_args(s, args, sizeof(args));
	if (ret < 0)
		return ret;
	// Above those that the configuration may name itself.
	snprintf(s->device, sizeof(s->device), "%s_shared%u", driver, s->index);
	ret = rte_eal_hotplug_add("vdev", s->device, args);
	if (ret < 0) {
		rr_warn("shared", "%s: %s does not open %s: %s", config_of(s)->name, driver,
			config_of(s)->device, strerror(-ret));
		return ret;
	}
	s->io = io;
	return 0;
}

int shared_port_sign(struct shared_port *s) {
	int ret = s->io == RR_IO_AF_XDP ? media_filter_adopt_xdp(&s->filter) : 0;

	if (ret < 0)
		rr_warn("shared", "%s: the XDP program on %s is not ours: %s", config_of(s)->name,
			config_of(s)->device, strerror(-ret));
	return ret;
}

void shared_port_detach(struct shared_port *s) {
	if (s->io == RR_IO_AUTO)
		return;
	media_filter_close(&s->filter);
	rte_eal_hotplug_remove("vdev", s->device);
	s->io = RR_IO_AUTO;
}

// ---- media changes hands

static int addr_set(const struct shared_port *s, const struct rr_endpoint *a, bool on) {
	return media_filter_set_addr(&s->filter, (enum rr_family)a->family, a->addr, on);
}

static int addrs_take(const struct shared_port *s, const struct addr_table *addrs) {
	struct ifaddrs *list = NULL;
	int ret = 0;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (uint32_t i = 0; ret == 0 && i < addrs->n_addrs; i++) {
		struct rr_endpoint ep = {.family = addrs->local[i].family};

		if (!addr_table_has(addrs, i) || addrs->local[i].port != s->index)
			continue;
		memcpy(ep.addr, addrs->local[i].addr, sizeof(ep.addr));
		addr_check(s, list, &ep);
		ret = addr_set(s, &ep, true);
	}
	freeifaddrs(list);
	return ret;
}

int shared_port_set_addr(const struct shared_port *s, const struct rr_endpoint *a, bool on) {
	struct ifaddrs *list;

	if (on && getifaddrs(&list) == 0) {
		addr_check(s, list, a);
		freeifaddrs(list);
	}
	return s->filter.addrs_fd < 0 ? 0 : addr_set(s, a, on);
}

int shared_port_take(struct shared_port *s, const struct addr_table *addrs) {
	int ret = s->io == RR_IO_AF_XDP ? 0 : media_filter_attach_tc(&s->filter);

	if (ret == 0)
		ret = addrs_take(s, addrs);
	if (ret == 0)
		ret = media_filter_set_ports(&s->filter, (uint16_t)s->cfg->media_port_min,
			(uint16_t)s->cfg->media_port_max);
	if (ret < 0) {
		rr_err("shared", "%s: cannot take media from %s: %s", config_of(s)->name,
			config_of(s)->device, strerror(-ret));
		shared_port_leave(s);
	}
	return ret;
}

// The XDP program stays ours until the driver takes it off.
void shared_port_leave(struct shared_port *s) {
	if (s->io == RR_IO_AF_XDP)
		media_filter_set_ports(&s->filter, 0, 0);
	else
		media_filter_close(&s->filter);
}
