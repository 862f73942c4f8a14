# SPDX-License-Identifier: BSD-2-Clause
"""The rtprelay.conf that a command line means, as nested dicts and as text."""

import os
import re
import zlib

from front import instance, networks, sockets
from front.listen import settle_listen
from front.refusal import Refusal

LISTS = ("ports", "realms", "neighbours")  # ( ) in libconfig; other lists are arrays, [ ]
STORE_MB_OF_ADDRESS = 64
# Modest, for several instances may share a small machine; a base configuration can say otherwise.
DATAPLANE = {"poll": "adaptive", "hugepages": "off", "memory_mb": 64, "mbufs": 8192}
LEARNING = ("compat", "safe")


# ---- checks that need more than one option

def check_root(settings, host):
    if settings.checks_nothing or settings.user or not host.is_root:
        return
    if any(re.match(r"udp6?:", s) for s in settings.sockets):
        raise Refusal("as root with a UDP command socket -u USER is needed, or -F to go without")
    settings.notes.append("runs as root: -u USER names another user for commands, -F takes this "
                          "line away")


def check_modules(settings):
    """Of rtpproxy's own configuration file only the modules matter."""
    if settings.config_file is None:
        return
    try:
        with open(settings.config_file, encoding="utf-8", errors="replace") as file:
            text = re.sub(r"#.*|//.*", "", file.read())
    except OSError as error:
        raise Refusal(f"--config {settings.config_file}: {error.strerror}") from None
    if re.search(r"\b(modules|include)\b", text, re.I):
        raise Refusal(f"--config {settings.config_file}: rtprelay loads no modules, and what "
                      "these do would be missing")
    settings.notes.append(f"--config {settings.config_file} loads no modules and does nothing "
                          "else, as in rtpproxy")


def check_ports(settings):
    low = settings.media.get("port_min", 35000)
    high = settings.media.get("port_max", 65000)
    if low + low % 2 + 1 > high - (1 - high % 2):
        raise Refusal(f"ports {low} to {high} of -m and -M hold no pair")


def check_together(settings, host, bridge):
    if any(s in sockets.STDIO for s in settings.sockets) and not settings.foreground:
        raise Refusal("-s stdio: needs -f")
    check_root(settings, host)
    check_modules(settings)
    check_ports(settings)
    if settings.records_all:
        settings.notes.append("-a records nothing without -r, as in rtpproxy")
    if settings.socket_mode is not None and not settings.group:
        settings.notes.append("-w does nothing without the group of -u, as in rtpproxy")
    if settings.advertised and not bridge:
        settings.notes.append("-A does nothing without a bridge, as in rtpproxy: use -l ADDR=ADV")


# ---- parts of the file

def cores(environ, host, folder):
    """Without RTPRELAY_CORES one worker; instances are spread, and leave the first core alone."""
    text = environ.get("RTPRELAY_CORES")
    if text and not re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", text):
        raise Refusal(f"RTPRELAY_CORES {text}: expected numbers of cores as 2,3")
    usable = host.cores()
    free = usable[1:] or usable
    workers = ([int(core) for core in text.split(",")] if text
               else [free[zlib.crc32(folder.encode()) % len(free)]])
    return {"cores": workers, "main_core": usable[0]}


def learning(environ, media):
    """A base configuration says it, and rtpproxy's way is for want of one."""
    mode = environ.get("RTPRELAY_LEARNING") or media.get("learning", "compat")
    if mode not in LEARNING:
        raise Refusal(f"RTPRELAY_LEARNING {mode}: expected {' or '.join(LEARNING)}")
    return mode


def network_source(settings, host, environ, base):
    path = environ.get("RTPRELAY_CONF")
    if base is None:
        return networks.Interfaces(host, settings.resolves, environ.get("RTPRELAY_IFACE"))
    for name in ("RTPRELAY_IFACE", "RTPRELAY_CORES", "RTPRELAY_NAME"):
        if environ.get(name):
            raise Refusal(f"{name} and RTPRELAY_CONF say the same twice: leave {name} out")
    return networks.Pools(host, settings.resolves, base, path)


def set_instance(conf, settings):
    group = conf["instance"]
    level = settings.log_level or ("info" if settings.foreground else "warning")
    if settings.log_level or "log_level" not in group:
        group["log_level"] = level
    if settings.user or settings.group:
        group["user"], group["group"] = settings.user or "", settings.group or ""


def set_control(conf, settings, host):
    group = conf["control"]
    group.update(settings.control)
    if "media_ttl_s" in settings.control and "setup_ttl_s" not in settings.control:
        group["setup_ttl_s"] = settings.control["media_ttl_s"]
    if settings.sockets or "sockets" not in group:
        wanted = settings.sockets or [sockets.DEFAULT]
        group["sockets"] = [sockets.command_socket(s, host, settings.resolves) for s in wanted]
    if settings.notify:
        group["notify"] = [sockets.notify_target(t) for t in settings.notify]
    if settings.socket_mode is not None and settings.group:
        group["socket_mode"] = f"{settings.socket_mode:04o}"


def own_places(conf, settings, host, environ):
    """Without a base configuration: folders and cores."""
    folder = instance.folder(environ, conf["control"]["sockets"], settings.pid_file)
    conf["instance"]["run_dir"] = f"{folder}/run"
    conf["control"]["store_dir"] = f"{folder}/store"
    conf["control"]["store_mb"] = STORE_MB_OF_ADDRESS * len(conf["realms"])
    conf["dataplane"] = {**cores(environ, host, folder), **DATAPLANE}


def build(settings, host, environ, base):
    """The whole configuration; base is what RTPRELAY_CONF names, or None."""
    bridge, others = settle_listen(settings.listen)
    check_together(settings, host, bridge)
    conf = base or {"instance": {}, "dataplane": {}, "media": {}, "control": {}}
    source = network_source(settings, host, environ, base)
    realms, letters = networks.make_realms(source, bridge, others, settings.advertised)
    if realms is not conf.get("realms"):
        conf["realms"], conf["bridge"] = realms, letters or {"internal": "", "external": ""}
    if base is None:
        networks.part_nested_prefixes(realms)
        conf["ports"] = list(source.ports.values())
    set_instance(conf, settings)
    set_control(conf, settings, host)
    conf["media"].update({**settings.media, "learning": learning(environ, conf["media"])})
    if base is None:
        own_places(conf, settings, host, environ)
    add_private_socket(conf)
    return conf


def front_folder(conf, base):
    """Of what the front itself reads back: beside run_dir, which is the group's of -u as well."""
    run_dir = os.path.normpath(conf["instance"]["run_dir"])
    return os.path.dirname(run_dir) if base is None else f"{run_dir}.front"


def private_path(conf):
    return f"{conf['instance']['run_dir']}/rtpproxy.sock"


def add_private_socket(conf):
    """By which the front learns that commands are answered."""
    conf["control"]["sockets"] = [*conf["control"]["sockets"], f"unix:{private_path(conf)}"]


# ---- text

def quoted(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refusal(f"{text!a}: a configuration is UTF-8, and this is not") from None
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_text(key, value, indent):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        inner = "".join(line(k, v, indent + "\t") for k, v in value.items())
        return "{\n" + inner + indent + "}"
    first, last = ("(", ")") if key in LISTS else ("[", "]")
    return f"{first} {', '.join(value_text(key, v, indent) for v in value)} {last}"


def line(key, value, indent):
    return f"{indent}{key} = {value_text(key, value, indent)};\n"


def text_of(conf):
    return ("# Written by rtpproxy, the front of rtprelay, from its command line at every start.\n"
            + "".join(line(key, value, "") for key, value in conf.items()))
