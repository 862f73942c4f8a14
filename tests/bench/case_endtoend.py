# SPDX-License-Identifier: BSD-2-Clause
"""How many packets come through without loss, and how much later than they went in.

    bench-generator -> memif -> one worker -> the same memif -> bench-generator

The loss-free rate is that of RFC 2544, searched for by halving. Latency is what a packet of 1,024
streams with advancing RTP numbers takes from the generator and back to it, at half of the lower
loss-free rate of both programs in that round. All programs stand on the same core, all but one of
them still, and have memifs of the same size. The generator has the other core, which it shares with
the main threads and, where there are commands, with control and the load (with three cores control
has its own): packets that were under way while it did not run are not timed. "opaque" are packets
that are no RTP, of which no sequence numbers are counted; "adaptive" is poll = "adaptive", which
sleeps when it finds nothing, beside "busy", which all the others are.

A program that loses its core for longer than its ring holds packets, half a millisecond, loses some
at any rate. So the workers of both have real-time priority, trials are short, and a rate has failed
when none of five trials came through. Who takes a virtual core away is not kept from it by that.
"""

import collections
import contextlib
import os
import subprocess
import time

from process import Failed, end, keep_cores, spawn
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm
from sender import Sender, server
from testpmd import Testpmd

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TITLE = "End to end over memif"
N_STREAMS = 1024
OURS, REFERENCE = "rtprelay", "testpmd 5tswap"
OPAQUE, LOADED = "rtprelay, opaque", "rtprelay, 10,000 commands a second"
ADAPTIVE = "rtprelay, adaptive"
SEARCH = ("--seconds", "0.15", "--tries", "5", "--search-seconds", "20")
ROUNDS_S = 300  # begin within so long: on a machine that others disturb each trial is repeated
LATENCY_S = 2
COMMANDS = 10000  # a second
VERBS_OF_CHURN = 3
N_CALLS_OF_LOAD = 200
LOAD_S = 600  # more than any measurement takes; it is ended with it
PERCENTILES = ("p50", "p99", "p99.9", "p99.99", "max")
RATE, LATE = "Mpps without loss", "packets later than 1 ms"
GOAL_RATE, GOAL_LATENCY, GOAL_LATEST_US = 0.90, 1.5, 1000
GOAL_ADAPTIVE = 0.97  # "no loss-free rate": what two searches of one program differ by

# Who is measured: program is what is resumed and paused, sender and path are its other end.
Subject = collections.namedtuple("Subject", "who program sender path options loaded")


def run(bench, figures):
    what = f"IPv4, {N_STREAMS:,} streams"
    ours, adaptive, theirs = (bench.scratch.path(f"{name}.sock")
                              for name in ("ours", "adaptive", "theirs"))
    with relay_on(bench, ours, "busy") as busy, relay_on(bench, adaptive, "adaptive") as napping:
        senders = [Sender(bench, prepare(relay)) for relay in (busy, napping)]
        with Testpmd(bench, [f"--vdev={server(theirs)}"], N_OTHER_BUFFERS) as testpmd:
            testpmd.forward("5tswap")
            testpmd.pause()
            pids = (busy.dp.pid, napping.dp.pid, testpmd.process.pid)
            if not all([keep_cores(pid) for pid in pids]):
                figures.note("No real-time priority was to be had, for any of the programs.")
            subjects = (
                Subject(REFERENCE, testpmd, senders[0], theirs, (), False),
                Subject(OURS, busy, senders[0], ours, (), False),
                Subject(ADAPTIVE, napping, senders[1], adaptive, (), False),
                Subject(OPAQUE, busy, senders[0], ours, ("--opaque",), False),
                Subject(LOADED, busy, senders[0], ours, (), True),
            )
            for _ in bench.rounds(what, ROUNDS_S):
                one_round(bench, figures, what, subjects)
    judge(figures, what)


def relay_on(bench, path, poll):
    n_pairs = N_STREAMS + 2 * N_CALLS_OF_LOAD * 4 * bench.n_rounds
    return Relay(bench, {"p": server(path)}, [realm("r", "p", n_addresses(n_pairs))],
                 name=f"relay-{poll}", dataplane={"mbufs": N_OTHER_BUFFERS, "poll": f'"{poll}"'})


