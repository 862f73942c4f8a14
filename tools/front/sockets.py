# SPDX-License-Identifier: BSD-2-Clause
"""Command sockets of -s and targets of -n in the spelling of rtprelay.conf."""

import os
import re

from front.refusal import Refusal

DEFAULT = "unix:/var/run/rtpproxy.sock"
DEFAULT_PORT = 22222
LONGEST_PATH = 107  # sun_path of unix(7) and its end
FAMILY = {"udp": 4, "tcp": 4, "udp6": 6, "tcp6": 6}
STDIO = ("stdio:", "stdioc:")


def is_port(text):
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535


def path_of(text, path):
    path = os.path.abspath(path)
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Refusal(f"-s {text}: the path of a socket has at most {LONGEST_PATH} bytes")
    return path


def inet_socket(text, host, resolves):
    kind, _, rest = text.partition(":")
    name, _, port = rest.rpartition(":")
    if not name or not is_port(port):
        name, port = rest, str(DEFAULT_PORT)
    name = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if name == "*":
        return f"{kind}:*:{port}"
    address = host.resolve(name, FAMILY[kind], numeric=not resolves)
    if not name or address is None:
        raise Refusal(f"-s {text}: '{name}' is no IPv{FAMILY[kind]} address"
                      + (" or name of one" if resolves else ""))
    return f"{kind}:{address}:{port}"


def command_socket(text, host, resolves):
    """What is no known kind is a path, as in rtpproxy."""
    kind, colon, rest = text.partition(":")
    if text in (*STDIO, "systemd:"):
        return text
    if colon and kind in FAMILY:
        return inet_socket(text, host, resolves)
    if colon and kind in ("unix", "cunix"):
        return f"{kind}:{path_of(text, rest)}"
    return f"unix:{path_of(text, text)}"


def notify_target(text):
    """Stays as it is, for controllers name it by that text."""
    path = text.removeprefix("unix:")
    if text.startswith("tcp:"):
        host, _, port = text[4:].rpartition(":")
        if not is_port(port) or not re.fullmatch(r"%%CC_SELF%%|[0-9.]+", host):
            raise Refusal(f"-n {text}: expected tcp:HOST:PORT with a numeric IPv4 address, or "
                          "tcp:%%CC_SELF%%:PORT")
    elif not path.startswith("/"):
        raise Refusal(f"-n {text}: expected the whole path, from /")
    return text
