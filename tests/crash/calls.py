# SPDX-License-Identifier: BSD-2-Clause
"""Calls of the crash tests: two parties each, with media running, that check all they receive.

A packet names its call, direction and number, so that one that went astray is recognised. While
nothing happens to a call, every packet must arrive; an `excuse` pauses that until media is back.
"""

import struct
import time

import relay  # noqa: F401, puts tools/ on the path
from media import open_pair

RTP, RTCP = 0, 1
PACKET_INTERVAL_S = 0.03
RTCP_EVERY = 3  # packets of RTP
IDENTITY = struct.Struct("!4sIBBI")
MAGIC = b"rrct"
PADDING = bytes(18)


class MediaFault(AssertionError):
    """A packet that came the wrong way, or did not come."""


def host_and_modifier(party, other):
    """Modifiers of a command that carries this party's SDP and asks for the other's relay port."""
    family = "6" if ":" in party.host else ""
    return family + (f"r[{other.host}]" if ":" in other.host else f"r{other.host}")


class Direction:
    """RTP or RTCP from one party to the other: what was sent, what arrived."""

    def __init__(self, call, kind, sender):
        self.call, self.kind, self.sender = call, kind, sender
        self.ssrc = (call.number << 2 | sender.index << 1) + 1
        self.next_index = 0
        self.arrived = 0  # index of the newest that arrived, plus one
        self.n_arrived = 0
        self.missing = None  # indexes that must still arrive; None while nothing is promised
        self.promised_from = 0

    def packet(self, index):
        identity = IDENTITY.pack(MAGIC, self.call.number, self.sender.index, self.kind, index)
        if self.kind == RTP:
            header = struct.pack("!BBHII", 0x80, 8, index & 0xFFFF, index * 160 & 0xFFFFFFFF,
                                 self.ssrc)
        else:
            header = struct.pack("!BBHIQII", 0x80, 200, 12, self.ssrc, index, index, index)
        return header + identity + PADDING

    def send(self, to):
        sock = self.sender.sockets[self.kind]
        packet = self.packet(self.next_index)
        if self.missing is not None:
            self.missing.add(self.next_index)
        self.next_index += 1
        sock.sendto(packet, (to[0], to[1] + self.kind))

    def take(self, index):
        if index >= self.next_index:
            raise MediaFault(f"{self}: packet {index} was never sent")
        self.n_arrived += 1
        self.arrived = max(self.arrived, index + 1)
        if self.missing is None:
            if index >= self.promised_from:
                self.promised_from = self.next_index
                self.missing = set()
        elif index in self.missing:
            self.missing.discard(index)
        elif index >= self.promised_from:
            raise MediaFault(f"{self}: packet {index} arrived twice")

    def excuse(self):
        """What is under way may be lost; the promise holds again once a later packet arrived."""
        self.missing = None
        self.promised_from = self.next_index

    def lost(self, before):
        """Promised packets with an index below `before` that have not arrived."""
        return sorted(i for i in self.missing or () if i < before)

    def __str__(self):
        return f"{self.call.call_id} {'RTP RTCP'.split()[self.kind]} from the {self.sender.name}"


