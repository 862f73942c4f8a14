# SPDX-License-Identifier: BSD-2-Clause
"""How the dataplane grows with its workers, and what a packet on the wrong worker costs.

    captures in memory -> net_pcap, infinite_rx=1, one queue a worker -> workers -> net_pcap

Each worker's capture has as many of its own flows as any other's, but for a share of flows that
belong to the next worker, to whom they are handed over. The rate is what the workers relay in a
second of CPU time of all of them, that is on cores of which nothing else takes anything. Packets
that the owner's ring has no room for are counted as lost. testpmd forwards the same captures with
as many cores: what two cores do on this machine more than one, be they threads of one core or share
a cache, is what its figures say. All programs take turns within a round, the others stand still.
"""

import contextlib
import statistics
import struct

from process import Failed, wait_for
from relay import Relay, n_addresses, realm, write_one_frame
from testpmd import Testpmd

TITLE = "Workers and wrong cores"
N_CALLS = 1024
N_BUFFERS = 8192  # of a worker, beside those that hold its capture
WRONG_PERCENT = (0, 10, 100)
OURS, REFERENCE = "rtprelay", "testpmd 5tswap"
WINDOW_NS = 400_000_000  # of each worker
UNIT, LOST, TIMES = "Mpps", "% lost", "times one"
GOAL_OF_TWO = 1.9
GOAL_TO_REFERENCE = GOAL_OF_TWO / 2  # of what the machine gives
PCAP_HEAD, FRAME_HEAD = 24, 16


def run(bench, figures):
    numbers = sorted({1, 2, len(bench.cores) - 1})
    with contextlib.ExitStack() as stack:
        subjects = []
        for n in numbers:
            for percent in bench.sizes(WRONG_PERCENT) if n > 1 else (0,):
                subjects.append(Ours(stack, bench, n, percent))
            subjects.append(Theirs(stack, bench, n))
        for _ in bench.rounds("every number of workers"):
            for one in subjects:
                one.measure(figures)
            for n in numbers[1:]:
                compare(figures, n)
    judge(bench, figures, numbers[1:])
    figures.plot(UNIT)


def subject(n, percent):
    return "1 worker" if n == 1 else f"{n} workers, {percent} % on the wrong one"


def scaling(n):
    return f"{n} workers to one"


def compare(figures, n):
    """What the last round says of n workers beside one."""
    for who in (OURS, REFERENCE):
        figures.add(scaling(n), who, TIMES, figures.last(subject(n, 0), who, UNIT) /
                    figures.last(subject(1, 0), who, UNIT))


def judge(bench, figures, numbers):
    for n in numbers:
        figures.ratio(scaling(n), (subject(n, 0), OURS, UNIT), (subject(1, 0), OURS, UNIT),
                      GOAL_OF_TWO if n == 2 else None)
        figures.ratio(f"{scaling(n)}, to what {REFERENCE} gains", (scaling(n), OURS, TIMES),
                      (scaling(n), REFERENCE, TIMES), GOAL_TO_REFERENCE)
        for percent in bench.sizes(WRONG_PERCENT)[1:]:
            figures.ratio(f"{n} workers, {percent} % on the wrong one, to none",
                          (subject(n, percent), OURS, UNIT), (subject(n, 0), OURS, UNIT))
    if len(bench.cores) < 3:
        gains = statistics.median(figures.values((scaling(2), REFERENCE, TIMES)))
        figures.note(f"This machine has {len(bench.cores)} cores, of which the second worker's is "
                     "also that of the main threads and of what measures. Figures are for each "
                     "second of CPU time, but virtual cores may be threads of one core: two of "
                     f"them do {gains:.2f} times what one does for {REFERENCE}, which shares "
                     "nothing between its cores.")


def captures_of(bench, n, percent):
    return [bench.scratch.path(f"in-{n}-{percent}-{w}.pcap") for w in range(n)]


def device(captures):
    queues = ",".join(f"rx_pcap={capture}" for capture in captures)
    return f"net_pcap0,{queues},infinite_rx=1"


