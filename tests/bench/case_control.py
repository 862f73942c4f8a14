# SPDX-License-Identifier: BSD-2-Clause
"""How many commands control runs in a second of its CPU time, and how soon it replies.

    rtppload -> command socket -> rtprelayd <-region-> rtprelay-dp <- net_pcap, infinite_rx=1

A mix is calls set up (U, L), ended with new ones in their place (D, U, L), and deleted (D), every
reply checked. Control and the load share a core, which is why commands are counted for each second
of CPU time of control's worker; commands a second and reply times are those of the two together.
"Full rate" means that the dataplane's worker takes packets of 1,024 flows without a pause, "idle"
that it receives none.
"""

import os
import subprocess

from process import process_ns
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm, write_one_frame

TITLE = "Control: commands"
STANDING = (0, 10000, 100000, 250000)
STANDING_OF_SOCKETS = 100000
IN_FLIGHT = (1, 8, 64)
N_CHURNED = {1: 1500, 8: 5000, 64: 10000}  # so that a mix takes about half a second
N_CALLS_OF_MIX = 2000
N_FORWARDED = 1024  # flows
PACED = 20000  # commands a second
PACED_S = 2
UDP = "udp:127.0.0.1:22321"
WHO = "rtprelayd"
GOAL_PER_CPU_S = 200000
GOAL_P99_US = 1000
VERBS_OF_CHURN = 3


def sockets(bench):
    """Prefix -> address, of those that rtppload knows."""
    known = subprocess.run([os.path.join(bench.build, "rtppload"), "--help"], check=True,
                           capture_output=True, text=True).stdout
    folder = bench.scratch.path("relay")
    found = {"udp": UDP, "unix": f"unix:{folder}/unix", "cunix": f"cunix:{folder}/cunix"}
    if "shm:" in known:
        found["shm"] = f"shm:{folder}/shm"
    return found


def run(bench, figures):
    capture = bench.scratch.path("in.pcap")
    names = sockets(bench)
    write_one_frame(capture)
    standing = bench.sizes(STANDING)
    n_pairs = 2 * (max(standing) + N_FORWARDED + N_CALLS_OF_MIX)
    more = [socket for name, socket in names.items() if name != "cunix"]  # a relay has that one
    with Relay(bench, {"p": f"net_pcap0,rx_pcap={capture},infinite_rx=1"},
               [realm("r", "p", n_addresses(n_pairs))], held=("p",), sockets=more,
               dataplane={"mbufs": N_FORWARDED + N_OTHER_BUFFERS}) as relay:
        relay.set_up(N_FORWARDED // 2)
        relay.write_frames(capture)
        n_before = 0
        for n in standing:
            bench.say(f"{n:,} standing calls: setting them up")
            if n > n_before:
                relay.set_up(n - n_before)
            n_before = n
            relay.restart_dataplane()
            by_size(bench, figures, relay, n, "idle")
            relay.release("p")
            by_size(bench, figures, relay, n, "full rate")
            if n == STANDING_OF_SOCKETS or bench.quick:
                by_socket(bench, figures, relay, names, n)
                paced(bench, figures, relay, n)
    figures.plot("commands a CPU-second")


def mix(bench, figures, relay, what, socket, in_flight):
    """One mix a round."""
    words = ["-n", str(N_CALLS_OF_MIX), "-w", str(in_flight), "-t", "5000", socket, "setup",
             f"churn={N_CHURNED[in_flight]}", "delete"]
    for _ in bench.rounds(what):
        before_ns = process_ns(relay.control_pid())
        steps = relay.load(*words)["steps"]
        cpu_s = (process_ns(relay.control_pid()) - before_ns) / 1e9
        n = sum(step["commands"] for step in steps)
        churn = steps[1]["reply_us"]
        figures.add(what, WHO, "commands a CPU-second", n / cpu_s)
        figures.add(what, WHO, "commands a second", n / sum(step["seconds"] for step in steps))
        for name in ("p50", "p99", "max"):
            figures.add(what, WHO, f"{name}, us", churn[name])


def by_size(bench, figures, relay, n, state):
    what = f"udp, 64 in flight, {n:,} standing calls, {state}"
    mix(bench, figures, relay, what, UDP, 64)
    if n == STANDING_OF_SOCKETS and state == "full rate":
        figures.limit(what, (what, WHO, "commands a CPU-second"), GOAL_PER_CPU_S)
    if n > 0:
        none = f"udp, 64 in flight, 0 standing calls, {state}"
        figures.ratio(f"commands a CPU-second with {n:,} standing calls to none, {state}",
                      (what, WHO, "commands a CPU-second"), (none, WHO, "commands a CPU-second"))


def by_socket(bench, figures, relay, names, n):
    for name, socket in names.items():
        for in_flight in bench.sizes(IN_FLIGHT):
            what = f"{name}, {in_flight} in flight, {n:,} standing calls, full rate"
            if (name, in_flight) != ("udp", 64):  # which by_size did
                mix(bench, figures, relay, what, socket, in_flight)


def paced(bench, figures, relay, n):
    """Reply times at a pace, counted from when a command was due."""
    what = f"udp, {PACED:,} commands a second, {n:,} standing calls, full rate"
    per_second = PACED // VERBS_OF_CHURN
    for _ in bench.rounds(what):
        steps = relay.load("-n", str(N_CALLS_OF_MIX), "-w", "256", "-t", "5000", "-r",
                           str(per_second), UDP, "setup", f"churn={per_second * PACED_S}",
                           "delete")["steps"]
        figures.add(what, WHO, "commands a second", steps[1]["per_second"])
        for name in ("p50", "p99", "max"):
            figures.add(what, WHO, f"{name}, us", steps[1]["reply_us"][name])
    figures.limit(f"{what}: p99, us", (what, WHO, "p99, us"), GOAL_P99_US, better="less")
