# SPDX-License-Identifier: BSD-2-Clause
"""What is shown first of a report: three figures, and what the plot of all ratios shows."""

from report import number

REFERENCE = "testpmd 5tswap"
PACKETS = "Mpps"  # begins the unit of every figure that counts packets a second
GOALS_CALLS = "100,000 standing calls"
MOST_CALLS = "250,000 calls"


def median(report, name, what, who, unit):
    """Of a figure, None where the report has none."""
    for case in report["cases"]:
        for row in case["figures"]:
            if (case["case"], row["what"], row["who"], row["unit"]) == (name, what, who, unit):
                return row["median"]
    return None


# A sentence and the figures that it holds: case, what, who and unit of each.
SENTENCES = (
    ("packets a second of one core, 1,024 flows",
     "{} million; testpmd `5tswap`, which only exchanges addresses, {} million",
     (("cost", "IPv4, 1,024 flows", "rtprelay", "Mpps"),
      ("cost", "IPv4, 1,024 flows", REFERENCE, "Mpps"))),
    (f"commands for each second of CPU time, over UDP, {GOALS_CALLS}, packets at full rate", "{}",
     (("control", f"udp, 64 in flight, {GOALS_CALLS}, full rate", "rtprelayd",
       "commands a CPU-second"),)),
    (f"`kill -9` of control with {MOST_CALLS}, no packet lost",
     "replies again after {} s, all calls confirmed after {} s",
     (("recovery", f"{MOST_CALLS}: first reply", "rtprelayd", "s"),
      ("recovery", f"{MOST_CALLS}: all calls confirmed", "rtprelayd", "s"))),
)  # yapf: disable


def missing(report):
    """What the sentences want and the report does not have."""
    return [": ".join(key) for _, _, keys in SENTENCES for key in keys
            if median(report, *key) is None]


def rows(report):
    """Name and text of each sentence."""
    return [(name, text.format(*(number(median(report, *key)) for key in keys)))
            for name, text, keys in SENTENCES]


def bars(report):
    """Name, ratio and both figures of everything that was measured in packets a second beside the
    reference."""
    found = []
    for case in report["cases"]:
        for ratio in case["ratios"]:
            over, under = ratio["over"], ratio["under"]
            if ratio["median"] is None or under[1] != REFERENCE or \
                    not over[2].startswith(PACKETS):
                continue
            found.append({
                "name": f"{case['case']}: {over[0]}",
                "ratio": ratio["median"],
                "ours": median(report, case["case"], *over),
                "theirs": median(report, case["case"], *under),
            })
    return found
