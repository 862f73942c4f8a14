# SPDX-License-Identifier: BSD-2-Clause
"""A `shm:` command socket that is used like a datagram socket; for tools and tests.

It looks at the reply ring again and again and rings the bell for every command, and so needs none
of the ways in which two sides tell each other that they wait (common/msg_ring.h).
"""

import array
import mmap
import os
import socket
import struct
import time

HELLO = struct.Struct("=IIII")  # magic, version, bytes of memory, reserved
MAGIC, VERSION = 0x52544D31, 1
RING = 65536
PRODUCER, CONSUMER = 0, 128  # where the indexes of a ring are
COMMANDS, REPLIES = 0, 256  # where the rings' shared parts are
BYTES = 512  # of the commands; those of the replies follow
ALIGN = 8
LOOK_S = 0.0005


class ShmSocket:
    def __init__(self, path):
        self.timeout = 1.0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.sock.connect(path)
            self.sock.settimeout(5)
            self._take_hello()
        except BaseException:
            self.sock.close()
            raise
        self.sock.setblocking(False)
        self.tail = self.head = 0

    def _take_hello(self):
        fds = array.array("i", [-1, -1])
        data, control, *_ = self.sock.recvmsg(HELLO.size, socket.CMSG_SPACE(2 * fds.itemsize))
        if not data:
            raise ConnectionResetError("closed at once")
        fds = array.array("i", control[0][2][:2 * fds.itemsize])
        memory, self.bell = fds
        magic, version, size, _ = HELLO.unpack(data)
        if (magic, version) != (MAGIC, VERSION):
            raise OSError(f"version {version} of shared memory")
        self.map = mmap.mmap(memory, size)
        os.close(memory)
        self.words = memoryview(self.map).cast("I")  # written and read in one piece each

    def settimeout(self, seconds):
        self.timeout = seconds

    def _copy(self, ring, index, data=None, size=0):
        """Write or read bytes of a ring from an index on, round its end."""
        base = BYTES + ring * RING
        at = index % RING
        size = len(data) if data is not None else size
        first = min(size, RING - at)
        if data is None:
            return self.map[base + at:base + at + first] + self.map[base:base + size - first]
        self.map[base + at:base + at + first] = data[:first]
        self.map[base:base + size - first] = data[first:]
        return None

    def send(self, data):
        message = struct.pack("=I", len(data)) + data
        message += bytes(-len(message) % ALIGN)
        if self.tail - self.words[(COMMANDS + CONSUMER) // 4] + len(message) > RING:
            raise BlockingIOError("no room for a command")
        self._copy(0, self.tail, message)
        self.tail = (self.tail + len(message)) % (1 << 32)
        self.words[(COMMANDS + PRODUCER) // 4] = self.tail
        os.write(self.bell, struct.pack("=Q", 1))

    def recv(self, size):
        deadline = time.monotonic() + self.timeout
        while self.words[(REPLIES + PRODUCER) // 4] == self.head:
            self._look_for_end()
            if time.monotonic() > deadline:
                raise socket.timeout("timed out")
            time.sleep(LOOK_S)
        length, = struct.unpack("=I", self._copy(1, self.head, size=4))
        text = self._copy(1, self.head + 4, size=length)
        self.head = (self.head + 4 + length + -(4 + length) % ALIGN) % (1 << 32)
        self.words[(REPLIES + CONSUMER) // 4] = self.head
        return text[:size]

    def _look_for_end(self):
        try:
            if not self.sock.recv(64):
                raise ConnectionResetError("closed")
        except BlockingIOError:
            pass

    def close(self):
        self.words.release()
        self.map.close()
        os.close(self.bell)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()
