# SPDX-License-Identifier: BSD-2-Clause
"""What the Python parts of smoke tests share: a standing lab, its calls, its packets."""

import itertools
import json
import os
import subprocess
import time

from call import Call, Leg
from media import Capture, default_capture, lab, receive, receive_within
from rtpp import Controller

BUILD = os.environ["BUILD"]
LAB = lab(os.environ["LAB_NAME"])
ARRIVAL_S = 5.0  # bounds a wait for what must come
SILENCE_S = 0.3  # how long nothing is watched for what must not come
PACKET_S = 0.002

capture = Capture(default_capture())


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def controller(**options):
    """Over UDP from the caller's namespace, with retransmission."""
    sockets = LAB["LAB_SOCKETS"].split()
    return Controller(next(s for s in sockets if s.startswith("udp:")), LAB["LAB_NS_CALLER"],
                      **options)


def caller(index=0, family="4"):
    return Leg(LAB["LAB_NS_CALLER"], LAB[f"LAB_CALLER{family}"].split()[index])


def callee(index=0, family="4"):
    return Leg(LAB["LAB_NS_CALLEE"], LAB[f"LAB_CALLEE{family}"].split()[index])


def call_up(ctl, number=0, name="story"):
    call = Call(number, ctl, caller(), callee(), name)
    call.set_up()
    return call


class Talker:
    """Sends the capture's packets under one SSRC from one socket."""

    def __init__(self, sock, ssrc):
        self.sock, self.ssrc = sock, ssrc
        self.index = 0

    def send(self, dest):
        packet = capture.packet(self.index, self.ssrc)
        self.index += 1
        self.sock.sendto(packet, dest)
        return packet

    def talk(self, dest, listener, came_from, n_packets=10):
        """Packets one by one; each must arrive unaltered from the announced address."""
        for _ in range(n_packets):
            packet = self.send(dest)
            got = receive_within(listener, ARRIVAL_S)
            check(got is not None, f"packet {self.index} to {dest} did not arrive")
            check(got[0] == packet, f"packet {self.index} to {dest} arrived altered")
            check(got[1:3] == came_from, f"packet came from {got[1:3]}, announced {came_from}")
            time.sleep(PACKET_S)

    def reach(self, dest, listener, drops=("drop_neighbour",), seconds=20.0):
        """Sends until something arrives: the relay may still be asking for the next hop.

        What does not arrive is counted, to the packet, and under these names alone.
        """
        before = self.index, counted(drops)
        deadline = time.monotonic() + seconds
        while not receive_within(listener, 0.05):
            check(time.monotonic() < deadline, f"{dest} lets nothing through within {seconds} s")
            self.send(dest)
        n_sent = self.index - before[0]
        n_received = 1

        def all_accounted():
            nonlocal n_received
            while receive(listener):
                n_received += 1  # what was under way
            return n_received + counted(drops) - before[1] == n_sent

        wait_until(all_accounted,
                   f"of {n_sent} packets all arrived or are counted as {', '.join(drops)}")
        if n_received < n_sent:
            print(f"{dest}: {n_sent - n_received} of {n_sent} packets were dropped by name")


class Talk:
    """Both directions of a call's RTP."""

    def __init__(self, call):
        self.call = call
        self.forth = Talker(call.caller.rtp, 0x11111111)
        self.back = Talker(call.callee.rtp, 0x22222222)

    def caller_to_callee(self, n_packets=10):
        call = self.call
        self.forth.talk(call.caller.at_relay(), call.callee.rtp, call.callee.at_relay(), n_packets)

    def callee_to_caller(self, n_packets=10):
        call = self.call
        self.back.talk(call.callee.at_relay(), call.caller.rtp, call.caller.at_relay(), n_packets)


class Calls(dict):
    """Standing calls, each with its Talk."""

    def __init__(self, ctl):
        super().__init__()
        self.ctl = ctl
        self.numbers = itertools.count()

    def new(self):
        call = call_up(self.ctl, next(self.numbers))
        self[call] = Talk(call)
        return call

    def all_talk(self, n_packets=10):
        for talk in self.values():
            talk.caller_to_callee(n_packets)
            talk.callee_to_caller(n_packets)


def at(call):
    """The relay's address on the caller's side."""
    return call.caller.at_relay()[0]


def check_silence(sock, what):
    got = receive_within(sock, SILENCE_S)
    check(got is None, f"{what}: {got}")


def wait_until(condition, what, seconds=20.0):
    """Polls; the bound only ends a test that has failed."""
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, f"still not so after {seconds} s: {what}")
        time.sleep(0.02)


def rrctl(*words):
    """What rrctl says of the lab in JSON."""
    said = subprocess.run([f"{BUILD}/rrctl", "-c", LAB["LAB_CONF"], *words, "--json"], check=True,
                          capture_output=True)
    return json.loads(said.stdout)


def counted(names):
    """Sum of these counters of the dataplane."""
    totals = rrctl("stats", "show")["totals"]
    return sum(totals[name] for name in names)


def tool(*words):
    """Runs tools/lab for this lab."""
    subprocess.run([os.path.join(os.path.dirname(__file__), "../../tools/lab"), words[0], "--name",
                    os.environ["LAB_NAME"], *words[1:]], check=True)
