# SPDX-License-Identifier: BSD-2-Clause
"""rtpproxy's command line as a table: each option is honoured, ignored with a note, or refused."""

import dataclasses
import getopt
import os
import re

from front.listen import parse_listen
from front.refusal import Refusal

DEFAULT_PID_FILE = "/var/run/rtpproxy.pid"
LEVELS = {"DBUG": "debug", "INFO": "info", "WARN": "warning", "ERR": "error", "CRIT": "error"}
FACILITIES = ("KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP LOCAL0 LOCAL1 "
              "LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7").split()
LONGEST_TTL_S = 86400  # control.media_ttl_s
LEAST_FILES = 100  # both programs start with half of them
HIGHEST_MODE = 0o777  # control.socket_mode
OVERLOAD = "0.85-0.90"  # where --overload_prot says no more
NOT_BUILT = "recording is not part of rtprelay yet, and without it calls would go unrecorded"


@dataclasses.dataclass
class Settings:
    """What the command line says; None where it says nothing."""
    listen: list = dataclasses.field(default_factory=list)
    advertised: tuple = ()  # -A: internal, external
    sockets: list = dataclasses.field(default_factory=list)
    notify: list = dataclasses.field(default_factory=list)
    media: dict = dataclasses.field(default_factory=dict)  # options of rtprelay.conf by name
    control: dict = dataclasses.field(default_factory=dict)
    user: str = None
    group: str = None
    socket_mode: int = None
    log_level: str = None
    log_facility: str = "DAEMON"
    pid_file: str = DEFAULT_PID_FILE
    n_files: int = None
    nice: int = None
    policy: str = None
    config_file: str = None
    foreground: bool = False
    stays_in_folder: bool = False
    keeps_stderr: bool = False
    checks_nothing: bool = False
    resolves: bool = True
    records_all: bool = False
    prints_config: bool = False
    answer: str = None  # -V -v -C -h: what is asked instead of a start
    notes: list = dataclasses.field(default_factory=list)  # for the log


# ---- what an option does with its value: each returns a function of (settings, name, value)

def whole(text, name, low, high):
    if not re.fullmatch(r"[+-]?[0-9]+", text) or not low <= int(text) <= high:
        raise Refusal(f"{name} {text}: expected a whole number, {low}..{high}")
    return int(text)


def number(low, high, group, field):
    """Into an option of rtprelay.conf."""
    def apply(settings, name, value):
        getattr(settings, group)[field] = whole(value, name, low, high)
    return apply


def count(low, high, field):
    def apply(settings, name, value):
        setattr(settings, field, whole(value, name, low, high))
    return apply


def switch(group, field):
    def apply(settings, _name, _value):
        getattr(settings, group)[field] = True
    return apply


def flag(field):
    def apply(settings, _name, _value):
        setattr(settings, field, True)
    return apply


def ask(what):
    def apply(settings, _name, _value):
        settings.answer = settings.answer or what
    return apply


def ignore(why):
    def apply(settings, name, _value):
        settings.notes.append(f"{name} {why}")
    return apply


def refuse(why):
    def apply(_settings, name, _value):
        raise Refusal(f"{name}: {why}")
    return apply


def listen(family):
    def apply(settings, name, value):
        settings.listen.append(parse_listen(name, value, family))
    return apply


def append(field):
    def apply(settings, name, value):
        if not value:
            raise Refusal(f"{name}: its value is empty")
        getattr(settings, field).append(value)
    return apply


def advertise(settings, name, value):
    words = tuple(value.split("/"))
    if len(words) > 2 or not all(words):
        raise Refusal(f"{name} {value}: expected INTERNAL/EXTERNAL")
    settings.advertised = words


def log(settings, name, value):
    level, colon, facility = value.partition(":")
    if level not in LEVELS:
        raise Refusal(f"{name} {value}: expected one of the levels {' '.join(LEVELS)}")
    settings.log_level = LEVELS[level]
    if colon:
        settings.log_facility = facility.upper().removeprefix("LOG_")
        if settings.log_facility not in FACILITIES:
            raise Refusal(f"{name} {value}: expected a syslog facility as LOG_LOCAL5 behind ':'")


def run_as(settings, name, value):
    user, colon, group = value.partition(":")
    if not (user or group) or (colon and not group):
        raise Refusal(f"{name} {value}: expected USER, USER:GROUP or :GROUP")
    settings.user, settings.group = user or None, group or None


def policy(settings, name, value):
    if value not in ("fifo", "rr"):
        raise Refusal(f"{name} {value}: expected fifo or rr")
    settings.policy = value


