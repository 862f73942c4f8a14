// SPDX-License-Identifier: BSD-2-Clause
// The calls of rtppload: what each command says, and whether its reply can be true.
#include "load_book.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PAIRS 32768
#define MAX_ADDRS 4096
#define MAX_REPLY 1024
#define N_QUERY_FIGURES 5
#define VERSION "20040107"

int load_book_open(struct load_book *book, const struct load_book_params *params) {
	*book = (struct load_book){.params = *params};
	book->calls = calloc(params->n_calls, sizeof(*book->calls));
	book->addrs = calloc(MAX_ADDRS, sizeof(*book->addrs));
	if (!book->calls || !book->addrs) {
		load_book_close(book);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < params->n_calls; i++)
		book->calls[i].state = LOAD_DOWN;
	book->n_state[LOAD_DOWN] = params->n_calls;
	return 0;
}

void load_book_close(struct load_book *book) {
	for (uint32_t i = 0; i < book->n_addrs; i++)
		free(book->addrs[i].owner);
	free(book->addrs);
	free(book->calls);
	*book = (struct load_book){.n_addrs = 0};
}

void load_book_complain(struct load_book *book, const char *fmt, ...) {
	va_list args;

	if (book->n_complaints == LOAD_N_COMPLAINTS)
		return;
	va_start(args, fmt);
	vsnprintf(book->complaint[book->n_complaints++], sizeof(book->complaint[0]), fmt, args);
	va_end(args);
}

// ---- commands

// A party's media address and port in the SDP of a call.
static struct rr_endpoint party_of(struct rr_endpoint first, uint32_t call) {
	for (uint32_t i = call / LOAD_CALLS_PER_HOST; i > 0; i--)
		rr_endpoint_step(&first);
	first.port_be = htons((uint16_t)(10000 + call % LOAD_CALLS_PER_HOST * 2));
	return first;
}

// Verb, modifiers, Call-ID, and where the party's media is. The relay's address is to be one that
// the other party reaches.
static size_t offer(const struct load_book *book, char verb, const char *callid,
	const struct rr_endpoint *party, const struct rr_endpoint *other,
	char text[LOAD_MAX_COMMAND]) {
	bool crosses = party->family != other->family;
	char host[RR_ENDPOINT_STRLEN], route[RR_ENDPOINT_STRLEN] = "";
	bool ipv6 = party->family == RR_FAMILY_IPV6;

	if (crosses)
		rr_endpoint_format_addr(other, route, sizeof(route));
	return (size_t)snprintf(text, LOAD_MAX_COMMAND, "%c%s%s%s%s%s%s %s %s %u", verb,
		book->params.modifiers, ipv6 ? "6" : "", crosses ? "r" : "",
		crosses && !ipv6 ? "[" : "", route, crosses && !ipv6 ? "]" : "", callid,
		rr_endpoint_format_addr(party, host, sizeof(host)), ntohs(party->port_be));
}

// What a controller would say, with Call-IDs and tags of the usual length.
size_t load_book_command(
	const struct load_book *book, char verb, uint32_t call, char text[LOAD_MAX_COMMAND]) {
	const struct load_book_params *p = &book->params;
	struct rr_endpoint caller = party_of(p->caller, call);
	struct rr_endpoint callee = party_of(p->callee, call);
	char callid[64], from[32], to[32];
	size_t len;

	snprintf(callid, sizeof(callid), "%08x-%08x-load@192.0.2.1", p->run, call);
	snprintf(from, sizeof(from), "a%08x;1", call);
	snprintf(to, sizeof(to), "b%08x;1", call);
	switch (verb) {
	case 'U':
		len = offer(book, verb, callid, &caller, &callee, text);
		len += (size_t)snprintf(text + len, LOAD_MAX_COMMAND - len, " %s", from);
		if (p->notify)
			len += (size_t)snprintf(
				text + len, LOAD_MAX_COMMAND - len, " %s T%08x", p->notify, call);
		return len;
	case 'L':
		len = offer(book, verb, callid, &callee, &caller, text);
		return len +
		       (size_t)snprintf(text + len, LOAD_MAX_COMMAND - len, " %s %s", from, to);
	case 'Q':
	case 'D':
		return (size_t)snprintf(
			text, LOAD_MAX_COMMAND, "%c %s %s %s", verb, callid, from, to);
	default:
		return (size_t)snprintf(text, LOAD_MAX_COMMAND, "%c", verb);
	}
}

// ---- pairs

static void set_state(struct load_book *book, struct load_call *call, uint8_t state) {
	book->n_state[call->state]--;
	call->state = state;
	book->n_state[state]++;
}

// Place of an address, made when it is new; -1 when there is no room.
static int find_addr(struct load_book *book, const struct rr_endpoint *addr) {
	struct load_addr *a;

	for (uint32_t i = 0; i < book->n_addrs; i++)
		if (rr_endpoint_equal(&book->addrs[i].addr, addr))
			return (int)i;
	if (book->n_addrs == MAX_ADDRS)
		return -1;
	a = &book->addrs[book->n_addrs];
	a->addr = *addr;
	a->owner = calloc(N_PAIRS, sizeof(*a->owner));
	return a->owner ? (int)book->n_addrs++ : -1;
}

