# SPDX-License-Identifier: BSD-2-Clause
"""Listen addresses of -l and -6: [LABEL@]ADDR[=ADVERTISED], or the two of a bridge, INT/EXT."""

import dataclasses
import re

from front.refusal import Refusal

MOST = 16
ANY = ("*", "0.0.0.0", "::")


@dataclasses.dataclass
class Listen:
    option: str  # as given, for messages
    family: int  # 4 or 6
    host: str
    label: str = None
    advertised: str = None

    @property
    def is_any(self):
        return self.host in ANY


@dataclasses.dataclass
class Argument:
    """One -l or -6."""
    option: str
    family: int
    label: str
    internal: str  # or the only one; empty in `-6 /EXT`
    external: str  # None: no bridge
    advertised: str


def parse_listen(name, value, family):
    label, at, rest = value.rpartition("@")
    hosts, equals, advertised = rest.partition("=")
    internal, slash, external = hosts.partition("/")
    option = f"{name} {value}"
    if at and not re.fullmatch(r"[A-Za-z0-9._-]{1,63}", label):
        raise Refusal(f"{option}: a label is up to 63 of letters, digits, . - _")
    if (equals and not advertised) or (slash and not external) or not hosts:
        raise Refusal(f"{option}: expected [LABEL@]ADDR[=ADVERTISED] or INTERNAL/EXTERNAL")
    if slash and (at or equals):
        raise Refusal(f"{option}: addresses of a bridge take neither label nor '='; advertised "
                      "ones are those of -A")
    return Argument(option, family, label or None, internal, external if slash else None,
                    advertised or None)


def find_bridge(arguments):
    """(internal, external) and the arguments that are no part of them; (None, None) without."""
    firsts = [next((a for a in arguments if a.family == family), None) for family in (4, 6)]
    firsts = [a for a in firsts if a is not None]
    bridges = [a for a in firsts if a.external]
    if not bridges:
        return None, None, arguments
    internals = [a for a in firsts if a.internal]
    if len(bridges) > 1 or len(internals) != 1:
        raise Refusal("a bridge has one internal and one external address: -l INT/EXT, "
                      "-6 INT/EXT, or -l INT -6 /EXT")
    inside, outside = internals[0], bridges[0]
    if inside.label or inside.advertised:
        raise Refusal(f"{inside.option}: addresses of a bridge take neither label nor '='; "
                      "advertised ones are those of -A")
    rest = [a for a in arguments if a is not inside and a is not outside]
    return (Listen(inside.option, inside.family, inside.internal),
            Listen(outside.option, outside.family, outside.external), rest)


def settle_listen(arguments):
    """(bridge or None, other addresses in their order), checked against each other."""
    if len(arguments) > MOST:
        raise Refusal(f"-l and -6 are given {len(arguments)} times, expected at most {MOST}")
    inside, outside, rest = find_bridge(arguments)
    others = []
    for argument in rest:
        if argument.external:
            raise Refusal(f"{argument.option}: only the first -l or -6 may be a bridge")
        if (inside or others) and not argument.label:
            raise Refusal(f"{argument.option}: every address but the first needs a label, "
                          "LABEL@ADDR")
        if any(argument.label == other.label for other in others if other.label):
            raise Refusal(f"{argument.option}: the label is taken")
        others.append(Listen(argument.option, argument.family, argument.internal, argument.label,
                             argument.advertised))
    if not inside and not others:
        others.append(Listen("no -l or -6", 4, "*"))
    return ((inside, outside) if inside else None), others