def prepare(relay):
    """Set calls up; returns the capture of what their parties send."""
    capture = relay.bench.scratch.path(f"{relay.name}.pcap")
    relay.set_up(N_STREAMS // 2)
    relay.write_frames(capture, "-n", str(N_STREAMS))
    relay.pause()
    return capture


def one_round(bench, figures, what, subjects):
    for subject in subjects:
        with Running(subject.program), load_of(bench, subject):
            found = subject.sender.search(subject.path, *SEARCH, *subject.options)
        figures.add(what, subject.who, RATE, found["loss_free_pps"] / 1e6)
        if found["limit"] == "generator":
            figures.note(f"{subject.who}: in some rounds the generator could not send faster; the "
                         "program was not at its limit.")
    rate = 1e6 * min(figures.last(what, who, RATE) for who in (OURS, REFERENCE)) / 2
    for subject in subjects:
        with Running(subject.program), load_of(bench, subject) as load:
            trial = subject.sender.at_rate(subject.path, rate, LATENCY_S, *subject.options)
            if load:
                figures.add(what, subject.who, "commands a second", load.per_second())
        add_trial(figures, what, subject.who, trial)


def load_of(bench, subject):
    """A context, of None where there are no commands."""
    return Load(bench, subject.program) if subject.loaded else contextlib.nullcontext()


def add_trial(figures, what, who, trial):
    for name in PERCENTILES:
        figures.add(what, who, f"{name}, us", trial["latency_ns"][name] / 1000)
    figures.add(what, who, LATE, trial["late"])
    figures.add(what, who, "packets lost at half the rate", trial["lost"])


def judge(figures, what):
    figures.ratio(f"loss-free rate to {REFERENCE}", (what, OURS, RATE), (what, REFERENCE, RATE),
                  GOAL_RATE)
    figures.ratio(f"p99.9 latency to {REFERENCE}", (what, OURS, "p99.9, us"),
                  (what, REFERENCE, "p99.9, us"), GOAL_LATENCY, better="less")
    for who, goal in ((ADAPTIVE, GOAL_ADAPTIVE), (OPAQUE, None), (LOADED, None)):
        figures.ratio(f"loss-free rate: {who}, to {OURS}", (what, who, RATE), (what, OURS, RATE),
                      goal)
    figures.ratio(f"p99.9 latency: {LOADED}, to {OURS}", (what, LOADED, "p99.9, us"),
                  (what, OURS, "p99.9, us"), better="less")
    figures.limit("latest packet under commands, us", (what, LOADED, "max, us"), GOAL_LATEST_US,
                  better="less")
    figures.limit(f"{LATE}, under commands", (what, LOADED, LATE), 0, better="less")
    figures.plot(RATE)
    figures.plot("p99.9, us", log=True)


class Running:
    """A program that stands still before and after."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.program.resume()

    def __exit__(self, *_):
        self.program.pause()


class Load:
    """Calls that end and begin at a pace."""

    def __init__(self, bench, relay):
        per_second = COMMANDS // VERBS_OF_CHURN
        self.command = [
            "taskset", "-c", str(bench.main_core()), os.path.join(bench.build, "rtppload"), "-n",
            str(N_CALLS_OF_LOAD), "-w", "64", "-t", "5000", "-r", str(per_second), relay.socket,
            "setup", f"churn={per_second * LOAD_S}"
        ]
        self.ask = [os.path.join(TOP, "tools", "rtpp.py"), relay.socket, "G", "ncmds_rcvd"]
        self.log = bench.scratch.path("load.log")
        self.process = None
        self.begin = None

    def __enter__(self):
        self.begin = self._now()
        self.process = spawn(self.command, self.log, stdout=subprocess.DEVNULL)
        return self

    def _now(self):
        """Seconds, and commands that control has received."""
        done = subprocess.run(self.ask, capture_output=True, text=True, check=True)
        return time.monotonic(), int(done.stdout)

    def per_second(self):
        """Commands that really came since the load began."""
        (begin_s, n_begin), (now_s, n_now) = self.begin, self._now()
        return (n_now - n_begin) / (now_s - begin_s)

    def __exit__(self, kind, *_):
        status = self.process.poll()
        end(self.process)
        if status is not None and kind is None:
            raise Failed(f"rtppload: exit status {status}, see {self.log}")
