# SPDX-License-Identifier: BSD-2-Clause
"""Bars with their range, one image a case and unit, as PNG and SVG."""

import os
import re

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402, after the choice of what draws

matplotlib.rcParams["svg.hashsalt"] = "rtprelay"  # the same figures make the same file
BAR_WIDTH = 0.8  # of the room of a group


def draw_case(folder, case):
    """Returns the names of the images, without .png and .svg."""
    return [draw(folder, case, plot) for plot in case["plots"] if values_of(case, plot)]


def values_of(case, plot):
    return [row for row in case["figures"] if row["unit"] == plot["unit"] and row["values"]
            and (plot["of"] is None or row["what"] in plot["of"])]


def image_name(case, unit):
    return re.sub(r"[^a-z0-9]+", "-", f"{case['case']} {unit}".lower()).strip("-")


def draw(folder, case, plot):
    rows = values_of(case, plot)
    subjects = list(dict.fromkeys(row["what"] for row in rows))
    programs = list(dict.fromkeys(row["who"] for row in rows))
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.16 * len(rows) + 0.25 * len(subjects)))
    step = BAR_WIDTH / len(programs)
    for k, who in enumerate(programs):
        mine = [row for row in rows if row["who"] == who]
        at = [subjects.index(row["what"]) + (k - (len(programs) - 1) / 2) * step for row in mine]
        low = [row["median"] - row["min"] for row in mine]
        high = [row["max"] - row["median"] for row in mine]
        axes.barh(at, [row["median"] for row in mine], step * 0.9, xerr=(low, high), label=who,
                  error_kw={"elinewidth": 0.8, "capsize": 1.5})
    axes.set_yticks(range(len(subjects)), subjects)
    axes.invert_yaxis()
    axes.set_xlabel(plot["unit"])
    if plot["log"]:
        axes.set_xscale("log")
    axes.set_title(case["title"])
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="small")
    name = image_name(case, plot["unit"])
    save(folder, name, figure)
    return name


def draw_headline(folder, name, bars):
    """All that was measured beside the reference, which is the line at 1; with both figures."""
    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.32 * len(bars)))
    drawn = axes.barh([bar["name"] for bar in bars], [bar["ratio"] for bar in bars], BAR_WIDTH)
    texts = [f" {bar['ours']:.3g} of {bar['theirs']:.3g} Mpps" for bar in bars]
    axes.bar_label(drawn, texts, fontsize="small")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, 1.3 * max([1, *(bar["ratio"] for bar in bars)]))
    axes.invert_yaxis()
    axes.set_xlabel("packets a second of one core, as a share of testpmd 5tswap's")
    axes.set_title("rtprelay beside testpmd, which looks nothing up and counts nothing")
    axes.grid(axis="x", alpha=0.3)
    save(folder, name, figure)


def save(folder, name, figure):
    for kind in ("png", "svg"):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(os.path.join(folder, f"{name}.{kind}"), bbox_inches="tight", dpi=120,
                       metadata=metadata)
    pyplot.close(figure)
