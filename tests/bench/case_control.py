# SPDX-License-Identifier: BSD-2-Clause
"""How many commands control runs in a second of its CPU time, and how soon it replies.

    rtppload -> command socket -> rtprelayd <-region-> rtprelay-dp <- net_pcap, infinite_rx=1

A mix is calls set up (U, L), ended with new ones in their place (D, U, L), and deleted (D), every
reply checked. Where there are but two cores control and the load share one, which is why commands
are counted for each second of CPU time of control's worker; commands a second and reply times are
those of the two together. "Full rate" means that the dataplane's worker takes packets of 1,024
flows without a pause, "idle" that it receives none. Over `unix` each command has a connection of
its own; over `cunix` each of those in flight has one that stays; `shm` is the library for
controllers.
"""

from process import process_ns
from relay import N_OTHER_BUFFERS, Relay, n_addresses, realm, write_one_frame

TITLE = "Control: commands"
STANDING = (0, 10000, 100000, 250000)
STANDING_OF_GOALS = 100000
IN_FLIGHT = (1, 8, 64)
# calls, and those of them that end and begin anew: a mix takes about half a second
SIZE_OF_MIX = {1: (300, 1200), 8: (1000, 4000), 64: (2000, 8000)}
SOCKETS = ("udp", "unix", "shm")
OTHER_SOCKETS = ("cunix",)  # with so many calls as the goals have
STATES = ("idle", "full rate")
N_FORWARDED = 1024  # flows
PACED = 20000  # commands a second
PACED_S = 2
UDP = "udp:127.0.0.1:22321"
WHO = "rtprelayd"
GOAL_PER_CPU_S = 200000
GOAL_P99_US = 1000
VERBS_OF_CHURN = 3
RATE = "commands a CPU-second"


def address(bench, name):
    return UDP if name == "udp" else f"{name}:{bench.scratch.path('relay')}/{name}"


def run(bench, figures):
    capture = bench.scratch.path("in.pcap")
    write_one_frame(capture)
    standing = bench.sizes(STANDING)
    n_pairs = 2 * (max(standing) + N_FORWARDED + max(n for n, _ in SIZE_OF_MIX.values()))
    with Relay(bench, {"p": f"net_pcap0,rx_pcap={capture},infinite_rx=1"},
               [realm("r", "p", n_addresses(n_pairs))], held=("p",),
               sockets=[address(bench, name) for name in SOCKETS],
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
            by_socket(bench, figures, relay, n, "idle")
            relay.release("p")
            by_socket(bench, figures, relay, n, "full rate")
            if n == STANDING_OF_GOALS or bench.quick:
                paced(bench, figures, relay, n)
    judge(figures, standing)


def subject(name, in_flight, n, state):
    return f"{name}, {in_flight} in flight, {n:,} standing calls, {state}"


def by_socket(bench, figures, relay, n, state):
    others = OTHER_SOCKETS if n == STANDING_OF_GOALS else ()
    for name in (*SOCKETS, *others):
        for in_flight in bench.sizes(IN_FLIGHT):
            mix(bench, figures, relay, subject(name, in_flight, n, state), address(bench, name),
                in_flight)


def mix(bench, figures, relay, what, socket, in_flight):
    """One mix a round."""
    n_calls, n_churned = SIZE_OF_MIX[in_flight]
    words = ["-n", str(n_calls), "-w", str(in_flight), "-t", "5000", socket, "setup",
             f"churn={n_churned}", "delete"]
    for _ in bench.rounds(what):
        before_ns = process_ns(relay.control_pid())
        steps = relay.load(*words)["steps"]
        cpu_s = (process_ns(relay.control_pid()) - before_ns) / 1e9
        n = sum(step["commands"] for step in steps)
        figures.add(what, WHO, RATE, n / cpu_s)
        figures.add(what, WHO, "commands a second", n / sum(step["seconds"] for step in steps))
        for name in ("p50", "p99", "max"):
            figures.add(what, WHO, f"{name}, us", steps[1]["reply_us"][name])


def judge(figures, standing):
    """Of 64 in flight: what does not wait for one reply before the next command."""
    goal = subject("udp", 64, STANDING_OF_GOALS, "full rate")
    for state in STATES:
        for n in standing[1:]:
            figures.ratio(f"commands a CPU-second with {n:,} standing calls to none, {state}",
                          (subject("udp", 64, n, state), WHO, RATE),
                          (subject("udp", 64, 0, state), WHO, RATE))
    for name in SOCKETS[1:]:
        if STANDING_OF_GOALS in standing:
            figures.ratio(f"commands a CPU-second over {name} to udp, {STANDING_OF_GOALS:,} "
                          "standing calls, full rate",
                          (subject(name, 64, STANDING_OF_GOALS, "full rate"), WHO, RATE),
                          (goal, WHO, RATE))
    if STANDING_OF_GOALS in standing:
        figures.limit(goal, (goal, WHO, RATE), GOAL_PER_CPU_S)
    figures.plot(RATE, of=[subject(name, 64, n, state) for n in standing for state in STATES
                           for name in SOCKETS])


def paced(bench, figures, relay, n):
    """Reply times at a pace, counted from when a command was due."""
    what = f"udp, {PACED:,} commands a second, {n:,} standing calls, full rate"
    per_second = PACED // VERBS_OF_CHURN
    for _ in bench.rounds(what):
        steps = relay.load("-n", str(SIZE_OF_MIX[64][0]), "-w", "256", "-t", "5000", "-r",
                           str(per_second), UDP, "setup", f"churn={per_second * PACED_S}",
                           "delete")["steps"]
        figures.add(what, WHO, "commands a second", steps[1]["per_second"])
        for name in ("p50", "p99", "max"):
            figures.add(what, WHO, f"{name}, us", steps[1]["reply_us"][name])
    figures.limit(f"{what}: p99, us", (what, WHO, "p99, us"), GOAL_P99_US, better="less")
