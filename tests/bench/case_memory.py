# SPDX-License-Identifier: BSD-2-Clause
"""What a call of four ports takes of memory, at 90 % of the ports in use.

The dataplane's share is the region, which has room for all ports of its addresses from the start,
and what its process grows by beside it. Control's is its heap and the pages of its store, without
replies that are kept for repeated commands: the calls come over a UNIX socket, where nobody repeats
one.
"""

import os

from relay import Relay, n_addresses, realm

TITLE = "Memory a call"
CALLS = (6750, 101250)  # 90 % of 1 and of 15 addresses
MOST = 101250
GOAL_BYTES = 2048
OURS = ("rtprelay-dp", "rtprelayd")
REST = "all of it"


def run(bench, figures):
    for n in bench.sizes(CALLS):
        what = f"{n:,} calls"
        n_of_pool = n_addresses(2 * n)
        with Relay(bench, {"p": "net_null0,no-rx=1"}, [realm("r", "p", n_of_pool, only=4)],
                   media={"max_addresses": n_of_pool}) as relay:
            bench.say(f"{what}: setting them up")
            relay.set_up(1)  # what the first call costs is no call's
            before = sizes(relay)
            relay.set_up(n)
            after = sizes(relay)
            for name, program in (("region", OURS[0]), ("process", OURS[0]), ("heap", OURS[1]),
                                  ("store", OURS[1])):
                grown = after[name] - (0 if name == "region" else before[name])
                figures.add(f"{what}: {name}", program, "bytes a call", grown / n)
            for program, names in ((OURS[0], ("region", "process")), (OURS[1], ("heap", "store"))):
                figures.add(f"{what}: {REST}", program, "bytes a call", sum(
                    figures.last(f"{what}: {name}", program, "bytes a call") for name in names))
                if n != MOST:  # small regions are mostly rings and rounding
                    continue
                figures.limit(f"{what}: bytes a call in {program}",
                              (f"{what}: {REST}", program, "bytes a call"), GOAL_BYTES, "less")


def sizes(relay):
    """Bytes, by where they are."""
    control = relay.control_pid()
    return {
        "region": relay.rrctl("status")["region"]["size_bytes"],
        "process": anonymous(relay.dp.pid),
        "heap": anonymous(control),
        "store": mapped(control, "data.mdb"),
    }


def anonymous(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(kib_of(line) for line in file if line.startswith("Anonymous:")) * 1024


def mapped(pid, name):
    """Pages of a mapped file that are there."""
    inside, kib = False, 0
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            if not line.split()[0].endswith(":"):
                inside = os.path.basename(line.split()[-1]) == name
            elif inside and line.startswith("Rss:"):
                kib += kib_of(line)
    return kib * 1024


def kib_of(line):
    return int(line.split()[1])
