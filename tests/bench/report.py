# SPDX-License-Identifier: BSD-2-Clause
"""Writes what a run found out: report.json for programs, report.md and plots for people."""

import json
import os
import textwrap

FORMAT = 1
HEADLINE = "headline"  # name of the plot that is shown first


def number(value):
    """With about three digits that count."""
    if value is None:
        return "none"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else (
        f"{value:.2f}")


def spread(row):
    """Median, and the smallest and greatest of several rounds."""
    if len(row["values"]) < 2 or row["min"] == row["max"]:
        return number(row["median"])
    return f"{number(row['median'])} ({number(row['min'])} .. {number(row['max'])})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def figure_table(case):
    units = list(dict.fromkeys(row["unit"] for row in case["figures"]))
    cells = {}
    for row in case["figures"]:
        cells.setdefault((row["what"], row["who"]), {})[row["unit"]] = spread(row)
    rows = [[what, who, *(of.get(unit, "") for unit in units)]
            for (what, who), of in cells.items()]
    return table(["What", "Who", *units], rows)


def goal(row):
    if row["goal"] is None:
        return "", ""
    side = "at least" if row["better"] == "more" else "at most"
    return f"{side} {number(row['goal'])}", "reached" if row["reached"] else "**missed**"


def judged_table(head, rows):
    if not rows:
        return []
    return table([head, "Median (range)", "Goal", ""],
                 [[row["name"], spread(row), *goal(row)] for row in rows])


def case_text(case, plots):
    lines = [f"## {case['title']}", ""]
    lines += [f"`make bench CASE={case['case']}`, {case['seconds']:.0f} s.", ""]
    lines += textwrap.dedent(case["about"]).strip().split("\n") + [""]
    if "failed" in case:
        lines += [f"**Failed**: {case['failed']}", ""]
    lines += figure_table(case) if case["figures"] else []
    lines += judged_table("Ratio", case["ratios"]) + judged_table("Figure", case["limits"])
    lines += [f"{note}\n" for note in case["notes"]]
    return lines + [f"![{name}]({plots}{name}.png)\n" for name in case["images"]]


def body(report, plots=""):
    """Lines of a page about the report; plots: where they lie, seen from it."""
    lines = [
        f"Made by `{report['command']}` on {report['date']}, {report['rounds']} rounds, in "
        f"{report['seconds'] / 60:.0f} minutes. A figure is the median of the rounds, with "
        "the smallest and the greatest behind it; a ratio is taken round by round, from what "
        "ran side by side.", ""]
    if report["has_headline"]:
        lines += [f"![packets a second beside testpmd]({plots}{HEADLINE}.png)", ""]
    lines += table(["Machine", ""], [[name, str(v)] for name, v in report["machine"].items()])
    for case in report["cases"]:
        lines += case_text(case, plots)
    return "\n".join(lines).rstrip().split("\n")


def text(report):
    lines = ["<!-- SPDX-License-Identifier: BSD-2-Clause -->",
             "<!-- What the benchmarks of rtprelay found on one machine. -->", "", "# Benchmarks",
             "", *body(report)]
    return "\n".join(lines) + "\n"


def write(folder, report):
    import headline
    import plots  # which needs what only `tools/deps bench` installs

    os.makedirs(folder, exist_ok=True)
    for case in report["cases"]:
        case["images"] = plots.draw_case(folder, case)
    bars = headline.bars(report)
    report["has_headline"] = bool(bars)
    if bars:
        plots.draw_headline(folder, HEADLINE, bars)
    with open(os.path.join(folder, "report.json"), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, **report}, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as file:
        file.write(text(report))
