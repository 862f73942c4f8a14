# SPDX-License-Identifier: BSD-2-Clause
"""How long a program that was killed is missed, with calls that stand and packets that come.

    this -> UDP -> rtprelayd <-region-> rtprelay-dp <- net_pcap, infinite_rx=1

Control: from kill -9 of its worker to the reply to a command that was sent right behind, and until
all calls are known to be right on both sides. Meanwhile no packet may be lost. Dataplane: from the
start of the next one behind a kill -9 to the first relayed packet, and until control has gone
through all calls. Somebody has to start it: here that is done at once.
"""

import os
import signal
import socket
import time

from process import Failed, wait_for
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm, write_one_frame

TITLE = "Recovery after kill -9"
CALLS = (1000, 100000, 250000)
MOST = 250000
N_FORWARDED = 1024  # flows
UDP = ("127.0.0.1", 22322)
PATIENCE_S = 60
CONTROL, DATAPLANE = "rtprelayd", "rtprelay-dp"
# what, limit in seconds with the most calls
GOALS = (("first reply", CONTROL, 1), ("all calls confirmed", CONTROL, 3),
         ("media again", DATAPLANE, 1))


def run(bench, figures):
    capture = bench.scratch.path("in.pcap")
    for n in bench.sizes(CALLS):
        what = f"{n:,} calls"
        bench.say(f"{what}: setting them up")
        write_one_frame(capture)
        with Relay(bench, {"p": f"net_pcap0,rx_pcap={capture},infinite_rx=1"},
                   [realm("r", "p", n_addresses(2 * n))], sockets=[f"udp:{UDP[0]}:{UDP[1]}"],
                   dataplane={"mbufs": N_FORWARDED + N_OTHER_BUFFERS}) as relay:
            relay.set_up(n)
            relay.write_frames(capture, "-n", str(N_FORWARDED))
            relay.restart_dataplane()
            for _ in bench.rounds(what):
                kill_control(figures, relay, what)
                kill_dataplane(figures, relay, what)
        if n == MOST:
            judge(figures, what)
    figures.plot("s", log=True)


def kill_control(figures, relay, what):
    resyncs, before = relay.n_resyncs(), relay.counters()
    begin_s = time.monotonic()
    os.kill(relay.control_pid(), signal.SIGKILL)
    ask()
    add(figures, f"{what}: first reply", CONTROL, begin_s)
    relay.wait_resync(resyncs)
    add(figures, f"{what}: all calls confirmed", CONTROL, begin_s)
    after = relay.counters()
    lost = {name: after[name] - before[name] for name in after
            if name.startswith("drop_") and after[name] > before[name]}
    if lost or after["relayed_packets"] == before["relayed_packets"]:
        raise Failed(f"packets were lost while control was away: {lost}")
    figures.add(f"{what}: packets relayed meanwhile", CONTROL, "packets",
                after["relayed_packets"] - before["relayed_packets"])


def ask():
    """One command, sent once: the socket outlives whoever answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(PATIENCE_S)
        asker.sendto(b"bench V", UDP)
        if not asker.recv(1500).startswith(b"bench "):
            raise Failed("a reply to somebody else")


def kill_dataplane(figures, relay, what):
    resyncs = relay.n_resyncs()
    relay.dp.kill()
    relay.dp.wait()
    before = relay.counters()["relayed_packets"]
    begin_s = time.monotonic()
    relay.start_dataplane()
    wait_for(lambda: relay.counters()["relayed_packets"] > before, "media", relay.dp, relay.log)
    add(figures, f"{what}: media again", DATAPLANE, begin_s)
    relay.wait_resync(resyncs)
    add(figures, f"{what}: all calls confirmed", DATAPLANE, begin_s)


def add(figures, what, who, begin_s):
    figures.add(what, who, "s", time.monotonic() - begin_s)


def judge(figures, what):
    for name, who, limit_s in GOALS:
        figures.limit(f"{what}: {name}, s", (f"{what}: {name}", who, "s"), limit_s, better="less")