class Party:
    """One side of a call: sockets for RTP and RTCP, and the relay's address as it was told."""

    def __init__(self, call, index, netns, host):
        self.call, self.index, self.netns, self.host = call, index, netns, host
        self.name = ("caller", "callee")[index]
        self.relay = None  # (host, RTP port)
        self.settled_from = [0, 0]  # indexes of the first packets that must come from there
        self.next_sockets = None
        self.sockets = self._open()
        self.directions = [Direction(call, kind, self) for kind in (RTP, RTCP)]

    def _open(self):
        sockets = open_pair(self.netns, self.host)
        for kind, sock in enumerate(sockets):
            self.call.loop.add(sock, lambda sock=sock, kind=kind: self._read(sock, kind))
        return sockets

    @property
    def port(self):
        return self.sockets[RTP].getsockname()[1]

    def prepare_move(self):
        """Open the sockets of another address; returns its port."""
        self.next_sockets = self._open()
        return self.next_sockets[RTP].getsockname()[1]

    def finish_move(self, moved):
        old = self.sockets if moved else self.next_sockets
        if moved:
            self.sockets = self.next_sockets
        self.next_sockets = None
        self._close(old)

    def told(self, local):
        """The relay's address for this party, out of a reply."""
        self.relay = local

    def settle(self):
        """What is sent from now on comes from the relay's address as it was told."""
        self.settled_from = [d.next_index for d in self.call.towards(self)]

    def send(self, kind):
        if self.relay is not None:
            self.directions[kind].send(self.relay)

    def _close(self, sockets):
        for sock in sockets:
            self.call.loop.remove(sock)
            sock.close()

    def close(self):
        self._close(self.sockets)
        if self.next_sockets is not None:
            self._close(self.next_sockets)

    def _read(self, sock, kind):
        while True:
            try:
                data, source = sock.recvfrom(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._take(data, source, kind)

    def _take(self, data, source, kind):
        direction = self.call.towards(self)[kind]
        offset = len(data) - IDENTITY.size - len(PADDING)
        if offset < 0:
            raise MediaFault(f"{direction}: {len(data)} bytes from {source}")
        _magic, _number, _index, _kind, index = IDENTITY.unpack_from(data, offset)
        if data != direction.packet(index):
            raise MediaFault(f"{direction}: foreign packet from {source}: {data.hex()}")
        self._check_source(direction, source, kind, index)
        direction.take(index)

    def _check_source(self, direction, source, kind, index):
        if self.call.busy or self.call.half_told or index < self.settled_from[kind]:
            return
        if self.relay is None or source[:2] != (self.relay[0], self.relay[1] + kind):
            raise MediaFault(f"{direction}: {index} came from {source[:2]}, the relay said "
                             f"{self.relay}")


class Call:
    """One call. `busy` while a command about it is under way."""

    def __init__(self, loop, number, call_id, ends):
        self.loop, self.number, self.call_id = loop, number, call_id
        self.busy = False
        # The dataplane died while a command was under way, and may have carried out a part; or a
        # repeated command was answered from the store while it was away. The next one has its
        # flows as they were, until control tells it everything anew.
        self.half_told = False
        self.is_quiet = False  # nothing that disturbs its media is ever done to it
        self.caller = Party(self, 0, *ends[0])
        self.callee = Party(self, 1, *ends[1])
        self.parties = [self.caller, self.callee]
        self.tags = f"f{number} t{number}"
        self.reversed_tags = f"t{number} f{number}"
        self.from_tag = f"f{number}"
        self.next_s = time.monotonic() + PACKET_INTERVAL_S * (number % 8) / 8
        self.n_turns = 0
        self.query = None  # figures of the last Q

    def towards(self, party):
        return self.parties[1 - party.index].directions

    @property
    def directions(self):
        return self.caller.directions + self.callee.directions

    def excuse(self):
        for direction in self.directions:
            direction.excuse()

    def settle(self):
        """What is sent from now on comes from where the parties were told."""
        for party in self.parties:
            party.settle()

    def tick(self, now):
        if now < self.next_s:
            return
        self.next_s = max(self.next_s + PACKET_INTERVAL_S, now)
        self.n_turns += 1
        for party in self.parties:
            party.send(RTP)
            if self.n_turns % RTCP_EVERY == 0:
                party.send(RTCP)

    def close(self):
        for party in self.parties:
            party.close()

    # ---- commands of a call; `party` is the one whose SDP they carry

    def offer(self, party, port=None, flags="", tags=None):
        other = self.parties[1 - party.index]
        tags = tags or (self.tags if party is self.caller else self.reversed_tags)
        return (f"U{flags}{host_and_modifier(party, other)} {self.call_id} {party.host} "
                f"{port or party.port} {tags}")

    def answer(self, party, port=None, flags=""):
        other = self.parties[1 - party.index]
        tags = self.tags if party is self.callee else self.reversed_tags
        return (f"L{flags}{host_and_modifier(party, other)} {self.call_id} {party.host} "
                f"{port or party.port} {tags}")
