# SPDX-License-Identifier: BSD-2-Clause
"""The event loop of the crash tests: sockets, things to do every turn, conditions to wait for."""

import select
import time

TURN_S = 0.005
STUCK_S = 60  # no test waits so long for anything that happens at all


class Stuck(AssertionError):
    """What was waited for did not come."""


class Loop:
    def __init__(self):
        self.epoll = select.epoll()
        self.handlers = {}
        self.every_turn = []

    def add(self, sock, handler):
        self.handlers[sock.fileno()] = handler
        self.epoll.register(sock.fileno(), select.EPOLLIN)

    def remove(self, sock):
        del self.handlers[sock.fileno()]
        self.epoll.unregister(sock.fileno())

    def turn(self):
        for fd, _events in self.epoll.poll(TURN_S):
            handler = self.handlers.get(fd)  # an earlier handler may have removed it
            if handler is not None:
                handler()
        for action in self.every_turn:
            action()

    def until(self, condition, what, stuck_s=STUCK_S):
        """Turn until the condition holds. `what`: a text, or a function that gives one."""
        deadline = time.monotonic() + stuck_s
        while not condition():
            if time.monotonic() > deadline:
                raise Stuck(what() if callable(what) else what)
            self.turn()
