#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Judges calls by what both parties' interfaces saw: each SDP, and each packet of media.

A party must be told media addresses of the relay's pool on its own side and no other, the same ones
in all of a call. What it sends there must arrive at the address the other party told, once, in
order and unaltered, and nothing else may arrive. Totals must be what the relay counted.
"""

import argparse
import collections
import ipaddress
import re
import struct
import sys

SIP_PORT = 5060
RECORD = struct.Struct("<IIII")
SLL2 = struct.Struct("!HHIHBB8s")  # Linux cooked capture v2
SLL2_LINK = 276
OUTGOING = 4
LINK_HEADERS = {1: 14, 113: 16, SLL2_LINK: SLL2.size}

Packet = collections.namedtuple("Packet", "time outgoing source dest payload")
Sdp = collections.namedtuple("Sdp", "hosts port lines")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def records(path):
    """(link type, time in ns or us, bytes) of each packet of a capture."""
    with open(path, "rb") as file:
        data = file.read()
    magic, link = struct.unpack_from("<I16xI", data)
    check(magic in (0xA1B2C3D4, 0xA1B23C4D), f"{path}: not a capture of this machine")
    at = 24
    while at + RECORD.size <= len(data):
        seconds, fraction, length, original = RECORD.unpack_from(data, at)
        at += RECORD.size
        check(length == original, f"{path}: a packet was cut short")
        yield link, (seconds, fraction), data[at:at + length]
        at += length


def udp_of(data):
    """Source, destination and payload of an IP packet, or None when it is no whole UDP."""
    version = data[0] >> 4
    at = (data[0] & 15) * 4 if version == 4 else 40
    if data[9 if version == 4 else 6] != 17:
        return None
    hosts = (data[12:16], data[16:20]) if version == 4 else (data[8:24], data[24:40])
    sport, dport, length = struct.unpack_from("!HHH", data, at)
    return (hosts[0], sport), (hosts[1], dport), data[at + 8:at + length]


def packets(path):
    for link, time, data in records(path):
        outgoing = link == SLL2_LINK and data[10] == OUTGOING
        udp = udp_of(data[LINK_HEADERS[link]:])
        if udp:
            yield Packet(time, outgoing, *udp)


def endpoint_text(endpoint):
    return f"[{ipaddress.ip_address(endpoint[0])}]:{endpoint[1]}"


class Message:
    """A SIP message with what a relay has to do with in it."""

    def __init__(self, payload):
        head, _, body = payload.decode().partition("\r\n\r\n")
        self.start = head.split("\r\n", 1)[0]
        self.call_id = re.search(r"^Call-ID: *(\S+)", head, re.M | re.I).group(1)
        self.cseq = re.search(r"^CSeq: *(.*?)\r?$", head, re.M | re.I).group(1)
        self.sdp = self._sdp(body) if body.strip() else None

    @staticmethod
    def _sdp(body):
        hosts = [ipaddress.ip_address(host)
                 for host in re.findall(r"^[co]=.*IN IP[46] (\S+?)\r?$", body, re.M)]
        ports = re.findall(r"^m=audio (\d+) ", body, re.M)
        check(len(hosts) == 2 and len(ports) == 1, f"an SDP of another shape: {body!r}")
        return Sdp(hosts, int(ports[0]), body)


class Side:
    """What one party said and was told, call by call, and the media it sent and got."""

    def __init__(self, name, path, pool, ports):
        self.name, self.ports = name, ports
        self.pool = {ipaddress.ip_address(host) for host in pool.split()}
        self.said, self.told = {}, {}  # call -> endpoint
        self.changes = collections.Counter()  # SDPs told, repeated ones apart
        self.promises = collections.defaultdict(list)  # the relay's endpoint -> [(time, call)]
        self.sent = collections.defaultdict(list)
        self.got = collections.defaultdict(list)
        self._seen = set()
        media = []
        for packet in packets(path):
            if SIP_PORT in (packet.source[1], packet.dest[1]):
                self._sip(packet)
            else:
                media.append(packet)
        for packet in media:  # it may overtake the message that announces it
            self._media(packet)

    def _sip(self, packet):
        message = Message(packet.payload)
        if message.sdp is None:
            return
        if packet.outgoing:
            self._say(message)
        else:
            self._hear(message, packet.time)

    def _say(self, message):
        host = message.sdp.hosts[1]
        if not host.is_unspecified:
            self.said[message.call_id] = (host.packed, message.sdp.port)

    def _hear(self, message, time):
        sdp = message.sdp
        origin, host = sdp.hosts
        if host.is_unspecified:  # a hold as of RFC 2543: no address in o= either
            check(origin.is_unspecified, f"{message.call_id}: o= names {origin} on hold")
        else:
            self._promise(message.call_id, host, sdp, time)
            check(origin in self.pool, f"{message.call_id}: o= names {origin}")
        key = message.call_id, message.cseq, message.start
        if key not in self._seen:
            self._seen.add(key)
            self.changes[message.call_id] += 1

    def _promise(self, call, host, sdp, time):
        endpoint = host.packed, sdp.port
        check(host in self.pool, f"{call}: c= names {host}, no address of the relay's pool")
        check(sdp.port in self.ports and sdp.port % 2 == 0, f"{call}: m= names port {sdp.port}")
        check(self.told.get(call, endpoint) == endpoint,
              f"{call}: was told {endpoint_text(endpoint)} after another address")
        self.told[call] = endpoint
        self.promises[endpoint].append((time, call))

    def _owner(self, endpoint, time):
        """The call that was told last by then, else the first one that ever was."""
        promises = self.promises.get(endpoint, [])
        before = [call for at, call in promises if at <= time]
        return before[-1] if before else promises[0][1] if promises else None

    def _media(self, packet):
        relay, party = ((packet.dest, packet.source) if packet.outgoing else
                        (packet.source, packet.dest))
        call = self._owner(relay, packet.time)
        where = f"{endpoint_text(packet.source)} to {endpoint_text(packet.dest)}"
        check(call is not None, f"media of no call: {where}")
        check(party == self.said[call], f"{call}: media {where}, not as the party said")
        (self.sent if packet.outgoing else self.got)[call].append(packet.payload)


def count(lists):
    return sum(map(len, lists.values()))


def check_direction(sender, receiver, calls, talk, n_talks, n_early):
    """n_talks: how often the sender says the whole of talk in a call. n_early: see --early."""
    for call in calls:
        sent, got = sender.sent[call], receiver.got[call]
        what = f"{call}, to the {receiver.name}"
        check(sent == talk * n_talks, f"{what}: {len(sent)} packets sent, not {n_talks} talks")
        n_missing = len(sent) - len(got)
        check(n_missing <= n_early and got == sent[n_missing:],
              f"{what}: {len(sent)} packets sent, {len(got)} arrived")
        n_early -= n_missing
    check(n_early == 0, f"to the {receiver.name}: {n_early} packets were early and arrived")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--caller", "--callee", "--external", "--internal", "--ports", "--talk"):
        parser.add_argument(option, required=True)
    for option in ("--calls", "--relayed", "--caller-talks", "--callee-talks"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--caller-sdps", type=int, default=1, help="told to the caller in a call")
    parser.add_argument("--callee-sdps", type=int, default=1)
    parser.add_argument("--early", type=int, default=0,
                        help="packets that the relay had of a party before it knew its answer")
    parser.add_argument("--answers", choices=("caller", "callee"), default="callee",
                        help="who answers the other's offer")
    args = parser.parse_args()

    low, high = map(int, args.ports.split("-"))
    talk = [packet.payload for packet in packets(args.talk)]
    ports = range(low, high + 1)
    caller = Side("caller", args.caller, args.external, ports)
    callee = Side("callee", args.callee, args.internal, ports)
    calls = sorted(callee.told)
    check(len(calls) == args.calls, f"{len(calls)} calls seen of {args.calls}")
    for side, wanted in (caller, args.caller_sdps), (callee, args.callee_sdps):
        for call in calls:
            check(side.changes[call] == wanted,
                  f"{call}: the {side.name} was told {side.changes[call]} times, not {wanted}")
    early = {"caller": 0, "callee": 0, args.answers: args.early}
    check_direction(caller, callee, calls, talk, args.caller_talks, early["caller"])
    check_direction(callee, caller, calls, talk, args.callee_talks, early["callee"])
    arrived = count(caller.got) + count(callee.got)
    check(arrived == args.relayed, f"{arrived} packets arrived, the relay counts {args.relayed}")
    print(f"{len(calls)} calls; {count(caller.sent)} packets from callers, {count(callee.got)} "
          f"arrived; {count(callee.sent)} from callees, {count(caller.got)} arrived")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AssertionError as error:
        sys.exit(f"witness: {error}")
