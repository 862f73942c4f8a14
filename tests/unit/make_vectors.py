#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes frames before and after the relay, built by scapy, as rows for tests/unit/test_rewrite.cc.

usage: make_vectors.py OUTPUT

Addresses, MACs and hop limit are those of tests/unit/dp_fixture.h. A row:
VECTOR(name, checksum mode, address of arrival, address of departure, Ethernet length, IP length,
       source, source port, destination, destination port, TOS, frame in, frame out)
"""

import itertools
import logging
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, PadN  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

# name in dp_fixture.h: address, VLAN, MAC of its port
LOCAL = {
    "EXT4": ("198.18.0.1", None, "02:00:00:00:00:10"),
    "EXT6": ("2001:db8:1::1", None, "02:00:00:00:00:10"),
    "INT4": ("10.1.0.1", 100, "02:00:00:00:00:20"),
    "INT6": ("2001:db8:2::1", 100, "02:00:00:00:00:20"),
}
REMOTE = {
    "EXT4": ("198.18.77.3", 40001),
    "EXT6": ("2001:db8:1::abcd:1", 40003),
    "INT4": ("10.1.9.9", 65535),
    "INT6": ("2001:db8:2:9::ffff", 1),
}
NEXT_HOP = "aa:aa:aa:aa:aa:07"
SENDER = "02:00:00:00:00:99"
IN_PORT, OUT_PORT = 20002, 20050
TOS = 0xb8
HOP_LIMIT = 57
LENGTHS = (0, 1, 2, 3, 12, 33, 172, 173, 1400)


def is_v6(local):
    return local.endswith("6")


def payload_of(length):
    return bytes((i * 37 + length) & 0xff for i in range(length))


def ether(local, src, dst):
    vlan = LOCAL[local][1]
    layer = Ether(src=src, dst=dst)
    return layer / Dot1Q(vlan=vlan) if vlan else layer


def arrival(local, payload, options=False, checksum=None):
    """What the party behind `local` sends to it."""
    src, sport = REMOTE[local]
    dst, _, mac = LOCAL[local]
    udp = UDP(sport=sport, dport=IN_PORT, chksum=checksum) / Raw(payload)
    if is_v6(local):
        ip = IPv6(src=src, dst=dst, hlim=3, tc=0x20, fl=0x12345)
        if options:
            ip = ip / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
    else:
        ip = IP(src=src, dst=dst, ttl=3, tos=0x20, id=4711,
                options=b"\x01" * 8 if options else [])
    return bytes(ether(local, SENDER, mac) / ip / udp)


def departure(local, payload, checksum=None):
    """What the relay sends from `local` to the party behind it."""
    dst, dport = REMOTE[local]
    src, _, mac = LOCAL[local]
    udp = UDP(sport=OUT_PORT, dport=dport, chksum=checksum) / Raw(payload)
    if is_v6(local):
        ip = IPv6(src=src, dst=dst, hlim=HOP_LIMIT, tc=TOS, fl=0)
    else:
        ip = IP(src=src, dst=dst, ttl=HOP_LIMIT, tos=TOS, id=0, flags="DF")
    return bytes(ether(local, mac, NEXT_HOP) / ip / udp)


def udp_checksum(frame, local):
    at = len(bytes(ether(local, SENDER, NEXT_HOP))) + (40 if is_v6(local) else 20) + 6
    return int.from_bytes(frame[at:at + 2], "big")


def payload_for_checksum_zero(local):
    """Two bytes that bring the outgoing sum to zero, which is sent as 0xffff."""
    checksum = udp_checksum(departure(local, b"\0\0"), local)
    payload = checksum.to_bytes(2, "big")
    assert udp_checksum(departure(local, payload), local) == 0xffff
    return payload


def pseudo_checksum(local, payload):
    """Sum over the pseudo header, not complemented: what a device wants to find."""
    src, dst = LOCAL[local][0], REMOTE[local][0]
    length = 8 + len(payload)
    if is_v6(local):
        data = bytes(IPv6(src=src, dst=dst))[8:40] + length.to_bytes(4, "big") + b"\0\0\0\x11"
    else:
        data = bytes(IP(src=src, dst=dst))[12:20] + b"\0\x11" + length.to_bytes(2, "big")
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def row(name, mode, came, goes, frame_in, frame_out, options=False):
    l2_len = 18 if LOCAL[came][1] else 14
    l3_len = (40 + 16 * options) if is_v6(came) else (20 + 8 * options)
    src, sport = REMOTE[came]
    dst, dport = REMOTE[goes]
    return (f'VECTOR("{name}", RR_CHECKSUM_{mode}, {came}, {goes}, {l2_len}, {l3_len}, "{src}", '
            f'{sport}, "{dst}", {dport}, {TOS},\n\t"{frame_in.hex()}",\n\t"{frame_out.hex()}")\n')


def rows():
    for came, goes in itertools.product(LOCAL, LOCAL):
        way = f"{came}_to_{goes}"
        for length in LENGTHS:
            payload = payload_of(length)
            for mode in ("FULL", "INCREMENTAL"):
                yield row(f"{way}_{mode}_{length}", mode, came, goes, arrival(came, payload),
                          departure(goes, payload))
            yield row(f"{way}_OFFLOAD_{length}", "OFFLOAD", came, goes, arrival(came, payload),
                      departure(goes, payload, pseudo_checksum(goes, payload)))
        payload = payload_of(172)
        yield row(f"{way}_options", "INCREMENTAL", came, goes, arrival(came, payload, True),
                  departure(goes, payload), True)
        zero = payload_for_checksum_zero(goes)
        for mode in ("FULL", "INCREMENTAL"):
            yield row(f"{way}_{mode}_sum_zero", mode, came, goes, arrival(came, zero),
                      departure(goes, zero))
        # A partial checksum, as local senders leave it, is made right by computing it anew.
        yield row(f"{way}_partial", "FULL", came, goes,
                  arrival(came, payload, checksum=pseudo_checksum(came, payload)),
                  departure(goes, payload))
        if not is_v6(came):
            unsummed = arrival(came, payload, checksum=0)
            yield row(f"{way}_FULL_none", "FULL", came, goes, unsummed, departure(goes, payload))
            yield row(f"{way}_INCREMENTAL_none", "INCREMENTAL", came, goes, unsummed,
                      departure(goes, payload, None if is_v6(goes) else 0))


def main():
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.writelines(rows())


if __name__ == "__main__":
    main()
