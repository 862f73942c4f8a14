# SPDX-License-Identifier: BSD-2-Clause
"""What a case found out: a value of each round, ratios of such values, and the goals."""

import statistics


class Figures:
    """Values have a subject (what), a program (who) and a unit; one value is added a round."""

    def __init__(self):
        self.rows = {}
        self.ratios = []
        self.limits = []
        self.plots = []
        self.notes = []

    def add(self, what, who, unit, value):
        self.rows.setdefault((what, who, unit), []).append(value)

    def last(self, what, who, unit):
        """The value that was added last."""
        return self.rows[(what, who, unit)][-1]

    def ratio(self, name, over, under, goal=None, better="more"):
        """Of two keys (what, who, unit). Rounds are divided one by one, since what is measured
        side by side shares its disturbances. goal: at least, or with better="less" at most."""
        self.ratios.append({
            "name": name, "over": over, "under": under, "goal": goal, "better": better
        })

    def limit(self, name, key, goal, better="more"):
        """A goal for the figure itself: a value of this machine, for no baseline."""
        self.limits.append({"name": name, "of": key, "goal": goal, "better": better})

    def plot(self, unit, log=False, of=None):
        """Show the figures of a unit, all of them or those of some subjects."""
        self.plots.append({"unit": unit, "log": log, "of": of})

    def note(self, text):
        """A sentence that belongs to the figures; said twice it is shown once."""
        if text not in self.notes:
            self.notes.append(text)

    def quotients(self, ratio):
        pairs = zip(self.values(ratio["over"]), self.values(ratio["under"]))
        return [over / under for over, under in pairs if under]

    def values(self, key):
        """None of what a case that failed did not come to."""
        return self.rows.get(tuple(key), [])

    def to_json(self):
        return {
            "figures": [
                {"what": what, "who": who, "unit": unit, **summary(values)}
                for (what, who, unit), values in self.rows.items()
            ],
            "ratios": [judged({**ratio, **summary(self.quotients(ratio))})
                       for ratio in self.ratios],
            "limits": [judged({**limit, **summary(self.values(limit["of"]))})
                       for limit in self.limits],
            "plots": self.plots,
            "notes": self.notes,
        }


def summary(values):
    if not values:
        return {"median": None, "min": None, "max": None, "values": []}
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "values": values,
    }


def judged(row):
    """With `reached`, None where there is no goal."""
    reached = None
    if row["goal"] is not None and row["median"] is not None:
        more = row["better"] == "more"
        reached = row["median"] >= row["goal"] if more else row["median"] <= row["goal"]
    return {**row, "reached": reached}
