// SPDX-License-Identifier: BSD-2-Clause
// A controller's end of a command socket with many commands under way.
#include "load_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "load_book.h"
#include "rtpp_shm.h"

#define MAX_REPLY 8192
#define COOKIE_ROOM 40
#define BATCH 64
#define RECEIVE_BUFFER (4 << 20)
#define SCAN_NS (5 * RR_NS_PER_MS) // how often to look for commands that wait too long
#define CONNECT_PAUSE_NS RR_NS_PER_MS // before a backlog that was full is tried again

enum framing {
	FRAMED_BY_COOKIE, // each in a datagram, which is sent again with it
	FRAMED_BY_LINE, // on a connection that stays
	FRAMED_BY_CONNECTION, // of its own
	FRAMED_BY_LIBRARY, // of shared memory, which has cookies of its own
};

struct load_transport {
	const char *prefix;
	int family;
	enum framing framing;
	const struct carrier *carrier;
};

// How commands and replies travel.
struct carrier {
	int (*open)(struct load_link *link); // NULL: when there is something to send
	void (*send)(struct load_link *link, uint64_t now_ns); // all that is queued
	void (*receive)(struct load_link *link, void *source); // of an event
};

enum slot_state {
	SLOT_IDLE,
	SLOT_QUEUED, // to be sent, again or for the first time
	SLOT_SENT,
};

struct slot {
	enum slot_state state;
	int fd; // -1: none; streams alone have one
	uint32_t n_sent;
	uint64_t due_ns; // when to send it, again or for the first time
	uint64_t give_up_ns; // where nothing is sent again
	uint32_t number; // of its command
	size_t cookie_len; // with the space behind it
	size_t len; // of request
	size_t n_read;
	char request[COOKIE_ROOM + LOAD_MAX_COMMAND + 1];
	char reply[MAX_REPLY];
};

struct load_link {
	struct load_link_params params;
	const struct load_transport *transport;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int epoll_fd;
	int udp_fd;
	struct rtpp_shm *shm;
	bool is_shm_lost; // to be connected anew
	uint64_t scanned_ns;
	bool has_queued;
	struct load_link_counts counts;
	struct slot slots[];
};

// ---- addresses

static int parse_path(struct load_link *link, const char *path) {
	struct sockaddr_un *sun = (struct sockaddr_un *)&link->addr;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(sun->sun_path))
		return -EINVAL;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	link->addr_len = sizeof(*sun);
	return 0;
}

static int parse_inet(struct load_link *link, const char *text, int family) {
	struct sockaddr_in *sin = (struct sockaddr_in *)&link->addr;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&link->addr;
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon && colon > text && colon[-1] == ']';
	char host[64], *end;
	unsigned long port;

	if (!colon)
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	link->addr.ss_family = (sa_family_t)family;
	sin->sin_port = htons((uint16_t)port); // both families have it in one place
	link->addr_len = family == AF_INET ? sizeof(*sin) : sizeof(*sin6);
	if (inet_pton(family, host,
		    family == AF_INET ? (void *)&sin->sin_addr : (void *)&sin6->sin6_addr) != 1)
		return -EINVAL;
	return 0;
}

// ---- the end of a command

