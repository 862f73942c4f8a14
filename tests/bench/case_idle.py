# SPDX-License-Identifier: BSD-2-Clause
"""What the programs take of a core while no packet and no command comes.

    rtprelay-dp with 10,000 standing calls <- a device that receives nothing

CPU time for each second of the clock. With poll = "adaptive" a worker that finds nothing sleeps, up
to 0.2 ms at a time and 1 ms after a sixth of a second; what is left is what thousands of naps a
second cost, on a virtual machine more than elsewhere. What adaptive polling costs of the loss-free
rate is in case endtoend.
"""

import contextlib
import time

from process import keep_cores, process_ns
from relay import Relay, n_addresses, realm
from veth import FWD, Veths

TITLE = "Idle"
N_CALLS = 10000
N_BUFFERS = 32768
DEVICES = (
    ("no device", "net_null0,no-rx=1"),
    ("AF_PACKET", "net_af_packet0,iface=fwd0,qpairs=1,framecnt=4096,blocksz=65536"),
    ("AF_XDP", "net_af_xdp0,iface=fwd0,start_queue=0,queue_count=1,busy_budget=0"),
)
WORKER, DATAPLANE, CONTROL = "rtprelay-dp, its worker", "rtprelay-dp, all of it", "rtprelayd"
WINDOW_S = 1.0
UNIT = "% of a core"
GOAL = 5


def run(bench, figures):
    for name, device in DEVICES:
        run_one(bench, figures, name, device, "adaptive")
        figures.limit(f"{subject(name, 'adaptive')}: {UNIT}",
                      (subject(name, "adaptive"), WORKER, UNIT), GOAL, better="less")
    run_one(bench, figures, *DEVICES[0], "busy")


def subject(name, poll):
    return f"{poll}, {name}"


def run_one(bench, figures, name, device, poll):
    what = subject(name, poll)
    with contextlib.ExitStack() as stack:
        if "iface" in device:
            stack.enter_context(Veths(bench, 1))
        relay = stack.enter_context(
            Relay(bench, {"p": device}, [realm("r", "p", n_addresses(2 * N_CALLS))],
                  netns=FWD if "iface" in device else None,
                  dataplane={"mbufs": N_BUFFERS, "poll": f'"{poll}"'}))
        relay.set_up(N_CALLS)
        keep_cores(relay.dp.pid)  # a worker that waits for its core sleeps longer than it wants
        clocks = {
            WORKER: relay.worker_ns,
            DATAPLANE: lambda: process_ns(relay.dp.pid),
            CONTROL: lambda: process_ns(relay.control_pid()),
        }
        for _ in bench.rounds(what):
            before = {who: clock() for who, clock in clocks.items()}
            begin_s = time.monotonic()
            time.sleep(WINDOW_S)
            ns = 1e9 * (time.monotonic() - begin_s)
            for who, clock in clocks.items():
                figures.add(what, who, UNIT, 100 * (clock() - before[who]) / ns)
