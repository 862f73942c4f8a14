# SPDX-License-Identifier: BSD-2-Clause
"""How the dataplane grows with its workers, and what a packet on the wrong worker costs.

    captures in memory -> net_pcap, infinite_rx=1, one queue a worker -> workers -> net_pcap

Each worker's capture has as many of its own flows as any other's, but for a share of flows that
belong to the next worker, to whom they are handed over. The rate is what the workers relay in a
second of CPU time of all of them, that is on cores of which nothing else takes anything. Packets
that the owner's ring has no room for are counted as lost.
"""

import struct

from process import Failed, wait_for
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm, write_one_frame

TITLE = "Workers and wrong cores"
N_CALLS = 1024
WRONG_PERCENT = (0, 10, 100)
OURS = "rtprelay"
WINDOW_NS = 400_000_000  # of each worker
UNIT, LOST = "Mpps", "% lost"
GOAL_OF_TWO = 1.9
PCAP_HEAD, FRAME_HEAD = 24, 16


def run(bench, figures):
    most = max(2, len(bench.cores) - 1)
    numbers = [1, 2, *(n for n in (4, 8, 16) if n <= most)]
    for n in numbers:
        run_one(bench, figures, n, bench.sizes(WRONG_PERCENT) if n > 1 else (0,))
    one = (subject(1, 0), OURS, UNIT)
    for n in numbers[1:]:
        figures.ratio(f"{n} workers to one", (subject(n, 0), OURS, UNIT), one,
                      GOAL_OF_TWO if n == 2 else None)
        for percent in bench.sizes(WRONG_PERCENT)[1:]:
            figures.ratio(f"{n} workers, {percent} % on the wrong one, to none",
                          (subject(n, percent), OURS, UNIT), (subject(n, 0), OURS, UNIT))
    figures.plot(UNIT)


def subject(n, percent):
    return "1 worker" if n == 1 else f"{n} workers, {percent} % on the wrong one"


def run_one(bench, figures, n, percents):
    captures = [bench.scratch.path(f"in{w}.pcap") for w in range(n)]
    for capture in captures:
        write_one_frame(capture)
    queues = ",".join(f"rx_pcap={capture}" for capture in captures)
    cores = bench.worker_cores(n)
    # On a machine of two cores the second worker has the main core, which a busy one must not.
    poll = '"adaptive"' if len(bench.cores) == 2 else '"busy"'
    with Relay(bench, {"p": f"net_pcap0,{queues},infinite_rx=1"},
               [realm("r", "p", n_addresses(2 * N_CALLS))], held=("p",), dataplane={
                   "cores": cores, "poll": poll, "mbufs": N_OTHER_BUFFERS * n + 4 * N_CALLS
               }) as relay:
        relay.set_up(N_CALLS)
        everything = bench.scratch.path("all.pcap")
        relay.write_frames(everything)
        flows = by_owner(relay, everything, n)
        for percent in percents:
            write_queues(captures, flows, percent)
            relay.restart_dataplane()
            relay.release("p")
            spend(relay, WINDOW_NS)
            what = subject(n, percent)
            for _ in bench.rounds(what):
                measure(figures, relay, what, n, percent)


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


def spend(relay, ns):
    """Until the workers had so much more CPU time, each of them on average."""
    n = relay.n_workers()
    end_ns = relay.worker_ns() + ns * n
    wait_for(lambda: relay.worker_ns() >= end_ns, "CPU time")


def measure(figures, relay, what, n, percent):
    relay.pause()
    before, before_ns = relay.counters(), relay.worker_ns()
    relay.resume()
    spend(relay, WINDOW_NS)
    relay.pause()
    after, after_ns = relay.counters(), relay.worker_ns()
    relay.resume()
    grown = {name: after[name] - before[name] for name in after}
    lost = {name: k for name, k in grown.items() if name.startswith("drop_") and k > 0}
    if set(lost) - {"drop_handoff_full"}:
        raise Failed(f"packets were dropped: {lost}")
    n_wrong = grown["handoff_out"] + grown["drop_handoff_full"]
    wrong = 100 * n_wrong / grown["rx_packets"]
    if abs(wrong - percent) > 2:
        raise Failed(f"{wrong:.1f} % of the packets were on a wrong worker, not {percent} %")
    each_ns = (after_ns - before_ns) / n
    figures.add(what, OURS, UNIT, 1000 * grown["relayed_packets"] / each_ns)
    figures.add(what, OURS, LOST, 100 * sum(lost.values()) / grown["rx_packets"])
