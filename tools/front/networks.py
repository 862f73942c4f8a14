# SPDX-License-Identifier: BSD-2-Clause
"""Ports and realms: of the machine's interfaces, or of a base configuration's pools."""

import ipaddress
import re

from front.refusal import Refusal

MTU_MAX = 9600  # ports.mtu
NEEDS_BASE = "or name the ports in a file and that in RTPRELAY_CONF"


class Names:
    """Realm names, each once: labels first, for controllers use them."""

    def __init__(self, labels):
        self.taken = set(labels)

    def pick(self, wanted):
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted


def resolved(listen, host, resolves):
    address = host.resolve(listen.host, listen.family, numeric=not resolves)
    if address is None:
        raise Refusal(f"{listen.option}: '{listen.host}' is no IPv{listen.family} address"
                      + (" or name of one" if resolves else ""))
    return address


def net(prefix, address, advertised):
    return {"prefix": prefix, "pool": [address], "gateway": "", "advertised": advertised or ""}


def prefix_of(address, prefix_len):
    return str(ipaddress.ip_network(f"{address}/{prefix_len}", strict=False))


# ---- interfaces of the kernel, shared with it

class Interfaces:
    """Realms on the machine's interfaces."""

    def __init__(self, host, resolves, wanted):
        self.host, self.resolves, self.wanted = host, resolves, wanted  # RTPRELAY_IFACE or None
        self.ports = {}

    def locate(self, listen):
        """The Address that a Listen means."""
        known = self.host.addresses(listen.family)
        if listen.is_any:
            return self._locate_any(listen, known)
        address = resolved(listen, self.host, self.resolves)
        found = [a for a in known if a.host == address]
        if not found:
            raise Refusal(f"{listen.option}: no interface has the address {address}: add it to "
                          f"one, {NEEDS_BASE}")
        if self.wanted:
            found = [a for a in found if a.interface == self.wanted]
        if not found:
            raise Refusal(f"{listen.option}: {address} is not on {self.wanted}, which "
                          "RTPRELAY_IFACE names")
        return found[0]

    def _locate_any(self, listen, known):
        name = self.wanted or self.host.default_interface(listen.family)
        if name is None:
            raise Refusal(f"{listen.option}: no default route tells the interface: name it in "
                          f"RTPRELAY_IFACE, or the address in -l, {NEEDS_BASE}")
        for address in known:
            if address.interface == name:
                return address
        raise Refusal(f"{listen.option}: {name} has no IPv{listen.family} address")

    def _port(self, address):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", address.interface)
        self.ports.setdefault(address.interface, {
            "name": name, "device": address.interface, "mode": "shared",
            "mtu": min(address.mtu, MTU_MAX)})
        return name

    def realm(self, listen, name):
        found = self.locate(listen)
        if found.link_type != "ether":
            raise Refusal(f"{listen.option}: {found.host} is on {found.interface}, which is no "
                          "Ethernet interface: name an address that other hosts reach")
        realm = {"name": name, "port": self._port(found), "hide_address": listen.is_any}
        realm[f"ipv{listen.family}"] = net(prefix_of(found.host, found.prefix_len), found.host,
                                           listen.advertised)
        return realm

    def name_of(self, _listen):
        return "default"

    def realms_of_any(self, listen, names):
        return [self.realm(listen, names.pick(listen.label or "default"))]


# ---- pools of a base configuration

def in_pool(address, pool):
    for entry in pool:
        first, _, last = entry.partition("-")
        if (ipaddress.ip_address(first) <= ipaddress.ip_address(address)
                <= ipaddress.ip_address(last or first)):
            return True
    return False


class Pools:
    """Realms whose addresses are those of a base configuration."""

    def __init__(self, host, resolves, base, path):
        self.host, self.resolves, self.base, self.path = host, resolves, base, path

    def find(self, listen):
        if listen.is_any:
            raise Refusal(f"{listen.option}: with RTPRELAY_CONF the wildcard stands alone and "
                          "means every pool of it")
        address = resolved(listen, self.host, self.resolves)
        family = f"ipv{listen.family}"
        for realm in self.base["realms"]:
            if family in realm and in_pool(address, realm[family]["pool"]):
                return realm, address
        raise Refusal(f"{listen.option}: {address} is in no pool of {self.path}, which "
                      "RTPRELAY_CONF names")

    def realm(self, listen, name):
        realm, address = self.find(listen)
        family = f"ipv{listen.family}"
        narrowed = {**realm[family], "pool": [address]}
        if listen.advertised:
            narrowed["advertised"] = listen.advertised
        keys = ("port", "vlan", "hide_address")
        return {"name": name, **{key: realm[key] for key in keys}, family: narrowed}

    def name_of(self, listen):
        return self.find(listen)[0]["name"]

    def realms_of_any(self, _listen, _names):
        return self.base["realms"]


# ---- either of them

def overlap(first, second):
    a, b = ipaddress.ip_network(first), ipaddress.ip_network(second)
    return a.prefixlen != b.prefixlen and a.overlaps(b)


def part_nested_prefixes(realms):
    """Prefixes of one link are alike or apart; where the kernel's are not, each is its address."""
    for family in ("ipv4", "ipv6"):
        nets = [(r["port"], r[family]) for r in realms if family in r]
        if any(p == q and overlap(a["prefix"], b["prefix"]) for p, a in nets for q, b in nets):
            for _, entry in nets:
                entry["prefix"] = prefix_of(entry["pool"][0], 32 if family == "ipv4" else 128)


def check_once(listen, realm, realms):
    family = f"ipv{listen.family}"
    if any(realm[family]["pool"] == other[family]["pool"] for other in realms if family in other):
        raise Refusal(f"{listen.option}: {realm[family]['pool'][0]} is given twice, and an address "
                      "belongs to one realm")


def show_advertised(bridge, advertised):
    """-A is for both addresses of a bridge."""
    if advertised and len(advertised) != 2:
        raise Refusal(f"-A {advertised[0]}: a bridge needs both advertised addresses, "
                      "INTERNAL/EXTERNAL")
    for listen, shown in zip(bridge, advertised):
        listen.advertised = shown


def make_realms(source, bridge, others, advertised):
    """(realms, options of `bridge`) for the listen addresses."""
    names = Names(listen.label for listen in others if listen.label)
    if not bridge and len(others) == 1 and others[0].is_any:
        return source.realms_of_any(others[0], names), None
    wanted = []
    if bridge:
        show_advertised(bridge, advertised)
        wanted = [(b, names.pick(name)) for b, name in zip(bridge, ("internal", "external"))]
    wanted += [(o, o.label or names.pick(source.name_of(o))) for o in others]
    realms = []
    for listen, name in wanted:
        realm = source.realm(listen, name)
        check_once(listen, realm, realms)
        realms.append(realm)
    if not bridge:
        return realms, None
    return realms, {"internal": realms[0]["name"], "external": realms[1]["name"]}
