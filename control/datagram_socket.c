// SPDX-License-Identifier: BSD-2-Clause
// UDP command sockets: a datagram is a cookie and a command, its reply goes back to its sender from
// the address it was sent to. Lines of standard input come and go in the same way, as messages of
// the supervisor: their name is the cookie (stdio_bridge.h).
//
// Datagrams are received straight into jobs, a batch a time. Replies, and answers to duplicates,
// gather until the turn ends. A reply that the kernel does not take is lost: the controller asks
// again and finds it in the cache.
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "clock.h"
#include "command_socket.h"
#include "job.h"
#include "listener_set.h"
#include "log.h"
#include "retrans.h"
#include "stdio_bridge.h"

#define BATCH 32
#define OUT_BATCH 64
#define JOBS_MAX 4096 // 40 MB

RR_STATIC_ASSERT(sizeof(struct stdio_line_name) <= sizeof(((struct job *)0)->origin.peer_addr),
	"a line's name stands in the place of an address");

// Room for one in_pktinfo or in6_pktinfo.
union packet_info {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct datagram_socket {
	struct listener_set *set;
	struct datagram_socket *next;
	int fd; // the command socket's
	struct rr_endpoint local; // as it is bound
	bool any_addr; // bound to a wildcard: replies must name their source
	bool is_stdio; // the supervisor's messages instead of datagrams
	struct event *readable;
	struct job *in[BATCH]; // where the next datagrams go; NULL = to be made
	struct job *out[OUT_BATCH];
	unsigned int n_out;
	unsigned int n_jobs; // under way
	bool paused; // too many are; what comes waits in the kernel
};

// ---- sending
// -------------------------------------------------------------------------------------

static void set_packet_info(struct msghdr *msg, union packet_info *info, const struct job *job) {
	const struct rr_endpoint *local = &job->origin.local;
	struct in6_pktinfo v6 = {.ipi6_ifindex = job->origin.local_ifindex};
	struct in_pktinfo v4 = {0};
	bool ipv6 = local->family == RR_FAMILY_IPV6;
	struct cmsghdr *cmsg = &info->align;
	size_t len = ipv6 ? sizeof(v6) : sizeof(v4);

	memcpy(&v4.ipi_spec_dst, local->addr, sizeof(v4.ipi_spec_dst));
	memcpy(&v6.ipi6_addr, local->addr, sizeof(v6.ipi6_addr));
	memset(info, 0, sizeof(*info));
	cmsg->cmsg_level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
	cmsg->cmsg_type = ipv6 ? IPV6_PKTINFO : IP_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), ipv6 ? (const void *)&v6 : (const void *)&v4, len);
	msg->msg_control = info->space;
	msg->msg_controllen = CMSG_SPACE(len);
}

static void note_lost_reply(struct datagram_socket *s, int error) {
	static struct rr_log_limit limit = {.burst = 5};

	s->set->stats.n_dropped_replies++;
	if (rr_log_allow(&limit))
		rr_warn("listener", "reply not sent error=%s", strerror(error));
}

// Send messages first..n_out-1 and return how many are done with, one way or the other.
static unsigned int send_some(struct datagram_socket *s, struct mmsghdr *msgs, unsigned int first) {
	int n = sendmmsg(s->fd, msgs + first, s->n_out - first, MSG_DONTWAIT);

	if (n > 0)
		return (unsigned int)n;
	if (n < 0 && errno == EINTR)
		return 0;
	note_lost_reply(s, errno);
	return 1;
}

// A datagram has an address, a line has its name before the reply.
static void address_reply(
	const struct datagram_socket *s, struct job *job, struct msghdr *msg, struct iovec *iov) {
	iov[0] = (struct iovec){job->origin.peer_addr, sizeof(struct stdio_line_name)};
	iov[1] = (struct iovec){job->reply, job->reply_len};
	msg->msg_iov = s->is_stdio ? iov : iov + 1;
	msg->msg_iovlen = s->is_stdio ? 2 : 1;
	if (s->is_stdio)
		return;
	msg->msg_name = job->origin.peer_addr;
	msg->msg_namelen = job->origin.peer_addr_len;
}

