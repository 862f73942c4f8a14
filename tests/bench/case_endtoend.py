# SPDX-License-Identifier: BSD-2-Clause
"""How many packets come through without loss, and how much later than they went in.

    bench-generator -> memif -> one worker -> the same memif -> bench-generator

The loss-free rate is that of RFC 2544, searched for by halving. Latency is what a packet of 1,024
streams with advancing RTP numbers takes from the generator and back to it, at half of the lower
loss-free rate of both programs in that round. rtprelay and testpmd stand on the same core, one of
them always still. The generator has the other core, which it shares with the main threads and,
where there are commands, with control and the load: packets that were under way while it did not
run are not timed. "opaque" are packets that are no RTP, of which no sequence numbers are counted.
"""

import os
import subprocess
import time

from process import Failed, end, spawn
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm
from sender import Sender, server
from testpmd import Testpmd

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TITLE = "End to end over memif"
N_STREAMS = 1024
OURS, REFERENCE = "rtprelay", "testpmd 5tswap"
OPAQUE, LOADED = "rtprelay, opaque", "rtprelay, 10,000 commands a second"
TRIAL_S = 0.3
LATENCY_S = 2
COMMANDS = 10000  # a second
VERBS_OF_CHURN = 3
N_CALLS_OF_LOAD = 200
LOAD_S = 600  # more than any measurement takes; it is ended with it
PERCENTILES = ("p50", "p99", "p99.9", "p99.99", "max")
RATE = "Mpps without loss"
GOAL_RATE, GOAL_LATENCY, GOAL_LATEST_US = 0.90, 1.5, 1000


def run(bench, figures):
    what = f"IPv4, {N_STREAMS:,} streams"
    ours, theirs = (bench.scratch.path(f"{name}.sock") for name in ("ours", "theirs"))
    capture = bench.scratch.path("in.pcap")
    n_pairs = N_STREAMS + 2 * N_CALLS_OF_LOAD * 4 * bench.n_rounds
    with Relay(bench, {"p": server(ours)}, [realm("r", "p", n_addresses(n_pairs))],
               dataplane={"mbufs": N_OTHER_BUFFERS}) as relay:
        relay.set_up(N_STREAMS // 2)
        relay.write_frames(capture, "-n", str(N_STREAMS))
        relay.pause()
        sender = Sender(bench, capture)
        with Testpmd(bench, [f"--vdev={server(theirs)}"], N_OTHER_BUFFERS) as testpmd:
            testpmd.forward("5tswap")
            testpmd.pause()
            subjects = (
                (REFERENCE, testpmd, theirs, (), False),
                (OURS, relay, ours, (), False),
                (OPAQUE, relay, ours, ("--opaque",), False),
                (LOADED, relay, ours, (), True),
            )
            for _ in bench.rounds(what):
                one_round(bench, figures, what, sender, relay, subjects)
    judge(figures, what)


def one_round(bench, figures, what, sender, relay, subjects):
    rates = {}
    for who, program, path, options, loaded in subjects:
        with Running(program), Load(bench, relay, loaded):
            found = sender.search(path, "--seconds", str(TRIAL_S), *options)
        rates[who] = found["loss_free_pps"]
        figures.add(what, who, RATE, rates[who] / 1e6)
        if found["limit"] == "generator":
            figures.note(f"{who}: the generator could not send faster.")
    rate = min(rates[OURS], rates[REFERENCE]) / 2
    for who, program, path, options, loaded in subjects:
        with Running(program), Load(bench, relay, loaded) as load:
            trial = sender.at_rate(path, rate, LATENCY_S, *options)
            if loaded:
                figures.add(what, who, "commands a second", load.per_second())
        for name in PERCENTILES:
            figures.add(what, who, f"{name}, us", trial["latency_ns"][name] / 1000)
        figures.add(what, who, "packets lost at half the rate", trial["lost"])


def judge(figures, what):
    figures.ratio(f"loss-free rate to {REFERENCE}", (what, OURS, RATE), (what, REFERENCE, RATE),
                  GOAL_RATE)
    figures.ratio(f"p99.9 latency to {REFERENCE}", (what, OURS, "p99.9, us"),
                  (what, REFERENCE, "p99.9, us"), GOAL_LATENCY, better="less")
    for who in (OPAQUE, LOADED):
        figures.ratio(f"loss-free rate: {who}, to {OURS}", (what, who, RATE), (what, OURS, RATE))
    figures.limit("latest packet under commands, us", (what, LOADED, "max, us"), GOAL_LATEST_US,
                  better="less")
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
    """Calls that end and begin at a pace, where wanted."""

    def __init__(self, bench, relay, wanted):
        per_second = COMMANDS // VERBS_OF_CHURN
        self.command = [
            "taskset", "-c", str(bench.main_core()), os.path.join(bench.build, "rtppload"), "-n",
            str(N_CALLS_OF_LOAD), "-w", "64", "-t", "5000", "-r", str(per_second), relay.socket,
            "setup", f"churn={per_second * LOAD_S}"
        ]
        self.ask = [os.path.join(TOP, "tools", "rtpp.py"), relay.socket, "G", "ncmds_rcvd"]
        self.log = bench.scratch.path("load.log")
        self.wanted = wanted
        self.process = None
        self.begin = None

    def __enter__(self):
        if self.wanted:
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
        if self.process is None:
            return
        status = self.process.poll()
        end(self.process)
        if status is not None and kind is None:
            raise Failed(f"rtppload: exit status {status}, see {self.log}")
