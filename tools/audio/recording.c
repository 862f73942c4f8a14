// SPDX-License-Identifier: BSD-2-Clause
// Reads recordings: records of common/adhoc_record.h, and captures as libpcap reads them.
//
// An ad-hoc file has no magic number: it is one if its first record makes sense. Each record is
// looked at as if it came from an enemy, for what follows a broken one cannot be found again.
#include "recording.h"

#include <errno.h>
#include <math.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc_record.h"

// Seconds of Unix time that a recording can have been made at: up to the year 2100.
#define MAX_TIME_S 4102444800.0

struct recording {
	pcap_t *pcap; // NULL: ad-hoc
	FILE *file; // of an ad-hoc one; of a capture it is libpcap's
	uint64_t offset; // of the next record
	uint64_t n_cut;
	uint8_t datagram[UINT16_MAX];
};

static int fail(char *fault, int error, const char *format, ...) RR_PRINTF(3, 4);

static int fail(char *fault, int error, const char *format, ...) {
	va_list args;

	va_start(args, format);
	vsnprintf(fault, RECORDING_FAULT_LEN, format, args);
	va_end(args);
	return error;
}

static bool magic_is_pcap(uint32_t magic) {
	static const uint32_t magics[] = {
		0xa1b2c3d4, // microseconds
		0xa1b23c4d, // nanoseconds
		0xd4c3b2a1, // both in the other byte order
		0x4d3cb2a1,
		0x0a0d0d0a, // pcapng
	};

	for (size_t i = 0; i < RR_ARRAY_LEN(magics); i++)
		if (magics[i] == magic)
			return true;
	return false;
}

// The rest of the 16 bytes of an IPv4 address is zero, which other files seldom have there.
static bool addr_is_sane(const struct rr_adhoc_record *record) {
	static const uint8_t zero[12];

	if (record->family == RR_ADHOC_FAMILY_IPV6)
		return true;
	return record->family == RR_ADHOC_FAMILY_IPV4 &&
	       memcmp(record->addr + 4, zero, sizeof(zero)) == 0;
}

static bool record_is_sane(const struct rr_adhoc_record *record) {
	// Also false for what is no number.
	return addr_is_sane(record) && record->arrived_s >= 0 && record->arrived_s <= MAX_TIME_S;
}

// Returns 1, 0 at the end, -EIO for one that is cut short or makes no sense.
static int read_record(
	struct recording *r, struct rr_adhoc_record *record, char fault[RECORDING_FAULT_LEN]) {
	size_t n = fread(record, 1, sizeof(*record), r->file);

	if (n == 0 && !ferror(r->file))
		return 0;
	if (n == sizeof(*record) && !record_is_sane(record))
		return fail(fault, -EIO, "damaged at byte %llu: no record begins there",
			(unsigned long long)r->offset);
	if (n < sizeof(*record) ||
		fread(r->datagram, 1, record->datagram_len, r->file) < record->datagram_len)
		return fail(fault, -EIO, "cut short: its last record, at byte %llu, is not whole",
			(unsigned long long)r->offset);
	r->offset += sizeof(*record) + record->datagram_len;
	return 1;
}

static int next_adhoc(struct recording *r, struct recorded *out, char fault[RECORDING_FAULT_LEN]) {
	struct rr_adhoc_record record;
	struct rr_endpoint *from = &out->datagram.from;
	int result = read_record(r, &record, fault);

	if (result <= 0)
		return result;
	*out = (struct recorded){
		.arrived_us = llround(record.arrived_s * 1e6),
		.datagram = {.data = r->datagram, .len = record.datagram_len},
	};
	from->family = record.family == RR_ADHOC_FAMILY_IPV4 ? RR_FAMILY_IPV4 : RR_FAMILY_IPV6;
	from->port_be = record.port_be;
	memcpy(from->addr, record.addr, sizeof(from->addr));
	return 1;
}

// Frames that hold no UDP are passed over.
static int next_captured(
	struct recording *r, struct recorded *out, char fault[RECORDING_FAULT_LEN]) {
	struct pcap_pkthdr *header;
	const u_char *frame;
	int result;

	while ((result = pcap_next_ex(r->pcap, &header, &frame)) == 1) {
		if (header->ts.tv_sec < 0 || (double)header->ts.tv_sec > MAX_TIME_S)
			return fail(fault, -EIO,
				"damaged: a frame says it came in the year 2100 "
				"or later");
		result = datagram_parse(
			&out->datagram, pcap_datalink(r->pcap), frame, header->caplen);
		if (result == 0) {
			out->arrived_us = (int64_t)header->ts.tv_sec * 1000000 + header->ts.tv_usec;
			return 1;
		}
		r->n_cut += result == -EMSGSIZE;
	}
	return result == PCAP_ERROR_BREAK ? 0
					  : fail(fault, -EIO, "damaged: %s", pcap_geterr(r->pcap));
}

int recording_next(struct recording *r, struct recorded *out, char fault[RECORDING_FAULT_LEN]) {
	return r->pcap ? next_captured(r, out, fault) : next_adhoc(r, out, fault);
}

uint64_t recording_n_cut(const struct recording *r) {
	return r->n_cut;
}

static int open_pcap(struct recording *r, char fault[RECORDING_FAULT_LEN]) {
	char error[PCAP_ERRBUF_SIZE];
	int link_type;

	r->pcap = pcap_fopen_offline(r->file, error);
	if (!r->pcap)
		return fail(fault, -EINVAL, "no capture: %s", error);
	r->file = NULL;
	link_type = pcap_datalink(r->pcap);
	if (!datagram_link_is_known(link_type))
		return fail(fault, -EINVAL, "captured on a link of type %d, which is not known",
			link_type);
	return 0;
}

static int check_adhoc(struct recording *r, char fault[RECORDING_FAULT_LEN]) {
	struct rr_adhoc_record first;
	size_t n = fread(&first, 1, sizeof(first), r->file);

	rewind(r->file);
	if (n == sizeof(first) && !record_is_sane(&first))
		return fail(fault, -EINVAL, "neither a capture nor a recording of rtpproxy's");
	return 0;
}

static int open_format(struct recording *r, char fault[RECORDING_FAULT_LEN]) {
	uint32_t magic;
	size_t n = fread(&magic, 1, sizeof(magic), r->file);

	rewind(r->file);
	if (n == 0)
		return fail(fault, -ENODATA, ferror(r->file) ? "cannot be read" : "empty");
	return n == sizeof(magic) && magic_is_pcap(magic) ? open_pcap(r, fault)
							  : check_adhoc(r, fault);
}

int recording_open(struct recording **recording, FILE *file, char fault[RECORDING_FAULT_LEN]) {
	struct recording *r = calloc(1, sizeof(*r));
	int result;

	if (!r) {
		fclose(file);
		return fail(fault, -ENOMEM, "no memory");
	}
	r->file = file;
	result = open_format(r, fault);
	if (result < 0) {
		recording_close(r);
		return result;
	}
	*recording = r;
	return 0;
}

void recording_close(struct recording *r) {
	if (r->pcap)
		pcap_close(r->pcap);
	if (r->file)
		fclose(r->file);
	free(r);
}
