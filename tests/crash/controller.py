# SPDX-License-Identifier: BSD-2-Clause
"""A controller that never blocks: many commands under way, cookies, retransmission, repetition.

Every command must have exactly one outcome. A datagram that is sent again, before its reply came
or long after, must bring the same reply.
"""

import socket
import time

import relay  # noqa: F401, puts tools/ on the path
from rtpp import Netns, split_address

FIRST_INTERVAL_S = 0.1
LAST_INTERVAL_S = 0.8
COOKIE_LIFE_S = 20  # the protocol says 35


class TwoOutcomes(AssertionError):
    """One cookie, two replies."""


class Sent:
    """A datagram that waits for a reply."""

    def __init__(self, sock, datagram, text, done):
        self.sock, self.datagram, self.text, self.done = sock, datagram, text, done
        self.first_s = time.monotonic()
        self.interval_s = FIRST_INTERVAL_S
        self.n_sent = 0
        self.transmit()

    def transmit(self):
        self.n_sent += 1
        self.next_s = time.monotonic() + self.interval_s
        self.interval_s = min(2 * self.interval_s, LAST_INTERVAL_S)
        try:
            self.sock.send(self.datagram)
        except ConnectionRefusedError:
            return False
        return True


class Controller:
    def __init__(self, loop, netns, addresses, rng):
        self.loop = loop
        self.rng = rng
        self.waiting = {}  # cookie -> Sent
        self.answered = {}  # cookie -> (Sent, reply)
        self.n_commands = 0
        self.n_retransmits = 0
        self.n_repeats = 0
        self.n_refused = 0
        self.prefix = f"{rng.getrandbits(64):016x}"
        self.sockets = [self._open(netns, address) for address in addresses]

    def _open(self, netns, address):
        kind, host, port = split_address(address)
        with Netns(netns):
            sock = socket.socket(socket.AF_INET6 if kind == "udp6" else socket.AF_INET,
                                 socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect((host, port))
        self.loop.add(sock, lambda: self._read(sock))
        return sock

    def ask(self, text, done):
        """Send a command; done(reply) is called once."""
        self.n_commands += 1
        cookie = f"{self.prefix}_{self.n_commands}"
        sent = Sent(self.rng.choice(self.sockets), f"{cookie} {text}\n".encode(), text, done)
        self.waiting[cookie] = sent

    def repeat(self, n):
        """Send again what was answered lately, the way a slow network would."""
        now = time.monotonic()
        lately = [cookie for cookie, (sent, _) in self.answered.items()
                  if sent.text[0] in "ULDX" and now - sent.first_s < COOKIE_LIFE_S and
                  cookie not in self.waiting]
        for cookie in self.rng.sample(lately, min(n, len(lately))):
            sent, _ = self.answered[cookie]
            self.n_repeats += 1
            self.waiting[cookie] = Sent(sent.sock, sent.datagram, sent.text, None)

    def tick(self):
        now = time.monotonic()
        for sent in self.waiting.values():
            if sent.next_s <= now:
                self.n_retransmits += 1
                self.n_refused += not sent.transmit()

    def is_quiet(self):
        return not self.waiting

    def _read(self, sock):
        while True:
            try:
                datagram = sock.recv(65536)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                self.n_refused += 1
                continue
            cookie, _, reply = datagram.decode().partition(" ")
            if not reply.endswith("\n"):
                raise TwoOutcomes(f"reply without a line end: {datagram!r}")
            self._take(cookie, reply[:-1])

    def _take(self, cookie, reply):
        sent = self.waiting.pop(cookie, None)
        if cookie in self.answered:
            first, old = self.answered[cookie]
            # What only asks may be run again, and then answers differently.
            if reply != old and first.text[0] in "ULDX":
                raise TwoOutcomes(f"'{first.text}' -> '{old}', and once more -> '{reply}'")
            return
        if sent is None:
            raise TwoOutcomes(f"reply to nobody: '{cookie} {reply}'")
        self.answered[cookie] = sent, reply
        sent.done(reply)
