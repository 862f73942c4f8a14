# SPDX-License-Identifier: BSD-2-Clause
"""What the front asks of the machine: interfaces and their addresses, routes, names, cores."""

import dataclasses
import json
import os
import socket
import subprocess

from front.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Address:
    interface: str
    link_type: str  # as ip(8) says it: ether, loopback, none
    mtu: int
    host: str
    prefix_len: int


class Host:
    """This machine, by way of ip(8)."""

    @property
    def is_root(self):
        return os.geteuid() == 0

    def cores(self):
        return sorted(os.sched_getaffinity(0))

    def _ip(self, *words):
        try:
            done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True,
                                  check=False)
        except FileNotFoundError:
            raise Refusal("ip is missing, which tells interfaces: install iproute2, or name the "
                          "ports in a file and that in RTPRELAY_CONF") from None
        if done.returncode != 0:
            raise Refusal(f"ip {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout or "[]")

    def addresses(self, family):
        """Of all interfaces, each interface's own order: the first one is its primary address."""
        wanted = "inet" if family == 4 else "inet6"
        return [Address(link["ifname"], link["link_type"], link["mtu"], info["local"],
                        info["prefixlen"])
                for link in self._ip("addr", "show")
                for info in link["addr_info"]
                if info["family"] == wanted and info["scope"] != "link"
                and not info.get("temporary")]

    def default_interface(self, family):
        """Of the default route, or None."""
        for route in self._ip(f"-{family}", "route", "show", "default"):
            if "dev" in route:
                return route["dev"]
        return None

    def resolve(self, name, family, numeric):
        """The address of a name as text, or None."""
        try:
            found = socket.getaddrinfo(
                name, None, socket.AF_INET if family == 4 else socket.AF_INET6,
                socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST if numeric else 0)
        except (OSError, UnicodeError):  # of a name that cannot be one
            return None
        return found[0][4][0]
