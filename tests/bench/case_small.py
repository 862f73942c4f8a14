# SPDX-License-Identifier: BSD-2-Clause
"""What a machine without a NIC of its own for the relay forwards over a kernel interface.

    trafgen -> veth -> AF_XDP or AF_PACKET -> one worker -> the same veth -> counted at its far end

The generator sends as fast as its core can, on a core of its own; on this interface the kernel does
its share on the sender's core. rtprelay and testpmd have a veth pair each, stand on the same core,
one of them always still, and take turns with the same frames. What counts is what comes back.
"""

import time

from process import Failed, wait_for
from relay import Relay, realm
from testpmd import Testpmd
from veth import FWD, Veths

TITLE = "Small machine: kernel interfaces"
DRIVERS = (
    ("AF_XDP", "net_af_xdp0,iface=fwd{pair},start_queue=0,queue_count=1,busy_budget=0"),
    ("AF_PACKET", "net_af_packet0,iface=fwd{pair},qpairs=1,framecnt=4096,blocksz=65536"),
)
N_CALLS = 200
N_BUFFERS = 32768
OURS, REFERENCE = "rtprelay", "testpmd 5tswap"
PAIRS = {OURS: 0, REFERENCE: 1}
WINDOW_S = 1.0
GOALS = {"AF_XDP": 0.95}


def run(bench, figures):
    for name, device in DRIVERS:
        run_one(bench, figures, name, device)
        figures.ratio(f"{name}: packets a second to {REFERENCE}", (name, OURS, "Mpps"),
                      (name, REFERENCE, "Mpps"), GOALS.get(name))
    figures.plot("Mpps")


def run_one(bench, figures, name, device):
    frames = bench.scratch.path("frames.cfg")
    bench.say(f"{name}: setting {N_CALLS} calls up")
    with Veths(bench, len(PAIRS)) as veths:
        with Relay(bench, {"p": device.format(pair=PAIRS[OURS])}, [realm("r", "p", 1)], netns=FWD,
                   dataplane={"mbufs": N_BUFFERS}) as relay:
            relay.set_up(N_CALLS)
            relay.write_frames(frames, kind="trafgen")
            relay.pause()
            theirs = f"--vdev={device.format(pair=PAIRS[REFERENCE])}"
            with Testpmd(bench, [theirs], N_BUFFERS, netns=FWD) as testpmd:
                testpmd.forward("5tswap")
                testpmd.pause()
                for _ in bench.rounds(name):
                    for who, program in ((OURS, relay), (REFERENCE, testpmd)):
                        program.resume()
                        sent, back = rates(veths, PAIRS[who], frames)
                        program.pause()
                        add(figures, name, who, sent, back)
                check(relay)


def rates(veths, pair, frames):
    """Packets a second that are sent, and that come back."""
    with veths.blast(pair, frames):
        first = veths.counts(pair)[1]
        wait_for(lambda: veths.counts(pair)[1] > first, "packets that come back")
        begin_s, begin = time.monotonic(), veths.counts(pair)
        time.sleep(WINDOW_S)
        end_s, end = time.monotonic(), veths.counts(pair)
    return [(after - before) / (end_s - begin_s) for before, after in zip(begin, end)]


def add(figures, name, who, sent, back):
    figures.add(name, who, "Mpps", back / 1e6)
    figures.add(name, who, "Mpps offered", sent / 1e6)


def check(relay):
    """What was taken in must have gone on its way."""
    counters = relay.counters()
    drops = {key: n for key, n in counters.items() if key.startswith("drop_") and n > 0}
    if counters["relayed_packets"] == 0:
        raise Failed(f"nothing was relayed: {drops}")