static void release(struct load_book *book, struct load_call *call) {
	for (unsigned int leg = 0; leg < 2; leg++) {
		if (call->port[leg] == 0)
			continue;
		book->addrs[call->addr[leg]].owner[call->port[leg] / 2] = 0;
		call->port[leg] = 0;
		book->n_pairs--;
	}
	set_state(book, call, LOAD_DOWN);
}

static bool take(struct load_book *book, uint32_t number, unsigned int leg,
	const struct rr_endpoint *addr, uint16_t port) {
	struct load_call *call = &book->calls[number];
	int place = find_addr(book, addr);
	uint32_t *owner;

	if (place < 0) {
		load_book_complain(book, "call %u: no room for another address", number);
		return false;
	}
	owner = &book->addrs[place].owner[port / 2];
	if (call->port[leg] != 0) {
		if (call->port[leg] == port && call->addr[leg] == place)
			return true;
		load_book_complain(book, "call %u: leg %u moved from port %u to %u", number, leg,
			call->port[leg], port);
		return false;
	}
	if (*owner != 0) {
		load_book_complain(book, "call %u: got port %u, which call %u has", number, port,
			(*owner - 1) / 2);
		return false;
	}
	*owner = 1 + 2 * number + leg;
	call->port[leg] = port;
	call->addr[leg] = (uint16_t)place;
	book->n_pairs++;
	if (call->port[!leg] != 0)
		set_state(book, call, LOAD_UP);
	else
		set_state(book, call, LOAD_HALF);
	return true;
}

// ---- replies

// A number of at most max that fills `len` characters, or -1.
static long number_of(const char *text, size_t len, long max) {
	long n = 0;

	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]) || n > max)
			return -1;
		n = 10 * n + (text[i] - '0');
	}
	return len > 0 && n <= max ? n : -1;
}

// PORT, PORT ADDRESS or PORT ADDRESS 6.
static bool read_port(const char *text, uint16_t *port, struct rr_endpoint *addr) {
	const char *space = strchr(text, ' ');
	long n = number_of(text, space ? (size_t)(space - text) : strlen(text), UINT16_MAX);
	char host[64];
	size_t len;
	bool ipv6;

	*addr = (struct rr_endpoint){.family = RR_FAMILY_NONE};
	*port = (uint16_t)n;
	if (n <= 0 || n % 2 != 0)
		return false;
	if (!space)
		return true;
	len = strcspn(space + 1, " ");
	ipv6 = strcmp(space + 1 + len, " 6") == 0;
	if (len >= sizeof(host) || (!ipv6 && space[1 + len] != '\0'))
		return false;
	memcpy(host, space + 1, len);
	host[len] = '\0';
	return rr_endpoint_parse_addr(addr, host, ipv6 ? RR_FAMILY_IPV6 : RR_FAMILY_IPV4) == 0;
}

static bool is_query_reply(const char *text) {
	unsigned int n = 0;

	while (true) {
		size_t len = strcspn(text, " ");

		if (number_of(text, len, INT32_MAX) < 0)
			return false;
		n++;
		if (text[len] == '\0')
			return n == N_QUERY_FIGURES;
		text += len + 1;
	}
}

static bool judge(struct load_book *book, char verb, uint32_t call, const char *text) {
	struct rr_endpoint addr;
	uint16_t port;

	switch (verb) {
	case 'U':
	case 'L':
		return read_port(text, &port, &addr) && take(book, call, verb == 'L', &addr, port);
	case 'Q':
		return is_query_reply(text);
	case 'D':
		release(book, &book->calls[call]);
		return strcmp(text, "0") == 0;
	case 'X':
		for (uint32_t i = 0; i < book->params.n_calls; i++)
			release(book, &book->calls[i]);
		return strcmp(text, "0") == 0;
	default:
		return strcmp(text, VERSION) == 0;
	}
}

enum load_outcome load_book_reply(struct load_book *book, char verb, uint32_t call,
	const char *text, size_t len, unsigned int *code) {
	char reply[MAX_REPLY + 1];
	long number;

	if (len > MAX_REPLY || memchr(text, '\0', len)) {
		load_book_complain(
			book, "call %u: %c: %zu bytes that are no reply", call, verb, len);
		return LOAD_WRONG;
	}
	memcpy(reply, text, len);
	reply[len] = '\0';
	if (reply[0] == 'E') {
		number = number_of(reply + 1, len - 1, LOAD_MAX_CODE);
		*code = (unsigned int)number;
		if (number >= 0)
			return LOAD_ERROR;
	}
	if (verb == 'L' && strcmp(reply, "0") == 0)
		return LOAD_MISSED;
	if (judge(book, verb, call, reply))
		return LOAD_OK;
	load_book_complain(book, "call %u: %c: reply \"%.100s\"", call, verb, reply);
	return LOAD_WRONG;
}