static void flush_socket(struct datagram_socket *s) {
	struct mmsghdr msgs[OUT_BATCH];
	union packet_info infos[OUT_BATCH];
	struct iovec iovs[OUT_BATCH][2];

	memset(msgs, 0, s->n_out * sizeof(msgs[0]));
	for (unsigned int i = 0; i < s->n_out; i++) {
		struct msghdr *msg = &msgs[i].msg_hdr;
		struct job *job = s->out[i];

		address_reply(s, job, msg, iovs[i]);
		if (s->any_addr && job->origin.local.family != RR_FAMILY_NONE)
			set_packet_info(msg, &infos[i], job);
	}
	for (unsigned int done = 0; done < s->n_out;)
		done += send_some(s, msgs, done);
	for (unsigned int i = 0; i < s->n_out; i++)
		job_free(s->out[i]);
	s->n_out = 0;
}

// Takes the job over.
static void send_reply(struct job *job) {
	struct datagram_socket *s = job->origin.listener;

	if (s->set->stopped) {
		job_free(job);
		return;
	}
	s->out[s->n_out++] = job;
	if (s->n_out == OUT_BATCH)
		flush_socket(s);
}

// One job less is under way.
static void job_leaves(struct datagram_socket *s) {
	s->n_jobs--;
	if (s->paused && s->n_jobs < JOBS_MAX / 2)
		s->paused = event_add(s->readable, NULL) < 0;
}

// job_origin.reply
static void reply(struct job *job) {
	struct datagram_socket *s = job->origin.listener;

	retrans_finish(s->set->hooks.retrans, job);
	job_leaves(s);
	send_reply(job);
}

// job_origin.drop
static void drop(struct job *job) {
	job_leaves(job->origin.listener);
	job_free(job);
}

bool datagram_socket_has_output(const struct listener_set *set) {
	const struct datagram_socket *s;

	LL_FOREACH(set->datagrams, s) {
		if (s->n_out > 0)
			return true;
	}
	return false;
}

void datagram_socket_flush(struct listener_set *set) {
	struct datagram_socket *s;

	LL_FOREACH(set->datagrams, s) {
		if (s->n_out > 0)
			flush_socket(s);
	}
}

// ---- receiving
// -----------------------------------------------------------------------------------

// The supervisor waits for the reply to every line: none may be lost.
static void take_line(struct datagram_socket *s, struct job *job, size_t len) {
	job->cookie =
		(struct slice){(const char *)job->origin.peer_addr, sizeof(struct stdio_line_name)};
	job->cookie_silent = true;
	job->command = (struct slice){job->bytes, len};
	job->origin.asks_once = true;
	cookies_take(s->set, job);
}

static void read_local(struct job *job, struct msghdr *msg) {
	struct rr_endpoint *local = &job->origin.local;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			local->family = RR_FAMILY_IPV4;
			memcpy(local->addr, &v4.ipi_spec_dst, sizeof(v4.ipi_spec_dst));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			local->family = RR_FAMILY_IPV6;
			memcpy(local->addr, &v6.ipi6_addr, sizeof(v6.ipi6_addr));
			// Only link-local addresses need their interface; others may take any
			// route.
			if (IN6_IS_ADDR_LINKLOCAL(&v6.ipi6_addr))
				job->origin.local_ifindex = v6.ipi6_ifindex;
		}
	}
}

static void read_peer(struct job *job, const struct msghdr *msg) {
	job->origin.peer_addr_len = msg->msg_namelen;
	job->controller = listener_endpoint(msg->msg_name);
}

// Have a job ready for every place of the batch; returns how many there are.
static unsigned int make_jobs(struct datagram_socket *s) {
	for (unsigned int i = 0; i < BATCH; i++) {
		if (!s->in[i])
			s->in[i] = job_new();
		if (!s->in[i])
			return i;
	}
	return BATCH;
}