static void hang_up(struct slot *s) {
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void end(struct load_link *link, struct slot *s, const char *text, size_t len) {
	if (!text || link->transport->framing != FRAMED_BY_LINE)
		hang_up(s);
	s->state = SLOT_IDLE;
	link->params.done(link->params.arg, (uint32_t)(s - link->slots), text, len);
}

// ---- UDP

static void sent_once(struct load_link *link, struct slot *s, uint64_t now_ns) {
	if (s->n_sent++ > 0)
		link->counts.n_retransmits++;
	s->state = SLOT_SENT;
	s->due_ns = now_ns + link->params.timeout_ns;
}

// What the kernel does not take now, a full buffer, is sent again later like what it lost.
static void send_datagrams(struct load_link *link, uint64_t now_ns) {
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	unsigned int n = 0;

	memset(msgs, 0, sizeof(msgs));
	for (uint32_t i = 0; i < link->params.n_slots; i++) {
		struct slot *s = &link->slots[i];

		if (s->state != SLOT_QUEUED)
			continue;
		iov[n] = (struct iovec){s->request, s->len};
		msgs[n].msg_hdr.msg_iov = &iov[n];
		msgs[n].msg_hdr.msg_iovlen = 1;
		sent_once(link, s, now_ns);
		if (++n < BATCH)
			continue;
		(void)!sendmmsg(link->udp_fd, msgs, n, MSG_DONTWAIT);
		n = 0;
	}
	if (n > 0)
		(void)!sendmmsg(link->udp_fd, msgs, n, MSG_DONTWAIT);
}

// The slot that the cookie names, if it waits for exactly this one.
static struct slot *slot_of_reply(struct load_link *link, const char *text, size_t len) {
	unsigned long number = strtoul(text, NULL, 16);
	struct slot *s;

	if (number >= link->params.n_slots)
		return NULL;
	s = &link->slots[number];
	if (s->state == SLOT_IDLE || len <= s->cookie_len ||
		memcmp(text, s->request, s->cookie_len) != 0)
		return NULL;
	return s;
}

static void take_datagram(struct load_link *link, char *text, size_t len) {
	struct slot *s;

	text[len] = '\0';
	s = slot_of_reply(link, text, len);
	if (!s || text[len - 1] != '\n') {
		link->counts.n_strays++;
		return;
	}
	end(link, s, text + s->cookie_len, len - s->cookie_len - 1);
}

static void receive_datagrams(struct load_link *link, void *source) {
	static char buffer[BATCH][MAX_REPLY + 1];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int n;

	(void)source;
	do {
		memset(msgs, 0, sizeof(msgs));
		for (unsigned int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){buffer[i], MAX_REPLY};
			msgs[i].msg_hdr.msg_iov = &iov[i];
			msgs[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(link->udp_fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			take_datagram(link, buffer[i], msgs[i].msg_len);
	} while (n == BATCH);
}

static int open_udp(struct load_link *link) {
	struct epoll_event event = {.events = EPOLLIN};
	int size = RECEIVE_BUFFER;

	link->udp_fd = socket(link->transport->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (link->udp_fd < 0)
		return -errno;
	// Less than asked for is a reply lost at times, which is asked for again.
	if (setsockopt(link->udp_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)!setsockopt(link->udp_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(link->udp_fd, (const struct sockaddr *)&link->addr, link->addr_len) < 0)
		return -errno;
	return epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, link->udp_fd, &event) < 0 ? -errno : 0;
}

// ---- streams

static int connect_slot(struct load_link *link, struct slot *s) {
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	int one = 1;

	s->fd = socket(link->transport->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	if (link->transport->family != AF_UNIX)
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((connect(s->fd, (const struct sockaddr *)&link->addr, link->addr_len) < 0 &&
		    errno != EINPROGRESS) ||
		epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) {
		int error = errno;

		hang_up(s);
		return -error;
	}
	return 0;
}

// A command is far shorter than any socket buffer: it goes at once or, while the connection is
// being made or the backlog is full, a little later.
static void send_line(struct load_link *link, struct slot *s, uint64_t now_ns) {
	int ret = s->fd < 0 ? connect_slot(link, s) : 0;
	ssize_t n = -1;

	if (ret == 0) {
		n = send(s->fd, s->request, s->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		ret = n < 0 ? -errno : 0;
	}
	if (n == (ssize_t)s->len) {
		s->state = SLOT_SENT;
		s->n_read = 0;
	} else if (ret == -EAGAIN || ret == -ENOTCONN) {
		s->due_ns = now_ns + CONNECT_PAUSE_NS;
	} else {
		end(link, s, NULL, 0);
	}
}

static void send_lines(struct load_link *link, uint64_t now_ns) {
	for (uint32_t i = 0; i < link->params.n_slots; i++) {
		struct slot *s = &link->slots[i];

		if (s->state == SLOT_QUEUED && s->due_ns <= now_ns)
			send_line(link, s, now_ns);
		link->has_queued |= s->state == SLOT_QUEUED;
	}
}

static void receive_line(struct load_link *link, void *source) {
	struct slot *s = source;
	ssize_t n = recv(s->fd, s->reply + s->n_read, sizeof(s->reply) - s->n_read, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->n_read += (size_t)n;
	if (s->state != SLOT_SENT) { // closed, or a reply that nobody asked for
		link->counts.n_strays += n > 0;
		hang_up(s);
		return;
	}
	if (s->n_read > 0 && s->reply[s->n_read - 1] == '\n')
		end(link, s, s->reply, s->n_read - 1);
	else if (n <= 0 || s->n_read == sizeof(s->reply))
		end(link, s, NULL, 0);
}

// ---- shared memory

// A late reply to an earlier command of the slot has another number.
static uint64_t tag_of(const struct load_link *link, const struct slot *s) {
	return (uint64_t)s->number << 32 | (uint32_t)(s - link->slots);
}

static void take_message(struct load_link *link, const struct rtpp_shm_reply *reply) {
	struct slot *s = &link->slots[(uint32_t)reply->tag];

	if (s->state == SLOT_SENT && reply->tag == tag_of(link, s))
		end(link, s, reply->text, reply->len);
	else
		link->counts.n_strays++;
}

// Until there is none: only then the library's descriptor says when there is one again.
static void receive_messages(struct load_link *link, void *source) {
	struct rtpp_shm_reply reply;
	int ret;

	(void)source;
	while ((ret = rtpp_shm_receive(link->shm, &reply, 0)) > 0)
		take_message(link, &reply);
	if (ret < 0) {
		link->is_shm_lost = true;
		link->has_queued = true;
	}
}

static int watch_shm(struct load_link *link) {
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, rtpp_shm_fd(link->shm), &event) < 0)
		return -errno;
	receive_messages(link, NULL);
	return 0;
}

static int shm_patience_ms(const struct load_link *link) {
	return (int)(link->params.timeout_ns / RR_NS_PER_MS) + 1;
}

// What is unanswered is sent again by the library. Returns whether there is a connection.
static bool is_connected(struct load_link *link) {
	if (!link->is_shm_lost)
		return true;
	if (rtpp_shm_reconnect(link->shm, shm_patience_ms(link)) < 0)
		return false;
	link->is_shm_lost = false;
	link->counts.n_retransmits += rtpp_shm_unanswered(link->shm);
	return watch_shm(link) == 0 && !link->is_shm_lost;
}

// What the library has no room for, 64 commands being unanswered, waits for the replies.
static void send_messages(struct load_link *link, uint64_t now_ns) {
	int ret = is_connected(link) ? 0 : -EPIPE;

	(void)now_ns;
	for (uint32_t i = 0; i < link->params.n_slots; i++) {
		struct slot *s = &link->slots[i];

		if (s->state != SLOT_QUEUED)
			continue;
		if (ret == 0)
			ret = rtpp_shm_send(link->shm, tag_of(link, s), s->request, s->len);
		if (ret == 0)
			s->state = SLOT_SENT;
		else
			link->has_queued = true;
	}
	link->is_shm_lost |= ret == -EPIPE;
	link->has_queued |= link->is_shm_lost;
}

static int open_shm(struct load_link *link) {
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&link->addr;
	int ret = rtpp_shm_connect(&link->shm, sun->sun_path, shm_patience_ms(link));

	return ret < 0 ? ret : watch_shm(link);
}

// ---- all of them

static const struct carrier datagrams = {open_udp, send_datagrams, receive_datagrams};
static const struct carrier streams = {NULL, send_lines, receive_line};
static const struct carrier shared_memory = {open_shm, send_messages, receive_messages};

static const struct load_transport transports[] = {
	{"udp:", AF_INET, FRAMED_BY_COOKIE, &datagrams},
	{"udp6:", AF_INET6, FRAMED_BY_COOKIE, &datagrams},
	{"tcp:", AF_INET, FRAMED_BY_LINE, &streams},
	{"tcp6:", AF_INET6, FRAMED_BY_LINE, &streams},
	{"cunix:", AF_UNIX, FRAMED_BY_LINE, &streams},
	{"unix:", AF_UNIX, FRAMED_BY_CONNECTION, &streams},
	{"shm:", AF_UNIX, FRAMED_BY_LIBRARY, &shared_memory},
};

static int parse_socket(struct load_link *link, const char *text) {
	for (size_t i = 0; i < RR_ARRAY_LEN(transports); i++) {
		const struct load_transport *t = &transports[i];
		size_t len = strlen(t->prefix);

		if (strncmp(text, t->prefix, len) != 0)
			continue;
		link->transport = t;
		return t->family == AF_UNIX ? parse_path(link, text + len)
					    : parse_inet(link, text + len, t->family);
	}
	return -EINVAL;
}

static bool has_cookies(const struct load_link *link) {
	return link->transport->framing == FRAMED_BY_COOKIE;
}

void load_link_send(struct load_link *link, uint32_t slot, const char *text, size_t len) {
	struct slot *s = &link->slots[slot];

	s->number++;
	s->cookie_len = 0;
	if (has_cookies(link))
		s->cookie_len = (size_t)snprintf(
			s->request, COOKIE_ROOM, "%x_%08x_%x ", slot, link->params.run, s->number);
	memcpy(s->request + s->cookie_len, text, len);
	s->len = s->cookie_len + len;
	if (link->transport->framing == FRAMED_BY_LINE)
		s->request[s->len++] = '\n';
	s->n_sent = 0;
	s->n_read = 0;
	s->due_ns = 0;
	s->give_up_ns = rr_now_ns() + link->params.timeout_ns * (link->params.n_retries + 1);
	s->state = SLOT_QUEUED;
	link->has_queued = true;
}

static void send_queued(struct load_link *link, uint64_t now_ns) {
	if (!link->has_queued)
		return;
	link->has_queued = false;
	link->transport->carrier->send(link, now_ns);
}

static void look_at(struct load_link *link, struct slot *s, uint64_t now_ns) {
	if (s->state == SLOT_IDLE)
		return;
	if (has_cookies(link) && s->due_ns <= now_ns && s->n_sent <= link->params.n_retries) {
		s->state = SLOT_QUEUED;
		link->has_queued = true;
	} else if (has_cookies(link) ? s->due_ns <= now_ns : s->give_up_ns <= now_ns) {
		end(link, s, NULL, 0);
	}
}

static void scan(struct load_link *link, uint64_t now_ns) {
	if (now_ns - link->scanned_ns < SCAN_NS)
		return;
	link->scanned_ns = now_ns;
	for (uint32_t i = 0; i < link->params.n_slots; i++)
		look_at(link, &link->slots[i], now_ns);
}

void load_link_wait(struct load_link *link, uint64_t patience_ns) {
	struct epoll_event events[BATCH];
	struct timespec patience;
	int n;

	scan(link, rr_now_ns());
	send_queued(link, rr_now_ns());
	if (patience_ns > (link->has_queued ? CONNECT_PAUSE_NS : SCAN_NS))
		patience_ns = link->has_queued ? CONNECT_PAUSE_NS : SCAN_NS;
	patience = (struct timespec){.tv_nsec = (long)patience_ns};
	n = epoll_pwait2(link->epoll_fd, events, BATCH, &patience, NULL);
	for (int i = 0; i < n; i++)
		link->transport->carrier->receive(link, events[i].data.ptr);
}

struct load_link_counts load_link_get_counts(const struct load_link *link) {
	return link->counts;
}

int load_link_open(struct load_link **out, const struct load_link_params *params) {
	struct load_link *link =
		calloc(1, sizeof(*link) + params->n_slots * sizeof(link->slots[0]));
	int ret;

	if (!link)
		return -ENOMEM;
	link->params = *params;
	link->udp_fd = -1;
	for (uint32_t i = 0; i < params->n_slots; i++)
		link->slots[i].fd = -1;
	link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ret = link->epoll_fd < 0 ? -errno : parse_socket(link, params->socket);
	if (ret == 0 && link->transport->carrier->open)
		ret = link->transport->carrier->open(link);
	if (ret < 0) {
		load_link_close(link);
		return ret;
	}
	*out = link;
	return 0;
}

void load_link_close(struct load_link *link) {
	for (uint32_t i = 0; i < link->params.n_slots; i++)
		hang_up(&link->slots[i]);
	if (link->udp_fd >= 0)
		close(link->udp_fd);
	rtpp_shm_disconnect(link->shm);
	if (link->epoll_fd >= 0)
		close(link->epoll_fd);
	free(link);
}