class Ours:
    """A relay with n workers, so many percent of whose packets come to a wrong one."""

    def __init__(self, stack, bench, n, percent):
        self.n, self.percent = n, percent
        bench.say(f"{subject(n, percent)}: setting {N_CALLS:,} calls up")
        captures = captures_of(bench, n, percent)
        for capture in captures:
            write_one_frame(capture)
        # On a machine of two cores the second worker has the main core, which a busy one must not.
        poll = '"adaptive"' if len(bench.cores) == 2 else '"busy"'
        self.relay = stack.enter_context(Relay(
            bench, {"p": device(captures)}, [realm("r", "p", n_addresses(2 * N_CALLS))],
            held=("p",), name=f"relay-{n}-{percent}", dataplane={
                "cores": bench.worker_cores(n), "poll": poll, "mbufs": N_BUFFERS * n + 4 * N_CALLS
            }))
        self.relay.set_up(N_CALLS)
        everything = bench.scratch.path("all.pcap")
        self.relay.write_frames(everything)
        write_queues(captures, by_owner(self.relay, everything, n), percent)
        self.relay.restart_dataplane()
        self.relay.release("p")
        spend(self.relay, WINDOW_NS, n)
        self.relay.pause()

    def measure(self, figures):
        what, relay = subject(self.n, self.percent), self.relay
        before, before_ns = relay.counters(), relay.worker_ns()
        relay.resume()
        spend(relay, WINDOW_NS, self.n)
        relay.pause()
        after, after_ns = relay.counters(), relay.worker_ns()
        grown = {name: after[name] - before[name] for name in after}
        lost = lost_of(grown, self.percent)
        each_ns = (after_ns - before_ns) / self.n
        figures.add(what, OURS, UNIT, 1000 * grown["relayed_packets"] / each_ns)
        figures.add(what, OURS, LOST, 100 * lost / grown["rx_packets"])


class Theirs:
    """testpmd with n cores that forward what a relay with n workers forwards."""

    def __init__(self, stack, bench, n):
        self.n = n
        self.testpmd = stack.enter_context(
            Testpmd(bench, [f"--vdev={device(captures_of(bench, n, 0))}"],
                    N_BUFFERS * n + 4 * N_CALLS, n_cores=n))
        self.testpmd.start("5tswap")
        self.testpmd.pause()

    def measure(self, figures):
        testpmd = self.testpmd
        testpmd.resume()
        before, before_ns = testpmd.stats()["RX-packets"], testpmd.worker_ns()
        spend(testpmd, WINDOW_NS, self.n)
        after, after_ns = testpmd.stats()["RX-packets"], testpmd.worker_ns()
        testpmd.pause()
        each_ns = (after_ns - before_ns) / self.n
        figures.add(subject(self.n, 0), REFERENCE, UNIT, 1000 * (after - before) / each_ns)


def by_owner(relay, path, n):
    """Frames of a capture, each list those of one worker's flows; all lists have one length."""
    owners = {}
    for flow in relay.rrctl("flow", "show")["flows"]:
        owners[int(flow["local"].rsplit(":", 1)[1])] = flow["owner"]
    frames = [[] for _ in range(n)]
    for frame in frames_of(path):
        port, = struct.unpack_from("!H", frame, FRAME_HEAD + 14 + 20 + 2)
        frames[owners[port]].append(frame)
    if not all(frames):
        raise Failed("a worker owns no flow")
    return [part[:min(map(len, frames))] for part in frames]


def frames_of(path):
    """Frames of IPv4 with their heads in the capture."""
    with open(path, "rb") as file:
        data = file.read()
    at = PCAP_HEAD
    while at < len(data):
        length, = struct.unpack_from("=I", data, at + 8)
        yield data[at:at + FRAME_HEAD + length]
        at += FRAME_HEAD + length


def write_queues(captures, flows, percent):
    """The queue of each worker: its own flows, and of the worker before it the wrong share."""
    n = len(captures)
    for w, path in enumerate(captures):
        with open(path, "rb") as file:
            head = file.read(PCAP_HEAD)
        mine, others = flows[w], flows[w - 1]
        with open(path, "wb") as file:
            file.write(head)
            for i, frame in enumerate(mine):
                # Spread evenly: every tenth for 10 %.
                wrong = n > 1 and (i + 1) * percent // 100 > i * percent // 100
                file.write(others[i] if wrong else frame)


def spend(program, ns, n):
    """Until its n workers had so much more CPU time, each of them on average."""
    end_ns = program.worker_ns() + ns * n
    wait_for(lambda: program.worker_ns() >= end_ns, "CPU time")


def lost_of(grown, percent):
    """Packets that the rings between workers had no room for; nothing else may be lost."""
    lost = {name: k for name, k in grown.items() if name.startswith("drop_") and k > 0}
    if set(lost) - {"drop_handoff_full"}:
        raise Failed(f"packets were dropped: {lost}")
    n_wrong = grown["handoff_out"] + grown["drop_handoff_full"]
    wrong = 100 * n_wrong / grown["rx_packets"]
    if abs(wrong - percent) > 2:
        raise Failed(f"{wrong:.1f} % of the packets were on a wrong worker, not {percent} %")
    return sum(lost.values())
