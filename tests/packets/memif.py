# SPDX-License-Identifier: BSD-2-Clause
"""A port of the dataplane as a test's own wire: frames go in and come out while it runs.

The client side of memif 2.0, as DPDK's net_memif speaks it: a control socket over which the shared
memory is handed, and in it a pair of rings per queue. The client owns all memory. Polling only; the
interrupt descriptors are handed over because the protocol wants them.
"""

import mmap
import os
import socket
import struct

from waiting import wait_until

VERSION = 0x0200
COOKIE = 0x3E31F20
ACK, HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED, DISCONNECT = range(1, 9)
MESSAGE_SIZE = 128
C2S = 1  # flag of ADD_RING: client to server

LOG2_SLOTS = 10
N_SLOTS = 1 << LOG2_SLOTS
BUFFER_SIZE = 2048
DESC_AT = 128  # behind two cache lines with flags and head, and tail
DESC_SIZE = 16
RING_SIZE = DESC_AT + N_SLOTS * DESC_SIZE
DESC_NEXT = 1


class _Ring:
    def __init__(self, memory, u16, at, buffers_at):
        self.memory = memory
        self.u16 = u16
        self.at = at
        struct.pack_into("=IH", memory, at, COOKIE, 1)
        for slot in range(N_SLOTS):
            self.describe(slot, BUFFER_SIZE, buffers_at + slot * BUFFER_SIZE)
        self.buffers_at = buffers_at
        self.done = 0  # free-running 16 bits

    def describe(self, slot, length, buffer_at):
        struct.pack_into(
            "=HHIII", self.memory, self.at + DESC_AT + slot * DESC_SIZE, 0, 0, length, buffer_at, 0
        )

    def buffer(self, index):
        return self.buffers_at + index % N_SLOTS * BUFFER_SIZE

    @property
    def head(self):
        return self.u16[(self.at + 6) // 2]

    @head.setter
    def head(self, value):
        self.u16[(self.at + 6) // 2] = value & 0xFFFF

    @property
    def tail(self):
        return self.u16[(self.at + 64) // 2]


class Wire:
    """Connected to a net_memif device of role server."""

    def __init__(self, path, n_queues, check):
        self.check = check
        self.socket = wait_until(
            lambda: self._connect(path, n_queues), f"a connection to {path}", check
        )

    def _connect(self, path, n_queues):
        """One attempt; the device refuses until its port was started."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            channel.connect(path)
            self._expect(channel, HELLO)
            self._send(channel, INIT, struct.pack("=HIB24s32s", VERSION, 0, 0, b"", b"test"))
            self._expect(channel, ACK)
        except (OSError, ConnectionError):
            channel.close()
            return None
        self._share(channel, n_queues)
        return channel

    def _share(self, channel, n_queues):
        n_rings = 2 * n_queues
        rings_size = (n_rings * RING_SIZE + 4095) // 4096 * 4096
        size = rings_size + n_rings * N_SLOTS * BUFFER_SIZE
        fd = os.memfd_create("wire", os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        self.memory = mmap.mmap(fd, size)
        self.u16 = memoryview(self.memory).cast("H")
        rings = [
            _Ring(
                self.memory, self.u16, i * RING_SIZE, rings_size + i * N_SLOTS * BUFFER_SIZE
            ) for i in range(n_rings)
        ]
        self.to_relay, self.from_relay = rings[:n_queues], rings[n_queues:]
        self._send(channel, ADD_REGION, struct.pack("=HQ", 0, size), fd)
        self._expect(channel, ACK)
        os.close(fd)
        for i, ring in enumerate(rings):
            flags = C2S if i < n_queues else 0
            event = os.eventfd(0, os.EFD_NONBLOCK)
            body = struct.pack("=HHHIBH", flags, i % n_queues, 0, ring.at, LOG2_SLOTS, 0)
            self._send(channel, ADD_RING, body, event)
            self._expect(channel, ACK)
            os.close(event)
        self._send(channel, CONNECT, b"wire")
        self._expect(channel, CONNECTED)
        for ring in self.from_relay:
            ring.head = N_SLOTS

    @staticmethod
    def _send(channel, kind, body, fd=None):
        message = (struct.pack("=H", kind) + body).ljust(MESSAGE_SIZE, b"\0")
        socket.send_fds(channel, [message], [] if fd is None else [fd])

    @staticmethod
    def _expect(channel, kind):
        message = channel.recv(MESSAGE_SIZE)
        got = struct.unpack_from("=H", message)[0] if message else 0
        if got != kind:
            raise ConnectionError(f"memif message {got} instead of {kind}: {message[6:102]!r}")

    def close(self):
        self.socket.close()
        self.u16.release()
        self.memory.close()

    def send(self, *frames, queue=0):
        """Put frames on the wire, waiting for room."""
        ring = self.to_relay[queue]
        for frame in frames:
            frame = bytes(frame)
            wait_until(
                lambda: (ring.head - ring.tail) & 0xFFFF < N_SLOTS, "room on the wire", self.check
            )
            at = ring.buffer(ring.head)
            self.memory[at : at + len(frame)] = frame
            ring.describe(ring.head % N_SLOTS, len(frame), at)
            ring.head = ring.head + 1

    def taken(self):
        """True when the device has fetched all that was sent."""
        return all(ring.head == ring.tail for ring in self.to_relay)

    def receive(self):
        """All frames that have left by the port since the last call, queue by queue."""
        frames = []
        for ring in self.from_relay:
            tail = ring.tail
            while ring.done != tail:
                slot = ring.done % N_SLOTS
                flags, _, length = struct.unpack_from(
                    "=HHI", self.memory, ring.at + DESC_AT + slot * DESC_SIZE
                )
                if flags & DESC_NEXT:
                    raise AssertionError("frame in several buffers")
                at = ring.buffer(ring.done)
                frames.append(bytes(self.memory[at : at + length]))
                ring.describe(slot, BUFFER_SIZE, at)
                ring.done = (ring.done + 1) & 0xFFFF
                ring.head = ring.head + 1
        return frames