def overload(settings, name, value):
    """Fractions of 1, into percent."""
    found = re.fullmatch(r"([01]?\.?[0-9]*)-([01]?\.?[0-9]*)", value)
    try:
        low, high = (round(100 * float(text)) for text in found.groups())
    except (AttributeError, ValueError):
        low, high = 0, 0
    if not 0 < low <= high <= 100:
        raise Refusal(f"{name} {value}: expected LOW-HIGH, fractions of 1 as {OVERLOAD}")
    settings.control.update(overload_low_pct=low, overload_high_pct=high)


def path(field):
    def apply(settings, name, value):
        if not value:
            raise Refusal(f"{name}: its value is empty")
        setattr(settings, field, os.path.abspath(value))
    return apply


# ---- the table

@dataclasses.dataclass(frozen=True)
class Option:
    name: str
    value: str  # as the usage shows it; None: takes none
    apply: object


OPTIONS = (
    Option("-2", None, refuse("rtprelay sends no packet twice; leave the option out")),
    Option("-6", "ADDR", listen(6)),
    Option("-A", "INT/EXT", advertise),
    Option("-a", None, flag("records_all")),
    Option("-b", None, switch("media", "sequential_ports")),
    Option("-C", None, ask("clock")),
    Option("-c", "fifo|rr", policy),
    Option("-D", None, flag("stays_in_folder")),
    Option("-d", "LEVEL[:FACILITY]", log),
    Option("-F", None, flag("checks_nothing")),
    Option("-f", None, flag("foreground")),
    Option("-i", None, switch("control", "independent_ttl")),
    Option("-L", "NUMBER", count(LEAST_FILES, 1 << 30, "n_files")),
    Option("-l", "ADDR", listen(4)),
    Option("-M", "PORT", number(1, 65535, "media", "port_max")),
    Option("-m", "PORT", number(1, 65535, "media", "port_min")),
    Option("-n", "TARGET", append("notify")),
    Option("-P", None, ignore("chooses a format of recordings and does nothing without -r")),
    Option("-p", "FILE", path("pid_file")),
    Option("-R", None, ignore("leaves RTCP out of recordings and does nothing without -r")),
    Option("-r", "FOLDER", refuse(NOT_BUILT)),
    Option("-S", "FOLDER", refuse(NOT_BUILT)),
    Option("-s", "SOCKET", append("sockets")),
    Option("-T", "SECONDS", number(1, LONGEST_TTL_S, "control", "media_ttl_s")),
    Option("-t", "TOS", number(0, 255, "media", "tos")),
    Option("-u", "USER[:GROUP]", run_as),
    Option("-V", None, ask("version")),
    Option("-v", None, ask("capabilities")),
    Option("-W", "SECONDS", number(1, LONGEST_TTL_S, "control", "setup_ttl_s")),
    Option("-w", "MODE", count(0, HIGHEST_MODE, "socket_mode")),
    Option("--bridge_symmetric", None, switch("media", "bridge_symmetric")),
    Option("--config", "FILE", path("config_file")),
    Option("--dso", "FILE", refuse("rtprelay loads no modules, and what this one does would be "
                                   "missing")),
    Option("--force_asymmetric", None, switch("media", "asymmetric")),
    Option("--help", None, ask("usage")),
    Option("--nice", "NUMBER", count(-20, 20, "nice")),
    Option("--no_redirect", None, flag("keeps_stderr")),
    Option("--no_resolve", None, lambda settings, _name, _value: setattr(
        settings, "resolves", False)),
    Option("--overload_prot", "LOW-HIGH", overload),
    Option("--print-config", None, flag("prints_config")),
)
BY_NAME = {option.name: option for option in OPTIONS}


def usage():
    words = []
    for option in OPTIONS:
        value = f" {option.value}" if option.value else ""
        if option.name == "--overload_prot":  # getopt's optional argument is not a word of its own
            value = f"[={option.value}]"
        words.append(f"[{option.name}{value}]")
    lines = ["usage: rtpproxy"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > 79:
            lines.append("      ")
        lines[-1] += " " + word
    return "\n".join(lines)


def split(argv):
    """[(name, value), ...] as getopt_long() would take them."""
    letters = "".join(o.name[1] + (":" if o.value else "") for o in OPTIONS if len(o.name) == 2)
    words = [o.name[2:] + ("=" if o.value else "") for o in OPTIONS if len(o.name) > 2]
    # The one option of rtpproxy whose value may be left out.
    argv = [f"{word}={OVERLOAD}" if word == "--overload_prot" else word for word in argv]
    try:
        pairs, rest = getopt.gnu_getopt(argv, letters, words)
    except getopt.GetoptError as error:
        raise Refusal(f"{error.msg}\n{usage()}") from None
    if rest:
        raise Refusal(f"'{rest[0]}' belongs to no option\n{usage()}")
    return pairs


def parse(argv):
    settings = Settings()
    for name, value in split(argv):
        BY_NAME[name].apply(settings, name, value)
    return settings
