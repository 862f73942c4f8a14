# SPDX-License-Identifier: BSD-2-Clause
"""What a machine without a NIC of its own for the relay forwards over a kernel interface.

    trafgen -> veth -> AF_XDP or AF_PACKET -> one worker -> the same veth -> counted at its far end

The generator sends as fast as its core can; on such an interface the kernel does a part of the
receiver's work on the sender's core. rtprelay and testpmd have a veth pair each, stand on the same
core, one of them always still, and take turns with the same frames. What counts is what comes back
in a second of the worker's CPU time, the kernel's work for it included. As long as more is offered
than comes back, the worker was never idle.
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
ENOUGH = 1.05  # sent for each that comes back
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
                        measure(veths, figures, name, who, program, frames)
                        program.pause()
                check(relay)


def measure(veths, figures, name, who, program, frames):
    pair = PAIRS[who]
    with veths.blast(pair, frames):
        first = veths.counts(pair)[1]
        wait_for(lambda: veths.counts(pair)[1] > first, "packets that come back")
        begin_ns, begin = program.worker_ns(), veths.counts(pair)
        time.sleep(WINDOW_S)
        end_ns, end = program.worker_ns(), veths.counts(pair)
    sent, back = (after - before for before, after in zip(begin, end))
    figures.add(name, who, "Mpps", 1000 * back / (end_ns - begin_ns))
    figures.add(name, who, "times offered", sent / max(back, 1))
    if sent < ENOUGH * back:
        figures.note(f"{name}, {who}: in some rounds nearly all that was sent came back: the "
                     "program was not at its limit.")


def check(relay):
    """What was taken in must have gone on its way."""
    counters = relay.counters()
    drops = {key: n for key, n in counters.items() if key.startswith("drop_") and n > 0}
    if counters["relayed_packets"] == 0:
        raise Failed(f"nothing was relayed: {drops}")
