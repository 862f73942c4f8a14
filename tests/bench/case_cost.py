# SPDX-License-Identifier: BSD-2-Clause
"""What a packet costs one core, beside what it costs testpmd to forward the same packets.

    capture in memory -> net_pcap, infinite_rx=1 -> one worker -> net_pcap without a file

Both programs stand on the same core, one of them always still. A round gives each of them the core
until its worker had 0.4 s of CPU time, and divides that by the packets that it took: who else runs
on the machine matters little. A capture repeats its sequence numbers: for RTP statistics each lap
of it begins anew, which costs a packet more than the next one of a stream does. So it holds many
packets of each flow, 32 of 1,024 flows, 8 of 32,768 and 2 of 262,144; case endtoend has numbers
that advance.
"""

from process import Failed, wait_for
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm, write_one_frame
from testpmd import Testpmd

TITLE = "Cost per packet, one core"
FLOWS = (1024, 32768, 262144)
PACKETS = {1024: 32, 32768: 8, 262144: 2}  # of each flow in the capture
MODES = ("io", "macswap", "5tswap")
REFERENCE = "testpmd 5tswap"
OURS = "rtprelay"
WINDOW_NS = 400_000_000
WARM_UP_NS = 200_000_000
UNFINISHED = 256  # packets of the burst in which a worker stands still
# name, families of callers and callees, flowgen's choice of flows
KINDS = (
    ("IPv4", 4, 4, ()),
    ("IPv6", 6, 6, ()),
    ("IPv4-to-IPv6", 4, 6, ("-f", "4")),
)
GOAL_BY_FLOWS = {1024: 0.90, 32768: 0.85, 262144: 0.90}
GOAL_TO_IPV4 = 0.80


def run(bench, figures):
    for n_flows in bench.sizes(FLOWS):
        for kind in KINDS:
            run_one(bench, figures, kind, n_flows)
    judge(bench, figures)
    figures.plot("ns a packet")
    figures.plot("Mpps")


def subject(kind, n_flows):
    return f"{kind}, {n_flows:,} flows"


def run_one(bench, figures, kind, n_flows):
    name, caller, callee, choice = kind
    what = subject(name, n_flows)
    capture = bench.scratch.path("in.pcap")
    device = f"net_pcap0,rx_pcap={capture},infinite_rx=1"
    n_buffers = n_flows * PACKETS[n_flows] + N_OTHER_BUFFERS
    n_calls = n_flows if choice else n_flows // 2
    bench.say(f"{what}: setting {n_calls:,} calls up")
    write_one_frame(capture)
    with Relay(bench, {"p": device}, [realm("r", "p", n_addresses(2 * n_calls))], held=("p",),
               dataplane={"mbufs": n_buffers}) as relay:
        relay.set_up(n_calls, caller, callee)
        relay.write_frames(capture, "-n", str(n_flows), "-k", str(PACKETS[n_flows]), *choice)
        relay.restart_dataplane()
        relay.release("p")
        spend(relay, WARM_UP_NS)
        relay.pause()
        with Testpmd(bench, [f"--vdev={device}"], n_buffers) as testpmd:
            testpmd.pause()
            for _ in bench.rounds(what):
                add(bench, figures, what, OURS, ours(relay))
                testpmd.resume()
                for mode in MODES:
                    add(bench, figures, what, f"testpmd {mode}", theirs(testpmd, mode))
                testpmd.stop()
                testpmd.pause()


def spend(program, ns):
    """Until its workers had so much more CPU time."""
    end_ns = program.worker_ns() + ns
    wait_for(lambda: program.worker_ns() >= end_ns, "CPU time")


def ours(relay):
    """Nanoseconds a packet, all of which must have been relayed."""
    before, before_ns = relay.counters(), relay.worker_ns()
    relay.resume()
    spend(relay, WINDOW_NS)
    relay.pause()
    after, after_ns = relay.counters(), relay.worker_ns()
    grown = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    if grown.get("relayed_packets", 0) + UNFINISHED < grown["rx_packets"]:
        raise Failed(f"not all packets were relayed: {grown}")
    return (after_ns - before_ns) / grown["rx_packets"]


def theirs(testpmd, mode):
    testpmd.start(mode)
    before, before_ns = testpmd.stats()["RX-packets"], testpmd.worker_ns()
    spend(testpmd, WINDOW_NS)
    after, after_ns = testpmd.stats()["RX-packets"], testpmd.worker_ns()
    return (after_ns - before_ns) / (after - before)


def add(bench, figures, what, who, ns):
    figures.add(what, who, "Mpps", 1000 / ns)
    figures.add(what, who, "ns a packet", ns)
    if bench.tsc_hz:
        figures.add(what, who, "TSC cycles a packet", ns * bench.tsc_hz / 1e9)


def judge(bench, figures):
    for n_flows in bench.sizes(FLOWS):
        for name, *_ in KINDS:
            what = subject(name, n_flows)
            goal = GOAL_BY_FLOWS[n_flows] if name == "IPv4" else None
            figures.ratio(f"{what}: packets a second to {REFERENCE}", (what, OURS, "Mpps"),
                          (what, REFERENCE, "Mpps"), goal)
            if name != "IPv4":
                figures.ratio(f"{what}: packets a second to IPv4", (what, OURS, "Mpps"),
                              (subject("IPv4", n_flows), OURS, "Mpps"), GOAL_TO_IPV4)
