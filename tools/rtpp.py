#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A controller's side of the rtpproxy protocol: one command to a command socket, its reply back.

As a program: tools/rtpp.py [--netns NAME] SOCKET COMMAND [ARGUMENT...]
"""

import argparse
import ctypes
import os
import random
import socket
import sys
import time

from rtpp_shm import ShmSocket

CLONE_NEWNET = 0x40000000
REPLY_MAX = 65536
INET = {
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
}


class RtppError(Exception):
    """No usable reply: refused, closed or silent."""


class Netns:
    """Context manager: sockets opened inside belong to the named network namespace.

    A socket keeps the namespace it was made in, so one process can hold ends in several.
    """

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, name):
        self.name = name  # None: stay where we are

    def _enter(self, fd):
        if self.libc.setns(fd, CLONE_NEWNET) != 0:
            err = ctypes.get_errno()
            raise OSError(err, f"setns {self.name}: {os.strerror(err)}")

    def __enter__(self):
        if self.name is None:
            return self
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                self._enter(there)
            finally:
                os.close(there)
        except OSError:
            os.close(self.home)
            raise
        return self

    def __exit__(self, *_exc):
        if self.name is not None:
            self._enter(self.home)
            os.close(self.home)


def split_address(text):
    """'udp6:[::1]:9000' -> ('udp6', '::1', 9000); 'unix:/path' -> ('unix', '/path', None)."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "cunix", "shm"):
        return kind, rest, None
    if kind not in INET:
        raise ValueError(f"{text}: use unix:PATH, cunix:PATH, shm:PATH, or udp: udp6: tcp: tcp6: "
                         "before HOST:PORT")
    host, _, port = rest.rpartition(":")
    return kind, host.strip("[]"), int(port)


class Controller:
    """One command socket of a relay; with cookies and retransmission where it has them."""

    def __init__(self, address, netns=None, timeout=1.0, retries=5):
        self.kind, self.host, self.port = split_address(address)
        self.netns = netns
        self.timeout = timeout
        self.retries = retries
        self.n_commands = 0
        self.n_retransmits = 0
        self.n_refused = 0
        self._cookie = f"{os.getpid()}_{random.getrandbits(32):08x}_"
        self._sock = None

    def _connect(self):
        if self.kind == "shm":
            return ShmSocket(self.host)
        family, kind = INET.get(self.kind, (socket.AF_UNIX, socket.SOCK_STREAM))
        with Netns(self.netns if family != socket.AF_UNIX else None):
            sock = socket.socket(family, kind)
        sock.settimeout(self.timeout)
        sock.connect(self.host if family == socket.AF_UNIX else (self.host, self.port))
        return sock

    def command(self, text):
        """Send one command and return the reply without its line end."""
        self.n_commands += 1
        if self.kind in ("udp", "udp6", "shm"):
            return self._command_udp(text)
        return self._command_stream(text)

    def command_with_cookie(self, cookie, text):
        """The same over UDP or shared memory with a cookie of the caller's choice."""
        request = f"{cookie} {text}".encode()
        prefix = f"{cookie} ".encode()
        for attempt in range(self.retries + 1):
            if attempt:
                self.n_retransmits += 1
            reply = self._attempt_udp(request, prefix)
            if reply is not None:
                return reply
        raise RtppError(f"no reply to '{text}' after {self.retries + 1} attempts")

    def _command_udp(self, text):
        return self.command_with_cookie(f"{self._cookie}{self.n_commands}", text)

    def _attempt_udp(self, request, prefix):
        deadline = time.monotonic() + self.timeout
        try:
            if self._sock is None:
                self._sock = self._connect()
            self._sock.send(request)
            while (left := deadline - time.monotonic()) > 0:
                self._sock.settimeout(left)
                reply = self._sock.recv(REPLY_MAX)
                if reply.startswith(prefix):  # else a late reply to an earlier attempt
                    return self._text(reply[len(prefix):])
        except socket.timeout:
            pass
        except ConnectionRefusedError:
            self.n_refused += 1
            time.sleep(min(0.05, self.timeout))
        except ConnectionResetError:  # the memory went with the worker
            self.close()
        return None

    def _command_stream(self, text):
        try:
            if self._sock is None:
                self._sock = self._connect()
            line_end = "" if self.kind == "unix" else "\n"
            self._sock.sendall((text + line_end).encode())
            reply = self._read_stream()
        except (OSError, RtppError) as err:
            self.close()
            if isinstance(err, ConnectionRefusedError):
                self.n_refused += 1
            raise RtppError(f"'{text}': {err}") from err
        if self.kind == "unix":  # one command a connection
            self.close()
        return self._text(reply)

    def _read_stream(self):
        reply = b""
        while True:
            part = self._sock.recv(REPLY_MAX)
            reply += part
            if not part:
                break
            if self.kind != "unix" and reply.endswith(b"\n"):
                break
        if not reply:
            raise RtppError("closed without a reply")
        return reply

    @staticmethod
    def _text(reply):
        if not reply.endswith(b"\n"):
            raise RtppError(f"reply without a line end: {reply!r}")
        return reply[:-1].decode(errors="replace")

    def close(self):
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def main():
    parser = argparse.ArgumentParser(description="send one command to an rtpproxy command socket")
    parser.add_argument("--netns", help="network namespace to send from")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds to a retransmission")
    parser.add_argument("--retries", type=int, default=2)
    parser.add_argument("socket",
                        help="unix:PATH, cunix:PATH, shm:PATH, or udp: udp6: tcp: tcp6: before "
                             "HOST:PORT")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    try:
        controller = Controller(args.socket, args.netns, args.timeout, args.retries)
        print(controller.command(" ".join(args.command)))
    except (RtppError, OSError, ValueError) as err:
        print(f"rtpp.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