// Where the next datagram goes. A longer one is cut to the length of a command, without a word.
static void expect_datagram(struct job *job, struct iovec *iov, struct msghdr *msg) {
	iov[0] = (struct iovec){job->bytes, RTPP_MAX_COMMAND};
	msg->msg_iov = iov;
	msg->msg_iovlen = 1;
	msg->msg_name = job->origin.peer_addr;
	msg->msg_namelen = sizeof(job->origin.peer_addr);
}

static void expect_line(struct job *job, struct iovec *iov, struct msghdr *msg) {
	iov[0] = (struct iovec){job->origin.peer_addr, sizeof(struct stdio_line_name)};
	iov[1] = (struct iovec){job->bytes, sizeof(job->bytes)};
	msg->msg_iov = iov;
	msg->msg_iovlen = 2;
}

static void received(struct datagram_socket *s, struct job *job, struct mmsghdr *msg) {
	job->origin.reply = reply;
	job->origin.drop = drop;
	job->origin.listener = s;
	s->n_jobs++;
	if (!s->is_stdio) {
		read_peer(job, &msg->msg_hdr);
		if (s->any_addr)
			read_local(job, &msg->msg_hdr);
		else
			job->origin.local = s->local;
		cookies_take_message(s->set, job, msg->msg_len);
	} else if (msg->msg_len >= sizeof(struct stdio_line_name)) {
		take_line(s, job, msg->msg_len - sizeof(struct stdio_line_name));
	} else {
		event_del(s->readable); // the supervisor is gone
		drop(job);
	}
}

static void on_readable(evutil_socket_t fd RR_UNUSED, short what RR_UNUSED, void *arg) {
	struct datagram_socket *s = arg;
	unsigned int n_jobs = make_jobs(s);
	struct mmsghdr msgs[BATCH];
	union packet_info infos[BATCH];
	struct iovec iovs[BATCH][2];
	uint64_t now_ns;
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (unsigned int i = 0; i < n_jobs; i++) {
		struct msghdr *msg = &msgs[i].msg_hdr;

		(s->is_stdio ? expect_line : expect_datagram)(s->in[i], iovs[i], msg);
		msg->msg_control = infos[i].space;
		msg->msg_controllen = sizeof(infos[i].space);
	}
	n = recvmmsg(s->fd, msgs, n_jobs, MSG_DONTWAIT, NULL);
	now_ns = rr_now_ns();
	for (int i = 0; i < n; i++) {
		struct job *job = s->in[i];

		s->in[i] = NULL;
		job->received_ns = now_ns;
		received(s, job, &msgs[i]);
	}
	if (s->n_jobs > JOBS_MAX)
		s->paused = event_del(s->readable) == 0;
}

// ---- life
// ----------------------------------------------------------------------------------------

static bool is_any_addr(const struct command_socket *socket) {
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&socket->addr;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&socket->addr;

	if (socket->addr.ss_family == AF_INET)
		return sin->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr);
}

int datagram_socket_add(struct listener_set *set, const struct command_socket *socket) {
	struct datagram_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->set = set;
	s->fd = socket->fd;
	s->is_stdio = socket->kind == COMMAND_SOCKET_STDIO;
	if (!s->is_stdio)
		s->local = listener_endpoint(&socket->addr);
	s->any_addr = !s->is_stdio && is_any_addr(socket);
	s->readable = event_new(set->hooks.base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	if (!s->readable || event_add(s->readable, NULL) < 0) {
		if (s->readable)
			event_free(s->readable);
		free(s);
		return -ENOMEM;
	}
	LL_PREPEND(set->datagrams, s);
	return 0;
}

void datagram_socket_free_all(struct listener_set *set) {
	struct datagram_socket *s;
	struct datagram_socket *next;

	LL_FOREACH_SAFE(set->datagrams, s, next) {
		event_free(s->readable);
		for (unsigned int i = 0; i < BATCH; i++)
			job_free(s->in[i]);
		for (unsigned int i = 0; i < s->n_out; i++)
			job_free(s->out[i]);
		free(s);
	}
	set->datagrams = NULL;
}
